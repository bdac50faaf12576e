//! From a value to its hashes: a secrets server makes them, or a table that one made.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use tokio::runtime::Runtime;

use crate::commands::run::runtime;
use crate::config::Config;
use crate::failure::Failure;
use crate::outside::audit_hash::{ASK_YOURSELF, AuditHash};

/// What turns values into hashes.
pub(super) enum Hashing {
    /// `sys/audit-hash` of servers, for audit devices of each.
    Servers(Runtime, AuditHash),
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
        let asked = AuditHash::new(&servers)?;
        let asked = asked.ok_or_else(|| Failure::Usage(ASK_YOURSELF.to_owned()))?;
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
        Ok(runtime.block_on(asked.of(value))?)
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
