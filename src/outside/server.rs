//! Questions to a secrets server: heartbeats and its own counters.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use forward::http::{client, secret};
use reqwest::{Client, StatusCode};

/// How long an answer may take. A server that hangs in its audit device answers nothing.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of metrics that are read: a real server has about 200 KiB.
const METRICS_BYTES_MAX: usize = 16 << 20;

/// A secrets server, or one node of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct SecretsServer {
    client: Client,
    address: String,
    token_file: Option<PathBuf>,
}

/// The server's own count of its audit lines, since its process began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerCounters {
    pub(crate) server_started_ms: i64,
    pub(crate) requests: u64,
    pub(crate) responses: u64,
}

impl SecretsServer {
    /// Returns the server at an address such as `https://bao.internal:8200`.
    ///
    /// # Errors
    /// The CA file cannot be read.
    pub(crate) fn new(
        address: &str,
        token_file: Option<PathBuf>,
        ca_file: Option<&PathBuf>,
    ) -> Result<SecretsServer> {
        let client = client(TIMEOUT, ca_file)?.build().context("no TLS")?;
        Ok(SecretsServer { client, address: address.trim_end_matches('/').to_owned(), token_file })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Reads a path that no server has, without a token. The refusal is the answer that is wanted: the server
    /// has audited the request before it refused. A standby is told not to hand it on; it answers with a
    /// redirect, and has audited it too.
    ///
    /// # Errors
    /// No answer, or one that a request gets which is not audited: sealed, over its quota.
    pub(crate) async fn heartbeat(&self, path: &str) -> Result<()> {
        let url = format!("{}/v1/{path}", self.address);
        let request = self.client.get(url).header("X-Vault-No-Request-Forwarding", "true");
        let status = request.send().await?.status();
        match status {
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::TEMPORARY_REDIRECT => {
                Ok(())
            }
            _ => bail!("the server answers {status} where 403 is due"),
        }
    }

    /// Asks for the hash of a value as this audit device writes it. The request is audited, the value in it hashed.
    ///
    /// # Errors
    /// No answer, no permission, no such device.
    pub(crate) async fn audit_hash(&self, device: &str, value: &str) -> Result<String> {
        let url = format!("{}/v1/sys/audit-hash/{device}", self.address);
        let mut request = self.client.post(url).json(&serde_json::json!({ "input": value }));
        if let Some(path) = &self.token_file {
            request = request.header("X-Vault-Token", secret(path)?);
        }
        let response = request.send().await?;
        match response.status() {
            StatusCode::OK => Ok(response.json::<Hashed>().await?.data.hash),
            status => bail!(
                "sys/audit-hash/{device} answers {status}: give the token of token_file a policy with update on sys/audit-hash/*, and name the device as `bao audit list` does"
            ),
        }
    }

    /// Reads the server's counters of audit lines. With a token, that request is audited like any other.
    ///
    /// # Errors
    /// No answer, no permission, or no such metrics: Prometheus is not switched on.
    pub(crate) async fn counters(&self) -> Result<ServerCounters> {
        let url = format!("{}/v1/sys/metrics?format=prometheus", self.address);
        let mut request = self.client.get(url).header("X-Vault-No-Request-Forwarding", "true");
        if let Some(path) = &self.token_file {
            request = request.header("X-Vault-Token", secret(path)?);
        }
        let mut response = request.send().await?;
        let status = response.status();
        if status != StatusCode::OK {
            bail!(
                "sys/metrics answers {status}: give the token of token_file a policy with read on sys/metrics, or set unauthenticated_metrics_access in the server's listener"
            );
        }
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if text.len() + chunk.len() > METRICS_BYTES_MAX {
                bail!("sys/metrics has more than {METRICS_BYTES_MAX} bytes");
            }
            text.extend_from_slice(&chunk);
        }
        counters(&String::from_utf8_lossy(&text))
    }
}

/// The answer of `sys/audit-hash`.
#[derive(serde::Deserialize)]
struct Hashed {
    data: HashedData,
}

#[derive(serde::Deserialize)]
struct HashedData {
    hash: String,
}

/// Reads the counters out of Prometheus's text. A line kind that was never written has no metric yet.
fn counters(text: &str) -> Result<ServerCounters> {
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse::<f64>().ok())
    };
    let started = value("process_start_time_seconds")
        .context("no process_start_time_seconds among the server's metrics")?;
    let count = |name: &str| {
        let found = ["vault", "bao", "openbao"]
            .iter()
            .find_map(|prefix| value(&format!("{prefix}_audit_log_{name}_count")));
        found.map(|count| count as u64)
    };
    let (requests, responses) = (count("request"), count("response"));
    if requests.is_none() && responses.is_none() {
        bail!(
            "no audit_log_request_count among the server's metrics: set prometheus_retention_time = \"24h\" and disable_hostname = true in its telemetry stanza"
        );
    }
    Ok(ServerCounters {
        server_started_ms: (started * 1000.0) as i64,
        requests: requests.unwrap_or(0),
        responses: responses.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of OpenBao 2.7.2.
    const REAL: &str = "\
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.79554759339e+09
# TYPE vault_audit_file__log_request summary
vault_audit_file__log_request_sum 0.9465959817171097
vault_audit_file__log_request_count 5
# TYPE vault_audit_log_request summary
vault_audit_log_request{quantile=\"0.5\"} 0.17729300260543823
vault_audit_log_request_sum 1.1126190274953842
vault_audit_log_request_count 4
vault_audit_log_request_failure 0
vault_audit_log_response_count 3
";

    #[test]
    fn counters_are_those_of_all_devices() {
        let counters = counters(REAL).expect("counters");
        assert_eq!(
            counters,
            ServerCounters { server_started_ms: 1_795_547_593_390, requests: 4, responses: 3 }
        );
    }

    #[test]
    fn a_standby_counts_responses_only() {
        let text = REAL.replace("vault_audit_log_request_count 4\n", "");
        assert_eq!(counters(&text).expect("counters").requests, 0);
    }

    #[test]
    fn metrics_without_the_counters_name_the_remedy() {
        let error =
            counters("process_start_time_seconds 1\n").expect_err("no counters").to_string();
        assert!(error.contains("prometheus_retention_time"), "{error}");
    }
}
