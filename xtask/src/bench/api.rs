//! The part of `cargo xtask bench query` that asks a running keytrail: what a person waits for who has just started it, and
//! what an answer costs once it has answered before.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::peers::{Server, free_port};
use super::restart::drop_caches;

/// How often each question is asked to be measured.
const ROUNDS: u32 = 50;

/// Asks a server that has just started, for each question another one; returns a table in Markdown. Where this user may not
/// empty the page cache, the first answer finds what the last server read.
pub(super) fn api(program: &Path, asking: &Path, data: &Path) -> Result<String> {
    let filters = Command::new(asking).arg(data).arg("--filters").stderr(Stdio::inherit()).output();
    let filters = filters.context("the questions cannot be told")?;
    if !filters.status.success() {
        bail!("the questions were not told");
    }
    let filters = String::from_utf8(filters.stdout)?;
    let mut table = String::from(
        "| question | rows: first ms | median ms | CPU ms | whole events: median ms | CPU ms |\n|---|---|---|---|---|---|\n",
    );
    for line in filters.lines() {
        let (name, filter) = line.split_once('\t').context("a question has a filter")?;
        drop_caches();
        let port = free_port()?;
        let mut run = Command::new(program);
        run.args(["run", "--listen", &format!("127.0.0.1:{port}"), "-d"]).arg(data);
        let server = Server::start(&mut run, port, "/readyz", &data.with_extension("said"))?;
        server.settle()?;
        let first_ms = asked(&server, filter, "true")?;
        let [rows, whole] = ["true", "false"].map(|rows| median_and_cpu_ms(&server, filter, rows));
        let ((rows_ms, rows_cpu), (whole_ms, whole_cpu)) = (rows?, whole?);
        table += &format!(
            "| {name} | {first_ms:.1} | {rows_ms:.1} | {rows_cpu:.1} | {whole_ms:.1} | {whole_cpu:.1} |\n"
        );
    }
    Ok(table)
}

/// Asks many times, after once; returns milliseconds: the median by the clock, and the server's CPU time of one.
fn median_and_cpu_ms(server: &Server, filter: &str, rows: &str) -> Result<(f64, f64)> {
    asked(server, filter, rows)?;
    let before = server.cpu_s()?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(asked(server, filter, rows)?);
    }
    times.sort_by(f64::total_cmp);
    let cpu_ms = (server.cpu_s()? - before) * 1e3 / f64::from(ROUNDS);
    Ok((times[times.len() / 2], cpu_ms))
}

/// Asks once; returns the milliseconds by the clock.
fn asked(server: &Server, filter: &str, rows: &str) -> Result<f64> {
    let start = Instant::now();
    let answer = server.get("/api/v1/events", &[("q", filter), ("limit", "50"), ("rows", rows)])?;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    if answer["matched"].as_u64().is_none_or(|matched| matched == 0) {
        bail!("nothing matches {filter}: {answer}");
    }
    Ok(ms)
}
