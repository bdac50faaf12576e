//! One followed file: its descriptor, what it is known to be, and how far it has been read.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::compressed::{Compression, MAGIC_BYTES, Uncompressed};
use super::content::{Content, ReadAt, open_regular};
use super::copies::{Marks, head};
use super::identity::LeafHash;
use super::item::FileId;
use super::lines::LeafStream;
use super::missed::Listing;
use super::names::Names;
use super::siblings::rotated_from;
use crate::source::{Generation, Position, SourceId};

/// Bytes of a compressed file that is read twice rather than waited for.
const WHOLE_MAX: u64 = 8 << 20;

/// A file as the system knows it, while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileKey {
    device: u64,
    inode: u64,
}

impl FileKey {
    pub(super) fn of(metadata: &Metadata) -> FileKey {
        FileKey { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// What tells that a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) modified: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Stamp {
        Stamp { size: metadata.size(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

/// What is known of a file's content.
pub(super) enum State {
    /// Not recognised: empty, without a whole line, or waiting for what another file has under way.
    Waiting,
    /// All of it is known, or another file is reading the same content; compared again when it changes
    /// or when the other one is done.
    Shadow { id: FileId, position: Position, held_by: Option<FileKey> },
    /// Being read.
    Reading { id: FileId, stream: LeafStream<Content> },
}

/// A followed file.
pub(super) struct FollowedFile {
    pub(super) key: FileKey,
    pub(super) source: Arc<SourceId>,
    pub(super) path: PathBuf,
    pub(super) state: State,
    /// The descriptor outlives names: a renamed or deleted file is still read through it.
    handle: Arc<File>,
    pub(super) stamp: Stamp,
    /// Its size before the last change: bytes of this content that stood in it.
    size_before: u64,
    /// Bytes of it that no name leads to any more are freed when it is closed.
    pub(super) deleted: bool,
    pub(super) changed: Instant,
    /// When its path was first seen to name another file, or a younger sibling to stand beside it.
    pub(super) replaced: Option<Instant>,
    /// That it was renamed or deleted has been told.
    pub(super) told: bool,
    /// How often it was taken up again after it had been finished.
    pub(super) returns: u32,
    /// What it looked like when it was last compared in vain.
    pub(super) compared: Option<Stamp>,
    /// It gives nothing before the ledger has what another file has sent, or the source's joint is told.
    pub(super) waits_for_ledger: bool,
    /// It was opened under a name that is not a rotation's: its rotation was seen.
    pub(super) lived: bool,
    /// The disk gave an error instead of its bytes at the last try, so that what was read is not all of it.
    pub(super) failing: bool,
    /// Whether it could be uncompressed to its end, and what it looked like then.
    whole: Option<(Stamp, bool)>,
    /// What it looked like when it had given all that it held, while nothing stood in its place.
    pub(super) rest: Option<Stamp>,
    /// When its rotated siblings were looked at.
    pub(super) listing: Option<Listing>,
    /// Its first bytes, when it was compared last.
    pub(super) head: Vec<u8>,
    /// How much of it was known when it was compared last.
    pub(super) known_to: u64,
    /// Hash of its first leaf, once recognised.
    pub(super) first: Option<LeafHash>,
    /// The generation that it goes on with, if that is known.
    pub(super) generation: Option<Generation>,
    /// The last leaf sent: the place after it, and its hash.
    pub(super) sent: Option<(u64, LeafHash)>,
}

impl FollowedFile {
    /// Opens a file, if it is a regular one.
    ///
    /// # Errors
    /// It cannot be opened, or is a folder, a pipe or the like.
    pub(super) fn open(
        path: &Path,
        source: Arc<SourceId>,
        now: Instant,
    ) -> io::Result<FollowedFile> {
        let (handle, metadata) = open_regular(path)?;
        // A file that has been still for an hour need not be watched for two seconds more.
        let still = metadata
            .modified()
            .ok()
            .and_then(|modified| SystemTime::now().duration_since(modified).ok());
        Ok(FollowedFile {
            key: FileKey::of(&metadata),
            source,
            path: path.to_owned(),
            state: State::Waiting,
            handle: Arc::new(handle),
            stamp: Stamp::of(&metadata),
            size_before: 0,
            deleted: false,
            changed: still.and_then(|still| now.checked_sub(still)).unwrap_or(now),
            replaced: None,
            told: false,
            returns: 0,
            compared: None,
            waits_for_ledger: false,
            lived: rotated_from(path).is_none(),
            failing: false,
            whole: None,
            rest: None,
            listing: None,
            head: Vec::new(),
            known_to: 0,
            first: None,
            generation: None,
            sent: None,
        })
    }

    /// Looks at the file; tells whether it has changed since the last look.
    ///
    /// # Errors
    /// The system cannot tell.
    pub(super) fn look(&mut self, now: Instant) -> io::Result<bool> {
        let metadata = self.handle.metadata()?;
        let stamp = Stamp::of(&metadata);
        let changed = stamp != self.stamp;
        if changed {
            self.size_before = self.stamp.size;
            self.stamp = stamp;
            self.changed = now;
        }
        self.deleted = metadata.nlink() == 0;
        Ok(changed)
    }

    /// Returns how far the content had been read if it no longer stands: the file is shorter than that,
    /// or other bytes are in its place.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn ended_at(&mut self, changed: bool) -> io::Result<Option<u64>> {
        match (&mut self.state, self.compared) {
            (State::Waiting, Some(compared)) if changed => {
                let stands =
                    self.stamp.size >= compared.size && head(&self.handle)?.starts_with(&self.head);
                Ok((!stands).then_some(self.known_to))
            }
            (State::Waiting, _) => Ok(None),
            (State::Shadow { .. }, compared) => {
                Ok(compared.map(|compared| compared.size).filter(|&size| self.stamp.size < size))
            }
            (State::Reading { stream, .. }, _) => {
                let read_to = stream.read_to();
                Ok(match stream.input() {
                    // Its own size says nothing of the content's.
                    Content::Compressed(_) => None,
                    Content::Growing(_) if self.stamp.size < read_to => Some(read_to),
                    Content::Growing(input)
                        if (changed || input.was_written_anew()) && !input.stands()? =>
                    {
                        Some(read_to)
                    }
                    Content::Growing(_) => None,
                })
            }
        }
    }

    /// Returns how many bytes that stood in a content of which `read_to` were read are known to be lost,
    /// when that content has ended at the last look.
    pub(super) fn lost(&self, read_to: u64) -> u64 {
        match self.state {
            State::Reading { .. } => self.size_before.saturating_sub(read_to),
            State::Waiting if !self.waits_for_ledger => self.size_before.saturating_sub(read_to),
            // What another file gives, too.
            State::Waiting | State::Shadow { .. } => 0,
        }
    }

    /// Returns by what a copy of the content is known; none if other files hold it anyway.
    pub(super) fn marks(&mut self) -> Option<Marks> {
        let head = self.head.clone();
        match &mut self.state {
            State::Waiting => Some(Marks { read_to: head.len() as u64, anchor: Vec::new(), head }),
            State::Shadow { .. } => None,
            State::Reading { stream, .. } => {
                let read_to = stream.read_to();
                let anchor = match stream.input() {
                    Content::Growing(input) => input.anchor().to_vec(),
                    Content::Compressed(_) => return None,
                };
                Some(Marks { head, anchor, read_to })
            }
        }
    }

    /// Notes the first bytes, as far as they stand there now.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn note_head(&mut self) -> io::Result<()> {
        self.head = head(&self.handle)?;
        Ok(())
    }

    /// Tells whether its name still leads to it and nothing has changed since it had given all that it held: then a
    /// look at it costs nothing more than the look at its name.
    pub(super) fn is_still(&self, seen: &Names) -> bool {
        self.rest.is_some_and(|rest| {
            rest == self.stamp
                && seen
                    .named(&self.path)
                    .is_some_and(|(key, stamp)| key == self.key && stamp == rest)
        })
    }

    /// Tells whether all that stood in it at the last look has been read, the start of a line included.
    pub(super) fn reached_end(&mut self) -> bool {
        match &mut self.state {
            State::Waiting => self.compared == Some(self.stamp),
            State::Shadow { held_by, .. } => held_by.is_none() && self.compared == Some(self.stamp),
            State::Reading { stream, .. } => match stream.input() {
                Content::Growing(input) => {
                    !input.was_written_anew() && stream.read_to() == self.stamp.size
                }
                Content::Compressed(_) => false,
            },
        }
    }

    /// Tells whether all that stands in it has been given, so that it can be closed until it changes.
    pub(super) fn gave_all(&self) -> bool {
        !self.waits()
            && match &self.state {
                State::Waiting => self.stamp.size == 0,
                State::Shadow { .. } => true,
                State::Reading { stream, .. } => stream.offset() == self.stamp.size,
            }
    }

    /// Tells whether the file has not changed for so long.
    pub(super) fn is_quiet(&self, now: Instant, quiet: Duration) -> bool {
        now.saturating_duration_since(self.changed) >= quiet
    }

    /// Tells whether the file is compressed, and so read as a whole or not at all.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn is_compressed(&self) -> io::Result<bool> {
        let mut head = Vec::with_capacity(MAGIC_BYTES);
        ReadAt::new(&self.handle).take(MAGIC_BYTES as u64).read_to_end(&mut head)?;
        Ok(Compression::of(&head) != Compression::None)
    }

    /// Tells whether a small compressed file can be uncompressed to its end, check sum included. It is tried once for
    /// each state of the file; to try a large one would take longer than to wait until it is quiet.
    pub(super) fn is_whole(&mut self) -> bool {
        if let Some((stamp, whole)) = self.whole
            && stamp == self.stamp
        {
            return whole;
        }
        let whole = self.stamp.size <= WHOLE_MAX
            && Uncompressed::new(ReadAt::new(&self.handle))
                .and_then(|mut content| io::copy(&mut content, &mut io::sink()))
                .is_ok();
        self.whole = Some((self.stamp, whole));
        whole
    }

    /// Returns the file's leaves from its first byte on.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn leaves(&self, chunk_bytes: usize) -> io::Result<LeafStream<Content>> {
        let content = match self.is_compressed()? {
            true => Content::Compressed(Uncompressed::new(ReadAt::new(&self.handle))?),
            false => Content::Growing(ReadAt::new(&self.handle)),
        };
        Ok(LeafStream::new(content, chunk_bytes))
    }

    /// Returns the file's number, if it has been recognised.
    pub(super) fn id(&self) -> Option<FileId> {
        match self.state {
            State::Waiting => None,
            State::Shadow { id, .. } | State::Reading { id, .. } => Some(id),
        }
    }

    /// Returns how many bytes of the content are dealt with.
    pub(super) fn read_to(&self) -> u64 {
        match &self.state {
            State::Waiting => 0,
            State::Shadow { position, .. } => position.offset,
            State::Reading { stream, .. } => stream.read_to(),
        }
    }

    /// Tells whether something must happen before it gives what it holds.
    pub(super) fn waits(&self) -> bool {
        self.waits_for_ledger || matches!(self.state, State::Shadow { held_by: Some(_), .. })
    }

    /// Forgets what the content is known to be.
    pub(super) fn forget(&mut self) {
        self.state = State::Waiting;
        self.rest = None;
        self.compared = None;
        self.waits_for_ledger = false;
        self.head.clear();
        self.known_to = 0;
        self.first = None;
        self.generation = None;
        self.sent = None;
    }
}
