//! The bytes of a followed file, read through its descriptor at a place of their own.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;

use super::compressed::Uncompressed;
use super::identity::{LeafHash, leaf_hash};
use super::lines::LeafStream;

/// Bytes before the reading place that must still stand there, or the file has been written anew. A
/// truncated file that has grown past that place since the last look is told by nothing else.
const ANCHOR_BYTES: usize = 1024;

/// Bytes read at once to see a file's first line.
const FIRST_LINE_CHUNK: usize = 1 << 14;

/// Opens a regular file for reading and never waits, not even for the writer of a pipe that somebody
/// put in its place.
///
/// # Errors
/// It cannot be opened, or is a folder, a pipe or the like.
pub(super) fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).expect("a flag of the system");
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    match metadata.file_type() {
        kind if kind.is_file() => Ok((file, metadata)),
        kind if kind.is_dir() => {
            Err(io::Error::new(io::ErrorKind::IsADirectory, "this is a folder, not a file"))
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a regular file")),
    }
}

/// Returns the hash of the first whole leaf in a file that is read from its start, if it has one.
///
/// # Errors
/// It cannot be read.
pub(super) fn first_leaf(file: &File) -> io::Result<Option<LeafHash>> {
    let mut leaves = LeafStream::new(Uncompressed::new(file)?, FIRST_LINE_CHUNK);
    Ok(leaves.next().and_then(|batch| batch.lines.iter().next().map(leaf_hash)))
}

/// A followed file's content.
pub(super) enum Content {
    /// Read to its end again and again.
    Growing(ReadAt),
    /// Read once.
    Compressed(Uncompressed<ReadAt>),
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Content::Growing(input) => input.read(buffer),
            Content::Compressed(input) => input.read(buffer),
        }
    }
}

/// Reads a file at a place of its own.
pub(super) struct ReadAt {
    file: Arc<File>,
    offset: u64,
    /// The bytes before `offset`, at most [`ANCHOR_BYTES`].
    anchor: Vec<u8>,
    /// When it was read last, other bytes stood before `offset`.
    written_anew: bool,
}

impl ReadAt {
    pub(super) fn new(file: &Arc<File>) -> ReadAt {
        ReadAt { file: Arc::clone(file), offset: 0, anchor: Vec::new(), written_anew: false }
    }

    /// Returns the bytes read last.
    pub(super) fn anchor(&self) -> &[u8] {
        &self.anchor
    }

    /// Tells whether a read gave nothing because other bytes stood in the file than those read before.
    pub(super) fn was_written_anew(&self) -> bool {
        self.written_anew
    }

    /// Tells whether the bytes read last still stand in the file.
    pub(super) fn stands(&self) -> io::Result<bool> {
        let mut now = vec![0; self.anchor.len()];
        match self.file.read_exact_at(&mut now, self.offset - self.anchor.len() as u64) {
            Ok(()) => Ok(now == self.anchor),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Read for ReadAt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(test)]
        faults::ask(&self.file, self.offset)?;
        let length = self.file.read_at(buffer, self.offset)?;
        // Looked at after reading: a file that was cut and has grown past this place since the last look would
        // give the middle of its new content as what follows the old one.
        if length > 0 && !self.stands()? {
            self.written_anew = true;
            return Ok(0);
        }
        self.offset += length as u64;
        let new = &buffer[length.saturating_sub(ANCHOR_BYTES)..length];
        let kept = self.anchor.len().min(ANCHOR_BYTES - new.len());
        self.anchor.drain(..self.anchor.len() - kept);
        self.anchor.extend_from_slice(new);
        Ok(length)
    }
}

/// Files whose bytes the disk does not give, for tests.
#[cfg(test)]
pub(super) mod faults {
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::MetadataExt;
    use std::sync::{Mutex, PoisonError};

    /// By device and inode the byte from which on reads fail.
    static DAMAGED: Mutex<Vec<((u64, u64), u64)>> = Mutex::new(Vec::new());

    /// Lets reads of this file fail with EIO from a byte on; `None` lets them be done again.
    pub(in super::super) fn set(file: &File, from: Option<u64>) {
        let metadata = file.metadata().expect("a test's own file");
        let key = (metadata.dev(), metadata.ino());
        let mut all = DAMAGED.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(other, _)| *other != key);
        all.extend(from.map(|from| (key, from)));
    }

    pub(super) fn ask(file: &File, offset: u64) -> io::Result<()> {
        let all = DAMAGED.lock().unwrap_or_else(PoisonError::into_inner);
        let metadata = if all.is_empty() { return Ok(()) } else { file.metadata()? };
        let key = (metadata.dev(), metadata.ino());
        match all.iter().any(|&(other, from)| other == key && offset >= from) {
            true => Err(rustix::io::Errno::IO.into()),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_anew_between_two_reads_does_not_follow_what_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        std::fs::write(&path, "old 1\n").unwrap();
        let mut input = ReadAt::new(&Arc::new(open_regular(&path).unwrap().0));
        let mut buffer = [0; 100];
        assert_eq!(input.read(&mut buffer).unwrap(), 6);
        // The same inode, cut and longer than before.
        std::fs::write(&path, "new 1\nnew 2\n").unwrap();
        assert_eq!(input.read(&mut buffer).unwrap(), 0);
        assert!(input.was_written_anew() && !input.stands().unwrap());
        assert_eq!(input.anchor(), b"old 1\n", "what was read is still known");
    }
}
