//! What is known of one immutable part of the index: a segment with its deletions. Most of it was written with the segment
//! (`ingest::index::summary`); it is kept for as long as a view has that part.

use std::sync::{Arc, OnceLock};

use ingest::index::ColumnList;
use ingest::index::class::NONE;
use ingest::index::summary::Summary;
use tantivy::columnar::StrColumn;
use tantivy::index::SegmentId;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Opstamp, SegmentReader, TERMINATED, TantivyError, Term};

use crate::classes::Classes;
use crate::column::FirstValues;
use crate::coverage::AllRecords;
use crate::error::QueryError;
use crate::row::Columns;
use crate::scan::{Places, TIME};
use crate::select::BLOCK;
use crate::times::BlockTimes;

/// Which part: a segment never changes, but for documents that are deleted in it.
pub(crate) type PartKey = (SegmentId, Option<Opstamp>);

/// Returns the key of a segment as it is opened.
pub(crate) fn key(segment: &SegmentReader) -> PartKey {
    (segment.segment_id(), segment.delete_opstamp())
}

/// What is known of a part.
pub(crate) struct Part {
    pub(crate) key: PartKey,
    /// What its documents are.
    pub(crate) classes: Classes,
    /// Not earlier and not later than any of its events.
    pub(crate) times: Option<(i64, i64)>,
    /// When its documents were, block by block: bounds, since some of them may not be there any more or for this reader.
    pub(crate) block_times: Arc<BlockTimes>,
    /// Its events that have no time, ascending.
    timeless: Vec<DocId>,
    /// All of its events were issued by leaves up to this one.
    pub(crate) last_leaf: u64,
    /// Where its documents stand in the order of answers, once that was asked for.
    places: OnceLock<Places>,
    /// The column of its sources, once it was asked for.
    sources: OnceLock<Option<StrColumn>>,
    /// Its records of coverage, once they were asked for.
    records: OnceLock<AllRecords>,
    /// That all of its times were asked of the disk.
    times_asked: OnceLock<()>,
    /// The same of all columns.
    columns_asked: OnceLock<()>,
    /// The columns of rows, once a row was read.
    columns: OnceLock<Columns>,
    /// The names of identities, once they were asked for.
    names: OnceLock<Option<Vec<u32>>>,
}

impl Part {
    /// Reads what there is to know.
    pub(crate) fn read(segment: &SegmentReader) -> Result<Part, QueryError> {
        let Summary { documents: _, last_leaf, times, classes, mut timeless } =
            Summary::read(segment)?;
        let block_times = BlockTimes::new(times);
        let classes = Classes::of_part(segment, classes);
        // Some were deleted since.
        timeless.retain(|&document| classes.of(document) != NONE);
        Ok(Part {
            key: key(segment),
            classes,
            times: block_times.ends(),
            block_times: Arc::new(block_times),
            timeless,
            last_leaf,
            places: OnceLock::new(),
            sources: OnceLock::new(),
            records: OnceLock::new(),
            times_asked: OnceLock::new(),
            columns_asked: OnceLock::new(),
            columns: OnceLock::new(),
            names: OnceLock::new(),
        })
    }

    /// Returns what is left of the part if only these documents, in ascending order, are there.
    pub(crate) fn only(&self, segment: &SegmentReader, documents: &[DocId]) -> Part {
        let classes = self.classes.only(documents, segment.max_doc());
        let timeless = self.timeless.iter().copied();
        Part {
            key: self.key,
            times: self.times,
            block_times: self.block_times.clone(),
            timeless: timeless.filter(|&document| classes.of(document) != NONE).collect(),
            classes,
            last_leaf: self.last_leaf,
            places: self.places.clone(),
            sources: OnceLock::new(),
            records: OnceLock::new(),
            times_asked: self.times_asked.clone(),
            columns_asked: self.columns_asked.clone(),
            columns: OnceLock::new(),
            names: OnceLock::new(),
        }
    }

