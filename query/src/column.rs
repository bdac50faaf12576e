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
    /// Where their values stand in the column.
    rows: Vec<u32>,
}

impl<T: Copy + Default + PartialOrd + Debug + Send + Sync + 'static> FirstValues<T> {
    /// Gives the first value of each document, `None` where it has none. The documents ascend.
    pub(crate) fn read(
        &mut self,
        column: &Column<T>,
        documents: &[DocId],
        first_values: &mut Vec<Option<T>>,
    ) {
        self.each(column, documents, first_values, None, Some);
    }

    /// Gives something made of the first value of each document, or `none` where it has none.
    fn each<V: Copy>(
        &mut self,
        column: &Column<T>,
        documents: &[DocId],
        made: &mut Vec<V>,
        none: V,
        of: impl Fn(T) -> V,
    ) {
        made.clear();
        let (Some(&first), Some(&last)) = (documents.first(), documents.last()) else { return };
        let span = (last - first + 1) as usize;
        let is_scattered = is_scattered(span, documents);
        if is_scattered && matches!(column.index, ColumnIndex::Full) {
            self.values.resize(documents.len(), T::default());
            column.values.get_vals(documents, &mut self.values);
            made.extend(self.values.iter().map(|&value| of(value)));
            return;
        }
        if matches!(column.index, ColumnIndex::Multivalued(_)) {
            made.extend(documents.iter().map(|&document| column.first(document).map_or(none, &of)));
            return;
        }
        if is_scattered {
            self.owners.clear();
            self.rows.clear();
            column.index.docids_to_rowids(documents, &mut self.owners, &mut self.rows);
            self.values.resize(self.rows.len(), T::default());
            column.values.get_vals(&self.rows, &mut self.values);
            let mut owned = self.owners.iter().zip(&self.values).peekable();
            made.extend(documents.iter().map(|document| {
                match owned.next_if(|(owner, _)| *owner == document) {
                    Some((_, &value)) => of(value),
                    None => none,
                }
            }));
            return;
        }
        let rows = column.index.docid_range_to_rowids(first..last + 1);
        let first_row = rows.start;
        self.values.resize(rows.len(), T::default());
        column.values.get_range(u64::from(first_row), &mut self.values);
        if rows.len() == span && span == documents.len() {
            made.extend(self.values.iter().map(|&value| of(value)));
            return;
        }
        if rows.len() == span {
            let value = |&document: &DocId| of(self.values[(document - first) as usize]);
            made.extend(documents.iter().map(value));
            return;
        }
        self.owners.clear();
        self.rows.clear();
        column.index.docids_to_rowids(documents, &mut self.owners, &mut self.rows);
        let mut owned = self.owners.iter().zip(&self.rows).peekable();
        made.extend(documents.iter().map(|document| {
            match owned.next_if(|(owner, _)| *owner == document) {
                Some((_, row)) => of(self.values[(row - first_row) as usize]),
                None => none,
            }
        }));
    }
}

impl FirstValues<u64> {
    /// Gives the first value of each document and 1, or 0 where it has none.
    pub(crate) fn numbers(
        &mut self,
        column: &Column<u64>,
        documents: &[DocId],
        numbers: &mut Vec<u64>,
    ) {
        self.each(column, documents, numbers, 0, |value| value + 1);
    }
}

/// Tells whether more values would be unpacked in vain than are wanted.
fn is_scattered(span: usize, documents: &[DocId]) -> bool {
    span > 2 * documents.len()
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
            let scattered = all.iter().copied().step_by(7).collect();
            let mut reader = FirstValues::default();
            let mut read = vec![Some(1); 3];
            for documents in [all, some, few, scattered, Vec::new()] {
                reader.read(&column, &documents, &mut read);
                let wanted: Vec<Option<u64>> =
                    documents.iter().map(|&document| values[document as usize]).collect();
                prop_assert_eq!(&read, &wanted);
            }
        }
    }
}
