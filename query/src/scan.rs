//! Walking through the documents of a query, segment by segment, and reading columns on the way.

use ingest::index::ColumnList;
use tantivy::columnar::Column;
use tantivy::query::{EnableScoring, Query, Weight};
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, DocSet, SegmentReader, TERMINATED};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address {
    pub(crate) segment: u32,
    pub(crate) document: DocId,
}

/// The column of times.
pub(crate) const TIME: &str = "time";

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
    /// Tells that the query has no document here, not even a deleted one.
    ///
    /// # Errors
    /// The index cannot be read, or the turn is over.
    pub(crate) fn is_empty(&self) -> Result<bool, QueryError> {
        self.turn.check()?;
        Ok(self.weight.scorer(self.segment, 1.0)?.doc() == TERMINATED)
    }

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

/// The columns that make a [`Place`]. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Places {
    pub(crate) time: Option<Column<i64>>,
    pub(crate) leaf: Option<Column<u64>>,
    ordinal: Option<Column<u64>>,
}

impl Places {
    pub(crate) fn open(segment: &SegmentReader) -> tantivy::Result<Places> {
        Ok(Places {
            time: segment.fast_fields().column_opt(TIME)?,
            leaf: segment.fast_fields().column_opt("issued_leaf")?,
            ordinal: segment.fast_fields().column_opt("issued_ordinal")?,
        })
    }

    /// Opens them for reading few documents.
    pub(crate) fn open_for_few(segment: &SegmentReader) -> tantivy::Result<Places> {
        let columns = ColumnList::read_for_few(segment)?;
        Ok(Places {
            time: columns.numbers(TIME)?,
            leaf: columns.numbers("issued_leaf")?,
            ordinal: columns.numbers("issued_ordinal")?,
        })
    }

    pub(crate) fn time(&self, document: DocId) -> Option<i64> {
        self.time.as_ref()?.first(document)
    }

    /// Reads the times of a block of documents.
    pub(crate) fn times(
        &self,
        documents: &[DocId],
        reader: &mut FirstValues<i64>,
        times: &mut Vec<Option<i64>>,
    ) {
        match &self.time {
            Some(column) => reader.read(column, documents, times),
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
