//! What was made of the lines: which leaves events and undecodable pieces stand on, read off the index's columns. What the
//! ledger says of the same leaves is counted apart, so that the two can be compared.

use ingest::index::document::{EVENT, UNDECODABLE, state_word};
use ingest::pairing::State;
use tantivy::columnar::Column;

use crate::error::QueryError;
use crate::history::View;
use crate::part::each_with;
use crate::question::exact;
use crate::scan::Scan;

/// Leaves below one leaf, and what they became; each leaf counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Made {
    /// Lines that an event or a waiting request stands on.
    pub(crate) decoded: u64,
    /// Lines that hold nothing else than what could not be decoded.
    pub(crate) undecodable: u64,
    /// Undecodable pieces: a torn one may stand before a whole entry on the same line.
    pub(crate) pieces: u64,
    /// Events with both their lines.
    pub(crate) pairs: u64,
    /// Events of a request line alone, and requests that wait for their response.
    pub(crate) requests: u64,
    /// Events of a response line alone.
    pub(crate) responses: u64,
    /// Of all those, how many the last of these leaves had not issued yet: they wait for their response.
    pub(crate) waiting: u64,
}

impl Made {
    /// Returns what a view's documents say of the leaves below this one; of all its leaves it is looked through once.
    ///
    /// # Errors
    /// The index cannot be read, or the turn is over.
    pub(crate) fn below(view: &View, leaf: u64) -> Result<Made, QueryError> {
        if leaf != view.leaf() {
            return Made::read(view, leaf);
        }
        if let Some(made) = view.known_made().get() {
            return Ok(*made);
        }
        let made = Made::read(view, leaf)?;
        Ok(*view.known_made().get_or_init(|| made))
    }

    fn read(view: &View, leaf: u64) -> Result<Made, QueryError> {
        let mut made = Made::default();
        let words = (leaf as usize).div_ceil(64);
        let (mut decoded, mut undecodable) = (vec![0_u64; words], vec![0_u64; words]);
        let mark = |leaves: &mut [u64], at: u64| leaves[at as usize / 64] |= 1 << (at % 64);
        for in_segment in Scan::new(view, &*exact(view.fields().doc, EVENT))?.segments() {
            let columns = in_segment.segment.fast_fields();
            let column = |name| columns.column_opt::<u64>(name);
            let (request, response) = (column("leaf_request")?, column("leaf_response")?);
            let issued = column("issued_leaf")?;
            let mut pending = Vec::new();
            let state = state_word(State::Pending);
            each_with(in_segment.segment, view.fields().state, state, |at| pending.push(at))?;
            in_segment.each(|document| {
                let of = |column: &Option<Column<u64>>| {
                    let leaf_of = column.as_ref().and_then(|column| column.first(document));
                    leaf_of.filter(|at| *at < leaf)
                };
                let (request, response) = (of(&request), of(&response));
                let kind = match (request, response) {
                    (Some(_), Some(_)) => &mut made.pairs,
                    (Some(_), None) => &mut made.requests,
                    (None, Some(_)) => &mut made.responses,
                    (None, None) => return,
                };
                *kind += 1;
                let is_pending = pending.binary_search(&document).is_ok();
                made.waiting += u64::from(is_pending || of(&issued).is_none());
                request.into_iter().chain(response).for_each(|at| mark(&mut decoded, at));
            })?;
        }
        for in_segment in Scan::new(view, &*exact(view.fields().doc, UNDECODABLE))?.segments() {
            let columns = in_segment.segment.fast_fields();
            let Some(place) = columns.column_opt::<u64>("leaf_response")? else { continue };
            in_segment.each(|document| {
                if let Some(at) = place.first(document).filter(|at| *at < leaf) {
                    made.pieces += 1;
                    mark(&mut undecodable, at);
                }
            })?;
        }
        let pairs = decoded.iter().zip(&undecodable);
        made.undecodable = pairs.map(|(yes, no)| u64::from((no & !yes).count_ones())).sum();
        made.decoded = decoded.iter().map(|word| u64::from(word.count_ones())).sum();
        Ok(made)
    }

    /// Returns how many lines something was made of.
    pub(crate) fn lines(&self) -> u64 {
        self.decoded + self.undecodable
    }

    /// Returns how many events and waiting requests there are.
    pub(crate) fn events(&self) -> u64 {
        self.pairs + self.requests + self.responses
    }
}
