//! The disposable index: one document an event, so that a question needs no raw line.
//!
//! ```text
//! AuditEvent -> document -> IndexWriter -> segments, Summary and Keys beside each, and one CommitPayload per commit
//!                                              |
//!                           EventIndex -> Snapshot (a searcher and the payload that belongs to it)
//! ```
//!
//! The index is a follower of the ledger: its commit says in [`CommitPayload`] how many leaves it covers
//! and by which rules, so a crash between two commits loses nothing; the follower goes on at `covered`.
//! Whatever is wrong with an index, the remedy is to build it again.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub mod class;
mod columns;
mod directory;
pub mod document;
mod documents;
mod find;
mod keys;
pub mod listed;
mod payload;
mod plugins;
mod reader;
pub mod schema;
pub mod summary;
mod uids;
mod values;
mod writer;

pub use columns::ColumnList;
pub use find::Indexed;
pub use keys::KeyQuery;
pub use payload::CommitPayload;
pub use reader::{EventIndex, OpenLine, Snapshot};
pub use uids::{OwnUids, Uids, uid_of_request};
pub use values::Values;
pub use writer::IndexWriter;

/// What went wrong with the index.
#[derive(Debug, Error)]
pub enum IndexError {
    /// Nothing has been indexed yet.
    #[error("{} holds no index; `keytrail rebuild` makes it from the ledger", .0.display())]
    Missing(PathBuf),
    /// Another version of keytrail made it.
    #[error(
        "the index in {} was made by another version of keytrail; `keytrail run` or `keytrail rebuild` of this version makes it anew",
        .0.display()
    )]
    OtherSchema(PathBuf),
    /// Another process writes it.
    #[error("the index in {} is being written by another process", .0.display())]
    Locked(PathBuf),
    /// The commit does not hold together.
    #[error("the index in {} is damaged: {problem}; `keytrail rebuild` makes it from the ledger", .dir.display())]
    Damaged {
        /// The folder.
        dir: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Other processes committed faster than a consistent view could be opened.
    #[error("the index in {} changes faster than it can be opened; try again", .0.display())]
    Unsettled(PathBuf),
    /// The file system refused something.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried: `create`, `rename` …
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The search library refused something.
    #[error("the index in {}: {source}", .dir.display())]
    Engine {
        /// The folder.
        dir: PathBuf,
        /// Why not.
        source: tantivy::TantivyError,
    },
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
