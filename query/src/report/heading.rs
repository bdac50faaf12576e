//! What stands above every report: what was asked, over what, by what, and what the answer does not cover.

use std::collections::BTreeMap;

use serde::Serialize;

use super::catalogue::{EvidenceFor, ReportEntry};
use super::tie_out::{Equation, of_events, of_lines};
use super::{ReportError, Scope};
use crate::coverage::{Coverage, Grade};
use crate::filter::Filter;
use crate::history::View;
use crate::period::{rfc3339, zone_name};
use crate::table::{Cell, Column, Kind, Table};

/// What stands above every report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Heading {
    /// The report's name in the catalogue.
    pub report: String,
    /// Its title.
    pub title: String,
    /// What it is about.
    pub subject: String,
    /// Whether anybody stands up for it.
    pub state: State,
    /// SHA-256 of the report's entry in the catalogue, hexadecimal.
    pub definition: String,
    /// SHA-256 of the whole catalogue as it was used, hexadecimal.
    pub catalogue: String,
    /// The program and its version.
    pub generator: String,
    /// Who asked for it, as far as keytrail knows.
    pub run_by: String,
    /// The period as it was asked for.
    pub period: String,
    /// Its first moment, RFC 3339 in UTC; null: from the first event.
    pub from: Option<String>,
    /// Its end, which does not belong to it; null: to the last event.
    pub to: Option<String>,
    /// The zone in which dates were meant.
    pub zone: String,
    /// The scope in its canonical text; "" means everything.
    pub filter: String,
    /// The events that are counted, in the grammar: the scope, and what the report asks for; "" means everything.
    pub query: String,
    /// What else can be set, and what it was.
    pub parameters: Vec<Parameter>,
    /// The ledger.
    pub origin: String,
    /// Leaves of the ledger that the answer covers: 0 up to this number, itself not included.
    pub leaf: u64,
    /// The root of the ledger's tree over those leaves, hexadecimal.
    pub root: String,
    /// When it was made, RFC 3339 in UTC.
    pub generated: String,
    /// The same with the offset of the zone.
    pub generated_local: String,
    /// The sources of the events that fit the question, those left out included.
    pub sources: Vec<SourceCoverage>,
    /// How complete those and all other sources are over the period.
    pub coverage: Coverage,
    /// What may be said of completeness, in words.
    pub completeness: Completeness,
    /// Numbers that were counted apart and have to agree, from the ledger's lines to the rows.
    pub tie_out: Vec<Equation>,
    /// Events that fit the question.
    pub matched: u64,
    /// Events that the rows count: `matched` less what was left out.
    pub counted: u64,
    /// What was left out, by word.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Counted events whose response has not come yet.
    pub pending: u64,
    /// Forwarded events that fit the question and of which no other node's log tells.
    pub no_twin: u64,
    /// Events that fit the filter and have no readable time, so that no period holds them.
    pub without_time: u64,
    /// Lines of the whole trail, or torn pieces of one, that could not be decoded.
    pub undecodable: u64,
    /// The requirements for which this is evidence.
    pub evidence: Vec<EvidenceFor>,
    /// The requirements of the same frameworks for which it is none.
    pub not_addressed: Vec<NotAddressed>,
    /// What no report over an audit log can show.
    pub limits: Vec<String>,
    /// What the reader must know, in sentences.
    pub notes: Vec<String>,
}

/// Whether anybody stands up for a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody yet.
    #[default]
    Draft,
    /// Somebody does.
    Issued,
    /// A later one stands in its place.
    Superseded,
}

impl State {
    /// Returns the word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Draft => "draft",
            State::Issued => "issued",
            State::Superseded => "superseded",
        }
    }
}

/// A parameter of a report, and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its value in this run.
    pub value: String,
    /// Nobody set it.
    pub is_default: bool,
}