    /// Returns a document's class.
    pub(crate) fn class(&self, document: DocId) -> u8 {
        self.classes.of(document)
    }

    /// Tells whether some of its events have no time.
    pub(crate) fn is_timeless(&self) -> bool {
        !self.timeless.is_empty()
    }

    /// Tells whether one of its events has no time.
    pub(crate) fn lacks_time(&self, event: DocId) -> bool {
        self.timeless.binary_search(&event).is_ok()
    }

    /// Tells whether some of its documents are no events, or deleted.
    pub(crate) fn has_none(&self) -> bool {
        self.classes.counts[usize::from(NONE)] > 0
    }

    /// Returns where its documents stand in the order of answers.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(crate) fn places(&self, segment: &SegmentReader) -> Result<&Places, QueryError> {
        if let Some(places) = self.places.get() {
            return Ok(places);
        }
        let places = Places::open_for_few(segment)?;
        Ok(self.places.get_or_init(|| places))
    }

    /// Returns the sources of its documents.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(crate) fn sources(
        &self,
        segment: &SegmentReader,
    ) -> Result<Option<&StrColumn>, QueryError> {
        if let Some(sources) = self.sources.get() {
            return Ok(sources.as_ref());
        }
        let sources = ColumnList::read_for_few(segment)?.words("source")?;
        Ok(self.sources.get_or_init(|| sources).as_ref())
    }

    /// Returns its records of coverage, read once.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn records(
        &self,
        read: impl FnOnce() -> Result<AllRecords, QueryError>,
    ) -> Result<&AllRecords, QueryError> {
        if let Some(records) = self.records.get() {
            return Ok(records);
        }
        let records = read()?;
        Ok(self.records.get_or_init(|| records))
    }

    /// Has the disk bring all times, for who is about to read most of them: otherwise a page is brought when it is needed.
    pub(crate) fn ask_for_times(&self, segment: &SegmentReader) {
        // Without them they are read all the same, page by page.
        self.times_asked.get_or_init(|| drop(ColumnList::ask_for(segment, TIME)));
    }

    /// Has the disk bring all columns, for who is about to read many rows.
    pub(crate) fn ask_for_columns(&self, segment: &SegmentReader) {
        self.columns_asked.get_or_init(|| drop(ColumnList::ask_for_all(segment)));
    }

    /// Returns the one name of each identity: by the number of its key in its column, the name's number in its own and 1,
    /// or 0 for no name. `None` if an identity has several, or has its name on some of its events only.
    pub(crate) fn names(&self, segment: &SegmentReader) -> Result<Option<&[u32]>, QueryError> {
        if self.names.get().is_none() {
            let _ = self.names.set(names(segment)?);
        }
        Ok(self.names.get().and_then(Option::as_deref))
    }

    /// Returns the columns of rows.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(crate) fn columns(&self, segment: &SegmentReader) -> Result<&Columns, QueryError> {
        if let Some(columns) = self.columns.get() {
            return Ok(columns);
        }
        let columns = Columns::open(segment, self.places(segment)?.clone())?;
        Ok(self.columns.get_or_init(|| columns))
    }

    /// Tells whether its records of coverage were read.
    #[cfg(test)]
    pub(crate) fn has_records(&self) -> bool {
        self.records.get().is_some()
    }

    /// Tells whether they are open.
    #[cfg(test)]
    pub(crate) fn has_columns(&self) -> bool {
        self.columns.get().is_some()
    }
}

