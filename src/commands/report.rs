//! `keytrail report`: a report over a period.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use anyhow::Context;
use query::registers::Registers;
use query::report::Asking;
use query::report::access::{By, access};
use query::report::catalogue::Catalogue;
use query::table::Form;
use query::trail::Trail;

use super::question::{filter, period};
use crate::args::{ByArg, ReportArgs, ReportFormat, ReportName};
use crate::deed;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(args: ReportArgs) -> Result<(), Failure> {
    let ReportName::Access = args.name;
    let period =
        period(args.period.as_deref(), args.from.as_deref(), args.to.as_deref(), &args.tz)?;
    let scope = filter(&args.scope)?;
    let by = match args.by {
        ByArg::Identity => By::Identity,
        ByArg::Path => By::Path,
        ByArg::Decision => By::Decision,
    };
    let trail = Trail::open(&args.data.existing()?)?;
    let asking = Asking {
        catalogue: &Catalogue::built_in(),
        registers: &Registers::absent(),
        filter: &scope,
        period: &period,
        at: args.at,
        by: &deed::who(),
        now: jiff::Timestamp::now(),
    };
    let report = access(&trail, &asking, by)?;
    let mut bytes = Vec::new();
    match args.format {
        ReportFormat::Html => bytes.extend(web::access_report_document(&report)?.into_bytes()),
        ReportFormat::Xlsx => bytes = web::report_workbook(&report.document())?,
        ReportFormat::Pdf => bytes = web::report_pdf(&report.document())?,
        ReportFormat::Csv => report.table().write(Form::Csv, &mut bytes)?,
        ReportFormat::Json => {
            serde_json::to_writer(&mut bytes, &report)?;
            bytes.push(b'\n');
        }
    }
    match args.output {
        None => std::io::stdout().lock().write_all(&bytes)?,
        Some(path) => {
            // A report names people and paths: for its owner's eyes.
            let file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
            file.and_then(|mut file| file.write_all(&bytes))
                .with_context(|| format!("cannot write {}", path.display()))?;
            eprintln!("{} rows written to {}", report.rows.len(), path.display());
        }
    }
    Ok(())
}
