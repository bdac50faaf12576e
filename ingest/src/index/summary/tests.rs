use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use tantivy::Index;
use tantivy::directory::MmapDirectory;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, TERMINATED, Term};

use super::*;
use crate::event::{Flag, Reason};
use crate::index::class::of_word;
use crate::index::document::{NO_EVENTS, document};
use crate::index::schema::Fields;
use crate::index::testing::{event, time};
use crate::index::{CommitPayload, EventIndex, IndexError, IndexWriter, Values};
use crate::pairing::State;
use crate::source::LeafIndex;

const ORIGIN: &str = "keytrail/prod";

fn open(dir: &Path) -> IndexWriter {
    IndexWriter::open(dir, "v1", ORIGIN).expect("an index")
}

fn commit(writer: &mut IndexWriter, covered: u64) {
    let nothing = CommitPayload::nothing("v1", ORIGIN);
    writer.commit(CommitPayload { covered, ..nothing }).expect("a commit");
}

/// The same found out of columns and dictionaries, as it was before there were summaries.
fn found_out(segment: &SegmentReader, fields: &Fields) -> Summary {
    let columns = segment.fast_fields();
    let times = columns.column_opt::<i64>("time").expect("readable");
    let leaves = columns.column_opt::<u64>("issued_leaf").expect("readable");
    let mut classes = vec![COUNTS; segment.max_doc() as usize];
    let mut set = |field: Field, word: &str, class: u8| {
        let index = segment.inverted_index(field).expect("readable");
        let term = Term::from_field_text(field, word);
        let postings = index.read_postings(&term, IndexRecordOption::Basic).expect("readable");
        let Some(mut postings) = postings else { return };
        while postings.doc() != TERMINATED {
            classes[postings.doc() as usize] = class;
            postings.advance();
        }
    };
    // What is written later wins.
    let reasons = [Reason::System, Reason::Forwarded].map(|of| (fields.reason, of.as_str()));
    let flags = [Flag::Late, Flag::Copy].map(|of| (fields.is, of.as_str()));
    reasons.into_iter().chain(flags).for_each(|(field, word)| set(field, word, of_word(word)));
    NO_EVENTS.iter().for_each(|word| set(fields.doc, word, NONE));
    let time = |document| times.as_ref().and_then(|column| column.first(document));
    let all: Vec<DocId> = (0..segment.max_doc()).collect();
    let class = |document: DocId| classes[document as usize];
    Summary {
        documents: segment.max_doc(),
        last_leaf: leaves.map_or(0, |leaves| leaves.max_value()),
        times: all
            .chunks(BLOCK as usize)
            .map(|block| {
                let events = || block.iter().copied().filter(|&at| class(at) != NONE);
                let known = || events().filter_map(time);
                let lacks = |&at: &DocId| time(at).is_none() && class(at) != NONE;
                Times {
                    ends: known().min().zip(known().max()),
                    is_timeless: block.iter().any(lacks),
                }
            })
            .collect(),
        classes: all.iter().map(|&at| (at, class(at))).filter(|(_, of)| *of != COUNTS).collect(),
        timeless: all
            .iter()
            .copied()
            .filter(|&document| time(document).is_none() && class(document) != NONE)
            .collect(),
    }
}

/// Compares all summaries of an index and returns how many documents they have.
fn compare(dir: &Path) -> u32 {
    let index = EventIndex::open(dir).expect("an index");
    let searcher = index.searcher();
    let compared = searcher.segment_readers().iter().map(|segment| {
        let summary = Summary::read(segment).expect("a summary");
        assert_eq!(summary, found_out(segment, index.fields()));
        summary.documents
    });
    compared.sum()
}

/// A document by chance: what it is, its time if it has one, its leaf.
type Chance = (u8, Option<i64>, u64);

fn add(writer: &mut IndexWriter, number: u64, (kind, seconds, leaf): Chance) {
    let mut event = event(number);
    let leaf = LeafIndex(leaf);
    event.time = seconds.map(time);
    event.issued.0 = leaf;
    let mut state = State::Answered;
    match kind {
        0 => return writer.add_undecodable(&event.source, leaf, "no entry").expect("added"),
        1 => return writer.add_gap(&event.source, leaf, "bytes are missing").expect("added"),
        2 => event.reason = Reason::System,
        3 => event.reason = Reason::Forwarded,
        4 => event.flags.push(Flag::Late),
        5 => event.flags.push(Flag::Copy),
        6 => {
            event.reason = Reason::Forwarded;
            event.flags.extend([Flag::Late, Flag::Wrapped]);
        }
        7 => {
            event.reason = Reason::System;
            event.flags.extend([Flag::Late, Flag::Copy]);
        }
        8 => {
            event.reason = Reason::Pending;
            state = State::Pending;
        }
        _ => {}
    }
    writer.add(&event, state, &[], false).expect("added");
}

