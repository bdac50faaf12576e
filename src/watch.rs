//! Watching: a look at the trail every few seconds, from which come figures, readiness and alarms.
//!
//! A thread of its own that reads what everybody can read. It never holds up the tail: what it writes of its own
//! is offered to the ledger, and what it sends waits in a queue of its own.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender as StopSender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forward::standing::Standings;
use ingest::ledger::{LedgerReader, VerifyOptions, verify};
use ingest::own::Fact;
use ingest::pipeline::{CaughtUp, OwnLines};
use ingest::record::now_unix_ns;
use ingest::retention;
use ingest::room::Room;
use query::status::{Status, status};
use query::trail::Trail;
use serde_json::json;

use crate::alarm::{Alarms, Condition, Message, On, State};
use crate::config::AlertConfig;
use crate::deed;
use crate::metrics::{Metrics, Seen};
use crate::outside::alert::{Notification, Sender};

mod conditions;

use self::conditions::conditions;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long keytrail's end waits for alarms to be sent.
const SEND_AT_LAST: Duration = Duration::from_secs(5);
/// Who is behind by no more than this is ready.
const READY_LAG: Duration = Duration::from_secs(60);

/// What is watched, and who is told.
pub(crate) struct Watching {
    pub(crate) data: PathBuf,
    pub(crate) alerts: Vec<AlertConfig>,
    pub(crate) verify_every: Option<Duration>,
    /// Followed files that one name tells, by source.
    pub(crate) files: Vec<(String, PathBuf)>,
    /// What was told under an earlier configuration.
    pub(crate) alarms: Alarms,
    /// Knows the data folder's volume.
    pub(crate) room: Room,
    /// Sinks that run.
    pub(crate) sinks: Standings,
    /// Of the running line, if files are followed.
    pub(crate) following: Option<(OwnLines, CaughtUp)>,
}

/// A running watch.
pub(crate) struct Watch {
    stop: StopSender<()>,
    thread: JoinHandle<Alarms>,
    /// What sends alarms, with each alert's name.
    sending: Vec<(String, tokio::task::JoinHandle<()>)>,
}

/// What the watch tells of itself; the pages ask for it.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) metrics: Arc<Metrics>,
    ready: Arc<Mutex<Result<(), String>>>,
    verified: Arc<Mutex<Option<Verified>>>,
}

impl Told {
    /// Tells why questions cannot be answered as they should.
    pub(crate) fn ready(&self) -> Result<(), String> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what came of the last verification.
    pub(crate) fn verified(&self) -> Option<Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Watch {
    /// Starts to watch; within a tokio runtime, which sends the alarms. Also returns what the pages tell of it.
    ///
    /// # Errors
    /// The trail cannot be opened, or no thread started.
    pub(crate) fn start(mut watching: Watching) -> Result<(Watch, Told)> {
        let trail = Trail::open(&watching.data)?;
        let (mut senders, mut sending) = (Vec::new(), Vec::new());
        for alert in &watching.alerts {
            let (sender, task) = Sender::start(&alert.name, alert.to.clone());
            senders.push(sender);
            sending.push((alert.name.clone(), task));
        }
        let told = Told {
            metrics: Arc::new(Metrics::new()),
            ready: Arc::new(Mutex::new(Err("nothing has been looked at yet".to_owned()))),
            verified: Arc::default(),
        };
        let mut eye = Eye {
            senders,
            alarms: std::mem::take(&mut watching.alarms),
            told: told.clone(),
            verifying: None,
            verify_at: Instant::now(),
            behind_since: None,
            watching,
            trail,
        };
        let (stop, stopped) = channel();
        let every = eye.look_every();
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            loop {
                eye.look();
                if stopped.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                    return eye.alarms;
                }
            }
        });
        let thread = thread.context("cannot start a thread")?;
        Ok((Watch { stop, thread, sending }, told))
    }

    /// Stops to watch; what was to be told still is, if it can be within a few seconds. Returns what was told so
    /// far. Within a runtime that has several threads.
    pub(crate) async fn stop(self) -> Alarms {
        // It may have ended by a panic, which has told for itself.
        let _ = self.stop.send(());
        // It may be looking; that takes a moment, in which nobody else has to wait.
        let alarms = tokio::task::block_in_place(|| self.thread.join());
        let until = tokio::time::Instant::now() + SEND_AT_LAST;
        for (alert, sending) in self.sending {
            if tokio::time::timeout_at(until, sending).await.is_err() {
                tracing::error!(alert, "keytrail ends, and alarms were not sent");
            }
        }
        alarms.unwrap_or_default()
    }
}

struct Eye {
    watching: Watching,
    trail: Trail,
    senders: Vec<Sender>,
    alarms: Alarms,
    told: Told,
    verifying: Option<JoinHandle<Verified>>,
    verify_at: Instant,
    /// Since when the tail or the index has not caught up.
    behind_since: Option<Instant>,
}

