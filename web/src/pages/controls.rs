//! `GET /controls?framework=&period=&from=&to=&tz=`: what frameworks ask of the trail, and what was found.
//!
//! Controls are of the whole log, so whoever is bound to a part of it is not shown them: cut at his bounds, "no
//! exceptions found" would be wrong.

use askama::Template;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::Response;
use ingest::own::Fact;
use jiff::Timestamp;
use query::controls::{Asking, Evaluation, EvaluationError, Finding, Given, Verdict, evaluate};
use query::period::{Period, rfc3339};
use query::registers::Registers;
use query::report::catalogue::{Catalogue, Fit, Framework, Requirement};
use query::table::Form;
use serde::Deserialize;

use crate::app::{App, Seen};
use crate::asked::given;
use crate::door::{Controls, ExportControls, May, Reader};
use crate::error::PageError;
use crate::evaluations::Key;
use crate::export::file;
use crate::link::address;
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::shell::Shell;
use crate::text::{Text, counted, grouped};

pub(crate) mod control;
pub(crate) mod review;

/// Controls, requirement by requirement or one by one.
#[derive(Template)]
#[template(path = "controls.html")]
pub(crate) struct ControlsPage {
    shell: Shell,
    asked: Asked,
    problem: Option<String>,
    frameworks: Vec<Choice>,
    periods: Vec<Choice>,
    answer: Option<Answer>,
}

/// A choice that the page offers.
pub(super) struct Choice {
    name: String,
    href: String,
    current: bool,
}

struct Answer {
    period: Text,
    at: String,
    coverage: Text,
    version: Option<Text>,
    tiles: Vec<Tile>,
    /// What is asked of the log for each requirement.
    requirements: Vec<Row>,
    /// Without a framework.
    controls: Vec<Told>,
    registers: Vec<(&'static str, String)>,
    catalogue: String,
    csv: String,
    json: String,
}

/// Some of whose exceptions nobody has disposed of.
const OPEN: &str = "exceptions open";

/// How many controls have a verdict.
struct Tile {
    class: &'static str,
    words: &'static str,
    count: String,
}

/// A requirement, and what its controls say.
struct Row {
    id: Text,
    /// Its numbers in the edition before.
    alias: String,
    words: Text,
    limits: Text,
    fit: &'static str,
    checked: bool,
    controls: Vec<Told>,
}

/// A control, and what it says.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) title: Text,
    pub(crate) severity: &'static str,
    pub(crate) href: String,
    pub(crate) class: &'static str,
    pub(crate) verdict: Text,
}

/// The parameters, as typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    framework: String,
    period: String,
    from: String,
    to: String,
    tz: String,
    /// Of one control's page: how many exceptions stand before it.
    skip: u64,
}

/// What is asked, as meant.
pub(super) struct Meant {
    pub(super) period: Period,
    pub(super) catalogue: Catalogue,
    pub(super) now: Timestamp,
}