fn names(segment: &SegmentReader) -> Result<Option<Vec<u32>>, QueryError> {
    let columns = segment.fast_fields();
    let Some(keys) = columns.str("identity_key")? else { return Ok(Some(Vec::new())) };
    let names = columns.str("identity_name")?;
    let mut known: Vec<Option<u32>> = vec![None; keys.dictionary().num_terms()];
    let (mut reader, mut documents) = (FirstValues::default(), Vec::new());
    let (mut of_keys, mut of_names) = (Vec::new(), Vec::new());
    for first in (0..segment.max_doc()).step_by(BLOCK) {
        documents.clear();
        documents.extend(first..segment.max_doc().min(first + BLOCK as u32));
        reader.numbers(keys.ords(), &documents, &mut of_keys);
        match &names {
            Some(names) => reader.numbers(names.ords(), &documents, &mut of_names),
            None => of_names.resize(documents.len(), 0),
        }
        for (&key, &name) in of_keys.iter().zip(&of_names).filter(|(key, _)| **key > 0) {
            let name = u32::try_from(name).expect("a segment has less words than that");
            if *known[key as usize - 1].get_or_insert(name) != name {
                return Ok(None);
            }
        }
    }
    Ok(Some(known.into_iter().map(Option::unwrap_or_default).collect()))
}

/// Gives each document with this term, deleted ones too.
pub(crate) fn each_with(
    segment: &SegmentReader,
    field: Field,
    text: &str,
    mut each: impl FnMut(DocId),
) -> Result<(), QueryError> {
    let index = segment.inverted_index(field)?;
    let term = Term::from_field_text(field, text);
    let postings = index.read_postings(&term, IndexRecordOption::Basic);
    if let Some(mut postings) = postings.map_err(TantivyError::from)? {
        while postings.doc() != TERMINATED {
            each(postings.doc());
            postings.advance();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ingest::event::AuditEvent;
    use ingest::index::{CommitPayload, EventIndex, IndexWriter};
    use ingest::pairing::State;
    use ingest::source::LeafIndex;

    use super::*;
    use crate::testing::on;

    #[test]
    fn events_without_a_time_are_known_and_nothing_else_is_one_of_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = IndexWriter::open(folder.path(), "V", "keytrail/prod").expect("a writer");
        let timeless = |number| AuditEvent { time: None, ..on(number, "a", 0.0) };
        let events = [on(1, "a", 1.0), timeless(2), timeless(3), on(4, "a", 9.0)];
        for event in &events {
            writer.add(event, State::Answered, &[], false).expect("added");
        }
        writer.add_undecodable(&events[0].source, LeafIndex(9), "no entry").expect("added");
        let commit = |writer: &mut IndexWriter| {
            writer.commit(CommitPayload::nothing("V", "keytrail/prod")).expect("a commit");
            let searcher = EventIndex::open(folder.path()).expect("an index").searcher();
            let part = Part::read(searcher.segment_reader(0)).expect("a part");
            (searcher, part)
        };
        let known = |part: &Part| -> Vec<DocId> {
            assert_eq!(part.is_timeless(), (0..5).any(|document| part.lacks_time(document)));
            (0..5).filter(|&document| part.lacks_time(document)).collect()
        };
        let (searcher, part) = commit(&mut writer);
        assert_eq!(known(&part), [1, 2]);
        assert_eq!((part.last_leaf, part.classes.counts[usize::from(NONE)]), (9, 1));
        let only = |documents: &[DocId]| known(&part.only(searcher.segment_reader(0), documents));
        assert_eq!(only(&[0, 2]), [2]);
        assert_eq!(only(&[0, 3]), [0; 0]);
        // One is deleted, then the other.
        writer.remove(events[2].uid).expect("removed");
        let (_, part) = commit(&mut writer);
        assert_eq!(known(&part), [1]);
        writer.remove(events[1].uid).expect("removed");
        let (_, part) = commit(&mut writer);
        assert_eq!(known(&part), [0; 0]);
        assert_eq!(part.classes.counts[usize::from(NONE)], 3);
        let times =
            [1, 9].map(|seconds| crate::filter::tests::events::ELEVEN_NS + seconds * 1_000_000_000);
        assert_eq!(part.times, Some((times[0], times[1])));
    }
}
