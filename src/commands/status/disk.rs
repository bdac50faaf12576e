//! The room on the data folder's volume, and the rotated files that may be removed.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use ingest::ledger::LedgerReader;
use ingest::record::now_unix_ns;
use ingest::room::{Reserve, Room};
use ingest::safe::rotated;
use ingest::tail::RotatedFile;
use serde::Serialize;

use crate::args::ReserveArgs;
use crate::config::Config;
use crate::failure::Failure;

const HOUR_NS: i64 = 3_600_000_000_000;
/// The present rate is that of so long.
const RATE_NS: i64 = 24 * HOUR_NS;

/// The room on the data folder's volume.
#[derive(Debug, Serialize)]
pub(super) struct Disk {
    size: u64,
    available: u64,
    /// What is left to the server; known with a configuration only.
    reserve: u64,
    /// Hours until nothing is left but the reserve, at the rate of the last 24 hours; none if nothing came.
    hours_until_full: Option<f64>,
    /// Absent without a configuration.
    rotated_files: Option<Vec<RotatedFile>>,
}

/// Looks at the volume and, where a configuration names the sources, at their rotated files.
pub(super) fn disk(
    data: &Path,
    config: Option<&Config>,
    reserve: ReserveArgs,
    ledger: &LedgerReader,
) -> Result<Disk, Failure> {
    let folders = config.map_or_else(Vec::new, |config| config.tail.folders());
    let reserve = reserve.or(config.map_or_else(Reserve::default, |config| config.reserve));
    let space = Room::new(data, folders, reserve)
        .space()
        .with_context(|| format!("the volume of {} does not tell its size", data.display()))?;
    let rotated_files = config.map(|config| rotated(&config.tail.sources, ledger)).transpose();
    let now = now_unix_ns();
    let kept = bytes_of(&data.join("ledger")) + bytes_of(&data.join("index"));
    let raw: u64 = ledger.generations()?.iter().map(|info| info.end - info.start).sum();
    let hours_until_full = ledger.arrived_within(now, RATE_NS)?.and_then(|(since, bytes)| {
        let hours = (now - since).clamp(HOUR_NS, RATE_NS) as f64 / HOUR_NS as f64;
        // With the audit files on the same volume each line is there twice: as it is, and as it is kept.
        let of_a_byte = kept as f64 / raw.max(1) as f64 + f64::from(u8::from(space.is_shared));
        let rate = bytes as f64 * of_a_byte / hours;
        (rate > 0.0).then(|| space.available.saturating_sub(space.reserve) as f64 / rate)
    });
    Ok(Disk {
        size: space.size,
        available: space.available,
        reserve: space.reserve,
        hours_until_full,
        rotated_files: rotated_files.map_err(anyhow::Error::from)?,
    })
}

/// Writes it for a person.
pub(super) fn write_disk(disk: &Disk, out: &mut dyn Write) -> std::io::Result<()> {
    let hours = match disk.hours_until_full {
        Some(hours) => format!("full in {hours:.0} hours at the rate of the last day"),
        None => "nothing came in the last day".to_owned(),
    };
    writeln!(
        out,
        "disk         {} MiB free of {} MiB, {} MiB of them left to the server; {hours}",
        disk.available >> 20,
        disk.size >> 20,
        disk.reserve >> 20
    )?;
    for file in disk.rotated_files.iter().flatten() {
        let verdict = match &file.why {
            None => "safe to remove".to_owned(),
            Some(why) => format!("must stay: {}", why.escape_debug()),
        };
        let path = file.path.display().to_string();
        writeln!(out, "rotated      {} ({} bytes): {verdict}", path.escape_debug(), file.bytes)?;
    }
    Ok(())
}

/// Returns the bytes of the files below a folder; nothing for what cannot be looked at.
fn bytes_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .map(|(path, metadata)| if metadata.is_dir() { bytes_of(&path) } else { metadata.len() })
        .sum()
}
