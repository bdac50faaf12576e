//! From a value to its hashes: each secrets server makes them for each of its audit devices.

use anyhow::{Context, anyhow};

use super::server::SecretsServer;
use crate::config::ServerConfig;

/// What to do where no server can be asked.
pub(crate) const ASK_YOURSELF: &str = "no [[server]] with a token_file is configured (-c keytrail.toml), so ask the server yourself, for each audit device:\n  \
     bao write -field=hash sys/audit-hash/DEVICE input=-      (the value on standard input)\n\
     and then:\n  keytrail lookup --hmac hmac-sha256:…";

/// The servers that can be asked, each with its audit devices.
#[derive(Clone, Debug)]
pub(crate) struct AuditHash(Vec<(SecretsServer, Vec<String>)>);

impl AuditHash {
    /// Returns the servers that have a token; `None` if none has.
    ///
    /// # Errors
    /// A CA file cannot be read.
    pub(crate) fn new(servers: &[ServerConfig]) -> anyhow::Result<Option<AuditHash>> {
        let mut asked = Vec::new();
        for server in servers.iter().filter(|server| server.can_hash()) {
            let device = |source: &String| source.rsplit('/').next().map(str::to_owned);
            asked.push((server.client()?, server.sources.iter().filter_map(device).collect()));
        }
        Ok((!asked.is_empty()).then_some(AuditHash(asked)))
    }

    /// Returns a value's hashes, each once.
    ///
    /// # Errors
    /// A server does not answer, or refuses.
    pub(crate) async fn of(&self, value: &str) -> anyhow::Result<Vec<String>> {
        let mut hashes = Vec::new();
        for (server, devices) in &self.0 {
            for device in devices {
                let hash = server.audit_hash(device, value).await;
                let hash = hash
                    .with_context(|| format!("{}, audit device {device}", server.address()))
                    .map_err(|error| anyhow!("{error:#}"))?;
                if !hashes.contains(&hash) {
                    hashes.push(hash);
                }
            }
        }
        Ok(hashes)
    }
}
