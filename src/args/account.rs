//! `user` and `token`, as typed.

use std::time::Duration;

use clap::Subcommand;
use web::Role;

use super::DataArgs;

/// `user`.
#[derive(Debug, clap::Args)]
pub(crate) struct UserArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: UserCommand,
}

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user; from the first one on, pages and API want a sign-in
    Add {
        #[command(flatten)]
        data: DataArgs,
        /// The name
        name: String,
        #[command(flatten)]
        standing: StandingArgs,
        /// Read the password from standard input; else one is made, and shown once
        #[arg(long)]
        password_stdin: bool,
    },
    /// List users
    List(DataArgs),
    /// Remove a user; his sessions end
    Remove {
        #[command(flatten)]
        data: DataArgs,
        /// The name
        name: String,
    },
    /// Give a user another password; his sessions end
    Password {
        #[command(flatten)]
        data: DataArgs,
        /// The name
        name: String,
        /// Read the password from standard input; else one is made, and shown once
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give a user another role; his sessions end
    Role {
        #[command(flatten)]
        data: DataArgs,
        /// The name
        name: String,
        #[command(flatten)]
        standing: StandingArgs,
    },
}

/// `token`.
#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Add a token and print it: it is shown once
    Add {
        #[command(flatten)]
        data: DataArgs,
        /// A name to know it by
        name: String,
        #[command(flatten)]
        standing: StandingArgs,
        /// How long it is good, as 90d
        #[arg(long, value_parser = crate::config::parse_duration)]
        expires: Duration,
    },
    /// List tokens
    List(DataArgs),
    /// Remove a token
    Remove {
        #[command(flatten)]
        data: DataArgs,
        /// The name
        name: String,
    },
}

/// What somebody is, and what he is bound to.
#[derive(Debug, clap::Args)]
pub(crate) struct StandingArgs {
    /// viewer, analyst, reviewer, auditor or admin
    #[arg(long)]
    pub(crate) role: Role,
    /// Of an auditor: the filter that he is bound to; '' is everything
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
    pub(crate) scope: Option<String>,
    /// Of an auditor: the beginning of the period that he is bound to
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Its end
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
}
