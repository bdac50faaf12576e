//! What holds of every format.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;

use super::recorded::{events, outgoing};
use super::*;
use ingest::pairing::State;

mod control;
mod elastic;
mod golden;
mod oracle;
mod withheld;

const RECORDING: &str = "samples/openbao-2.7.2-recorded/hashed.ndjson";

fn json(format: Format, item: &Outgoing) -> Value {
    serde_json::from_slice(&encode(format, item, &Options::default())).unwrap()
}

fn answered() -> Outgoing {
    let mut both = events(RECORDING).into_iter().filter(|it| it.event.leaves.len() == 2);
    both.next().unwrap()
}

#[test]
fn an_event_is_the_apis_with_the_hashes_of_its_lines() {
    for item in events(RECORDING) {
        let mut sent = json(Format::Event, &item);
        let hashes = sent["line_sha256"].take();
        assert_eq!(hashes.as_array().unwrap().len(), item.event.leaves.len());
        let added = ["line_sha256", "supersedes", "keytrail_version"];
        sent.as_object_mut().unwrap().retain(|key, _| !added.contains(&key.as_str()));
        assert_eq!(sent, serde_json::to_value(&item.event).unwrap());
    }
}

#[test]
fn the_hash_of_a_line_is_what_sha256sum_says() {
    let mut item = answered();
    item.request.as_mut().unwrap().bytes = b"abc".to_vec();
    item.response = None;
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(json(Format::Event, &item)["line_sha256"], serde_json::json!([abc]));
}

#[test]
fn a_late_response_names_the_event_that_it_completes() {
    let Outgoing { request, response, .. } = answered();
    let unanswered = outgoing(request, None, State::Unanswered);
    let late = outgoing(None, response, State::Late);
    let sent = json(Format::Event, &late);
    assert_ne!(sent["uid"], sent["supersedes"]);
    assert_eq!(sent["supersedes"], unanswered.event.uid.to_string());
    assert_eq!(json(Format::Event, &unanswered)["supersedes"], Value::Null);
}
