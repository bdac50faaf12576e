//! What is known of one immutable part of the index: a segment with its deletions. Found out once, and kept for
//! as long as a view has that part.

use std::sync::{Mutex, PoisonError};

use ingest::event::{Flag, Reason};
use ingest::index::document::NO_EVENTS;
use ingest::index::schema::Fields;
use tantivy::index::SegmentId;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Opstamp, SegmentReader, TERMINATED, TantivyError, Term};

use crate::error::QueryError;
use crate::question::LEFT_OUT;
use crate::row::Columns;

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
    /// The columns of rows, once a row was read.
    pub(crate) columns: Mutex<Option<Columns>>,
}

/// An event that counts. The classes of [`LEFT_OUT`] follow from 1 on.
pub(crate) const COUNTS: u8 = 0;
/// A document that is no event, or is deleted.
pub(crate) const NONE: u8 = 1 + LEFT_OUT.len() as u8;

impl Part {
    /// Reads what there is to know.
    pub(crate) fn read(segment: &SegmentReader, fields: &Fields) -> Result<Part, QueryError> {
        let columns = segment.fast_fields();
        let time = columns.column_opt::<i64>("time")?;
        let leaf = columns.column_opt::<u64>("issued_leaf")?;
        let classes = classes(segment, fields)?;
        let is_event = |document: DocId| {
            classes.as_ref().is_none_or(|classes| classes[document as usize] != NONE)
        };
        let is_timeless = match &time {
            Some(time) if time.get_cardinality().is_full() => false,
            Some(time) => (0..segment.max_doc())
                .any(|document| is_event(document) && time.first(document).is_none()),
            None => true,
        };
        let has_values = |values: u32| values > 0;
        Ok(Part {
            key: key(segment),
            times: time
                .filter(|time| has_values(time.values.num_vals()))
                .map(|time| (time.min_value(), time.max_value())),
            is_timeless,
            last_leaf: leaf
                .filter(|leaf| has_values(leaf.values.num_vals()))
                .map_or(0, |leaf| leaf.max_value()),
            class_counts: class_counts(classes.as_deref(), segment.max_doc()),
            classes,
            columns: Mutex::new(None),
        })
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

    /// Reads with the columns of rows.
    pub(crate) fn with_columns<T>(
        &self,
        segment: &SegmentReader,
        read: impl FnOnce(&mut Columns) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let mut columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        let columns = match &mut *columns {
            Some(columns) => columns,
            columns => columns.insert(Columns::open(segment)?),
        };
        read(columns)
    }
}

/// Gives each document its class, as `AuditEvent::left_out` does: a copy is nothing else, and lateness goes before
/// the reason. What is written later wins.
fn classes(segment: &SegmentReader, fields: &Fields) -> Result<Option<Vec<u8>>, QueryError> {
    let mut classes = Vec::new();
    let mut mark = |document: DocId, class: u8| {
        if classes.is_empty() {
            classes.resize(segment.max_doc() as usize, COUNTS);
        }
        classes[document as usize] = class;
    };
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
    for (field, word) in words {
        each_with(segment, field, word, |document| mark(document, class_of(word)))?;
    }
    for doc in NO_EVENTS {
        each_with(segment, fields.doc, doc, |document| mark(document, NONE))?;
    }
    if let Some(alive) = segment.alive_bitset() {
        let deleted = (0..segment.max_doc()).filter(|&document| alive.is_deleted(document));
        deleted.for_each(|document| mark(document, NONE));
    }
    Ok((!classes.is_empty()).then_some(classes))
}

fn class_counts(classes: Option<&[u8]>, documents: u32) -> [u64; NONE as usize + 1] {
    let mut counts = [0; NONE as usize + 1];
    match classes {
        Some(classes) => classes.iter().for_each(|&class| counts[usize::from(class)] += 1),
        None => counts[usize::from(COUNTS)] = u64::from(documents),
    }
    counts
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
