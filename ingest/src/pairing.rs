//! Pairing: which lines make one event, and when that event is issued.
//!
//! A state machine over [`Peek`]s that keeps no bytes: some 150 bytes for a request that waits. Lines must
//! be given in ledger order; what comes out is a function of the lines alone, so a rebuild and a live run
//! issue the same events, with the same [`Issued`].
//!
//! ```text
//! request  ──▶ pending ──response──▶ Answered
//!                │  └─its lane's clock 10 min past it, or 100,000 of its source wait──▶ Unanswered
//!                │                                              response after that ──▶ Late
//! response ──▶ ResponseOnly ──request after all──▶ Answered, which replaces it
//! no request id, or a plugin's line ──▶ Alone
//! ```
//!
//! **Time** is a lane's own, a lane being one reader of one source: the least time among its last 64
//! lines, so that one line stamped a day ahead closes nothing, and an old file imported beside a live tail
//! does not move the tail's clock.
//!
//! Lines without a request id (`help` in Vault and in OpenBao before 2.6.0) stand alone: joining them by
//! token, path and operation would be a guess.

mod lane;
mod request_key;
mod waiting;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decode::{Kind, Peek};
use crate::event::Issued;
use crate::source::{LeafIndex, Reader};
use lane::Lane;
use request_key::RequestKey;
use waiting::Waiting;

/// A request without response is unanswered once its lane's clock is this much past it.
pub const UNANSWERED_AFTER_NS: i64 = 600_000_000_000;

/// Most requests of one source that wait; the oldest is closed as unanswered to make room. Also the most
/// closed requests and responses without request that are remembered.
pub const WAITING_MAX: usize = 100_000;

/// A request whose time cannot be read, as no server writes it, waits until room runs out.
const TIMELESS: i64 = i64::MAX;

/// How an event came to be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Request and response.
    Answered,
    /// Request; the response may still come.
    Pending,
    /// Request; the response is given up.
    Unanswered,
    /// Response to a request that had been given up: an event of its own.
    Late,
    /// Response; no request line was seen.
    ResponseOnly,
    /// A line that nothing can join to another one.
    Alone,
}

/// An event is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The source's number.
    pub source: u32,
    /// The request line.
    pub request: Option<LeafIndex>,
    /// The response line.
    pub response: Option<LeafIndex>,
    /// How it came to be.
    pub state: State,
    /// The leaf whose arrival issued it, and which of that leaf's events it is: 0 for the one that the leaf
    /// itself completes, 1 and on for requests that it closes.
    pub issued: Issued,
    /// A document with the same uid may be in the index.
    pub replaces: bool,
}

/// The clocks: the part of the state that no document holds. Small enough for each index commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    lanes: Vec<(u32, bool, lane::Clock)>,
    duplicates: u64,
}

/// A request that waits, as its document tells: a request line, a request id, no response line, and
/// `issued` = (that line, 0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRequest {
    /// The source's number.
    pub source: u32,
    /// Who read the line.
    pub reader: Reader,
    /// The line.
    pub leaf: LeafIndex,
    /// Its request id.
    pub request_id: String,
    /// Its time.
    pub time_unix_ns: Option<i64>,
}

/// A request closed as unanswered (its document has `issued.1` > 0), or a response without request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfEvent {
    /// The source's number.
    pub source: u32,
    /// The line.
    pub leaf: LeafIndex,
    /// Its request id.
    pub request_id: String,
}

/// Requests that wait for their responses, over all sources.
#[derive(Debug, Default)]
pub struct Pairing {
    sources: BTreeMap<u32, Source>,
    /// Requests of lower leaves have their document.
    documented_to: u64,
    duplicates: u64,
}

/// One source: ids are unique within a device of a node, whoever reads its lines.
#[derive(Debug, Default)]
struct Source {
    live: Lane,
    import: Lane,
    pending: Waiting<PendingTime>,
    /// Unanswered; true once the late response has come.
    closed: Waiting<bool>,
    response_only: Waiting<()>,
}

#[derive(Clone, Copy, Debug)]
struct PendingTime {
    reader: Reader,
    time: i64,
}

impl Pairing {
    /// Returns one that has seen nothing.
    pub fn new() -> Pairing {
        Pairing::default()
    }

