//! From tail to ledger: the one thread that writes evidence.
//!
//! It groups what arrives (an fsync at most 100 ms or 4 MiB late), signs at most once a second, and
//! never waits for anybody below: the indexer is told how far the ledger is durable and reads by itself.
//! When the disk is full, or the reserve is reached, it waits, and with it the tail: the audit file is the buffer.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::ledger::{Ledger, LedgerError};
use crate::own::{Fact, OwnLine};
use crate::source::{Reader, SourceId};
use crate::tail::{Notice, TailItem};

mod patience;
mod recorder;
#[cfg(test)]
mod tests;

pub use patience::Patience;
use recorder::Recorder;

const FLUSH_AFTER: Duration = Duration::from_millis(100);
const FLUSH_BYTES: u64 = 4 << 20;
const CHECKPOINT_AFTER: Duration = Duration::from_secs(1);
/// How often to look, when nothing comes, whether a segment is old enough to be sealed.
const SEGMENTS_EVERY: Duration = Duration::from_secs(60);

/// What the recorder is told.
pub enum ToLedger {
    /// From the tail or an import.
    Tail(TailItem),
    /// A line of our own.
    Own(OwnLine),
    /// Flush, then answer: whoever asks wants to read back all that was sent before.
    Barrier(SyncSender<()>),
    /// What is known from before cannot be read: nothing after this may be recorded, since it might
    /// double what the ledger has.
    Unknown(LedgerError),
    /// No more will come.
    Stop,
}

impl From<TailItem> for ToLedger {
    fn from(item: TailItem) -> ToLedger {
        ToLedger::Tail(item)
    }
}

/// Why recording ended.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The ledger cannot be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The source logs tokens in clear and nobody allowed that.
    #[error(
        "{path}: this audit device logs tokens in clear (log_raw = true), so a copy of its log is a copy of its secrets; \
         switch log_raw off, or, if the copy is meant, allow it with --allow-raw (allow_raw = true in the source's configuration)"
    )]
    ClearTokens {
        /// The file.
        path: String,
    },
}

/// How the recorder goes about it.
#[derive(Clone, Debug)]
pub struct RecordOptions {
    /// Who brings the lines.
    pub reader: Reader,
    /// Sources that may log tokens in clear.
    pub allow_raw: Vec<SourceId>,
    /// Whether a source with clear tokens ends the recording (import) or only that file (follow).
    pub clear_tokens_are_fatal: bool,
    /// What to do when there is no room: wait for it (follow), or else fail (import).
    pub patience: Option<Patience>,
}

