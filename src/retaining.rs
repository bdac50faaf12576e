//! Retention while files are followed: once at the start and then each day, one segment after the other.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use forward::sink::least_far;
use ingest::ledger::LedgerReader;
use ingest::pipeline::OwnLines;
use ingest::retention::{done_with, due, remove, told, tombstone};

use crate::failure::Failure;

const EVERY: Duration = Duration::from_secs(24 * 3600);
/// How soon to look again at what is due and not sealed yet.
const UNSEALED_EVERY: Duration = Duration::from_secs(10);
/// How soon to look again at what is due and was not sent yet.
const UNSENT_EVERY: Duration = Duration::from_secs(60);
/// A tombstone is signed about a second after it was handed over; how long to wait, and how often to look.
const SIGNED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The thread that does it.
pub(crate) struct Retaining {
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

/// What is due and was not removed.
enum Left {
    Nothing,
    /// The sealer has yet to come to it, as after a first import.
    Unsealed,
    /// A sink has yet to send it.
    Unsent,
}

struct Work {
    data: PathBuf,
    keep: Option<Duration>,
    /// Those that what is due waits for.
    sinks: Vec<String>,
    own: OwnLines,
}

impl Retaining {
    /// Starts it. Without `keep` it only finishes what an earlier removal left. What one of these sinks has yet to send
    /// stays.
    pub(crate) fn start(
        data: &Path,
        keep: Option<Duration>,
        sinks: Vec<String>,
        own: OwnLines,
    ) -> Result<Retaining, Failure> {
        let (stop, stopped) = sync_channel(1);
        let work = Work { data: data.to_owned(), keep, sinks, own };
        let thread = std::thread::Builder::new().name("retention".to_owned()).spawn(move || {
            loop {
                let wait = |at_most| match stopped.recv_timeout(at_most) {
                    Err(RecvTimeoutError::Timeout) => true,
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => false,
                };
                let again = match work.once(&wait) {
                    Ok(Left::Nothing) => EVERY,
                    Ok(Left::Unsealed) => UNSEALED_EVERY,
                    Ok(Left::Unsent) => UNSENT_EVERY,
                    Err(error) => {
                        tracing::error!("retention: {error}");
                        EVERY
                    }
                };
                if !wait(again) {
                    return;
                }
            }
        })?;
        Ok(Retaining { stop, thread })
    }

    /// Ends it after the segment at hand.
    pub(crate) fn stop(self) {
        let _ = self.stop.try_send(());
        let _ = self.thread.join();
    }
}

impl Work {
    /// `wait` waits so long and tells whether to go on.
    fn once(&self, wait: &dyn Fn(Duration) -> bool) -> anyhow::Result<Left> {
        let reader = LedgerReader::open(&self.data)?;
        let mut told_now = told(&reader)?;
        if let Some(hold) = told_now.now.holds.first() {
            tracing::info!("retention removes nothing: legal hold since {}", hold.since);
            return Ok(Left::Nothing);
        }
        let mut segments = match self.keep {
            Some(keep) => due(&reader, &told_now.now, keep)?,
            None => Vec::new(),
        };
        // The sealer runs beside us: what it has not sealed yet is its own.
        let sealed = segments.iter().take_while(|segment| segment.sealed).count();
        let mut left = if sealed < segments.len() { Left::Unsealed } else { Left::Nothing };
        segments.truncate(sealed);
        let least = least_far(&self.data, &self.sinks)?;
        let sent = done_with(&segments, least.as_ref().map(|(leaf, _)| *leaf));
        if let (true, Some((leaf, name))) = (sent < segments.len(), least) {
            tracing::warn!("retention waits for the sink {name}, which is done up to leaf {leaf}");
            segments.truncate(sent);
            left = Left::Unsent;
        }
        if let Some(fact) = self.keep.and_then(|keep| tombstone(&segments, keep)) {
            let least = segments.last().map_or(0, |segment| segment.end);
            let deadline = Instant::now() + SIGNED_WITHIN;
            let mut offered = false;
            while told_now.now.least_leaf < least {
                offered = offered || self.own.offer(fact.clone());
                if Instant::now() > deadline || !wait(LOOK_EVERY) {
                    // What the tombstone names, if it was taken, goes at the next start.
                    return Ok(Left::Nothing);
                }
                if reader.refresh()? > told_now.now.least_leaf {
                    told_now = told(&reader)?;
                }
            }
        }
        let emptied = remove(&reader, &told_now)?;
        if emptied > 0 {
            tracing::info!("retention removed the lines of {emptied} segments");
        }
        Ok(left)
    }
}