/// What may be said of completeness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Completeness {
    /// `proven`, `no gap seen` or `incomplete`. Complete may be said of the first only.
    pub grade: &'static str,
    /// Why not better, and where; then what else is not as it should be. Sentences without a full stop.
    pub sentences: Vec<String>,
}

/// A requirement for which a report is no evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotAddressed {
    /// The framework's name.
    pub framework: String,
    /// Its edition.
    pub version: String,
    /// The requirement's number.
    pub requirement: String,
    /// What it is about, in our own words.
    pub words: String,
}

/// What one source brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceCoverage {
    /// cluster/node/device.
    pub source: String,
    /// Its events.
    pub events: u64,
    /// The time of the first.
    pub first: Option<String>,
    /// The time of the last.
    pub last: Option<String>,
}

/// What an audit log does not hold, so that no report over it can.
const LIMITS: [&str; 4] = [
    "the server does not log requests to initialise, unseal or join it, nor those for its health and seal status",
    "of a request to seal it or to step down the server logs the request and no answer",
    "requests refused by a rate limit are logged only where the server is set to log them",
    "the log holds hashes in place of secrets: it does not show what a secret or the text of a policy said",
];

/// What a report counted.
pub(super) struct Population<'a> {
    /// The events that fit: the scope, and what the report asks for beside it.
    pub(super) filter: &'a Filter,
    /// Those that the rows count.
    pub(super) counted: u64,
    /// The others, by word.
    pub(super) left_out: BTreeMap<&'static str, u64>,
    /// Of those counted, which still wait for their response.
    pub(super) pending: u64,
    /// What the rows sum up to: what each number counts, and the number.
    pub(super) rows: Vec<(&'static str, u64)>,
}

impl Heading {
    /// Returns the heading of a report.
    ///
    /// # Errors
    /// The index cannot be read; the rows do not sum up to what was counted.
    pub(super) fn new(
        view: &View,
        scope: &Scope<'_>,
        entry: &ReportEntry,
        population: Population<'_>,
        notes: impl IntoIterator<Item = String>,
    ) -> Result<Heading, ReportError> {
        let Population { filter, counted, left_out, pending, rows } = population;
        let sum = rows.iter().map(|(_, number)| number).sum();
        if sum != counted {
            return Err(ReportError::TieOut { rows: sum, counted });
        }
        let leaf = scope.leaf(view);
        let (mut tie_out, undecodable) = of_lines(view, leaf, scope.recorded)?;
        let each: Vec<(&str, u64)> =
            left_out.iter().map(|(word, number)| (*word, *number)).collect();
        tie_out.extend(of_events(view, scope, filter, counted, &each)?);
        let rows = rows.into_iter().map(|(words, number)| (words.to_owned(), number)).collect();
        tie_out.push(Equation { words: "reported events".to_owned(), left: counted, right: rows });
        let no_twin = scope.no_twin(view, filter)?;
        let mut completeness = Completeness::of(scope.coverage, &tie_out);
        let now = |number: u64, words: &str| (number > 0).then(|| format!("{number} {words}"));
        completeness.sentences.extend(
            [
                now(undecodable, "lines or torn pieces of the whole log could not be decoded"),
                now(pending, "of the events counted still wait for their response"),
                now(
                    no_twin,
                    "requests were handed on by a standby and no other node's log tells of them",
                ),
            ]
            .into_iter()
            .flatten(),
        );
        if leaf < view.leaf() {
            completeness.sentences.push(format!(
                "rows and equations are as of leaf {leaf}; what is said of sources, gaps and removed lines is of now, leaf {}",
                view.leaf()
            ));
        }
        let local =
            scope.now.display_with_offset(scope.period.zone.to_offset(scope.now)).to_string();
        let coverage = [scope.coverage.sentence()];
        let bounds = view
            .bounds()
            .map(|bounds| format!("only {}: the reader is bound to that", bounds.sentence()));
        let horizon = scope.horizon.map(str::to_owned);
        Ok(Heading {
            report: entry.id.clone(),
            title: entry.title.clone(),
            subject: entry.subject.clone(),
            state: State::Draft,
            definition: entry.sha256(),
            catalogue: scope.catalogue.sha256(),
            generator: concat!("keytrail ", env!("CARGO_PKG_VERSION")).to_owned(),
            run_by: scope.by.to_owned(),
            period: scope.period.label.clone(),
            from: scope.period.from.map(rfc3339),
            to: scope.period.to.map(rfc3339),
            zone: zone_name(&scope.period.zone).to_owned(),
            filter: scope.filter.to_string(),
            query: filter.to_string(),
            parameters: parameters(scope),
            origin: scope.origin.to_owned(),
            leaf,
            root: scope.recorded.root.clone(),
            generated: scope.now.to_string(),
            generated_local: local,
            sources: scope.sources(view, filter)?,
            coverage: scope.coverage.clone(),
            completeness,
            tie_out,
            matched: counted + left_out.values().sum::<u64>(),
            counted,
            left_out,
            pending,
            no_twin,
            without_time: scope.without_time(view, filter)?,
            undecodable,
            evidence: scope.catalogue.evidence(entry),
            not_addressed: scope.catalogue.not_addressed(entry),
            limits: LIMITS.map(str::to_owned).into(),
            notes: bounds.into_iter().chain(horizon).chain(coverage).chain(notes).collect(),
        })
    }

