//! Reports as data: one value, from which page, CSV and JSON are written, equal in every number.

use thiserror::Error;

pub mod access;
mod assurance;
pub mod catalogue;
mod changes;
mod credentials;
mod custody;
pub mod document;
mod findings;
mod heading;
pub mod issuing;
mod joiners;
mod making;
mod privileged;
mod review;
mod scope;
mod tie_out;

use self::access::{By, access};
use self::document::Document;
pub use self::heading::{Completeness, Heading, NotAddressed, Parameter, SourceCoverage, State};
use self::making::Making;
pub use self::scope::Asking;
use self::scope::Scope;
pub use self::tie_out::Equation;
use crate::trail::Trail;

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
    /// No such report.
    #[error("there is no report {name:?}: there are {}", NAMES.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The reader is bound, and the report looks beyond any bounds.
    #[error(
        "the report {report} looks at the whole log, and this reader is bound to {bounds}: cut there it would be wrong; somebody who is not bound can hand it over"
    )]
    Bound {
        /// The report.
        report: String,
        /// To what the reader is bound.
        bounds: String,
    },
    /// The report is about the whole log.
    #[error("the report {0} is about the whole log and takes no scope: leave it out")]
    Scope(String),
    /// Controls could not be asked.
    #[error(transparent)]
    Controls(#[from] crate::controls::EvaluationError),
    /// Two counts of the same events differ. Only a bug can cause this.
    #[error("the rows sum up to {rows} events, and the index counts {counted}")]
    TieOut {
        /// The sum over the rows.
        rows: u64,
        /// The index's own count.
        counted: u64,
    },
}

/// The names of all reports.
pub const NAMES: [&str; 9] = [
    "access",
    "access-review",
    "privileged",
    "changes",
    "joiners-leavers",
    "credentials",
    "detections",
    "log-assurance",
    "auditor-access",
];

/// Makes the report of this name over an opened data folder. Of the access report a row is an identity.
///
/// # Errors
/// No such report; a reader who is bound, where the report looks beyond any bounds; a scope, where it is about the whole
/// log; more rows than a report may have; a leaf that is not reached yet; the trail cannot be read.
pub fn make(trail: &Trail, name: &str, asking: &Asking<'_>) -> Result<Document, ReportError> {
    if name == "access" {
        return Ok(access(trail, asking, By::Identity)?.document());
    }
    let report = match name {
        "access-review" => review::access_review_report,
        "privileged" => privileged::privileged,
        "changes" => changes::changes,
        "joiners-leavers" => joiners::joiners_leavers,
        "credentials" => credentials::credentials,
        "detections" => findings::detections,
        "log-assurance" => assurance::log_assurance,
        "auditor-access" => custody::auditor_access,
        _ => return Err(ReportError::Unknown { name: name.to_owned() }),
    };
    report(&Making::begin(trail, name, asking)?)
}

#[cfg(test)]
mod tests;
