//! What one sink does, over and over: read, send, move on.

use std::io;
use std::time::{Duration, Instant};

use ingest::event::Issued;
use ingest::source::LeafIndex;
use jiff::Timestamp;
use query::error::QueryError;
use query::evidence::hex;
use query::trail::Trail;
use query::walk::count_after;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::SinkConfig;
use crate::asked::Asked;
use crate::folder::{Folder, SinkState};
use crate::reading::{Ended, Reading, WHOLE};
use crate::standing::{Standing, Standings};
use crate::totals::Journal;
use crate::transport::Transport;

/// How often to look for new events.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How soon to look again for the twin of a forwarded event: each look goes over many events.
const TWINS_EVERY: Duration = Duration::from_secs(5);
/// How soon to try again what this machine refuses.
const AFTER_ERROR: Duration = Duration::from_secs(5);
/// How often to count what waits.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// A running sink.
pub(super) struct Work {
    pub(super) config: SinkConfig,
    pub(super) folder: Folder,
    pub(super) state: SinkState,
    pub(super) reading: Reading,
    pub(super) handle: Handle,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) failed: u64,
    pub(super) dead: u64,
    /// What control totals are made of; none where there are to be none.
    pub(super) journal: Option<Journal>,
    /// Control totals are due though the hour is not over.
    pub(super) totals_due: bool,
    /// The state on disk is an older one.
    pub(super) dirty: bool,
    waiting: u64,
    counted: Option<Instant>,
    standings: Standings,
}

/// Why a sink does not go on at once.
pub(super) enum Halt {
    /// keytrail ends.
    Asked,
    /// Somebody has to change something.
    Stopped(String),
    /// This machine refuses.
    Here(String),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Halt {
        Halt::Here(error.to_string())
    }
}

impl From<QueryError> for Halt {
    fn from(error: QueryError) -> Halt {
        Halt::Here(error.to_string())
    }
}

impl Work {
    pub(super) fn new(
        config: SinkConfig,
        folder: Folder,
        state: SinkState,
        trail: Trail,
        standings: Standings,
        handle: Handle,
        stop: watch::Receiver<bool>,
    ) -> io::Result<Work> {
        let reading = Reading::new(trail, &config, place(state.cursor));
        let dead = folder.dead()?.len() as u64;
        let furthest = state.furthest.unwrap_or(state.cursor);
        let journal = match config.control_totals {
            true => Some(Journal::open(&folder, &state.run, furthest)?),
            false => None,
        };
        let work = Work {
            config,
            folder,
            state,
            reading,
            handle,
            stop,
            failed: 0,
            dead,
            journal,
            totals_due: false,
            dirty: false,
            waiting: 0,
            counted: None,
            standings,
        };
        work.tell();
        Ok(work)
    }

    /// Works until keytrail ends.
    pub(super) fn run(&mut self) {
        let mut transport = None;
        loop {
            let pause = match self.step(&mut transport) {
                Ok(pause) => pause,
                Err(Halt::Asked) => return,
                Err(Halt::Here(why)) => {
                    self.has_problem(&why);
                    // What was read and not sent is read again.
                    self.reading.seek(place(self.state.cursor));
                    AFTER_ERROR
                }
                Err(Halt::Stopped(why)) => return self.stopped(why),
            };
            if !self.wait(pause) {
                return;
            }
        }
    }

