//! A recording with ground truth: a seeded script makes requests of every kind, several at a time, and
//! notes of each what the client saw. The audit log must tell the same story; comparing the two is a
//! test of keytrail, and whoever wants a real sample log has one.
//!
//! ```text
//! DIR/audit.log    as OpenBao wrote it
//! DIR/truth.jsonl  one TruthRow a line, in the order of the answers; `corr` stands in the audit log
//!                  under request.headers["x-correlation-id"]
//! ```
//! The same seed makes the same requests; ids, tokens, times and the order among the clients differ.

mod client_of_all;

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::json;

use super::client::{Call, TruthRow};
use super::random::Random;
use super::server::DemoServer;
use super::set_up;
use client_of_all::ClientOfAll;

/// Clients that make requests at the same time, so that their audit lines interleave.
const CLIENTS: u64 = 4;

/// What a recording came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// The audit log.
    pub(crate) audit_log: PathBuf,
    /// The truth.
    pub(crate) truth: PathBuf,
    /// Rows of truth.
    pub(crate) rows: usize,
    /// The server's version.
    pub(crate) version: String,
}

/// Starts the program `bao`, records `requests` random requests after the set-up, ends the server, and
/// writes `audit.log` and `truth.jsonl` into `dir`, which is made if it is missing.
///
/// # Errors
/// The server does not start or refuses the set-up; `dir` has these files already or cannot be written.
pub(crate) async fn record(
    bao: &Path,
    dir: &Path,
    seed: u64,
    requests: usize,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Recorded> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let (audit_log, truth) = (dir.join("audit.log"), dir.join("truth.jsonl"));
    // Made first, so that no recording is lost for want of a place, and none is overwritten.
    let mut log_file = new_file(&audit_log)?;
    let mut truth_file = BufWriter::new(new_file(&truth)?);

    let folder = tempfile::Builder::new().prefix("keytrail-record-").tempdir()?;
    let server = DemoServer::start(bao, folder.path(), say).await?;
    let rows = recorded_traffic(&server, seed, requests).await?;
    // The server writes an entry before it answers: with the last answer the log is complete.
    let mut written = File::open(&server.audit_log)?;
    std::io::copy(&mut written, &mut log_file)
        .with_context(|| format!("cannot write {}", audit_log.display()))?;
    for row in &rows {
        serde_json::to_writer(&mut truth_file, row)?;
        truth_file.write_all(b"\n")?;
    }
    truth_file.flush().with_context(|| format!("cannot write {}", truth.display()))?;
    let version = server.version.clone();
    server.stop().await;
    Ok(Recorded { audit_log, truth, rows: rows.len(), version })
}

fn new_file(path: &Path) -> Result<File> {
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    open.with_context(|| {
        format!("cannot make {}; give a folder without a recording", path.display())
    })
}

/// Sets up the server and makes `requests` random requests; returns a row of truth for each of the
/// set-up's and the random ones, in the order of their answers.
///
/// # Errors
/// The server refused the set-up or does not answer.
pub(crate) async fn recorded_traffic(
    server: &DemoServer,
    seed: u64,
    requests: usize,
) -> Result<Vec<TruthRow>> {
    let truth = Arc::new(Mutex::new(Vec::new()));
    let client = server.client.named(format!("kt-{seed}-0"), Some(Arc::clone(&truth)));
    let walkthrough = set_up::set_up(server, client).await?;
    // Refusals by a quota are audited only on request.
    for (path, body) in [
        ("sys/quotas/config", json!({"enable_rate_limit_audit_logging": true})),
        ("sys/quotas/rate-limit/legacy", json!({"path": "legacy/", "rate": 2, "interval": "1s"})),
    ] {
        walkthrough.client.must(Call::new("POST", path).body(&body).by(&walkthrough.root)).await?;
    }

    let mut clients = tokio::task::JoinSet::new();
    for number in 1..=CLIENTS {
        let own = server.client.named(format!("kt-{seed}-{number}"), Some(Arc::clone(&truth)));
        let walkthrough = walkthrough.with_client(own);
        let share =
            (requests as u64 / CLIENTS + u64::from(number <= requests as u64 % CLIENTS)) as usize;
        let random = Random::seeded(seed ^ (number << 56));
        clients
            .spawn(async move { ClientOfAll::new(walkthrough, random, number).run(share).await });
    }
    while let Some(client) = clients.join_next().await {
        client.context("a recording client panicked")??;
    }
    let mut truth = truth.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *truth))
}
