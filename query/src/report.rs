//! Reports as data: one value, from which page, CSV and JSON are written, equal in every number.

use serde::Serialize;
use thiserror::Error;

pub mod access;
pub mod catalogue;
mod scope;

pub use self::scope::Scope;
use crate::coverage::Coverage;

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

/// What stands above every report: what was asked, over what, and what the answer does not cover.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Heading {
    /// The report's name in the catalogue.
    pub report: String,
    /// Its title.
    pub title: String,
    /// What it is about.
    pub subject: String,
    /// The period as it was asked for.
    pub period: String,
    /// Its first moment, RFC 3339 in UTC; null: from the first event.
    pub from: Option<String>,
    /// Its end, which does not belong to it; null: to the last event.
    pub to: Option<String>,
    /// The zone in which dates were meant.
    pub zone: String,
    /// The filter in its canonical text; "" means everything.
    pub filter: String,
    /// The ledger.
    pub origin: String,
    /// Leaves of the ledger that the answer covers: 0 up to this number, itself not included.
    pub leaf: u64,
    /// When it was made.
    pub generated: String,
    /// The sources of the events that fit the question, those left out included.
    pub sources: Vec<SourceCoverage>,
    /// How complete those and all other sources are over the period.
    pub coverage: Coverage,
    /// Events that fit the question.
    pub matched: u64,
    /// Events that the rows count: `matched` less what was left out.
    pub counted: u64,
    /// What was left out, by word.
    pub left_out: std::collections::BTreeMap<&'static str, u64>,
    /// Counted events whose response has not come yet.
    pub pending: u64,
    /// Forwarded events that fit the question and of which no other node's log tells.
    pub no_twin: u64,
    /// Events that fit the filter and have no readable time, so that no period holds them.
    pub without_time: u64,
    /// Lines of the whole trail that could not be decoded.
    pub undecodable: u64,
    /// The requirements for which this is evidence.
    pub evidence: Vec<catalogue::EvidenceFor>,
    /// What the reader must know, in sentences.
    pub notes: Vec<String>,
}

/// What one source brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceCoverage {
    /// cluster/node/device.
    pub source: String,
    /// Its events.
    pub events: u64,
    /// The time of the first.
    pub first: Option<String>,
    /// The time of the last.
    pub last: Option<String>,
}
