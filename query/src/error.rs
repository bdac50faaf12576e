//! Why a question has no answer.

use std::time::Duration;

use ingest::index::IndexError;
use ingest::ledger::LedgerError;
use tantivy::TantivyError;
use thiserror::Error;

/// Why a question has no answer. A question is answered exactly or not at all.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The index cannot be opened or read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The ledger cannot be opened or read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An index for one question cannot be made.
    #[error(transparent)]
    MakeIndex(#[from] ingest::indexer::IndexerError),
    /// A folder for such an index cannot be made.
    #[error("cannot make a temporary folder: {0}; name another place with TMPDIR")]
    Temporary(#[source] std::io::Error),
    /// An older copy of the ledger stands where the index was made from a newer one.
    #[error(
        "the index covers {covered} leaves, and the ledger has {size}: was an older copy of the ledger put in its place? \
         `keytrail run` or `keytrail rebuild` makes the index anew"
    )]
    IndexAhead {
        /// Leaves that the index covers.
        covered: u64,
        /// Leaves of the ledger.
        size: u64,
    },
    /// The search library refused something.
    #[error("the index cannot be read: {0}; `keytrail rebuild` makes it from the ledger")]
    Engine(#[from] TantivyError),
    /// The page token is not ours, or of another version.
    #[error("this is no page token of this version of keytrail; ask for the first page again")]
    PageToken,
    /// The page token belongs to another question.
    #[error("this page token belongs to another question; ask for the first page of this one")]
    OtherQuestion,
    /// It took longer than it may.
    #[error(
        "the answer takes longer than {} seconds; ask for a shorter stretch of time or narrow the filter",
        .limit.as_secs()
    )]
    Deadline {
        /// How long it may take.
        limit: Duration,
    },
    /// The question is for a leaf that is not there yet.
    #[error(
        "leaf {at} is not reached yet: answers go up to leaf {leaf}, and an answer at a later one could still change"
    )]
    NotYet {
        /// What was asked for.
        at: u64,
        /// Up to where there are answers.
        leaf: u64,
    },
    /// What was asked for when a review of access was opened is no filter of this version.
    #[error("the scope of the access review {of:?} cannot be read by this version: {why}")]
    Scope {
        /// The review.
        of: String,
        /// Why not.
        why: String,
    },
    /// Nobody waits for the answer any more.
    #[error("the question was called off")]
    Cancelled,
    /// More than memory is given for.
    #[error(
        "the answer needs more than {} MB of memory; narrow the filter or count by fewer fields",
        .limit_bytes >> 20
    )]
    Memory {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// More groups than can be held.
    #[error("the answer has more than {limit} groups; narrow the filter or count by fewer fields")]
    Groups {
        /// The limit.
        limit: usize,
    },
    /// More fields than can be counted by.
    #[error("counting goes by at most {limit} fields at once")]
    Fields {
        /// The limit.
        limit: usize,
    },
    /// The same field twice.
    #[error("{0} is named twice")]
    FieldTwice(&'static str),
    /// The field is no column of the index.
    #[error("events cannot be counted by {0}: it is no column of the index")]
    NoColumn(&'static str),
    /// Not an interval.
    #[error(
        "{0:?} is no interval: write seconds, minutes or hours that divide a day (30s, 15m, 1h), days, weeks or months (1d, 1w, 1mo)"
    )]
    Interval(String),
    /// More of something than is followed for one answer.
    #[error("the log has more than {limit} {what}, more than one answer takes into account")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The index names lines that cannot make its event.
    #[error(
        "event {uid} cannot be read back: the index has no {what} for it; `keytrail rebuild` makes it from the ledger"
    )]
    Broken {
        /// The event.
        uid: String,
        /// What is missing.
        what: &'static str,
    },
}
