//! Several audit devices of one node: each has every request, and each request is to count once.
//!
//! Each device's lines are paired apart, since devices differ in order, times and hashes, and one may lack what
//! another has. Of the events that come of one request, the fullest counts; of those that are as full, that of
//! the node's first device. The others are copies: in the index, found when asked for, left out of counts.
//!
//! ```text
//! new event ── no event of its uid counts ──────▶ it counts; `only_on` if it is not of the first device
//!         └─── one does ── the new one is better ▶ it counts, and the other is written anew as its copy
//!                     └─── else ────────────────▶ it is a copy
//! ```
//! Which one counts in the end does not depend on the order in which they came.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::sources::Sources;
use crate::event::{AuditEvent, Uid};
use crate::index::{EventIndex, IndexError, IndexWriter, Indexed};
use crate::pairing::{Issue, State};

/// Lines of one request id that are further apart than this are of two requests.
const APART_MAX_NS: i64 = 600_000_000_000;

/// Which events count, on nodes with several devices.
#[derive(Default)]
pub(super) struct Devices {
    /// What the last commit holds.
    committed: Option<EventIndex>,
    /// Whether there was another commit since.
    is_stale: bool,
    /// What was written since, by the uid of the event that counts; none: nothing counts any more.
    written: HashMap<Uid, Option<Indexed>>,
}

impl Devices {
    /// Takes note of a commit.
    pub(super) fn committed(&mut self) {
        self.written.clear();
        self.is_stale = true;
    }

    /// Takes note that the index stands elsewhere.
    pub(super) fn moved(&mut self) {
        self.committed = None;
    }

    /// Takes note of an event that counts from now on.
    pub(super) fn counts(&mut self, event: &AuditEvent, state: State) {
        self.written.insert(event.uid, Some(Indexed::of(event, state)));
    }

    /// Takes note that the event of this uid goes, and nothing has come in its place.
    pub(super) fn goes(&mut self, uid: Uid) {
        self.written.insert(uid, None);
    }

    /// Returns the event that counts for the request of `event`, as the index has it.
    pub(super) fn counting(
        &mut self,
        index: &IndexWriter,
        event: &AuditEvent,
    ) -> Result<Option<Indexed>, IndexError> {
        let time = event.time.as_ref().map(|time| time.unix_ns);
        if let Some(written) = self.written.get(&event.uid) {
            return Ok(written.clone().filter(|counting| is_near(counting.time_unix_ns, time)));
        }
        let within = time.map(|time| (time - APART_MAX_NS, time + APART_MAX_NS));
        let found = self.opened(index)?.snapshot().find(event.uid, within)?;
        Ok(found.filter(|counting| is_near(counting.time_unix_ns, time)))
    }

    /// Returns an event of the last commit by its uid.
    pub(super) fn find(
        &mut self,
        index: &IndexWriter,
        uid: Uid,
    ) -> Result<Option<Indexed>, IndexError> {
        self.opened(index)?.snapshot().find(uid, None)
    }

    fn opened(&mut self, index: &IndexWriter) -> Result<&EventIndex, IndexError> {
        if self.committed.is_none() {
            self.committed = Some(EventIndex::open(&index.place())?);
            self.is_stale = false;
        }
        let opened = self.committed.as_ref().expect("it was opened just now");
        if std::mem::take(&mut self.is_stale) {
            opened.refresh()?;
        }
        Ok(opened)
    }
}

/// Tells whether an event is to count rather than another one of the same request.
pub(super) fn is_better(sources: &Sources, new: &Issue, counting: &Indexed, its: u32) -> bool {
    let rank = |source| Reverse(sources.rank(source));
    (fullness(new.state), rank(new.source)) > (fullness(counting.state), rank(its))
}

/// A response tells what a request does not; both tell the most.
fn fullness(state: State) -> u8 {
    match state {
        State::Answered => 2,
        State::ResponseOnly | State::Late | State::Alone => 1,
        State::Pending | State::Unanswered => 0,
    }
}

fn is_near(one: Option<i64>, other: Option<i64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.abs_diff(other) <= APART_MAX_NS as u64,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
