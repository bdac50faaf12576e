//! `cargo xtask bench`: what an import costs, against the least that any evidence of a log costs; and how fast a
//! ledger is verified, against reading and hashing its lines once.
//!
//! The yardstick is `zstd -3 -c FILE | sha256sum`, run turn by turn with the import on the same file in
//! the same minute, so that a busy machine slows both. CPU time is compared, not the clock.

mod api;
mod forward;
mod pack;
mod pages;
mod peers;
mod query;
mod restart;
mod storm;
mod tail;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::measure::{Cost, pipeline};
use crate::step::{cargo, step, target, workspace};

pub(crate) use forward::forward;
pub(crate) use pack::pack;
pub(crate) use pages::pages;
pub(crate) use peers::peers;
pub(crate) use query::query;
pub(crate) use restart::restart;
pub(crate) use storm::storm;
pub(crate) use tail::tail;
pub(crate) use verify::verify;

/// Builds a release, generates a log once, measures, and prints a table that is Markdown as well.
///
/// # Errors
/// A step that fails; no import left a data folder.
pub(crate) fn ingest(lines: u64, rounds: usize) -> Result<()> {
    if lines == 0 || rounds == 0 {
        bail!("there must be at least one line and one round");
    }
    let program = release()?;
    let folder = folder()?;
    let log = generated(&folder, lines)?;
    let log_bytes = fs::metadata(&log)?.len();
    let data = folder.join("data");

    // The same without a disk below it: what is left is not fsync.
    let memory = Path::new("/dev/shm/keytrail-bench");
    let (mut yardstick, mut import, mut in_memory) = (Vec::new(), Vec::new(), Vec::new());
    let mut rebuild = Vec::new();
    let mut syncs = Vec::new();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        let mut zstd = Command::new("zstd");
        zstd.args(["-3", "-q", "-c"]).arg(&log);
        yardstick.push(pipeline(&mut [zstd, Command::new("sha256sum")])?);
        for (data, costs) in [(data.as_path(), &mut import), (memory, &mut in_memory)] {
            if data.exists() {
                fs::remove_dir_all(data)?;
            }
            let said = folder.join("import.stderr");
            let mut keytrail = Command::new(&program);
            keytrail
                .arg("import")
                .arg("-d")
                .arg(data)
                .args(["--cluster", "bench", "--node", "bench"])
                .arg(&log)
                .env("KEYTRAIL_LOG", "ingest=debug")
                .stderr(fs::File::create(&said)?);
            costs.push(pipeline(&mut [keytrail])?);
            if data != memory {
                let said = fs::read_to_string(&said)?;
                syncs.push(fsyncs(&said).context("the import did not tell its fsyncs")?);
            }
        }
        fs::remove_dir_all(memory)?;
        let mut keytrail = Command::new(&program);
        keytrail.arg("rebuild").arg("-d").arg(&data);
        rebuild.push(pipeline(&mut [keytrail])?);
    }
    let mut table = table(
        lines,
        log_bytes,
        &yardstick,
        &[
            ("keytrail import", &import),
            ("the same in memory", &in_memory),
            ("keytrail rebuild", &rebuild),
        ],
        &sizes(&data)?,
    );
    table += &fsync_table(&syncs, lines);
    let file = folder.join("ingest.md");
    fs::write(&file, &table).with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("\n{table}\nalso in {}", file.display());
    Ok(())
}

/// Builds the program as it is released and returns where it stands.
fn release() -> Result<PathBuf> {
    step("build a release", &mut cargo(&["build", "--release", "--workspace"]))?;
    Ok(target().join("release/keytrail"))
}

/// Returns the folder of generated logs and measured data.
fn folder() -> Result<PathBuf> {
    let folder = target().join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}

/// Returns a log of so many generated lines, which is made once.
fn generated(folder: &Path, lines: u64) -> Result<PathBuf> {
    generated_as(folder, &format!("audit-{lines}.log"), lines, &[])
}

/// The same of this name, made with these options too.
fn generated_as(folder: &Path, name: &str, lines: u64, options: &[&str]) -> Result<PathBuf> {
    let log = folder.join(name);
    if !log.exists() {
        let part = folder.join("audit.part");
        let mut python = Command::new("python3");
        python.arg(workspace().join("fixtures/tools/gen_audit.py")).args(options);
        python.args(["--seed", "1", "--lines", &lines.to_string()]);
        step("generate a log", python.arg("--out").arg(&part))?;
        fs::rename(&part, &log)?;
    }
    Ok(log)
}

/// Returns the bytes of each part of a data folder.
fn sizes(data: &Path) -> Result<Vec<(&'static str, u64)>> {
    ["ledger/lines", "ledger/own", "ledger/tiles", "index"]
        .into_iter()
        .map(|part| Ok((part, folder_bytes(&data.join(part))?)))
        .collect()
}

