//! What processes cost: CPU time and the most memory held, as Linux counts them.
//!
//! CPU is what the kernel tells of children that were waited for (getrusage(2)), so a pipeline is one sum, and of a
//! process that runs (its CPU clock). Memory is a process's `VmHWM` of `/proc`, the high-water mark, read while it
//! runs: it only grows, so the last reading misses at most what a process takes in its last hundredth of a second.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

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
    pipeline_into(commands, Stdio::null())
}

/// The same, the last one's output into a file.
///
/// # Errors
/// One cannot be started or fails, the file cannot be written, or this is not Linux.
pub(crate) fn pipeline_to(commands: &mut [Command], file: &Path) -> Result<Cost> {
    let out =
        File::create(file).with_context(|| format!("{} cannot be written", file.display()))?;
    pipeline_into(commands, Stdio::from(out))
}

fn pipeline_into(commands: &mut [Command], out: Stdio) -> Result<Cost> {
    let mut out = Some(out);
    let before = children_cpu_s()?;
    let start = Instant::now();
    let mut children: Vec<Child> = Vec::new();
    let last = commands.len() - 1;
    for (place, command) in commands.iter_mut().enumerate() {
        if let Some(earlier) = children.last_mut() {
            command.stdin(earlier.stdout.take().context("the earlier command has no output")?);
        }
        let ours = if place == last { out.take() } else { None };
        command.stdout(ours.unwrap_or_else(Stdio::piped));
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
        thread::sleep(Duration::from_millis(1));
    }
    Ok(Cost {
        elapsed_s: start.elapsed().as_secs_f64(),
        cpu_s: children_cpu_s()? - before,
        memory_bytes,
    })
}

/// Returns the CPU time of all children waited for so far, in seconds.
fn children_cpu_s() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("the kernel does not tell")?;
    Ok((usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6)
}

/// Returns the CPU time of a running process, in seconds; nothing once it has ended.
pub(crate) fn cpu_s(pid: u32) -> Option<f64> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid.try_into().ok()?)).ok()?;
    Some(clock.now().ok()?.num_nanoseconds() as f64 / 1e9)
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
    fn cpu_time_of_a_process_is_its_own() {
        let before = cpu_s(std::process::id()).expect("we run");
        let mut sum = 0_u64;
        while cpu_s(std::process::id()).expect("we run") < before + 0.01 {
            sum = sum.wrapping_mul(31).wrapping_add(7);
        }
        std::hint::black_box(sum);
        assert_eq!(cpu_s(u32::MAX), None);
    }

    #[test]
    fn proc_is_read_as_proc_5_says() {
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
        assert!(cost.elapsed_s > 0.0 && cost.cpu_s > 0.0, "{cost:?}");
        pipeline(&mut [Command::new("false")]).expect_err("a failure is told");
    }
}
