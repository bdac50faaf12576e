//! No clear secret leaves the ledger: a device that logs in clear (`log_raw`) is fed in, and nothing that
//! its hashed twin hides may stand in the index, in answers or on pages.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ingest::index::EventIndex;
use serde_json::Value;

use crate::util::{
    Data, Run, Server, clear_strings, fixture_text, get, json_lines, keytrail, main_recording,
    visible_text,
};

const RAW: &str = "openbao-2.7.2/audit-raw.jsonl.gz";

/// Every clear value of the raw device that the hashed device hides: strings in data, tokens, accessors.
fn secrets() -> Vec<String> {
    let mut hidden = BTreeSet::new();
    for line in json_lines(&fixture_text(RAW)) {
        for block in ["request", "response"] {
            clear_strings(&line[block]["data"], &mut hidden);
            for name in
                ["client_token", "client_token_accessor", "token", "accessor", "wrapped_accessor"]
            {
                for place in
                    [&line[block], &line[block]["auth"], &line[block]["wrap_info"], &line["auth"]]
                {
                    clear_strings(&place[name], &mut hidden);
                }
            }
        }
    }
    let shown = shown(
        ["audit.jsonl.1.gz", "audit.jsonl.gz"]
            .map(|name| fixture_text(&format!("openbao-2.7.2/{name}")))
            .iter()
            .map(String::as_str),
    );
    let secrets: Vec<String> = hidden
        .into_iter()
        // The raw device hashes accessors all the same: those are no secrets, and are looked up by.
        .filter(|text| !text.starts_with("hmac-sha256:"))
        .filter(|text| is_telling(text) && !shown.contains(text.as_str()))
        .collect();
    assert!(secrets.len() > 400, "the recording has only {} secrets", secrets.len());
    assert!(secrets.iter().any(|secret| secret.starts_with("s.")), "no token among the secrets");
    secrets
}

/// Tells whether a value cannot stand on a page by chance, as a word, a number or an address of ours can.
fn is_telling(text: &str) -> bool {
    let word = text.len() < 10 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let number = text.len() < 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.len() >= 6 && !word && !number && !text.contains("127.0.0.1")
}

/// Every text that the index holds, one a line: the terms of each field and the words of each column. Its
/// files are compressed, so their bytes tell nothing.
fn texts_of_index(dir: &Path) -> String {
    let searcher = EventIndex::open(dir).unwrap().searcher();
    let mut texts = Vec::new();
    for segment in searcher.segment_readers() {
        for (field, entry) in segment.schema().fields() {
            assert!(!entry.is_stored(), "{} is stored: it has to be read here", entry.name());
            if entry.is_indexed() {
                let terms = segment.inverted_index(field).unwrap();
                let mut terms = terms.terms().stream().unwrap();
                while terms.advance() {
                    texts.extend_from_slice(terms.key());
                    texts.push(b'\n');
                }
            }
            if let Ok(Some(column)) = segment.fast_fields().str(entry.name()) {
                let mut words = column.dictionary().stream().unwrap();
                while words.advance() {
                    texts.extend_from_slice(words.key());
                    texts.push(b'\n');
                }
            }
        }
    }
    String::from_utf8_lossy(&texts).into_owned()
}

