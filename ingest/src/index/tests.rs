//! The index as a whole: what a writer commits, a reader sees.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tantivy::columnar::{Cardinality, ColumnarReader};
use tantivy::index::SegmentComponent;
use tantivy::query::TermQuery;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Document, Term, collector::Count};

use super::document;
use super::schema::Fields;
use super::testing::{event, time};
use super::{CommitPayload, EventIndex, IndexError, IndexWriter, KeyQuery, OpenLine, Uids};
use crate::event::{AuditEvent, Flag, IdentityKind, IssuedToken, Reason, Uid};
use crate::pairing::State;
use crate::source::{LeafIndex, SourceId};

const ORIGIN: &str = "keytrail/prod";

fn open(dir: &Path) -> IndexWriter {
    IndexWriter::open(dir, "v1", ORIGIN).expect("an index")
}

fn covered(covered: u64) -> CommitPayload {
    CommitPayload { covered, ..CommitPayload::nothing("v1", ORIGIN) }
}

fn add(writer: &mut IndexWriter, event: &AuditEvent, state: State, replaces: bool) {
    writer.add(event, state, &[], replaces).expect("added");
}

fn count(index: &EventIndex, field: Field, value: &str) -> usize {
    let query = TermQuery::new(Term::from_field_text(field, value), IndexRecordOption::Basic);
    index.searcher().search(&query, &Count).expect("a count")
}

#[test]
fn a_reader_sees_commits_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("index");
    assert!(matches!(EventIndex::open(&dir), Err(IndexError::Missing(_))));

    let mut writer = open(&dir);
    let index = EventIndex::open(&dir).expect("an index");
    assert_eq!(index.payload(), covered(0));

    add(&mut writer, &event(1), State::Answered, false);
    let payload = CommitPayload { state: json!({"clock": 5}), ..covered(4) };
    index.refresh().expect("nothing new");
    assert_eq!((index.searcher().num_docs(), index.payload().covered), (0, 0));

    writer.commit(payload.clone()).expect("a commit");
    assert_eq!(index.searcher().num_docs(), 0, "a snapshot stays what it is");
    index.refresh().expect("the commit");
    assert_eq!((index.searcher().num_docs(), index.payload()), (1, payload.clone()));

    // A commit without documents moves the payload all the same.
    writer.commit(CommitPayload { covered: 9, ..payload.clone() }).expect("a commit");
    index.refresh().expect("the commit");
    assert_eq!((index.searcher().num_docs(), index.payload().covered), (1, 9));

    // What was added and not committed before a crash is gone; the rest is there.
    add(&mut writer, &event(2), State::Answered, false);
    drop(writer);
    let writer = open(&dir);
    assert_eq!(writer.payload(), &CommitPayload { covered: 9, ..payload });
    assert_eq!(EventIndex::open(&dir).expect("an index").searcher().num_docs(), 1);
}

#[test]
fn one_process_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let _writer = open(folder.path());
    assert!(matches!(IndexWriter::open(folder.path(), "v1", ORIGIN), Err(IndexError::Locked(_))));
    assert!(matches!(
        IndexWriter::begin_anew(folder.path(), "v1", ORIGIN),
        Err(IndexError::Locked(_))
    ));
}

/// As it is while something else has the file of the dropped writer's lock open for a moment.
#[test]
fn a_lock_that_is_let_go_late_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path()));
    let lock = std::fs::File::open(folder.path().join(".tantivy-writer.lock")).expect("a lock");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("it is free");
    let late = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        drop(lock);
    });
    drop(open(folder.path()).in_bulk().expect("it waits"));
    late.join().expect("no panic");
}

#[test]
fn a_replacing_event_takes_the_place_of_its_uid() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = open(folder.path());
    let mut pending = event(1);
    pending.reason = Reason::Pending;
    add(&mut writer, &pending, State::Pending, false);
    add(&mut writer, &event(2), State::Answered, false);
    writer.commit(covered(3)).expect("a commit");
    // Once over commits, once within one.
    add(&mut writer, &event(1), State::Answered, true);
    pending.uid = event(3).uid;
    add(&mut writer, &pending, State::Pending, false);
    add(&mut writer, &event(3), State::Answered, true);
    writer.commit(covered(8)).expect("a commit");

    let index = EventIndex::open(folder.path()).expect("an index");
    assert_eq!(index.searcher().num_docs(), 3);
    let fields = index.fields();
    assert_eq!(count(&index, fields.is, "pending"), 0);
    let query = KeyQuery::of_uids([event(1).uid]);
    assert_eq!(index.searcher().search(&query, &Count).expect("a count"), 1);
}

