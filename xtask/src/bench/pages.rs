//! `cargo xtask bench pages`: how long each page takes on a million events, by the clock of who asks and by the server's CPU.
//!
//! The log ends in the past, so the server is told by faketime that it is the evening of the log's last day: the last seven
//! days are then full of events.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::restart::fill;
use super::{folder, generated_as, release};
use crate::measure::cpu_s;

/// Lines of the generated log: half as many events. It is imported under two nodes.
const LINES: u64 = 1_000_000;
const NODES: u64 = 2;
/// What the generator is told, so that so many lines fill thirty days.
const DAYS: &str = "38";
/// How often each page is asked for, after once; less often if that takes longer than this.
const ROUNDS_MAX: usize = 100;
const TIME_MAX: Duration = Duration::from_secs(10);

/// Builds a release, makes the data once, asks for each page, and prints a table that is Markdown as well.
///
/// # Errors
/// A step that fails, or a page that is none.
pub(crate) fn pages() -> Result<()> {
    let program = release()?;
    let folder = folder()?;
    let log = generated_as(&folder, "audit-30-days.log", LINES, &["--days", DAYS])?;
    let data = folder.join("pages-data");
    fill(&program, &data, &log, NODES * fs::metadata(&log)?.len())?;
    let last = last_day(&log)?;
    let mut server = Command::new("faketime");
    server.args(["--exclude-monotonic", &format!("{last} 20:00:00")]).arg(&program);
    server.arg("run").arg("-d").arg(&data).args(["--listen", "127.0.0.1:0"]).env("TZ", "UTC");
    let mut child = server.stderr(Stdio::piped()).spawn().context("faketime: Debian has it")?;
    let table = measure(&program, &data, &mut child);
    // faketime waits for the server that it has started, and ends with it.
    for server in children(child.id()) {
        Command::new("kill").arg(server.to_string()).status()?;
    }
    child.wait()?;
    let table = table?;
    fs::write(folder.join("pages.md"), &table)?;
    eprintln!("\n{table}");
    Ok(())
}

/// Returns the day of the log's last line: `2026-10-24`.
fn last_day(log: &Path) -> Result<String> {
    let output = Command::new("tail").args(["-n", "1"]).arg(log).output()?;
    let line = String::from_utf8(output.stdout)?;
    let time = line.split_once("\"time\":\"").context("a line has a time")?.1;
    Ok(time.get(..10).context("a time has a day")?.to_owned())
}

fn measure(program: &Path, data: &Path, child: &mut Child) -> Result<String> {
    let mut said = BufReader::new(child.stderr.take().context("it is piped")?).lines();
    let mut heard = String::new();
    let address = said.by_ref().map_while(Result::ok).find_map(|line| {
        heard = format!("{heard}\n{line}");
        Some(line.split_once("http://")?.1.trim_end_matches('/').to_owned())
    });
    let address = address.with_context(|| format!("keytrail told no address:{heard}"))?;
    std::thread::spawn(move || said.for_each(drop));
    let pid = children(child.id()).pop().context("faketime has started nothing")?;
    let mut table = String::from(
        "| page | asked | first ms | median ms | p99 ms | CPU ms | bytes |\n|---|---|---|---|---|---|---|\n",
    );
    for (name, page) in addresses(program, data)? {
        let (first, bytes) = ask(&address, &page)?;
        let before = cpu_s(pid).context("keytrail has ended")?;
        let (begun, mut times) = (Instant::now(), Vec::new());
        while times.len() < ROUNDS_MAX && begun.elapsed() < TIME_MAX {
            times.push(ask(&address, &page)?.0);
        }
        let rounds = times.len();
        let cpu = cpu_s(pid).context("keytrail has ended")? - before;
        times.sort();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        table += &format!(
            "| {name} | {rounds} | {:.1} | {:.1} | {:.1} | {:.1} | {bytes} |\n",
            ms(first),
            ms(times[rounds / 2]),
            ms(times[rounds * 99 / 100]),
            cpu * 1e3 / rounds as f64
        );
    }
    Ok(table)
}

/// Returns the processes that a process has started.
fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Asks for a page; returns how long it took and how long it is.
fn ask(address: &str, page: &str) -> Result<(Duration, usize)> {
    let start = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {page} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let took = start.elapsed();
    if !answer.starts_with(b"HTTP/1.0 200") && !answer.starts_with(b"HTTP/1.1 200") {
        bail!("{page}: {}", String::from_utf8_lossy(&answer[..answer.len().min(500)]));
    }
    Ok((took, answer.len()))
}

/// Returns each page with what most events have.
fn addresses(program: &Path, data: &Path) -> Result<Vec<(&'static str, String)>> {
    let first = |arguments: &[&str], key: &str| -> Result<String> {
        let output = Command::new(program)
            .args(arguments)
            .args(["--format", "json", "-d"])
            .arg(data)
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        let line: serde_json::Value = serde_json::from_str(text.lines().next().context("a row")?)?;
        Ok(line[key].as_str().with_context(|| format!("{key} of {line}"))?.to_owned())
    };
    let escaped = |text: String| {
        text.replace('%', "%25").replace('/', "%2F").replace(' ', "%20").replace(':', "%3A")
    };
    let identity = escaped(first(&["count", "", "--by", "identity"], "identity_key")?);
    let path = escaped(first(&["count", "", "--by", "path"], "path")?);
    let events = ["search", "decision:denied", "--limit", "1"];
    let uid = first(&events, "uid")?;
    Ok([
        ("overview", "/".to_owned()),
        ("overview, 7 days", "/?span=7d".to_owned()),
        ("overview, 30 days", "/?span=30d".to_owned()),
        ("overview, Asia/Kathmandu", "/?span=7d&tz=Asia%2FKathmandu".to_owned()),
        ("explore, everything", "/explore".to_owned()),
        ("explore, denied, 7 days", "/explore?q=decision%3Adenied&from=-7d".to_owned()),
        ("event", format!("/event/{uid}")),
        ("identities", "/identities".to_owned()),
        ("identity", format!("/identity/{identity}?span=30d")),
        ("paths", "/paths".to_owned()),
        ("path", format!("/path/{path}?span=30d")),
        ("leases", "/leases".to_owned()),
        ("tokens", "/tokens".to_owned()),
        ("look-up", "/lookup".to_owned()),
        ("controls, 30 days", "/controls?framework=soc2&from=-30d".to_owned()),
        ("control", "/controls/KT-ENT-08?from=-30d".to_owned()),
        ("integrity", "/integrity".to_owned()),
        ("sources", "/sources".to_owned()),
        ("access report", "/reports/access".to_owned()),
    ]
    .into())
}
