//! What processes cost: CPU time and the most memory held, as Linux counts them in `/proc`.
//!
//! CPU is read from our own `/proc/self/stat`, whose `cutime` and `cstime` hold the time of children that
//! were waited for: exact in ticks of 10 ms, and a pipeline is one sum. Memory is a child's `VmHWM`, the
//! high-water mark, read while it runs: it only grows, so the last reading misses at most what a process
//! takes in its last hundredth of a second.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Ticks a second of `/proc`: 100 on every Linux that we know (`getconf CLK_TCK`).
const TICKS_PER_SECOND: f64 = 100.0;

/// What a run cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Wall clock.
    pub(crate) elapsed_s: f64,
    /// User and system time of all processes.
    pub(crate) cpu_s: f64,
    /// The most memory that one process held, in bytes.
    pub(crate) memory_bytes: u64,
}

/// Runs commands as a pipeline, the last one's output thrown away, and measures them together.
///
/// # Errors
/// One cannot be started or fails, or this is not Linux.
pub(crate) fn pipeline(commands: &mut [Command]) -> Result<Cost> {
    let before = children_cpu_s()?;
    let start = Instant::now();
    let mut children: Vec<Child> = Vec::new();
    let last = commands.len() - 1;
    for (place, command) in commands.iter_mut().enumerate() {
        if let Some(earlier) = children.last_mut() {
            command.stdin(earlier.stdout.take().context("the earlier command has no output")?);
        }
        command.stdout(if place == last { Stdio::null() } else { Stdio::piped() });
        children.push(
            command.spawn().with_context(|| {
                format!("{} cannot be started", command.get_program().display())
            })?,
        );
    }
    let mut memory_bytes = 0;
    let mut running = children;
    while !running.is_empty() {
        let mut still = Vec::new();
        for mut child in running {
            memory_bytes = memory_bytes.max(high_water_bytes(child.id()).unwrap_or(0));
            match child.try_wait()? {
                Some(status) if status.success() => {}
                Some(status) => bail!("a measured command failed: {status}"),
                None => still.push(child),
            }
        }
        running = still;
        thread::sleep(Duration::from_millis(5));
    }
    Ok(Cost {
        elapsed_s: start.elapsed().as_secs_f64(),
        cpu_s: children_cpu_s()? - before,
        memory_bytes,
    })
}

/// Returns the CPU time of all children waited for so far, in seconds.
fn children_cpu_s() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat").context("only Linux has /proc/self/stat")?;
    parse_ticks(&stat, CHILDRENS_TICKS)
        .map(|ticks| ticks as f64 / TICKS_PER_SECOND)
        .context("/proc/self/stat has no cutime and cstime")
}

/// Returns the CPU time of a running process, in seconds; nothing once it has ended.
pub(crate) fn cpu_s(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_ticks(&stat, OWN_TICKS).map(|ticks| ticks as f64 / TICKS_PER_SECOND)
}

/// Where `utime` and `stime` stand after the program's name: fields 14 and 15 of proc(5).
const OWN_TICKS: usize = 11;
/// The same of children waited for, `cutime` and `cstime`.
const CHILDRENS_TICKS: usize = 13;

/// Two fields of proc(5), counted after the program's name, which may hold spaces and parentheses.
fn parse_ticks(stat: &str, at: usize) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(at);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Returns the most memory that a process has held; nothing once it has ended.
pub(crate) fn high_water_bytes(pid: u32) -> Option<u64> {
    parse_high_water(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse_high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read_as_proc_5_says() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 200 0 0 11 12 1300 14 20 0 1 0 5 6 7";
        assert_eq!(parse_ticks(stat, CHILDRENS_TICKS), Some(1314));
        assert_eq!(parse_ticks(stat, OWN_TICKS), Some(23));
        assert_eq!(
            parse_high_water("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n"),
            Some(2048 << 10)
        );
        assert_eq!(parse_high_water("Name:\tx\n"), None);
    }

    #[test]
    fn a_pipeline_is_measured_as_one() {
        let cost =
            pipeline(&mut [Command::new("true"), Command::new("cat")]).expect("Linux has both");
        assert!(cost.elapsed_s > 0.0 && cost.cpu_s >= 0.0, "{cost:?}");
        pipeline(&mut [Command::new("false")]).expect_err("a failure is told");
    }
}