/// What came of a verification.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    /// When it ended, in seconds since 1970.
    pub(crate) at: i64,
    /// What is wrong.
    pub(crate) problem: Option<String>,
}

impl Eye {
    /// Short times in the configuration want a closer look.
    fn look_every(&self) -> Duration {
        let shortest = self.watching.alerts.iter().flat_map(|alert| [alert.after, alert.repeat]);
        let shortest = shortest.flatten().filter(|after| !after.is_zero()).min();
        shortest.map_or(LOOK_EVERY, |shortest| {
            (shortest / 2).clamp(Duration::from_millis(200), LOOK_EVERY)
        })
    }

    fn look(&mut self) {
        self.verify();
        if let Some((own, _)) = &self.watching.following {
            deed::take_up(&self.watching.data, own);
        }
        if let Err(error) = self.trail.refresh() {
            tracing::warn!("the trail cannot be read anew: {error}");
        }
        let space = self.watching.room.space().ok();
        let seen = Seen {
            caught_up: self
                .watching
                .following
                .as_ref()
                .map(|(_, caught_up)| caught_up.since().is_some()),
            tight: space.as_ref().and_then(|space| self.watching.room.is_tight(space)),
            space,
            verified: self.told.verified().map(|last| (last.at, last.problem.is_none())),
            unread: self.unread(),
            sinks: self.watching.sinks.all(),
            now: now_unix_ns() / 1_000_000_000,
        };
        let status = match status(&self.watching.data, &self.trail) {
            Ok(status) => status,
            Err(error) => {
                self.say_ready(Err(format!("the trail cannot be read: {error}")));
                return;
            }
        };
        let lag = self.lag(&status, &seen);
        self.say_ready(self.readiness(lag));
        let problem = self.told.verified().and_then(|verified| verified.problem);
        let problem = problem.as_deref();
        let now = now_unix_ns();
        let holding = conditions(&status, &seen, lag, problem, now);
        for message in self.alarms.look(&self.watching.alerts, &holding, now) {
            self.tell(&message);
        }
        self.told.metrics.set(&status, &seen, &self.watching.alerts, &self.alarms);
    }

    /// Returns the bytes of each file that are not in the ledger. A file that was rotated a moment ago is
    /// counted as unread until its first line is in.
    fn unread(&self) -> Vec<(String, u64)> {
        let generations = self.trail.ledger().generations().unwrap_or_default();
        let of = |source: &str, path: &Path| {
            let size = std::fs::metadata(path).ok()?.len();
            let live = generations.iter().filter(|info| &*info.source == source);
            let read = live.max_by_key(|info| info.last_arrived_unix_ns).map_or(0, |info| info.end);
            Some(if size >= read { size - read } else { size })
        };
        let files = self.watching.files.iter();
        files.filter_map(|(source, path)| Some((source.clone(), of(source, path)?))).collect()
    }

    /// Returns for how long the tail or the index has been behind.
    fn lag(&mut self, status: &Status, seen: &Seen) -> Option<Duration> {
        let behind = seen.caught_up == Some(false) || status.indexed_leaves < status.signed_leaves;
        if !behind {
            self.behind_since = None;
            return None;
        }
        Some(self.behind_since.get_or_insert_with(Instant::now).elapsed())
    }

    fn readiness(&self, lag: Option<Duration>) -> Result<(), String> {
        if !self.trail.is_of_these_rules() {
            return Err(
                "the index is being made anew; answers are those of an earlier version".to_owned()
            );
        }
        match lag.filter(|lag| *lag > READY_LAG) {
            Some(lag) => Err(format!("behind for {} s", lag.as_secs())),
            None => Ok(()),
        }
    }

    fn say_ready(&self, ready: Result<(), String>) {
        *self.told.ready.lock().unwrap_or_else(PoisonError::into_inner) = ready;
    }

    /// Takes up a verification that has ended, and begins one that is due.
    fn verify(&mut self) {
        if let Some(verifying) = self.verifying.take_if(|verifying| verifying.is_finished()) {
            let at = now_unix_ns() / 1_000_000_000;
            let panicked = Some("the verification panicked".to_owned());
            let verified = verifying.join().unwrap_or(Verified { at, problem: panicked });
            match &verified.problem {
                None => tracing::info!("verified: the ledger is what was signed"),
                Some(problem) => tracing::error!("verification failed: {problem}"),
            }
            let mut last = self.told.verified.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(verified);
        }
        let Some(every) = self.watching.verify_every else { return };
        if self.verifying.is_none() && Instant::now() >= self.verify_at {
            self.verify_at = Instant::now() + every;
            let data = self.watching.data.clone();
            let thread = std::thread::Builder::new().name("verify".to_owned());
            // Without a thread now, there may be one next time.
            self.verifying = thread.spawn(move || verified(&data)).ok();
        }
    }

