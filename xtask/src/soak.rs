//! `cargo xtask soak`: what is too long for each test run. Each part says how long it takes by default.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::step::{cargo, step, target, workspace};
use crate::tools;

/// A part of the soak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The bodies of `ingest/src/fuzz.rs` and `query/src/fuzz.rs` under cargo-fuzz: five minutes each, or so many rounds if those are over before.
    Fuzz,
    /// 10,000 random sequences of what happens to a followed file, or so many: hours.
    Tail,
    /// 1,000 kills while 200,000 lines arrive and rotate, or so many: an hour.
    Crash,
    /// 10,000 ledgers, or so many, each of which loses any part of what was not synced three times: three minutes.
    Power,
}

/// The targets of `tests/fuzz`.
const FUZZ_TARGETS: [&str; 6] = ["line", "header", "segment", "signed_text", "recovery", "filter"];
const FUZZ_SECONDS: u64 = 300;

/// Runs one part, or all.
///
/// # Errors
/// A part that fails; what it needs is not here.
pub(crate) fn run(only: Option<Part>, rounds: Option<u64>) -> Result<()> {
    for part in Part::value_variants() {
        if only.is_none_or(|only| only == *part) {
            match part {
                Part::Fuzz => fuzz(rounds)?,
                Part::Tail => {
                    let sequences = rounds.unwrap_or(10_000).to_string();
                    long_test("tail_model", &[("KEYTRAIL_SEQUENCES", &sequences)])?;
                }
                Part::Power => {
                    let cuts = rounds.unwrap_or(10_000).to_string();
                    let mut test =
                        cargo(&["test", "--workspace", "--lib", "--", "--nocapture", "power::"]);
                    step("long power cuts", test.env("KEYTRAIL_POWER_CUTS", cuts))?;
                }
                Part::Crash => {
                    let kills = rounds.unwrap_or(1_000).to_string();
                    long_test("crash::", &[("KEYTRAIL_KILLS", &kills)])?;
                }
            }
        }
    }
    Ok(())
}

/// Runs an end-to-end test in its long form, which its environment asks for.
fn long_test(name: &str, environment: &[(&str, &str)]) -> Result<()> {
    let python = tools::python(false)?;
    let mut test = cargo(&["test", "--workspace", "--test", "tests", "--", "--nocapture", name]);
    test.env("KEYTRAIL_TOOLS", "required").env("KEYTRAIL_PYTHON", python.program());
    test.envs(environment.iter().copied());
    step(&format!("long {name}"), &mut test)
}

fn fuzz(rounds: Option<u64>) -> Result<()> {
    tools::cargo_fuzz()?;
    // A round of recovery takes a tenth of a second, one of a header a microsecond.
    let seconds = format!("-max_total_time={FUZZ_SECONDS}");
    let runs = format!("-runs={}", rounds.map_or(-1, |rounds| rounds as i64));
    for name in FUZZ_TARGETS {
        let corpus = target().join("fuzz-corpus").join(name);
        fs::create_dir_all(&corpus)
            .with_context(|| format!("{} cannot be made", corpus.display()))?;
        seed(name, &corpus)?;
        let mut run = Command::new("cargo");
        // The compiler that the workspace pins knows no sanitizers.
        run.args(["+nightly", "fuzz", "run", "--fuzz-dir", "tests/fuzz", "--target-dir"])
            .arg(target().join("fuzz"))
            .arg(name)
            .arg(&corpus)
            .args(["--", &seconds, &runs, "-max_len=65536", "-timeout=60"])
            .env("PATH", tools::with_own_programs()?)
            .env_remove("RUSTUP_TOOLCHAIN")
            .current_dir(workspace());
        step(&format!("fuzz {name}"), &mut run)?;
    }
    Ok(())
}

/// Gives a target real input to begin with.
fn seed(name: &str, corpus: &Path) -> Result<()> {
    let fixtures = workspace().join("fixtures");
    let files = match name {
        "line" => return seed_lines(&fixtures.join("samples/openbao-2.7.2-recorded"), corpus),
        "signed_text" => vec!["ledger-v1/ledger/checkpoint", "ledger-v1/keys/verifier.key"],
        "segment" | "recovery" => vec![
            "ledger-v1/ledger/lines/00000000000000000000.zst",
            "ledger-v1/ledger/own/00000000000000000064.zst",
            "ledger-v1-footers/ledger/lines/00000000000000000000.zst",
        ],
        _ => Vec::new(),
    };
    for (number, file) in files.iter().enumerate() {
        let from = fixtures.join(file);
        fs::copy(&from, corpus.join(format!("seed-{number}")))
            .with_context(|| format!("{} cannot be copied", from.display()))?;
    }
    Ok(())
}

fn seed_lines(samples: &Path, corpus: &Path) -> Result<()> {
    let mut number = 0;
    for name in ["hashed.ndjson", "raw.ndjson"] {
        let text = fs::read(samples.join(name)).with_context(|| format!("{name} is not there"))?;
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            fs::write(corpus.join(format!("seed-{number}")), line)?;
            number += 1;
        }
    }
    if number == 0 {
        bail!("the samples hold no lines");
    }
    Ok(())
}
