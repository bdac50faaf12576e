#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use reqwest::StatusCode;

use super::*;
use crate::batch::testing;

fn item(number: u8, node: &str) -> Item {
    let record = LogRecord { event_name: number.to_string(), ..LogRecord::default() };
    let name = KeyValue { key: node.to_owned(), ..KeyValue::default() };
    let resource = Resource { attributes: vec![name], ..Resource::default() };
    Item {
        bytes: Arc::from(record.encode_to_vec()),
        beside: Beside::Resource(Arc::from(resource.encode_to_vec())),
        ..testing::item(number)
    }
}

#[test]
fn records_of_a_node_stand_together_and_are_what_was_encoded() {
    let items = [item(1, "a"), item(2, "b"), item(3, "a")];
    let bytes = request(&items).encode_to_vec();
    let read = ExportLogsServiceRequest::decode(&*bytes).unwrap();
    let told: Vec<(String, Vec<String>)> = read
        .resource_logs
        .into_iter()
        .map(|logs| {
            let scope = &logs.scope_logs[0];
            assert_eq!(scope.scope.as_ref().unwrap().name, "keytrail");
            let names = scope.log_records.iter().map(|record| record.event_name.clone());
            (logs.resource.unwrap().attributes[0].key.clone(), names.collect())
        })
        .collect();
    let of = |node: &str, names: &[&str]| {
        (node.to_owned(), names.iter().map(|name| (*name).to_owned()).collect())
    };
    assert_eq!(told, [of("a", &["1", "3"]), of("b", &["2"])]);
}

fn reply(status: u16, content_type: &str, body: Vec<u8>) -> Reply {
    let status = StatusCode::from_u16(status).unwrap();
    Reply { status, body, content_type: content_type.to_owned(), retry_after: None }
}

#[test]
fn a_partial_success_is_none_and_is_not_sent_again() {
    let of = |rejected_log_records, words: &str| {
        let partial =
            ExportLogsPartialSuccess { rejected_log_records, error_message: words.to_owned() };
        let response = ExportLogsServiceResponse { partial_success: Some(partial) };
        let mut warning = String::new();
        let answer = answer(reply(200, CONTENT_TYPE, response.encode_to_vec()), 3, &mut warning);
        (answer, warning)
    };
    let taken = |warning: &str| (Answer::Taken(DeliveryState::Accepted), warning.to_owned());
    assert_eq!(of(0, ""), taken(""));
    assert_eq!(of(0, "a label is deprecated"), taken("200 OK: a label is deprecated"));
    assert_eq!(of(-1, ""), taken(""));
    let why = "200 OK: too old".to_owned();
    let state = DeliveryState::Accepted;
    assert_eq!(of(2, "too old").0, Answer::Partial { state, refused: 2, why: why.clone() });
    for all in [3, i64::MAX] {
        let Answer::Each { refused, later, .. } = of(all, "too old").0 else { panic!("each") };
        assert_eq!(refused, (0..3).map(|at| (at, why.clone())).collect::<Vec<_>>());
        assert!(later.is_empty());
    }
}

#[test]
fn who_does_not_answer_by_the_protocol_is_no_receiver() {
    let of = |reply| answer(reply, 1, &mut String::new());
    let taken = Answer::Taken(DeliveryState::Accepted);
    assert_eq!(of(reply(200, CONTENT_TYPE, Vec::new())), taken);
    assert_eq!(of(reply(204, "", Vec::new())), taken);
    let page = of(reply(200, "text/html", b"<html>".to_vec()));
    assert_eq!(page, Answer::Stop("no answer of an OTLP receiver, 200 OK: <html>".to_owned()));
    let status = Status { message: "too many bytes".to_owned() };
    let refused = of(reply(400, CONTENT_TYPE, status.encode_to_vec()));
    assert_eq!(refused, Answer::Rejected("400 Bad Request: too many bytes".to_owned()));
}

#[test]
fn headers_are_checked_and_secrets_stand_in_files() {
    let config = |name: &str, value: &str| OtlpConfig {
        url: OtlpConfig::logs_url("http://127.0.0.1:4318/"),
        headers: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        header_files: BTreeMap::new(),
        ca_file: None,
    };
    assert_eq!(config("a", "b").url, "http://127.0.0.1:4318/v1/logs");
    assert_eq!(OtlpConfig::logs_url("https://x/otlp/v1/logs"), "https://x/otlp/v1/logs");
    assert_eq!(config("X-Scope-OrgID", "prod").check(), Ok(()));
    for (name, value, words) in [
        ("a b", "x", "cannot be the name"),
        ("Host", "x", "keytrail's own"),
        ("Authorization", "Bearer x", "header_files"),
        ("x", "a\nb", "the value of x cannot be one"),
    ] {
        let problem = config(name, value).check().unwrap_err();
        assert!(problem.contains(words), "{problem}");
    }
}
