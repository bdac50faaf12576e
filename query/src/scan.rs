//! Walking through the documents of a query, segment by segment, and reading columns on the way.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use tantivy::columnar::{Column, StrColumn};
use tantivy::query::{EnableScoring, Query, Weight};
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, DocSet, SegmentReader};

use crate::column::FirstValues;
use crate::error::QueryError;
use crate::history::View;
use crate::turn::Turn;

/// Where an event stands in the one order of answers: by time, then by the leaf that issued it. An event
/// without a time is the oldest. No two events have the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) time: Option<i64>,
    pub(crate) leaf: u64,
    pub(crate) ordinal: u32,
}

/// A document of a searcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) segment: u32,
    pub(crate) document: DocId,
}

/// After how many documents or terms a walk looks whether its turn is over.
pub(crate) const CHECK_EVERY: usize = 4_096;

/// A query over the segments of a view.
pub(crate) struct Scan<'a> {
    view: &'a View,
    weight: Box<dyn Weight>,
}

/// The part of a scan in one segment.
pub(crate) struct InSegment<'a> {
    pub(crate) number: u32,
    pub(crate) segment: &'a SegmentReader,
    weight: &'a dyn Weight,
    turn: &'a Turn,
}

impl<'a> Scan<'a> {
    /// Makes ready to walk through those of the query's documents that lie in the view's bounds.
    pub(crate) fn new(view: &'a View, query: &dyn Query) -> Result<Scan<'a>, QueryError> {
        let query = view.bounded(query)?;
        let weight = query.weight(EnableScoring::disabled_from_searcher(view.searcher()))?;
        Ok(Scan { view, weight })
    }

    pub(crate) fn segment(&self, number: u32) -> InSegment<'_> {
        InSegment {
            number,
            segment: self.view.searcher().segment_reader(number),
            weight: &*self.weight,
            turn: self.view.turn(),
        }
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = InSegment<'_>> {
        let segments = self.view.searcher().segment_readers().len() as u32;
        (0..segments).map(|number| self.segment(number))
    }
}

impl InSegment<'_> {
    /// Gives each document of the query that is not deleted, in ascending order.
    ///
    /// # Errors
    /// The index cannot be read, or the turn is over; what was given so far is then no answer.
    pub(crate) fn each(&self, mut document: impl FnMut(DocId)) -> Result<(), QueryError> {
        self.turn.check()?;
        let mut documents = self.weight.scorer(self.segment, 1.0)?;
        let mut block = [0; COLLECT_BLOCK_BUFFER_LEN];
        let mut given = 0;
        loop {
            let found = documents.fill_buffer(&mut block);
            for &found in &block[..found] {
                if !self.segment.is_deleted(found) {
                    document(found);
                }
            }
            if found < block.len() {
                return Ok(());
            }
            given += found;
            if given.is_multiple_of(CHECK_EVERY) {
                self.turn.check()?;
            }
        }
    }
}

/// The columns that make a [`Place`].
pub(crate) struct Places {
    time: Option<Column<i64>>,
    leaf: Option<Column<u64>>,
    ordinal: Option<Column<u64>>,
    reader: FirstValues<i64>,
}

impl Places {
    pub(crate) fn open(segment: &SegmentReader) -> tantivy::Result<Places> {
        Ok(Places {
            time: segment.fast_fields().column_opt("time")?,
            leaf: segment.fast_fields().column_opt("issued_leaf")?,
            ordinal: segment.fast_fields().column_opt("issued_ordinal")?,
            reader: FirstValues::default(),
        })
    }

    pub(crate) fn time(&self, document: DocId) -> Option<i64> {
        self.time.as_ref()?.first(document)
    }

    /// Reads the times of a block of documents.
    pub(crate) fn times(&mut self, documents: &[DocId], times: &mut Vec<Option<i64>>) {
        match &self.time {
            Some(column) => self.reader.read(column, documents, times),
            None => {
                times.clear();
                times.resize(documents.len(), None);
            }
        }
    }

    pub(crate) fn of(&self, document: DocId) -> Place {
        let ordinal = self.ordinal.as_ref().and_then(|column| column.first(document));
        Place {
            time: self.time(document),
            leaf: self.leaf.as_ref().and_then(|column| column.first(document)).unwrap_or(0),
            ordinal: ordinal.and_then(|ordinal| u32::try_from(ordinal).ok()).unwrap_or(0),
        }
    }
}

