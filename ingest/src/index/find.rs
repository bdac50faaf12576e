//! One event of the index by its uid, with what is needed to make it again from its lines.

use std::ops::Bound;

use tantivy::columnar::{Column, StrColumn};
use tantivy::query::{BooleanQuery, EnableScoring, Occur, Query, RangeQuery, TermQuery, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, SegmentReader, Term};

use super::document::{EVENT, request_and_response, state_of};
use super::keys::Keys;
use super::reader::{engine, text};
use super::uids::Uids;
use super::{IndexError, Snapshot};
use crate::event::{AuditEvent, Flag, Issued, Uid};
use crate::pairing::{Issue, State};
use crate::source::LeafIndex;

/// An event as the index holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexed {
    /// cluster/node/device.
    pub source: String,
    /// The request line.
    pub request: Option<LeafIndex>,
    /// The response line.
    pub response: Option<LeafIndex>,
    /// How pairing closed it.
    pub state: State,
    /// The leaf that issued it.
    pub issued: Issued,
    /// Its time, in nanoseconds since 1970.
    pub time_unix_ns: Option<i64>,
}

impl Indexed {
    /// Returns what the index holds of an event.
    pub fn of(event: &AuditEvent, state: State) -> Indexed {
        let (request, response) = request_and_response(event);
        Indexed {
            source: event.source.to_string(),
            request,
            response,
            state,
            issued: event.issued,
            time_unix_ns: event.time.as_ref().map(|time| time.unix_ns),
        }
    }

    /// Returns what makes it again; `source` is its source's number.
    pub fn issue(&self, source: u32, replaces: bool) -> Issue {
        Issue {
            source,
            request: self.request,
            response: self.response,
            state: self.state,
            issued: self.issued,
            replaces,
        }
    }
}

impl Snapshot {
    /// Returns the event of this uid, if there is one. With `within`, only segments with a time from the first
    /// to the second are looked at.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn find(
        &self,
        uid: Uid,
        within: Option<(i64, i64)>,
    ) -> Result<Option<Indexed>, IndexError> {
        self.find_in(uid, within).map_err(|source| engine(&self.dir, source))
    }

    /// Returns the events of a source that count and have a line below a leaf.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn counting_below(&self, least: LeafIndex, source: &str) -> Result<Vec<Uid>, IndexError> {
        let read = || -> tantivy::Result<Vec<Uid>> {
            let weight = self.below(least, source)?;
            let mut uids = Vec::new();
            for segment in self.searcher.segment_readers() {
                let columns = Uids::open(segment)?;
                let mut documents = Vec::new();
                weight
                    .for_each_no_score(segment, &mut |found| documents.extend_from_slice(found))?;
                for document in documents.into_iter().filter(|&found| !segment.is_deleted(found)) {
                    uids.push(columns.of(document)?);
                }
            }
            Ok(uids)
        };
        read().map_err(|source| engine(&self.dir, source))
    }

    fn below(&self, least: LeafIndex, source: &str) -> tantivy::Result<Box<dyn Weight>> {
        let fields = &self.fields;
        let exact = |field, word: &str| -> Box<dyn Query> {
            let term = Term::from_field_text(field, word);
            Box::new(TermQuery::new(term, IndexRecordOption::Basic))
        };
        let below = |field| -> (Occur, Box<dyn Query>) {
            let least = Bound::Excluded(Term::from_field_u64(field, least.0));
            (Occur::Should, Box::new(RangeQuery::new(Bound::Unbounded, least)))
        };
        let lines = vec![below(fields.leaf_request), below(fields.leaf_response)];
        let query = BooleanQuery::new(vec![
            (Occur::Must, exact(fields.doc, EVENT)),
            (Occur::Must, exact(fields.source, source)),
            (Occur::Must, Box::new(BooleanQuery::new(lines))),
            (Occur::MustNot, exact(fields.is, Flag::Copy.as_str())),
        ]);
        query.weight(EnableScoring::disabled_from_searcher(&self.searcher))
    }

    fn find_in(&self, uid: Uid, within: Option<(i64, i64)>) -> tantivy::Result<Option<Indexed>> {
        let key = uid.halves().0;
        for (segment, columns) in self.searcher.segment_readers().iter().zip(self.columns()?) {
            let meant =
                |(from, to)| columns.times.is_some_and(|(first, last)| first <= to && last >= from);
            if !within.is_none_or(meant) {
                continue;
            }
            for document in columns.keys.uids.documents(&[key])? {
                if !segment.is_deleted(document) && columns.uids.of(document)? == uid {
                    return columns.indexed(document);
                }
            }
        }
        Ok(None)
    }

    /// Returns the columns of each segment, opened once: that takes longer than a look-up.
    fn columns(&self) -> tantivy::Result<&[Columns]> {
        if let Some(columns) = self.columns.get() {
            return Ok(columns);
        }
        let columns = self.searcher.segment_readers().iter().map(Columns::open);
        let columns = columns.collect::<tantivy::Result<Vec<_>>>()?;
        Ok(self.columns.get_or_init(|| columns))
    }
}

/// What is read of an event that was found, in one segment.
pub(super) struct Columns {
    keys: Keys,
    uids: Uids,
    source: Option<StrColumn>,
    state: Option<StrColumn>,
    leaf_request: Option<Column<u64>>,
    leaf_response: Option<Column<u64>>,
    issued_leaf: Option<Column<u64>>,
    issued_ordinal: Option<Column<u64>>,
    time: Option<Column<i64>>,
    /// The first and the last time.
    times: Option<(i64, i64)>,
}

impl Columns {
    fn open(segment: &SegmentReader) -> tantivy::Result<Columns> {
        let columns = segment.fast_fields();
        let time: Option<Column<i64>> = columns.column_opt("time")?;
        Ok(Columns {
            keys: Keys::open(segment)?,
            uids: Uids::open(segment)?,
            source: columns.str("source")?,
            state: columns.str("state")?,
            leaf_request: columns.column_opt("leaf_request")?,
            leaf_response: columns.column_opt("leaf_response")?,
            issued_leaf: columns.column_opt("issued_leaf")?,
            issued_ordinal: columns.column_opt("issued_ordinal")?,
            times: time.as_ref().map(|time| (time.min_value(), time.max_value())),
            time,
        })
    }

    fn indexed(&self, document: DocId) -> tantivy::Result<Option<Indexed>> {
        let state = text(&self.state, document)?;
        let (Some(source), Some(state)) =
            (text(&self.source, document)?, state.as_deref().and_then(state_of))
        else {
            return Ok(None);
        };
        let ordinal = number(&self.issued_ordinal, document);
        let issued = LeafIndex(number(&self.issued_leaf, document).unwrap_or(0));
        Ok(Some(Indexed {
            source,
            request: number(&self.leaf_request, document).map(LeafIndex),
            response: number(&self.leaf_response, document).map(LeafIndex),
            state,
            issued: Issued(issued, ordinal.and_then(|of| u32::try_from(of).ok()).unwrap_or(0)),
            time_unix_ns: self.time.as_ref().and_then(|time| time.first(document)),
        }))
    }
}

fn number(column: &Option<Column<u64>>, document: DocId) -> Option<u64> {
    column.as_ref()?.first(document)
}
