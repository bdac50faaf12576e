//! `[cluster.NAME]` and `[[server]]`: what the cluster has, and where its servers can be asked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ingest::source::SourceId;
use serde::Deserialize;

use super::duration::TypedDuration;
use crate::outside::server::SecretsServer;

/// Beats more often than this would be most of a quiet server's log.
const HEARTBEAT_MIN: Duration = Duration::from_millis(100);

/// `[cluster.NAME]` as typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileCluster {
    nodes: Option<Vec<String>>,
}

/// `[[server]]` as typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileServer {
    address: String,
    cluster: Option<String>,
    node: Option<String>,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    heartbeat: Option<TypedDuration>,
    counters: Option<bool>,
}

/// A server that can be asked.
#[derive(Clone, Debug)]
pub(crate) struct ServerConfig {
    /// `https://bao.internal:8200`.
    pub(crate) address: String,
    /// The sources in which its requests have to appear.
    pub(crate) sources: Vec<String>,
    /// How often it is read from.
    pub(crate) heartbeat: Option<Duration>,
    /// Whether its own counters are compared.
    pub(crate) counters: bool,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

impl ServerConfig {
    /// Returns a server that is read from so often, without a token.
    pub(crate) fn beating(address: &str, source: String, every: Duration) -> ServerConfig {
        ServerConfig {
            address: address.to_owned(),
            sources: vec![source],
            heartbeat: Some(every),
            counters: false,
            token_file: None,
            ca_file: None,
        }
    }

    /// Tells whether it can be asked for hashes, which wants a token.
    pub(crate) fn can_hash(&self) -> bool {
        self.token_file.is_some()
    }

    /// Returns a client of it.
    ///
    /// # Errors
    /// The CA file cannot be read.
    pub(crate) fn client(&self) -> anyhow::Result<SecretsServer> {
        SecretsServer::new(&self.address, self.token_file.clone(), self.ca_file.as_ref())
    }
}

/// Returns the nodes declared for this cluster.
pub(super) fn nodes(
    clusters: BTreeMap<String, FileCluster>,
    cluster: &str,
) -> Result<Option<Vec<String>>, String> {
    let mut declared = None;
    for (name, of_name) in clusters {
        if name != cluster {
            return Err(format!(
                "[cluster.{name}]: the sources are of cluster {cluster:?}, and a data folder holds one cluster"
            ));
        }
        declared = of_name.nodes;
    }
    let Some(mut nodes) = declared else { return Ok(None) };
    for node in &nodes {
        SourceId::new(cluster, node, "file")
            .map_err(|error| format!("[cluster.{cluster}] nodes: {error}"))?;
    }
    nodes.sort();
    nodes.dedup();
    Ok(Some(nodes))
}

/// Finds out which sources each server's requests appear in.
pub(super) fn servers(
    typed: Vec<FileServer>,
    cluster: &str,
    sources: &[SourceId],
) -> Result<Vec<ServerConfig>, String> {
    (1..)
        .zip(typed)
        .map(|(number, server)| {
            mean(server, cluster, sources)
                .map_err(|problem| format!("[[server]] number {number}: {problem}"))
        })
        .collect()
}

fn mean(typed: FileServer, cluster: &str, sources: &[SourceId]) -> Result<ServerConfig, String> {
    let FileServer { address, cluster: of, node, token_file, ca_file, heartbeat, counters } = typed;
    if of.as_deref().is_some_and(|of| of != cluster) {
        return Err(format!(
            "the sources are of cluster {cluster:?}, and a data folder holds one cluster"
        ));
    }
    let is_http = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    if is_http.is_none_or(str::is_empty) {
        return Err(format!("address {address:?} must begin with https:// or http://"));
    }
    let mut nodes: Vec<&str> = sources.iter().map(|source| source.node.as_str()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let node = match (node, &nodes[..]) {
        (Some(node), _) if nodes.contains(&node.as_str()) => node,
        (Some(node), _) => {
            return Err(format!(
                "no [[source]] is of node {node:?}; there are {}",
                nodes.join(", ")
            ));
        }
        (None, [only]) => (*only).to_owned(),
        (None, _) => {
            return Err(format!("say which node answers there, as node = {:?}", nodes[0]));
        }
    };
    let of_node = sources.iter().filter(|source| source.node == node);
    let heartbeat = heartbeat.map(|TypedDuration(every)| every);
    if heartbeat.is_some_and(|every| every < HEARTBEAT_MIN) {
        return Err("heartbeat must be 100ms or more; 30s is usual".to_owned());
    }
    let counters = counters.unwrap_or(token_file.is_some());
    if counters && heartbeat.is_none() {
        return Err("counters are read between two heartbeats: add heartbeat = \"30s\"".to_owned());
    }
    Ok(ServerConfig {
        address,
        sources: of_node.map(ToString::to_string).collect(),
        heartbeat,
        counters,
        token_file,
        ca_file,
    })
}