/// Returns the bytes of all files below a folder; a folder that is not there has none.
fn folder_bytes(folder: &Path) -> Result<u64> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", folder.display()));
        }
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

/// Returns the result; each number of the two runs is the median of its rounds.
fn table(
    lines: u64,
    log_bytes: u64,
    yardstick: &[Cost],
    imports: &[(&str, &[Cost])],
    parts: &[(&str, u64)],
) -> String {
    let row = |name: &str, costs: &[Cost]| {
        let cpu = median(costs, |cost| cost.cpu_s);
        format!(
            "| {name} | {cpu:.2} | {:.2} | {:.0} | {:.0} |\n",
            median(costs, |cost| cost.elapsed_s),
            lines as f64 / cpu,
            median(costs, |cost| cost.memory_bytes as f64) / MEBIBYTE,
        )
    };
    let import = imports[0].1;
    let ratio = median(import, |cost| cost.cpu_s) / median(yardstick, |cost| cost.cpu_s);
    let mut text = format!(
        "{lines} lines, {:.1} MiB, median of {} rounds\n\n\
         | run | CPU s | clock s | lines per CPU s | most memory MiB |\n|---|---|---|---|---|\n{}{}\n\
         keytrail import / (zstd -3 + sha256sum), CPU: {ratio:.2}\n\n\
         | part | MiB | bytes a line | of the log |\n|---|---|---|---|\n",
        log_bytes as f64 / MEBIBYTE,
        import.len(),
        row("zstd -3, sha256sum", yardstick),
        imports.iter().map(|(name, costs)| row(name, costs)).collect::<String>(),
    );
    let total = parts.iter().map(|(_, bytes)| bytes).sum();
    for &(part, bytes) in parts.iter().chain([&("all", total)]) {
        let share = 100.0 * bytes as f64 / log_bytes as f64;
        text += &format!(
            "| {part} | {:.1} | {:.1} | {share:.2} % |\n",
            bytes as f64 / MEBIBYTE,
            bytes as f64 / lines as f64
        );
    }
    text
}

/// Finds what an import said of its fsyncs: how many, and their seconds.
fn fsyncs(said: &str) -> Option<(f64, f64)> {
    let line = said.lines().rfind(|line| line.contains(" fsyncs took "))?;
    let mut words = line.split_whitespace().rev();
    let ms: f64 = words.by_ref().find_map(|word| word.parse().ok())?;
    let count: f64 = words.find_map(|word| word.parse().ok())?;
    Some((count, ms / 1000.0))
}

/// Returns the fsyncs of a million lines, each number the median of its rounds.
fn fsync_table(syncs: &[(f64, f64)], lines: u64) -> String {
    let a_million = 1e6 / lines as f64;
    let middle = |of: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = syncs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2] * a_million
    };
    format!(
        "\n| a million lines | |\n|---|---|\n| fsyncs | {:.0} |\n| seconds in fsync | {:.2} |\n",
        middle(|of| of.0),
        middle(|of| of.1)
    )
}

const MEBIBYTE: f64 = (1 << 20) as f64;

fn median(costs: &[Cost], of: impl Fn(&Cost) -> f64) -> f64 {
    let mut values: Vec<f64> = costs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        (values[middle - 1] + values[middle]) / 2.0
    } else {
        values[middle]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fsyncs_are_read_from_the_log() {
        let said = "12 lines\n2026-11-28T14:00:00.123456Z DEBUG 412 fsyncs took 1500 ms\n";
        assert_eq!(fsyncs(said), Some((412.0, 1.5)));
        assert_eq!(fsyncs("12 lines\n"), None);
        let table = fsync_table(&[(400.0, 2.0), (100.0, 1.0), (200.0, 9.0)], 500_000);
        assert!(table.ends_with("| fsyncs | 400 |\n| seconds in fsync | 4.00 |\n"), "{table}");
    }

    #[test]
    fn a_table_of_medians() {
        let cost = |cpu_s, memory_bytes| Cost { elapsed_s: 2.0, cpu_s, memory_bytes };
        let text = table(
            1000,
            2 << 20,
            &[cost(1.0, 1 << 20), cost(2.0, 1 << 20)],
            &[("keytrail import", &[cost(3.0, 8 << 20), cost(9.0, 8 << 20), cost(4.0, 8 << 20)])],
            &[("ledger/lines", 1 << 20), ("index", 1 << 19)],
        );
        for line in [
            "| zstd -3, sha256sum | 1.50 | 2.00 | 667 | 1 |",
            "| keytrail import | 4.00 | 2.00 | 250 | 8 |",
            "keytrail import / (zstd -3 + sha256sum), CPU: 2.67",
            "| ledger/lines | 1.0 | 1048.6 | 50.00 % |",
            "| all | 1.5 | 1572.9 | 75.00 % |",
        ] {
            assert!(text.lines().any(|got| got == line), "{line:?} is not in\n{text}");
        }
    }
}
