//! Files that are not what was written: an error, or the right answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::Index;
use tantivy::collector::Count;

use super::index::{ORIGIN, commit, compare, made, open};
use super::*;
use crate::event::Uid;
use crate::index::document::{document, request_key};
use crate::index::schema::Fields;
use crate::index::summary::SummaryPlugin;
use crate::index::testing::event;
use crate::index::{CommitPayload, EventIndex, IndexError, Values};
use crate::pairing::State;

/// An index of one segment of so many events, and the path of its keys.
fn one_segment(dir: &Path, events: u64) -> PathBuf {
    let mut writer = open(dir);
    for number in 0..events {
        let event = made(number, (spread(number as u32), number), Some(number as u8));
        writer.add(&event, State::Answered, &[], false).expect("added");
    }
    commit(&mut writer, 4);
    writer.finish().expect("merged");
    keys_in(dir)
}

fn keys_in(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files = files.filter(|path| path.extension().is_some_and(|of| of == EXTENSION));
    files.next().expect("keys")
}

/// Puts another file in its place; the old one may be mapped.
fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).expect("removed");
    fs::write(path, bytes).expect("written");
}

/// Returns what is wrong with the one segment's keys.
fn problem(dir: &Path) -> Option<String> {
    let index = match EventIndex::open(dir) {
        Ok(index) => index,
        Err(problem) => return Some(problem.to_string()),
    };
    let opened = Keys::open(&index.searcher().segment_readers()[0]);
    opened.err().map(|problem| problem.to_string())
}

/// Looks up what is there and what is not: tells how often there was an answer and not an error.
fn answers(dir: &Path, events: u32) -> usize {
    let Ok(index) = EventIndex::open(dir) else { return 0 };
    let searcher = index.searcher();
    let Ok(keys) = Keys::open(&searcher.segment_readers()[0]) else { return 0 };
    let mut right = 0;
    let mut look = |answer: tantivy::Result<Vec<DocId>>, expected: &[DocId]| match answer {
        Ok(found) => {
            assert_eq!(found, expected);
            right += 1;
        }
        Err(tantivy::TantivyError::DataCorruption(_)) => {}
        Err(other) => panic!("{other}"),
    };
    for number in 0..events {
        look(keys.uids.documents(&[spread(number)]), &[number]);
        look(keys.uids.documents(&[spread(number) + 1]), &[]);
        let request = request_key(&format!("request-{number}"));
        look(keys.requests.documents(&[request]), &[number]);
    }
    right
}

#[test]
fn a_changed_byte_is_an_error_or_no_matter() {
    // Of one bucket, and of two.
    for events in [5, 66] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = one_segment(folder.path(), events.into());
        let whole = fs::read(&path).expect("a file");
        let every = 3 * events as usize;
        assert_eq!(answers(folder.path(), events), every);
        let mut fewer = 0;
        // Of the larger one only some: they are alike.
        for at in (0..whole.len()).filter(|at| events == 5 || at % 7 == 0 || at + 200 > whole.len())
        {
            for change in [1, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] ^= change;
                replace(&path, &changed);
                fewer += usize::from(answers(folder.path(), events) < every);
            }
        }
        assert!(fewer > 100, "{fewer} changes were found");
    }
}

#[test]
fn keys_that_are_cut_off_are_named_and_the_index_built_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = one_segment(folder.path(), 5);
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    let whole = fs::read(&path).expect("a file");
    assert_eq!(problem(folder.path()), None);
    for length in 0..whole.len() {
        replace(&path, &whole[..length]);
        let problem = problem(folder.path()).expect("a problem");
        assert!(problem.contains(name), "{length} bytes: {problem}");
    }
    // The writer finds it at its start.
    let writer = open(folder.path());
    assert_eq!((writer.is_beside(), writer.payload().covered), (false, 0));
    drop(writer);
    let path = one_segment(folder.path(), 5);
    fs::remove_file(path).expect("removed");
    assert!(EventIndex::open(folder.path()).is_err());
    assert_eq!(open(folder.path()).payload().covered, 0);
}

/// Bytes that are missing from the middle, with a footer that is whole.
#[test]
fn lengths_agree_or_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = one_segment(folder.path(), 5);
    let whole = fs::read(&path).expect("a file");
    for range in [0..1, 0..9, 40..41, 3..80] {
        let mut shorter = whole.clone();
        shorter.drain(range);
        replace(&path, &shorter);
        let problem = problem(folder.path()).expect("a problem");
        assert!(problem.contains("keys of another length"), "{problem}");
        let mut longer = whole.clone();
        longer.splice(0..0, [0]);
        replace(&path, &longer);
        let found = self::problem(folder.path()).expect("a problem");
        assert!(found.contains("keys of another length"), "{found}");
    }
}

