//! Heartbeats of one source: which were sent, which of them stand in the log.
//!
//! A heartbeat is an unauthenticated read of `keytrail-heartbeat/RUN/NUMBER`, which no server has. The
//! server refuses it and writes so, with the path in clear. Own lines tell which numbers were sent and
//! answered; they may come before or after the server's lines. A run's name is random, so nobody can write
//! its numbers in advance; lines with a foreign run are remembered only until the next own line names one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};

use super::counters::{Counters, Reading};
use super::{By, Incident, Line, Record, Stretch, What};
use crate::decode::{Decoded, Kind, decode};
use crate::own::Beat;
use crate::source::Reader;

/// Heartbeats found that are remembered: more than an own line tells of at once.
const FOUND_MAX: usize = 64;
/// Heartbeats sent that are waited for, and missing ones that may still turn up.
const OPEN_MAX: usize = 1000;

/// What the path of each heartbeat begins with.
pub const HEARTBEAT_PREFIX: &str = "keytrail-heartbeat/";
static IN_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(HEARTBEAT_PREFIX));
static PROBE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"sys/audit/test\""));

/// Returns the path that a heartbeat reads.
pub fn path(run: &str, number: u64) -> String {
    format!("{HEARTBEAT_PREFIX}{run}/{number}")
}

/// The state of one source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Beats {
    /// Request and response lines that a tail brought so far.
    lines: [u64; 2],
    /// The greatest time of an entry that a tail brought, and when the last one arrived.
    newest: Option<(i64, i64)>,
    /// The time of the line that came in last, whoever brought it.
    latest: Option<i64>,
    /// The run that own lines named last.
    run: String,
    /// Of that run, in the order of the log.
    found: VecDeque<Found>,
    /// Of runs that no own line has named.
    foreign: VecDeque<(String, Found)>,
    /// Sent and answered, in the order of their numbers, and not found; those of earlier runs too, since a
    /// process that was killed may have told of beats whose lines it had not read.
    open: VecDeque<(String, Beat)>,
    missing: VecDeque<(String, u64)>,
    stretch: Option<Stretch>,
    /// The leaf of the last confirmed beat of this run.
    confirmed: u64,
    /// No beat of this run has been confirmed.
    is_new: bool,
    /// Since the process began, the files are known to be read through.
    joined: bool,
    counters: Counters,
}

/// A heartbeat in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    number: u64,
    /// Its first line.
    leaf: u64,
    /// Request and response lines before its first line.
    pub(super) until: [u64; 2],
    /// The same with its last line.
    pub(super) through: [u64; 2],
}

impl Beats {
    pub(super) fn line(&mut self, line: &Line<'_>, time: Option<i64>, done: &mut Vec<Record>) {
        self.latest = time.or(self.latest);
        let before = self.lines;
        if line.reader == Reader::Live {
            self.count(line);
            if let Some(time) = time {
                let newest = self.newest.map_or(time, |(newest, _)| newest.max(time));
                self.newest = Some((newest, line.arrived_unix_ns));
            }
        }
        if line.entry.is_some()
            && IN_LINE.find(line.bytes).is_some()
            && let Some((run, number)) = heartbeat(line.bytes)
        {
            let leaf = line.leaf.0;
            self.found(run, Found { number, leaf, until: before, through: self.lines }, done);
        }
    }

    /// The probe of a device is a request line that the server does not count.
    fn count(&mut self, line: &Line<'_>) {
        match line.entry.map(|entry| entry.kind) {
            Some(Kind::Request) if PROBE.find(line.bytes).is_none() => self.lines[0] += 1,
            Some(Kind::Response) => self.lines[1] += 1,
            Some(Kind::Request | Kind::Plugin { .. }) | None => {}
        }
    }

    fn found(&mut self, run: String, found: Found, done: &mut Vec<Record>) {
        let number = found.number;
        if let Some(at) = self.missing.iter().position(|(of, n)| (of, *n) == (&run, number)) {
            self.missing.remove(at);
            done.push(Record::FoundAfterAll { run, number });
            return;
        }
        if run != self.run {
            self.foreign(run, found);
            return;
        }
        if let Some(first) = self.found.iter_mut().find(|earlier| earlier.number == number) {
            first.through = found.through;
            return;
        }
        push(&mut self.found, found, FOUND_MAX);
        let is_it = |(of, beat): &(String, Beat)| *of == run && beat.number == number;
        if let Some(at) = self.open.iter().position(is_it) {
            let (_, beat) = self.open.remove(at).expect("it was just found");
            self.confirm(beat, found.leaf, done);
        }
    }

    /// A beat of an earlier run, read after a restart; or of one that no own line has named yet.
    fn foreign(&mut self, run: String, found: Found) {
        let is_it = |(of, beat): &(String, Beat)| *of == run && beat.number == found.number;
        let Some(at) = self.open.iter().position(is_it) else {
            push(&mut self.foreign, (run, found), FOUND_MAX);
            return;
        };
        let sent = self.open.remove(at).map(|(_, beat)| beat.sent_unix_ns);
        if let (true, Some(stretch), Some(sent)) = (self.is_new, &mut self.stretch, sent) {
            stretch.to = stretch.to.max(sent);
            stretch.times += 1;
        }
    }