/// The page.
pub(crate) async fn controls(
    reader: May<Controls>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<ControlsPage>, PageError> {
    app.ask(&reader, move |trail| page(trail, asked)).await
}

/// Every exception, and every control without one, as CSV.
pub(crate) async fn controls_csv(
    reader: May<ExportControls>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let csv = made(&reader, app, asked, |evaluation| {
        let mut bytes = Vec::new();
        let written = evaluation.table().write(Form::Csv, &mut bytes);
        written.map_err(|error| PageError::Trail(Box::new(error)))?;
        Ok(bytes)
    });
    let csv = csv.await?;
    Ok(file("keytrail-controls.csv", "text/csv; charset=utf-8; header=present", Body::from(csv)))
}

/// The whole answer as one JSON object.
pub(crate) async fn controls_json(
    reader: May<ExportControls>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let json = made(&reader, app, asked, |evaluation| {
        serde_json::to_vec(evaluation).map_err(|error| PageError::Trail(Box::new(error)))
    });
    Ok(file("keytrail-controls.json", "application/json", Body::from(json.await?)))
}

async fn made(
    reader: &Reader,
    app: App,
    asked: Asked,
    write: fn(&Evaluation) -> Result<Vec<u8>, PageError>,
) -> Result<Vec<u8>, PageError> {
    let meant = asked.meant(Timestamp::now()).map_err(PageError::Question)?;
    let only = asked.only(&meant.catalogue)?;
    let fact = Fact::Exported {
        by: reader.by(),
        address: reader.address().to_owned(),
        what: "controls".to_owned(),
        filter: String::new(),
        from: meant.period.from.map(rfc3339),
        to: meant.period.to.map(rfc3339),
    };
    app.record(reader, fact).await?;
    app.ask(reader, move |trail| write(&meant.evaluated(trail, &only)?)).await
}

fn page(trail: &Seen, asked: Asked) -> Result<Rendered<ControlsPage>, PageError> {
    let now = Timestamp::now();
    let page = ControlsPage {
        shell: shell(trail, "Controls"),
        problem: None,
        frameworks: frameworks(&asked),
        periods: asked.periods("/controls", now),
        asked,
        answer: None,
    };
    let meant = match page.asked.meant(now) {
        Ok(meant) => meant,
        Err(problem) => {
            return Ok(Rendered::bad_request(ControlsPage { problem: Some(problem), ..page }));
        }
    };
    let only = page.asked.only(&meant.catalogue)?;
    let evaluation = meant.evaluated(trail, &only)?;
    let answer = answer(&evaluation, &meant.catalogue, &page.asked);
    Ok(Rendered::ok(ControlsPage { answer: Some(answer), ..page }))
}

fn answer(evaluation: &Evaluation, catalogue: &Catalogue, asked: &Asked) -> Answer {
    let told: Vec<Told> =
        evaluation.findings.iter().map(|finding| Told::of(finding, asked)).collect();
    let framework = catalogue.frameworks.iter().find(|known| known.id == asked.framework);
    let left_out = match evaluation.left_out.total() {
        0 => String::new(),
        count => format!(", {} left out", grouped(count)),
    };
    Answer {
        period: Text::new(&evaluation.period),
        at: format!(
            "{}{left_out}, answered at leaf {}",
            counted(evaluation.events, "event", "events"),
            grouped(evaluation.leaf)
        ),
        coverage: Text::whole(&crate::text::capital(&evaluation.coverage)),
        version: framework.map(|framework| Text::new(&framework.version)),
        tiles: tiles(&evaluation.findings),
        requirements: framework.map_or_else(Vec::new, |framework| rows(framework, &told)),
        controls: if framework.is_some() { Vec::new() } else { told },
        registers: registers(evaluation),
        catalogue: evaluation.catalogue.chars().take(16).collect(),
        csv: asked.href("/controls.csv"),
        json: asked.href("/controls.json"),
    }
}

fn rows(framework: &Framework, told: &[Told]) -> Vec<Row> {
    let row = |requirement: &Requirement| Row {
        id: Text::new(&requirement.id),
        alias: requirement.alias_2013.join(", "),
        words: Text::whole(&requirement.words),
        limits: Text::whole(&requirement.limits),
        fit: match requirement.fit {
            Fit::Direct => "evidence for it",
            Fit::Supporting => "supports it",
            Fit::Context => "context",
        },
        checked: requirement.checked,
        controls: requirement
            .controls
            .iter()
            .filter_map(|id| told.iter().find(|told| told.id == *id).cloned())
            .collect(),
    };
    framework.requirements.iter().map(row).collect()
}

fn registers(evaluation: &Evaluation) -> Vec<(&'static str, String)> {
    let told = evaluation.registers.iter().map(|register| {
        let rows = match (&register.sha256, register.rows) {
            (None, _) => "absent".to_owned(),
            (Some(_), 0) => "empty".to_owned(),
            (Some(hash), rows) => {
                let hash: String = hash.chars().take(12).collect();
                format!("{}, {hash}…", counted(rows as u64, "row", "rows"))
            }
        };
        (register.name, rows)
    });
    told.collect()
}

fn tiles(findings: &[Finding]) -> Vec<Tile> {
    const ALL: [(&str, &str); 6] = [
        ("unknown", OPEN),
        ("", "exceptions, all dispositioned"),
        ("", "no exceptions found"),
        ("", "no data"),
        ("", "not applicable"),
        ("unknown", "weakened or not run"),
    ];
    let said = |verdict: &Verdict| match verdict {
        Verdict::Exceptions { open: 1.., .. } => OPEN,
        Verdict::Exceptions { .. } => ALL[1].1,
        Verdict::NoExceptionsFound => ALL[2].1,
        Verdict::NoData => ALL[3].1,
        Verdict::NotApplicable { .. } => ALL[4].1,
        Verdict::Weakened | Verdict::NotRun { .. } => ALL[5].1,
    };
    let tile = |(class, words): (&'static str, &'static str)| {
        let count = findings.iter().filter(|finding| said(&finding.verdict) == words).count();
        Tile { class: if count > 0 { class } else { "" }, words, count: grouped(count as u64) }
    };
    ALL.into_iter().map(tile).collect()
}

fn frameworks(asked: &Asked) -> Vec<Choice> {
    let known = Catalogue::built_in().frameworks;
    let own = known.into_iter().filter(|framework| !framework.crosswalk);
    let named = own.map(|framework| (framework.id, framework.name));
    let all = [(String::new(), "All controls".to_owned())];
    let choice = |(id, name): (String, String)| Choice {
        name,
        current: id == asked.framework,
        href: Asked { framework: id, ..asked.clone() }.href("/controls"),
    };
    all.into_iter().chain(named).map(choice).collect()
}

impl Told {
    fn of(finding: &Finding, asked: &Asked) -> Told {
        Told {
            id: finding.control.clone(),
            title: Text::new(&finding.title),
            severity: finding.severity.as_str(),
            href: asked.href(&format!("/controls/{}", finding.control)),
            class: class(&finding.verdict),
            verdict: Text::new(&finding.verdict.to_string()),
        }
    }
}

/// Names the icon of a verdict; "": it has none. There is none that looks like a pass.
pub(super) fn class(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Exceptions { open: 1.., .. } | Verdict::Weakened | Verdict::NotRun { .. } => {
            "unknown"
        }
        _ => "",
    }
}

