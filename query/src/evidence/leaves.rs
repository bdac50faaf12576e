//! Which leaves a pack shows, and reading them.

use std::ops::{Bound, Range};

use ingest::event::Flag;
use ingest::index::document::{EVENT, value};
use ingest::ledger::{BatchHeader, LedgerError, LedgerReader, stretches};
use ingest::source::LeafIndex;
use tantivy::Term;
use tantivy::query::{BooleanQuery, Occur, Query, RangeQuery};

use super::ROWS;
use crate::error::QueryError;
use crate::filter::request::RequestQuery;
use crate::history::View;
use crate::question::{Question, exact, within};
use crate::row::EventRow;
use crate::rows::Rows;
use crate::scan::{Address, Scan};
use crate::search::each_row;

/// A leaf that was read.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'a> {
    /// Its number.
    pub number: LeafIndex,
    /// The header of its batch.
    pub header: &'a BatchHeader,
    /// The line and its offset in the file; `None` where the leaf is the header itself.
    pub line: Option<(&'a [u8], u64)>,
}

/// Returns the leaves from which the events of a question's period can be made again, as ascending stretches: one that
/// holds every leaf of each of them and the leaf that issued it, what is left out included; and each leaf elsewhere of
/// other events that have one in it, which would else look like requests or responses without their other half.
///
/// # Errors
/// The index cannot be read.
pub fn of_period(view: &View, question: &Question) -> Result<Vec<Range<u64>>, QueryError> {
    let everything =
        Question { all: true, at: Some(question.answered_at(view)), ..Question::everything() };
    let period = Question { from: question.from, to: question.to, ..everything.clone() };
    let (mut first, mut last) = (u64::MAX, 0);
    let mut late = Vec::new();
    let mut widen = |row: &EventRow| {
        for leaf in leaves_of(row) {
            (first, last) = (first.min(leaf.0), last.max(leaf.0));
        }
        (first, last) = (first.min(row.issued.0.0), last.max(row.issued.0.0));
    };
    each_row(view, &period, 0, None, &mut |row| {
        widen(&row);
        if row.flags.iter().any(|flag| flag == Flag::Late.as_str()) {
            late.extend(row.request_id);
        }
        Ok::<(), QueryError>(())
    })?;
    // That a response is late can be told only by whoever saw its request given up.
    let mut given_up = Vec::new();
    for request_id in late {
        // By its key: a walk through the column for each late response would be long.
        let of_request = RequestQuery::new(&value(&request_id));
        addresses(view, &of_request, &mut given_up)?;
    }
    for row in read(view, &given_up)? {
        widen(&row);
    }
    if first > last {
        return Ok(Vec::new());
    }
    let stretch = first..last + 1;
    let mut leaves = Vec::new();
    for rows in read_in_turn(view, &crossing(view, question, &stretch)?) {
        leaves.extend(rows?.iter().flat_map(leaves_of));
    }
    let below = everything.at.unwrap_or(u64::MAX);
    leaves.retain(|leaf| !stretch.contains(&leaf.0) && leaf.0 < below);
    Ok(joined(&[stretch], leaves))
}

/// Returns the leaves of rows.
pub fn of_rows<'a>(rows: impl IntoIterator<Item = &'a EventRow>) -> Vec<Range<u64>> {
    stretches(rows.into_iter().flat_map(leaves_of))
}

/// Returns the leaves of a row: one or two.
pub(super) fn leaves_of(row: &EventRow) -> impl Iterator<Item = LeafIndex> + use<> {
    [row.request_leaf, row.response_leaf].into_iter().flatten()
}

/// The events outside of the period that have a leaf in the stretch.
fn crossing(
    view: &View,
    question: &Question,
    stretch: &Range<u64>,
) -> Result<Vec<Address>, QueryError> {
    let fields = view.fields();
    let has = |field| {
        let from = Bound::Included(Term::from_field_u64(field, stretch.start));
        let to = Bound::Excluded(Term::from_field_u64(field, stretch.end));
        let query: Box<dyn Query> = Box::new(RangeQuery::new(from, to));
        (Occur::Should, query)
    };
    let has_leaf = BooleanQuery::new([fields.leaf_request, fields.leaf_response].map(has).into());
    let mut clauses: Vec<(Occur, Box<dyn Query>)> =
        vec![(Occur::Must, Box::new(has_leaf)), (Occur::Must, exact(fields.doc, EVENT))];
    match within(fields.time, question.from, question.to) {
        Some(period) => clauses.push((Occur::MustNot, period)),
        // Every event belongs to a period without ends.
        None => return Ok(Vec::new()),
    }
    let mut found = Vec::new();
    addresses(view, &BooleanQuery::new(clauses), &mut found)?;
    Ok(found)
}

