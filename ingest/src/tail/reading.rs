//! Sends what a file holds: whole lines as they come, the last bytes once it is finished.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::copies::copy_of;
use super::discover::Opened;
use super::file::{FileKey, State};
use super::follow::{Departed, Flow, Out, Returned, Step, Tail, emit};
use super::identity::{End, leaf_hash};
use super::item::{Notice, TailItem};
use super::lines::Batch;
use super::unreadable::explain;
use crate::source::SourceId;

/// Items of one file in one round, so that a backlog does not hide what happens to the names.
const ROUND_BATCHES: usize = 16;
/// Closed contents that are remembered until the ledger has them; one a rotation.
const DEPARTED_MAX: usize = 256;
/// Compressed files that are remembered as looked through; as many are looked at twice over.
const LOOKED_THROUGH_MAX: usize = 128;

impl Tail {
    /// Ends a content whose bytes are no longer those that were read. If a rotated sibling is a copy of
    /// it, that is read on, before the file itself: then returns true.
    pub(super) fn truncated(
        &mut self,
        index: usize,
        read_to: u64,
        now: Instant,
        out: Out<'_>,
    ) -> Flow<bool> {
        let file = &mut self.files[index];
        let (path, source) = (file.path.clone(), Arc::clone(&file.source));
        let copy = file.marks().and_then(|marks| copy_of(&path, &marks));
        let lost = match &copy {
            Some(copy) => file.lost(copy.length),
            None => file.lost(read_to),
        };
        // The copy has the whole line of which this is the start.
        if copy.is_none() {
            self.send_rest(index, out)?;
        }
        let file = &self.files[index];
        let had_content = file.id().is_some() || lost > 0;
        match &copy {
            Some(copy) if lost == 0 => {
                let why = format!(
                    "cut after it had been copied to {} (copytruncate); that is read on, but what was written between copying \
                     and cutting is lost without a trace",
                    copy.path.display()
                );
                self.joined(&path, &source, false, why, out)?;
            }
            _ if had_content => {
                let notice = Notice::Truncated {
                    path,
                    source: SourceId::clone(&source),
                    read_to: copy.as_ref().map_or(read_to, |copy| copy.length),
                    size_now: file.stamp.size,
                    at_least: lost,
                };
                emit(out, TailItem::Notice(notice))?;
            }
            _ => {}
        }
        self.close(index, out)?;
        let Some(copy) = copy else { return ControlFlow::Continue(false) };
        let mut place = index;
        for path in [copy.path].into_iter().chain(copy.younger) {
            place += usize::from(self.open_before(place, &path, &source, now));
        }
        ControlFlow::Continue(true)
    }

    /// Puts a file into a place of the list, so that it is read before those after it; opens it if need be.
    fn open_before(
        &mut self,
        place: usize,
        path: &Path,
        source: &Arc<SourceId>,
        now: Instant,
    ) -> bool {
        let file = match self.open(path, None, source, now) {
            Opened::File(file) => Some(*file),
            Opened::Not | Opened::Other => {
                let key = fs::metadata(path).map(|metadata| FileKey::of(&metadata)).ok();
                let at = self.files.iter().position(|file| Some(file.key) == key);
                at.filter(|&at| at > place).map(|at| self.files.remove(at))
            }
        };
        let opened = file.is_some();
        if let Some(file) = file {
            self.files.insert(place, file);
        }
        opened
    }

    /// Ends a file that will not grow any more, and takes it out of the list.
    pub(super) fn finish(
        &mut self,
        index: usize,
        present: bool,
        end: End,
        now: Instant,
        out: Out<'_>,
    ) -> Flow<Step> {
        // What did not look like a line yet is one now; a compressed file was read so from the start.
        if end == End::Open && !matches!(self.files[index].state, State::Reading { .. }) {
            self.files[index].compared = None;
            if let Err(error) = self.recognise(index, End::Closed, now, out)? {
                return self.trouble(index, &error);
            }
            if self.files[index].waits() {
                return ControlFlow::Continue(Step::Waits);
            }
            if !self.read(index, out)? {
                return ControlFlow::Continue(Step::More);
            }
            if self.files[index].failing {
                return ControlFlow::Continue(Step::Waits);
            }
        }
        self.send_rest(index, out)?;
        let read_to = self.files[index].read_to();
        self.close(index, out)?;
        let file = self.files.remove(index);
        if end == End::Open && file.lived && file.returns == 0 && read_to > 0 {
            let why = format!("rotated, and read to its end at byte {read_to}");
            self.joined(&file.path, &file.source, true, why, out)?;
        }
        if present {
            self.finished.insert(file.key, Returned { stamp: file.stamp, times: file.returns });
        } else if end == End::Open {
            self.let_linger(file, now, out)?;
        } else {
            // It will not grow. One that holds nothing, or is damaged, would be missed anew at each look.
            self.looked_through.truncate(LOOKED_THROUGH_MAX - 1);
            self.looked_through.push_front((file.key, file.stamp));
        }
        ControlFlow::Continue(Step::Gone)
    }