    /// Takes one step, and returns how long nothing has to be done.
    fn step(&mut self, transport: &mut Option<Transport>) -> Result<Duration, Halt> {
        let transport = match transport {
            Some(transport) => transport,
            none => none.insert(
                Transport::new(&self.config.name, &self.config.transport)
                    .map_err(|error| Halt::Stopped(error.to_string()))?,
            ),
        };
        self.reading.trail().refresh()?;
        self.check_ledger()?;
        self.count();
        if !self.reading.trail().is_of_these_rules() {
            // Half of an event would be of other rules.
            return Ok(LOOK_EVERY);
        }
        self.send_totals(transport)?;
        let asked = self.folder.asked()?;
        if asked.replay_after.is_some() {
            self.replay(&asked)?;
        }
        if asked.complete_upto.is_some() {
            self.has_all(&asked)?;
        }
        if !asked.again.is_empty() {
            self.send_again(transport, &asked)?;
            return Ok(Duration::ZERO);
        }
        let SinkConfig { batch_events, batch_bytes, batch_wait, .. } = self.config;
        let read = match &self.state.in_flight {
            // A batch that was cut off goes out as it was, under the same name.
            Some(batch) => self.reading.next(batch.said.events as usize, usize::MAX, WHOLE)?,
            None => self.reading.next(batch_events, batch_bytes, batch_wait)?,
        };
        if read.ended == Ended::More && self.state.behind_since.is_none() && read.items.len() > 1 {
            self.state.behind_since = Some(Timestamp::now());
        }
        match read.items.is_empty() {
            // What lies up to there is not all done with.
            true if self.reading.holds() => {}
            // Nor is a batch that was cut off another one for having to wait for its first event.
            true if self.state.in_flight.is_some() && read.ended == Ended::Waits => {}
            true => self.moves_to(read.upto),
            false => self.deliver(transport, read.items, Some(read.upto))?,
        }
        if read.ended == Ended::More {
            return Ok(Duration::ZERO);
        }
        if read.ended == Ended::CaughtUp && self.state.behind_since.take().is_some() {
            self.dirty = true;
            self.totals_due = true;
        }
        self.has_no_problem();
        if self.dirty {
            self.save()?;
        }
        Ok(if read.ended == Ended::Waits { TWINS_EVERY } else { LOOK_EVERY })
    }

    /// Sets the cursor back.
    fn replay(&mut self, asked: &Asked) -> Result<(), Halt> {
        if let Some(after) = asked.replay_after {
            self.state.cursor = after;
            self.state.cursor_hash = None;
            self.state.began = self.state.began.min(after);
            self.reading.seek(place(after));
            self.save()?;
            self.folder.done(&Asked { replay_after: Some(after), ..Asked::default() })?;
        }
        Ok(())
    }

    /// Forgets that some events were refused without a name, if all that are meant were found at the receiver.
    fn has_all(&mut self, asked: &Asked) -> Result<(), Halt> {
        if self.state.unnamed.as_ref().map(|unnamed| unnamed.last) <= asked.complete_upto {
            self.state.unnamed = None;
            self.save()?;
        }
        let complete_upto = asked.complete_upto;
        Ok(self.folder.done(&Asked { complete_upto, ..Asked::default() })?)
    }

    /// Sends events once more, and leaves the cursor where it is.
    fn send_again(&mut self, transport: &mut Transport, asked: &Asked) -> Result<(), Halt> {
        let places = asked.again.iter().take(self.config.batch_events).copied().collect();
        let mut items = self.reading.at(&places, self.config.batch_events)?;
        while !items.is_empty() {
            let mut bytes = 0;
            let count = items.iter().take_while(|item| {
                bytes += item.bytes.len();
                bytes <= self.config.batch_bytes
            });
            let count = count.count().max(1);
            let rest = items.split_off(count);
            self.deliver(transport, std::mem::replace(&mut items, rest), None)?;
        }
        Ok(self.folder.done(&Asked { again: places, ..Asked::default() })?)
    }

    /// Begins anew where another ledger stands in place of the one that the cursor is of.
    fn check_ledger(&mut self) -> Result<(), Halt> {
        let (ledger, leaf) = (self.reading.trail().ledger(), self.state.cursor.0);
        let is_known = match &self.state.cursor_hash {
            None => true,
            Some(_) if leaf >= ledger.size() => false,
            Some(hash) => {
                let is = ledger.leaf_hash(LeafIndex(leaf)).map_err(QueryError::from)?;
                hex(&is) == *hash
            }
        };
        if is_known {
            return Ok(());
        }
        tracing::warn!(
            sink = self.config.name,
            "the ledger is not the one that leaf {leaf} was sent of: everything is sent from the first event on, under the same uids"
        );
        self.state.cursor = (0, 0);
        self.state.cursor_hash = None;
        self.state.began = (0, 0);
        self.totals_begin()?;
        self.reading.seek(place((0, 0)));
        self.save()
    }

