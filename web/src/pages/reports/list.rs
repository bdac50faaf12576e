//! `GET /reports`: every report, and by framework for which requirement each is evidence.

use askama::Template;
use axum::extract::State;
use query::report::catalogue::{Catalogue, ReportEntry};

use super::others::right_of;
use crate::app::{App, Seen};
use crate::door::{Look, May, Reader};
use crate::error::PageError;
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::shell::Shell;

/// The page.
#[derive(Template)]
#[template(path = "report_list.html")]
pub(crate) struct ReportList {
    shell: Shell,
    reports: Vec<Listed>,
    frameworks: Vec<Framework>,
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
) -> Result<Rendered<ReportList>, PageError> {
    app.ask(&reader, |trail| Ok(Rendered::ok(page(trail)))).await
}

fn page(trail: &Seen) -> ReportList {
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
    ReportList {
        shell: shell(trail, "Reports"),
        reports: reports
            .map(|report| listed(report, report.subject.clone(), trail.reader()))
            .collect(),
        frameworks: frameworks.collect(),
    }
}

fn listed(report: &ReportEntry, subject: String, reader: &Reader) -> Listed {
    let is_there = query::report::NAMES.contains(&report.id.as_str());
    let href =
        (is_there && reader.may(right_of(&report.id).0)).then(|| format!("/reports/{}", report.id));
    Listed { title: report.title.clone(), subject, href }
}
