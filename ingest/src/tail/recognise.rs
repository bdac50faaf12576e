//! Decides what a followed file is, given what the ledger knows and what other files are doing.
//!
//! The ledger lags behind what has been sent, and a copy of a file can stand beside it (`copytruncate`
//! makes one). Two rules keep every byte single:
//!
//! - a file that starts like another one gives nothing before the ledger has what that one sent;
//! - one content is read through one file at a time. The others are shadows: whatever they hold comes
//!   through the reader too, or is read from them once the reader is done or quiet.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use super::content::Content;
use super::file::{FileKey, State};
use super::follow::{Flow, Out, Tail, emit};
use super::identity::{End, LeafHash, Likeness, Relation, compare, is_known};
use super::item::{FileId, Start, TailItem};
use super::lines::LeafStream;
use crate::source::{Generation, Position};

impl Tail {
    /// Compares a file that is not being read with what is known, if there is a reason to, and starts
    /// reading it if it has something to give.
    pub(super) fn recognise(
        &mut self,
        index: usize,
        end: End,
        now: Instant,
        out: Out<'_>,
    ) -> Flow<io::Result<()>> {
        if !self.is_due(index, now) {
            return ControlFlow::Continue(Ok(()));
        }
        let file = &mut self.files[index];
        file.failing = false;
        let opened = file.note_head().and_then(|()| file.leaves(self.options.batch_bytes));
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(error) => return ControlFlow::Continue(Err(error)),
        };
        let likeness = compare(&mut stream, end, &file.source.to_string(), &*self.known);
        let file = &mut self.files[index];
        file.compared = Some(file.stamp);
        file.waits_for_ledger = false;
        let gives = |likeness: &Likeness| !matches!(likeness.relation, Relation::Within(_));
        if !likeness.as_ref().is_some_and(gives) {
            let offset = stream.read_to();
            if let Some(error) = stream.failure() {
                self.reading_failed(index, offset, &error, out)?;
            }
        }
        let Some(Likeness { first, known_to, relation }) = likeness else {
            return ControlFlow::Continue(Ok(()));
        };
        self.files[index].first = Some(first);
        self.files[index].known_to = known_to;
        self.note_joint(index, relation);
        let known = |generation| Position { generation, offset: known_to };
        let start = match relation {
            Relation::Within(generation) => {
                self.shadow(index, known(generation), None, out)?;
                return ControlFlow::Continue(Ok(()));
            }
            // Nothing new is read before it is told what is missing before it.
            Relation::New | Relation::Parts(_)
                if self.joints.is_open(&self.files[index].source) =>
            {
                self.files[index].waits_for_ledger = true;
                return ControlFlow::Continue(Ok(()));
            }
            _ if self.is_under_way(index, &first) => {
                self.files[index].waits_for_ledger = true;
                return ControlFlow::Continue(Ok(()));
            }
            Relation::Continues(generation) => {
                if let Some(reader) = self.reader(index, &first, generation) {
                    if !self.is_idle(reader, now) {
                        let held_by = Some(self.files[reader].key);
                        self.shadow(index, known(generation), held_by, out)?;
                        return ControlFlow::Continue(Ok(()));
                    }
                    self.make_shadow(reader, generation);
                }
                Start::Known(known(generation))
            }
            Relation::Parts(generation) => Start::New { parent: Some((generation, known_to)) },
            Relation::New => Start::New { parent: None },
        };
        self.start(index, start, stream, out)?;
        ControlFlow::Continue(Ok(()))
    }

    /// Notes whether the file holds all that is known of a content.
    fn note_joint(&mut self, index: usize, relation: Relation) {
        let file = &self.files[index];
        let holds_all =
            |generation| self.known.end(generation).is_some_and(|(end, _)| end == file.stamp.size);
        match relation {
            Relation::Continues(generation) => self.joints.found(&file.source, generation),
            // Its last bytes are no line, and are known from when it was finished.
            Relation::Within(generation)
                if self.joints.is_open(&file.source) && holds_all(generation) =>
            {
                self.joints.found(&file.source, generation);
            }
            Relation::Within(_) | Relation::Parts(_) | Relation::New => {}
        }
    }

    /// Tells whether a comparison may come to another end than the last one.
    fn is_due(&self, index: usize, now: Instant) -> bool {
        let file = &self.files[index];
        let released = match &file.state {
            State::Reading { .. } => return false,
            State::Waiting | State::Shadow { held_by: None, .. } => false,
            State::Shadow { held_by: Some(key), .. } => {
                let reader = self.files.iter().position(|file| file.key == *key);
                reader.is_none_or(|reader| self.is_idle(reader, now))
            }
        };
        released || file.waits_for_ledger || file.failing || file.compared != Some(file.stamp)
    }

    /// Tells whether a content that starts alike has been sent further than the ledger has it.
    fn is_under_way(&mut self, index: usize, first: &LeafHash) -> bool {
        let file = &self.files[index];
        let source = file.source.to_string();
        let known = &*self.known;
        self.departed.retain(|other| {
            other.source != file.source
                || other.first != *first
                || !is_known(known, &source, first, other.sent)
        });
        let departed = self
            .departed
            .iter()
            .filter(|other| other.source == file.source && other.first == *first);
        let mut others = self.files.iter().enumerate().filter_map(|(other, candidate)| {
            let alike = other != index
                && candidate.source == file.source
                && candidate.first == Some(*first);
            alike.then_some(candidate.sent).flatten()
        });
        departed.count() > 0 || others.any(|sent| !is_known(known, &source, first, sent))
    }

    /// Returns the other file through which this generation is being read.
    fn reader(&self, index: usize, first: &LeafHash, generation: Generation) -> Option<usize> {
        let source = &self.files[index].source;
        let holds = |leaf: (u64, LeafHash)| self.known.lines(generation).any(|known| known == leaf);
        self.files.iter().enumerate().position(|(other, file)| {
            other != index
                && file.source == *source
                && file.first == Some(*first)
                && matches!(file.state, State::Reading { .. })
                && match file.generation {
                    Some(other) => other == generation,
                    None => file.sent.is_some_and(holds),
                }
        })
    }

    /// Tells whether a file has given all that it holds and stopped growing, or is not being read.
    fn is_idle(&self, index: usize, now: Instant) -> bool {
        let file = &self.files[index];
        match &file.state {
            State::Reading { stream, .. } => {
                stream.read_to() >= file.stamp.size && file.is_quiet(now, self.options.quiet)
            }
            State::Waiting | State::Shadow { .. } => true,
        }
    }

    /// Lets another file read on what this one has read.
    fn make_shadow(&mut self, index: usize, generation: Generation) {
        let file = &mut self.files[index];
        if let State::Reading { id, stream } = &file.state {
            let position = Position { generation, offset: stream.offset() };
            file.compared = Some(file.stamp);
            file.state = State::Shadow { id: *id, position, held_by: None };
        }
    }

    fn shadow(
        &mut self,
        index: usize,
        position: Position,
        held_by: Option<FileKey>,
        out: Out<'_>,
    ) -> Flow<()> {
        let (id, position) = match self.files[index].state {
            // What has been said of it stays true: nothing has been given since.
            State::Shadow { id, position, .. } => (id, position),
            State::Waiting | State::Reading { .. } => {
                (self.opened(index, Start::Known(position), out)?, position)
            }
        };
        self.files[index].state = State::Shadow { id, position, held_by };
        ControlFlow::Continue(())
    }

    fn start(
        &mut self,
        index: usize,
        start: Start,
        stream: LeafStream<Content>,
        out: Out<'_>,
    ) -> Flow<()> {
        let id = match self.files[index].state {
            State::Shadow { id, position, .. } if start == Start::Known(position) => id,
            State::Shadow { id, .. } => {
                emit(out, TailItem::Finished { file: id })?;
                self.opened(index, start, out)?
            }
            State::Waiting | State::Reading { .. } => self.opened(index, start, out)?,
        };
        let file = &mut self.files[index];
        file.generation = match start {
            Start::Known(position) => Some(position.generation),
            Start::New { .. } => None,
        };
        file.state = State::Reading { id, stream };
        ControlFlow::Continue(())
    }

    fn opened(&mut self, index: usize, start: Start, out: Out<'_>) -> Flow<FileId> {
        self.fell_behind();
        let id = FileId::next();
        let file = &self.files[index];
        let (source, path) = (Arc::clone(&file.source), file.path.clone());
        emit(out, TailItem::Opened { file: id, source, path, start })?;
        ControlFlow::Continue(id)
    }
}
