//! `cargo xtask bench tail`: what following a file costs, from a start with much to catch up to idling.
//!
//! Memory has a bound that is part of what keytrail promises to be on a server's node: the run fails
//! beyond it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{generated, release};
use crate::measure::{cpu_s, high_water_bytes};

/// The most memory that following may take, in MB (10^6 bytes), however much there is to catch up with.
const MEMORY_MAX_MB: f64 = 256.0;
const CATCH_UP_MAX: Duration = Duration::from_secs(1800);
/// How long an idle process is watched.
const IDLE: Duration = Duration::from_secs(20);

/// Follows a generated log of so many lines until all is searchable, then watches the idle process.
///
/// # Errors
/// A step that fails; more memory than [`MEMORY_MAX_MB`].
pub(crate) fn tail(lines: u64) -> Result<()> {
    if lines == 0 {
        bail!("there must be at least one line");
    }
    let program = release()?;
    let folder = super::folder()?;
    let log = generated(&folder, lines)?;
    let data = folder.join("tail-data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let mut following = Command::new(&program)
        .args(["run", "--reserve", "0"])
        .arg("-d")
        .arg(&data)
        .args(["--listen", "127.0.0.1:0", "--cluster", "bench", "--node", "bench", "--audit-log"])
        .arg(&log)
        .stderr(Stdio::null())
        .spawn()
        .context("keytrail cannot be started")?;
    let measured = measure(&program, &data, lines, &mut following);
    following.kill()?;
    following.wait()?;
    let table = measured?;
    let file = folder.join("tail.md");
    fs::write(&file, &table).with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("\n{table}\nalso in {}", file.display());
    Ok(())
}

fn measure(program: &Path, data: &Path, lines: u64, following: &mut Child) -> Result<String> {
    let pid = following.id();
    let gone = || format!("process {pid} has ended");
    let start = Instant::now();
    while lines_indexed(program, data).is_none_or(|indexed| indexed < lines) {
        if let Some(status) = following.try_wait()? {
            bail!("keytrail ended while it followed: {status}");
        }
        if start.elapsed() > CATCH_UP_MAX {
            bail!("not caught up after {CATCH_UP_MAX:?}");
        }
        thread::sleep(Duration::from_secs(1));
    }
    let (elapsed_s, catch_up_s) = (start.elapsed().as_secs_f64(), cpu_s(pid).with_context(gone)?);
    // Merges of the index go on for a while; idle is what comes after.
    thread::sleep(IDLE);
    let before = cpu_s(pid).with_context(gone)?;
    thread::sleep(IDLE);
    let idle_s = cpu_s(pid).with_context(gone)? - before;
    let memory_mb = high_water_bytes(pid).with_context(gone)? as f64 / 1e6;
    if memory_mb > MEMORY_MAX_MB {
        bail!("{memory_mb:.0} MB of memory at the most, over the bound of {MEMORY_MAX_MB:.0}");
    }
    Ok(format!(
        "{lines} lines to catch up with\n\n\
         | clock s | CPU s | most memory MB | CPU idle, % of one core |\n|---|---|---|---|\n\
         | {elapsed_s:.0} | {catch_up_s:.1} | {memory_mb:.0} | {:.2} |\n",
        100.0 * idle_s / IDLE.as_secs_f64()
    ))
}

/// Returns how many lines of the log can be searched for; nothing before there is an index.
pub(super) fn lines_indexed(program: &Path, data: &Path) -> Option<u64> {
    let output = Command::new(program)
        .args(["status", "--format", "json", "-d"])
        .arg(data)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    parse_status(&String::from_utf8(output.stdout).ok()?)
}

/// The lines of all sources, once everything that is signed is indexed.
fn parse_status(status: &str) -> Option<u64> {
    let status: serde_json::Value = serde_json::from_str(status).ok()?;
    let number = |name: &str| status[name].as_u64();
    if number("indexed_leaves")? < number("leaves")? {
        return None;
    }
    status["sources"].as_array()?.iter().map(|source| source["lines"].as_u64()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_once_they_are_indexed() {
        let status = |indexed| {
            format!(
                r#"{{"leaves":9,"indexed_leaves":{indexed},"sources":[{{"lines":3}},{{"lines":4}}]}}"#
            )
        };
        assert_eq!(parse_status(&status(9)), Some(7));
        assert_eq!(parse_status(&status(8)), None);
        assert_eq!(parse_status(""), None);
    }
}
