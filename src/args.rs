//! The command line, as typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use ingest::room::Reserve;

mod account;
mod forward;
mod ledger;
mod question;
mod report;
mod server;

pub(crate) use self::account::{StandingArgs, TokenArgs, TokenCommand, UserArgs, UserCommand};
pub(crate) use self::forward::{ForwardArgs, ForwardCommand, PlanArgs, ReconcileArgs, ReplayArgs};
pub(crate) use self::ledger::{
    BackupArgs, CatArgs, HoldArgs, HoldCommand, KeyArgs, KeyCommand, ProveArgs, RetentionArgs,
    VerifyArgs,
};
pub(crate) use self::question::{
    CountArgs, Format, GivenOutArgs, LookUpArgs, LookUpFormat, QuestionArgs, SearchArgs,
};
pub(crate) use self::report::{
    ByArg, ControlsArgs, ControlsFormat, EvidenceArgs, FrameworkName, IssuedArgs, PackArgs, RawArg,
    ReportArgs, ReportFormat,
};
pub(crate) use self::server::{
    CheckConfigArgs, DemoArgs, ImportArgs, RunArgs, StatusArgs, StatusFormat,
};

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
    /// Bytes to leave free on a volume that holds a followed file, in place of what the configuration reserves [default: 1 GiB or a tenth of the volume, whichever is more]
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
