//! From a value to its hashes: a secrets server makes them, or a table that one made.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, anyhow};
use serde::Deserialize;
use tokio::runtime::Runtime;

use crate::commands::run::runtime;
use crate::config::Config;
use crate::failure::Failure;
use crate::outside::server::SecretsServer;

/// What turns values into hashes.
pub(super) enum Hashing {
    /// `sys/audit-hash` of servers, for audit devices of each.
    Servers(Runtime, Vec<(SecretsServer, Vec<String>)>),
    /// Hashes by value.
    Table(BTreeMap<String, Vec<String>>),
}

/// A file of hashes: by value, or by device and value.
#[derive(Deserialize)]
#[serde(untagged)]
enum Table {
    Values(BTreeMap<String, String>),
    Devices(BTreeMap<String, BTreeMap<String, String>>),
}

impl Hashing {
    /// Reads the table, or else the servers of a configuration that have a token.
    ///
    /// # Errors
    /// There is neither; a file that cannot be read.
    pub(super) fn open(config: Option<&Path>, table: Option<&Path>) -> Result<Hashing, Failure> {
        if let Some(path) = table {
            return Ok(Hashing::Table(read(path).map_err(Failure::Usage)?));
        }
        let here = Path::new("keytrail.toml");
        let config =
            config.or_else(|| here.exists().then_some(here)).map(Config::read).transpose()?;
        let servers = config.map(|config| config.beside.servers).unwrap_or_default();
        let mut asked = Vec::new();
        for server in servers.iter().filter(|server| server.can_hash()) {
            let device = |source: &String| source.rsplit('/').next().map(str::to_owned);
            asked.push((server.client()?, server.sources.iter().filter_map(device).collect()));
        }
        if asked.is_empty() {
            return Err(Failure::Usage(
                "no [[server]] with a token_file is configured (-c keytrail.toml), so ask the server yourself, for each audit device:\n\
                 \x20 bao write -field=hash sys/audit-hash/DEVICE input=-      (the value on standard input)\n\
                 and then:\n\
                 \x20 keytrail lookup --hmac hmac-sha256:…"
                    .to_owned(),
            ));
        }
        Ok(Hashing::Servers(runtime()?, asked))
    }

    /// Returns a value's hashes, each once; of a table, those that it has.
    ///
    /// # Errors
    /// A server does not answer, or refuses.
    pub(super) fn of(&self, value: &str) -> Result<Vec<String>, Failure> {
        let (runtime, asked) = match self {
            Hashing::Table(table) => return Ok(table.get(value).cloned().unwrap_or_default()),
            Hashing::Servers(runtime, asked) => (runtime, asked),
        };
        let mut hashes = Vec::new();
        for (server, devices) in asked {
            for device in devices {
                let hash = runtime.block_on(server.audit_hash(device, value));
                let hash = hash
                    .with_context(|| format!("{}, audit device {device}", server.address()))
                    .map_err(|error| Failure::Other(anyhow!("{error:#}")))?;
                if !hashes.contains(&hash) {
                    hashes.push(hash);
                }
            }
        }
        Ok(hashes)
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Vec<String>>, String> {
    let text = std::fs::read(path).map_err(|error| ingest::tail::unreadable(path, &error))?;
    let table = serde_json::from_slice(&text).map_err(|error| {
        format!(
            "{}: {error}: it must be an object of hashes by value, or one of such objects by device",
            path.display()
        )
    })?;
    let devices = match table {
        Table::Values(values) => vec![values],
        Table::Devices(devices) => devices.into_values().collect(),
    };
    let mut hashes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (value, hash) in devices.into_iter().flatten() {
        hashes.entry(value).or_default().push(hash);
    }
    Ok(hashes)
}
