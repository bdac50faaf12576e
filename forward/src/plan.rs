//! What a sink would send: events and bytes, before it is switched on.

use std::collections::BTreeMap;

use ingest::event::{Issued, Uid};
use ingest::source::LeafIndex;
use jiff::Timestamp;
use query::error::QueryError;
use query::filter::Filter;
use query::issued::newest;
use query::period::rfc3339;
use query::row::EventRow;
use query::trail::Trail;
use query::walk::shared_nodes;

use crate::choice::{Choice, choose, uid_of};
use crate::encoding::Encoding;
use crate::reconcile::walk;

/// Up to so many events each is encoded; of more, about so many are drawn.
pub const ENCODED_MAX: u64 = 500_000;

/// A stretch of time that is priced: from its first nanosecond since 1970, and before its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Not before this.
    pub from: i64,
    /// Before this.
    pub to: i64,
}

impl Stretch {
    /// Tells whether an event is of it, by the time of its request, else of its answer.
    fn has(&self, row: &EventRow) -> bool {
        let completed = || row.completed.as_ref()?.parse::<Timestamp>().ok();
        let answered = || i64::try_from(completed()?.as_nanosecond()).ok();
        let time = row.time_unix_ns.or_else(answered);
        time.is_some_and(|time| (self.from..self.to).contains(&time))
    }
}

/// What a sink would have sent of a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// As it was asked for, but not before the trail's first event.
    pub stretch: Stretch,
    /// By action.
    pub actions: BTreeMap<String, Planned>,
    /// Of so many events one is encoded; 1: each.
    pub one_of: u64,
}

/// What it would have sent of some events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// How many; always exact.
    pub events: u64,
    /// Those that were encoded.
    pub encoded: u64,
    /// Bytes of those, as encoded: without the newline, headers and compression of a transport.
    pub encoded_bytes: u64,
}

impl Planned {
    /// Returns the bytes of all: counted if each was encoded, else as many an event as those that were have.
    pub fn bytes(&self) -> u64 {
        match self.encoded {
            0 => 0,
            encoded => {
                let all = u128::from(self.encoded_bytes) * u128::from(self.events);
                u64::try_from(all / u128::from(encoded)).unwrap_or(u64::MAX)
            }
        }
    }
}

impl Plan {
    /// Prices a filter over a stretch of time, by the times of events.
    ///
    /// Which events a sink of this filter sends is decided as the sink decides it. Where there are more than `most`, one of so
    /// many is encoded: those whose uid, which is a hash, divides by that number, and each action's first.
    ///
    /// # Errors
    /// The index or the ledger cannot be read.
    pub fn of(
        trail: &Trail,
        filter: &Filter,
        encoding: &Encoding,
        stretch: Stretch,
        most: u64,
    ) -> Result<Plan, QueryError> {
        let mut plan = Plan { stretch, actions: BTreeMap::new(), one_of: 1 };
        let events = plan.count(trail, filter, None)?;
        plan.one_of = events.div_ceil(most.max(1)).max(1);
        plan.count(trail, filter, Some(encoding))?;
        // Days before the trail began would make a day's share too small.
        if let Some(first) = first_time(trail)? {
            plan.stretch.from = plan.stretch.from.max(first.min(stretch.to - 1));
        }
        Ok(plan)
    }

    /// Counts what a sink would send, and encodes what is drawn of it.
    fn count(
        &mut self,
        trail: &Trail,
        filter: &Filter,
        encoding: Option<&Encoding>,
    ) -> Result<u64, QueryError> {
        let view = trail.view();
        let shared = shared_nodes(trail)?;
        let mut events = 0;
        let within = within(filter, self.stretch);
        walk(&view, &within, Issued(LeafIndex(0), 0), newest(&view), &mut |row| {
            if !self.stretch.has(row) {
                return Ok(());
            }
            let row = match choose(&view, filter, &shared, row)? {
                Choice::Skip => return Ok(()),
                Choice::Forwarded(row) if !view.without_twin()?.contains(&row.uid) => return Ok(()),
                Choice::Send(row) | Choice::Forwarded(row) => row,
            };
            events += 1;
            let Some(encoding) = encoding else { return Ok(()) };
            let action = row.action.clone().unwrap_or_default();
            let planned = self.actions.entry(action).or_default();
            planned.events += 1;
            if planned.encoded == 0 || is_drawn(uid_of(&row), self.one_of) {
                let item = encoding.item(trail, &view, &row, row.issued)?;
                planned.encoded += 1;
                planned.encoded_bytes += item.bytes.len() as u64;
            }
            Ok(())
        })?;
        Ok(events)
    }

    /// Returns what all actions come to.
    pub fn events(&self) -> u64 {
        self.actions.values().map(|planned| planned.events).sum()
    }

    /// Returns the bytes of all actions.
    pub fn bytes(&self) -> u64 {
        self.actions.values().map(Planned::bytes).sum()
    }

    /// Returns how many days the stretch has.
    pub fn days(&self) -> f64 {
        const DAY: f64 = 86_400e9;
        (self.stretch.to - self.stretch.from) as f64 / DAY
    }
}

/// The uid is the beginning of a SHA-256: what it leaves when divided has nothing to do with the event.
fn is_drawn(uid: Uid, one_of: u64) -> bool {
    uid.halves().1.is_multiple_of(one_of)
}

/// Returns the filter for those of its events that may be of a stretch of time: those too whose request has no time.
fn within(filter: &Filter, stretch: Stretch) -> Filter {
    let (from, to) = (rfc3339(stretch.from), rfc3339(stretch.to));
    let times = format!("(after:{from} before:{to}) OR -after:1700");
    let times =
        Filter::parse(&times, Timestamp::now()).expect("times are written as they are read");
    Filter::all_of([filter.clone(), times])
}

/// Returns the earliest time of the events that were issued first.
fn first_time(trail: &Trail) -> Result<Option<i64>, QueryError> {
    let view = trail.view();
    let mut walk = query::walk::Walk::after(&view, &Filter::everything(), Issued(LeafIndex(0), 0))?;
    let rows = walk.next(1_024)?;
    Ok(rows.iter().filter_map(|row| row.time_unix_ns).min())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_encoded_counts_as_what_was() {
        let planned = Planned { events: 10, encoded: 4, encoded_bytes: 1_000 };
        assert_eq!(planned.bytes(), 2_500);
        assert_eq!(Planned { events: 3, encoded: 3, encoded_bytes: 7 }.bytes(), 7);
        assert_eq!(Planned::default().bytes(), 0);
    }

    #[test]
    fn one_of_so_many_is_drawn_whatever_the_events() {
        let drawn = |one_of| {
            let uids = (0..100_000u32).map(|n| Uid::of_request("c", "n", &n.to_string(), false));
            uids.filter(|uid| is_drawn(*uid, one_of)).count()
        };
        assert_eq!(drawn(1), 100_000);
        assert!((9_500..10_500).contains(&drawn(10)), "{}", drawn(10));
    }

    #[test]
    fn a_stretch_is_added_to_the_filter() {
        let filter = Filter::parse("decision:denied", Timestamp::UNIX_EPOCH).expect("a filter");
        let within = within(&filter, Stretch { from: 0, to: 1_500_000_000 });
        assert!(within.to_string().contains("1970-01-01T00:00:01.5Z"), "{within}");
        assert_eq!(within.parts().len(), 2);
    }
}
