//! Tables, in memory.

use proptest::prelude::*;
use tantivy::DocId;
use tantivy::directory::FileSlice;

use super::write::TableWriter;
use super::*;

mod damage;
mod index;

/// Writes a table, shaped for up to so many entries, and opens it.
fn table(entries: &[(u64, DocId)], most: u32, documents: u32) -> Table {
    let mut bytes = Vec::new();
    let mut writer = TableWriter::begin(&mut bytes, Shape::of(most, documents));
    entries.iter().for_each(|&(key, document)| writer.push(key, document).expect("in memory"));
    let shape = writer.finish().expect("in memory");
    assert_eq!(shape.bytes(), bytes.len());
    let of = SegmentId::from_uuid_string(&"0".repeat(32)).expect("an id");
    Table { of, shape, file: FileSlice::from(bytes) }
}

/// Reads all of a table.
fn all(table: &Table) -> Vec<(u64, DocId)> {
    let buckets = (0..table.shape.buckets()).map(|number| table.bucket(number).expect("whole"));
    buckets.flat_map(|bucket| bucket.entries().collect::<Vec<_>>()).collect()
}

/// Keys of which some are the same, some begin alike, and some are at the ends.
fn key() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => any::<u64>(),
        2 => 0..40_u64,
        2 => (0..9_u64).prop_map(|of| 0xabcd << 48 | of),
        1 => prop::sample::select(vec![u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_table_has_what_was_written(
        keys in prop_oneof![
            3 => prop::collection::vec(key(), 0..200),
            1 => prop::collection::vec(key(), 1_000..5_000),
        ],
        between in prop_oneof![Just(1_u32), Just(3), Just(400_000)],
        // More were expected, of which some were deleted.
        more in 0..300_u32,
        asked in prop::collection::vec(key(), 0..60),
    ) {
        let mut entries: Vec<_> = keys.into_iter().zip((0..).map(|at| at * between)).collect();
        entries.sort_unstable();
        let documents = entries.len() as u32 * between;
        let table = table(&entries, entries.len() as u32 + more, documents);
        prop_assert_eq!(all(&table), entries.clone());
        let having = |keys: &[u64]| {
            let having = entries.iter().filter(|(key, _)| keys.contains(key));
            let mut documents: Vec<DocId> = having.map(|(_, document)| *document).collect();
            documents.sort_unstable();
            documents
        };
        let there = entries.iter().step_by(7).map(|(key, _)| *key);
        for key in asked.iter().copied().chain(there.clone()) {
            prop_assert_eq!(table.documents(&[key]).expect("whole"), having(&[key]));
        }
        let mut many: Vec<u64> = asked.iter().copied().chain(there).collect();
        many.sort_unstable();
        many.dedup();
        prop_assert_eq!(table.documents(&many).expect("whole"), having(&many));
        prop_assert_eq!(table.documents(&[]).expect("whole"), Vec::<DocId>::new());
    }
}

/// Spreads numbers as a hash does.
fn spread(number: u32) -> u64 {
    (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[test]
fn an_entry_takes_nine_bytes_and_its_share_of_a_bucket() {
    for documents in [1_000, 80_000, 131_072, 500_000] {
        let mut entries: Vec<_> = (0..documents).map(|at| (spread(at), at)).collect();
        entries.sort_unstable();
        let table = table(&entries, documents, documents);
        let bytes = table.shape.bytes() as f64 / f64::from(documents);
        assert!(bytes < 9.3, "{documents} documents: {bytes} bytes");
        assert_eq!(table.documents(&[spread(999)]).expect("whole"), [999]);
        assert!(table.documents(&[spread(documents)]).expect("whole").is_empty());
    }
}

#[test]
fn very_many_documents_may_have_one_key() {
    let entries: Vec<_> = (0..200_000).map(|at| (0x1234 << 48, at)).collect();
    let mut with_others = vec![(7, 200_000)];
    with_others.extend(&entries);
    with_others.extend([((0x1234 << 48) + 1, 200_001), (u64::MAX, 200_002)]);
    let table = table(&with_others, 200_003, 200_003);
    let found = table.documents(&[0x1234 << 48]).expect("whole");
    assert!(found.into_iter().eq(0..200_000));
    assert_eq!(table.documents(&[(0x1234 << 48) + 1]).expect("whole"), [200_001]);
    assert_eq!(table.documents(&[7, u64::MAX]).expect("whole"), [200_000, 200_002]);
    assert!(table.documents(&[(0x1234 << 48) - 1]).expect("whole").is_empty());
}