    fn tell(&self, message: &Message) {
        let Message { alert, condition, state, .. } = message;
        let config = &self.watching.alerts[*alert];
        let resolved = *state == State::Resolved;
        if let Some((own, _)) = &self.watching.following
            && *state != State::Repeated
        {
            let taken = own.offer(Fact::Alarm {
                name: config.name.clone(),
                on: condition.on.as_str().to_owned(),
                subject: condition.subject.clone(),
                resolved,
                text: condition.text.clone(),
            });
            if !taken {
                tracing::warn!(alert = config.name, "the ledger is busy: an alarm is not in it");
            }
        }
        let (on, subject, text) = (condition.on.as_str(), &condition.subject, &condition.text);
        match resolved {
            true => tracing::info!(alert = config.name, on, subject, "alarm over: {text}"),
            false => tracing::warn!(alert = config.name, on, subject, "alarm: {text}"),
        }
        self.senders[*alert].send(notification(config, message, self.trail.ledger().cluster()));
    }
}

/// Returns what a receiver gets.
fn notification(config: &AlertConfig, message: &Message, cluster: &str) -> Notification {
    let Message { condition, state, since, .. } = message;
    let kind = if *state == State::Resolved { "resolved" } else { "firing" };
    let (now, since) = (now_unix_ns(), query::period::rfc3339(*since));
    Notification {
        id: format!("keytrail_{now:x}_{}_{}", config.name, condition.on.as_str()),
        body: json!({
            "type": format!("keytrail.alert.{kind}"),
            "timestamp": query::period::rfc3339(now),
            "data": {
                "alert": config.name,
                "on": condition.on,
                "cluster": cluster,
                "subject": condition.subject,
                "text": condition.text,
                "since": since,
                "repeated": *state == State::Repeated,
            },
        }),
    }
}

/// Returns a message that says that it is none, for `check-config`.
pub(crate) fn trial(config: &AlertConfig, cluster: &str) -> Notification {
    let condition = Condition {
        on: On::Gap,
        subject: "check-config".to_owned(),
        which: String::new(),
        text: "somebody checks keytrail's configuration; nothing is wrong".to_owned(),
        since: None,
        measure: None,
    };
    let now = now_unix_ns();
    let message = Message { alert: 0, condition, state: State::Firing, since: now };
    let mut trial = notification(config, &message, cluster);
    trial.body["type"] = "keytrail.alert.test".into();
    trial
}

fn verified(data: &Path) -> Verified {
    let removed = LedgerReader::open(data).and_then(|ledger| Ok(retention::told(&ledger)?.removed));
    let options = VerifyOptions {
        // What cannot be read vouches for nothing; the verification names it.
        removed: removed.unwrap_or_default(),
        // Nobody waits for it, and the server on this machine may need the other cores.
        threads: Some(NonZeroUsize::MIN),
        ..VerifyOptions::default()
    };
    let result = verify(data, &options, &mut |_, _| {});
    let problem = match result {
        Ok(verification) if verification.intact => None,
        Ok(verification) => {
            let leaf = verification.first_wrong_leaf.map(|leaf| format!("leaf {leaf}: "));
            let problem = verification.problem.unwrap_or_else(|| "not what was signed".to_owned());
            Some(format!("{}{problem}", leaf.unwrap_or_default()))
        }
        Err(error) => Some(error.to_string()),
    };
    Verified { at: now_unix_ns() / 1_000_000_000, problem }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ingest::ledger::{Ledger, NewBatch, Stream};
    use ingest::source::{Lines, Reader};

    use super::*;

    #[test]
    fn what_a_tombstone_says_was_removed_is_no_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        // Small segments, a month old.
        let mut ledger = Ledger::open_with(folder.path(), "c", 1_000).expect("a ledger");
        let (mut generation, mut offset) = (None, 0);
        for number in 0..40 {
            let mut lines = Lines::default();
            lines.push(format!("line {number} {:x<200}\n", "").as_bytes());
            let appended = ledger.append(&NewBatch {
                stream: Stream::Lines,
                source: "c/n/file",
                generation,
                parent: None,
                offset,
                reader: Reader::Live,
                arrived_unix_ns: now_unix_ns() - 30 * 86_400_000_000_000,
                continued: false,
                unterminated: false,
                lines: &lines,
            });
            generation = Some(appended.expect("appended").generation);
            offset += lines.bytes.len() as u64;
        }
        ledger.checkpoint().expect("signed");
        drop(ledger);
        let mut ledger = Ledger::open_with(folder.path(), "c", 1_000).expect("a ledger");
        let kept = Duration::from_secs(86_400);
        let removed = retention::apply(&mut ledger, kept, None).expect("removed");
        assert!(!removed.is_empty());
        drop(ledger);
        assert_eq!(verified(folder.path()).problem, None);
    }
}