#[test]
fn other_rules_grow_beside_and_another_ledger_begins_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("index");
    let mut writer = open(&dir);
    add(&mut writer, &event(1), State::Answered, false);
    writer.commit(covered(4)).expect("a commit");
    drop(writer);
    let index = EventIndex::open(&dir).expect("an index");

    // Half built, then interrupted, then gone on with.
    let mut writer = IndexWriter::open(&dir, "v2", ORIGIN).expect("beside");
    assert!(writer.is_beside());
    assert_eq!(writer.payload().covered, 0);
    add(&mut writer, &event(1), State::Answered, false);
    let v2 = CommitPayload { covered: 2, ..CommitPayload::nothing("v2", ORIGIN) };
    writer.commit(v2.clone()).expect("a commit");
    drop(writer);
    let mut writer = IndexWriter::open(&dir, "v2", ORIGIN).expect("beside");
    assert_eq!((writer.is_beside(), writer.payload()), (true, &v2));
    add(&mut writer, &event(2), State::Answered, false);
    writer.commit(CommitPayload { covered: 6, ..v2 }).expect("a commit");

    index.refresh().expect("the old one");
    assert_eq!((index.payload().rules.as_str(), index.searcher().num_docs()), ("v1", 1));
    let writer = writer.swap().expect("swapped");
    assert!(!writer.is_beside());
    index.refresh().expect("the new one");
    assert_eq!((index.payload().rules.as_str(), index.searcher().num_docs()), ("v2", 2));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    drop(writer);

    let writer = IndexWriter::open(&dir, "v2", "keytrail/test").expect("anew");
    assert_eq!((writer.is_beside(), writer.payload().covered), (false, 0));
    index.refresh().expect("the new one");
    assert_eq!(index.searcher().num_docs(), 0);
}

#[test]
fn a_rebuild_is_seen_when_it_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("index");
    let mut writer = open(&dir);
    add(&mut writer, &event(1), State::Answered, false);
    writer.commit(covered(4)).expect("a commit");
    drop(writer);
    let index = EventIndex::open(&dir).expect("an index");

    let mut writer = IndexWriter::begin_anew(&dir, "v1", ORIGIN).expect("beside");
    assert_eq!((writer.is_beside(), writer.payload().covered), (true, 0));
    writer.commit(covered(1)).expect("a commit");
    index.refresh().expect("the old one");
    assert_eq!(index.payload().covered, 4);
    drop(writer.swap().expect("swapped"));
    index.refresh().expect("the new one");
    assert_eq!((index.payload().covered, index.searcher().num_docs()), (1, 0));

    // A rebuild that was broken off leaves the index that is there.
    drop(IndexWriter::begin_anew(&dir, "v1", ORIGIN).expect("beside"));
    let writer = open(&dir);
    assert_eq!((writer.is_beside(), writer.payload().covered), (false, 1));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

#[test]
fn a_damaged_index_is_built_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = open(folder.path());
    add(&mut writer, &event(1), State::Answered, false);
    writer.commit(covered(4)).expect("a commit");
    writer.finish().expect("merged");
    let segment = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "fast"))
        .expect("a segment");
    std::fs::remove_file(segment).expect("removed");
    assert!(EventIndex::open(folder.path()).is_err());
    assert_eq!(open(folder.path()).payload().covered, 0);
    assert!(EventIndex::open(folder.path()).is_ok());
}

#[test]
fn a_restart_finds_what_was_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = open(folder.path());
    for number in 0..6 {
        let mut event = event(number);
        let state = match number {
            0 | 3 => State::Pending,
            1 | 4 | 5 => State::ResponseOnly,
            _ => State::Answered,
        };
        event.leaves.truncate(if state == State::Answered { 2 } else { 1 });
        if state == State::ResponseOnly {
            event.flags.push(Flag::NoRequest);
        }
        // Refused by a policy: the reason does not say that it waits.
        add(&mut writer, &event, state, false);
        writer.commit(covered(number)).expect("a commit");
    }
    let index = EventIndex::open(folder.path()).expect("an index");
    let line = |number: u64| OpenLine {
        source: "prod/bao-0/file".to_owned(),
        request_id: format!("request-{number}"),
        leaf: LeafIndex(2 * number),
        time_unix_ns: Some(time(number as i64).unix_ns),
    };
    let snapshot = index.snapshot();
    assert_eq!(snapshot.pending().expect("lines"), [line(0), line(3)]);
    assert_eq!(snapshot.response_only(9).expect("lines"), [line(1), line(4), line(5)]);
    assert_eq!(snapshot.response_only(2).expect("lines"), [line(4), line(5)]);
}