    /// Returns the heading as a table of two columns: the provenance block beside rows in CSV, and a workbook's first sheet.
    pub fn table(&self) -> Table {
        let number = |number: u64| number.to_string();
        let mut lines = vec![
            ("report", format!("{}: {}", self.title, self.subject)),
            ("report id", self.report.clone()),
            ("state", self.state.as_str().to_owned()),
            ("SHA-256 of the report's definition", self.definition.clone()),
            ("SHA-256 of the catalogue", self.catalogue.clone()),
            ("made by", self.generator.clone()),
            ("run by", self.run_by.clone()),
            ("made at", self.generated.clone()),
            ("made at, in the zone", self.generated_local.clone()),
            ("period", self.period.clone()),
            ("from", self.from.clone().unwrap_or_else(|| "the first event".to_owned())),
            ("to, not included", self.to.clone().unwrap_or_else(|| "the last event".to_owned())),
            ("zone", self.zone.clone()),
            ("filter", self.filter.clone()),
            ("literal query", self.query.clone()),
        ];
        lines.extend(self.parameters.iter().map(|parameter| {
            let Parameter { name, value, is_default } = parameter;
            ("parameter", format!("{name}: {value}{}", if *is_default { " (default)" } else { "" }))
        }));
        lines.extend([
            ("ledger", self.origin.clone()),
            ("leaves covered", number(self.leaf)),
            ("root of the tree over them", self.root.clone()),
            ("completeness", self.completeness.grade.to_owned()),
        ]);
        let why = self.completeness.sentences.iter();
        lines.extend(why.map(|sentence| ("completeness", sentence.clone())));
        lines.extend(self.tie_out.iter().map(|equation| ("tie-out", equation.sentence())));
        lines.extend([
            ("coverage", self.coverage.grade.words().to_owned()),
            ("events that fit", number(self.matched)),
            ("events counted", number(self.counted)),
        ]);
        lines.extend(self.left_out.iter().map(|(word, n)| ("left out", format!("{word} {n}"))));
        lines.extend([
            ("pending", number(self.pending)),
            ("forwarded without twin", number(self.no_twin)),
            ("events without a time", number(self.without_time)),
            ("undecodable lines in the trail", number(self.undecodable)),
        ]);
        let span = |time: &Option<String>| time.clone().unwrap_or_else(|| "unknown".to_owned());
        lines.extend(self.sources.iter().map(|source| {
            let SourceCoverage { source, events, first, last } = source;
            ("source", format!("{source}: {events} events, {} to {}", span(first), span(last)))
        }));
        lines.extend(self.evidence.iter().map(|evidence| {
            let (framework, version, id) = (&evidence.framework, &evidence.version, &evidence.requirement);
            let (words, shows, not_shown) = (&evidence.words, &evidence.shows, &evidence.not_shown);
            ("evidence for", format!("{framework} ({version}) {id}, {words}. Shows {shows}. Does not show {not_shown}."))
        }));
        lines.extend(self.not_addressed.iter().map(|not| {
            let NotAddressed { framework, version, requirement, words } = not;
            ("no evidence for", format!("{framework} ({version}) {requirement}, {words}"))
        }));
        lines.extend(self.limits.iter().map(|limit| ("limit", limit.clone())));
        lines.extend(self.notes.iter().map(|note| ("note", note.clone())));
        let row =
            |(name, value): (&str, String)| vec![Cell::Text(name.to_owned()), Cell::Text(value)];
        Table {
            columns: vec![Column::new("what", Kind::Text), Column::new("value", Kind::Text)],
            rows: lines.into_iter().map(row).collect(),
        }
    }
}

