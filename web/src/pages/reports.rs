//! `GET /reports/access?by=&period=&from=&to=&tz=&scope=`: the access report, as a page, as CSV, as JSON.
//!
//! One value makes all three, and the document that `keytrail report` writes, so that no number differs.

use askama::Template;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::Response;
use ingest::own::Fact;
use jiff::Timestamp;
use query::filter::Filter;
use query::period::{Period, rfc3339};
use query::registers::Registers;
use query::report::access::{AccessReport, By, access};
use query::report::catalogue::Catalogue;
use query::report::document::Document;
use query::report::{Asking, ReportError};
use query::table::Form;
use serde::Deserialize;

use crate::app::{App, Seen};
use crate::asked::given;
use crate::door::{Export, Look, May, Reader};
use crate::error::PageError;
use crate::export::file;
use crate::link::address;
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::shell::Shell;
use crate::text::capital;
use crate::{printed, xlsx};

mod access_view;
mod document_view;
pub(crate) mod list;
pub(crate) mod others;

use self::access_view::AccessView;

/// The report within its frame, below its form.
#[derive(Template)]
#[template(path = "reports.html")]
pub(crate) struct ReportsPage {
    shell: Shell,
    choices: Vec<Choice>,
    asked: Asked,
    problem: Option<String>,
    csv: String,
    json: String,
    xlsx: String,
    pdf: String,
    heading_csv: String,
    report: Option<AccessView>,
}

/// The report as a document that stands alone: nothing in it is fetched, nothing in it leads on.
#[derive(Template)]
#[template(path = "access_document.html")]
struct AccessDocument {
    report: AccessView,
}

/// What a row may be.
struct Choice {
    word: &'static str,
    current: bool,
}

/// The parameters, as typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    by: String,
    period: String,
    from: String,
    to: String,
    tz: String,
    scope: String,
}

/// The parameters, as meant.
struct Meant {
    by: By,
    period: Period,
    scope: Filter,
    now: Timestamp,
}

/// Returns the report as an HTML document that needs nothing else, for `keytrail report`.
///
/// # Errors
/// The template fails, which only a bug can cause.
pub fn access_report_document(report: &AccessReport) -> Result<String, askama::Error> {
    AccessDocument { report: AccessView::alone(report) }.render()
}

/// Returns a report as a workbook: a sheet that says what it is of, and each section as many sheets as it needs.
///
/// # Errors
/// The form is not kept, which only a bug can cause.
pub fn report_workbook(report: &Document) -> Result<Vec<u8>, std::io::Error> {
    let sheets: Vec<_> =
        report.sections.iter().map(|section| (sheet(section.id), &section.table)).collect();
    let sheets: Vec<_> = sheets.iter().map(|(name, table)| (name.as_str(), *table)).collect();
    xlsx::tables(&report.heading.table(), &sheets).map_err(std::io::Error::other)
}

/// Returns a section's id as the name of a sheet: `long-lived` becomes `Long lived`.
fn sheet(id: &str) -> String {
    capital(&id.replace('-', " "))
}

