//! Packs: one zip file that an auditor takes away, and verifies without keytrail's data folder.
//!
//! ```text
//!   payload/                    the same bytes for the same ledger, leaf and options, whenever it is made
//!     README.txt  scope.json  verify.py
//!     populations/events.csv .xlsx    samples/sample.csv    reports/access-by-*.csv
//!     controls/findings.json …        catalogue/            registers/
//!     raw/lines-0001.jsonl.gz … raw/leaves.csv  raw/headers.txt  raw/proof.txt    own/lines.jsonl
//!     manifest.json             bytes, SHA-256 and rows of every other file of payload/
//!   consistency.txt             from the payload's tree to the signed checkpoint of when it was made
//!   keys  issue.json  issue.sig who made it and when; the ledger's signature over manifest.json and issue.json
//! ```

use std::io;

use ingest::indexer::IndexerError;
use ingest::ledger::LedgerError;
use ingest::own::RegisterSeen;
use query::controls::EvaluationError;
use query::error::QueryError;
use query::report::ReportError;
use query::table::TableError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

mod again;
mod assessed;
mod books;
mod compare;
mod completeness;
mod found;
mod lines;
mod ocsf;
mod opened;
mod oscal;
mod own;
mod population;
mod printed;
mod raw;
mod shown;
mod split;
mod verify;
mod words;
mod write;
mod zipped;

pub use self::split::{part_of, split_pack};
pub use self::verify::{Verdict, verify_pack};
pub use self::write::{Asked, Made, Population, RawLines, Rows, write_pack};

use self::completeness::Completeness;

/// The form of what is written here; `scope.json` names it.
const FORM: &str = "keytrail pack 2";
/// What the second verifier is: it goes into every pack.
const VERIFY_PY: &str = include_str!("../../assets/pack/verify.py");
/// The part of it that makes rows again.
const POPULATION_PY: &str = include_str!("../../assets/pack/population.py");
/// The first line of the signed text.
const SIGNED: &str = "keytrail pack";

/// What of a pack is being made or checked, for whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Rows of the population are written, or held against those made again.
    Rows,
    /// Leaves are written or proven.
    Leaves,
    /// Files are held against the manifest, byte by byte.
    Bytes,
    /// Lines are indexed again, by leaves.
    Indexing,
}

impl Step {
    /// Its name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Rows => "rows",
            Step::Leaves => "leaves",
            Step::Bytes => "bytes",
            Step::Indexing => "indexing",
        }
    }
}

/// Told how much of a step is done, and how much that is in all.
pub type Progress<'a> = &'a dyn Fn(Step, u64, u64);

/// So many rows or leaves go by between two times that progress is told.
const TOLD_EACH: u64 = 1_024;

/// Why a pack could not be made or read.
#[derive(Debug, Error)]
pub enum PackError {
    /// Reading or writing failed.
    #[error("the pack cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// It is no zip file, or a damaged one.
    #[error("the pack is no zip file that can be read: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// A table cannot be written.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The trail cannot be asked.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A report cannot be made.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Lines cannot be indexed again.
    #[error(transparent)]
    Index(#[from] IndexerError),
    /// A text of ours cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Controls cannot be evaluated.
    #[error(transparent)]
    Controls(#[from] EvaluationError),
    /// A workbook cannot be written.
    #[error("a workbook cannot be written: {0}")]
    Workbook(#[from] rust_xlsxwriter::XlsxError),
    /// The document cannot be laid out.
    #[error(transparent)]
    Printed(#[from] pdf::PdfError),
    /// Numbers that must be equal are not. Only a bug can cause this.
    #[error("{0}: nothing was written")]
    TieOut(String),
    /// There is nothing to write.
    #[error("{0}")]
    Empty(String),
    /// What the pack says does not hold.
    #[error("{0}")]
    Wrong(String),
}

/// A file of the payload, as the manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: String,
    bytes: u64,
    sha256: String,
    /// Rows of a table, lines of a part; absent for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
}

/// `scope.json`: what was asked, and how the numbers tie out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ScopeFile {
    form: String,
    framework: Option<String>,
    origin: String,
    cluster: String,
    /// Leaves of the tree that everything here is proven against, and as of which the question is answered.
    at: u64,
    /// When that was: the arrival of the last of them, RFC 3339 in UTC. What is in force or has expired is so as of then.
    as_of: String,
    rules: String,
    period: Option<String>,
    from: Option<String>,
    to: Option<String>,
    /// In nanoseconds since 1970, as compared.
    from_unix_ns: Option<i64>,
    to_unix_ns: Option<i64>,
    zone: Option<String>,
    filter: Option<String>,
    /// `all` or `samples`.
    raw: String,
    sample: Option<SampleFile>,
    population: Option<PopulationFile>,
    tie_out: Vec<Equation>,
    /// How complete the log is over the period.
    completeness: Option<Completeness>,
    /// SHA-256 of `catalogue/catalogue.json`.
    catalogue: Option<String>,
    registers: Option<RegistersFile>,
    /// Of the framework, for which the reports are evidence, in our own words.
    requirements: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SampleFile {
    wanted: usize,
    seed: String,
    algorithm: String,
    rows: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PopulationFile {
    rows: u64,
    left_out: std::collections::BTreeMap<String, u64>,
}

/// Which registers the controls were run with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RegistersFile {
    /// The own line that tells of them; none: there never was a register.
    leaf: Option<u64>,
    /// As that line tells them.
    registers: Vec<RegisterSeen>,
}

/// Two numbers that are equal, counted in two ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Equation {
    equation: String,
    left: u64,
    right: Vec<u64>,
}

fn signed_text(manifest: &str, issue: &str) -> String {
    format!("{SIGNED}\n{manifest}\n{issue}\n")
}
