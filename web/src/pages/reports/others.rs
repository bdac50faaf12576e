//! `GET /reports/NAME?period=&from=&to=&tz=&scope=` and its files, of every report but the access report: one document
//! makes all forms.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use ingest::own::Fact;
use jiff::Timestamp;
use query::period::rfc3339;
use query::registers::Registers;
use query::report::catalogue::{Catalogue, ReportEntry};
use query::report::document::Document;
use query::report::{Asking, ReportError, make};
use serde::Deserialize;

use super::document_view::DocumentView;
use super::{Asked, Meant, report_workbook, table};
use crate::app::{App, Seen};
use crate::door::{Reader, Right};
use crate::error::PageError;
use crate::export::file;
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::shell::Shell;
use crate::text::Text;
use crate::{printed, xlsx};

/// A report within its frame, below its form.
#[derive(Template)]
#[template(path = "report.html")]
pub(crate) struct ReportPage {
    shell: Shell,
    action: String,
    title: Text,
    asked: Asked,
    takes_scope: bool,
    problem: Option<String>,
    /// Where its files are; none: the reader may not export it.
    files: Option<Files>,
    report: Option<DocumentView>,
}

/// The addresses of a report's files.
struct Files {
    json: String,
    xlsx: String,
    pdf: String,
    heading_csv: String,
}

/// A report as a document that stands alone.
#[derive(Template)]
#[template(path = "report_document.html")]
struct ReportDocument {
    report: DocumentView,
}

/// Which form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One section as CSV.
    Csv,
    /// The heading as CSV.
    Heading,
    /// Everything as one JSON object.
    Json,
    /// A workbook.
    Xlsx,
    /// A document to file, print and sign.
    Pdf,
}

/// Returns the rights to see a report, and to take it away. Cut at somebody's bounds it would be wrong, so those are the
/// rights to what controls find; what people did with keytrail is for those who keep its settings.
pub(crate) fn right_of(name: &str) -> (Right, Right) {
    match name {
        "access" => (Right::Look, Right::Export),
        "auditor-access" => (Right::Settings, Right::Settings),
        _ => (Right::Controls, Right::ExportControls),
    }
}

/// Which section of a report.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Which {
    section: String,
}

/// Returns a report as an HTML document that needs nothing else, for `keytrail report`.
///
/// # Errors
/// The template fails, which only a bug can cause.
pub fn report_document(report: &Document) -> Result<String, askama::Error> {
    ReportDocument { report: DocumentView::alone(report) }.render()
}

/// The page of a report.
pub(crate) async fn report_page(
    name: &'static str,
    reader: Reader,
    app: App,
    asked: Asked,
) -> Result<Rendered<ReportPage>, PageError> {
    let exports = reader.may(right_of(name).1);
    let meant = asked.meant(Timestamp::now());
    app.ask(&reader, move |trail| page(name, trail, exports, asked, meant)).await
}

fn page(
    name: &'static str,
    trail: &Seen,
    exports: bool,
    asked: Asked,
    meant: Result<Meant, String>,
) -> Result<Rendered<ReportPage>, PageError> {
    let catalogue = Catalogue::built_in();
    let entry: &ReportEntry = catalogue.report(name).expect("a test finds each in the catalogue");
    let href = |form: &str| asked.href(&format!("/reports/{name}{form}"));
    let csv = |id: &str| {
        let address = href(".csv");
        let sign = if address.contains('?') { '&' } else { '?' };
        format!("{address}{sign}section={id}")
    };
    let mut page = ReportPage {
        shell: shell(trail, "Reports"),
        action: format!("/reports/{name}"),
        title: Text::new(&entry.title),
        takes_scope: !entry.whole_log,
        problem: None,
        files: exports.then(|| Files {
            json: href(".json"),
            xlsx: href(".xlsx"),
            pdf: href(".pdf"),
            heading_csv: href("-heading.csv"),
        }),
        report: None,
        asked: asked.clone(),
    };
    match meant.map_err(PageError::Question).and_then(|meant| made(name, trail, &meant)) {
        Ok(report) => {
            let csv: &dyn Fn(&str) -> String = &csv;
            let view = DocumentView::linked(&report, exports.then_some(csv));
            Ok(Rendered::ok(ReportPage { report: Some(view), ..page }))
        }
        Err(PageError::Question(problem)) => {
            page.problem = Some(problem);
            Ok(Rendered::bad_request(page))
        }
        Err(error) => Err(error),
    }
}

