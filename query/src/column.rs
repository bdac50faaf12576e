//! Reading a column for a block of documents.
//!
//! The engine reads document by document, and asks a column that lacks some values for each one's place. The documents
//! of a block mostly lie side by side: then their values do too, and are unpacked in one go.

use std::fmt::Debug;

use tantivy::DocId;
use tantivy::columnar::{Column, ColumnIndex};

/// Reads the first value of each document of a block. Keeps its memory from block to block.
#[derive(Default)]
pub(crate) struct FirstValues<T> {
    values: Vec<T>,
    /// Which documents have a value.
    owners: Vec<DocId>,
}

impl<T: Copy + Default + PartialOrd + Debug + Send + Sync + 'static> FirstValues<T> {
    /// Gives the first value of each document, `None` where it has none. The documents ascend.
    pub(crate) fn read(
        &mut self,
        column: &Column<T>,
        documents: &[DocId],
        first_values: &mut Vec<Option<T>>,
    ) {
        first_values.clear();
        let (Some(&first), Some(&last)) = (documents.first(), documents.last()) else { return };
        let span = (last - first + 1) as usize;
        let is_multivalued = matches!(column.index, ColumnIndex::Multivalued(_));
        if is_multivalued || span > 2 * documents.len() {
            first_values.resize(documents.len(), None);
            column.first_vals(documents, first_values);
            return;
        }
        let rows = column.index.docid_range_to_rowids(first..last + 1);
        self.values.resize(rows.len(), T::default());
        column.values.get_range(u64::from(rows.start), &mut self.values);
        if rows.len() == span {
            let value = |&document: &DocId| Some(self.values[(document - first) as usize]);
            first_values.extend(documents.iter().map(value));
            return;
        }
        self.owners.clear();
        self.owners.extend(rows);
        column.index.select_batch_in_place(first, &mut self.owners);
        let mut owned = self.owners.iter().zip(&self.values).peekable();
        first_values.extend(documents.iter().map(|document| {
            while owned.next_if(|(owner, _)| *owner < document).is_some() {}
            owned.next_if(|(owner, _)| *owner == document).map(|(_, &value)| value)
        }));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tantivy::index::Index;
    use tantivy::schema::{FAST, NumericOptions, Schema};
    use tantivy::{IndexWriter, TantivyDocument};

    use super::*;

    fn column(values: &[Option<u64>]) -> Column<u64> {
        let mut builder = Schema::builder();
        let field = builder.add_u64_field("number", NumericOptions::from(FAST));
        let index = Index::create_in_ram(builder.build());
        let mut writer: IndexWriter = index.writer_with_num_threads(1, 15 << 20).expect("a writer");
        for value in values {
            let mut document = TantivyDocument::new();
            if let Some(value) = value {
                document.add_u64(field, *value);
            }
            writer.add_document(document).expect("added");
        }
        writer.commit().expect("committed");
        let searcher = index.reader().expect("a reader").searcher();
        searcher.segment_reader(0).fast_fields().u64("number").expect("a column")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_the_engine_reads_one_by_one_is_read_at_once(
            values in prop::collection::vec(prop::option::weighted(0.8, any::<u64>()), 1..200),
            is_full in any::<bool>(),
            picked in prop::collection::vec(any::<bool>(), 200),
        ) {
            let values: Vec<Option<u64>> = match is_full {
                true => values.iter().map(|value| Some(value.unwrap_or(7))).collect(),
                false => values,
            };
            let column = column(&values);
            let all: Vec<DocId> = (0..values.len() as DocId).collect();
            let some = all.iter().copied().filter(|&document| picked[document as usize]).collect();
            let few = all.iter().copied().step_by(3).collect();
            let mut reader = FirstValues::default();
            let mut read = vec![Some(1); 3];
            for documents in [all, some, few, Vec::new()] {
                reader.read(&column, &documents, &mut read);
                let wanted: Vec<Option<u64>> =
                    documents.iter().map(|&document| values[document as usize]).collect();
                prop_assert_eq!(&read, &wanted);
            }
        }
    }
}
