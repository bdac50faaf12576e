//! Reports, controls and packs.

use std::path::PathBuf;

use clap::ValueEnum;

use super::DataArgs;

/// What the access report's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ByArg {
    /// One row an identity
    Identity,
    /// One row a path
    Path,
    /// One row a decision
    Decision,
}

/// Output formats of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// A page that stands alone
    Html,
    /// Rows only
    Csv,
    /// Heading, rows and totals
    Json,
    /// Heading and rows, a sheet each
    Xlsx,
    /// A document to file, print and sign: tagged PDF/A-3a with its data attached
    Pdf,
}

/// `report`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// Which report
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(query::report::NAMES))]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// What a row of the access report is [default: identity]
    #[arg(long, value_enum)]
    pub(crate) by: Option<ByArg>,
    /// Which section, of a report that has several, as CSV [default: the first]
    #[arg(long, value_name = "ID")]
    pub(crate) section: Option<String>,
    /// Folder of registers [default: context in the data folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) context: Option<PathBuf>,
    /// Folder of controls that replace or add to the built-in ones
    #[arg(long, value_name = "FOLDER")]
    pub(crate) catalogue: Option<PathBuf>,
    /// A period: 2026, 2026-Q3, 2026-10, 2026-10-05
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub(crate) period: Option<String>,
    /// From this time on
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// Before this time
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    /// Zone of the period and of the printed times
    #[arg(long, default_value = "UTC")]
    pub(crate) tz: String,
    /// Only events that this filter keeps
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    pub(crate) scope: String,
    /// As of this leaf: the same numbers tomorrow
    #[arg(long, value_name = "LEAF")]
    pub(crate) at: Option<u64>,
    /// Stand up for it: it gets a name, and the ledger a line with the SHA-256 of what it says
    #[arg(long)]
    pub(crate) issue: bool,
    /// It stands in the place of this issued report; what is different is its first section
    #[arg(long, value_name = "ID", requires = "issue", requires = "because")]
    pub(crate) supersedes: Option<String>,
    /// Why it does, in at least 15 characters
    #[arg(long, value_name = "TEXT", requires = "supersedes")]
    pub(crate) because: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value = "html")]
    pub(crate) format: ReportFormat,
    /// File to write [default: standard output]
    #[arg(short, long)]
    pub(crate) output: Option<PathBuf>,
}

/// `issued`.
#[derive(Debug, clap::Args)]
pub(crate) struct IssuedArgs {
    /// Make this one again, and compare its SHA-256; without it all are listed
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Folder of registers, as they were then [default: context in the data folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) context: Option<PathBuf>,
    /// Folder of controls, as they were then
    #[arg(long, value_name = "FOLDER")]
    pub(crate) catalogue: Option<PathBuf>,
    /// Of the report that is made again
    #[arg(long, value_enum, default_value = "html", requires = "id")]
    pub(crate) format: ReportFormat,
    /// File to write [default: standard output]
    #[arg(short, long, requires = "id")]
    pub(crate) output: Option<PathBuf>,
}

/// `controls`.
#[derive(Debug, clap::Args)]
pub(crate) struct ControlsArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// A period: 2026, 2026-Q3, 2026-10, 2026-10-05
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub(crate) period: Option<String>,
    /// From this time on [default: the first event]
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// Before this time [default: the last event]
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    /// Zone of the period
    #[arg(long, default_value = "UTC")]
    pub(crate) tz: String,
    /// Only what was issued below this leaf: the answer of then, and the same whenever it is asked again
    #[arg(long, value_name = "LEAF")]
    pub(crate) at: Option<u64>,
    /// Folder of the registers: tickets, leavers, sensitive paths … [default: context/ of the data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) context: Option<PathBuf>,
    /// Folder of controls that replace ours by their ids, or are added
    #[arg(long, value_name = "DIR")]
    pub(crate) catalogue: Option<PathBuf>,
    /// Only this control, such as KT-ROOT-01; may be given several times
    #[arg(long, value_name = "ID")]
    pub(crate) control: Vec<String>,
    /// Only controls that are evidence for this framework: soc2, iso27001
    #[arg(long)]
    pub(crate) framework: Option<String>,
    /// Another value of a control's parameter, such as KT-TOK-01.human_ttl=8h; may be given several times
    #[arg(long, value_name = "ID.NAME=VALUE")]
    pub(crate) param: Vec<String>,
    /// List the controls instead of running them
    #[arg(long)]
    pub(crate) list: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: ControlsFormat,
}

/// Output formats of controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ControlsFormat {
    /// Aligned columns for a person
    Table,
    /// One JSON object
    Json,
    /// RFC 4180: a row for each exception, and for each control without one
    Csv,
}

/// `pack`.
#[derive(Debug, clap::Args)]
pub(crate) struct PackArgs {
    /// Whose requirements are printed
    #[arg(value_enum)]
    pub(crate) framework: FrameworkName,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// A period: 2026, 2026-Q3, 2026-10, 2026-10-05
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub(crate) period: Option<String>,
    /// From this time on
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// Before this time
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    /// Zone of the period
    #[arg(long, default_value = "UTC")]
    pub(crate) tz: String,
    /// Only events that this filter keeps
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    pub(crate) scope: String,
    /// As of this leaf: the same payload tomorrow [default: all that is indexed]
    #[arg(long, value_name = "LEAF")]
    pub(crate) at: Option<u64>,
    /// How many rows to draw
    #[arg(long, value_name = "N", requires = "seed")]
    pub(crate) sample: Option<usize>,
    /// What the draw begins from: any text, best chosen by the auditor
    #[arg(long, requires = "sample")]
    pub(crate) seed: Option<String>,
    /// Which raw lines: those of the whole period, or those of the sample
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) raw: RawArg,
    /// Registers [default: DATA/context]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) context: Option<PathBuf>,
    /// Controls of your own over the built-in ones
    #[arg(long, value_name = "FOLDER")]
    pub(crate) catalogue: Option<PathBuf>,
    /// Write it also in parts of less than 25 MB, OUTPUT.part-001.zip and so on, which are verified together
    #[arg(long)]
    pub(crate) parts: bool,
    /// File to write
    #[arg(short, long)]
    pub(crate) output: PathBuf,
}

/// A framework that a pack is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FrameworkName {
    /// SOC 2
    Soc2,
    /// ISO/IEC 27001
    Iso27001,
}

/// `--raw`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RawArg {
    /// Of the whole period
    All,
    /// Of the sample
    Samples,
}

/// `evidence`.
#[derive(Debug, clap::Args)]
pub(crate) struct EvidenceArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// The rows: a CSV file with a column `uid`, or uids
    #[arg(long, required = true, num_args = 1.., value_name = "FILE.csv|UID")]
    pub(crate) rows: Vec<String>,
    /// As of this leaf
    #[arg(long, value_name = "LEAF")]
    pub(crate) at: Option<u64>,
    /// File to write
    #[arg(short, long)]
    pub(crate) output: PathBuf,
}