    /// Takes the next line of the ledger that holds an entry.
    pub fn line(
        &mut self,
        source: u32,
        reader: Reader,
        leaf: LeafIndex,
        peek: &Peek<'_>,
        out: &mut Vec<Issue>,
    ) {
        let state = self.sources.entry(source).or_default();
        if let Some(time) = peek.time_unix_ns {
            state.lane(reader).see(time);
        }
        let time = peek.time_unix_ns.unwrap_or(TIMELESS);
        let issue = match (peek.kind, &peek.request_id) {
            (Kind::Request, Some(id)) => {
                state.request(RequestKey::of(id), leaf, reader, time, &mut self.duplicates)
            }
            (Kind::Response, Some(id)) => {
                state.response(RequestKey::of(id), leaf, self.documented_to, &mut self.duplicates)
            }
            (Kind::Request | Kind::Plugin { response: false }, _) => Some(Half {
                request: Some(leaf),
                response: None,
                state: State::Alone,
                replaces: false,
            }),
            (Kind::Response | Kind::Plugin { response: true }, _) => Some(Half {
                request: None,
                response: Some(leaf),
                state: State::Alone,
                replaces: false,
            }),
        };
        if let Some(Half { request, response, state, replaces }) = issue {
            out.push(Issue { source, request, response, state, issued: Issued(leaf, 0), replaces });
        }
        let room = state.pending.over(WAITING_MAX);
        Self::close(state, source, reader, leaf, room, self.documented_to, out);
    }

    /// Takes a tick: this lane has had no line for so long.
    pub fn tick(
        &mut self,
        source: u32,
        reader: Reader,
        leaf: LeafIndex,
        idle_ns: i64,
        out: &mut Vec<Issue>,
    ) {
        let state = self.sources.entry(source).or_default();
        state.lane(reader).idle(idle_ns);
        Self::close(state, source, reader, leaf, None, self.documented_to, out);
    }

    /// Issues each pending request that has no document yet, so that a commit shows what waits.
    pub fn document_pending(&mut self, out: &mut Vec<Issue>) {
        let first = out.len();
        let mut end = self.documented_to;
        for (&source, state) in &self.sources {
            for leaf in state.pending.leaves_from(LeafIndex(self.documented_to)) {
                end = end.max(leaf.0 + 1);
                out.push(Issue {
                    source,
                    request: Some(leaf),
                    response: None,
                    state: State::Pending,
                    issued: Issued(leaf, 0),
                    replaces: false,
                });
            }
        }
        out[first..].sort_by_key(|issue| issue.request);
        self.documented_to = end;
    }

    /// Forgets every line below a leaf: retention removed it.
    pub fn forget_below(&mut self, least: LeafIndex) {
        for state in self.sources.values_mut() {
            for leaf in state.pending.leaves_below(least) {
                if let Some((_, pending)) = state.pending.remove_leaf(leaf) {
                    state.lane(pending.reader).done(pending.time, leaf);
                }
            }
            for leaf in state.closed.leaves_below(least) {
                state.closed.remove_leaf(leaf);
            }
            for leaf in state.response_only.leaves_below(least) {
                state.response_only.remove_leaf(leaf);
            }
        }
    }

    /// Takes a response whose request line was removed for one whose request was not seen.
    pub fn response_is_alone(&mut self, half: &HalfEvent) {
        let state = self.sources.entry(half.source).or_default();
        state.response_only.insert(RequestKey::of(&half.request_id), half.leaf, ());
        state.response_only.forget_over(WAITING_MAX);
    }

    /// Returns how many requests wait.
    pub fn pending(&self) -> usize {
        self.sources.values().map(|source| source.pending.len()).sum()
    }

    /// Returns the oldest request line that waits: replaying from there restores what waits.
    pub fn oldest_pending(&self) -> Option<LeafIndex> {
        self.sources.values().filter_map(|source| source.pending.first()).min()
    }

    /// Returns how many lines were the second of their kind with their request id.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Returns for how long, in nanoseconds since its last line, a lane must be idle until its oldest request closes.
    pub fn closes_at(&self, source: u32, reader: Reader) -> Option<i64> {
        let lane = match reader {
            Reader::Live => &self.sources.get(&source)?.live,
            Reader::Import => &self.sources.get(&source)?.import,
        };
        lane.closes_at(UNANSWERED_AFTER_NS)
    }

    /// Returns the clocks, for the index's commit.
    pub fn clocks(&self) -> Clocks {
        let lanes = self.sources.iter().flat_map(|(&source, state)| {
            [(source, true, state.live.clock()), (source, false, state.import.clock())]
                .into_iter()
                .filter(|lane| !lane.2.is_unset())
        });
        Clocks { lanes: lanes.collect(), duplicates: self.duplicates }
    }

