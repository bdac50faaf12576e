//! Signatures of webhooks, by the conventions of standardwebhooks.com.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::http::{SetUpError, secret};

/// Reads the key of a webhook: base64 after `whsec_`, as the receiver shows it.
///
/// # Errors
/// The file cannot be read, or holds no such key.
pub fn key(path: &Path) -> Result<Vec<u8>, SetUpError> {
    let text = secret(path)?;
    let encoded = text.strip_prefix("whsec_").unwrap_or(&text);
    STANDARD.decode(encoded).map_err(|_| SetUpError::Holds {
        path: path.to_owned(),
        what: "a key in base64, with or without whsec_ before it".to_owned(),
    })
}

/// Signs a message: HMAC-SHA-256 over `id.timestamp.body`, in base64 after `v1,`.
pub fn signature(key: &[u8], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn signatures_are_those_of_the_specification() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let signature = signature(
            &key,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
