//! From tail to ledger: the one thread that writes evidence.
//!
//! It groups what arrives (an fsync at most 100 ms or 4 MiB late), signs at most once a second, and
//! never waits for anybody below: the indexer is told how far the ledger is durable and reads by itself.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::decode;
use crate::ledger::{Ledger, LedgerError, NewBatch, Stream};
use crate::own::{Fact, OWN_SOURCE, OwnLine};
use crate::source::{Generation, Lines, Position, Reader, SourceId};
use crate::tail::{FileId, Notice, Start, TailItem};

const FLUSH_AFTER: Duration = Duration::from_millis(100);
const FLUSH_BYTES: u64 = 4 << 20;
const CHECKPOINT_AFTER: Duration = Duration::from_secs(1);

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
}

/// What was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Lines appended.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
}

struct OpenFile {
    source: Arc<SourceId>,
    source_text: String,
    path: String,
    generation: Option<Generation>,
    parent: Option<Generation>,
    refused: bool,
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
    let own = ledger.generations().find(|info| &*info.source == OWN_SOURCE);
    let own = own.map(|info| Position { generation: info.generation, offset: info.end });
    let mut recorder = Recorder {
        ledger,
        options,
        own,
        files: HashMap::new(),
        recorded: Recorded::default(),
        unflushed: 0,
    };
    let mut first_unflushed: Option<Instant> = None;
    // When what is flushed may be signed: at once after a quiet second, else a second after the last.
    let mut sign_at: Option<Instant> = None;
    let mut signed_at: Option<Instant> = None;
    loop {
        let now = Instant::now();
        let due = [first_unflushed.map(|at| at + FLUSH_AFTER), sign_at];
        let wait = due
            .iter()
            .flatten()
            .min()
            .map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(now));
        let mut barrier = None;
        let mut stop = false;
        match items.recv_timeout(wait) {
            Ok(ToLedger::Tail(TailItem::CaughtUp)) => caught_up(true),
            Ok(ToLedger::Tail(item)) => {
                if matches!(item, TailItem::Lines { .. }) {
                    caught_up(false);
                }
                recorder.item(item)?;
            }
            Ok(ToLedger::Own(line)) => recorder.own(&line)?,
            Ok(ToLedger::Barrier(answer)) => barrier = Some(answer),
            Ok(ToLedger::Unknown(error)) => return Err(RecordError::Ledger(error)),
            Ok(ToLedger::Stop) | Err(RecvTimeoutError::Disconnected) => stop = true,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Instant::now();
        if recorder.unflushed > 0 && first_unflushed.is_none() {
            first_unflushed = Some(now);
        }
        let late = first_unflushed.is_some_and(|at| now >= at + FLUSH_AFTER)
            || recorder.unflushed >= FLUSH_BYTES;
        if recorder.unflushed > 0 && (late || barrier.is_some() || stop) {
            recorder.ledger.flush()?;
            recorder.unflushed = 0;
            first_unflushed = None;
            sign_at.get_or_insert(signed_at.map_or(now, |at| at + CHECKPOINT_AFTER));
        }
        if let Some(answer) = barrier {
            // Whoever asked may have gone; that is theirs to know.
            let _ = answer.send(());
        }
        if sign_at.is_some_and(|at| stop || now >= at) {
            // Told only now: other processes read up to the checkpoint, so the index may not name more.
            durable(recorder.ledger.checkpoint()?.size);
            sign_at = None;
            signed_at = Some(now);
        }
        if stop {
            return Ok(recorder.recorded);
        }
    }
}

struct Recorder<'a> {
    ledger: &'a mut Ledger,
    options: &'a RecordOptions,
    /// Where our own lines stand: one generation for ever.
    own: Option<Position>,
    files: HashMap<FileId, OpenFile>,
    recorded: Recorded,
    unflushed: u64,
}

impl Recorder<'_> {
    fn item(&mut self, item: TailItem) -> Result<(), RecordError> {
        match item {
            TailItem::Opened { file, source, path, start } => {
                let (generation, parent) = match start {
                    Start::New { parent } => (None, parent.map(|(generation, _)| generation)),
                    Start::Known(position) => (Some(position.generation), None),
                };
                let (source_text, path) = (source.to_string(), path.display().to_string());
                self.files.insert(
                    file,
                    OpenFile { source, source_text, path, generation, parent, refused: false },
                );
                Ok(())
            }
            TailItem::Lines { file, offset, lines, continued, unterminated } => {
                self.lines(file, offset, &lines, continued, unterminated)
            }
            TailItem::Finished { file } => {
                self.files.remove(&file);
                Ok(())
            }
            TailItem::Notice(notice) => match fact(&notice) {
                Some(fact) => self.own(&OwnLine::now(fact)),
                None => Ok(()),
            },
            TailItem::CaughtUp => Ok(()),
        }
    }

    fn lines(
        &mut self,
        file: FileId,
        offset: u64,
        lines: &Lines,
        continued: bool,
        unterminated: bool,
    ) -> Result<(), RecordError> {
        let open =
            self.files.get_mut(&file).expect("the tail opens a file before it sends lines of it");
        if open.refused {
            return Ok(());
        }
        if !self.options.allow_raw.contains(&open.source)
            && lines.iter().any(decode::logs_clear_tokens)
        {
            let path = open.path.clone();
            if self.options.clear_tokens_are_fatal {
                return Err(RecordError::ClearTokens { path });
            }
            tracing::error!(source = %open.source, path, "source refused: it logs tokens in clear (log_raw); switch that off or set allow_raw = true");
            open.refused = true;
            let source = open.source_text.clone();
            return self.own(&OwnLine::now(Fact::RefusedRaw { source, path }));
        }
        let appended = self.ledger.append(&NewBatch {
            stream: Stream::Lines,
            source: &open.source_text,
            generation: open.generation,
            parent: open.parent,
            offset,
            reader: self.options.reader,
            arrived_unix_ns: now_unix_ns(),
            continued,
            unterminated,
            lines,
        })?;
        open.generation = Some(appended.generation);
        open.parent = None;
        let bytes = lines.bytes.len() as u64;
        self.recorded.lines += lines.len() as u64;
        self.recorded.bytes += bytes;
        self.unflushed += bytes;
        Ok(())
    }

    fn own(&mut self, line: &OwnLine) -> Result<(), RecordError> {
        let mut lines = Lines::default();
        lines.push(&line.to_bytes());
        let offset = self.own.map_or(0, |position| position.offset);
        let appended = self.ledger.append(&NewBatch {
            stream: Stream::Own,
            source: OWN_SOURCE,
            generation: self.own.map(|position| position.generation),
            parent: None,
            offset,
            reader: Reader::Live,
            arrived_unix_ns: now_unix_ns(),
            continued: false,
            unterminated: false,
            lines: &lines,
        })?;
        let bytes = lines.bytes.len() as u64;
        self.own = Some(Position { generation: appended.generation, offset: offset + bytes });
        self.unflushed += bytes;
        Ok(())
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
