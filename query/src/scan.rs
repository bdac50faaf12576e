//! Walking through the documents of a query, segment by segment, and reading columns on the way.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use tantivy::columnar::{Column, StrColumn};
use tantivy::query::{EnableScoring, Query, Weight};
use tantivy::{DocId, Searcher, SegmentReader};

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

/// A query over the segments of a searcher.
pub(crate) struct Scan<'a> {
    searcher: &'a Searcher,
    weight: Box<dyn Weight>,
}

/// The part of a scan in one segment.
pub(crate) struct InSegment<'a> {
    pub(crate) number: u32,
    pub(crate) segment: &'a SegmentReader,
    weight: &'a dyn Weight,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(searcher: &'a Searcher, query: &dyn Query) -> tantivy::Result<Scan<'a>> {
        let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
        Ok(Scan { searcher, weight })
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = InSegment<'_>> {
        (0..).zip(self.searcher.segment_readers()).map(|(number, segment)| InSegment {
            number,
            segment,
            weight: &*self.weight,
        })
    }
}

impl InSegment<'_> {
    /// Gives each document of the query that is not deleted, in ascending order.
    pub(crate) fn each(&self, mut document: impl FnMut(DocId)) -> tantivy::Result<()> {
        self.weight.for_each_no_score(self.segment, &mut |found| {
            for &found in found {
                if !self.segment.is_deleted(found) {
                    document(found);
                }
            }
        })
    }
}

/// The columns that make a [`Place`].
pub(crate) struct Places {
    time: Option<Column<i64>>,
    leaf: Option<Column<u64>>,
    ordinal: Option<Column<u64>>,
}

impl Places {
    pub(crate) fn open(segment: &SegmentReader) -> tantivy::Result<Places> {
        Ok(Places {
            time: segment.fast_fields().column_opt("time")?,
            leaf: segment.fast_fields().column_opt("issued_leaf")?,
            ordinal: segment.fast_fields().column_opt("issued_ordinal")?,
        })
    }

    pub(crate) fn time(&self, document: DocId) -> Option<i64> {
        self.time.as_ref()?.first(document)
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
    known: HashMap<u64, Arc<str>>,
}

/// Texts that a column remembers. Enough for what repeats, little enough for 35 columns of 50 segments.
const KNOWN_MAX: usize = 256;

impl Texts {
    pub(crate) fn open(segment: &SegmentReader, name: &str) -> tantivy::Result<Texts> {
        Ok(Texts { column: segment.fast_fields().str(name)?, known: HashMap::new() })
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
        if let Some(text) = self.known.get(&ordinal) {
            return Ok(text.clone());
        }
        let mut text = String::new();
        if let Some(column) = &self.column {
            column.ord_to_str(ordinal, &mut text)?;
        }
        let text: Arc<str> = text.into();
        if self.known.len() == KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(ordinal, text.clone());
        Ok(text)
    }
}
