//! Coverage: how complete what was taken in of a source is, added up leaf by leaf.
//!
//! ```text
//! lines of servers ──▶ Hour      what came in of one hour, and how late
//!        │ heartbeats found
//!        ▼
//! own lines ─────────▶ Stretch   a time over which heartbeats or the server's counters prove all lines
//!        └───────────▶ Incident  what is known or feared to be missing, and when
//! ```
//!
//! Everything is a function of the ledger: the indexer gives it each leaf in order, and what comes out are
//! [`Record`]s, documents of the index like any other. What is still open (the hours that grow, heartbeats
//! that were not found yet) is part of each commit, see [`Coverage::growing`].

mod beats;
mod counters;
mod hour;
mod record;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use beats::{HEARTBEAT_PREFIX, path as heartbeat_path};
pub use hour::{Delays, HOUR_NS, Hour};
pub use record::{By, Incident, Record, Stretch, What};

use crate::decode::{Kind, Peek};
use crate::own::{Fact, OwnLine};
use crate::source::{LeafIndex, Reader};
use beats::Beats;

/// Hours of one reader of one source that grow side by side: files that are read together, lines out of order.
const OPEN_HOURS: usize = 4;

/// Everything that grows: the state between two leaves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The open hours, by source and whether a tail brought them. Small, so that a commit can carry it.
    hours: Vec<(u32, bool, Vec<Hour>)>,
    beats: BTreeMap<u32, Beats>,
    /// The nodes that were declared last.
    declared: Option<Vec<String>>,
    /// Sources that a process follows.
    followed: BTreeSet<u32>,
    #[serde(skip)]
    done: Vec<(Option<u32>, Record)>,
}

/// A line that came in.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The source's number.
    pub source: u32,
    /// Who brought it.
    pub reader: Reader,
    /// Its leaf.
    pub leaf: LeafIndex,
    /// When it arrived, in nanoseconds since 1970.
    pub arrived_unix_ns: i64,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What it says, if it holds an entry.
    pub entry: Option<&'a Peek<'a>>,
}

impl Coverage {
    /// Takes in a line of a server.
    pub fn line(&mut self, line: &Line<'_>) {
        let time = line.entry.and_then(|entry| entry.time_unix_ns);
        let live = line.reader == Reader::Live;
        let number = time.map(|time| time.div_euclid(HOUR_NS));
        let bytes = line.bytes.len() as u64;
        self.hour(line.source, live, number, |hour| {
            hour.add(bytes, line.entry.is_some(), time, line.arrived_unix_ns);
            if let Some(Peek { kind: Kind::Request, request_id: Some(id), .. }) = line.entry {
                hour.add_request(id);
            }
        });
        self.beats(line.source, |beats, done| beats.line(line, time, done));
    }

