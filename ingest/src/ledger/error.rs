//! Why the ledger could not do what was asked, by what the caller does next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::source::LeafIndex;

/// Why the ledger could not do what was asked.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// There is no ledger to read.
    #[error("{} holds no ledger; name the data folder with -d, or import a file first", .data.display())]
    Missing {
        /// The folder that was named.
        data: PathBuf,
    },
    /// Another process writes here.
    #[error("{} is being written by {holder}; stop that one first", .data.display())]
    Locked {
        /// The data folder.
        data: PathBuf,
        /// Who holds the lock.
        holder: Holder,
    },
    /// The folder belongs to another cluster: one cluster, one ledger.
    #[error("{} is the data folder of cluster {found:?}, not of {asked:?}; name another folder with -d", .data.display())]
    OtherCluster {
        /// The data folder.
        data: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asked for it.
        asked: String,
    },
    /// Written by another version of keytrail, or by no keytrail at all.
    #[error("{} is not a format that this keytrail reads (it reads format 1): {problem}", .path.display())]
    Format {
        /// The file that tells the format.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A folder cannot hold a backup of this ledger.
    #[error("{} cannot take this backup: {problem}; name another folder with -o", .to.display())]
    Backup {
        /// The folder.
        to: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// What stands in the ledger is not what was written. Nothing is repaired or cut by itself.
    #[error("{} is damaged at byte {offset}: {problem}; restore the ledger from a copy", .path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong.
        problem: String,
    },
    /// Asked for as of a leaf in the middle of lines that were written together.
    #[error(
        "leaves {begin} to {end} were written together, so the ledger never ended with leaf {size}: give {begin} or {end}"
    )]
    WithinBatch {
        /// What was asked for.
        size: u64,
        /// The first leaf of that batch.
        begin: u64,
        /// The leaf after its last.
        end: u64,
    },
    /// A key is missing or unreadable.
    #[error("{}: {problem}; restore the keys folder from a copy", .path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The batch contradicts itself or the ledger: a fault of the caller. Nothing was written.
    #[error("batch refused: {0}")]
    Refused(String),
    /// A write or fsync failed before, so what is on disk is not known. Opening again finds out.
    #[error("the ledger stopped when an earlier write failed; open it again")]
    Stopped,
    /// No such leaf (yet).
    #[error("leaf {leaf} is not in the ledger, which has {size} leaves")]
    OutOfRange {
        /// What was asked for.
        leaf: LeafIndex,
        /// How many leaves can be read.
        size: u64,
    },
    /// Retention removed the line.
    #[error(
        "leaf {leaf} was removed by retention; its hash is left, so what is proven of it still holds"
    )]
    Removed {
        /// What was asked for.
        leaf: LeafIndex,
    },
    /// The leaf is a batch header.
    #[error("leaf {leaf} is no line but the header of a batch")]
    NotALine {
        /// What was asked for.
        leaf: LeafIndex,
    },
}

impl LedgerError {
    /// Tells whether the disk, or what this user may have of it, is full: it may have room again.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, LedgerError::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}

/// The process that holds the lock of a data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its id; absent if it has not written it yet.
    pub pid: Option<u32>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}

/// Turns an error of the operating system into one that names the file.
pub(super) trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, LedgerError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, LedgerError> {
        self.map_err(|source| LedgerError::Io { action, path: path.to_owned(), source })
    }
}
