//! Everything that keytrail asks of, or tells, other machines goes through here.

pub(crate) mod alert;
pub(crate) mod audit_hash;
pub(crate) mod checkpoints;
pub(crate) mod export;
pub(crate) mod left;
pub(crate) mod server;
pub(crate) mod sign_in;
mod store_transport;
pub(crate) mod witness;

/// Makes ring the cryptography of every TLS connection of this process.
pub(crate) fn install_tls() {
    // It fails only if it was done before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Returns the whole chain of an error: reqwest's own text leaves out the cause.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}
