//! `cargo xtask bench verify`: how fast a ledger is verified, against `zstd -d | sha256sum` of its segments.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{MEBIBYTE, folder, generated, median, release};
use crate::measure::{Cost, pipeline};
use crate::step::step;

/// Builds a release, imports a generated log once, and measures how fast the ledger is verified.
///
/// # Errors
/// A step that fails; no import left a data folder.
pub(crate) fn verify(lines: u64, rounds: usize) -> Result<()> {
    if lines == 0 || rounds == 0 {
        bail!("there must be at least one line and one round");
    }
    let program = release()?;
    let folder = folder()?;
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
