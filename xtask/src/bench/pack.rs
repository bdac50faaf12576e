//! `cargo xtask bench pack`: what a pack costs to make and to verify, by both verifiers.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::restart::fill;
use super::{MEBIBYTE, folder, generated, release};
use crate::measure::{Cost, pipeline};
use crate::step::workspace;
use crate::tools::bare_python;

/// Lines of the generated log, which is imported under one node after the other: half as many events.
const LINES: u64 = 1_000_000;

/// Builds a release, makes a ledger of so many million events once, and measures one pack of all of it.
///
/// # Errors
/// A step that fails; a pack that is not made or does not verify leaves no file.
pub(crate) fn pack(millions: u64) -> Result<()> {
    if millions == 0 {
        bail!("there must be at least one million events");
    }
    let program = release()?;
    let folder = folder()?;
    let log = generated(&folder, LINES)?;
    let (data, made) = (folder.join(format!("query-data-{millions}m")), folder.join("pack.zip"));
    fill(&program, &data, &log, millions * 2 * fs::metadata(&log)?.len())?;
    if made.exists() {
        fs::remove_file(&made)?;
    }
    let mut pack = Command::new(&program);
    pack.arg("pack").arg("-d").arg(&data).args(["soc2", "--sample", "25", "--seed", "x", "-o"]);
    let packed = pipeline(&mut [quiet(pack.arg(&made))])?;
    let bytes = fs::metadata(&made).context("no pack was made")?.len();
    let mut verify = Command::new(&program);
    let ours = pipeline(&mut [quiet(verify.arg("verify").arg(&made))])?;
    let python = bare_python()?;
    if !python.has("cryptography") {
        python.install(&["cryptography"])?;
    }
    let mut script = python.command();
    script.arg(workspace().join("assets/pack/verify.py"));
    let theirs = pipeline(&mut [quiet(script.arg(&made))])?;
    let row = |name: &str, cost: Cost| {
        format!(
            "| {name} | {:.0} | {:.0} | {:.0} |\n",
            cost.cpu_s,
            cost.elapsed_s,
            cost.memory_bytes as f64 / MEBIBYTE
        )
    };
    let table = format!(
        "{millions} M events, a pack of {:.0} MiB\n\n| | CPU s | clock s | most memory MiB |\n|---|---|---|---|\n{}{}{}",
        bytes as f64 / MEBIBYTE,
        row("keytrail pack, verified before it is done", packed),
        row("keytrail verify", ours),
        row("verify.py", theirs),
    );
    let file = folder.join(format!("pack-{millions}m.md"));
    fs::write(&file, &table).with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("\n{table}\nalso in {}", file.display());
    Ok(())
}

fn quiet(command: &mut Command) -> Command {
    let mut quiet = Command::new(command.get_program());
    quiet.args(command.get_args()).stderr(Stdio::null());
    quiet
}
