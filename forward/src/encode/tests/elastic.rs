//! ECS: every field is one that Elastic knows, with the type it has there, or stands below `keytrail`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::recorded::{events, recordings};
use super::*;

const FIELDS: &str = include_str!("../../../../fixtures/elastic/fields.tsv");

/// ECS 8: which types are expected of which category.
const EXPECTED: &[(&str, &[&str])] = &[
    (
        "api",
        &[
            "access", "admin", "allowed", "change", "creation", "deletion", "denied", "end",
            "info", "start", "user",
        ],
    ),
    ("authentication", &["end", "info", "start"]),
    ("configuration", &["access", "change", "creation", "deletion", "info"]),
    ("iam", &["admin", "change", "creation", "deletion", "group", "info", "user"]),
];

fn known() -> BTreeMap<&'static str, &'static str> {
    let rows = FIELDS.lines().skip(1);
    rows.map(|row| {
        let mut cells = row.split('\t');
        (cells.next().unwrap(), cells.next().unwrap())
    })
    .collect()
}

/// Lists the fields of a document: path, and each value that stands there.
fn leaves<'a>(
    known: &BTreeMap<&str, &str>,
    path: String,
    value: &'a Value,
    found: &mut Vec<(String, &'a Value)>,
) {
    match value {
        Value::Object(members) if known.get(&*path) != Some(&"flattened") => {
            for (name, value) in members {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(known, below, value, found);
            }
        }
        Value::Array(items) => {
            items.iter().for_each(|item| leaves(known, path.clone(), item, found));
        }
        _ => found.push((path, value)),
    }
}

fn has_type(value: &Value, kind: &str) -> bool {
    match kind {
        "keyword" => value.is_string(),
        "long" | "number" => value.is_i64(),
        "boolean" => value.is_boolean(),
        "date" => value.as_str().is_some_and(ingest::decode::is_rfc3339),
        "ip" => value.as_str().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        "flattened" => value.is_object(),
        _ => false,
    }
}

#[test]
fn every_field_is_known_and_has_its_type() {
    let known = known();
    let mut seen = BTreeSet::new();
    let mut own = BTreeSet::new();
    for recording in recordings() {
        for item in events(&recording) {
            let document = json(Format::Ecs, &item);
            let mut found = Vec::new();
            leaves(&known, String::new(), &document, &mut found);
            for (path, value) in found {
                if path.starts_with("keytrail.") {
                    own.insert(path);
                    continue;
                }
                let kind =
                    known.get(&*path).unwrap_or_else(|| panic!("{recording}: {path} is unknown"));
                assert!(has_type(value, kind), "{recording}: {path} is {value}, no {kind}");
                seen.insert(path);
            }
        }
    }
    let encoding = crate::encoding::Encoding {
        format: Format::Ecs,
        options: Options::default(),
        wrap: Wrap::Nothing,
    };
    let total = super::super::control::encode(&crate::totals::testing::total(), &encoding);
    let document: Value = serde_json::from_slice(&total.0).unwrap();
    let mut found = Vec::new();
    leaves(&known, String::new(), &document, &mut found);
    for (path, value) in found.iter().filter(|(path, _)| !path.starts_with("keytrail.")) {
        let kind = known.get(&**path).unwrap_or_else(|| panic!("{path} is unknown"));
        assert!(has_type(value, kind), "{path} is {value}, no {kind}");
    }
    // The dashboards' fields are there.
    let tree = seen.iter().filter(|path| path.starts_with("hashicorp_vault.audit.")).count();
    assert!(tree >= 50, "{tree} of Elastic's 71 fields: {seen:?}");
    assert!(own.len() < 60, "mappings must stay few: {own:?}");
}

#[test]
fn categories_and_types_fit_and_outcomes_are_right() {
    let mut categories = BTreeMap::<String, usize>::new();
    for recording in recordings() {
        for item in events(&recording) {
            let document = json(Format::Ecs, &item);
            let about = &document["event"];
            let words = |name: &str| -> Vec<&str> {
                about[name].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
            };
            let (category, kinds) = (words("category"), words("type"));
            for kind in &kinds {
                let fits = |of: &&str| {
                    EXPECTED.iter().any(|(name, kinds)| name == of && kinds.contains(kind))
                };
                assert!(category.iter().any(fits), "{category:?} {kinds:?}");
            }
            let is_login =
                item.event.action.starts_with("auth.") || item.event.action.starts_with("token.");
            assert_eq!(category.contains(&"authentication"), is_login, "{}", item.event.action);
            assert_eq!(kinds.contains(&"denied"), item.event.decision.as_str() == "denied");
            // Elastic's pipeline makes a failure of an error that is there and empty.
            assert_eq!(about["outcome"] == "success", item.event.outcome.as_str() == "success");
            *categories.entry(category.join(" ")).or_default() += 1;
        }
    }
    assert_eq!(categories.len(), 4, "{categories:?}");
}

#[test]
fn an_empty_error_is_no_failure_and_odd_types_are_left_out() {
    let line = |kind: &str, more: &str| {
        format!(
            r#"{{"time":"2026-01-02T03:04:05.6Z","type":"{kind}","error":"","request":{{"id":"r1","operation":"read","path":"secret/x","mount_type":"kv","remote_address":"no address","remote_port":"7","namespace":{{"id":"root","path":""}}}}{more}}}"#
        )
    };
    let lines = [line("request", ""), line("response", r#","response":{"data":{"a":{"b":1}}}"#)];
    let item = super::super::recorded::of_lines(lines.iter().map(|line| line.as_bytes())).remove(0);
    let document = json(Format::Ecs, &item);
    assert_ne!(document["event"]["outcome"], "failure");
    assert_eq!(document["error"], Value::Null);
    assert_eq!(document["source"], serde_json::json!({"address": "no address"}));
    let request = &document["hashicorp_vault"]["audit"]["request"];
    assert_eq!(request["id"], "r1");
    for absent in ["remote_address", "remote_port"] {
        assert_eq!(request[absent], Value::Null);
    }
    assert_eq!(request["namespace"], serde_json::json!({"id": "root"}));
}

#[test]
fn a_line_behind_a_header_or_a_torn_piece_has_its_tree() {
    let line = r#"{"time":"2026-01-02T03:04:05.6Z","type":"request","request":{"id":"r1","operation":"read","path":"secret/x"}}"#;
    for before in ["<13>Jan 2 bao: ", r#"{"time":"2026-01-02T03:04:05.5Z","type":"requ"#] {
        for include_clear_values in [false, true] {
            let text = format!("{before}{line}\n");
            let item = super::super::recorded::of_lines([text.as_bytes()]).remove(0);
            let options = Options { include_clear_values, ..Options::default() };
            let document: Value =
                serde_json::from_slice(&encode(Format::Ecs, &item, &options)).unwrap();
            let request = &document["hashicorp_vault"]["audit"]["request"];
            assert_eq!(request["id"], "r1", "{before} {include_clear_values}");
        }
    }
}
