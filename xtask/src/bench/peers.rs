//! `cargo xtask bench peers`: keytrail beside what else answers such questions, on the same file in the same run.
//!
//! Each peer takes the log in, if it does, and is asked four questions. Its answers are held against keytrail's row by
//! row: a figure of a wrong answer would be worth nothing. A peer that cannot be had is named with the reason.

mod answer;
mod commands;
mod duckdb;
mod keytrail;
mod opensearch;
mod programs;
mod server;
mod table;
mod vault_audit;
mod victorialogs;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use self::answer::{Answer, Subject};
use super::{folder, generated, release};
use crate::measure::{Cost, pipeline_to};

pub(super) use self::opensearch::server as opensearch_server;
pub(super) use self::server::{Server, free_port};

/// What all peers are given.
struct Bench {
    /// keytrail as it is released.
    program: PathBuf,
    log: PathBuf,
    log_bytes: u64,
    lines: u64,
    /// Where peers keep what they take in; removed afterwards.
    folder: PathBuf,
    subject: Subject,
}

/// What a peer did.
struct Peer {
    name: String,
    /// Nothing of one that reads the log anew for each question.
    take_in: Option<TakeIn>,
    /// In the order of [`answer::QUESTIONS`].
    answers: [Answer; 4],
}

/// What it cost to take the log in.
struct TakeIn {
    cost: Cost,
    disk_bytes: u64,
}

/// A peer that could not be measured.
struct Absent {
    name: &'static str,
    why: String,
}

/// Does what a peer does, or says why it cannot.
type Run = fn(&Bench) -> Result<Peer>;

const PEERS: [(&str, Run); 8] = [
    ("zstd", commands::zstd),
    ("ripgrep", commands::ripgrep),
    ("jq", commands::jq),
    ("DuckDB, the log", duckdb::log),
    ("DuckDB, keytrail's Parquet", duckdb::parquet),
    ("vault-audit-tools", vault_audit::vault_audit),
    ("VictoriaLogs", victorialogs::victorialogs),
    ("OpenSearch", opensearch::opensearch),
];

/// Builds a release, generates a log once, lets every peer take it in and answer, and prints tables that are
/// Markdown as well.
///
/// # Errors
/// keytrail itself fails, or a peer's answer has other rows than keytrail's.
pub(crate) fn peers(lines: u64) -> Result<()> {
    let program = release()?;
    let outer = folder()?;
    let log = generated(&outer, lines)?;
    let folder = outer.join("peers");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let log_bytes = fs::metadata(&log)?.len();
    let subject = Subject { entity: String::new(), request: String::new() };
    let mut bench = Bench { program, log, log_bytes, lines, folder, subject };
    // Read once, so that nobody pays for the disk.
    let mut cksum = Command::new("cksum");
    cksum.arg(&bench.log);
    bench.answered(&mut [cksum])?;
    let measured = measure(&mut bench);
    fs::remove_dir_all(&bench.folder)?;
    let (peers, absent) = measured?;
    let table = table::table(&bench, &peers, &absent);
    let file = outer.join("peers.md");
    fs::write(&file, &table.text)
        .with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("\n{}\nalso in {}", table.text, file.display());
    if !table.differing.is_empty() {
        bail!("answers differ: {}", table.differing.join("; "));
    }
    Ok(())
}

/// Returns what the peers did, keytrail first, and why others could not.
fn measure(bench: &mut Bench) -> Result<(Vec<Peer>, Vec<Absent>)> {
    eprintln!("\n=== keytrail");
    let take_in = keytrail::import(bench)?;
    bench.subject = keytrail::subject(bench)?;
    let mut peers = vec![keytrail::commands(bench, take_in)?, keytrail::running(bench)?];
    let mut absent = Vec::new();
    for (name, run) in PEERS {
        eprintln!("\n=== {name}");
        match run(bench) {
            Ok(peer) => peers.push(peer),
            Err(error) => absent.push(Absent { name, why: format!("{error:#}") }),
        }
    }
    Ok((peers, absent))
}

impl Bench {
    /// Runs a pipeline, and returns its cost and what it wrote.
    fn answered(&self, commands: &mut [Command]) -> Result<(Cost, String)> {
        let file = self.folder.join("answer");
        let cost = pipeline_to(commands, &file)?;
        let text = fs::read_to_string(&file).context("the answer is not UTF-8")?;
        Ok((cost, text))
    }
}
