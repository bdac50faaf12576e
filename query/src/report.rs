//! Reports as data: one value, from which page, CSV and JSON are written, equal in every number.

use thiserror::Error;

pub mod access;
pub mod catalogue;
pub mod document;
mod heading;
mod scope;
mod tie_out;

pub use self::heading::{Completeness, Heading, NotAddressed, Parameter, SourceCoverage, State};
pub use self::scope::Asking;
use self::scope::Scope;
pub use self::tie_out::Equation;

/// Why a report could not be made.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The index failed.
    #[error("the index cannot be searched; `keytrail rebuild` makes it anew from the ledger")]
    Index(#[from] tantivy::TantivyError),
    /// The trail cannot be read.
    #[error(transparent)]
    Trail(#[from] crate::error::QueryError),
    /// The index holds a word that this version does not know.
    #[error(
        "the index holds {0:?}, which is none of our words; `keytrail rebuild` makes it anew from the ledger"
    )]
    Word(String),
    /// Two counts of the same events differ. Only a bug can cause this.
    #[error("the rows sum up to {rows} events, and the index counts {counted}")]
    TieOut {
        /// The sum over the rows.
        rows: u64,
        /// The index's own count.
        counted: u64,
    },
}
