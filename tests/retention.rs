//! Retention and legal hold on the command line, and while files are followed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ingest::ledger::{Ledger, NewBatch, Stream};
use ingest::source::{Lines, Reader};

use crate::util::{
    DEADLINE, Data, Run, Server, fixture, fixture_text, missing_tool, python, request, until,
};

const DAY_NS: i64 = 86_400_000_000_000;

/// A real log that arrived over thirty days, in small segments, indexed. Returns it.
pub(crate) fn arrived_over_a_month(data: &Data) -> Vec<u8> {
    let log = fixture_text("openbao-2.7.2/ha/node-1.audit.jsonl.gz").into_bytes();
    let mut ledger = Ledger::open_with(data.path(), "c", 4_000).unwrap();
    let lines: Vec<&[u8]> = log.split_inclusive(|&byte| byte == b'\n').collect();
    let batches: Vec<_> = lines.chunks(lines.len().div_ceil(30)).collect();
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap();
    let (mut generation, mut offset) = (None, 0);
    for (number, batch) in (1..).zip(&batches) {
        let mut lines = Lines::default();
        batch.iter().for_each(|line| lines.push(line));
        let new = NewBatch {
            stream: Stream::Lines,
            source: "c/n/file",
            generation,
            parent: None,
            offset,
            reader: Reader::Live,
            arrived_unix_ns: now - (batches.len() as i64 - number) * DAY_NS,
            continued: false,
            unterminated: false,
            lines: &lines,
        };
        generation = Some(ledger.append(&new).unwrap().generation);
        offset += lines.bytes.len() as u64;
    }
    ledger.checkpoint().unwrap();
    drop(ledger);
    data.run("rebuild", [""; 0]).expect(0);
    log
}

/// What is left is the end of the log, what is gone is told, and both are proven, to us and to others.
fn is_cut_and_proven(data: &Data, log: &[u8], events: u64) {
    assert!(data.status_of("least_leaf") > 0);
    assert!(data.status_of("events") < events);
    let left = data.cat("c/n/file");
    assert!(!left.is_empty() && left.len() < log.len() && log.ends_with(&left));
    let verified = data.run("verify", ["--index"]).expect(0);
    assert!(verified.text().contains("removed by retention"), "{}", verified.text());
    if missing_tool(&python(), "install Python 3") {
        return;
    }
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/read_ledger.py");
    let read = Run::of(python().arg(&reader).arg(data.path()).arg("c/n/file")).expect(0);
    assert!(read.stdout == left, "the Python reader gives other lines");
    let checkpoint = fs::read_to_string(data.path().join("ledger/checkpoint")).unwrap();
    let root = checkpoint.lines().nth(2).unwrap();
    assert!(read.stderr.contains(root), "{root} is not in {}", read.stderr);
}

#[test]
fn what_is_older_than_what_is_kept_loses_its_lines_and_nothing_else() {
    let data = Data::new();
    let log = arrived_over_a_month(&data);
    let events = data.status_of("events");
    // A proof that was made before is one afterwards.
    let proof = data.run("prove", ["1", "--format", "json"]);
    let told = data.run("retention", ["--keep", "10d"]).expect(0);
    assert!(told.text().contains("would lose their lines"), "{}", told.text());
    assert_eq!(data.status_of("events"), events, "nothing was to be done yet");
    let removed = data.run("retention", ["--keep", "10d", "--apply"]).expect(0);
    assert!(removed.text().contains("segments lost their lines"), "{}", removed.text());
    is_cut_and_proven(&data, &log, events);
    assert_eq!(proof.code, data.run("prove", ["1", "--format", "json"]).code);
    let again = data.run("retention", ["--keep", "10d", "--apply"]).expect(0);
    assert!(again.text().starts_with("0 segments"), "{}", again.text());
}

#[test]
fn a_running_keytrail_removes_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    let log = arrived_over_a_month(&data);
    let events = data.status_of("events");
    let file = folder.path().join("audit.log");
    fs::write(&file, &log).unwrap();
    let config = folder.path().join("keytrail.toml");
    let text = format!(
        "[retention]\nkeep = \"10d\"\n[[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"n\"\n",
        file.display()
    );
    fs::write(&config, text).unwrap();
    let server = Server::start(&data, &["-c", config.to_str().unwrap()]);
    until("old lines are removed", DEADLINE, || (data.status_of("least_leaf") > 0).then_some(()));
    until("the index follows", DEADLINE, || (data.status_of("events") < events).then_some(()));
    // The file's beginning is known though its lines are gone: what is written to it goes on from its end.
    let more = request("after", "secret/data/x", 0);
    let mut file = fs::OpenOptions::new().append(true).open(&file).unwrap();
    std::io::Write::write_all(&mut file, more.as_bytes()).unwrap();
    until("what comes is recorded", Duration::from_secs(30), || {
        (data.total("request:after") == 1).then_some(())
    });
    server.terminate();
    is_cut_and_proven(&data, &[log, more.into_bytes()].concat(), events);
    assert_eq!(data.status_of("gaps"), 0);
}

#[test]
fn a_legal_hold_stops_retention_and_is_shown() {
    let data = Data::new();
    data.import([fixture("openbao-2.7.2/audit.jsonl.gz")]);
    let told = data.run("retention", ["--keep", "1d"]).expect(0);
    assert!(told.text().starts_with("0 segments would lose their lines"), "{}", told.text());
    let before = data.search_text("");
    let hold = |arguments: &[&str]| {
        let (command, rest) = arguments.split_first().unwrap();
        let mut all = vec![*command, "-d", data.path().to_str().unwrap()];
        all.extend(rest);
        crate::util::Run::of(crate::util::keytrail().arg("hold").args(all))
    };
    hold(&["set", "case 7"]).expect(0);
    assert_eq!(data.status()["holds"][0]["reason"], "case 7");
    let refused = data.run("retention", ["--keep", "1d", "--apply"]).expect(1);
    assert!(refused.stderr.contains("legal hold since"), "{}", refused.stderr);
    assert!(refused.stderr.contains("case 7"), "{}", refused.stderr);
    hold(&["release", "another case"]).expect(1);
    hold(&["release"]).expect(0);
    assert_eq!(data.status()["holds"].as_array().map(Vec::len), Some(0));
    data.run("retention", ["--keep", "1d", "--apply"]).expect(0);
    assert_eq!(data.status_of("least_leaf"), 0);
    assert_eq!(data.search_text(""), before);
    data.run("verify", [] as [&str; 0]).expect(0);
    data.run("retention", ["--keep", "soon"]).expect(2);
}