impl Completeness {
    /// Returns what coverage and the equations allow to be said.
    pub(super) fn of(coverage: &Coverage, tie_out: &[Equation]) -> Completeness {
        let failed: Vec<&Equation> = tie_out.iter().filter(|equation| !equation.holds()).collect();
        let grade = match coverage.grade {
            _ if !failed.is_empty() => "incomplete",
            Grade::Proven => "proven",
            Grade::NoGapSeen => "no gap seen",
            Grade::Incomplete => "incomplete",
        };
        let does_not_hold = |equation: &&Equation| {
            format!(
                "numbers that must agree do not: {}; `keytrail verify --index` finds out which, `keytrail rebuild` makes the index anew",
                equation.sentence()
            )
        };
        let mut sentences: Vec<String> = failed.iter().map(does_not_hold).collect();
        sentences.extend(coverage.why.iter().cloned());
        for source in &coverage.sources {
            let name = &source.source;
            sentences.extend(source.why.iter().map(|why| format!("{name}: {why}")));
            if source.more_why > 0 {
                sentences.push(format!(
                    "{name}: {} more reasons, listed in the coverage",
                    source.more_why
                ));
            }
            let imported = source.lines - source.live_lines;
            if imported > 0 {
                sentences.push(format!(
                    "{name}: {imported} of {} lines were imported, not followed while they were written",
                    source.lines
                ));
            }
        }
        for devices in coverage.devices.iter().filter(|devices| !devices.same) {
            let each: Vec<String> =
                devices.requests.iter().map(|(source, n)| format!("{source} has {n}")).collect();
            sentences.push(format!(
                "the devices of {} do not have the same requests: {}",
                devices.node,
                each.join(", ")
            ));
        }
        Completeness { grade, sentences }
    }

    /// Tells whether complete may be said.
    pub fn is_proven(&self) -> bool {
        self.grade == "proven"
    }
}

/// What every report can be asked with.
fn parameters(scope: &Scope<'_>) -> Vec<Parameter> {
    let parameter = |name: &str, value: String, is_default| Parameter {
        name: name.to_owned(),
        value,
        is_default,
    };
    let zone = zone_name(&scope.period.zone);
    let is_everything = scope.filter.is_everything();
    let filter = if is_everything { "everything".to_owned() } else { scope.filter.to_string() };
    let has_ends = scope.period.from.is_some() || scope.period.to.is_some();
    vec![
        parameter("period", scope.period.label.clone(), !has_ends),
        parameter("zone", zone.to_owned(), zone == "UTC"),
        parameter("scope", filter, is_everything),
        parameter(
            "at",
            scope.at.map_or("now".to_owned(), |at| format!("leaf {at}")),
            scope.at.is_none(),
        ),
    ]
}
