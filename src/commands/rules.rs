//! `keytrail rules`: the detection pack that the program carries.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use forward::rules::{PIPELINES, PackFile, RULES};
use serde_json::json;

use crate::args::{RulesArgs, RulesCommand, RulesFormat};
use crate::failure::Failure;
use crate::output::stdout;

/// Runs the command.
pub(crate) fn run(args: &RulesArgs) -> Result<(), Failure> {
    match &args.command {
        RulesCommand::List { format } => list(*format),
        RulesCommand::Export { output: None } => print(),
        RulesCommand::Export { output: Some(folder) } => export(folder),
    }
}

fn list(format: RulesFormat) -> Result<(), Failure> {
    let mut out = stdout();
    let widest = RULES.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
    for rule in RULES {
        let (name, level, techniques, title) =
            (rule.name, rule.level(), rule.techniques(), rule.title());
        match format {
            RulesFormat::Json => {
                let rule =
                    json!({"name": name, "level": level, "techniques": techniques, "title": title});
                writeln!(out, "{rule}")?;
            }
            RulesFormat::Table => {
                let techniques = techniques.join(" ");
                writeln!(out, "{name:widest$}  {level:8}  {techniques:16}  {title}")?;
            }
        }
    }
    Ok(out.flush()?)
}

/// All rules as one YAML stream.
fn print() -> Result<(), Failure> {
    let mut out = stdout();
    for rule in RULES {
        write!(out, "---\n{}", rule.text)?;
    }
    Ok(out.flush()?)
}

fn export(folder: &Path) -> Result<(), Failure> {
    write_files(folder, RULES)?;
    write_files(&folder.join("pipelines"), PIPELINES)?;
    let (rules, pipelines) = (RULES.len(), PIPELINES.len());
    eprintln!("{rules} rules are in {}, {pipelines} pipelines below it", folder.display());
    Ok(())
}

fn write_files(folder: &Path, files: &[PackFile]) -> Result<(), Failure> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for file in files {
        let path = folder.join(format!("{}.yml", file.name));
        fs::write(&path, file.text)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}
