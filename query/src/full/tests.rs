//! The recording of a real cluster: ledger and index made from it give the events back.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use ingest::decode::{Peeked, peek};
use ingest::event::{Decision, Reason};
use ingest::index::{CommitPayload, IndexWriter};
use ingest::ledger::{Ledger, NewBatch, Stream};
use ingest::normalise::Rules;
use ingest::pairing::{Issue, Pairing};
use ingest::source::{Lines, Reader};

use super::*;
use crate::history::View;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/openbao-2.7.2/ha")
}

/// Makes a data folder of the three nodes' files, and returns the events as they went into the index.
fn make(data: &Path) -> Vec<AuditEvent> {
    let mut ledger = Ledger::open(data, "prod").expect("a ledger");
    let mut index =
        IndexWriter::open(&data.join("index"), Rules::builtin().version(), "keytrail/prod")
            .expect("an index");
    let mut events = Vec::new();
    let mut pairing = Pairing::new();
    for (number, name) in [(0, "node-1"), (1, "node-2"), (2, "node-3")] {
        let source = SourceId::new("prod", name, "file").expect("a source");
        let packed =
            std::fs::File::open(fixtures().join(format!("{name}.audit.jsonl.gz"))).expect("a file");
        let mut text = Vec::new();
        GzDecoder::new(packed).read_to_end(&mut text).expect("gzip");
        let mut lines = Lines::default();
        text.split_inclusive(|byte| *byte == b'\n').for_each(|line| lines.push(line));
        let appended = ledger
            .append(&NewBatch {
                stream: Stream::Lines,
                source: &source.to_string(),
                generation: None,
                parent: None,
                offset: 0,
                reader: Reader::Import,
                arrived_unix_ns: 0,
                continued: false,
                unterminated: false,
                lines: &lines,
            })
            .expect("appended");
        let mut issues = Vec::new();
        let first = appended.first_line.0;
        for (leaf, line) in (first..).map(LeafIndex).zip(lines.iter()) {
            if let Peeked::Entry(peek) = peek(line) {
                pairing.line(number, Reader::Import, leaf, &peek, &mut issues);
            }
        }
        pairing.document_pending(&mut issues);
        let all: Vec<&[u8]> = lines.iter().collect();
        let line = |leaf: LeafIndex| (leaf, all[(leaf.0 - first) as usize]);
        for Issue { request, response, state, issued, replaces, .. } in issues {
            let parts = Parts {
                source: &source,
                origin: "keytrail/prod",
                request: request.map(line),
                response: response.map(line),
                state,
                issued,
            };
            let made = normalise::event(&parts, Rules::builtin());
            let learned: Vec<_> =
                made.learned.into_iter().map(|pair| (pair.hash, pair.text)).collect();
            index.add(&made.event, state, &learned, replaces).expect("added");
            events.push(made.event);
        }
    }
    let covered = ledger.checkpoint().expect("a checkpoint").size;
    let payload = CommitPayload::nothing(Rules::builtin().version(), "keytrail/prod");
    index.commit(CommitPayload { covered, ..payload }).expect("a commit");
    index.finish().expect("merged");
    events
}

fn all() -> Question {
    Question { all: true, ..Question::everything() }
}

#[test]
fn events_come_back_from_their_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = make(folder.path());
    let trail = Trail::open(folder.path()).expect("a trail");
    assert!(trail.is_of_these_rules());
    let mut read = Vec::new();
    let page = events(&trail, &all(), 0, None, &mut |event| {
        read.push(event);
        Ok::<(), QueryError>(())
    })
    .expect("a page");
    assert_eq!((page.matched, page.leaf), (made.len() as u64, trail.ledger().size()));

    let mut expected = made.clone();
    expected.sort_by_key(|event| {
        std::cmp::Reverse((event.time.as_ref().map(|time| time.unix_ns), event.issued))
    });
    for event in &mut expected {
        trail.view().fill_in(event).expect("filled in");
        assert_eq!(
            event.salt.as_deref(),
            Some("prod/file/1"),
            "the recording begins with the probe"
        );
    }
    assert_eq!(read, expected);

    for event in &expected {
        let full = super::event(&trail, event.uid).expect("an answer").expect("an event");
        assert_eq!(&full.event, event);
        let lines: Vec<&StoredLine> =
            [&full.request, &full.response].into_iter().flatten().collect();
        assert_eq!(lines.iter().map(|line| line.leaf).collect::<Vec<_>>(), event.leaves);
        for line in lines {
            assert_eq!(&*line.source, event.source.to_string());
            if let Some(id) = &event.request_id {
                assert!(String::from_utf8_lossy(&line.bytes).contains(id));
            }
        }
        assert_eq!(full.no_twin, event.reason == Reason::Forwarded && full.twin.is_none());
    }
    assert!(super::event(&trail, Uid([0; 16])).expect("an answer").is_none());

    // Many looked up together are those looked up one by one; the unknown one is left out.
    let view = trail.view();
    let wanted = expected.iter().map(|event| event.uid).chain([Uid([0; 16])]).collect();
    let mut together = find_all(&view, &wanted).expect("places");
    let one_by_one = expected.iter().map(|event| find(&view, event.uid).expect("an answer"));
    let mut one_by_one: Vec<_> = one_by_one.map(|found| found.expect("an event")).collect();
    together.sort_unstable();
    one_by_one.sort_unstable();
    assert_eq!(together, one_by_one);
}

