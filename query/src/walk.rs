//! All events of a filter in the order in which they were issued, for whoever takes each of them once: a sink.
//!
//! A walk finds the events of a stretch of leaves at once and gives their rows in windows, so a million events cost a
//! few dozen looks at the index, and memory is bounded however much is left to read.

use std::collections::BTreeSet;
use std::ops::Bound;

use ingest::event::{Flag, Issued};
use ingest::index::document::{NO_EVENTS, state_word};
use ingest::pairing::State;
use ingest::source::{LeafIndex, SourceId};
use tantivy::Term;
use tantivy::query::{BooleanQuery, Occur, Query, RangeQuery};

use crate::error::QueryError;
use crate::filter::Filter;
use crate::filter::request::RequestQuery;
use crate::history::View;
use crate::issued::newest;
use crate::question::exact;
use crate::row::EventRow;
use crate::rows::Rows;
use crate::scan::{Address, Places, Scan};
use crate::trail::Trail;

/// Leaves that are looked at together.
const STRETCH: u64 = 1 << 16;
/// Events that are remembered, 24 bytes each: one leaf may close a hundred thousand requests.
const EVENTS_MAX: usize = 1 << 17;

/// Events that were issued after a place and at or before another one.
pub struct Walk {
    view: View,
    found: std::vec::IntoIter<(Issued, Address)>,
    end: Issued,
    is_last: bool,
}

impl Walk {
    /// Finds the events that were issued after `after`, those that counts leave out included; of what lies after it, the
    /// next stretch.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn after(view: &View, filter: &Filter, after: Issued) -> Result<Walk, QueryError> {
        Walk::of_stretch(view, filter, after, STRETCH, EVENTS_MAX)
    }

    fn of_stretch(
        view: &View,
        filter: &Filter,
        after: Issued,
        leaves: u64,
        events_max: usize,
    ) -> Result<Walk, QueryError> {
        // The leaf of `after` may have issued more, and the stretch has to go beyond it to get anywhere.
        let to = after.0.0.saturating_add(1).saturating_add(leaves);
        let query = issued_between(view, filter, after.0.0, Some(to))?;
        let mut found: Vec<(Issued, Address)> = Vec::new();
        let mut end = Issued(LeafIndex(to - 1), u32::MAX);
        for in_segment in Scan::new(view, &query)?.segments() {
            let places = Places::open(in_segment.segment)?;
            in_segment.each(|document| {
                let place = places.of(document);
                let issued = Issued(LeafIndex(place.leaf), place.ordinal);
                if issued <= after || issued > end {
                    return;
                }
                found.push((issued, Address { segment: in_segment.number, document }));
                if found.len() >= 2 * events_max {
                    end = first(&mut found, events_max);
                }
            })?;
        }
        if found.len() > events_max {
            end = first(&mut found, events_max);
        }
        found.sort_unstable();
        let newest = newest(view);
        let is_last = end >= newest;
        // What the view has yet to learn is not passed over.
        let end = end.min(newest).max(after);
        Ok(Walk { view: view.clone(), found: found.into_iter(), end, is_last })
    }

    /// Returns the rows of the next events, at most `limit`; none when all were given.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn next(&mut self, limit: usize) -> Result<Vec<EventRow>, QueryError> {
        let addresses: Vec<Address> =
            self.found.by_ref().take(limit).map(|(_, address)| address).collect();
        Rows::new(&self.view).rows(&addresses)
    }

    /// Leaves out all but the events of these places.
    pub fn only(&mut self, places: &BTreeSet<Issued>) {
        let found = std::mem::take(&mut self.found);
        let kept: Vec<_> = found.filter(|(issued, _)| places.contains(issued)).collect();
        self.found = kept.into_iter();
    }

    /// Returns up to where it goes once all were given: the next walk begins after it.
    pub fn end(&self) -> Issued {
        self.end
    }

    /// Tells whether the view has nothing after [`Walk::end`].
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// Returns the view that it walks through.
    pub fn view(&self) -> &View {
        &self.view
    }
}

/// Keeps the first so many, and returns the place of the last of them.
fn first(found: &mut Vec<(Issued, Address)>, count: usize) -> Issued {
    found.select_nth_unstable(count - 1);
    found.truncate(count);
    found[count - 1].0
}

/// The events that a leaf from `from` on and below `to` issued.
fn issued_between(
    view: &View,
    filter: &Filter,
    from: u64,
    to: Option<u64>,
) -> Result<BooleanQuery, QueryError> {
    let fields = view.fields();
    let sets = view.sets();
    let filter = filter.query(fields, &sets);
    sets.finish()?;
    let leaf = |leaf| Term::from_field_u64(fields.issued_leaf, leaf);
    let to = to.map_or(Bound::Unbounded, |to| Bound::Excluded(leaf(to)));
    let mut clauses: Vec<(Occur, Box<dyn Query>)> = vec![
        (Occur::Must, filter),
        (Occur::Must, Box::new(RangeQuery::new(Bound::Included(leaf(from)), to))),
        (Occur::MustNot, exact(fields.state, state_word(State::Pending))),
    ];
    clauses.extend(NO_EVENTS.map(|doc| (Occur::MustNot, exact(fields.doc, doc))));
    Ok(BooleanQuery::new(clauses))
}

