//! How a command ends when it does not end well.

use std::fmt;
use std::process::ExitCode;

/// Why a command failed; each kind has its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit code 1: a check failed (the ledger is not intact).
    CheckFailed(String),
    /// Exit code 2: wrong usage, filter or configuration.
    Usage(String),
    /// Exit code 3: it could not run.
    Other(anyhow::Error),
}

impl Failure {
    /// Returns the exit code of DESIGN's list.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::CheckFailed(_) => ExitCode::from(1),
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Other(_) => ExitCode::from(3),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::CheckFailed(message) => f.write_str(message),
            Failure::Usage(message) => write!(f, "error: {message}"),
            Failure::Other(error) => write!(f, "error: {error:#}"),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Other(error.into())
    }
}
