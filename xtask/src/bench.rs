//! `cargo xtask bench`: what an import costs, against the least that any evidence of a log costs; and how fast a
//! ledger is verified, against reading and hashing its lines once.
//!
//! The yardstick is `zstd -3 -c FILE | sha256sum`, run turn by turn with the import on the same file in
//! the same minute, so that a busy machine slows both. CPU time is compared, not the clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::measure::{Cost, pipeline};
use crate::step::{cargo, step, target, workspace};

/// Builds a release, generates a log once, measures, and prints a table that is Markdown as well.
///
/// # Errors
/// A step that fails; no import left a data folder.
pub(crate) fn ingest(lines: u64, rounds: usize) -> Result<()> {
    if lines == 0 || rounds == 0 {
        bail!("there must be at least one line and one round");
    }
    step("build a release", &mut cargo(&["build", "--release", "--package", "keytrail"]))?;
    let program = target().join("release/keytrail");
    let folder = target().join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let log = generated(&folder, lines)?;
    let log_bytes = fs::metadata(&log)?.len();
    let data = folder.join("data");

    let (mut yardstick, mut import) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        let mut zstd = Command::new("zstd");
        zstd.args(["-3", "-q", "-c"]).arg(&log);
        yardstick.push(pipeline(&mut [zstd, Command::new("sha256sum")])?);
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        let mut keytrail = Command::new(&program);
        keytrail
            .arg("import")
            .arg("-d")
            .arg(&data)
            .args(["--cluster", "bench", "--node", "bench"])
            .arg(&log);
        keytrail.stderr(std::process::Stdio::null());
        import.push(pipeline(&mut [keytrail])?);
    }
    let table = table(lines, log_bytes, &yardstick, &import, &sizes(&data)?);
    let file = folder.join("ingest.md");
    fs::write(&file, &table).with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("\n{table}\nalso in {}", file.display());
    Ok(())
}

/// Builds a release, imports a generated log once, and measures how fast the ledger is verified.
///
/// # Errors
/// A step that fails; no import left a data folder.
pub(crate) fn verify(lines: u64, rounds: usize) -> Result<()> {
    if lines == 0 || rounds == 0 {
        bail!("there must be at least one line and one round");
    }
    step("build a release", &mut cargo(&["build", "--release", "--package", "keytrail"]))?;
    let program = target().join("release/keytrail");
    let folder = target().join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let log = generated(&folder, lines)?;
    let data = folder.join("verified");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let mut import = Command::new(&program);
    import.arg("import").arg("-d").arg(&data).args(["--cluster", "bench", "--node", "bench"]);
    step("import", import.arg(&log))?;
    let mut segments: Vec<PathBuf> = fs::read_dir(data.join("ledger/lines"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    segments.sort();

    let (mut yardstick, mut verified) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        let mut zstd = Command::new("zstd");
        zstd.arg("-dcq").args(&segments);
        yardstick.push(pipeline(&mut [zstd, Command::new("sha256sum")])?);
        let mut keytrail = Command::new(&program);
        keytrail.arg("verify").arg("-d").arg(&data).stderr(std::process::Stdio::null());
        verified.push(pipeline(&mut [keytrail])?);
    }
    let bytes = fs::metadata(&log)?.len() as f64;
    let row = |name: &str, costs: &[Cost]| {
        let elapsed = median(costs, |cost| cost.elapsed_s);
        format!(
            "| {name} | {:.0} | {elapsed:.2} | {:.2} | {:.0} |\n",
            bytes / 1e6 / elapsed,
            median(costs, |cost| cost.cpu_s),
            median(costs, |cost| cost.memory_bytes as f64) / MEBIBYTE,
        )
    };
    let table = format!(
        "{lines} lines, {:.1} MiB, median of {rounds} rounds\n\n\
         | run | MB of lines a second | clock s | CPU s | most memory MiB |\n|---|---|---|---|---|\n{}{}",
        bytes / MEBIBYTE,
        row("zstd -d, sha256sum", &yardstick),
        row("keytrail verify", &verified),
    );
    let file = folder.join("verify.md");
    fs::write(&file, &table).with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("\n{table}\nalso in {}", file.display());
    Ok(())
}

/// Returns a log of this many lines; made once, since a million lines take the generator a minute.
fn generated(folder: &Path, lines: u64) -> Result<PathBuf> {
    let log = folder.join(format!("audit-{lines}.log"));
    if !log.exists() {
        let part = folder.join("audit.part");
        let mut python = Command::new("python3");
        python.arg(workspace().join("fixtures/tools/gen_audit.py")).args([
            "--seed",
            "1",
            "--lines",
            &lines.to_string(),
        ]);
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
    import: &[Cost],
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
    let ratio = median(import, |cost| cost.cpu_s) / median(yardstick, |cost| cost.cpu_s);
    let mut text = format!(
        "{lines} lines, {:.1} MiB, median of {} rounds\n\n\
         | run | CPU s | clock s | lines per CPU s | most memory MiB |\n|---|---|---|---|---|\n{}{}\n\
         keytrail import / (zstd -3 + sha256sum), CPU: {ratio:.2}\n\n\
         | part | MiB | bytes a line | of the log |\n|---|---|---|---|\n",
        log_bytes as f64 / MEBIBYTE,
        import.len(),
        row("zstd -3, sha256sum", yardstick),
        row("keytrail import", import),
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
    fn a_table_of_medians() {
        let cost = |cpu_s, memory_bytes| Cost { elapsed_s: 2.0, cpu_s, memory_bytes };
        let text = table(
            1000,
            2 << 20,
            &[cost(1.0, 1 << 20), cost(2.0, 1 << 20)],
            &[cost(3.0, 8 << 20), cost(9.0, 8 << 20), cost(4.0, 8 << 20)],
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
