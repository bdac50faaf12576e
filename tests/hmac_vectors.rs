//! The HMAC of an audit value, computed by another library: what the fixtures and the generator hold is
//! what a server would write.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::util::{fixture_text, generated, missing_tool, python};

fn hmac_of(salt: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(salt.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    let digits: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("hmac-sha256:{digits}")
}

#[test]
fn the_vectors_of_the_fixtures() {
    let vectors: Value =
        serde_json::from_str(&fixture_text("samples/hmac-vectors/vectors.json")).unwrap();
    let vectors = vectors.as_array().unwrap();
    assert_eq!(vectors.len(), 6);
    for vector in vectors {
        let [salt, input, hash] =
            ["salt", "input", "hash"].map(|name| vector[name].as_str().unwrap());
        assert_eq!(hmac_of(salt, input), hash, "{input:?} under {salt:?}");
    }
}

#[test]
fn the_hashes_of_the_generator_are_true_ones() {
    if missing_tool(&python(), "install Python 3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (log, truth) = generated(folder.path(), 1, 2000, &["--salt", "another salt"]);
    let log = std::fs::read_to_string(log).unwrap();
    let issued = truth["creds"].as_array().unwrap();
    assert!(!issued.is_empty());
    for user in issued {
        let hash = hmac_of("another salt", user["username"].as_str().unwrap());
        assert_eq!(user["hmac"], hash.as_str());
        assert!(log.contains(&hash), "{hash} of a database user is not in the log");
    }
}
