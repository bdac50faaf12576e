//! `cargo xtask bench query`: what questions cost on one million events and on ten.
//!
//! One generated log of a million lines, half a million events, is imported under two nodes and under as many as it takes.
//! `xtask/questions` asks and measures; then a running keytrail is asked for the same newest events over HTTP.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::api::api;
use super::restart::fill;
use super::{MEBIBYTE, folder, folder_bytes, generated, release};
use crate::step::target;

/// Lines of the generated log: half as many events.
const LINES: u64 = 1_000_000;

/// Builds a release, makes the data once, asks, and prints a table that is Markdown as well.
///
/// # Errors
/// A step that fails.
pub(crate) fn query(millions: u64) -> Result<()> {
    if millions == 0 {
        bail!("there must be at least one million events");
    }
    let program = release()?;
    let asking = target().join("release/questions");
    let folder = folder()?;
    let log = generated(&folder, LINES)?;
    let log_bytes = fs::metadata(&log)?.len();
    let mut names = Vec::new();
    let mut figures: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut sizes = Vec::new();
    let mut served = String::new();
    let mut asked = vec![1];
    if millions > 1 {
        asked.push(millions);
    }
    for millions in &asked {
        let data = folder.join(format!("query-data-{millions}m"));
        fill(&program, &data, &log, millions * 2 * log_bytes)?;
        sizes.push(format!("{:.0} MiB", folder_bytes(&data.join("index"))? as f64 / MEBIBYTE));
        let output = Command::new(&asking).arg(&data).stderr(Stdio::inherit()).output();
        let output = output.context("the questions cannot be asked")?;
        if !output.status.success() {
            bail!("the questions were not answered");
        }
        for line in String::from_utf8(output.stdout)?.lines() {
            let (name, figure) = line.split_once('\t').context("a line has figures")?;
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
            let cells = figure.split('\t').map(str::to_owned);
            figures.entry(name.to_owned()).or_default().extend(cells);
        }
        served +=
            &format!("\n{millions} M events, over HTTP:\n\n{}", api(&program, &asking, &data)?);
    }
    let mut table = "| question |".to_owned();
    let mut rule = "\n|---|".to_owned();
    for (millions, size) in asked.iter().zip(&sizes) {
        table += &format!(
            " {millions} M events ({size}): matched | warm ms | again ms | opened ms | cold ms | read MiB | started ms |"
        );
        rule += "---|---|---|---|---|---|---|";
    }
    table += &rule;
    for name in &names {
        table += &format!("\n| {name} | {} |", figures[name].join(" | "));
    }
    table.push('\n');
    table += &served;
    let file = folder.join("query.md");
    fs::write(&file, &table).with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("\n{table}\nalso in {}", file.display());
    Ok(())
}
