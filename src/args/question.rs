//! Questions: which events, and in what form.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{DataArgs, UrlArgs};

/// Which events.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct QuestionArgs {
    /// Filter, such as 'path:secret/data/my-app/** decision:denied'; '' keeps everything
    #[arg(default_value = "", allow_hyphen_values = true)]
    pub(crate) filter: String,
    /// From this time on: RFC 3339, a date, or a span back such as -24h [default: the first event]
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// Before this time [default: the last event]
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    /// Zone of dates without one
    #[arg(long, default_value = "UTC")]
    pub(crate) tz: String,
    /// Also what counts leave out: copies of other devices, handed-on, late and system events
    #[arg(long)]
    pub(crate) all: bool,
    /// Only what was issued below this leaf: the answer of then, and the same whenever it is asked again
    #[arg(long, value_name = "LEAF")]
    pub(crate) at: Option<u64>,
}

/// Output formats of search and count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns for a person
    Table,
    /// One JSON object a line
    Json,
    /// RFC 4180
    Csv,
    /// Arrow IPC stream
    Arrow,
    /// Parquet file
    Parquet,
}

/// `search`.
#[derive(Debug, clap::Args)]
pub(crate) struct SearchArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) running: UrlArgs,
    #[command(flatten)]
    pub(crate) question: QuestionArgs,
    /// At most so many events; 0 is no limit
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

/// `count`.
#[derive(Debug, clap::Args)]
pub(crate) struct CountArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) running: UrlArgs,
    #[command(flatten)]
    pub(crate) question: QuestionArgs,
    /// Fields to count by, such as identity,decision
    #[arg(long, value_delimiter = ',')]
    pub(crate) by: Vec<String>,
    /// Also by time, in steps of 1h, 1d, 1w …
    #[arg(long)]
    pub(crate) interval: Option<String>,
    /// The largest N groups, and how many others there are
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) top: Option<u64>,
    /// When the first and the last event of each group was
    #[arg(long)]
    pub(crate) first_last: bool,
    /// How long the responses took: exact percentiles in microseconds
    #[arg(long)]
    pub(crate) latency: bool,
    /// In place of events, how many distinct values of this field, in all and in each group
    #[arg(long, value_name = "FIELD", conflicts_with_all = ["first_last", "latency", "top"])]
    pub(crate) distinct: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

/// Output formats of look-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LookUpFormat {
    /// For a person
    Text,
    /// One JSON object for each hash
    Json,
}

/// `lookup`.
#[derive(Debug, clap::Args)]
pub(crate) struct LookUpArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) running: UrlArgs,
    /// The value's hash, as the audit log writes it: hmac-sha256:…
    #[arg(long, value_name = "HASH", required_unless_present_any = ["value_stdin", "postgres_log"])]
    pub(crate) hmac: Vec<String>,
    /// Read the value from standard input and ask the configured servers for its hashes; it is stored nowhere
    #[arg(long, conflicts_with = "hmac")]
    pub(crate) value_stdin: bool,
    /// Write this PostgreSQL log (`-`: standard input) with the holders of generated users as columns
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hmac", "value_stdin"])]
    pub(crate) postgres_log: Option<PathBuf>,
    /// Configuration file that names the servers [default: keytrail.toml here, if there is one]
    #[arg(short, long, conflicts_with = "hmac")]
    pub(crate) config: Option<PathBuf>,
    /// Take hashes from this file in place of a server's answers: JSON, an object of hashes by value
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hmac", "config"])]
    pub(crate) hashes: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: LookUpFormat,
}

/// `leases` and `tokens`.
#[derive(Debug, clap::Args)]
pub(crate) struct GivenOutArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) running: UrlArgs,
    /// Filter over the requests that gave them out, such as 'path:database/creds/my-app'; '' keeps everything
    #[arg(default_value = "", allow_hyphen_values = true)]
    pub(crate) filter: String,
    /// Given out from this time on: RFC 3339, a date, or a span back such as -24h
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// Given out before this time
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    /// Tell how they stood at this instant [default: the end of the log]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) at: Option<String>,
    /// The same, and leave out those that had ended
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "at")]
    pub(crate) open_at: Option<String>,
    /// Zone of dates without one
    #[arg(long, default_value = "UTC")]
    pub(crate) tz: String,
    /// At most so many; 0 is no limit
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}
