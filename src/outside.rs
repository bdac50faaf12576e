//! Everything that keytrail asks of, or tells, other machines goes through here.

pub(crate) mod alert;
pub(crate) mod audit_hash;
pub(crate) mod checkpoints;
pub(crate) mod export;
pub(crate) mod left;
pub(crate) mod server;
pub(crate) mod sign_in;
pub(crate) mod witness;

use forward::store::AwsEnvironment;

/// Makes ring the cryptography of every TLS connection of this process.
pub(crate) fn install_tls() {
    // It fails only if it was done before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Returns what the environment says of object stores: server, region, credentials.
pub(crate) fn aws_environment() -> AwsEnvironment {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    AwsEnvironment(variables.filter(|(name, _)| name.starts_with("AWS_")).collect())
}

/// Returns the whole chain of an error: reqwest's own text leaves out the cause.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}