    /// Takes in a line of our own; `number` tells a source's number.
    ///
    /// # Errors
    /// Those of `number`.
    pub fn own<E>(
        &mut self,
        own: &OwnLine,
        number: &mut dyn FnMut(&str) -> Result<u32, E>,
    ) -> Result<(), E> {
        let at = i64::try_from(own.time.as_nanosecond()).unwrap_or(i64::MAX);
        match &own.fact {
            Fact::Gap { source, at_least, why, .. } => {
                let what = What::Gap { at_least: *at_least, why: shortened(why) };
                let source = number(source)?;
                self.beats(source, |beats, done| beats.incident(at, what, done));
            }
            Fact::Continuity { source, proven, why, .. } => {
                let source = number(source)?;
                let what = What::Continuity { why: shortened(why) };
                self.beats(source, |beats, done| match proven {
                    true => beats.joined(),
                    false => beats.incident(at, what, done),
                });
            }
            Fact::RefusedRaw { source, .. } => {
                let source = number(source)?;
                self.beats(source, |beats, done| beats.incident(at, What::RefusedRaw, done));
            }
            Fact::Started { sources, .. } => {
                for source in sources {
                    let source = number(source)?;
                    self.followed.insert(source);
                    self.beats(source, |beats, _| beats.started());
                    self.done.push((Some(source), Record::Followed { at }));
                }
            }
            Fact::Stopped => {
                for source in std::mem::take(&mut self.followed) {
                    self.done.push((Some(source), Record::Stopped { at }));
                }
            }
            Fact::Declared { nodes } => {
                self.declared.clone_from(nodes);
                self.done.push((None, Record::Declared { at, nodes: nodes.clone() }));
            }
            Fact::Heartbeats { sources, run, beats: sent, overdue_ns } => {
                for source in sources {
                    let source = number(source)?;
                    self.beats(source, |beats, done| beats.sent(run, sent, at, *overdue_ns, done));
                }
            }
            Fact::Counters {
                sources,
                run,
                before,
                after,
                server_started_ms,
                requests,
                responses,
            } => {
                for source in sources {
                    let reading = counters::Reading {
                        run: run.clone(),
                        before: *before,
                        after: *after,
                        at,
                        server_started_ms: *server_started_ms,
                        server: [*requests, *responses],
                    };
                    let source = number(source)?;
                    self.beats(source, |beats, done| beats.counted(reading, done));
                }
            }
            // What else our lines say is about keys, exports and people.
            _ => {}
        }
        Ok(())
    }

    /// Takes out the records that are finished, each with the number of its source.
    pub fn finished(&mut self) -> Vec<(Option<u32>, Record)> {
        std::mem::take(&mut self.done)
    }

    /// Returns the records that may still grow.
    pub fn growing(&self) -> Vec<(u32, Record)> {
        let hours = self.hours.iter().flat_map(|(source, _, hours)| {
            hours.iter().map(|hour| (*source, Record::Hour(hour.clone())))
        });
        let stretches = self
            .beats
            .iter()
            .flat_map(|(source, beats)| beats.growing().map(|record| (*source, record)));
        hours.chain(stretches).collect()
    }

    /// Returns the sources whose log lacks a heartbeat that the server answered, and since when, in
    /// nanoseconds since 1970. They may be late yet.
    pub fn waiting(&self) -> impl Iterator<Item = (u32, i64)> {
        self.beats.iter().filter_map(|(source, beats)| Some((*source, beats.waiting_since()?)))
    }

    pub(crate) fn declared(&self) -> Option<&[String]> {
        self.declared.as_deref()
    }

    fn beats(&mut self, source: u32, give: impl FnOnce(&mut Beats, &mut Vec<Record>)) {
        let mut done = Vec::new();
        give(self.beats.entry(source).or_default(), &mut done);
        self.done.extend(done.into_iter().map(|record| (Some(source), record)));
    }

    /// Gives the open hour, which may take the place of the one that stood still longest.
    fn hour(&mut self, source: u32, live: bool, number: Option<i64>, give: impl FnOnce(&mut Hour)) {
        let at = self.hours.iter().position(|open| (open.0, open.1) == (source, live));
        let at = at.unwrap_or_else(|| {
            self.hours.push((source, live, Vec::new()));
            self.hours.len() - 1
        });
        let hours = &mut self.hours[at].2;
        match hours.iter().position(|open| open.hour == number) {
            // The one that grew last stands last.
            Some(at) if at + 1 < hours.len() => {
                let hour = hours.remove(at);
                hours.push(hour);
            }
            Some(_) => {}
            None => {
                if hours.len() == OPEN_HOURS {
                    self.done.push((Some(source), Record::Hour(hours.remove(0))));
                }
                hours.push(Hour::new(number, live));
            }
        }
        give(hours.last_mut().expect("one was pushed or found"));
    }
}

/// The most bytes of a reason that a record keeps; the own line has it whole.
const WHY_BYTES_MAX: usize = 1000;

fn shortened(why: &str) -> String {
    why[..why.floor_char_boundary(WHY_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests;
