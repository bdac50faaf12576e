//! Made-up logs with a truth file: what the generator counted while it wrote is what keytrail counts.
//! Some responses and some requests are missing, and the file ends in a torn line.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::util::{Data, generated, missing_tool, python};

const LINES: u32 = 20_000;

fn table(truth: &Value, rename: impl Fn(&str) -> String) -> BTreeMap<String, u64> {
    truth
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, count)| (rename(key), count.as_u64().unwrap()))
        .collect()
}

/// The generator's names for its mounts.
fn mount(name: &str) -> String {
    match name {
        "kv" => "secret/",
        "db" => "database/",
        "transit" => "transit/",
        "pki" => "pki/",
        "sys" => "sys/",
        "token" => "auth/token/",
        "k8s" => "auth/kubernetes/",
        "userpass" => "auth/userpass/",
        "approle" => "auth/approle/",
        other => panic!("the generator has no mount {other}"),
    }
    .to_owned()
}

fn counts_equal_the_generators(seed: u32) {
    if missing_tool(&python(), "install Python 3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (log, truth) =
        generated(folder.path(), seed, LINES, &["--orphans", "0.002", "--lost", "0.001", "--torn"]);
    assert!(
        truth["orphans"].as_u64() > Some(0) && truth["lost"].as_u64() > Some(0),
        "the seed makes no gaps: {truth}"
    );
    let data = Data::new();
    data.import([&log]);

    assert_eq!(data.total(""), truth["transactions"].as_u64().unwrap());
    assert_eq!(data.status_of("undecodable"), 1);
    assert_eq!(data.count("", "op"), table(&truth["by_operation"], str::to_owned));
    assert_eq!(data.count("", "mount"), table(&truth["by_mount"], mount));
    // The truth counts what an identity did with its token, so not the logins, whose response names it too.
    let mut by_entity = data.count("-action:auth.login", "entity");
    assert_eq!(by_entity.remove("").unwrap_or(0), truth["root"].as_u64().unwrap());
    assert_eq!(by_entity, table(&truth["by_entity"], str::to_owned));
    // A read whose response is missing had been granted, so it is among the allowed.
    let reads = data.count("mount:secret/ op:read decision:allowed", "path");
    assert_eq!(reads, table(&truth["reads_by_secret"], |path| format!("secret/data/{path}")));

    let denied = data.total("decision:denied -action:auth.login");
    assert_eq!(denied, truth["denied"].as_u64().unwrap());
    // A failed login whose response is missing is not known to have failed.
    let (failed, lost) = (
        data.total("action:auth.login decision:denied"),
        data.total("action:auth.login decision:unknown"),
    );
    let (truly, logins) =
        (truth["failed_logins"].as_u64().unwrap(), truth["logins"].as_u64().unwrap());
    assert!(
        failed <= truly && truly <= failed + lost,
        "{failed} failed logins and {lost} unknown, truly {truly}"
    );
    assert_eq!(data.total("action:auth.login"), truly + logins);

    // A database user's hash leads to the lease and the identity.
    let hashed: Vec<&Value> = truth["creds"].as_array().unwrap().iter().take(3).collect();
    for issued in hashed {
        let found = data.search(&format!("hash:{}", issued["hmac"].as_str().unwrap()));
        assert!(found.len() <= 1, "{found:?}");
        for event in found {
            assert_eq!(
                (&event["lease_id"], &event["identity"]["entity_id"]),
                (&issued["lease_id"], &issued["entity_id"])
            );
        }
    }
}

#[test]
fn seed_1() {
    counts_equal_the_generators(1);
}

#[test]
fn seed_2() {
    counts_equal_the_generators(2);
}

#[test]
fn seed_3() {
    counts_equal_the_generators(3);
}
