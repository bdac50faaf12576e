//! Appends what the tail says, and keeps it until it is durable: after a write that failed the ledger takes away
//! what was not flushed, and that is appended again.

use std::collections::HashMap;
use std::sync::Arc;

use super::{RecordError, RecordOptions, Recorded, fact, now_unix_ns};
use crate::decode;
use crate::ledger::{Appended, Ledger, NewBatch, Stream};
use crate::own::{Fact, OWN_SOURCE, OwnLine};
use crate::source::{Generation, Lines, Position, Reader, SourceId};
use crate::spare;
use crate::tail::{FileId, Start, TailItem};

pub(super) struct Recorder<'a> {
    ledger: &'a mut Ledger,
    options: &'a RecordOptions,
    /// Where our own lines stand: one generation for ever.
    own: Option<Position>,
    files: HashMap<FileId, OpenFile>,
    /// Files that give nothing more, until what they gave is durable.
    finished: Vec<FileId>,
    recorded: Recorded,
    /// What may have to be appended again, in order.
    unflushed: Vec<Unflushed>,
    unflushed_bytes: u64,
}

struct OpenFile {
    source: Arc<SourceId>,
    source_text: String,
    path: String,
    generation: Option<Generation>,
    /// The generation as of the last flush: one begun since may get another number.
    durable: Option<Generation>,
    parent: Option<Generation>,
    refused: bool,
}

struct Unflushed {
    batch: Batch,
    lines: Lines,
    arrived_unix_ns: i64,
    appended: Option<Appended>,
}