/// The page.
pub(crate) async fn access_page(
    reader: May<Look>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<ReportsPage>, PageError> {
    let meant = asked.meant(Timestamp::now());
    app.ask(&reader, move |trail| page(trail, asked, meant)).await
}

/// The rows as CSV.
pub(crate) async fn access_csv(
    reader: May<Export>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let csv = made(&reader, app, asked, |report| table(report.table())).await?;
    Ok(file("keytrail-access.csv", "text/csv; charset=utf-8; header=present", Body::from(csv)))
}

/// Heading and rows as a workbook.
pub(crate) async fn access_xlsx(
    reader: May<Export>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let book = made(&reader, app, asked, |report| {
        report_workbook(&report.document()).map_err(|error| PageError::Trail(Box::new(error)))
    });
    Ok(file("keytrail-access.xlsx", xlsx::CONTENT_TYPE, Body::from(book.await?)))
}

/// The report as a document to file, print and sign.
pub(crate) async fn access_pdf(
    reader: May<Export>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let document = made(&reader, app.clone(), asked, |report| Ok(report.document())).await?;
    let bytes = app.print(document).await?;
    Ok(file("keytrail-access.pdf", printed::CONTENT_TYPE, Body::from(bytes)))
}

/// What stands above the rows, as CSV of two columns.
pub(crate) async fn heading_csv(
    reader: May<Export>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let csv = made(&reader, app, asked, |report| table(report.heading.table())).await?;
    Ok(file(
        "keytrail-access-heading.csv",
        "text/csv; charset=utf-8; header=present",
        Body::from(csv),
    ))
}

/// The whole report as one JSON object.
pub(crate) async fn access_json(
    reader: May<Export>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let json = made(&reader, app, asked, |report| {
        serde_json::to_vec(report).map_err(|error| PageError::Trail(Box::new(error)))
    });
    Ok(file("keytrail-access.json", "application/json", Body::from(json.await?)))
}

fn page(
    trail: &Seen,
    asked: Asked,
    meant: Result<Meant, String>,
) -> Result<Rendered<ReportsPage>, PageError> {
    let by = meant.as_ref().map_or(By::Identity, |meant| meant.by);
    let page = ReportsPage {
        shell: shell(trail, "Reports"),
        choices: By::ALL.map(|each| Choice { word: each.as_str(), current: each == by }).into(),
        problem: None,
        csv: asked.href("/reports/access.csv"),
        json: asked.href("/reports/access.json"),
        xlsx: asked.href("/reports/access.xlsx"),
        pdf: asked.href("/reports/access.pdf"),
        heading_csv: asked.href("/reports/access-heading.csv"),
        asked,
        report: None,
    };
    match meant {
        Ok(meant) => {
            let report = meant.make(trail)?;
            Ok(Rendered::ok(ReportsPage { report: Some(AccessView::linked(&report)), ..page }))
        }
        Err(problem) => Ok(Rendered::bad_request(ReportsPage { problem: Some(problem), ..page })),
    }
}

async fn made<T: Send + 'static>(
    reader: &Reader,
    app: App,
    asked: Asked,
    write: fn(&AccessReport) -> Result<T, PageError>,
) -> Result<T, PageError> {
    let meant = asked.meant(Timestamp::now()).map_err(PageError::Question)?;
    let fact = Fact::Exported {
        by: reader.by(),
        address: reader.address().to_owned(),
        what: "access report".to_owned(),
        filter: meant.scope.to_string(),
        from: meant.period.from.map(rfc3339),
        to: meant.period.to.map(rfc3339),
    };
    app.record(reader, fact).await?;
    app.ask(reader, move |trail| write(&meant.make(trail)?)).await
}

fn table(table: query::table::Table) -> Result<Vec<u8>, PageError> {
    let mut bytes = Vec::new();
    table.write(Form::Csv, &mut bytes).map_err(|error| PageError::Trail(Box::new(error)))?;
    Ok(bytes)
}

impl Meant {
    fn make(&self, trail: &Seen) -> Result<AccessReport, PageError> {
        let asking = Asking {
            catalogue: &Catalogue::built_in(),
            registers: &Registers::absent(),
            filter: &self.scope,
            period: &self.period,
            at: None,
            by: &trail.reader().by(),
            now: self.now,
        };
        access(trail, &asking, self.by).map_err(|error| match error {
            ReportError::Trail(error) => error.into(),
            error => PageError::Trail(Box::new(error)),
        })
    }
}

impl Asked {
    fn meant(&self, now: Timestamp) -> Result<Meant, String> {
        let by = match given(&self.by) {
            None => By::Identity,
            Some(by) => by.parse()?,
        };
        let [period, from, to, tz] =
            [&self.period, &self.from, &self.to, &self.tz].map(|typed| given(typed));
        let period = Period::new(period, from, to, tz, now).map_err(|error| error.to_string())?;
        let scope = Filter::parse(&self.scope, now).map_err(|error| error.caret())?;
        Ok(Meant { by, period, scope, now })
    }

    fn href(&self, page: &str) -> String {
        let Asked { by, period, from, to, tz, scope } = self;
        let typed = [
            ("by", by),
            ("period", period),
            ("from", from),
            ("to", to),
            ("tz", tz),
            ("scope", scope),
        ];
        address(page, typed.map(|(name, value)| (name, value.trim())))
    }
}
