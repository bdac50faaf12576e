//! The keys of an index: what a writer commits, what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tantivy::Searcher;
use tantivy::collector::Count;
use tantivy::columnar::StrColumn;

use super::*;
use crate::event::{AuditEvent, Issued, Uid};
use crate::index::document::request_key;
use crate::index::testing::event;
use crate::index::{CommitPayload, EventIndex, IndexWriter, Uids};
use crate::pairing::State;
use crate::source::LeafIndex;

pub(super) const ORIGIN: &str = "keytrail/prod";

pub(super) fn open(dir: &Path) -> IndexWriter {
    IndexWriter::open(dir, "v1", ORIGIN).expect("an index")
}

pub(super) fn commit(writer: &mut IndexWriter, covered: u64) {
    let nothing = CommitPayload::nothing("v1", ORIGIN);
    writer.commit(CommitPayload { covered, ..nothing }).expect("a commit");
}

pub(super) fn made(number: u64, (high, low): (u64, u64), request: Option<u8>) -> AuditEvent {
    AuditEvent {
        uid: Uid::of_halves(high, low),
        request_id: request.map(|of| format!("request-{of}")),
        issued: Issued(LeafIndex(number), 0),
        ..event(number)
    }
}

/// Compares the tables of each segment with its columns, deleted documents included, and returns the events that are not
/// deleted by the leaves that issued them.
pub(super) fn compare(searcher: &Searcher) -> BTreeMap<u64, Uid> {
    let mut events = BTreeMap::new();
    for segment in searcher.segment_readers() {
        let keys = Keys::open(segment).expect("keys");
        let (uids, columns) = (Uids::open(segment).expect("columns"), segment.fast_fields());
        let states = columns.str("state").expect("readable");
        let requests = columns.str("request").expect("readable");
        let leaves = columns.u64("issued_leaf").expect("a column");
        let (mut by_uid, mut by_request) = (Vec::new(), Vec::new());
        for document in 0..segment.max_doc() {
            // Of what is no event these columns say nothing, in no words.
            let word = |column: &Option<StrColumn>| {
                let (column, mut word) = (column.as_ref()?, String::new());
                column.ord_to_str(column.term_ords(document).next()?, &mut word).expect("readable");
                Some(word).filter(|word| !word.is_empty())
            };
            let is_event = word(&states).is_some();
            let uid = uids.of(document).expect("readable");
            if is_event {
                by_uid.push((uid.halves().0, document));
            }
            by_request.extend(word(&requests).map(|id| (request_key(&id), document)));
            if is_event && !segment.is_deleted(document) {
                let leaf = leaves.first(document).expect("a leaf");
                assert_eq!(events.insert(leaf, uid), None, "one event a leaf");
            }
        }
        by_uid.sort_unstable();
        by_request.sort_unstable();
        assert_eq!(all(&keys.uids), by_uid);
        assert_eq!(all(&keys.requests), by_request);
    }
    events
}

/// What becomes of an index.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Add { uid: (u64, u64), request: Option<u8>, replaces: bool },
    Remove(u64),
    Remark,
}