/// Counts the events of a filter that were issued after a place, those that counts leave out included.
///
/// # Errors
/// The index cannot be read.
pub fn count_after(view: &View, filter: &Filter, after: Issued) -> Result<u64, QueryError> {
    let query = issued_between(view, filter, after.0.0, None)?;
    let mut count = 0;
    for in_segment in Scan::new(view, &query)?.segments() {
        let places = Places::open(in_segment.segment)?;
        in_segment.each(|document| {
            let place = places.of(document);
            count += u64::from(Issued(LeafIndex(place.leaf), place.ordinal) > after);
        })?;
    }
    Ok(count)
}

/// Returns the nodes of which several audit devices are recorded: there a request may have several events.
///
/// # Errors
/// The ledger cannot be read.
pub fn shared_nodes(trail: &Trail) -> Result<BTreeSet<String>, QueryError> {
    let (mut seen, mut shared) = (BTreeSet::new(), BTreeSet::new());
    for info in trail.ledger().generations()? {
        let Ok(source) = info.source.parse::<SourceId>() else { continue };
        let node = source.node.clone();
        if seen.insert(source) && !shared.contains(&node) {
            let devices = seen.iter().filter(|seen| seen.node == node).count();
            if devices > 1 {
                shared.insert(node);
            }
        }
    }
    Ok(shared)
}

/// Returns the event that counts of a request that several devices of a node recorded, if this row is of the device whose
/// event was issued first, among those that the filter keeps; none if another one was. So whoever walks over all of them meets the request once, whichever
/// of them counted at the time.
///
/// # Errors
/// The index cannot be read.
pub fn first_of_request(
    view: &View,
    filter: &Filter,
    row: &EventRow,
) -> Result<Option<EventRow>, QueryError> {
    let (Some(request), Some(node)) = (&row.request_id, &row.node) else {
        // Nothing links it to others: it is what it is.
        return Ok((!is(row, Flag::Copy)).then(|| row.clone()));
    };
    let fields = view.fields();
    let sets = view.sets();
    let kept = filter.query(fields, &sets);
    sets.finish()?;
    let query = BooleanQuery::new(vec![
        (Occur::Must, kept),
        (Occur::Must, Box::new(RequestQuery::new(request)) as Box<dyn Query>),
        (Occur::Must, exact(fields.node, node)),
        (Occur::MustNot, exact(fields.state, state_word(State::Pending))),
    ]);
    let mut addresses = Vec::new();
    for in_segment in Scan::new(view, &query)?.segments() {
        in_segment
            .each(|document| addresses.push(Address { segment: in_segment.number, document }))?;
    }
    let mut rows = Rows::new(view).rows(&addresses)?;
    // A late response is an event apart from that of its request.
    rows.retain(|other| is(other, Flag::Late) == is(row, Flag::Late));
    if rows.iter().any(|other| other.issued < row.issued) {
        return Ok(None);
    }
    Ok(rows.into_iter().find(|other| !is(other, Flag::Copy)))
}

fn is(row: &EventRow, flag: Flag) -> bool {
    row.flags.iter().any(|of| of == flag.as_str())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::filter::NoSets;
    use crate::testing::{any_events, on, view_of};

    proptest! {
        #[test]
        fn every_event_is_met_once_and_in_order(
            events in any_events(40),
            (leaves, most, window) in (1_u64..20, 1_usize..9, 1_usize..7),
            filter in proptest::sample::select(vec!["", "decision:allowed", "is:late", "node:a"]),
        ) {
            let filter = Filter::parse(filter, jiff::Timestamp::UNIX_EPOCH).unwrap();
            let view = view_of(&events, 7);
            let mut expected: Vec<_> = events
                .iter()
                .filter(|event| event.reason != ingest::event::Reason::Pending)
                .filter(|event| filter.matches(event, &NoSets))
                .map(|event| (event.issued, event.uid))
                .collect();
            expected.sort();
            let before = Issued(LeafIndex(0), 0);
            expected.retain(|(issued, _)| *issued > before);
            prop_assert_eq!(count_after(&view, &filter, before).unwrap(), expected.len() as u64);
            let (mut met, mut after) = (Vec::new(), before);
            loop {
                let mut walk = Walk::of_stretch(&view, &filter, after, leaves, most).unwrap();
                loop {
                    let rows = walk.next(window).unwrap();
                    if rows.is_empty() {
                        break;
                    }
                    met.extend(rows.iter().map(|row| (row.issued, row.uid)));
                }
                after = walk.end();
                if walk.is_last() {
                    break;
                }
            }
            prop_assert_eq!(met, expected);
        }
    }

    #[test]
    fn nothing_that_is_yet_to_come_is_passed_over() {
        let view = view_of(&[on(1, "a", 1.0)], 1);
        let walk = Walk::after(&view, &Filter::everything(), Issued(LeafIndex(5), 0)).unwrap();
        assert!(walk.is_last());
        assert_eq!(walk.end(), newest(&view));
    }
}
