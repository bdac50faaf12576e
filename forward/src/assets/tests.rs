//! Every field that is sent has its place in the mappings, with a type that takes it, and they hold no more than they need.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::encode::Wrap;
use crate::encode::recorded::{events, recordings};
use crate::encode::{Options, control, encode};
use crate::encoding::Encoding;
use crate::format::Format;
use crate::totals::testing::total;

fn json(siem: Siem, name: &str) -> Value {
    let asset = siem.assets().iter().find(|asset| asset.name == name).unwrap();
    serde_json::from_str(asset.text).unwrap()
}

fn mapping(siem: Siem) -> Value {
    json(siem, "component-template.json")["template"]["mappings"].take()
}

/// Checks a value against its mapping; notes the fields it meets.
fn check(path: &str, value: &Value, mapped: &Value, seen: &mut BTreeSet<String>) {
    if let Value::Array(items) = value {
        return items.iter().for_each(|item| check(path, item, mapped, seen));
    }
    if let Value::Object(properties) = &mapped["properties"] {
        for (name, value) in value.as_object().unwrap_or_else(|| panic!("{path} is no object")) {
            let below = format!("{path}.{name}");
            let mapped = properties.get(name).unwrap_or_else(|| panic!("{below} is not mapped"));
            check(&below, value, mapped, seen);
        }
        return;
    }
    let fits = match mapped["type"].as_str().unwrap_or_else(|| panic!("{path} has no type")) {
        "keyword" | "text" => value.is_string(),
        "long" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "date" => value.as_str().is_some_and(ingest::decode::is_rfc3339),
        "ip" => value.as_str().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        "flattened" | "flat_object" => value.is_object(),
        other => panic!("{path}: {other}"),
    };
    assert!(fits, "{path}: {value} for {mapped}");
    seen.insert(path.to_owned());
}

#[test]
fn mappings_take_every_field_that_is_sent_and_grow_by_none() {
    for siem in [Siem::Elastic, Siem::Opensearch] {
        let mapping = mapping(siem);
        assert_eq!(mapping["dynamic"], false);
        let mut seen = BTreeSet::new();
        for recording in recordings() {
            for item in events(&recording) {
                let bytes = encode(Format::Ecs, &item, &Options::default());
                check("", &serde_json::from_slice(&bytes).unwrap(), &mapping, &mut seen);
            }
        }
        let encoding =
            Encoding { format: Format::Ecs, options: Options::default(), wrap: Wrap::Nothing };
        let total = control::encode(&total(), &encoding);
        check("", &serde_json::from_slice(&total.0).unwrap(), &mapping, &mut seen);
        assert!(seen.contains(".keytrail.control.events"));
        assert!(seen.len() > 130, "{} fields", seen.len());
    }
}

#[test]
fn both_mappings_are_one_but_for_a_word() {
    let text = |siem| mapping(siem).to_string();
    let elastic = text(Siem::Elastic)
        .replace(r#"{"ignore_above":8191,"type":"flattened"}"#, r#"{"type":"flat_object"}"#);
    assert_eq!(elastic, text(Siem::Opensearch));
    for siem in [Siem::Elastic, Siem::Opensearch] {
        let template = json(siem, "index-template.json");
        assert_eq!(template["index_patterns"][0], "logs-keytrail-*");
        assert_eq!(template["composed_of"][0], "keytrail");
    }
}

/// The Common Information Model's event types ask for words that the encoder says.
#[test]
fn event_types_of_splunk_are_those_that_are_sent() {
    let asset =
        |name: &str| Siem::Splunk.assets().iter().find(|asset| asset.name == name).unwrap().text;
    let mut told = BTreeSet::new();
    for recording in recordings() {
        for item in events(&recording) {
            let bytes = encode(Format::Splunk, &item, &Options::default());
            let event: Value = serde_json::from_slice(&bytes).unwrap();
            told.insert(event["cim"].as_str().unwrap().to_owned());
        }
    }
    for model in &told {
        assert!(asset("eventtypes.conf").contains(&format!("cim=\"{model}\"")), "{model}");
        assert!(asset("tags.conf").contains(&format!("[eventtype=keytrail_{model}]")), "{model}");
    }
    assert_eq!(told.len(), 3);
}
