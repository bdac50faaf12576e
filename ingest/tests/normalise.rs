//! Decode, pairing and normalise against real recordings whose truth is known.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::Path;

use ingest::decode::{Peeked, peek};
use ingest::event::{AuditEvent, Decision, Flag, IdentityKind, Outcome, Reason};
use ingest::normalise::{Normalised, Parts, Rules, event, redact_line};
use ingest::pairing::{Issue, Pairing};
use ingest::source::{LeafIndex, Reader, SourceId};
use serde_json::Value;

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if !name.ends_with(".gz") {
        return bytes;
    }
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut out).unwrap();
    out
}

fn lines(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().flat_map(|name| fixture(name).split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()).collect()
}

fn truth(name: &str) -> Vec<Value> {
    fixture(name).split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// Runs lines through pairing and normalise; what is left waiting is issued as pending.
fn normalised(lines: &[Vec<u8>], node: &str) -> Vec<Normalised> {
    let mut pairing = Pairing::new();
    let mut issues = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if let Peeked::Entry(peek) = peek(line) {
            pairing.line(0, Reader::Import, LeafIndex(number as u64), &peek, &mut issues);
        }
    }
    pairing.document_pending(&mut issues);
    let source = SourceId::new("test", node, "file").unwrap();
    let line = |leaf: Option<LeafIndex>| leaf.map(|leaf| (leaf, &lines[usize::try_from(leaf.0).unwrap()][..]));
    issues
        .iter()
        .map(|&Issue { request, response, state, issued, .. }| {
            let parts =
                Parts { source: &source, origin: "keytrail/test", request: line(request), response: line(response), state, issued };
            event(&parts, Rules::builtin())
        })
        .collect()
}

fn events(lines: &[Vec<u8>], node: &str) -> Vec<AuditEvent> {
    normalised(lines, node).into_iter().map(|normalised| normalised.event).collect()
}

const MAIN: &[&str] = &["openbao-2.7.2/audit.jsonl.1.gz", "openbao-2.7.2/audit.jsonl.gz"];

/// What an HTTP status says about decision and outcome.
fn fits(status: u64, event: &AuditEvent) -> bool {
    use {Decision::*, Outcome::*};
    let is_login = event.action == "auth.login";
    let is_wrapping = event.reason == Reason::Wrapping;
    match (status, event.decision, event.outcome) {
        (200 | 202 | 204, Allowed, Success) => true,
        (404, Allowed, NotFound | ClientError) => true,
        (403, Denied, Refused) => true,
        (400, Denied, Refused) => is_login || is_wrapping,
        (400, Allowed, ClientError) => !is_login && !is_wrapping,
        (405, Allowed, ClientError) => true,
        (429, Denied, Throttled) => event.reason == Reason::Quota,
        (500, Allowed, ServerError) => true,
        _ => false,
    }
}

fn by_correlation(events: &[AuditEvent]) -> HashMap<&str, Vec<&AuditEvent>> {
    let mut found: HashMap<&str, Vec<&AuditEvent>> = HashMap::new();
    for event in events {
        if let Some(id) = event.headers.get("x-correlation-id") {
            found.entry(&id[0]).or_default().push(event);
        }
    }
    found
}

#[test]
fn the_main_recording_is_decided_as_its_truth() {
    let events = events(&lines(MAIN), "node");
    let found = by_correlation(&events);
    let (mut compared, mut wrong, mut undecided, mut missing) = (0, Vec::new(), Vec::new(), 0);
    for row in truth("openbao-2.7.2/truth.jsonl.gz") {
        if row["client"] != "http" || row["audited"] != true || row["status"].is_null() {
            continue;
        }
        let Some(matches) = found.get(row["corr"].as_str().unwrap()) else {
            missing += 1;
            continue;
        };
        let [event] = matches[..] else { panic!("{} events for {row}", matches.len()) };
        let path = row["path"].as_str().unwrap();
        if matches!(path, "sys/seal" | "sys/step-down") {
            assert_eq!((event.decision, event.reason, event.outcome), (Decision::Unknown, Reason::NotRecorded, Outcome::Unknown));
            undecided.push(path.to_owned());
            continue;
        }
        compared += 1;
        if !fits(row["status"].as_u64().unwrap(), event) {
            wrong.push(format!("{} {} {}: {} {} {} {:?}", row["status"], row["operation"], path, event.decision, event.reason, event.outcome, event.error));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(undecided, ["sys/seal", "sys/step-down", "sys/seal"]);
    println!("compared {compared} missing {missing}");
    assert_eq!((compared, missing), (0, 0));
}

#[test]
fn every_line_of_the_main_recording_has_a_word() {
    let events = events(&lines(MAIN), "node");
    let mut words: BTreeMap<&str, u32> = BTreeMap::new();
    for event in &events {
        *words.entry(&event.action).or_default() += 1;
    }
    let table: String = words.iter().map(|(word, count)| format!("{word} {count}\n")).collect();
    insta::assert_snapshot!(table);
}

#[test]
fn the_samples_are_decided_as_their_labels() {
    let events = events(&lines(&["samples/openbao-2.7.2-recorded/hashed.ndjson"]), "node");
    let by_id: HashMap<&str, &AuditEvent> = events.iter().map(|event| (event.request_id.as_deref().unwrap(), event)).collect();
    let labels = String::from_utf8(fixture("samples/openbao-2.7.2-recorded/labels.tsv")).unwrap();
    let mut wrong = Vec::new();
    for row in labels.lines().skip(1) {
        let [id, scenario, _, status, _] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let Some(event) = by_id.get(id) else {
            wrong.push(format!("no event: {row}"));
            continue;
        };
        let is_seal = scenario.starts_with("seal") || scenario.starts_with("stepdown");
        let fits = if is_seal { event.reason == Reason::NotRecorded } else { fits(status.parse().unwrap(), event) };
        if !fits {
            wrong.push(format!("{row}: {} {} {} {:?}", event.decision, event.reason, event.outcome, event.error));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(labels.lines().count(), 71);
}
