//! How a command ends when it does not end well.

use std::fmt;
use std::io;
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
            Failure::Other(error) => {
                write!(f, "error: {error:#}")?;
                if is_full(error) {
                    f.write_str("; make room there and start again: nothing is lost as long as the audit files stay")?;
                }
                Ok(())
            }
        }
    }
}

/// Tells whether a disk, or what this user may have of it, is full.
fn is_full(error: &anyhow::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    let causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.map(io::Error::kind).any(|kind| matches!(kind, StorageFull | QuotaExceeded))
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Other(error.into())
    }
}