    /// Takes in an own line that tells of beats sent.
    pub(super) fn sent(
        &mut self,
        run: &str,
        beats: &[Beat],
        now: i64,
        overdue_ns: i64,
        done: &mut Vec<Record>,
    ) {
        if run != self.run {
            self.begin_run(run);
        }
        for &beat in beats {
            let found = self.found.iter().find(|found| found.number == beat.number);
            match found.map(|found| found.leaf) {
                Some(leaf) => self.confirm(beat, leaf, done),
                None => {
                    if self.open.len() == OPEN_MAX {
                        // Nothing has been read for so long: what is waited for no longer is missing.
                        let oldest = self.open.pop_front().expect("it is full");
                        self.miss(vec![oldest], now, done);
                    }
                    self.open.push_back((run.to_owned(), beat));
                }
            }
        }
        // Later lines are there, by the server's clock and by ours: the beat is not merely late.
        let is_overdue = |(_, beat): &(String, Beat)| {
            let due = beat.sent_unix_ns.saturating_add(overdue_ns);
            now >= due && self.newest.is_some_and(|(time, arrived)| time > due && arrived > due)
        };
        let overdue = self.open.iter().take_while(|beat| is_overdue(beat)).count();
        let overdue = self.open.drain(..overdue).collect();
        self.miss(overdue, now, done);
    }

    fn begin_run(&mut self, run: &str) {
        run.clone_into(&mut self.run);
        self.is_new = true;
        self.confirmed = 0;
        let foreign = self.foreign.drain(..).filter(|(of, _)| of == run);
        self.found = foreign.map(|(_, found)| found).collect();
    }

    /// A beat was sent, answered and found.
    fn confirm(&mut self, beat: Beat, leaf: u64, done: &mut Vec<Record>) {
        // Only now is it known whether the files were read through to where this run began: that is told
        // before the first line that comes after.
        if std::mem::take(&mut self.is_new) && !self.joined {
            self.close(done);
        }
        // A log is written in order, so what was sent before and is not there by now is missing.
        let is_earlier =
            |(of, open): &&(String, Beat)| *of != self.run || open.number < beat.number;
        let earlier = self.open.iter().take_while(is_earlier).count();
        let earlier = self.open.drain(..earlier).collect();
        self.miss(earlier, beat.sent_unix_ns, done);
        if leaf < self.confirmed {
            let from = self.stretch.as_ref().map(|stretch| stretch.to);
            self.close(done);
            let what = What::Order { number: beat.number };
            done.push(Record::Incident(Incident { from, to: beat.sent_unix_ns, what }));
        }
        self.confirmed = leaf;
        let at = beat.sent_unix_ns;
        let stretch =
            self.stretch.get_or_insert(Stretch { by: By::Heartbeat, from: at, to: at, times: 0 });
        stretch.to = stretch.to.max(at);
        stretch.times += 1;
        self.counters.compare(&self.run, &self.found_by_number(), done);
    }

    fn miss(&mut self, beats: Vec<(String, Beat)>, to: i64, done: &mut Vec<Record>) {
        let (Some((_, first)), Some((_, last))) = (beats.first(), beats.last()) else { return };
        let from = self.stretch.as_ref().map_or(first.sent_unix_ns, |stretch| stretch.to);
        let to = to.max(last.sent_unix_ns);
        self.close(done);
        let mut by_run: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (run, beat) in beats {
            push(&mut self.missing, (run.clone(), beat.number), OPEN_MAX);
            by_run.entry(run).or_default().push(beat.number);
        }
        for (run, numbers) in by_run {
            let what = What::Heartbeats { run, numbers };
            done.push(Record::Incident(Incident { from: Some(from), to, what }));
        }
    }

    /// Takes in an own line that tells what the server counted.
    pub(super) fn counted(&mut self, reading: Reading, done: &mut Vec<Record>) {
        self.counters.read(reading);
        self.counters.compare(&self.run, &self.found_by_number(), done);
    }

    fn found_by_number(&self) -> impl Fn(u64) -> Option<Found> + use<> {
        let found = self.found.clone();
        move |number| found.iter().find(|found| found.number == number).copied()
    }

    /// Something may be missing from here on: what is proven ends.
    pub(super) fn incident(&mut self, at: i64, what: What, done: &mut Vec<Record>) {
        self.joined = false;
        self.close(done);
        done.push(Record::Incident(Incident { from: self.latest, to: at, what }));
    }

    /// A process began; whether it goes on where the last one ended is still to be told.
    pub(super) fn started(&mut self) {
        self.joined = false;
    }

    /// What was read before and what is read now belong together.
    pub(super) fn joined(&mut self) {
        self.joined = true;
    }

    fn close(&mut self, done: &mut Vec<Record>) {
        done.extend(self.stretch.take().map(Record::Stretch));
        self.counters.close(done);
    }

    /// Returns what is proven and may still grow.
    pub(super) fn growing(&self) -> impl Iterator<Item = Record> {
        [self.stretch.clone(), self.counters.growing()].into_iter().flatten().map(Record::Stretch)
    }

    /// Returns when the oldest beat was sent that is waited for.
    pub(super) fn waiting_since(&self) -> Option<i64> {
        self.open.front().map(|(_, beat)| beat.sent_unix_ns)
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    if queue.len() == max {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// Returns the run and number of a line that a heartbeat left.
fn heartbeat(line: &[u8]) -> Option<(String, u64)> {
    let Decoded::Entry(entry) = decode(line) else { return None };
    let (run, number) =
        entry.request.path.as_deref()?.strip_prefix(HEARTBEAT_PREFIX)?.split_once('/')?;
    if run.len() != 16 || !run.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((run.to_owned(), number.parse().ok()?))
}
