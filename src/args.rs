//! The command line, as typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use ingest::room::Reserve;

mod account;
mod forward;

pub(crate) use self::account::{StandingArgs, TokenArgs, TokenCommand, UserArgs, UserCommand};
pub(crate) use self::forward::{ForwardArgs, ForwardCommand, PlanArgs, ReconcileArgs, ReplayArgs};

/// Turns the audit log of OpenBao and HashiCorp Vault into evidence.
#[derive(Debug, Parser)]
#[command(name = "keytrail", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 a check failed, 2 wrong usage or filter, 3 could not run."
)]
pub(crate) struct Args {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Follow audit files into ledger and index, and serve the dashboard
    Run(RunArgs),
    /// Bring whole audit files into ledger and index
    Import(ImportArgs),
    /// List the events that a filter keeps, newest first
    Search(SearchArgs),
    /// Count the events that a filter keeps
    Count(CountArgs),
    /// Tell whose a token, accessor, database user, lease or other value is
    Lookup(LookUpArgs),
    /// List the leases that the server gave out, and which of them were in force at an instant
    Leases(GivenOutArgs),
    /// List the tokens that the server gave out, and which of them were in force at an instant
    Tokens(GivenOutArgs),
    /// Write a report over a period
    Report(ReportArgs),
    /// List reports that somebody stands up for, or make one again
    Issued(IssuedArgs),
    /// Ask the trail what SOC 2 and ISO 27001 ask of it, and list the exceptions
    Controls(ControlsArgs),
    /// Write a pack: populations, sample, raw lines and their proof, to be verified offline
    Pack(PackArgs),
    /// Write a pack of the rows that an auditor picked
    Evidence(EvidenceArgs),
    /// Recompute the ledger and compare it with its signed checkpoint; or check a proof
    Verify(VerifyArgs),
    /// Prove offline that a line is in the ledger, or that the ledger extends a checkpoint
    Prove(ProveArgs),
    /// Show or change the key that signs the ledger
    Key(KeyArgs),
    /// Write a source's exact bytes to standard output
    Cat(CatArgs),
    /// Copy the ledger as of its last checkpoint, also while keytrail runs
    Backup(BackupArgs),
    /// Throw the index away and make it anew from the ledger
    Rebuild(DataArgs),
    /// Tell which lines are older than what is kept, or remove them
    Retention(RetentionArgs),
    /// Set or release a legal hold: while one stands, retention removes nothing
    Hold(HoldArgs),
    /// Look at sinks, try one, send events again
    Forward(ForwardArgs),
    /// Tell what a data folder holds
    Status(StatusArgs),
    /// Add, list, change or remove those who may sign in
    User(UserArgs),
    /// Add, list or remove tokens with which programs ask a running keytrail
    Token(TokenArgs),
    /// Check a configuration file
    CheckConfig(CheckConfigArgs),
    /// The detection pack: Sigma rules for what sinks send
    Rules(RulesArgs),
    /// Show keytrail at work on a real OpenBao
    Demo(DemoArgs),
    /// Write the script by which a shell completes commands and options
    Completions(CompletionsArgs),
}

/// Which data folder.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DataArgs {
    /// Data folder [default: $XDG_STATE_HOME/keytrail, or /var/lib/keytrail as a service]
    #[arg(short, long, env = "KEYTRAIL_DATA")]
    pub(crate) data: Option<PathBuf>,
}

/// How much room is left to the secrets server.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct ReserveArgs {
    /// Bytes to leave free on a volume that holds a followed file, in place of the configuration's [reserve] [default: 1 GiB or a tenth of the volume, whichever is more]
    #[arg(long, env = "KEYTRAIL_RESERVE", value_name = "BYTES")]
    reserve: Option<u64>,
}

impl ReserveArgs {
    /// Returns what was asked for here, else what the configuration says.
    pub(crate) fn or(self, configured: Reserve) -> Reserve {
        self.reserve.map_or(configured, |bytes| Reserve { bytes, percent: 0 })
    }
}

/// Which running keytrail.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct UrlArgs {
    /// Ask the keytrail that runs at this address, such as http://127.0.0.1:8088, in place of a data folder
    #[arg(long, env = "KEYTRAIL_URL")]
    pub(crate) url: Option<String>,
    /// File with the token to send there, from `keytrail token add` [default: the token in KEYTRAIL_TOKEN, if it is set]
    #[arg(long, env = "KEYTRAIL_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

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