/// A column of words that remembers what it read: rows repeat themselves.
pub(crate) struct Texts {
    column: Option<StrColumn>,
    known: Known,
}

/// The texts that were read.
enum Known {
    /// All of a small dictionary, by their numbers; nothing before the first is asked for.
    All(Vec<Arc<str>>),
    /// Some of a large one.
    Some(HashMap<u64, Arc<str>>),
}

/// A dictionary of at most so many texts and bytes, as it is stored, is read whole: finding one of them reads a good part of it.
const SMALL_TEXTS: usize = 1_024;
const SMALL_BYTES: u64 = 8 << 10;

/// Texts that a column remembers. Enough for what repeats, little enough for 35 columns of 50 segments.
const KNOWN_MAX: usize = 256;
/// The longest text that is remembered: what repeats is short.
const KNOWN_BYTES_MAX: usize = 256;

impl Texts {
    pub(crate) fn open(segment: &SegmentReader, name: &str) -> tantivy::Result<Texts> {
        let column = segment.fast_fields().str(name)?;
        let is_small = column.as_ref().is_some_and(|column| {
            let dictionary = column.dictionary();
            dictionary.num_terms() <= SMALL_TEXTS
                && dictionary.num_bytes().get_bytes() <= SMALL_BYTES
        });
        let known = if is_small { Known::All(Vec::new()) } else { Known::Some(HashMap::new()) };
        Ok(Texts { column, known })
    }

    pub(crate) fn first(&mut self, document: DocId) -> io::Result<Option<Arc<str>>> {
        match self.column.as_ref().and_then(|column| column.term_ords(document).next()) {
            Some(ordinal) => self.text(ordinal).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn all(&mut self, document: DocId) -> io::Result<Vec<Arc<str>>> {
        let Some(column) = &self.column else { return Ok(Vec::new()) };
        let ordinals: Vec<u64> = column.term_ords(document).collect();
        ordinals.into_iter().map(|ordinal| self.text(ordinal)).collect()
    }

    fn text(&mut self, ordinal: u64) -> io::Result<Arc<str>> {
        let Some(column) = &self.column else { return Ok("".into()) };
        match &mut self.known {
            Known::All(texts) => {
                if texts.is_empty() {
                    let mut all = column.dictionary().stream()?;
                    while all.advance() {
                        texts.push(String::from_utf8_lossy(all.key()).into());
                    }
                }
                Ok(texts[ordinal as usize].clone())
            }
            Known::Some(texts) => {
                if let Some(text) = texts.get(&ordinal) {
                    return Ok(text.clone());
                }
                let mut text = String::new();
                column.ord_to_str(ordinal, &mut text)?;
                let text: Arc<str> = text.into();
                if text.len() <= KNOWN_BYTES_MAX {
                    if texts.len() == KNOWN_MAX {
                        texts.clear();
                    }
                    texts.insert(ordinal, text.clone());
                }
                Ok(text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tantivy::query::AllQuery;

    use super::*;
    use crate::testing::{on, view_of};

    #[test]
    fn a_walk_ends_with_its_turn_and_not_before() {
        let events = vec![on(1, "a", 1.0); 2 * CHECK_EVERY + 5];
        let whole = view_of(&events, events.len());
        let walk = |view: &View, cancel_at: usize| {
            let mut given = 0;
            let scan = Scan::new(view, &AllQuery).expect("a scan");
            let ended = scan.segments().try_for_each(|in_segment| {
                in_segment.each(|_| {
                    given += 1;
                    if given == cancel_at {
                        view.turn().cancel();
                    }
                })
            });
            (given, ended)
        };
        assert!(matches!(walk(&whole, 0), (given, Ok(())) if given == events.len()));
        let called_off = walk(&whole.within(Turn::default()), 10);
        assert!(matches!(called_off, (CHECK_EVERY, Err(QueryError::Cancelled))), "{called_off:?}");
        let late = walk(&whole.within(Turn::of(Duration::ZERO)), 0);
        assert!(matches!(late, (0, Err(QueryError::Deadline { .. }))), "{late:?}");
        assert!(matches!(walk(&whole, 0), (given, Ok(())) if given == events.len()));
    }
}
