//! Which events a sink is to send next, encoded.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use ingest::event::Issued;
use query::error::QueryError;
use query::filter::Filter;
use query::history::View;
use query::issued::newest;
use query::row::EventRow;
use query::trail::Trail;
use query::walk::{Walk, first_of_request, shared_nodes};

use crate::batch::Item;
use crate::choice::{Choice, choose};
use crate::encoding::Encoding;
use crate::sink::SinkConfig;

/// Rows that are read together.
const ROWS: usize = 256;
/// How long a forwarded event waits for the one that the other node made of it: their lines are read side by side.
const SETTLE: Duration = Duration::from_secs(10);
/// How long a batch that was cut off waits for its events: a forwarded one is waited for anew after a start.
pub(crate) const WHOLE: Duration = Duration::from_secs(30);

/// What a sink sends of the trail.
pub(crate) struct Reading {
    trail: Trail,
    filter: Filter,
    encoding: Encoding,
    /// Everything up to there was considered.
    upto: Issued,
    walk: Option<Walk>,
    rows: VecDeque<EventRow>,
    /// Events up to there that wait for more to go with them.
    held: Vec<Item>,
    /// Since when the first of them waits.
    held_since: Option<Instant>,
    /// Nodes with several devices.
    shared: BTreeSet<String>,
    /// How far the trail was, when.
    seen: VecDeque<(Issued, Instant)>,
}

/// The next events.
pub(crate) struct Read {
    /// In the order in which they were issued; there may be none though there is more.
    pub(crate) items: Vec<Item>,
    /// Up to where events were considered.
    pub(crate) upto: Issued,
    /// How it ended.
    pub(crate) ended: Ended,
}

/// Why no more was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// There may be more.
    More,
    /// There is nothing more now.
    CaughtUp,
    /// The next one is forwarded, and its twin may still come.
    Waits,
}

enum Decision {
    Send(Box<EventRow>),
    Skip,
    Wait,
}

impl Reading {
    pub(crate) fn new(trail: Trail, config: &SinkConfig, after: Issued) -> Reading {
        Reading {
            trail,
            filter: config.filter.clone(),
            encoding: Encoding::of(config),
            upto: after,
            walk: None,
            rows: VecDeque::new(),
            held: Vec::new(),
            held_since: None,
            shared: BTreeSet::new(),
            seen: VecDeque::new(),
        }
    }

    /// Goes on after this place, whatever was read.
    pub(crate) fn seek(&mut self, after: Issued) {
        self.let_go();
        self.held.clear();
        self.held_since = None;
        self.upto = after;
    }

    /// Lets go of the index as it was: who waits for a receiver must not keep its files.
    pub(crate) fn let_go(&mut self) {
        self.walk = None;
        self.rows.clear();
    }

    /// Returns the trail.
    pub(crate) fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Tells whether events were read that wait for more.
    pub(crate) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Reads at most so many events of so many bytes; one that is larger comes alone. Fewer are held back until the first of
    /// them has waited for so long; after an error [`Reading::seek`] has to begin anew.
    pub(crate) fn next(
        &mut self,
        events: usize,
        bytes: usize,
        wait: Duration,
    ) -> Result<Read, QueryError> {
        let mut items = std::mem::take(&mut self.held);
        let mut total: usize = items.iter().map(|item| item.bytes.len()).sum();
        let mut is_full = false;
        let ended = loop {
            if items.len() >= events {
                is_full = true;
                break Ended::More;
            }
            let Some(row) = self.rows.pop_front() else {
                match self.more_rows()? {
                    None => continue,
                    Some(ended) => break ended,
                }
            };
            let view = self.walk.as_ref().map(|walk| walk.view().clone());
            // Rows are of a walk, which is there as long as they are.
            let Some(view) = view else { break Ended::More };
            match self.decide(&view, &row)? {
                Decision::Skip => self.upto = row.issued,
                Decision::Wait => {
                    self.let_go();
                    break Ended::Waits;
                }
                Decision::Send(sent) => {
                    let item = self.encoding.item(&self.trail, &view, &sent, row.issued)?;
                    if !items.is_empty() && total + item.bytes.len() > bytes {
                        self.rows.push_front(row);
                        is_full = true;
                        break Ended::More;
                    }
                    total += item.bytes.len();
                    self.upto = row.issued;
                    items.push(item);
                }
            }
        };
        if !is_full && !items.is_empty() && !wait.is_zero() {
            let since = *self.held_since.get_or_insert_with(Instant::now);
            if since.elapsed() < wait {
                self.held = std::mem::take(&mut items);
            }
        }
        if self.held.is_empty() {
            self.held_since = None;
        }
        Ok(Read { items, upto: self.upto, ended })
    }