impl Asked {
    pub(super) fn meant(&self, now: Timestamp) -> Result<Meant, String> {
        let [period, from, to, tz] =
            [&self.period, &self.from, &self.to, &self.tz].map(|typed| given(typed));
        let period =
            Period::new(period, from, to, tz, now).map_err(|problem| problem.to_string())?;
        Ok(Meant { period, catalogue: Catalogue::built_in(), now })
    }

    /// Returns the controls that are meant; none: all.
    fn only(&self, catalogue: &Catalogue) -> Result<Vec<String>, PageError> {
        match &*self.framework {
            "" => Ok(Vec::new()),
            framework => catalogue.controls_for(framework).ok_or_else(|| {
                PageError::Question(format!(
                    "{framework:?} is no framework: there are {}",
                    catalogue
                        .frameworks
                        .iter()
                        .map(|known| &*known.id)
                        .collect::<Vec<_>>()
                        .join(", ")
                ))
            }),
        }
    }

    pub(super) fn href(&self, page: &str) -> String {
        let Asked { framework, period, from, to, tz, .. } = self;
        let all = [framework, period, from, to, tz].map(String::as_str);
        let all = ["framework", "period", "from", "to", "tz"].into_iter().zip(all);
        address(page, all.filter(|(_, value)| !value.is_empty()))
    }

    /// Returns the periods that a page offers: those of the calendar around now.
    pub(super) fn periods(&self, page: &str, now: Timestamp) -> Vec<Choice> {
        let date = jiff::tz::TimeZone::UTC.to_datetime(now).date();
        let (year, quarter) = (date.year(), (date.month() + 2) / 3);
        let (last_year, last) = if quarter == 1 { (year - 1, 4) } else { (year, quarter - 1) };
        let periods = [
            (format!("{year}-{:02}", date.month()), "This month".to_owned()),
            (format!("{year}-Q{quarter}"), format!("Q{quarter} {year}")),
            (format!("{last_year}-Q{last}"), format!("Q{last} {last_year}")),
            (year.to_string(), year.to_string()),
            (String::new(), "Everything".to_owned()),
        ];
        let has_ends = !self.from.is_empty() || !self.to.is_empty();
        let choice = |(period, name): (String, String)| Choice {
            name,
            current: !has_ends && period == self.period,
            href: Asked { period, from: String::new(), to: String::new(), ..self.clone() }
                .href(page),
        };
        periods.into_iter().map(choice).collect()
    }
}

impl Meant {
    /// Asks the controls, by the registers of the data folder; what reviewers decided is taken into account.
    pub(super) fn evaluated(&self, trail: &Seen, only: &[String]) -> Result<Evaluation, PageError> {
        let registers = Registers::read(&trail.data().join("context"), self.now)
            .map_err(|problem| PageError::Question(problem.to_string()))?;
        trail.registers_seen(&registers)?;
        let told = registers.told().into_iter();
        let key = Key {
            // "-30d" is another time each time.
            period: self.period.label.clone(),
            registers: told.map(|register| (register.name, register.sha256)).collect(),
            only: only.to_vec(),
        };
        let asking = Asking {
            catalogue: &self.catalogue,
            registers: &registers,
            period: &self.period,
            at: None,
            params: &Given::new(),
            only,
            now: self.now,
        };
        let at = (trail.view().leaf(), self.period.from, self.period.to);
        let ask = || {
            evaluate(trail, &asking).map_err(|error| match error {
                EvaluationError::Query(error) => PageError::from(error),
                wrong => PageError::Question(wrong.to_string()),
            })
        };
        let mut evaluation = trail.evaluations().get_or(key, at, ask)?;
        trail.dispositions()?.settle(&mut evaluation, self.now);
        Ok(evaluation)
    }
}
