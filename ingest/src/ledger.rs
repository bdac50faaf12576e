//! The ledger: every line that was read, for ever, and proof that it is so. The only state there is.
//!
//! One append-only Merkle tree a cluster, two streams of batches under it: `lines` (what servers wrote) and
//! `own` (keytrail's own lines). A batch is a header, which tells where the lines came from, and the lines;
//! header and lines are leaves, numbered through over both streams:
//!
//! ```text
//!   leaf      0        1     2     3        4        5        6        7
//!          ┌────────┬─────┬─────┬─────┐┌────────┬─────┐┌────────┬───────────
//!   lines  │ header │ line│ line│ line││        :     ││ header │ line   …
//!   own    │        :     :     :     ││ header │ line││        :
//!          └────────┴─────┴─────┴─────┘└────────┴─────┘└────────┴───────────
//!   [`Ledger::append`]  →  segments of zstd frames        `ledger/{lines,own}/`
//!   [`Ledger::flush`]   →  fsync
//!   [`Ledger::checkpoint`] →  hash tiles, signed root     `ledger/{tiles,checkpoint}`
//! ```
//!
//! Knows nothing of JSON or of audit. `docs/ledger-format.md` tells the format byte by byte.

use std::sync::Arc;

use crate::source::{Generation, LeafIndex, Lines, Reader};

mod backup;
mod batch;
mod batches;
mod cache;
mod cat;
mod cosignature;
mod disk;
mod error;
#[cfg(test)]
mod faults;
mod folder;
mod footer;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod generations;
mod hashes;
mod hashing;
mod keys;
mod line_hashes;
mod mend;
mod multi_proof;
mod note;
mod places;
mod proof;
mod proof_text;
mod prove;
mod reader;
mod recover;
mod retain;
mod seal;
mod sealed_part;
mod segment;
mod stream_writer;
mod tiles;
mod tree;
mod verify;
mod walk;
mod writer;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use disk::Disk;
#[cfg(test)]
pub(crate) use faults::Faults;

pub use backup::{Backup, backup};
pub use batch::{BATCH_BYTES_MAX, BATCH_LINES_MAX, BatchHeader};
pub use batches::{Batches, OwnBatches};
pub use cat::{SourceBytes, cat};
pub use cosignature::WitnessKey;
pub use disk::Syncs;
pub use error::{Holder, LedgerError};
pub use folder::Lock;
pub use generations::GenerationInfo;
pub use keys::{Handover, KeyChain, KnownKey};
pub use line_hashes::LineHashes;
pub use multi_proof::{MultiCheck, MultiProof, Subtree, stretches};
pub use note::{Checkpoint, VerifierKey, key_fingerprint};
pub use proof_text::{ConsistencyProof, InclusionProof};
pub use reader::LedgerReader;
pub use retain::SegmentInfo;
pub use seal::{Sealed, Sealer};
pub use tree::{Hash, leaf_hash};
pub use verify::{Outside, Removed, Standing, Verification, VerifyOptions, verify};
pub use writer::{Ledger, SEGMENT_BYTES};

/// The source of keytrail's own lines.
pub const OWN_SOURCE: &str = "keytrail";

/// Which of the two streams a batch is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// What servers wrote.
    Lines,
    /// What keytrail did.
    Own,
}

impl Stream {
    /// Both, in the order of their numbers.
    pub const ALL: [Stream; 2] = [Stream::Lines, Stream::Own];

    fn folder(self) -> &'static str {
        match self {
            Stream::Lines => "lines",
            Stream::Own => "own",
        }
    }
}

/// Lines to be appended, and where they came from.
#[derive(Clone, Copy, Debug)]
pub struct NewBatch<'a> {
    /// Which stream.
    pub stream: Stream,
    /// `cluster/node/device`; [`OWN_SOURCE`] for keytrail's own lines.
    pub source: &'a str,
    /// The content that the lines belong to; `None` begins a new one.
    pub generation: Option<Generation>,
    /// Of a new generation: the older one with which it shares the bytes before `offset`. Later batches of the
    /// generation may leave it out.
    pub parent: Option<Generation>,
    /// Where the first line starts in the uncompressed file; of a known generation, where it ended.
    pub offset: u64,
    /// Who brings the lines.
    pub reader: Reader,
    /// When they arrived, in nanoseconds since 1970.
    pub arrived_unix_ns: i64,
    /// The last line was cut at 64 MiB and goes on in the next batch.
    pub continued: bool,
    /// The last line is the end of a finished file and has no `\n`.
    pub unterminated: bool,
    /// The lines: at least one, none empty, together at most [`BATCH_BYTES_MAX`] bytes. About 1 MiB is best.
    pub lines: &'a Lines,
}

/// Where a batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The header's leaf.
    pub header: LeafIndex,
    /// The first line's.
    pub first_line: LeafIndex,
    /// The generation that was given, or the new one.
    pub generation: Generation,
    /// How many leaves the ledger has now.
    pub end: u64,
}

/// A line, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLine {
    /// Its number.
    pub leaf: LeafIndex,
    /// Whose file.
    pub source: Arc<str>,
    /// Which content of it.
    pub generation: Generation,
    /// Where in the uncompressed file.
    pub offset: u64,
    /// Who brought it.
    pub reader: Reader,
    /// When, in nanoseconds since 1970.
    pub arrived_unix_ns: i64,
    /// The line as it stood there, its `\n` included.
    pub bytes: Vec<u8>,
}

/// A batch that was read: line i is leaf `header.first_leaf + 1 + i`, unless the lines were removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBatch {
    /// Where the lines came from.
    pub header: BatchHeader,
    /// Retention removed the lines: the header tells how many there were.
    pub removed: bool,
    /// The lines; none if they were removed.
    pub lines: Lines,
}
