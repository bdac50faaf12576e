//! Running one command after another, each named and timed, up to the first that fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Runs a command that belongs to a named step and lets it speak for itself.
///
/// # Errors
/// A command that cannot be started, or fails: the error names the step and repeats the command.
pub(crate) fn step(name: &str, command: &mut Command) -> Result<()> {
    eprintln!("\n=== {name}");
    let start = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("{name}: {} cannot be started", shown(command)))?;
    let seconds = start.elapsed().as_secs_f64();
    if !status.success() {
        bail!("{name} failed after {seconds:.1} s: {} ({status})", shown(command));
    }
    eprintln!("=== {name}: {seconds:.1} s");
    Ok(())
}

/// Returns cargo, run in the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    // The cargo that started us, so that the toolchain stays the same.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(workspace());
    // What cargo says of this package is not of those that are built: their build scripts that look at it
    // would run again each time `cargo` and `cargo xtask` take turns, and with them half of what there is.
    for (name, _) in std::env::vars_os() {
        let is_ours =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(is_ours) {
            command.env_remove(name);
        }
    }
    command
}

/// Returns the workspace's folder.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// Returns the folder of what is built: `target`, or where cargo was told to put it.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace().join(folder),
        None => workspace().join("target"),
    }
}

/// Returns a command as one would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
