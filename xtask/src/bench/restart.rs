//! `cargo xtask bench restart`: how long it takes until keytrail is there again, on a ledger of many gigabytes; and a
//! backup of that.
//!
//! One generated log is imported under as many nodes as it takes. Then `keytrail run` follows one more file and is
//! asked until it is ready, once with nothing of the ledger in the page cache (where this user may drop that), once
//! after a kill. Each number is of one run: of a clock that others share, the order of magnitude counts.

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{MEBIBYTE, folder, folder_bytes, generated, release};
use crate::measure::{Cost, cpu_s, high_water_bytes, pipeline};

/// Lines of the generated log: 1.6 GB.
const LINES: u64 = 1_000_000;
const READY_WITHIN: Duration = Duration::from_secs(600);

/// Builds a release, makes the ledger once, measures, and prints a table that is Markdown as well.
///
/// # Errors
/// A step that fails.
pub(crate) fn restart(gigabytes: u64) -> Result<()> {
    let program = release()?;
    let folder = folder()?;
    let log = generated(&folder, LINES)?;
    let data = folder.join("restart-data");
    let raw = fill(&program, &data, &log, gigabytes * 1_000_000_000)?;
    let followed = folder.join("restart-audit.log");
    if !followed.exists() {
        let mut head = Vec::new();
        fs::File::open(&log)?.take(1 << 20).read_to_end(&mut head)?;
        head.truncate(head.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        fs::write(&followed, head)?;
    }
    let cold = drop_caches();
    let mut rows = Vec::new();
    let mut run = |name: &str| -> Result<()> {
        let (ready, cost) = run_until_ready(&program, &data, &followed)?;
        rows.push((format!("`keytrail run` until its first answer{name}"), ready.0, cost));
        rows.push((format!("`keytrail run` until /readyz{name}"), ready.1, cost));
        Ok(())
    };
    run(if cold { ", cold" } else { "" })?;
    run(", after a kill")?;
    for (name, arguments) in [
        ("status", &["status"][..]),
        ("search --limit 50", &["search", "", "--limit", "50"]),
        ("cat", &["cat", "-s", "keytrail"]),
    ] {
        for cold in [true, false] {
            if cold && !drop_caches() {
                continue;
            }
            let mut command = Command::new(&program);
            command.args(arguments).arg("-d").arg(&data).stderr(Stdio::null());
            let cost = pipeline(&mut [command])?;
            let suffix = if cold { ", cold" } else { "" };
            rows.push((format!("`keytrail {name}`{suffix}"), cost.elapsed_s, cost));
        }
    }
    let copy = folder.join("restart-copy");
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    for name in ["`keytrail backup`, the first", "`keytrail backup`, again"] {
        let mut command = Command::new(&program);
        command.arg("backup").arg("-d").arg(&data).arg("-o").arg(&copy).stderr(Stdio::null());
        let cost = pipeline(&mut [command])?;
        rows.push((name.to_owned(), cost.elapsed_s, cost));
    }
    fs::remove_dir_all(&copy)?;
    for stream in ["lines", "own"] {
        for entry in fs::read_dir(data.join("ledger").join(stream))? {
            take_footer(&entry?.path())?;
        }
    }
    // The next one to write gives the segments their footers back.
    for cold in [true, false] {
        if cold && !drop_caches() {
            continue;
        }
        let mut command = Command::new(&program);
        command.arg("status").arg("-d").arg(&data).stderr(Stdio::null());
        let cost = pipeline(&mut [command])?;
        let suffix = if cold { ", cold" } else { "" };
        rows.push((format!("`keytrail status` without footers{suffix}"), cost.elapsed_s, cost));
    }
    let mut table = format!(
        "{:.1} GB of log, ledger {:.0} MiB, index {:.0} MiB\n\n\
         | run | clock s | CPU s | most memory MiB |\n|---|---|---|---|\n",
        raw as f64 / 1e9,
        folder_bytes(&data.join("ledger"))? as f64 / MEBIBYTE,
        folder_bytes(&data.join("index"))? as f64 / MEBIBYTE,
    );
    for (name, clock_s, cost) in rows {
        let memory = cost.memory_bytes as f64 / MEBIBYTE;
        table += &format!("| {name} | {clock_s:.2} | {:.2} | {memory:.0} |\n", cost.cpu_s);
    }
    let file = folder.join("restart.md");
    fs::write(&file, &table).with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("\n{table}\nalso in {}", file.display());
    Ok(())
}

/// Imports the log under one node after the other, until the ledger has so many bytes of it, and returns how many.
/// What an earlier run imported stays.
pub(super) fn fill(program: &Path, data: &Path, log: &Path, bytes: u64) -> Result<u64> {
    let log_bytes = fs::metadata(log)?.len();
    let nodes = bytes.div_ceil(log_bytes);
    for node in 1..=nodes {
        let mark = data.with_extension(format!("node-{node}"));
        if mark.exists() {
            continue;
        }
        eprintln!("import {node} of {nodes}");
        let mut import = Command::new(program);
        import.arg("import").arg("-d").arg(data).args(["--cluster", "bench"]);
        import.args(["--node", &format!("node-{node}")]).arg(log).stderr(Stdio::null());
        pipeline(&mut [import])?;
        fs::write(mark, "")?;
    }
    Ok(nodes * log_bytes)
}

/// Takes the footer off a segment, as an earlier keytrail sealed it; see docs/ledger-format.md.
fn take_footer(segment: &Path) -> Result<()> {
    let mut file = fs::OpenOptions::new().read(true).write(true).open(segment)?;
    let length = file.metadata()?.len();
    let mut end = [0; 12];
    if length < end.len() as u64 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-(end.len() as i64)))?;
    file.read_exact(&mut end)?;
    let Some(bytes) = end.strip_suffix(b"sealed 2").and_then(<[u8]>::as_array) else {
        return Ok(());
    };
    let frames_bytes = length - u64::from(u32::from_le_bytes(*bytes));
    file.set_len(frames_bytes)?;
    file.seek(SeekFrom::Start(frames_bytes))?;
    Ok(file.write_all(b"\x5c\x2a\x4d\x18\x08\x00\x00\x00sealed 1")?)
}

