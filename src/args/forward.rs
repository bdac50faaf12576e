//! `forward`, as typed.

use std::path::PathBuf;

use clap::Subcommand;
use jiff::Timestamp;

use super::{DataArgs, StatusFormat};

/// `forward`.
#[derive(Debug, clap::Args)]
pub(crate) struct ForwardArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: ForwardCommand,
}

/// What to do with sinks.
#[derive(Debug, Subcommand)]
pub(crate) enum ForwardCommand {
    /// Tell how far each sink is, and which events its receiver refused
    Status {
        #[command(flatten)]
        data: DataArgs,
        /// Output format
        #[arg(long, value_enum, default_value = "table")]
        format: StatusFormat,
    },
    /// Find out whether a sink's receiver is there and lets keytrail in; no event is sent
    Test {
        /// Configuration file
        #[arg(short, long, default_value = "keytrail.toml")]
        config: PathBuf,
        /// The sink's name
        sink: String,
    },
    /// Send events once more, under the same uids; a running keytrail takes it up within seconds
    Replay(ReplayArgs),
}

/// `forward replay`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// The sink's name
    pub(crate) sink: String,
    /// All that arrived at or after this time, as 2026-11-24T08:00:00Z
    #[arg(long, group = "which", value_name = "TIME")]
    pub(crate) from: Option<Timestamp>,
    /// All that this leaf or a later one issued
    #[arg(long, group = "which", value_name = "LEAF")]
    pub(crate) from_leaf: Option<u64>,
    /// Those that the receiver refused
    #[arg(long, group = "which")]
    pub(crate) dead: bool,
}
