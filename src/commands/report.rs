//! `keytrail report`: a report over a period.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use query::report::access::{AccessReport, By, access};
use query::report::document::{Document, Section};
use query::report::{Asking, ReportError, make};
use query::table::{Form, Table};
use query::trail::Trail;

use super::controls::{catalogue_of, registers_of};
use super::issued;
use super::question::{filter, period};
use crate::args::{ByArg, ReportArgs, ReportFormat};
use crate::deed;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(args: ReportArgs) -> Result<(), Failure> {
    let period =
        period(args.period.as_deref(), args.from.as_deref(), args.to.as_deref(), &args.tz)?;
    let scope = filter(&args.scope)?;
    if args.name != "access" && args.by.is_some() {
        return Err(Failure::Usage("--by goes with the report access".to_owned()));
    }
    if args.section.is_some() && args.format != ReportFormat::Csv {
        return Err(Failure::Usage(
            "--section goes with --format csv: the other forms hold all of them".to_owned(),
        ));
    }
    let catalogue = catalogue_of(args.catalogue.as_deref())?;
    let data = args.data.existing()?;
    let now = jiff::Timestamp::now();
    let trail = Trail::open(&data)?;
    let registers = registers_of(&data, args.context.as_deref(), &trail, now)?;
    let asking = Asking {
        catalogue: &catalogue,
        registers: &registers,
        filter: &scope,
        period: &period,
        at: args.at,
        by: &deed::who(),
        now,
    };
    let bytes = match args.name.as_str() {
        _ if args.issue => {
            let rows = by(args.by).to_string();
            let rows = (args.name == "access").then_some(&*rows);
            let document = issued::issue(&data, &trail, &asking, &args, rows)?;
            written(&document, args.format, args.section.as_deref())?
        }
        "access" => accessed(&access(&trail, &asking, by(args.by)).map_err(told)?, &args)?,
        name => {
            let document = make(&trail, name, &asking).map_err(told)?;
            written(&document, args.format, args.section.as_deref())?
        }
    };
    put(&bytes, args.output.as_deref(), &args.name)
}

/// Writes the bytes of a report where they belong.
pub(super) fn put(bytes: &[u8], output: Option<&Path>, name: &str) -> Result<(), Failure> {
    match output {
        None => std::io::stdout().lock().write_all(bytes)?,
        Some(path) => {
            // A report names people and paths: for its owner's eyes.
            let file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
            file.and_then(|mut file| file.write_all(bytes))
                .with_context(|| format!("cannot write {}", path.display()))?;
            eprintln!("the report {name} is written to {}", path.display());
        }
    }
    Ok(())
}

/// A scope that a report does not take is a wrong use.
pub(super) fn told(error: ReportError) -> Failure {
    match error {
        ReportError::Scope(_) | ReportError::Controls(_) => Failure::Usage(error.to_string()),
        error => error.into(),
    }
}

fn by(by: Option<ByArg>) -> By {
    match by {
        None | Some(ByArg::Identity) => By::Identity,
        Some(ByArg::Path) => By::Path,
        Some(ByArg::Decision) => By::Decision,
    }
}

fn accessed(report: &AccessReport, args: &ReportArgs) -> Result<Vec<u8>, Failure> {
    match args.format {
        ReportFormat::Html => Ok(web::access_report_document(report)?.into_bytes()),
        ReportFormat::Json => json(report),
        ReportFormat::Csv | ReportFormat::Xlsx | ReportFormat::Pdf => {
            written(&report.document(), args.format, args.section.as_deref())
        }
    }
}

/// Writes a document in a form; of CSV, one section.
pub(crate) fn written(
    report: &Document,
    format: ReportFormat,
    id: Option<&str>,
) -> Result<Vec<u8>, Failure> {
    match format {
        ReportFormat::Html => Ok(web::report_document(report)?.into_bytes()),
        ReportFormat::Xlsx => Ok(web::report_workbook(report)?),
        ReportFormat::Pdf => Ok(web::report_pdf(report)?),
        ReportFormat::Json => json(report),
        ReportFormat::Csv => csv(section(report, id)?),
    }
}

fn section<'a>(report: &'a Document, id: Option<&str>) -> Result<&'a Table, Failure> {
    let found: Option<&Section> = report.section(id);
    found.map(|section| &section.table).ok_or_else(|| {
        let ids: Vec<&str> = report.sections.iter().map(|section| section.id).collect();
        Failure::Usage(format!("--section: there are {}", ids.join(", ")))
    })
}

fn csv(table: &Table) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    table.write(Form::Csv, &mut bytes)?;
    Ok(bytes)
}

fn json(report: &impl serde::Serialize) -> Result<Vec<u8>, Failure> {
    let mut bytes = serde_json::to_vec(report).map_err(anyhow::Error::from)?;
    bytes.push(b'\n');
    Ok(bytes)
}