/// Empties the page cache; false where this user may not.
pub(super) fn drop_caches() -> bool {
    let synced = Command::new("sync").status().is_ok_and(|status| status.success());
    synced && fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

/// Starts to follow a file, and kills the process once it is ready. Returns the seconds until the first answer and
/// until it was ready, and what it had cost by then.
fn run_until_ready(program: &Path, data: &Path, followed: &Path) -> Result<((f64, f64), Cost)> {
    let start = Instant::now();
    let mut running = Command::new(program)
        .args(["run", "--reserve", "0"])
        .arg("-d")
        .arg(data)
        .args(["--listen", "127.0.0.1:0", "--cluster", "bench", "--node", "last", "--audit-log"])
        .arg(followed)
        .stderr(Stdio::piped())
        .spawn()
        .context("keytrail cannot be started")?;
    let measured = measure(&mut running, start);
    running.kill()?;
    running.wait()?;
    measured
}

fn measure(running: &mut Child, start: Instant) -> Result<((f64, f64), Cost)> {
    let said = BufReader::new(running.stderr.take().context("standard error is a pipe")?);
    let mut lines = said.lines();
    let address = loop {
        let line = lines.next().context("keytrail ended before it served")??;
        if let Some((_, rest)) = line.split_once("http://") {
            break rest.trim_end_matches('/').to_owned();
        }
    };
    // What else it says must not fill the pipe.
    thread::spawn(move || lines.for_each(drop));
    let mut first = None;
    while start.elapsed() < READY_WITHIN {
        let answer = answer(&address, "/readyz").unwrap_or_default();
        if !answer.is_empty() {
            first.get_or_insert_with(|| start.elapsed().as_secs_f64());
        }
        if answer.starts_with("HTTP/1.1 200") {
            let elapsed_s = start.elapsed().as_secs_f64();
            let (pid, gone) = (running.id(), "keytrail has ended");
            let cost = Cost {
                elapsed_s,
                cpu_s: cpu_s(pid).context(gone)?,
                memory_bytes: high_water_bytes(pid).context(gone)?,
            };
            return Ok(((first.unwrap_or(elapsed_s), elapsed_s), cost));
        }
        thread::sleep(Duration::from_millis(5));
    }
    bail!("not ready after {READY_WITHIN:?}")
}

/// Returns what the server answers.
fn answer(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
