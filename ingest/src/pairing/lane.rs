//! One reader of one source: its clock, and the requests that wait for that clock.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::source::LeafIndex;

/// Lines of concurrent requests are written up to some hundred lines late, but times differ by
/// milliseconds only; the window is against single lines with a wrong time.
const WINDOW: usize = 64;

/// A lane's clock, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clock {
    times: VecDeque<i64>,
    idle_ns: i64,
}

impl Clock {
    pub(super) fn is_unset(&self) -> bool {
        self.times.is_empty() && self.idle_ns == 0
    }

    /// The least time among the last lines: the time at which the lane last stood.
    fn base(&self) -> Option<i64> {
        self.times.iter().min().copied()
    }

    fn now(&self) -> Option<i64> {
        self.base().map(|base| base.saturating_add(self.idle_ns))
    }
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    clock: Clock,
    waiting: BTreeSet<(i64, LeafIndex)>,
}

impl Lane {
    pub(super) fn restore(clock: &Clock) -> Lane {
        let mut clock = clock.clone();
        clock.times.truncate(WINDOW);
        Lane { clock, waiting: BTreeSet::new() }
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// A line came, so the lane is not idle.
    pub(super) fn see(&mut self, time: i64) {
        if self.clock.times.len() == WINDOW {
            self.clock.times.pop_front();
        }
        self.clock.times.push_back(time);
        self.clock.idle_ns = 0;
    }

    /// No line came for so long, counted from the last one.
    pub(super) fn idle(&mut self, idle_ns: i64) {
        self.clock.idle_ns = self.clock.idle_ns.max(idle_ns);
    }

    pub(super) fn now(&self) -> Option<i64> {
        self.clock.now()
    }

    pub(super) fn wait(&mut self, time: i64, leaf: LeafIndex) {
        self.waiting.insert((time, leaf));
    }

    pub(super) fn done(&mut self, time: i64, leaf: LeafIndex) {
        self.waiting.remove(&(time, leaf));
    }

    /// Returns the requests which the clock has passed by `after_ns`.
    pub(super) fn due(&self, after_ns: i64) -> Vec<LeafIndex> {
        let Some(now) = self.now() else { return Vec::new() };
        self.waiting
            .iter()
            .take_while(|(time, _)| time.saturating_add(after_ns) <= now)
            .map(|&(_, leaf)| leaf)
            .collect()
    }

    /// Returns how long the lane must be idle until its oldest request is due.
    pub(super) fn closes_at(&self, after_ns: i64) -> Option<i64> {
        let &(time, _) = self.waiting.first()?;
        Some(time.saturating_add(after_ns).saturating_sub(self.clock.base()?).max(0))
    }
}