#[test]
fn rows_say_what_events_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = make(folder.path());
    let trail = Trail::open(folder.path()).expect("a trail");
    let page = crate::search::search(&trail, &all(), 0, None).expect("a page");
    assert_eq!(page.items.len(), made.len());
    for row in &page.items {
        let event = made.iter().find(|event| event.uid == row.uid).expect("its event");
        assert_eq!(row.time, event.time.as_ref().map(|time| time.text.clone()));
        assert_eq!(row.completed, event.completed.as_ref().map(|time| time.text.clone()));
        assert_eq!(row.identity_key, event.identity.key);
        assert_eq!(row.identity, event.identity.name);
        assert_eq!(row.action.as_deref(), Some(&*event.action));
        assert_eq!(row.path, event.path);
        assert_eq!(row.error, event.error);
        assert_eq!(row.decision.as_deref(), Some(event.decision.as_str()));
        assert_eq!(row.policy, sorted(&event.granting));
        assert_eq!(row.port, event.remote_port.map(u64::from));
        assert_eq!(row.issued, event.issued);
        assert_eq!(row.latency_us, event.latency_us);
    }
}

fn sorted(texts: &[String]) -> Vec<String> {
    let mut texts = texts.to_vec();
    texts.sort();
    texts.dedup();
    texts
}

#[test]
fn the_cluster_carried_out_what_its_standbys_handed_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = make(folder.path());
    let trail = Trail::open(folder.path()).expect("a trail");
    let view: &View = &trail.view();
    let truth = truth();
    let (mut carried_out, mut lost) = (0, 0);
    for event in made.iter().filter(|event| event.reason == Reason::Forwarded) {
        let time = event.time.as_ref().expect("a time").unix_ns;
        let path = event.path.as_deref().expect("a path");
        if path.starts_with("sys/storage/raft/bootstrap/") {
            continue; // The nodes themselves, when they joined.
        }
        let at_once = |row: &&Row| row.path == path && row.from <= time && time <= row.to;
        let rows: Vec<&Row> = truth.iter().filter(at_once).collect();
        let [row] = rows[..] else { panic!("{path} at {time}: {} requests", rows.len()) };
        match view.twin(event.uid).expect("an answer") {
            Some(twin) => {
                let twin = made.iter().find(|event| event.uid == twin).expect("an event");
                assert_ne!(twin.node, event.node);
                let is_denied = matches!(row.status, 400 | 403);
                assert_eq!(twin.decision == Decision::Denied, is_denied, "{path} {}", row.status);
                carried_out += 1;
            }
            // The leader had been killed: the client saw its connection break.
            None => {
                assert_eq!(row.status, 0, "{path}");
                lost += 1;
            }
        }
    }
    // 57 responses of clients' requests in the nodes' files say that they were handed on; 18 of the
    // client's requests were never answered.
    assert_eq!((carried_out, lost), (39, 18));
}

/// What the client of the recording saw.
struct Row {
    path: String,
    status: u64,
    from: i64,
    to: i64,
}

fn truth() -> Vec<Row> {
    let packed = std::fs::File::open(fixtures().join("truth.jsonl.gz")).expect("a file");
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text).expect("gzip");
    let rows = text.lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).expect("a row");
        let time = |key: &str| {
            let stamp: jiff::Timestamp =
                row[key].as_str().expect("a time").parse().expect("a time");
            i64::try_from(stamp.as_nanosecond()).expect("this era")
        };
        Row {
            path: row["path"].as_str().unwrap_or_default().to_owned(),
            status: row["status"].as_u64().unwrap_or(0),
            from: time("time"),
            to: time("end"),
        }
    });
    rows.collect()
}
