//! The ledger: what proves it, what signs it, and what may go.

use std::path::PathBuf;

use clap::Subcommand;

use super::DataArgs;

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