    /// Reads the events of these places, at most so many. One that is not there any more is left out.
    pub(crate) fn at(
        &self,
        places: &BTreeSet<(u64, u32)>,
        most: usize,
    ) -> Result<Vec<Item>, QueryError> {
        let view = self.trail.view();
        let mut items = Vec::new();
        let issued = |place: &(u64, u32)| Issued(ingest::source::LeafIndex(place.0), place.1);
        let mut wanted: BTreeSet<Issued> = places.iter().take(most).map(issued).collect();
        while let Some(&first) = wanted.first() {
            let before = match first {
                Issued(leaf, 0) => {
                    Issued(ingest::source::LeafIndex(leaf.0.saturating_sub(1)), u32::MAX)
                }
                Issued(leaf, ordinal) => Issued(leaf, ordinal - 1),
            };
            let mut walk = Walk::after(&view, &Filter::everything(), before)?;
            walk.only(&wanted);
            loop {
                let rows = walk.next(ROWS)?;
                if rows.is_empty() {
                    break;
                }
                for row in rows {
                    let place = row.issued;
                    let counting = first_of_request(&view, &Filter::everything(), &row)?;
                    let row = counting.unwrap_or(row);
                    items.push(self.encoding.item(&self.trail, &view, &row, place)?);
                }
            }
            // What is not there any more is done with too.
            wanted.retain(|place| *place > walk.end());
            if walk.is_last() {
                break;
            }
        }
        Ok(items)
    }

    /// Takes the next rows; tells how reading ends if there are none.
    fn more_rows(&mut self) -> Result<Option<Ended>, QueryError> {
        match &mut self.walk {
            Some(walk) => {
                self.rows.extend(walk.next(ROWS)?);
                if !self.rows.is_empty() {
                    return Ok(None);
                }
                self.upto = walk.end();
                let ended = if walk.is_last() { Ended::CaughtUp } else { Ended::More };
                self.walk = None;
                Ok(Some(ended))
            }
            None => {
                let view = self.trail.view();
                self.see(newest(&view));
                self.shared = shared_nodes(&self.trail)?;
                self.walk = Some(Walk::after(&view, &self.filter, self.upto)?);
                Ok(None)
            }
        }
    }

    fn see(&mut self, newest: Issued) {
        let now = Instant::now();
        // Of those that are old enough the newest is enough.
        while self.seen.get(1).is_some_and(|(_, at)| now.duration_since(*at) >= SETTLE) {
            self.seen.pop_front();
        }
        let is_due = self
            .seen
            .back()
            .is_none_or(|(_, at)| now.duration_since(*at) >= Duration::from_millis(500));
        if is_due {
            self.seen.push_back((newest, now));
        }
    }

    fn decide(&self, view: &View, row: &EventRow) -> Result<Decision, QueryError> {
        Ok(match choose(view, &self.filter, &self.shared, row)? {
            Choice::Skip => Decision::Skip,
            Choice::Send(row) => Decision::Send(row),
            Choice::Forwarded(forwarded) => {
                let is_settled = self
                    .seen
                    .front()
                    .is_some_and(|(upto, at)| at.elapsed() >= SETTLE && row.issued <= *upto);
                match is_settled {
                    false => Decision::Wait,
                    true if view.without_twin()?.contains(&forwarded.uid) => {
                        Decision::Send(forwarded)
                    }
                    true => Decision::Skip,
                }
            }
        })
    }
}