/// Returns a file of a report, and writes down that it was taken away.
pub(crate) async fn report_file(
    name: &'static str,
    form: Form,
    reader: Reader,
    app: App,
    asked: Asked,
    which: Which,
) -> Result<Response, PageError> {
    let meant = asked.meant(Timestamp::now()).map_err(PageError::Question)?;
    let fact = Fact::Exported {
        by: reader.by(),
        address: reader.address().to_owned(),
        what: format!("report {name}"),
        filter: meant.scope.to_string(),
        from: meant.period.from.map(rfc3339),
        to: meant.period.to.map(rfc3339),
    };
    app.record(&reader, fact).await?;
    let bytes = match form {
        Form::Pdf => {
            app.print(app.ask(&reader, move |trail| made(name, trail, &meant)).await?).await?
        }
        form => {
            app.ask(&reader, move |trail| written(&made(name, trail, &meant)?, form, &which))
                .await?
        }
    };
    let (ending, kind) = match form {
        Form::Pdf => (".pdf", printed::CONTENT_TYPE),
        Form::Csv => (".csv", "text/csv; charset=utf-8; header=present"),
        Form::Heading => ("-heading.csv", "text/csv; charset=utf-8; header=present"),
        Form::Json => (".json", "application/json"),
        Form::Xlsx => (".xlsx", xlsx::CONTENT_TYPE),
    };
    Ok(file(&format!("keytrail-{name}{ending}"), kind, Body::from(bytes)))
}

fn written(report: &Document, form: Form, which: &Which) -> Result<Vec<u8>, PageError> {
    let trail = |error: Box<dyn std::error::Error + Send + Sync>| PageError::Trail(error);
    match form {
        Form::Csv => {
            let id = Some(which.section.trim()).filter(|id| !id.is_empty());
            let section = report.section(id).ok_or_else(|| {
                let ids: Vec<&str> = report.sections.iter().map(|section| section.id).collect();
                PageError::Question(format!("there is no such section, only {}", ids.join(", ")))
            })?;
            table(section.table.clone())
        }
        Form::Heading => table(report.heading.table()),
        Form::Json => serde_json::to_vec(report).map_err(|error| trail(Box::new(error))),
        Form::Xlsx => report_workbook(report).map_err(|error| trail(Box::new(error))),
        Form::Pdf => printed::report_pdf(report).map_err(|error| trail(Box::new(error))),
    }
}

/// Makes a report by the registers of the data folder.
fn made(name: &str, trail: &Seen, meant: &Meant) -> Result<Document, PageError> {
    let registers = Registers::read(&trail.data().join("context"), meant.now)
        .map_err(|problem| PageError::Question(problem.to_string()))?;
    trail.registers_seen(&registers)?;
    let asking = Asking {
        catalogue: &Catalogue::built_in(),
        registers: &registers,
        filter: &meant.scope,
        period: &meant.period,
        at: None,
        by: &trail.reader().by(),
        now: meant.now,
    };
    make(trail, name, &asking).map_err(|error| match error {
        ReportError::Trail(error) => error.into(),
        ReportError::Controls(query::controls::EvaluationError::Query(error)) => error.into(),
        error @ (ReportError::Scope(_) | ReportError::Bound { .. } | ReportError::Controls(_)) => {
            PageError::Question(error.to_string())
        }
        error => PageError::Trail(Box::new(error)),
    })
}