fn addresses(view: &View, query: &dyn Query, found: &mut Vec<Address>) -> Result<(), QueryError> {
    for in_segment in Scan::new(view, query)?.segments() {
        let segment = in_segment.number;
        in_segment.each(|document| found.push(Address { segment, document }))?;
    }
    Ok(())
}

fn read(view: &View, addresses: &[Address]) -> Result<Vec<EventRow>, QueryError> {
    Rows::new(view).rows(addresses)
}

fn read_in_turn<'a>(
    view: &'a View,
    addresses: &'a [Address],
) -> impl Iterator<Item = Result<Vec<EventRow>, QueryError>> {
    addresses.chunks(ROWS).map(|part| read(view, part))
}

/// Returns the same stretches with the header of each batch of which they hold a leaf.
///
/// # Errors
/// The ledger cannot be read.
pub fn with_headers(
    ledger: &LedgerReader,
    ranges: &[Range<u64>],
) -> Result<Vec<Range<u64>>, LedgerError> {
    let mut headers = Vec::new();
    let mut known_to = 0;
    for range in ranges {
        if range.end <= known_to {
            continue;
        }
        for batch in ledger.batches(LeafIndex(range.start.max(known_to))) {
            let header = batch?.header;
            if header.first_leaf.0 >= range.end {
                break;
            }
            headers.push(header.first_leaf);
            known_to = header.end();
            if known_to >= range.end {
                break;
            }
        }
    }
    Ok(joined(ranges, headers))
}

/// Returns the leaves of keytrail's own lines and their headers, as ascending stretches.
///
/// # Errors
/// The ledger cannot be read.
pub fn own_leaves(ledger: &LedgerReader) -> Result<Vec<Range<u64>>, LedgerError> {
    let mut ranges = Vec::new();
    for batch in ledger.own_batches(LeafIndex(0))? {
        let header = batch?.header;
        ranges.push(header.first_leaf.0..header.end());
    }
    Ok(together(ranges))
}

/// Joins stretches to ascending ones of which no two touch.
pub fn together(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    joined(&ranges, Vec::new())
}

/// Joins stretches and single leaves to ascending stretches of which no two touch.
fn joined(ranges: &[Range<u64>], leaves: Vec<LeafIndex>) -> Vec<Range<u64>> {
    let mut all: Vec<Range<u64>> = ranges.iter().cloned().chain(stretches(leaves)).collect();
    all.sort_unstable_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in all {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Gives each leaf of ascending stretches in order.
///
/// # Errors
/// The ledger cannot be read, or retention removed a line; what `each` returns.
pub fn each_leaf<E: From<LedgerError>>(
    ledger: &LedgerReader,
    ranges: &[Range<u64>],
    each: &mut dyn FnMut(Leaf<'_>) -> Result<(), E>,
) -> Result<(), E> {
    for range in ranges {
        for batch in ledger.batches(LeafIndex(range.start)) {
            let batch = batch?;
            let header = &batch.header;
            let mut number = header.first_leaf;
            if number.0 >= range.end {
                break;
            }
            if range.contains(&number.0) {
                each(Leaf { number, header, line: None })?;
            }
            let has_lines = range.start < header.end() && range.end > number.0 + 1;
            if batch.removed && has_lines {
                return Err(LedgerError::Removed { leaf: LeafIndex(number.0 + 1) }.into());
            }
            let mut offset = header.offset;
            for line in batch.lines.iter() {
                number = LeafIndex(number.0 + 1);
                if range.contains(&number.0) {
                    each(Leaf { number, header, line: Some((line, offset)) })?;
                }
                offset += line.len() as u64;
            }
            if header.end() >= range.end {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{on, view_of};

    #[test]
    fn a_late_response_brings_the_request_that_was_given_up() {
        let mut given_up = on(1, "a", 1.0);
        given_up.leaves = vec![LeafIndex(3)];
        given_up.issued.0 = LeafIndex(8);
        let mut late = on(2, "a", 900.0);
        (late.request_id, late.leaves) = (given_up.request_id.clone(), vec![LeafIndex(20)]);
        (late.issued.0, late.flags) = (LeafIndex(20), vec![Flag::Late]);
        let from = late.time.as_ref().map(|time| time.unix_ns);
        let view = view_of(&[given_up, late], 9);
        let question = Question { from, ..Question::everything() };
        let wanted: Range<u64> = 3..21;
        assert_eq!(of_period(&view, &question).expect("stretches"), std::slice::from_ref(&wanted));
    }

    #[test]
    fn stretches_and_single_leaves_are_joined() {
        let leaves = |numbers: &[u64]| numbers.iter().copied().map(LeafIndex).collect();
        assert_eq!(joined(&[], Vec::new()), Vec::<Range<u64>>::new());
        assert_eq!(joined(&[5..9, 20..22], leaves(&[3, 9, 10, 21])), [3..4, 5..11, 20..22]);
        assert_eq!(joined(&[5..9, 30..31], leaves(&[4, 0])), [0..1, 4..9, 30..31]);
    }
}
