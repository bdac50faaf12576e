//! Following, serving and how a data folder stands.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;

use super::{DataArgs, ReserveArgs, UrlArgs};

/// `run`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Configuration file (TOML)
    #[arg(short, long, conflicts_with = "audit_log")]
    pub(crate) config: Option<PathBuf>,
    /// The one audit file to follow; no configuration needed
    #[arg(long)]
    pub(crate) audit_log: Option<PathBuf>,
    /// Cluster of that file [default: default]
    #[arg(long, requires = "audit_log")]
    pub(crate) cluster: Option<String>,
    /// Node of that file [default: this host's name]
    #[arg(long, requires = "audit_log")]
    pub(crate) node: Option<String>,
    /// Audit device of that file [default: file]
    #[arg(long, requires = "audit_log")]
    pub(crate) device: Option<String>,
    /// Follow the file even if it holds tokens in clear (log_raw)
    #[arg(long, requires = "audit_log")]
    pub(crate) allow_raw: bool,
    /// Address of the dashboard [default: 127.0.0.1:8088]
    #[arg(long, env = "KEYTRAIL_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) reserve: ReserveArgs,
}

/// `import`.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Cluster whose server wrote the files
    #[arg(long, default_value = "default")]
    pub(crate) cluster: String,
    /// Node that wrote the files [default: this host's name]
    #[arg(long)]
    pub(crate) node: Option<String>,
    /// Audit device that wrote the files
    #[arg(long, default_value = "file")]
    pub(crate) device: String,
    /// Take files that hold tokens in clear (log_raw)
    #[arg(long)]
    pub(crate) allow_raw: bool,
    /// Audit files, plain, .gz or .zst; `-` is standard input; rotated siblings are put in order
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// `status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) running: UrlArgs,
    /// Configuration file: also tell which rotated files are safe to remove
    #[arg(short, long)]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reserve: ReserveArgs,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: StatusFormat,
}

/// Output formats of status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusFormat {
    /// For a person
    Table,
    /// One JSON object
    Json,
}

/// `check-config`.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckConfigArgs {
    /// Configuration file
    #[arg(short, long, default_value = "keytrail.toml")]
    pub(crate) config: PathBuf,
}

/// `demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Address of the dashboard
    #[arg(long, default_value = "127.0.0.1:8088")]
    pub(crate) listen: SocketAddr,
    /// Bytes to leave free on the volume of the demo's folder
    #[arg(long, env = "KEYTRAIL_RESERVE", value_name = "BYTES", default_value_t = 256 << 20)]
    pub(crate) reserve: u64,
    /// Install OpenBao into keytrail's cache without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Replay the recorded log even if a real OpenBao could be had
    #[arg(long)]
    pub(crate) replay: bool,
    /// Record a seeded session instead: DIR gets audit.log and truth.jsonl, then the demo ends
    #[arg(long, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,
    /// Seed of the recording
    #[arg(long, requires = "record", default_value_t = 1)]
    pub(crate) seed: u64,
}