/// What was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Lines appended.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Writes everything that comes from `items` into the ledger until [`ToLedger::Stop`] or until every
/// sender is gone. `durable` is called with the size of the ledger after each checkpoint, `caught_up` when
/// the tail says that it has read all there was.
///
/// # Errors
/// The ledger cannot be written; a source logs clear tokens and that is fatal.
pub fn record(
    ledger: &mut Ledger,
    items: &Receiver<ToLedger>,
    options: &RecordOptions,
    durable: &dyn Fn(u64),
    caught_up: &dyn Fn(bool),
) -> Result<Recorded, RecordError> {
    let mut recorder = Recorder::new(ledger, options);
    let mut first_unflushed: Option<Instant> = None;
    // When what is flushed may be signed: at once after a quiet second, else a second after the last.
    let mut sign_at: Option<Instant> = None;
    let mut signed_at: Option<Instant> = None;
    let mut stop = false;
    loop {
        let now = Instant::now();
        let due = [first_unflushed.map(|at| at + FLUSH_AFTER), sign_at];
        let wait = due
            .iter()
            .flatten()
            .min()
            .map_or(SEGMENTS_EVERY, |at| at.saturating_duration_since(now));
        let mut barrier = None;
        let received = match stop {
            // Only what was refused for want of room is left to do.
            true => Err(RecvTimeoutError::Timeout),
            false => items.recv_timeout(wait),
        };
        let mut done = match received {
            Ok(item) => {
                let room = options.patience.as_ref();
                if let Some(patience) = room
                    && let Some(why) = patience.room.refuses(item.bytes())
                    && !patience.wait(&mut recorder, &why, durable)?
                {
                    return Ok(recorder.recorded());
                }
                match item {
                    ToLedger::Tail(TailItem::CaughtUp) => {
                        caught_up(true);
                        Ok(())
                    }
                    ToLedger::Tail(item) => {
                        if matches!(item, TailItem::Lines { .. }) {
                            caught_up(false);
                        }
                        recorder.item(item)
                    }
                    ToLedger::Own(line) => recorder.own(&line),
                    ToLedger::Barrier(answer) => {
                        barrier = Some(answer);
                        Ok(())
                    }
                    ToLedger::Unknown(error) => return Err(RecordError::Ledger(error)),
                    ToLedger::Stop => {
                        stop = true;
                        Ok(())
                    }
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                stop = true;
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => recorder.finish_old_segments(),
        };
        let now = Instant::now();
        if recorder.unflushed_bytes() > 0 && first_unflushed.is_none() {
            first_unflushed = Some(now);
        }
        let late = first_unflushed.is_some_and(|at| now >= at + FLUSH_AFTER)
            || recorder.unflushed_bytes() >= FLUSH_BYTES;
        if done.is_ok() && recorder.unflushed_bytes() > 0 && (late || barrier.is_some() || stop) {
            done = recorder.flush();
            first_unflushed = None;
            sign_at.get_or_insert(signed_at.map_or(now, |at| at + CHECKPOINT_AFTER));
        }
        if done.is_ok() && sign_at.is_some_and(|at| stop || now >= at) {
            // Told only now: other processes read up to the checkpoint, so the index may not name more.
            done = recorder.checkpoint().map(durable);
            sign_at = None;
            signed_at = Some(now);
        }
        match (done, &options.patience) {
            (Ok(()), _) => {}
            (Err(RecordError::Ledger(error)), Some(patience)) if error.is_full() => {
                let why = format!("the disk is full: {error}; make room");
                if !patience.wait(&mut recorder, &why, durable)? {
                    return Ok(recorder.recorded());
                }
                first_unflushed = None;
                sign_at = Some(now);
            }
            (Err(error), _) => return Err(error),
        }
        if let Some(answer) = barrier {
            // Whoever asked may have gone; that is theirs to know.
            let _ = answer.send(());
        }
        if stop && sign_at.is_none() {
            return Ok(recorder.recorded());
        }
    }
}

impl ToLedger {
    /// Returns about how many bytes this adds.
    fn bytes(&self) -> u64 {
        match self {
            ToLedger::Tail(TailItem::Lines { lines, .. }) => lines.bytes.len() as u64,
            ToLedger::Tail(_) | ToLedger::Own(_) => 1 << 10,
            ToLedger::Barrier(_) | ToLedger::Unknown(_) | ToLedger::Stop => 0,
        }
    }
}

/// Returns what our own lines say of a notice; none if it is for the moment only.
fn fact(notice: &Notice) -> Option<Fact> {
    let gap = |source: &SourceId, path: &Path, read_to: u64, at_least: Option<u64>, why: String| {
        Some(Fact::Gap {
            source: source.to_string(),
            path: path.display().to_string(),
            read_to,
            at_least,
            why,
        })
    };
    let trouble =
        |source: &SourceId, why: String| Some(Fact::Trouble { source: source.to_string(), why });
    match notice {
        Notice::Truncated { path, source, read_to, size_now, at_least, .. } => {
            let why = format!(
                "the file was cut or written anew and has {size_now} bytes now: what was written to it after byte {read_to} is lost, at least {at_least} bytes"
            );
            gap(source, path, *read_to, Some(*at_least), why)
        }
        Notice::Damaged { path, source, offset, reason } => {
            let why = format!("cannot be read after byte {offset}: {reason}");
            gap(source, path, *offset, None, why)
        }
        Notice::Continuity { path, source, proven, why } => Some(Fact::Continuity {
            source: source.to_string(),
            path: path.display().to_string(),
            proven: *proven,
            why: why.clone(),
        }),
        Notice::Unreadable { source, reason, .. } => trouble(source, reason.clone()),
        Notice::Readable { path, source } => {
            trouble(source, format!("{} can be read again", path.display()))
        }
        Notice::Deleted { path, source, read_to, .. } => trouble(
            source,
            format!(
                "{} was deleted after {read_to} bytes had been read; what is still written to it is read",
                path.display()
            ),
        ),
        Notice::Missing { path, source } => {
            trouble(source, format!("{} is missing", path.display()))
        }
        Notice::Appeared { path, source } => {
            trouble(source, format!("{} has appeared", path.display()))
        }
        // Nothing is lost by it, and it is seen from the generations.
        Notice::Rotated { .. } => None,
    }
}

/// Returns the present time in nanoseconds since 1970, by this machine's clock.
pub fn now_unix_ns() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).expect("before the year 2262")
}