#[derive(Clone, Copy)]
enum Batch {
    Lines { file: FileId, offset: u64, continued: bool, unterminated: bool },
    Own,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(ledger: &'a mut Ledger, options: &'a RecordOptions) -> Recorder<'a> {
        Recorder {
            own: end_of_own(ledger),
            ledger,
            options,
            files: HashMap::new(),
            finished: Vec::new(),
            recorded: Recorded::default(),
            unflushed: Vec::new(),
            unflushed_bytes: 0,
        }
    }

    /// Returns what was recorded so far, what is not durable yet included.
    pub(super) fn recorded(&self) -> Recorded {
        self.recorded
    }

    /// Returns how many bytes of lines are not durable yet.
    pub(super) fn unflushed_bytes(&self) -> u64 {
        self.unflushed_bytes
    }

    pub(super) fn item(&mut self, item: TailItem) -> Result<(), RecordError> {
        match item {
            TailItem::Opened { file, source, path, start } => {
                let (generation, parent) = match start {
                    Start::New { parent } => (None, parent.map(|(generation, _)| generation)),
                    Start::Known(position) => (Some(position.generation), None),
                };
                let open = OpenFile {
                    source_text: source.to_string(),
                    source,
                    path: path.display().to_string(),
                    generation,
                    durable: generation,
                    parent,
                    refused: false,
                };
                self.files.insert(file, open);
                Ok(())
            }
            TailItem::Lines { file, offset, lines, continued, unterminated } => {
                self.lines(Batch::Lines { file, offset, continued, unterminated }, file, lines)
            }
            TailItem::Finished { file } => {
                self.finished.push(file);
                if self.unflushed.is_empty() {
                    self.forget_finished();
                }
                Ok(())
            }
            TailItem::Notice(notice) => match fact(&notice) {
                Some(fact) => self.own(&OwnLine::now(fact)),
                None => Ok(()),
            },
            TailItem::CaughtUp => Ok(()),
        }
    }

    fn lines(&mut self, batch: Batch, file: FileId, lines: Lines) -> Result<(), RecordError> {
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
        self.recorded.lines += lines.len() as u64;
        self.recorded.bytes += lines.bytes.len() as u64;
        self.keep(batch, lines);
        self.append(self.unflushed.len() - 1)
    }

    pub(super) fn own(&mut self, line: &OwnLine) -> Result<(), RecordError> {
        self.keep_own(line);
        self.append(self.unflushed.len() - 1)
    }

    /// Takes a line of our own that [`Recorder::append_again`] will append.
    pub(super) fn keep_own(&mut self, line: &OwnLine) {
        let mut lines = Lines::default();
        lines.push(&line.to_bytes());
        self.keep(Batch::Own, lines);
    }

    fn keep(&mut self, batch: Batch, lines: Lines) {
        self.unflushed_bytes += lines.bytes.len() as u64;
        let arrived_unix_ns = now_unix_ns();
        self.unflushed.push(Unflushed { batch, lines, arrived_unix_ns, appended: None });
    }

    /// Appends one of the kept batches.
    fn append(&mut self, at: usize) -> Result<(), RecordError> {
        let Unflushed { batch, lines, arrived_unix_ns, appended } = &mut self.unflushed[at];
        let new = NewBatch {
            stream: Stream::Own,
            source: OWN_SOURCE,
            generation: self.own.map(|position| position.generation),
            parent: None,
            offset: self.own.map_or(0, |position| position.offset),
            reader: Reader::Live,
            arrived_unix_ns: *arrived_unix_ns,
            continued: false,
            unterminated: false,
            lines,
        };
        let done = match *batch {
            Batch::Own => {
                let done = self.ledger.append(&new)?;
                let offset = new.offset + lines.bytes.len() as u64;
                self.own = Some(Position { generation: done.generation, offset });
                done
            }
            Batch::Lines { file, offset, continued, unterminated } => {
                let open = self.files.get_mut(&file).expect("a file stays until all is durable");
                let done = self.ledger.append(&NewBatch {
                    stream: Stream::Lines,
                    source: &open.source_text,
                    generation: open.generation,
                    parent: open.parent,
                    offset,
                    reader: self.options.reader,
                    continued,
                    unterminated,
                    ..new
                })?;
                open.generation = Some(done.generation);
                done
            }
        };
        *appended = Some(done);
        Ok(())
    }

    /// Makes everything appended durable.
    pub(super) fn flush(&mut self) -> Result<(), RecordError> {
        self.ledger.flush()?;
        self.files.values_mut().for_each(|file| file.durable = file.generation);
        self.unflushed.drain(..).for_each(|kept| spare::give_back(kept.lines.bytes));
        self.unflushed_bytes = 0;
        self.forget_finished();
        Ok(())
    }

    fn forget_finished(&mut self) {
        for file in self.finished.drain(..) {
            self.files.remove(&file);
        }
    }

    /// Signs what is durable, and returns how many leaves that are.
    pub(super) fn checkpoint(&mut self) -> Result<u64, RecordError> {
        Ok(self.ledger.checkpoint()?.size)
    }

    /// Lets a segment that is old enough be sealed.
    pub(super) fn finish_old_segments(&mut self) -> Result<(), RecordError> {
        Ok(self.ledger.finish_old_segments(now_unix_ns())?)
    }

    /// Opens the ledger again if a write has failed, appends what it does not have, and makes it durable.
    pub(super) fn append_again(&mut self) -> Result<(), RecordError> {
        if self.ledger.is_stopped() {
            self.ledger.reopen()?;
            let durable = self.ledger.durable();
            let files = &mut self.files;
            // A flush on the way may have made some of it durable.
            self.unflushed.retain(|kept| match (kept.appended, kept.batch) {
                (Some(appended), batch) if appended.end <= durable => {
                    if let Batch::Lines { file, .. } = batch
                        && let Some(file) = files.get_mut(&file)
                    {
                        file.durable = Some(appended.generation);
                    }
                    false
                }
                _ => true,
            });
            self.files.values_mut().for_each(|file| file.generation = file.durable);
            self.unflushed.iter_mut().for_each(|kept| kept.appended = None);
            self.own = end_of_own(self.ledger);
        }
        for at in 0..self.unflushed.len() {
            if self.unflushed[at].appended.is_none() {
                self.append(at)?;
            }
        }
        self.flush()
    }
}

/// Returns where our own lines end.
fn end_of_own(ledger: &Ledger) -> Option<Position> {
    let own = ledger.generations().find(|info| &*info.source == OWN_SOURCE)?;
    Some(Position { generation: own.generation, offset: own.end })
}
