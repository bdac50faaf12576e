//! The server's own count of its lines against the lines that came in.
//!
//! The count is read between two heartbeats. Whatever stands in the log up to the first one's answer was
//! counted; whatever stands after the second one's request was not. In between it may be either, so the lines
//! that came in are known as least and most; in a quiet server the two are equal.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::beats::Found;
use super::{By, Incident, Record, Stretch, What};

/// Readings that wait for their heartbeats to be found.
const WAITING_MAX: usize = 16;

/// A reading of the server's counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reading {
    pub(super) run: String,
    pub(super) before: u64,
    pub(super) after: u64,
    /// When, in nanoseconds since 1970.
    pub(super) at: i64,
    pub(super) server_started_ms: i64,
    /// Request and response lines.
    pub(super) server: [u64; 2],
}

/// What a reading says of the lines that came in before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    at: i64,
    server_started_ms: i64,
    server: [u64; 2],
    least: [u64; 2],
    most: [u64; 2],
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counters {
    waiting: VecDeque<Reading>,
    base: Option<Tally>,
    stretch: Option<Stretch>,
    /// The last reading did not agree; a second one decides.
    doubted: bool,
}

impl Counters {
    pub(super) fn read(&mut self, reading: Reading) {
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(reading);
    }

    /// Compares the readings whose heartbeats have been found, in their order.
    pub(super) fn compare(
        &mut self,
        run: &str,
        found: &impl Fn(u64) -> Option<Found>,
        done: &mut Vec<Record>,
    ) {
        while let Some(reading) = self.waiting.front() {
            if reading.run != run {
                self.waiting.pop_front();
                continue;
            }
            let (Some(before), Some(after)) = (found(reading.before), found(reading.after)) else {
                return;
            };
            let tally = Tally {
                at: reading.at,
                server_started_ms: reading.server_started_ms,
                server: reading.server,
                least: before.through,
                most: after.until,
            };
            self.waiting.pop_front();
            self.tally(tally, done);
        }
    }

    fn tally(&mut self, now: Tally, done: &mut Vec<Record>) {
        let base = match self.base {
            Some(base) if base.server_started_ms == now.server_started_ms => base,
            // The first reading, or the server has begun to count anew.
            Some(_) | None => {
                self.close(done);
                self.base = Some(now);
                return;
            }
        };
        let difference = (0..2).find_map(|kind| {
            let server = now.server[kind].saturating_sub(base.server[kind]);
            let least = now.least[kind].saturating_sub(base.most[kind]);
            let most = now.most[kind].saturating_sub(base.least[kind]);
            let agrees = now.server[kind] >= base.server[kind] && (least..=most).contains(&server);
            (!agrees).then_some(What::Counters { server, least, most })
        });
        match difference {
            None => {
                self.doubted = false;
                let begun = Stretch { by: By::Counters, from: base.at, to: base.at, times: 1 };
                let stretch = self.stretch.get_or_insert(begun);
                stretch.to = now.at;
                stretch.times += 1;
            }
            // A line may have been written and not counted yet; by the next reading it is.
            Some(_) if !self.doubted => self.doubted = true,
            Some(what) => {
                let from = self.stretch.as_ref().map_or(base.at, |stretch| stretch.to);
                self.close(done);
                self.base = Some(now);
                done.push(Record::Incident(Incident { from: Some(from), to: now.at, what }));
            }
        }
    }

    /// Something is missing anyhow: ends what is proven and begins anew with the next reading.
    pub(super) fn close(&mut self, done: &mut Vec<Record>) {
        done.extend(self.stretch.take().map(Record::Stretch));
        self.base = None;
        self.doubted = false;
    }

    pub(super) fn growing(&self) -> Option<Stretch> {
        self.stretch.clone()
    }
}
