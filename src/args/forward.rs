//! `forward`, as typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use forward::assets::Siem;
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
    /// Tell what a filter would send: events and bytes a day, by action. Nothing is sent
    Plan(PlanArgs),
    /// Send events once more, under the same uids; a running keytrail takes it up within seconds
    Replay(ReplayArgs),
    /// Compare what a receiver has with what was sent to it: what is missing, altered, there twice, or not of this trail
    Reconcile(ReconcileArgs),
    /// Write what a receiver should know before events come: index templates with bounded mappings, life cycles, event types
    Assets {
        /// The kind of receiver
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(Siem::ALL.iter().map(|siem| siem.as_str())))]
        receiver: String,
        /// Folder, made if it is not there; files of the same names are written anew
        #[arg(short, long, value_name = "FOLDER")]
        output: PathBuf,
    },
}

/// `forward plan`.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// A sink of the configuration, running or not; without one, `--filter` and `--as` say what would be sent
    pub(crate) sink: Option<String>,
    /// Configuration file, where a sink is named
    #[arg(short, long, default_value = "keytrail.toml")]
    pub(crate) config: PathBuf,
    /// Which events [default: those of the sink, else everything]
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) filter: Option<String>,
    /// How events are written: event, ocsf, ecs, cef, syslog, splunk, raw [default: as the sink writes them]
    #[arg(long = "as", value_name = "FORMAT", required_unless_present = "sink")]
    pub(crate) written_as: Option<forward::format::Format>,
    /// Of how long, by the times of events
    #[arg(long, default_value = "7d", value_name = "DURATION", value_parser = crate::config::parse_duration)]
    pub(crate) last: Duration,
    /// Up to this time, as 2026-11-24T08:00:00Z [default: now]
    #[arg(long)]
    pub(crate) to: Option<Timestamp>,
    /// Events that are encoded, at most about: of more a sample is drawn, and the output says so
    #[arg(long, default_value_t = forward::plan::ENCODED_MAX, value_name = "EVENTS")]
    pub(crate) sample: u64,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: StatusFormat,
}

/// `forward reconcile`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReconcileArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// The sink's name
    pub(crate) sink: String,
    /// The receiver's own list of uids, one a line; `-` is standard input. Without it an OpenSearch or Elasticsearch is asked
    #[arg(long, value_name = "FILE")]
    pub(crate) uids: Option<PathBuf>,
    /// The receiver's own documents, one a line, as they were sent or as OpenSearch or Splunk exports them; `-` is standard input. They
    /// are compared with what was sent
    #[arg(long, value_name = "FILE", conflicts_with = "uids")]
    pub(crate) documents: Option<PathBuf>,
    /// Configuration file, where the receiver is to be asked or documents are given
    #[arg(short, long, default_value = "keytrail.toml", conflicts_with = "uids")]
    pub(crate) config: PathBuf,
    /// Events from this time on, as 2026-11-24T08:00:00Z: where the list begins
    #[arg(long)]
    pub(crate) from: Option<Timestamp>,
    /// Events before this time
    #[arg(long)]
    pub(crate) to: Option<Timestamp>,
    /// Send what is missing once more; what was altered stays as it is
    #[arg(long)]
    pub(crate) resend: bool,
    /// Write the result to this file too, whose SHA-256 the ledger then holds
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: StatusFormat,
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
