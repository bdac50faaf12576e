//! `cargo xtask test`: every check, in the order in which a mistake is cheapest to find.

use std::time::Instant;

use anyhow::Result;

use crate::step::{cargo, step, target, workspace};
use crate::tools::{self, succeeds};

/// Runs the checks; `full` adds what needs a real OpenBao or asks the network about dependencies.
///
/// # Errors
/// The first check that fails.
pub(crate) fn run(full: bool) -> Result<()> {
    let start = Instant::now();
    tools::components()?;
    tools::programs(full)?;
    let python = tools::python(full)?;
    let go_peer = tools::go_peer()?;
    let sigma_peer = tools::sigma_peer()?;
    let promtool = tools::promtool()?;

    step("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    step("lints", &mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let mut tests = cargo(&["test", "--workspace"]);
    tests
        .env("KEYTRAIL_TOOLS", "required")
        .env("KEYTRAIL_PYTHON", python.program())
        .env("KEYTRAIL_GO_PEER", go_peer)
        .env("KEYTRAIL_SIGMA_PEER", sigma_peer)
        .env("KEYTRAIL_PROMTOOL", promtool);
    if full {
        // `bao` of the environment comes first on the path.
        tests.env("KEYTRAIL_FULL", "1").env("PATH", python.path());
        tests.env("KEYTRAIL_KEYCLOAK", tools::keycloak()?);
        tests.env("KEYTRAIL_VERAPDF", tools::archives("verapdf")?);
        tests.env("KEYTRAIL_KAFKA", tools::archives("kafka")?);
        let (java, jars) = tools::opensearch()?;
        tests.env("KEYTRAIL_OPENSEARCH_JAVA", java).env("KEYTRAIL_OPENSEARCH_JARS", jars);
    }
    step("tests", &mut tests)?;
    let mut documentation = cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"]);
    step("documentation", documentation.env("RUSTDOCFLAGS", "-D warnings"))?;
    let mut scripts = python.command();
    // Compiled code goes where the rest of what is built goes, not beside the scripts.
    scripts.env("PYTHONPYCACHEPREFIX", target().join("python-cache"));
    step(
        "Python scripts compile",
        scripts.args([
            "-W",
            "error",
            "-m",
            "compileall",
            "-q",
            "-f",
            "docs",
            "fixtures/tools",
            "tests",
        ]),
    )?;
    if full {
        tools::cargo_deny()?;
        let check = ["deny", "check", "licenses", "bans", "sources"];
        step("licences, bans and sources", &mut cargo(&check))?;
        advisories()?;
    }
    eprintln!("\nxtask: all checks passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Takes a picture of each page, light and dark, of the recorded log, into `docs/screenshots`.
///
/// # Errors
/// A page that cannot be looked at, or a folder that cannot be written.
pub(crate) fn screenshots() -> Result<()> {
    tools::programs(false)?;
    let folder = workspace().join("docs/screenshots");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let mut tests =
        cargo(&["test", "--workspace", "--test", "tests", "--", "every_page_can_be_looked_at"]);
    tests.env("KEYTRAIL_TOOLS", "required").env("KEYTRAIL_SCREENSHOTS", &folder);
    step("screenshots", &mut tests)
}

/// Checks the dependencies against the advisories, if their database can be reached.
fn advisories() -> Result<()> {
    if !succeeds(&mut cargo(&["deny", "fetch", "db"])) {
        eprintln!(
            "\n=== advisories NOT checked: the database cannot be fetched; see `cargo deny fetch db`"
        );
        return Ok(());
    }
    step("advisories", &mut cargo(&["deny", "check", "advisories"]))
}
