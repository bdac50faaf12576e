//! What each format makes of telling events.

use ingest::event::{Decision, IdentityKind, Reason};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use serde_json::json;

use super::super::recorded::{events, outgoing};
use super::*;

/// Events of the main recording, each with what it is told for.
fn telling() -> Vec<(&'static str, Outgoing)> {
    let files = ["openbao-2.7.2/audit.jsonl.1.gz", "openbao-2.7.2/audit.jsonl.gz"];
    let all: Vec<Outgoing> = files.into_iter().flat_map(events).collect();
    let first =
        |fits: &dyn Fn(&Outgoing) -> bool| all.iter().find(|item| fits(item)).unwrap().clone();
    let action = |action: &'static str, decision| {
        first(&|item| item.event.action == action && item.event.decision == decision)
    };
    let read = first(&|item| {
        item.event.action == "secret.read" && item.event.identity.kind == IdentityKind::Workload
    });
    let Outgoing { request, response, .. } = read.clone();
    vec![
        ("secret read", read),
        (
            "denied",
            first(&|item| {
                item.event.reason == Reason::Policy && item.event.decision == Decision::Denied
            }),
        ),
        ("login", action("auth.login", Decision::Allowed)),
        ("failed login", action("auth.login", Decision::Denied)),
        ("credential", action("cred.issue", Decision::Allowed)),
        ("token", action("token.create", Decision::Allowed)),
        ("policy written by root", action("policy.write", Decision::Allowed)),
        ("unanswered", outgoing(request, None, State::Unanswered)),
        ("late", outgoing(None, response, State::Late)),
    ]
}

fn check(format: Format) {
    let mut text = String::new();
    for (what, item) in telling() {
        let bytes = encode(format, &item, &Options::default());
        let shown = match format.is_json() {
            true => serde_json::to_string_pretty(&serde_json::from_slice::<Value>(&bytes).unwrap())
                .unwrap(),
            false => String::from_utf8(bytes).unwrap(),
        };
        text.push_str(&format!("== {what}\n{shown}\n"));
    }
    insta::assert_snapshot!(format.as_str(), text);
}

/// A record as its data model has it: what stands in it by names of ours, then its attributes.
fn shown(record: &[u8], beside: &Beside) -> String {
    let record = LogRecord::decode(record).unwrap();
    let Beside::Resource(resource) = beside else { panic!("a resource") };
    let resource = Resource::decode(&resource[..]).unwrap();
    let any = |value: &Option<AnyValue>| plain(value.as_ref().unwrap().value.as_ref().unwrap());
    let mut text = format!(
        "time {} observed {}\nseverity {} {}\nevent {}\nbody {}\n",
        record.time_unix_nano,
        record.observed_time_unix_nano,
        record.severity_number,
        record.severity_text,
        record.event_name,
        any(&record.body)
    );
    for (of, attributes) in [("resource ", &resource.attributes), ("", &record.attributes)] {
        for KeyValue { key, value, .. } in attributes {
            text.push_str(&format!("{of}{key} = {}\n", any(value)));
        }
    }
    text
}

fn plain(value: &Any) -> Value {
    match value {
        Any::StringValue(text) => json!(text),
        Any::IntValue(number) => json!(number),
        Any::ArrayValue(list) => {
            list.values.iter().map(|value| plain(value.value.as_ref().unwrap())).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn otlp() {
    let mut text = String::new();
    for (what, item) in telling() {
        let (record, beside) = wrap(Wrap::LogRecord, Format::Syslog, &item, &Options::default());
        text.push_str(&format!("== {what}\n{}\n", shown(&record, &beside)));
    }
    insta::assert_snapshot!("otlp", text);
}

#[test]
fn event() {
    check(Format::Event);
}

#[test]
fn ocsf() {
    check(Format::Ocsf);
}

#[test]
fn ecs() {
    check(Format::Ecs);
}

#[test]
fn cef() {
    check(Format::Cef);
}

#[test]
fn syslog() {
    check(Format::Syslog);
}

#[test]
fn splunk() {
    check(Format::Splunk);
}
