//! HTTP to other machines, and the secrets that it takes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder};
use thiserror::Error;

/// How long a connection may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a connection cannot even be tried.
#[derive(Debug, Error)]
pub enum SetUpError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A file with a secret holds none.
    #[error("{} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A file holds something else than it should.
    #[error("{} must hold {what}", path.display())]
    Holds {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: String,
    },
    /// The settings cannot be used.
    #[error("{0}")]
    Settings(String),
    /// TLS cannot be set up.
    #[error("no TLS: {0}")]
    Tls(#[from] reqwest::Error),
}

/// Returns a client that goes where it is told and nowhere else: no proxy of the environment, no redirect.
/// With a CA file, that authority alone is trusted.
///
/// # Errors
/// The CA file cannot be read, or holds no PEM certificates.
pub fn client(timeout: Duration, ca_file: Option<&PathBuf>) -> Result<ClientBuilder, SetUpError> {
    let builder = Client::builder()
        .user_agent(concat!("keytrail/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout);
    let Some(path) = ca_file else { return Ok(builder) };
    let certificates = Certificate::from_pem_bundle(&read(path)?).map_err(|_| {
        SetUpError::Holds { path: path.clone(), what: "PEM certificates (ca_file)".to_owned() }
    })?;
    Ok(builder.tls_certs_only(certificates))
}

/// Reads a secret from its file, anew each time, since it may be rotated under us. Never logged.
///
/// # Errors
/// It cannot be read, or is empty.
pub fn secret(path: &Path) -> Result<String, SetUpError> {
    let bytes = read(path)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| SetUpError::Holds { path: path.to_owned(), what: "text".to_owned() })?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err(SetUpError::Empty { path: path.to_owned() });
    }
    Ok(secret.to_owned())
}

/// Reads a file that the configuration names.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, SetUpError> {
    fs::read(path).map_err(|error| SetUpError::File { path: path.to_owned(), error })
}