fn deed() -> impl Strategy<Value = Deed> {
    // The first half is the key: the same for events that are not the same.
    let high =
        || prop_oneof![2 => 0..30_u64, 1 => (0..30_u64).prop_map(|of| of << 58), 3 => any::<u64>()];
    let add =
        (high(), 0..3_u64, prop::option::weighted(0.9, any::<u8>()), prop::bool::weighted(0.2));
    prop_oneof![
        20 => add.prop_map(|(high, low, request, replaces)| Deed::Add { uid: (high, low), request, replaces }),
        2 => high().prop_map(Deed::Remove),
        1 => Just(Deed::Remark),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn keys_lead_to_the_documents_whatever_becomes_of_them(
        commits in prop::collection::vec(
            prop_oneof![
                4 => prop::collection::vec(deed(), 1..40),
                1 => prop::collection::vec(deed(), 200..500),
            ],
            1..14,
        ),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = open(folder.path());
        let mut expected: BTreeMap<u64, Uid> = BTreeMap::new();
        let mut requests: BTreeMap<u64, u8> = BTreeMap::new();
        let mut number = 0;
        let check = |expected: &BTreeMap<u64, Uid>, requests: &BTreeMap<u64, u8>| {
            let index = EventIndex::open(folder.path()).expect("an index");
            let searcher = index.searcher();
            assert_eq!(&compare(&searcher), expected);
            let count = |query: KeyQuery| searcher.search(&query, &Count).expect("a count");
            let with_key = |key| expected.values().filter(|uid| uid.halves().0 == key).count();
            let keys: BTreeSet<u64> = expected.values().map(|uid| uid.halves().0).collect();
            for key in keys.iter().copied().chain([29, 31, 1 << 40]) {
                assert_eq!(count(KeyQuery::of_uid_keys(vec![key])), with_key(key));
            }
            let every = expected.values().copied();
            assert_eq!(count(KeyQuery::of_uids(every)), expected.len());
            for request in 0..=u8::MAX {
                let those = requests.iter().filter(|(leaf, of)| **of == request && expected.contains_key(leaf));
                assert_eq!(count(KeyQuery::of_request(&format!("request-{request}"))), those.count());
            }
            let snapshot = index.snapshot();
            for uid in expected.values().step_by(9) {
                let found = snapshot.find(*uid, None).expect("readable").expect("found");
                assert_eq!(expected.get(&found.issued.0.0), Some(uid));
            }
            let other = snapshot.find(Uid::of_halves(7, 99), None).expect("readable");
            assert_eq!(other, None, "of the same key, but another event");
        };
        for (covered, deeds) in (1..).zip(&commits) {
            for deed in deeds {
                number += 1;
                match *deed {
                    Deed::Add { uid, request, replaces } => {
                        let event = made(number, uid, request);
                        writer.add(&event, State::Answered, &[], replaces).expect("added");
                        if replaces {
                            expected.retain(|_, other| other.halves().0 != uid.0);
                        }
                        expected.insert(number, event.uid);
                        requests.extend(request.map(|of| (number, of)));
                    }
                    Deed::Remove(key) => {
                        writer.remove(Uid::of_halves(key, 0)).expect("removed");
                        expected.retain(|_, other| other.halves().0 != key);
                    }
                    Deed::Remark => {
                        let source = event(1).source;
                        let leaf = LeafIndex(number);
                        writer.add_undecodable(&source, leaf, "no entry").expect("added");
                    }
                }
            }
            commit(&mut writer, covered);
            check(&expected, &requests);
        }
        writer.finish().expect("merged");
        check(&expected, &requests);
        // Most go, so that what is left is merged without them.
        let mut writer = open(folder.path());
        for uid in expected.values().step_by(2) {
            writer.remove(*uid).expect("removed");
        }
        let gone: BTreeSet<u64> = expected.values().step_by(2).map(|uid| uid.halves().0).collect();
        expected.retain(|_, uid| !gone.contains(&uid.halves().0));
        commit(&mut writer, 100);
        commit(&mut writer, 101);
        writer.finish().expect("merged");
        check(&expected, &requests);
    }
}

#[test]
fn what_is_replaced_counts_once_whatever_the_engine_has_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = open(folder.path());
    let count = |uid| {
        let searcher = EventIndex::open(folder.path()).expect("an index").searcher();
        searcher.search(&KeyQuery::of_uids([uid]), &Count).expect("a count")
    };
    let uid = event(1).uid;
    // Nothing yet, in the segment that is being written, in one that is there, in both.
    for others in [0, 500, 0, 500] {
        for replaces in [false, true] {
            writer.add(&event(1), State::Answered, &[], replaces).expect("added");
            for number in 2..2 + others {
                writer.add(&event(number), State::Answered, &[], true).expect("added");
            }
        }
        commit(&mut writer, 9);
        assert_eq!(count(uid), 1, "{others} others");
    }
    // Removed and added again, with nothing told in between.
    writer.remove(uid).expect("removed");
    writer.add(&event(1), State::Answered, &[], false).expect("added");
    writer.remove(event(2).uid).expect("removed");
    commit(&mut writer, 10);
    assert_eq!((count(uid), count(event(2).uid), count(event(3).uid)), (1, 0, 1));
    writer.remove(uid).expect("removed");
    commit(&mut writer, 11);
    assert_eq!(count(uid), 0, "a commit of nothing but what goes");
}

#[test]
fn merged_segments_have_one_table_of_each_kind() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = open(folder.path());
    for number in 0..18 {
        for of in 0..5 {
            let event = made(5 * number + of, (spread(number as u32) + of, of), Some(of as u8));
            writer.add(&event, State::Answered, &[], false).expect("added");
        }
        commit(&mut writer, number);
        writer.remove(Uid::of_halves(spread(number as u32) + 2, 2)).expect("removed");
    }
    commit(&mut writer, 18);
    writer.finish().expect("merged");
    let searcher = EventIndex::open(folder.path()).expect("an index").searcher();
    assert!(searcher.segment_readers().len() < 18, "nothing was merged");
    assert_eq!(compare(&searcher).len(), 72);
    let documents: u32 = searcher.segment_readers().iter().map(SegmentReader::max_doc).sum();
    assert!(documents < 90, "what was deleted went with the merge");
}
