//! Events in the order in which the trail learned of them: what a live tail and whoever resumes one follows.
//!
//! A request that waits for its response is not issued yet; it comes once it is answered, or closed without one.

use std::collections::{BTreeMap, BinaryHeap};

use ingest::event::{Issued, Reason};
use ingest::index::document::state_word;
use ingest::pairing::State;
use ingest::source::LeafIndex;
use tantivy::Term;
use tantivy::query::{BooleanQuery, Occur, Query, RangeQuery};

use crate::error::QueryError;
use crate::history::View;
use crate::question::{LeftOut, Question, exact};
use crate::row::EventRow;
use crate::rows::Rows;
use crate::scan::{Address, Places, Scan};

/// Events that were issued after a place.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// In the order in which they were issued.
    pub rows: Vec<EventRow>,
    /// How many fit the question, were issued there too, and are left out.
    pub left_out: LeftOut,
    /// Up to where this goes: the next question asks for what was issued after it.
    pub last: Issued,
    /// There is more by now.
    pub more: bool,
}

/// Returns the place after everything that a view has.
pub fn newest(view: &View) -> Issued {
    Issued(LeafIndex(view.leaf().saturating_sub(1)), u32::MAX)
}

/// Returns the first events, at most `limit` (left out or not), that were issued after `after`.
///
/// # Errors
/// The index cannot be read.
pub fn issued_after(
    view: &View,
    question: &Question,
    after: Issued,
    limit: usize,
) -> Result<Arrivals, QueryError> {
    let fields = view.fields();
    let everything = Question { all: true, ..question.clone() };
    let from = Term::from_field_u64(fields.issued_leaf, after.0.0);
    let clauses: Vec<(Occur, Box<dyn Query>)> = vec![
        (Occur::Must, everything.query(view)?),
        (
            Occur::Must,
            Box::new(RangeQuery::new(std::ops::Bound::Included(from), std::ops::Bound::Unbounded)),
        ),
        (Occur::MustNot, exact(fields.state, state_word(State::Pending))),
    ];
    // The newest of the oldest is on top, to be thrown out first.
    let mut heap: BinaryHeap<(Issued, Address)> = BinaryHeap::new();
    let mut more = false;
    for in_segment in Scan::new(view, &BooleanQuery::new(clauses))?.segments() {
        let places = Places::open(in_segment.segment)?;
        in_segment.each(|document| {
            let place = places.of(document);
            let issued = Issued(LeafIndex(place.leaf), place.ordinal);
            if issued <= after {
                return;
            }
            heap.push((issued, Address { segment: in_segment.number, document }));
            if heap.len() > limit {
                heap.pop();
                more = true;
            }
        })?;
    }
    let mut arrivals = Arrivals {
        rows: Vec::new(),
        left_out: LeftOut::default(),
        last: newest(view).max(after),
        more,
    };
    let mut rows = Rows::new(view);
    let mut left_out = BTreeMap::new();
    let (issued, addresses): (Vec<_>, Vec<_>) = heap.into_sorted_vec().into_iter().unzip();
    for (issued, row) in issued.into_iter().zip(rows.rows(&addresses)?) {
        match left_out_word(&row).filter(|word| !question.all && !question.filter.asks_for(word)) {
            Some(word) => *left_out.entry(word).or_default() += 1,
            None => arrivals.rows.push(row),
        }
        if more {
            arrivals.last = issued;
        }
    }
    arrivals.left_out = LeftOut(left_out);
    Ok(arrivals)
}

/// The word of `AuditEvent::left_out`, off a row.
fn left_out_word(row: &EventRow) -> Option<&'static str> {
    let reason: Reason = row.reason.as_deref()?.parse().ok()?;
    reason.left_out(|flag| row.flags.iter().any(|of| of == flag.as_str()))
}
