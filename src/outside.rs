//! Everything that keytrail asks of, or tells, other machines goes through here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Certificate, Client, ClientBuilder};

pub(crate) mod alert;
pub(crate) mod audit_hash;
pub(crate) mod checkpoints;
pub(crate) mod export;
pub(crate) mod left;
pub(crate) mod server;
pub(crate) mod sign_in;
mod store_transport;
pub(crate) mod witness;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes ring the cryptography of every TLS connection of this process.
pub(crate) fn install_tls() {
    // It fails only if it was done before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Returns a client that goes where it is told and nowhere else: no proxy of the environment, no redirect.
/// With a CA file, that authority alone is trusted.
pub(crate) fn client(timeout: Duration, ca_file: Option<&PathBuf>) -> Result<ClientBuilder> {
    let builder = Client::builder()
        .user_agent(concat!("keytrail/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout);
    let Some(path) = ca_file else { return Ok(builder) };
    let pem = std::fs::read(path).with_context(|| format!("ca_file {}", path.display()))?;
    let certificates = Certificate::from_pem_bundle(&pem)
        .with_context(|| format!("ca_file {} holds no PEM certificates", path.display()))?;
    Ok(builder.tls_certs_only(certificates))
}

/// Reads a secret from its file, anew each time, since it may be rotated under us. Never logged.
pub(crate) fn secret(path: &Path) -> Result<String> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let secret = text.trim();
    anyhow::ensure!(!secret.is_empty(), "{} is empty", path.display());
    Ok(secret.to_owned())
}

/// Returns the whole chain of an error: reqwest's own text leaves out the cause.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}
