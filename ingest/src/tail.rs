//! Turns files into whole lines with places. Knows nothing of audit, JSON or the ledger's format.
//!
//! [`Tail`] follows files that are being written; [`import()`] reads whole ones. Both say the same
//! [`TailItem`]s, and both recognise a file by its content ([`KnownContent`]), so that nothing is read
//! twice, whatever rotation, compression or a restart did to names and inodes.
//!
//! ```text
//!   names ----> discover ---> follow ---> recognise ---> lines ---> TailItem
//!   (globs)    (open files)  (rounds)    (what is new)  (leaves)   (bounded channel)
//! ```
//!
//! What it cannot do: bytes that are cut off a file before they were read, and that no copy holds, are
//! gone; this is told as [`Notice::Truncated`]. Where nothing shows that all was there to be read, that is
//! told as [`Notice::Continuity`]. `docs/tailing.md` is the page for operators.

mod compressed;
mod content;
mod continuity;
mod copies;
mod discover;
mod file;
mod follow;
mod identity;
mod import;
mod item;
mod lines;
mod linger;
mod missed;
mod names;
mod reading;
mod recognise;
mod rotated;
mod siblings;
#[cfg(test)]
mod tests;
mod together;
mod troubles;
mod unreadable;
mod watch;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use follow::{FollowOptions, FollowedSource, Round, Tail};
pub use identity::{KnownContent, LastRead, LeafHash};
pub use import::{ImportSummary, Input, import};
pub use item::{FileId, Notice, Start, TailItem};
pub use rotated::{RotatedFile, rotated_files};
pub use siblings::order_siblings;
pub use unreadable::explain as unreadable;
pub use watch::StopSignal;

/// Why files cannot be followed or imported.
#[derive(Debug, Error)]
pub enum TailError {
    /// A pattern is not one.
    #[error("{pattern:?} is not a path or glob: {cause}")]
    Pattern {
        /// The text.
        pattern: String,
        /// What is wrong with it.
        cause: glob::PatternError,
    },
    /// A file to import is not there.
    #[error("{}: no such file", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A folder was given to import.
    #[error("{}: this is a folder; name its files, for instance {}/*", path.display(), path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// A file to import may not be read, or the system fails; owner, mode and remedy in words.
    #[error("{reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The whole text, path included.
        reason: String,
    },
    /// A file could be read only in part. What came before has been sent.
    #[error("{}: cannot be read after byte {offset}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Bytes that could be read.
        offset: u64,
        /// Why not more.
        cause: io::Error,
    },
    /// A compressed file breaks off or is damaged. What came before has been sent.
    #[error(
        "{}: damaged or cut off: byte {offset} of its uncompressed content is the last that can be read: {cause}; \
         import an undamaged copy, and only what is missing will be added",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Bytes of the uncompressed content that could be read.
        offset: u64,
        /// What the decoder says.
        cause: io::Error,
    },
}
