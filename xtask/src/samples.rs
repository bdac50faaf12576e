//! `cargo xtask samples`: one of each thing that keytrail gives out, made of the recorded log, for `docs/samples`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::{cargo, step, target, workspace};

/// The recorded log, the older file first.
const LOG: [&str; 2] = ["audit.jsonl.1.gz", "audit.jsonl.gz"];
/// What is shown of the pack beside it: the file in the pack, and its name here.
const OF_PACK: [(&str, &str); 7] = [
    ("report.pdf", "control-pack.pdf"),
    ("oscal/assessment-results.json", "oscal-assessment-results.json"),
    ("ocsf/findings.jsonl", "ocsf-findings.jsonl"),
    ("controls/findings.csv", "controls-findings.csv"),
    ("controls/controls.xlsx", "controls.xlsx"),
    ("samples/sample.csv", "sample.csv"),
    ("README.txt", "pack-README.txt"),
];

/// Makes all of them anew.
///
/// # Errors
/// A step that fails.
pub(crate) fn samples() -> Result<()> {
    step("build", &mut cargo(&["build", "--workspace", "--bin", "keytrail"]))?;
    let program = target().join("debug/keytrail");
    let work = target().join("tmp/samples");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir_all(&work)?;
    let (data, to) = (work.join("data"), workspace().join("docs/samples"));
    fs::create_dir_all(&to)?;
    let run = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.arg(name).arg("-d").arg(&data).args(arguments);
        // The ledger tells the names under which files were imported: they are not to name this machine's folders.
        command.current_dir(workspace().join("fixtures/openbao-2.7.2"));
        step(name, command.env_remove("XDG_STATE_HOME"))
    };
    run("import", &["--cluster", "prod", "--node", "bao-0", LOG[0], LOG[1]])?;
    for format in ["pdf", "html", "xlsx", "csv", "json"] {
        let place = to.join(format!("access-by-identity.{format}"));
        let place = place.to_str().context("a folder with a name of plain letters")?;
        let asked = ["access", "--by", "identity", "--period", "2026-11"];
        run("report", &[&asked[..], &["--format", format, "-o", place]].concat())?;
    }
    for name in ["detections", "log-assurance"] {
        let place = to.join(format!("{name}.pdf"));
        let place = place.to_str().context("a folder with a name of plain letters")?;
        run("report", &[name, "--period", "2026-11", "--format", "pdf", "-o", place])?;
    }
    let pack = to.join("soc2-pack.zip");
    if pack.exists() {
        fs::remove_file(&pack)?;
    }
    let place = pack.to_str().context("a folder with a name of plain letters")?;
    let asked = ["soc2", "--period", "2026-11", "--sample", "25", "--seed", "a seed", "-o", place];
    run("pack", &asked)?;
    let mut status = Command::new(&program);
    let status = status.arg("status").arg("-d").arg(&data).args(["--format", "json"]).output()?;
    let status: serde_json::Value = serde_json::from_slice(&status.stdout)?;
    let fingerprint = status["key_fingerprint"].as_str().context("a ledger has a key")?;
    fs::write(to.join("fingerprint.txt"), format!("{fingerprint}\n"))?;
    OF_PACK.iter().try_for_each(|(file, name)| taken_out(&pack, file, &to.join(name)))
}

/// Copies a file of the pack.
fn taken_out(pack: &Path, file: &str, place: &Path) -> Result<()> {
    let script = "import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read('payload/' + sys.argv[2]))";
    let output = Command::new("python3").args(["-c", script]).arg(pack).arg(file).output();
    let output = output.context("python3 cannot be started")?;
    if !output.status.success() {
        bail!("{file} is not in {}: {}", pack.display(), String::from_utf8_lossy(&output.stderr));
    }
    fs::write(place, output.stdout)
        .with_context(|| format!("{} cannot be written", place.display()))
}