/// `verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// A proof that `keytrail prove` wrote, or a pack (.zip), to be checked without any ledger
    #[arg(conflicts_with = "index")]
    pub(crate) proof: Option<PathBuf>,
    /// The line that the proof is about
    #[arg(long, requires = "proof")]
    pub(crate) line: Option<PathBuf>,
    /// Checkpoint that was kept outside, or a folder of such: is the ledger still their extension?
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) against: Vec<PathBuf>,
    /// Key of a witness (file or text): what it cosigned last is held against the ledger
    #[arg(long, value_name = "KEY", conflicts_with = "proof")]
    pub(crate) witness: Vec<String>,
    /// Fingerprint (sha256:…) or file of the signer's key, had from somewhere else than this machine
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Also decode every line again and compare the counts with the index
    #[arg(long)]
    pub(crate) index: bool,
}

/// `prove`.
#[derive(Debug, clap::Args)]
pub(crate) struct ProveArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Number of the leaf: of a line, or of a batch header, which tells where lines came from
    #[arg(required_unless_present = "from")]
    pub(crate) leaf: Option<u64>,
    /// Prove instead that the ledger extends this checkpoint
    #[arg(long, value_name = "CHECKPOINT", conflicts_with = "leaf")]
    pub(crate) from: Option<PathBuf>,
    /// File to write; the line stands beside it [default: leaf-N.tlog-proof, from-N.consistency]
    #[arg(short, long)]
    pub(crate) output: Option<PathBuf>,
}

/// `key`.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
}

/// What to do with the key.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Print the public key, its fingerprint, and how it came to its place
    Show(DataArgs),
    /// Sign with a new key from now on; the old one hands over to it
    Rotate(DataArgs),
    /// Continue the ledger under a new name: after a restore from an older copy, or when the key is lost
    NewOrigin(NewOriginArgs),
}

/// `key new-origin`.
#[derive(Debug, clap::Args)]
pub(crate) struct NewOriginArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Why, for whoever reads the ledger later
    #[arg(long)]
    pub(crate) why: String,
}

/// `retention`.
#[derive(Debug, clap::Args)]
pub(crate) struct RetentionArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// How long lines are kept after they arrived, as 400d
    #[arg(long, value_parser = crate::config::parse_duration)]
    pub(crate) keep: std::time::Duration,
    /// Remove them; without this, only tell what would go
    #[arg(long)]
    pub(crate) apply: bool,
}

/// `hold`.
#[derive(Debug, clap::Args)]
pub(crate) struct HoldArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: HoldCommand,
}

/// What to do with legal holds.
#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// Set one
    Set {
        #[command(flatten)]
        data: DataArgs,
        /// Why, for whoever reads the ledger later
        reason: String,
    },
    /// Release the one with this reason, or all
    Release {
        #[command(flatten)]
        data: DataArgs,
        /// The reason with which it was set
        reason: Option<String>,
    },
}

/// `cat`.
#[derive(Debug, clap::Args)]
pub(crate) struct CatArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Source, as cluster/node/device
    #[arg(short, long)]
    pub(crate) source: String,
}

/// `backup`.
#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Folder of the copy; of one that holds an earlier backup only what changed is written
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    /// Copy the signing key too: whoever has the copy can then sign
    #[arg(long)]
    pub(crate) with_keys: bool,
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

/// `rules`.
#[derive(Debug, clap::Args)]
pub(crate) struct RulesArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: RulesCommand,
}

/// What to do with the detection pack.
#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// List the rules: name, level, techniques of MITRE ATT&CK, title
    List {
        /// How they are listed
        #[arg(long, value_enum, default_value_t = RulesFormat::Table)]
        format: RulesFormat,
    },
    /// Write the rules as Sigma YAML, and the pipelines that name the fields of each format
    Export {
        /// Folder, made if it is not there; files of the same names are written anew [default: all rules to standard output]
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
}

/// Output formats of the list of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RulesFormat {
    /// Aligned columns for a person
    Table,
    /// One JSON object a line
    Json,
}

/// `completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}