/// All distinct strings of JSON lines, one a line: what they show, small enough to be searched often.
fn shown<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut found = BTreeSet::new();
    for text in texts {
        json_lines(text).iter().for_each(|line| clear_strings(line, &mut found));
    }
    found
        .into_iter()
        .filter(|text| !text.starts_with("hmac-sha256:"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[track_caller]
fn assert_hidden(secrets: &[String], haystack: &str, what: &str) {
    let leaked: Vec<&String> =
        secrets.iter().filter(|secret| haystack.contains(secret.as_str())).collect();
    assert!(
        leaked.is_empty(),
        "{what} shows {} of {} secrets, such as {:?}",
        leaked.len(),
        secrets.len(),
        &leaked[..leaked.len().min(5)]
    );
}

/// Imports the raw device of the recording, allowed by the flag.
fn raw() -> Data {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit-raw.jsonl");
    fs::write(&path, fixture_text(RAW)).unwrap();
    let data = Data::new();
    let mut command = keytrail();
    command.arg("import").arg("-d").arg(data.path()).args([
        "--cluster",
        "c",
        "--node",
        "n",
        "--device",
        "raw",
    ]);
    let refused = Run::of(command.arg(&path));
    assert!(refused.code != 0, "a device that logs clear tokens was taken without allow_raw");
    assert!(
        refused.stderr.contains("raw"),
        "the refusal does not name the remedy:\n{}",
        refused.stderr
    );
    Run::of(command.arg("--allow-raw")).expect(0);
    assert!(
        data.cat("c/n/raw") == fixture_text(RAW).as_bytes(),
        "cat must give what the server wrote"
    );
    data
}

#[test]
fn a_raw_device_shows_no_secret() {
    let (data, secrets) = (raw(), secrets());
    let search = data.search_text("");
    // Two requests fewer than the hashed device, which was alone for one of them, and a probe of its own.
    assert_eq!(search.lines().count(), 3069);
    assert_hidden(&secrets, &shown([search.as_str()].into_iter()), "search");
    for field in ["path", "object", "error", "identity", "policy", "data_key", "lease"] {
        let run = data.run("count", ["", "--by", field, "--format", "csv"]).expect(0);
        assert_hidden(&secrets, run.text(), &format!("count --by {field}"));
    }
    assert_hidden(
        &secrets,
        data.run("search", ["", "--all", "--limit", "0", "--format", "csv"]).expect(0).text(),
        "search as CSV",
    );
    assert_hidden(&secrets, &texts_of_index(&data.path().join("index")), "the index");

    let server = Server::start(&data, &[]);
    for filter in [
        "",
        "decision:denied",
        "action:secret.read",
        "action:secret.write",
        "has:lease",
        "is:wrapped",
    ] {
        let page = get(&server.address, &format!("/explore?q={}", filter.replace(':', "%3A")));
        assert_hidden(&secrets, &visible_text(&page.body), &format!("/explore?q={filter}"));
    }
    for action in [
        "secret.read",
        "secret.write",
        "auth.login",
        "cred.issue",
        "token.create",
        "transit.encrypt",
        "wrap.unwrap",
        "lease.renew",
        "policy.write",
    ] {
        for event in data.search(&format!("action:{action}")).iter().take(3) {
            let uid = event["uid"].as_str().unwrap();
            let page = get(&server.address, &format!("/event/{uid}"));
            assert_hidden(
                &secrets,
                &visible_text(&page.body),
                &format!("the page of {action} {uid}"),
            );
            assert_hidden(
                &secrets,
                &page.body,
                &format!("the source of the page of {action} {uid}"),
            );
        }
    }
    assert_hidden(&secrets, &server.said(), "standard error");
}

#[test]
fn numbers_below_a_kv_secret_are_withheld_on_the_event_page() {
    // The server hashes no numbers: the hashed device itself has "port":5432 of a secret in clear.
    let data = main_recording();
    let folder = tempfile::tempdir().unwrap();
    let own = Data::at(&folder.path().join("data"));
    own.import([fixture_file(folder.path())]);
    let lines = String::from_utf8(own.cat("c/n/file")).unwrap();
    let server = Server::start(&own, &[]);
    let id = json_lines(&lines)
        .iter()
        .find(|line| line["response"]["data"]["data"]["port"] == 5432)
        .map(|line| line["request"]["id"].as_str().unwrap().to_owned())
        .expect("the recording has a secret with a port");
    let event: Value = data.search(&format!("request:{id}")).remove(0);
    let page = get(&server.address, &format!("/event/{}", event["uid"].as_str().unwrap()));
    let text = visible_text(&page.body);
    assert!(text.contains("secret/data/"), "not the event's page:\n{text}");
    // As a word of its own: hashes and fractions of seconds may hold the digits.
    let mut words = text.split(|character: char| !character.is_ascii_alphanumeric());
    assert!(
        !words.any(|word| word == "5432"),
        "the port of a secret is on the event page:\n{text}"
    );
    for mut event in data.search("action:secret.read") {
        // A line may be the leaf of this number.
        let places = event.as_object_mut().unwrap();
        places.retain(|place, _| !["leaves", "issued"].contains(&place.as_str()));
        assert!(!holds(&event, 5432), "the port of a secret stands in an event: {event}");
    }
}

/// Tells whether a number stands anywhere in a value, as a number or as text.
fn holds(value: &Value, number: u64) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|value| holds(value, number)),
        Value::Object(fields) => fields.values().any(|value| holds(value, number)),
        Value::Number(found) => found.as_u64() == Some(number),
        Value::String(text) => *text == number.to_string(),
        Value::Null | Value::Bool(_) => false,
    }
}

fn fixture_file(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("audit.jsonl");
    fs::write(&path, fixture_text("openbao-2.7.2/audit.jsonl.gz")).unwrap();
    path
}
