//! `keytrail controls`: what frameworks ask of the trail, and what is an exception.

use std::io::Write;
use std::path::Path;

use ingest::own::Fact;
use query::controls::{Asking, Control, Evaluation, EvaluationError, Given, evaluate};
use query::dispositions::Dispositions;
use query::registers::Registers;
use query::report::catalogue::Catalogue;
use query::table::{Cell, Column, Form, Kind, Table};
use query::trail::Trail;

use super::question::period;
use crate::args::{ControlsArgs, ControlsFormat};
use crate::deed;
use crate::failure::Failure;
use crate::output::{stdout, terminal_width};

/// Exceptions of a control that a person at a terminal is shown.
const SHOWN: usize = 20;

/// Runs the command.
pub(crate) fn run(args: ControlsArgs) -> Result<(), Failure> {
    let catalogue = catalogue_of(args.catalogue.as_deref())?;
    let only = only(&args, &catalogue)?;
    if args.list {
        return list(&args, &catalogue, &only);
    }
    let period =
        period(args.period.as_deref(), args.from.as_deref(), args.to.as_deref(), &args.tz)?;
    let params = given(&args.param)?;
    let data = args.data.existing()?;
    let now = jiff::Timestamp::now();
    let trail = Trail::open(&data)?;
    let registers = registers_of(&data, args.context.as_deref(), &trail, now)?;
    let asking = Asking {
        catalogue: &catalogue,
        registers: &registers,
        period: &period,
        at: args.at,
        params: &params,
        only: &only,
        now,
    };
    let mut evaluation = evaluate(&trail, &asking).map_err(|error| match error {
        EvaluationError::Query(error) => Failure::from(error),
        wrong => Failure::Usage(wrong.to_string()),
    })?;
    let mut dispositions = Dispositions::default();
    dispositions.read_on(&trail)?;
    dispositions.settle(&mut evaluation, now);
    let mut out = stdout();
    match args.format {
        ControlsFormat::Json => {
            serde_json::to_writer(&mut out, &evaluation).map_err(anyhow::Error::from)?;
            out.write_all(b"\n")?;
        }
        ControlsFormat::Csv => evaluation.table().write(Form::Csv, out)?,
        ControlsFormat::Table => {
            findings(&evaluation).write(Form::Text { width: terminal_width() }, out)?;
            tell(&evaluation);
        }
    }
    Ok(())
}

/// Returns the catalogue, with the controls of an operator's folder over it.
pub(super) fn catalogue_of(folder: Option<&Path>) -> Result<Catalogue, Failure> {
    let catalogue = Catalogue::built_in();
    match folder {
        None => Ok(catalogue),
        Some(folder) => {
            catalogue.overridden_by(folder).map_err(|error| Failure::Usage(error.to_string()))
        }
    }
}

/// Reads the registers, and records them before the answer, so that none is given by registers of which nothing is recorded.
pub(super) fn registers_of(
    data: &Path,
    context: Option<&Path>,
    trail: &Trail,
    now: jiff::Timestamp,
) -> Result<Registers, Failure> {
    if let Some(folder) = context.filter(|folder| !folder.is_dir()) {
        let wrong = format!("--context {}: there is no such folder", folder.display());
        return Err(Failure::Usage(wrong));
    }
    let folder = context.map_or_else(|| data.join("context"), Path::to_owned);
    let registers =
        Registers::read(&folder, now).map_err(|error| Failure::Usage(error.to_string()))?;
    record(data, trail, &registers)?;
    Ok(registers)
}

/// Returns the controls that are meant; none: all.
fn only(args: &ControlsArgs, catalogue: &Catalogue) -> Result<Vec<String>, Failure> {
    let Some(framework) = &args.framework else { return Ok(args.control.clone()) };
    let known: Vec<&str> =
        catalogue.frameworks.iter().map(|framework| framework.id.as_str()).collect();
    let mut ids = catalogue.controls_for(framework).ok_or_else(|| {
        Failure::Usage(format!("--framework: there is no {framework:?}, only {}", known.join(", ")))
    })?;
    if !args.control.is_empty() {
        ids.retain(|id| args.control.contains(id));
    }
    if ids.is_empty() {
        let asked = args.control.join(", ");
        return Err(Failure::Usage(format!("{asked}: {framework} names no such control")));
    }
    Ok(ids)
}

fn given(texts: &[String]) -> Result<Given, Failure> {
    let read = |text: &String| {
        let (name, value) = text.split_once('=')?;
        let (control, name) = name.split_once('.')?;
        Some(((control.to_owned(), name.to_owned()), value.to_owned()))
    };
    texts
        .iter()
        .map(|text| {
            read(text).ok_or_else(|| {
                Failure::Usage(format!(
                    "--param {text}: write the control, a dot, the parameter and its value: KT-TOK-01.human_ttl=8h"
                ))
            })
        })
        .collect()
}