    /// Returns what [`Pairing::clocks`] and the index's documents tell, as of one commit.
    ///
    /// `closed` are requests given up, true if a late response has come; `response_only` are responses without request.
    pub fn restore(
        clocks: &Clocks,
        pending: &[PendingRequest],
        closed: &[(HalfEvent, bool)],
        response_only: &[HalfEvent],
    ) -> Pairing {
        let mut pairing = Pairing { duplicates: clocks.duplicates, ..Pairing::default() };
        for (source, live, clock) in &clocks.lanes {
            let reader = if *live { Reader::Live } else { Reader::Import };
            *pairing.sources.entry(*source).or_default().lane(reader) = Lane::restore(clock);
        }
        for request in pending {
            let state = pairing.sources.entry(request.source).or_default();
            let time = request.time_unix_ns.unwrap_or(TIMELESS);
            state.lane(request.reader).wait(time, request.leaf);
            state.pending.insert(
                RequestKey::of(&request.request_id),
                request.leaf,
                PendingTime { reader: request.reader, time },
            );
            pairing.documented_to = pairing.documented_to.max(request.leaf.0 + 1);
        }
        for (half, late) in closed {
            let state = pairing.sources.entry(half.source).or_default();
            state.closed.insert(RequestKey::of(&half.request_id), half.leaf, *late);
            state.closed.forget_over(WAITING_MAX);
        }
        for half in response_only {
            let state = pairing.sources.entry(half.source).or_default();
            state.response_only.insert(RequestKey::of(&half.request_id), half.leaf, ());
            state.response_only.forget_over(WAITING_MAX);
        }
        pairing
    }

    /// Closes what the lane's clock has passed, and the oldest if there is no room.
    fn close(
        state: &mut Source,
        source: u32,
        reader: Reader,
        leaf: LeafIndex,
        over: Option<LeafIndex>,
        documented_to: u64,
        out: &mut Vec<Issue>,
    ) {
        let mut due = state.lane(reader).due(UNANSWERED_AFTER_NS);
        due.extend(over.filter(|leaf| !due.contains(leaf)));
        due.sort_unstable();
        let mut ordinal = 0;
        for request in due {
            if let Some((key, pending)) = state.pending.remove_leaf(request) {
                state.lane(pending.reader).done(pending.time, request);
                state.closed.insert(key, request, false);
                state.closed.forget_over(WAITING_MAX);
                ordinal += 1;
                out.push(Issue {
                    source,
                    request: Some(request),
                    response: None,
                    state: State::Unanswered,
                    issued: Issued(leaf, ordinal),
                    replaces: request.0 < documented_to,
                });
            }
        }
    }
}

/// The event that a line completes.
struct Half {
    request: Option<LeafIndex>,
    response: Option<LeafIndex>,
    state: State,
    replaces: bool,
}

impl Source {
    fn lane(&mut self, reader: Reader) -> &mut Lane {
        match reader {
            Reader::Live => &mut self.live,
            Reader::Import => &mut self.import,
        }
    }

    fn request(
        &mut self,
        key: RequestKey,
        leaf: LeafIndex,
        reader: Reader,
        time: i64,
        duplicates: &mut u64,
    ) -> Option<Half> {
        if let Some((response, ())) = self.response_only.remove(key) {
            return Some(Half {
                request: Some(leaf),
                response: Some(response),
                state: State::Answered,
                replaces: true,
            });
        }
        if self.pending.contains(key) || self.closed.contains(key) {
            *duplicates += 1;
            return None;
        }
        self.pending.insert(key, leaf, PendingTime { reader, time });
        self.lane(reader).wait(time, leaf);
        None
    }

    fn response(
        &mut self,
        key: RequestKey,
        leaf: LeafIndex,
        documented_to: u64,
        duplicates: &mut u64,
    ) -> Option<Half> {
        if let Some((request, pending)) = self.pending.remove(key) {
            self.lane(pending.reader).done(pending.time, request);
            let replaces = request.0 < documented_to;
            return Some(Half {
                request: Some(request),
                response: Some(leaf),
                state: State::Answered,
                replaces,
            });
        }
        if let Some(late) = self.closed.get_mut(key) {
            if *late {
                *duplicates += 1;
                return None;
            }
            *late = true;
            return Some(Half {
                request: None,
                response: Some(leaf),
                state: State::Late,
                replaces: false,
            });
        }
        if self.response_only.contains(key) {
            *duplicates += 1;
            return None;
        }
        self.response_only.insert(key, leaf, ());
        self.response_only.forget_over(WAITING_MAX);
        Some(Half {
            request: None,
            response: Some(leaf),
            state: State::ResponseOnly,
            replaces: false,
        })
    }
}

#[cfg(test)]
mod tests;