    /// Says that the content gives nothing more, and forgets what it was.
    pub(super) fn close(&mut self, index: usize, out: Out<'_>) -> Flow<()> {
        let file = &mut self.files[index];
        if let (Some(first), Some(sent)) = (file.first, file.sent) {
            self.departed.push_back(Departed { source: Arc::clone(&file.source), first, sent });
            if self.departed.len() > DEPARTED_MAX {
                self.departed.pop_front();
            }
        }
        let id = file.id();
        file.forget();
        match id {
            Some(file) => emit(out, TailItem::Finished { file }),
            None => ControlFlow::Continue(()),
        }
    }

    /// Sends whole lines; says whether the end has been reached.
    pub(super) fn read(&mut self, index: usize, out: Out<'_>) -> Flow<bool> {
        let file = &mut self.files[index];
        file.failing &= !matches!(file.state, State::Reading { .. });
        for _ in 0..ROUND_BATCHES {
            let State::Reading { stream, .. } = &mut self.files[index].state else { break };
            match stream.next() {
                Some(batch) => self.send(index, batch, out)?,
                None => {
                    let offset = stream.read_to();
                    if let Some(error) = stream.failure() {
                        self.reading_failed(index, offset, &error, out)?;
                    }
                    return ControlFlow::Continue(true);
                }
            }
        }
        ControlFlow::Continue(!matches!(self.files[index].state, State::Reading { .. }))
    }

    /// Tells of an input that ended early: what was read before counts, and a file that is not compressed
    /// is tried again in the next round.
    pub(super) fn reading_failed(
        &mut self,
        index: usize,
        offset: u64,
        error: &io::Error,
        out: Out<'_>,
    ) -> Flow<()> {
        let file = &self.files[index];
        let (path, source) = (file.path.clone(), SourceId::clone(&file.source));
        match file.is_compressed() {
            Ok(true) => emit(
                out,
                TailItem::Notice(Notice::Damaged {
                    path,
                    source,
                    offset,
                    reason: error.to_string(),
                }),
            ),
            Ok(false) | Err(_) => {
                let reason = explain(&path, error);
                self.files[index].failing = true;
                self.troubles().add(path, &source, reason);
                ControlFlow::Continue(())
            }
        }
    }

    /// Sends what has been read and not sent: the bytes after the last line, at least.
    fn send_rest(&mut self, index: usize, out: Out<'_>) -> Flow<()> {
        while let State::Reading { stream, .. } = &mut self.files[index].state {
            match stream.finish() {
                Some(batch) => self.send(index, batch, out)?,
                None => break,
            }
        }
        ControlFlow::Continue(())
    }

    fn send(&mut self, index: usize, batch: Batch, out: Out<'_>) -> Flow<()> {
        let file = &mut self.files[index];
        let id = file.id().expect("only what has been opened is sent");
        file.sent = Some((batch.end(), leaf_hash(batch.last())));
        self.fell_behind();
        let Batch { offset, lines, continued, unterminated } = batch;
        emit(out, TailItem::Lines { file: id, offset, lines, continued, unterminated })
    }

    /// Remembers that a file cannot be read now; the next round tries again.
    pub(super) fn trouble(&mut self, index: usize, error: &io::Error) -> Flow<Step> {
        let file = &self.files[index];
        let (path, source) = (file.path.clone(), SourceId::clone(&file.source));
        let reason = explain(&path, error);
        self.troubles().add(path, &source, reason);
        ControlFlow::Continue(Step::Waits)
    }
}