/// Records the registers, if they are not those that were recorded last.
fn record(data: &Path, trail: &Trail, registers: &Registers) -> Result<(), Failure> {
    match registers.not_recorded(trail)? {
        Some(registers) => {
            deed::record(data, Fact::RegistersChanged { by: deed::who(), registers })
        }
        None => Ok(()),
    }
}

fn list(args: &ControlsArgs, catalogue: &Catalogue, only: &[String]) -> Result<(), Failure> {
    let meant = |control: &&Control| only.is_empty() || only.contains(&control.id);
    let controls: Vec<&Control> = catalogue.controls.iter().filter(meant).collect();
    if let Some(unknown) = only.iter().find(|id| !controls.iter().any(|known| known.id == **id)) {
        let unknown = EvaluationError::NoControl(unknown.clone());
        return Err(Failure::Usage(unknown.to_string()));
    }
    if args.format == ControlsFormat::Json {
        let mut out = stdout();
        for control in controls {
            serde_json::to_writer(&mut out, control).map_err(anyhow::Error::from)?;
            out.write_all(b"\n")?;
        }
        return Ok(());
    }
    // A terminal has room for two.
    let shown: &[&'static str] = match args.format {
        ControlsFormat::Csv => &["soc2", "iso27001", "pci4", "nist80053"],
        _ => &["soc2", "iso27001"],
    };
    let mut columns = vec![
        Column::new("control", Kind::Text),
        Column::new("version", Kind::Number),
        Column::new("kind", Kind::Text),
        Column::new("severity", Kind::Text),
        Column::new("title", Kind::Text),
        Column::new("registers", Kind::List),
    ];
    columns.extend(shown.iter().map(|framework| Column::new(framework, Kind::List)));
    let rows = controls.iter().map(|control| {
        let mut registers: Vec<String> = control
            .rules
            .iter()
            .flat_map(|rule| rule.needs.iter().chain(&rule.excused_by))
            .cloned()
            .collect();
        registers.sort();
        registers.dedup();
        let mut cells = vec![
            Cell::Text(control.id.clone()),
            Cell::count(control.version.into()),
            Cell::text(Some(control.kind.as_str())),
            Cell::text(Some(control.severity.as_str())),
            Cell::Text(control.title.clone()),
            Cell::List(registers),
        ];
        for framework in shown {
            let requirements = catalogue.requirements_of(framework, &control.id);
            cells.push(Cell::List(requirements.iter().map(|it| it.id.clone()).collect()));
        }
        cells
    });
    let table = Table { rows: rows.collect(), columns };
    let form = if args.format == ControlsFormat::Csv {
        Form::Csv
    } else {
        Form::Text { width: terminal_width() }
    };
    table.write(form, stdout())?;
    Ok(())
}

/// Returns a row for each control, and for the first of its exceptions.
fn findings(evaluation: &Evaluation) -> Table {
    let columns = vec![
        Column::new("control", Kind::Text),
        Column::new("severity", Kind::Text),
        Column::new("verdict", Kind::Text),
        Column::new("what", Kind::Text),
    ];
    let text = |text: &str| Cell::Text(text.to_owned());
    let mut rows = Vec::new();
    for finding in &evaluation.findings {
        rows.push(vec![
            text(&finding.control),
            text(finding.severity.as_str()),
            Cell::Text(finding.verdict.to_string()),
            text(&finding.title),
        ]);
        let mut more = |severity: &str, what: String| {
            rows.push(vec![text(""), text(severity), text(""), Cell::Text(what)]);
        };
        for exception in finding.exceptions.iter().take(SHOWN) {
            more(exception.severity.as_str(), format!("- {}", exception.words));
        }
        if finding.exceptions.len() > SHOWN {
            let left = finding.exceptions.len() - SHOWN;
            more("", format!("- and {left} more: --format csv lists them all"));
        }
        for missing in &finding.missing {
            more("", format!("  missing: {missing}"));
        }
    }
    Table { columns, rows }
}

/// Says on standard error what the answer covers.
fn tell(evaluation: &Evaluation) {
    let left: Vec<String> =
        evaluation.left_out.0.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let left = if left.is_empty() { "nothing".to_owned() } else { left.join(", ") };
    eprintln!(
        "{}: {} events, left out: {left}; answered at leaf {}; catalogue {}",
        evaluation.period,
        evaluation.events,
        evaluation.leaf,
        &evaluation.catalogue[..16]
    );
    eprintln!("{}", evaluation.coverage);
    if let Some(horizon) = &evaluation.horizon {
        eprintln!("{horizon}");
    }
}
