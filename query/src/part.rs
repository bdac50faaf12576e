//! What is known of one immutable part of the index: a segment with its deletions. Found out once, and kept for
//! as long as a view has that part.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use ingest::index::ColumnList;
use ingest::index::schema::Fields;
use tantivy::index::SegmentId;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Opstamp, SegmentReader, TERMINATED, TantivyError, Term};

use crate::classes::{Classes, NONE};
use crate::column::FirstValues;
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

/// A time by itself takes so many times longer to read than one of all.
const ONE_BY_ONE: u64 = 4;

/// What is known of a part.
pub(crate) struct Part {
    pub(crate) key: PartKey,
    /// What its documents are.
    pub(crate) classes: Classes,
    /// Not earlier and not later than any of its events.
    pub(crate) times: Option<(i64, i64)>,
    /// How many of its documents have no time, those that are no events among them.
    timeless: u32,
    /// Whether some of its events have no time, once that was asked for.
    is_timeless: OnceLock<bool>,
    /// All of its events were issued by leaves up to this one.
    pub(crate) last_leaf: u64,
    /// Where its documents stand in the order of answers.
    pub(crate) places: Places,
    /// That all of its times were asked of the disk.
    times_asked: OnceLock<()>,
    /// The same of all columns.
    columns_asked: OnceLock<()>,
    /// The columns of rows, once a row was read.
    pub(crate) columns: Mutex<Option<Columns>>,
    /// When its documents were, once all of them or many times some of them were asked for.
    block_times: OnceLock<BlockTimes>,
    /// How many times were read one by one since nothing was known of blocks.
    times_read: AtomicU64,
    /// The names of identities, once they were asked for.
    names: OnceLock<Option<Vec<u32>>>,
}

impl Part {
    /// Reads what there is to know.
    pub(crate) fn read(segment: &SegmentReader, fields: &Fields) -> Result<Part, QueryError> {
        let places = Places::open_for_few(segment)?;
        let classes = Classes::read(segment, fields)?;
        let has_values = |values: u32| values > 0;
        let times = places.time.as_ref().filter(|time| has_values(time.values.num_vals()));
        let leaf = places.leaf.as_ref().filter(|leaf| has_values(leaf.values.num_vals()));
        // A document has one time at most, so what is not a value lacks one.
        let timed = times.map_or(0, |time| time.values.num_vals());
        Ok(Part {
            key: key(segment),
            times: times.map(|time| (time.min_value(), time.max_value())),
            timeless: segment.max_doc() - timed,
            is_timeless: OnceLock::new(),
            last_leaf: leaf.map_or(0, |leaf| leaf.max_value()),
            classes,
            places,
            times_asked: OnceLock::new(),
            columns_asked: OnceLock::new(),
            columns: Mutex::new(None),
            block_times: OnceLock::new(),
            times_read: AtomicU64::new(0),
            names: OnceLock::new(),
        })
    }

    /// Returns what is left of the part if only these documents, in ascending order, are there.
    pub(crate) fn only(&self, segment: &SegmentReader, documents: &[DocId]) -> Part {
        Part {
            key: self.key,
            classes: self.classes.only(documents, segment.max_doc()),
            times: self.times,
            timeless: self.timeless,
            is_timeless: OnceLock::new(),
            last_leaf: self.last_leaf,
            places: self.places.clone(),
            times_asked: self.times_asked.clone(),
            columns_asked: self.columns_asked.clone(),
            columns: Mutex::new(None),
            block_times: OnceLock::new(),
            times_read: AtomicU64::new(0),
            names: OnceLock::new(),
        }
    }

    /// Returns a document's class.
    pub(crate) fn class(&self, document: DocId) -> u8 {
        self.classes.of(document)
    }

    /// Tells whether some of its events have no time.
    pub(crate) fn is_timeless(&self) -> bool {
        // What is no event has a time or not, too.
        let no_events = || self.classes.none().filter(|&document| !self.places.has_time(document));
        let is_timeless = || self.timeless > 0 && self.timeless as usize > no_events().count();
        *self.is_timeless.get_or_init(is_timeless)
    }

    /// Tells whether some of its documents are no events, or deleted.
    pub(crate) fn has_none(&self) -> bool {
        self.classes.counts[usize::from(NONE)] > 0
    }

    /// Returns when its documents were, if that is known by now.
    pub(crate) fn known_times(&self) -> Option<&BlockTimes> {
        self.block_times.get()
    }

    /// Returns when its documents were, if that is known or so many times were read one by one that it would have been as quick to
    /// read all.
    pub(crate) fn times_worth_reading(&self, segment: &SegmentReader) -> Option<&BlockTimes> {
        let read = self.times_read.load(Ordering::Relaxed);
        match read > u64::from(segment.max_doc()) / ONE_BY_ONE {
            true => Some(self.block_times(segment)),
            false => self.known_times(),
        }
    }

    /// Takes notice of times that were read one by one.
    pub(crate) fn note_times_read(&self, count: usize) {
        self.times_read.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Returns when its documents were.
    pub(crate) fn block_times(&self, segment: &SegmentReader) -> &BlockTimes {
        self.block_times.get_or_init(|| {
            self.ask_for_times(segment);
            BlockTimes::read(&self.places, segment.max_doc())
        })
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

    /// Reads with the columns of rows.
    pub(crate) fn with_columns<T>(
        &self,
        segment: &SegmentReader,
        read: impl FnOnce(&mut Columns) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let mut columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        let columns = match &mut *columns {
            Some(columns) => columns,
            columns => columns.insert(Columns::open(segment, self.places.clone())?),
        };
        read(columns)
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