#[test]
fn keys_of_another_version_or_segment_are_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = one_segment(folder.path(), 5);
    let whole = fs::read(&path).expect("a file");
    let version = whole.windows(4).rposition(|bytes| bytes == BEGINNING).expect("a version") + 3;
    let mut other_version = whole.clone();
    other_version[version] += 1;
    replace(&path, &other_version);
    let found = problem(folder.path()).expect("a problem");
    assert!(found.contains("no keys of this version of keytrail"), "{found}");
    let searcher = EventIndex::open(folder.path()).expect("an index").searcher();
    let read = Keys::open(&searcher.segment_readers()[0]).err().expect("damaged");
    let damaged = crate::index::reader::engine(folder.path(), read);
    assert!(matches!(damaged, IndexError::Damaged { .. }), "{damaged}");
    let other = tempfile::tempdir().expect("a folder");
    replace(&path, &fs::read(one_segment(other.path(), 6)).expect("a file"));
    let found = problem(folder.path()).expect("a problem");
    assert!(found.contains("the keys of another segment"), "{found}");
}

/// A reader opens keys when it is asked something, which may be after the segment was merged away.
#[test]
fn keys_stay_for_who_has_the_segment_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = one_segment(folder.path(), 5);
    let searcher = EventIndex::open(folder.path()).expect("an index").searcher();
    fs::remove_file(path).expect("removed");
    let query = KeyQuery::of_uids([Uid::of_halves(spread(3), 3)]);
    assert_eq!(searcher.search(&query, &Count).expect("a count"), 1);
}

/// Damaged keys are not carried on under a new checksum.
#[test]
fn a_merge_of_damaged_keys_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = one_segment(folder.path(), 5);
    let mut changed = fs::read(&path).expect("a file");
    changed[3] ^= 1;
    replace(&path, &changed);
    let mut writer = open(folder.path());
    // Who goes is looked up in every segment.
    writer.remove(Uid::of_halves(spread(3), 3)).expect("not looked up yet");
    let nothing = CommitPayload::nothing("v1", ORIGIN);
    let failed = writer.commit(nothing).expect_err("damaged");
    assert!(matches!(failed, IndexError::Damaged { .. }), "{failed}");
    assert!(failed.to_string().contains("keytrail rebuild"), "{failed}");
    drop(writer);
    let mut writer = open(folder.path());
    for number in 10..20 {
        writer.add(&event(number), State::Answered, &[], false).expect("added");
        commit(&mut writer, number);
    }
    // The engine tells nobody but its log that a merge failed.
    let _ = writer.finish();
    let searcher = EventIndex::open(folder.path()).expect("an index").searcher();
    let whole = |segment: &&SegmentReader| {
        let keys = Keys::open(segment).expect("keys");
        (0..keys.uids.shape.buckets()).all(|number| keys.uids.bucket(number).is_ok())
    };
    assert_eq!(searcher.segment_readers().iter().filter(|segment| !whole(segment)).count(), 1);
}

#[test]
fn an_index_without_keys_is_built_anew_beside() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("index");
    fs::create_dir(&dir).expect("a folder");
    let (schema, fields) = Fields::schema();
    let index = Index::builder().schema(schema).register_plugin(Arc::new(SummaryPlugin));
    let index = index.create_in_dir(&dir).expect("an index");
    let mut writer = index.writer_with_num_threads::<Values>(1, 15 << 20).expect("a writer");
    let document = document(&fields, &Arc::default(), &event(1), State::Answered);
    writer.add_document(document).expect("added");
    let mut prepared = writer.prepare_commit().expect("a commit");
    let payload = CommitPayload { covered: 4, ..CommitPayload::nothing("v1", ORIGIN) };
    prepared.set_payload(&payload.to_text());
    prepared.commit().expect("a commit");
    drop(writer);
    assert!(matches!(EventIndex::open(&dir), Err(IndexError::OtherSchema(_))));
    let mut writer = open(&dir);
    assert_eq!((writer.is_beside(), writer.payload().covered), (true, 0));
    writer.add(&event(1), State::Answered, &[], false).expect("added");
    commit(&mut writer, 4);
    drop(writer.swap().expect("swapped"));
    let searcher = EventIndex::open(&dir).expect("an index").searcher();
    assert_eq!(compare(&searcher).len(), 1);
}
