//! DuckDB over the plain log, and over the open table that keytrail writes.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::answer::{Answer, reached};
use super::{Bench, Peer, TakeIn, keytrail, programs};
use crate::measure::Cost;

/// Reads the log anew for each question.
pub(super) fn log(bench: &Bench) -> Result<Peer> {
    let (version, answers) = asked(bench, "log", &bench.log, 2)?;
    Ok(Peer { name: format!("DuckDB {version}, the log"), take_in: None, answers })
}

/// Reads a Parquet export; taking in is the export, which comes after keytrail's import.
pub(super) fn parquet(bench: &Bench) -> Result<Peer> {
    let (cost, file) = keytrail::export(bench)?;
    let disk_bytes = fs::metadata(&file)?.len();
    let (version, answers) = asked(bench, "parquet", &file, 5)?;
    Ok(Peer {
        name: format!("DuckDB {version}, keytrail's Parquet (taking in: the export)"),
        take_in: Some(TakeIn { cost, disk_bytes }),
        answers,
    })
}

fn asked(bench: &Bench, kind: &str, file: &Path, rounds: u32) -> Result<(String, [Answer; 4])> {
    let program = programs::duckdb()?;
    let mut version = std::process::Command::new(&program);
    version.args(["-c", "import duckdb; print(duckdb.__version__)"]);
    let version = bench.answered(&mut [version])?.1.trim().to_owned();
    let mut python = std::process::Command::new(&program);
    python.args(["-c", include_str!("duckdb.py"), kind]).arg(file);
    python.args([&bench.subject.entity, &bench.subject.request, &rounds.to_string()]);
    let text = bench.answered(&mut [python])?.1;
    let mut answers = text.lines().map(answer);
    let mut next = || answers.next().context("DuckDB answered fewer than four questions")?;
    Ok((version, [next()?, next()?, next()?, next()?]))
}

/// Reads a line of the script.
fn answer(line: &str) -> Result<Answer> {
    let line: Value = serde_json::from_str(line)?;
    let number = |name: &str| line[name].as_f64().with_context(|| format!("no {name}"));
    let cost = Cost {
        elapsed_s: number("clock_s")?,
        cpu_s: number("cpu_s")?,
        memory_bytes: line["memory_bytes"].as_u64().context("no memory_bytes")?,
    };
    let rows = line["rows"].as_array().context("no rows")?;
    let cell = |row: &Value, at: usize| match &row[at] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let cells = |count: usize| {
        let row = move |row| (0..count).map(|at| cell(row, at)).collect::<Vec<_>>().join("\t");
        rows.iter().map(row)
    };
    let rows = match line["question"].as_str() {
        Some("reached") => reached(
            rows.iter()
                .map(|row| {
                    let count = row[3].as_u64().context("a count is no number")?;
                    Ok((cell(row, 0), cell(row, 1), cell(row, 2), count))
                })
                .collect::<Result<Vec<_>>>()?,
        ),
        Some("denied" | "newest") => cells(1).collect(),
        Some("request") => cells(2).collect(),
        other => bail!("an answer to {other:?}"),
    };
    Ok(Answer::rows((cost, rows)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_script_is_an_answer() {
        let of = |question: &str, rows: &str| {
            let line = format!(
                r#"{{"question":"{question}","rows":{rows},"cpu_s":1,"clock_s":2,"memory_bytes":3}}"#
            );
            match answer(&line).expect("an answer") {
                Answer::Rows { rows, .. } => rows,
                _ => panic!("rows"),
            }
        };
        assert_eq!(
            of("reached", r#"[["e","p","x",2],["e","p","",1]]"#),
            ["e\tp\tallowed\t1", "e\tp\tdenied\t2"]
        );
        assert_eq!(of("denied", "[[7]]"), ["7"]);
        assert_eq!(of("request", r#"[["r","p"]]"#), ["r\tp"]);
    }
}
