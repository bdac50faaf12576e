//! `GET /reports?skip=`: every report, by framework for which requirement each is evidence, and those that were issued.

use askama::Template;
use axum::extract::{Query, State};
use query::report::catalogue::{Catalogue, ReportEntry};
use query::report::issuing::{Issued, IssuedReports};
use serde::Deserialize;

use super::others::right_of;
use crate::app::{App, Seen};
use crate::door::{Look, May, Reader, Right};
use crate::error::PageError;
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::shell::Shell;
use crate::text::{Text, counted, grouped};

/// Issued reports of a page.
const ROWS: usize = 20;

/// The page.
#[derive(Template)]
#[template(path = "report_list.html")]
pub(crate) struct ReportList {
    shell: Shell,
    reports: Vec<Listed>,
    frameworks: Vec<Framework>,
    /// None: the reader is bound to a part of the log, and an issued report may be of more.
    issued: Option<IssuedList>,
}

/// Reports that somebody stands up for.
struct IssuedList {
    total: String,
    rows: Vec<Row>,
    next: Option<String>,
    first: Option<String>,
}

/// One of them.
struct Row {
    id: String,
    state: &'static str,
    /// The one in its place, or the one in whose place it stands and why.
    note: Option<Text>,
    report: Text,
    period: Text,
    scope: Text,
    issued: String,
    by: Text,
    leaf: String,
}

/// The parameters, as typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    skip: usize,
}

/// A report.
struct Listed {
    title: String,
    /// The question it answers, or what it shows of a requirement.
    subject: String,
    /// Where it is; none: the reader may not see it.
    href: Option<String>,
}

struct Framework {
    name: String,
    version: String,
    rows: Vec<Requirement>,
}

struct Requirement {
    id: String,
    words: String,
    reports: Vec<Listed>,
}

/// The page.
pub(crate) async fn report_list(
    reader: May<Look>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<ReportList>, PageError> {
    app.ask(&reader, move |trail| page(trail, &asked)).await
}

fn page(trail: &Seen, asked: &Asked) -> Result<Rendered<ReportList>, PageError> {
    let issued = match trail.reader().may(Right::Controls) {
        true => Some(issued_list(trail, &*trail.issued()?, asked.skip)),
        false => None,
    };
    let catalogue = Catalogue::built_in();
    let frameworks = catalogue.frameworks.iter().filter(|framework| !framework.crosswalk);
    let frameworks = frameworks.map(|framework| {
        let rows = framework.requirements.iter().map(|requirement| {
            let shows = |report: &ReportEntry| {
                let evidence = report.evidence.iter();
                let mut its = evidence
                    .filter(|it| it.framework == framework.id && it.requirement == requirement.id);
                its.next().map(|it| listed(report, it.shows.clone(), trail.reader()))
            };
            Requirement {
                id: requirement.id.clone(),
                words: requirement.words.clone(),
                reports: catalogue.reports.iter().filter_map(shows).collect(),
            }
        });
        Framework {
            name: framework.name.clone(),
            version: framework.version.clone(),
            rows: rows.collect(),
        }
    });
    let reports = catalogue.reports.iter();
    Ok(Rendered::ok(ReportList {
        shell: shell(trail, "Reports"),
        reports: reports
            .map(|report| listed(report, report.subject.clone(), trail.reader()))
            .collect(),
        frameworks: frameworks.collect(),
        issued,
    }))
}

fn issued_list(trail: &Seen, known: &IssuedReports, skip: usize) -> IssuedList {
    let all = known.all();
    let rows: Vec<Row> =
        all.iter().rev().skip(skip).take(ROWS).map(|issued| row(trail, known, issued)).collect();
    let past = skip.saturating_add(rows.len());
    IssuedList {
        total: counted(all.len() as u64, "issued report", "issued reports"),
        next: (past < all.len()).then(|| format!("/reports?skip={past}#issued")),
        first: (skip > 0).then(|| "/reports#issued".to_owned()),
        rows,
    }
}

fn row(trail: &Seen, known: &IssuedReports, issued: &Issued) -> Row {
    let note = match (known.successor(&issued.id), &issued.supersedes) {
        (Some(successor), _) => Some(format!("by {}: {}", successor.id, successor.because)),
        (None, Some(former)) => Some(format!("in the place of {former}: {}", issued.because)),
        (None, None) => None,
    };
    let by = issued.rows.as_ref().map_or(String::new(), |rows| format!(" by {rows}"));
    let time = i64::try_from(issued.issued.as_nanosecond()).unwrap_or(i64::MAX);
    Row {
        id: issued.id.clone(),
        state: known.state(issued).as_str(),
        note: note.map(|note| Text::new(&note)),
        report: Text::new(&format!("{}{by}", issued.report)),
        period: Text::new(&issued.period),
        scope: Text::new(if issued.scope.is_empty() { "everything" } else { &issued.scope }),
        issued: trail.zone().to_the_minute(time),
        by: Text::new(&issued.by),
        leaf: grouped(issued.at),
    }
}

fn listed(report: &ReportEntry, subject: String, reader: &Reader) -> Listed {
    let is_there = query::report::NAMES.contains(&report.id.as_str());
    let href =
        (is_there && reader.may(right_of(&report.id).0)).then(|| format!("/reports/{}", report.id));
    Listed { title: report.title.clone(), subject, href }
}