#[test]
fn a_commit_each_second_leaves_few_segments() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = open(folder.path());
    for number in 0..120 {
        add(&mut writer, &event(number), State::Answered, false);
        writer.commit(covered(number)).expect("a commit");
    }
    writer.finish().expect("merged");
    let segments = open(folder.path()).segments().expect("segments");
    assert!(segments <= 24, "{segments} segments");
    let index = EventIndex::open(folder.path()).expect("an index");
    assert_eq!((index.searcher().num_docs(), index.payload().covered), (120, 119));
}

#[test]
fn an_undecodable_leaf_is_no_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = open(folder.path());
    writer.add_undecodable(&event(1).source, LeafIndex(7), "no entry").expect("added");
    writer.commit(covered(8)).expect("a commit");
    let index = EventIndex::open(folder.path()).expect("an index");
    let fields = index.fields();
    assert_eq!(count(&index, fields.doc, document::UNDECODABLE), 1);
    assert_eq!(count(&index, fields.doc, document::EVENT), 0);
    assert_eq!(count(&index, fields.error, "no entry"), 1);
}

#[test]
fn what_is_no_event_leaves_no_gap_in_a_column_that_each_event_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = open(folder.path());
    for number in 0..3 {
        let whole = AuditEvent {
            completed: Some(time(number as i64)),
            latency_us: Some(7),
            remote_port: Some(443),
            mount: Some("secret/".to_owned()),
            mount_type: Some("kv".to_owned()),
            remote_address: rich().remote_address,
            ..event(number)
        };
        add(&mut writer, &whole, State::Answered, false);
        writer.add_gap(&whole.source, LeafIndex(number), "bytes are missing").expect("added");
    }
    writer.commit(covered(9)).expect("a commit");
    let index = EventIndex::open(folder.path()).expect("an index");
    let segment = index.searcher().segment_reader(0).clone();
    let file = segment.open_read(SegmentComponent::FastFields).expect("columns");
    let all = ColumnarReader::open(file).and_then(|all| all.list_columns()).expect("all");
    let full = all.iter().filter_map(|(name, column)| {
        let cardinality = column.open().expect("a column").get_cardinality();
        (cardinality == Cardinality::Full).then_some(name.as_str())
    });
    let full: Vec<&str> = full.collect();
    let of_each = "action cluster completed decision device engine ip ip_addr issued_leaf issued_ordinal kind latency_us \
                   leaf_request leaf_response mount node op outcome path port reason request source state time";
    assert_eq!(full, of_each.split_whitespace().collect::<Vec<_>>());
}

/// Returns an event that has something in most fields.
fn rich() -> AuditEvent {
    let mut rich = event(1);
    rich.identity.kind = IdentityKind::Root;
    rich.identity.entity_id = Some("entity-1".to_owned());
    rich.identity.token = Some("hmac-sha256:t".to_owned());
    rich.identity.token_issued = Some(time(-59));
    rich.issued_token = Some(IssuedToken {
        token: Some("hmac-sha256:new".to_owned()),
        accessor: None,
        policies: Vec::new(),
        ttl_s: None,
    });
    rich.hmacs.insert("request.role".to_owned(), "hmac-sha256:r".to_owned());
    rich.headers.insert("x-id".to_owned(), vec!["plain".to_owned(), "plain-2".to_owned()]);
    rich.lease_id = Some("database/creds/my-app/abc".to_owned());
    rich.remote_address = Some("10.0.1.7".to_owned());
    rich.error = Some(String::new());
    rich.path = Some("a/".repeat(50_000));
    rich
}