fn chances(least: usize, most: usize) -> impl Strategy<Value = Vec<Chance>> {
    let time = prop::option::weighted(0.95, -9..900_000_i64);
    prop::collection::vec((0..30_u8, time, 0..9_999_u64), least..most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_summary_says_what_columns_and_dictionaries_do(
        commits in prop::collection::vec(
            prop_oneof![4 => chances(1, 40), 1 => chances(900, 1_500)],
            1..12,
        ),
        removed in 1..9_u64,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = open(folder.path());
        let mut number = 0;
        for (covered, documents) in (1..).zip(commits) {
            for chance in documents {
                add(&mut writer, number, chance);
                number += 1;
            }
            // Of the same segment, and of those that are there.
            writer.remove(event(number - 1).uid).expect("removed");
            writer.remove(event(number / 2).uid).expect("removed");
            commit(&mut writer, covered);
        }
        writer.finish().expect("merged");
        compare(folder.path());
        // Some of each segment go; what loses most of its documents is merged.
        let mut writer = open(folder.path());
        for of in (0..number).filter(|of| of % 10 >= removed) {
            writer.remove(event(of).uid).expect("removed");
        }
        commit(&mut writer, 100);
        commit(&mut writer, 101);
        writer.finish().expect("merged");
        compare(folder.path());
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_encoded_is_decoded_and_what_is_cut_off_is_not(
        documents in prop::collection::vec(
            (prop::option::weighted(0.2, 1..=NONE), prop::option::weighted(0.9, any::<i64>()), any::<u64>()),
            0..60,
        ),
        times in 1..30_u32,
        changed in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let mut summary = Summary::default();
        for _ in 0..times {
            for &(class, time, issued_leaf) in &documents {
                summary.add(Gist { time, issued_leaf, class: class.unwrap_or(COUNTS) });
            }
        }
        let bytes = summary.encode();
        prop_assert_eq!(Summary::decode(&bytes), Ok(summary));
        for end in 0..bytes.len() {
            prop_assert!(Summary::decode(&bytes[..end]).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(to);
        prop_assert!(Summary::decode(&longer).is_err());
        // A changed byte may be another summary. It is none that breaks its own rules.
        let mut other = bytes;
        let at = changed.index(other.len());
        other[at] = to;
        if let Ok(read) = Summary::decode(&other) {
            let before_last = |documents: &[DocId]| {
                documents.is_sorted_by(|one, next| one < next)
                    && documents.last().is_none_or(|last| *last < read.documents)
            };
            let others: Vec<DocId> = read.classes.iter().map(|(document, _)| *document).collect();
            prop_assert!(before_last(&others) && before_last(&read.timeless));
            prop_assert!(read.classes.iter().all(|(_, class)| (1..=NONE).contains(class)));
            prop_assert_eq!(read.times.len(), read.documents.div_ceil(BLOCK) as usize);
            prop_assert!(read.times.iter().all(|of| of.ends.is_none_or(|(least, last)| least <= last)));
        }
    }

    #[test]
    fn bytes_by_chance_end_in_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Summary::decode(&bytes).is_err());
        let _ = Summary::decode(&[&BEGINNING[..], &[9, 0, 0, 0], &bytes].concat());
    }
}

#[test]
fn merged_segments_have_one_summary_without_what_was_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = open(folder.path());
    for number in 0..9 {
        for of in 0..4 {
            add(&mut writer, 4 * number + of, (of as u8, Some(number as i64), number));
        }
        commit(&mut writer, number);
        writer.remove(event(4 * number + 2).uid).expect("removed");
    }
    commit(&mut writer, 9);
    writer.finish().expect("merged");
    let index = EventIndex::open(folder.path()).expect("an index");
    let segments = index.searcher().segment_readers().len();
    assert!(segments < 9, "{segments} segments: nothing was merged");
    assert!(compare(folder.path()) < 36, "what was deleted went with the merge");
    // The engine removes the files of what was merged, as its own.
    let files = |extension: &str| {
        let files = fs::read_dir(folder.path()).expect("a folder");
        let files = files.map(|entry| entry.expect("an entry").path());
        files.filter(|path| path.extension().is_some_and(|of| of == extension)).count()
    };
    assert_eq!(files(EXTENSION), files("fast"));
    assert!(files(EXTENSION) < 9, "{} summaries", files(EXTENSION));
}

#[test]
fn half_a_million_documents_have_a_small_summary() {
    let mut summary = Summary::default();
    for number in 0..500_000 {
        let class = if number % 100 == 0 { NONE } else { COUNTS };
        let time = (class == COUNTS).then_some(i64::from(number));
        summary.add(Gist { time, issued_leaf: number as u64, class });
    }
    let bytes = summary.encode().len();
    assert!(bytes < 20 << 10, "{bytes} bytes");
}

/// An index of one segment, and the path of its summary.
fn one_segment(dir: &Path) -> PathBuf {
    let mut writer = open(dir);
    for number in 0..9 {
        add(&mut writer, number, (number as u8, Some(number as i64), number));
    }
    commit(&mut writer, 4);
    writer.finish().expect("merged");
    let files = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files = files.filter(|path| path.extension().is_some_and(|of| of == EXTENSION));
    files.next().expect("a summary")
}

/// Puts another file in its place; the old one may be mapped.
fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).expect("removed");
    fs::write(path, bytes).expect("written");
}