    /// Notes that everything up to a place is done with.
    pub(super) fn moves_to(&mut self, upto: Issued) {
        let cursor = (upto.0.0, upto.1);
        if self.state.cursor != cursor || self.state.in_flight.is_some() {
            self.state.cursor = cursor;
            // Of another leaf; it is looked up when the state is kept.
            self.state.cursor_hash = None;
            self.state.in_flight = None;
            self.dirty = true;
            self.counted_up_to(cursor);
        }
    }

    /// Keeps the state on disk, and shows it.
    pub(super) fn save(&mut self) -> Result<(), Halt> {
        let ledger = self.reading.trail().ledger();
        ledger.origin().clone_into(&mut self.state.origin);
        let leaf = self.state.cursor.0;
        self.state.cursor_hash = match leaf {
            0 => None,
            _ => Some(hex(&ledger.leaf_hash(LeafIndex(leaf)).map_err(QueryError::from)?)),
        };
        self.folder.save(&self.state)?;
        self.dirty = false;
        self.tell();
        Ok(())
    }

    pub(super) fn has_problem(&mut self, why: &str) {
        let is_new = self.state.problem.as_ref().is_none_or(|(_, earlier)| earlier != why);
        if is_new {
            tracing::warn!(sink = self.config.name, "events wait: {why}");
        }
        let since = self.state.problem.as_ref().map_or_else(Timestamp::now, |(since, _)| *since);
        self.state.problem = Some((since, why.to_owned()));
        self.tell();
    }

    pub(super) fn has_no_problem(&mut self) {
        if self.state.problem.take().is_some() {
            self.dirty = true;
            tracing::info!(sink = self.config.name, "events are taken again");
            self.tell();
        }
    }

    /// Stands still until keytrail ends or reads its configuration anew.
    fn stopped(&mut self, why: String) {
        tracing::error!(
            sink = self.config.name,
            "stopped, and goes on after a restart or SIGHUP: {why}"
        );
        self.state.stopped = Some(why.clone());
        if let Err(Halt::Here(error)) = self.save() {
            tracing::error!(sink = self.config.name, "{error}");
        }
        self.state.problem = Some((Timestamp::now(), why));
        self.reading.let_go();
        self.tell();
        while self.wait(COUNT_EVERY) {
            self.count();
        }
    }

    /// Counts what waits, now and then.
    pub(super) fn count(&mut self) {
        if self.counted.is_some_and(|at| at.elapsed() < COUNT_EVERY) {
            return;
        }
        self.counted = Some(Instant::now());
        let view = self.reading.trail().view();
        // A figure that cannot be had now is had later.
        if let Ok(count) = count_after(&view, &self.config.filter, place(self.state.cursor)) {
            self.waiting = count;
        }
        self.tell();
    }

    fn tell(&self) {
        let standing = Standing {
            kind: self.config.transport.kind(),
            cursor: self.state.cursor,
            waiting: self.waiting,
            behind_since: self.state.behind_since,
            delivered: self.state.delivered,
            rejected: self.state.rejected,
            failed: self.failed,
            dead: self.dead,
            unnamed: self.state.unnamed.as_ref().map_or(0, |unnamed| unnamed.events),
            problem: self.state.problem.clone(),
            stopped: self.state.stopped.is_some(),
        };
        self.standings.set(&self.config.name, standing);
    }

    /// Waits, and tells whether to go on.
    pub(super) fn wait(&mut self, pause: Duration) -> bool {
        if *self.stop.borrow() {
            return false;
        }
        if pause.is_zero() {
            return true;
        }
        let stop = &mut self.stop;
        self.handle.block_on(async move {
            // It changes once, to the end; whoever would change it may be gone.
            tokio::time::timeout(pause, stop.changed()).await.is_err()
        })
    }
}

pub(super) fn place((leaf, ordinal): (u64, u32)) -> Issued {
    Issued(LeafIndex(leaf), ordinal)
}