#[test]
fn a_document_is_filled_in_the_order_of_its_fields() {
    let (_, fields) = Fields::schema();
    let events = [rich(), AuditEvent { lease_id: None, ..rich() }];
    for event in events {
        let document = document::document(&fields, &Arc::default(), &event, State::Answered);
        let order: Vec<Field> = document.iter_fields_and_values().map(|(field, _)| field).collect();
        assert!(order.len() > 40 && order.is_sorted(), "{order:?}");
    }
    let source = event(1).source;
    let (leaf, documents) = (LeafIndex(3), Arc::default());
    let gap =
        document::remark(&fields, &documents, document::GAP, Some(&source), leaf, "why", Some(1));
    let order: Vec<Field> = gap.iter_fields_and_values().map(|(field, _)| field).collect();
    assert!(order.len() > 20 && order.is_sorted(), "{order:?}");
}

#[test]
fn an_event_is_found_by_each_of_its_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = open(folder.path());
    let rich = rich();
    let learned = [("hmac-sha256:r".to_owned(), "my-app".to_owned())];
    writer.add(&rich, State::Answered, &learned, false).expect("added");
    writer.commit(covered(4)).expect("a commit");

    let index = EventIndex::open(folder.path()).expect("an index");
    let fields = index.fields();
    let path = document::value(rich.path.as_deref().expect("a path")).into_owned();
    assert!(path.len() <= document::VALUE_BYTES_MAX, "{}", path.len());
    for (field, value) in [
        (fields.identity, "prod|entity|1"),
        (fields.identity, "my-app/my-app"),
        (fields.identity, "kubernetes-my-app"),
        (fields.identity, "entity-1"),
        (fields.entity, "entity-1"),
        (fields.kind, "root"),
        (fields.is, "root"),
        (fields.token, "hmac-sha256:t"),
        (fields.hash, "hmac-sha256:new"),
        (fields.hash, "hmac-sha256:r"),
        (fields.role_hash, "hmac-sha256:r"),
        (fields.header, "x-id"),
        (fields.header, "x-id=plain"),
        (fields.lease, "database/creds/my-app/abc"),
        (fields.lease_prefix, "database/creds/my-app"),
        (fields.has, "lease"),
        (fields.ip, "10.0.1.7"),
        (fields.path, path.as_str()),
        (fields.source, "prod/bao-0/file"),
        (fields.state, "answered"),
        (fields.text, "kubernetes"),
        (fields.learned, "hmac-sha256:r\u{1f}my-app"),
        (fields.learned_text, "my-app\u{1f}hmac-sha256:r"),
    ] {
        let name = Fields::schema().0.get_field_name(field).to_owned();
        assert_eq!(count(&index, field, value), 1, "{name}: {value}");
    }
    assert_eq!(document::token_age_s(&rich), Some(60));
    assert_eq!(count(&index, fields.error, ""), 0, "an empty text is absent");
}

#[test]
fn a_uid_is_read_back_whether_it_is_kept_or_made_of_the_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("index");
    let mut writer = open(&dir);
    let of_request = |number, state, node: &str| {
        let mut event = event(number);
        event.source = SourceId::new("prod", node, "file").expect("three names");
        let id = event.request_id.as_deref().expect("an id");
        event.uid = Uid::of_request("prod", node, id, state == State::Late);
        (event, state)
    };
    let mut copy = of_request(3, State::Answered, "bao-1");
    copy.0.flags.push(Flag::Copy);
    copy.0.uid = copy.0.uid.of_copy("file");
    let mut nameless = event(5);
    nameless.request_id = None;
    let events = [
        of_request(1, State::Answered, "bao-0"),
        of_request(2, State::Late, "bao-1"),
        copy,
        // Its own, though there is an id.
        (event(4), State::Answered),
        (nameless, State::Alone),
    ];
    for (event, state) in &events {
        add(&mut writer, event, *state, false);
    }
    writer.commit(covered(12)).expect("a commit");
    let index = EventIndex::open(&dir).expect("an index");
    let searcher = index.searcher();
    let segment = &searcher.segment_readers()[0];
    let uids = Uids::open(segment).expect("columns");
    let own = segment.fast_fields().u64("own_uid_low").expect("a column");
    for (document, (event, _)) in (0..).zip(&events) {
        assert_eq!(uids.of(document).expect("a uid"), event.uid, "{document}");
        assert_eq!(own.first(document).is_some(), document > 2, "kept where it cannot be made");
        let found = index.snapshot().find(event.uid, None).expect("readable").expect("found");
        assert_eq!(found.issued, event.issued);
    }
}