/// Returns what is wrong with the one summary of an index.
fn problem(dir: &Path) -> Option<String> {
    let index = match EventIndex::open(dir) {
        Ok(index) => index,
        Err(problem) => return Some(problem.to_string()),
    };
    let read = Summary::read(&index.searcher().segment_readers()[0]);
    read.err().map(|problem| problem.to_string())
}

#[test]
fn a_damaged_summary_is_named_and_the_index_built_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = one_segment(folder.path());
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    let whole = fs::read(&path).expect("a file");
    assert_eq!(problem(folder.path()), None);
    for length in 0..whole.len() {
        replace(&path, &whole[..length]);
        let problem = problem(folder.path()).expect("a problem");
        assert!(problem.contains(name), "{length} bytes: {problem}");
    }
    let mut other_version = whole.clone();
    other_version[3] += 1;
    replace(&path, &other_version);
    let problem = problem(folder.path()).expect("a problem");
    assert!(problem.contains("no summary of this version of keytrail"), "{problem}");
    let searcher = EventIndex::open(folder.path()).expect("an index").searcher();
    let read = Summary::read(&searcher.segment_readers()[0]).expect_err("damaged");
    let damaged = crate::index::reader::engine(folder.path(), read);
    assert!(matches!(damaged, IndexError::Damaged { .. }), "{damaged}");
    assert!(damaged.to_string().contains("keytrail rebuild"), "{damaged}");
    // The writer finds it at its start.
    let writer = open(folder.path());
    assert_eq!((writer.is_beside(), writer.payload().covered), (false, 0));
    drop(writer);
    let path = one_segment(folder.path());
    fs::remove_file(path).expect("removed");
    assert!(EventIndex::open(folder.path()).is_err());
    assert_eq!(open(folder.path()).payload().covered, 0);
}

#[test]
fn a_summary_of_another_segment_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = one_segment(folder.path());
    let other = tempfile::tempdir().expect("a folder");
    let mut writer = open(other.path());
    add(&mut writer, 1, (9, None, 1));
    commit(&mut writer, 4);
    writer.finish().expect("merged");
    let files = fs::read_dir(other.path()).expect("a folder");
    let mut files = files.map(|entry| entry.expect("an entry").path());
    let other = files.find(|path| path.extension().is_some_and(|of| of == EXTENSION));
    replace(&path, &fs::read(other.expect("a summary")).expect("a file"));
    let problem = problem(folder.path()).expect("a problem");
    assert!(problem.contains("the summary of another segment"), "{problem}");
}

#[test]
fn the_engine_has_a_checksum_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = one_segment(folder.path());
    let damaged = || {
        let directory = MmapDirectory::open(folder.path()).expect("a folder");
        Index::open(directory).expect("an index").validate_checksum().expect("readable")
    };
    assert!(damaged().is_empty());
    let mut bytes = fs::read(&path).expect("a file");
    // Of the greatest leaf, which may be any number.
    bytes[8] ^= 1;
    replace(&path, &bytes);
    let name = PathBuf::from(path.file_name().expect("a name"));
    assert_eq!(damaged().into_iter().collect::<Vec<_>>(), [name]);
}

/// A reader reads summaries when it is asked something, which may be after the segment was merged away.
#[test]
fn a_summary_stays_for_who_has_the_segment_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = one_segment(folder.path());
    let searcher = EventIndex::open(folder.path()).expect("an index").searcher();
    fs::remove_file(path).expect("removed");
    let summary = Summary::read(&searcher.segment_readers()[0]).expect("a summary");
    assert_eq!(summary.documents, 9);
}

#[test]
fn an_index_without_summaries_is_built_anew_beside() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("index");
    fs::create_dir(&dir).expect("a folder");
    let (schema, fields) = Fields::schema();
    let index = Index::create_in_dir(&dir, schema).expect("an index");
    let mut writer = index.writer_with_num_threads::<Values>(1, 15 << 20).expect("a writer");
    let event = document(&fields, &Arc::default(), &event(1), State::Answered);
    writer.add_document(event).expect("added");
    let mut prepared = writer.prepare_commit().expect("a commit");
    let payload = CommitPayload { covered: 4, ..CommitPayload::nothing("v1", ORIGIN) };
    prepared.set_payload(&payload.to_text());
    prepared.commit().expect("a commit");
    drop(writer);
    assert!(matches!(EventIndex::open(&dir), Err(IndexError::OtherSchema(_))));
    for begin in [IndexWriter::begin_anew, IndexWriter::open] {
        let writer = begin(&dir, "v1", ORIGIN).expect("beside");
        assert_eq!((writer.is_beside(), writer.payload().covered), (true, 0));
    }
    let mut writer = open(&dir);
    add(&mut writer, 1, (9, Some(1), 1));
    commit(&mut writer, 4);
    drop(writer.swap().expect("swapped"));
    assert_eq!(compare(&dir), 1);
}
