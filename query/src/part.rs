//! What is known of one immutable part of the index: a segment with its deletions. Found out once, and kept for
//! as long as a view has that part.

use std::sync::{Mutex, OnceLock, PoisonError};

use ingest::event::{Flag, Reason};
use ingest::index::document::NO_EVENTS;
use ingest::index::schema::Fields;
use tantivy::index::SegmentId;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Opstamp, SegmentReader, TERMINATED, TantivyError, Term};

use crate::column::FirstValues;
use crate::error::QueryError;
use crate::question::LEFT_OUT;
use crate::row::Columns;
use crate::scan::Places;
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
    /// Of each document its class; absent if all are events that count.
    classes: Option<Vec<u8>>,
    /// How many documents are of each class.
    pub(crate) class_counts: [u64; NONE as usize + 1],
    /// Not earlier and not later than any of its events.
    pub(crate) times: Option<(i64, i64)>,
    /// Some of its events have no time.
    pub(crate) is_timeless: bool,
    /// All of its events were issued by leaves up to this one.
    pub(crate) last_leaf: u64,
    /// Where its documents stand in the order of answers.
    pub(crate) places: Places,
    /// The columns of rows, once a row was read.
    pub(crate) columns: Mutex<Option<Columns>>,
    /// When its documents were, once all of them were asked for.
    block_times: OnceLock<BlockTimes>,
    /// The names of identities, once they were asked for.
    names: OnceLock<Option<Vec<u32>>>,
}

/// An event that counts. The classes of [`LEFT_OUT`] follow from 1 on.
pub(crate) const COUNTS: u8 = 0;
/// A document that is no event, or is deleted.
pub(crate) const NONE: u8 = 1 + LEFT_OUT.len() as u8;

impl Part {
    /// Reads what there is to know.
    pub(crate) fn read(segment: &SegmentReader, fields: &Fields) -> Result<Part, QueryError> {
        let places = Places::open(segment)?;
        let classes = Classes::read(segment, fields, &places)?;
        let has_values = |values: u32| values > 0;
        let times = places.time.as_ref().filter(|time| has_values(time.values.num_vals()));
        let leaf = places.leaf.as_ref().filter(|leaf| has_values(leaf.values.num_vals()));
        // A document has one time at most, so what is not a value lacks one.
        let timed = times.map_or(0, |time| time.values.num_vals());
        Ok(Part {
            key: key(segment),
            times: times.map(|time| (time.min_value(), time.max_value())),
            is_timeless: segment.max_doc() - timed > classes.timeless_none,
            last_leaf: leaf.map_or(0, |leaf| leaf.max_value()),
            class_counts: classes.counts,
            classes: (!classes.of.is_empty()).then_some(classes.of),
            places,
            columns: Mutex::new(None),
            block_times: OnceLock::new(),
            names: OnceLock::new(),
        })
    }

    /// Returns what is left of the part if only these documents, in ascending order, are there.
    pub(crate) fn only(&self, segment: &SegmentReader, documents: &[DocId]) -> Part {
        let mut classes = vec![NONE; segment.max_doc() as usize];
        let mut class_counts = [0; NONE as usize + 1];
        class_counts[usize::from(NONE)] = u64::from(segment.max_doc());
        for &document in documents {
            let class = self.class(document);
            classes[document as usize] = class;
            class_counts[usize::from(NONE)] -= 1;
            class_counts[usize::from(class)] += 1;
        }
        Part {
            key: self.key,
            class_counts,
            classes: Some(classes),
            times: self.times,
            is_timeless: self.is_timeless,
            last_leaf: self.last_leaf,
            places: self.places.clone(),
            columns: Mutex::new(None),
            block_times: OnceLock::new(),
            names: OnceLock::new(),
        }
    }

    /// Returns a document's class.
    pub(crate) fn class(&self, document: DocId) -> u8 {
        self.classes.as_ref().map_or(COUNTS, |classes| classes[document as usize])
    }

    /// Tells whether some of its documents are no events, or deleted.
    pub(crate) fn has_none(&self) -> bool {
        self.class_counts[usize::from(NONE)] > 0
    }

    /// Tells whether all its documents are events that count.
    pub(crate) fn all_count(&self) -> bool {
        self.classes.is_none()
    }

    /// Returns when its documents were, if that is known by now.
    pub(crate) fn known_times(&self) -> Option<&BlockTimes> {
        self.block_times.get()
    }

    /// Returns when its documents were.
    pub(crate) fn block_times(&self, segment: &SegmentReader) -> &BlockTimes {
        self.block_times.get_or_init(|| BlockTimes::read(&self.places, segment.max_doc()))
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

/// The classes of a part's documents.
struct Classes {
    /// Of each document; empty if all are events that count.
    of: Vec<u8>,
    /// How many documents are of each.
    counts: [u64; NONE as usize + 1],
    /// How many of those that are no events have no time.
    timeless_none: u32,
}

impl Classes {
    /// Gives each document its class, as `AuditEvent::left_out` does: a copy is nothing else, and lateness goes before
    /// the reason. What is written later wins. Only what has another class than [`COUNTS`] is touched, which is little.
    fn read(
        segment: &SegmentReader,
        fields: &Fields,
        places: &Places,
    ) -> Result<Classes, QueryError> {
        let mut counts = [0; NONE as usize + 1];
        counts[usize::from(COUNTS)] = u64::from(segment.max_doc());
        let mut classes = Classes { of: Vec::new(), counts, timeless_none: 0 };
        let class_of = |word: &str| {
            let at = LEFT_OUT.iter().position(|known| *known == word).expect("a word of them");
            1 + at as u8
        };
        let words = [
            (fields.reason, Reason::System.as_str()),
            (fields.reason, Reason::Forwarded.as_str()),
            (fields.is, Flag::Late.as_str()),
            (fields.is, Flag::Copy.as_str()),
        ];
        let documents = segment.max_doc();
        for (field, word) in words {
            let class = class_of(word);
            each_with(segment, field, word, |document| {
                classes.mark(document, class, documents);
            })?;
        }
        let mut none = |document: DocId| {
            if classes.mark(document, NONE, documents) != NONE && !places.has_time(document) {
                classes.timeless_none += 1;
            }
        };
        for doc in NO_EVENTS {
            each_with(segment, fields.doc, doc, |document| none(document))?;
        }
        if let Some(alive) = segment.alive_bitset() {
            (0..documents).filter(|&document| alive.is_deleted(document)).for_each(none);
        }
        Ok(classes)
    }

    /// Gives a document a class, and returns the one that it had.
    fn mark(&mut self, document: DocId, class: u8, documents: u32) -> u8 {
        if self.of.is_empty() {
            self.of = vec![COUNTS; documents as usize];
        }
        let earlier = std::mem::replace(&mut self.of[document as usize], class);
        self.counts[usize::from(earlier)] -= 1;
        self.counts[usize::from(class)] += 1;
        earlier
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
