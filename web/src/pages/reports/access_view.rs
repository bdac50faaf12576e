//! The access report with finished values, for the page and for the document that stands alone.

use std::collections::BTreeMap;

use query::period::rfc3339_in;
use query::report::access::{AccessReport, AccessRow, By, Counts};
use query::report::catalogue::EvidenceFor;

use crate::link::{self, Link};
use crate::text::{Text, capital, counted, grouped};
use crate::verdict::words;

/// The report.
pub(super) struct AccessView {
    pub(super) title: Text,
    pub(super) subject: Text,
    pub(super) period: Text,
    pub(super) by: &'static str,
    pub(super) facts: Vec<(&'static str, Text)>,
    pub(super) ties: String,
    pub(super) sources: Vec<[Text; 4]>,
    pub(super) frameworks: Vec<Framework>,
    pub(super) notes: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// Says how many rows are not shown.
    pub(super) cut: Option<String>,
    pub(super) totals: Numbers,
    pub(super) zone: Text,
}

/// The requirements of one framework.
pub(super) struct Framework {
    pub(super) name: Text,
    pub(super) evidence: Vec<EvidenceFor>,
}

/// One identity, path or decision.
pub(super) struct Row {
    pub(super) key: Link,
    pub(super) under: Option<Text>,
    pub(super) numbers: Numbers,
    pub(super) first: Text,
    pub(super) last: Text,
    pub(super) addresses: String,
    pub(super) named: Vec<Text>,
}

/// What a row counts.
pub(super) struct Numbers {
    pub(super) requests: Link,
    pub(super) access: Link,
    pub(super) allowed_else: Link,
    pub(super) allowed_because: Vec<String>,
    pub(super) denied: Link,
    pub(super) is_denied: bool,
    pub(super) denied_because: Vec<String>,
    pub(super) unknown: Link,
    pub(super) unknown_because: Vec<String>,
    pub(super) operations: Vec<Text>,
}

/// How many rows are shown to be read; a page of a million rows would be none.
const ROWS_SHOWN: usize = 2_000;
/// How many addresses a row names.
const ADDRESSES_SHOWN: usize = 5;
/// How many operations a row names.
const OPERATIONS_SHOWN: usize = 8;

impl AccessView {
    /// Returns the report with its rows leading to their events.
    pub(super) fn linked(report: &AccessReport) -> AccessView {
        AccessView::new(report, true)
    }

    /// Returns the report without links: a document leads nowhere.
    pub(super) fn alone(report: &AccessReport) -> AccessView {
        AccessView::new(report, false)
    }

    fn new(report: &AccessReport, linked: bool) -> AccessView {
        let heading = &report.heading;
        let by = report.by.as_str();
        let zone = query::period::time_zone(&heading.zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let time = |time: Option<i64>| {
            Text::new(
                &time.map_or_else(|| "no time".to_owned(), |ns| minute(&rfc3339_in(ns, &zone))),
            )
        };
        let row = |row: &AccessRow| {
            let asked = if linked { asked(report, row) } else { None };
            Row {
                key: Link {
                    href: asked.as_ref().map(|asked| asked.href("/explore")),
                    text: Text::new(shown(row)),
                },
                under: under(row, report.by),
                numbers: Numbers::of(&row.counts, asked.as_ref()),
                first: time(row.first),
                last: time(row.last),
                addresses: counted(row.addresses.count, "address", "addresses"),
                named: named(row),
            }
        };
        AccessView {
            title: Text::new(&heading.title),
            subject: Text::new(&heading.subject),
            period: Text::new(&heading.period),
            by,
            facts: facts(report),
            ties: ties(report),
            sources: sources(report),
            frameworks: frameworks(report),
            notes: heading.notes.iter().map(|note| sentence(note)).collect(),
            rows: report.rows.iter().take(ROWS_SHOWN).map(row).collect(),
            cut: cut(report.rows.len()),
            totals: Numbers::of(&report.totals, linked.then(|| scope(report)).as_ref()),
            zone: Text::new(&heading.zone),
        }
    }
}

impl Numbers {
    /// Makes the numbers of events that a question asks for, if there is one.
    fn of(counts: &Counts, asked: Option<&link::Question>) -> Numbers {
        let number = |count: u64, filter: &str| Link {
            text: Text::new(&grouped(count)),
            href: asked
                .filter(|_| count > 0)
                .and_then(|asked| Some(asked.with_typed(filter)?.href("/explore"))),
        };
        let denied: u64 = counts.denied.values().sum();
        let unknown: u64 = counts.unknown.values().sum();
        let mut operations: Vec<(&String, &u64)> = counts.operations.iter().collect();
        operations.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let more = operations.len().saturating_sub(OPERATIONS_SHOWN);
        let mut operations: Vec<Text> = operations
            .iter()
            .take(OPERATIONS_SHOWN)
            .map(|(word, count)| Text::new(&format!("{word} {}", grouped(**count))))
            .collect();
        if more > 0 {
            operations.push(Text::new(&format!("and {more} more")));
        }
        let allowed_else = [
            (counts.allowed_not_found, "not found"),
            (counts.allowed_errors, "failed"),
            (counts.allowed_other, "fate unknown"),
        ];
        let allowed_because = allowed_else.iter().filter(|(count, _)| *count > 0);
        Numbers {
            requests: number(counts.requests, ""),
            access: number(counts.access, "decision:allowed outcome:success"),
            allowed_else: number(
                allowed_else.iter().map(|(count, _)| count).sum::<u64>(),
                "decision:allowed -outcome:success",
            ),
            allowed_because: allowed_because
                .map(|(count, word)| format!("{word} {}", grouped(*count)))
                .collect(),
            denied: number(denied, "decision:denied"),
            is_denied: denied > 0,
            denied_because: because(&counts.denied),
            unknown: number(unknown, "decision:unknown"),
            unknown_because: because(&counts.unknown),
            operations,
        }
    }
}

fn cut(rows: usize) -> Option<String> {
    (rows > ROWS_SHOWN).then(|| {
        format!(
            "Shown are the {} rows with the most requests, of {}; the sums are over all of them. All rows stand in the report's CSV and JSON.",
            grouped(ROWS_SHOWN as u64),
            grouped(rows as u64),
        )
    })
}

fn because(reasons: &BTreeMap<ingest::event::Reason, u64>) -> Vec<String> {
    let mut reasons: Vec<_> = reasons.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let each = reasons.iter();
    each.map(|(reason, count)| format!("{} {}", words(reason.as_str()), grouped(**count))).collect()
}

fn shown(row: &AccessRow) -> &str {
    row.name.as_deref().or(row.key.as_deref()).unwrap_or("nobody known")
}

fn under(row: &AccessRow, by: By) -> Option<Text> {
    let names = match by {
        By::Identity => row
            .names
            .named
            .iter()
            .filter(|name| Some(*name) != row.name.as_ref())
            .cloned()
            .collect(),
        By::Path => row.namespace.iter().map(|ns| format!("in {ns}")).collect::<Vec<_>>(),
        By::Decision => Vec::new(),
    };
    let more = row.names.count.saturating_sub(row.names.named.len() as u64);
    let more = if more > 0 { format!(" and {} more", grouped(more)) } else { String::new() };
    (!names.is_empty()).then(|| Text::new(&format!("{}{more}", names.join(", "))))
}

fn named(row: &AccessRow) -> Vec<Text> {
    let mut named: Vec<Text> =
        row.addresses.named.iter().take(ADDRESSES_SHOWN).map(|name| Text::new(name)).collect();
    let more = row.addresses.count.saturating_sub(named.len() as u64);
    if more > 0 {
        named.push(Text::new(&format!("and {} more", grouped(more))));
    }
    named
}

/// Returns the question for the events of a row.
fn asked(report: &AccessReport, row: &AccessRow) -> Option<link::Question> {
    scope(report).with_typed(&row.filter(report.by)?)
}

/// Returns the question for the events of the report.
fn scope(report: &AccessReport) -> link::Question {
    let heading = &report.heading;
    link::Question {
        q: heading.filter.clone(),
        from: heading.from.clone().unwrap_or_default(),
        to: heading.to.clone().unwrap_or_default(),
        ..link::Question::default()
    }
}

fn facts(report: &AccessReport) -> Vec<(&'static str, Text)> {
    let heading = &report.heading;
    let filter = if heading.filter.is_empty() { "everything" } else { &heading.filter };
    let from = heading.from.as_deref().unwrap_or("the first event");
    let to = heading.to.as_deref().unwrap_or("the last event");
    vec![
        ("Period", Text::new(&heading.period)),
        ("From, included", Text::new(from)),
        ("To, not included", Text::new(to)),
        ("Zone of dates", Text::new(&heading.zone)),
        ("Scope, as a filter", Text::new(filter)),
        ("Coverage", Text::new(&capital(&heading.coverage.sentence()))),
        ("Ledger", Text::new(&heading.origin)),
        ("Leaves covered", Text::new(&format!("the first {}", grouped(heading.leaf)))),
        ("Made at", Text::new(&heading.generated)),
    ]
}

/// Says how the numbers tie out, and what is not among them.
fn ties(report: &AccessReport) -> String {
    let heading = &report.heading;
    let left_out: Vec<String> = heading
        .left_out
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(word, count)| format!("{} {word}", grouped(*count)))
        .collect();
    let left_out = match left_out.is_empty() {
        true => "nothing left out".to_owned(),
        false => format!("less {} left out", left_out.join(", ")),
    };
    format!(
        "{} fit the scope, {left_out}: {} counted. Of those, {} still wait for their answer. \
         Not in these numbers: {} handed on by a standby without a trace on another node, {} without a readable time, {} of the whole trail that could not be decoded.",
        counted(heading.matched, "event", "events"),
        grouped(heading.counted),
        grouped(heading.pending),
        counted(heading.no_twin, "request", "requests"),
        counted(heading.without_time, "event", "events"),
        counted(heading.undecodable, "line", "lines"),
    )
}

fn sources(report: &AccessReport) -> Vec<[Text; 4]> {
    let time = |time: &Option<String>| Text::new(time.as_deref().unwrap_or("no time"));
    let source = |source: &query::report::SourceCoverage| {
        [
            Text::new(&source.source),
            Text::new(&grouped(source.events)),
            time(&source.first),
            time(&source.last),
        ]
    };
    report.heading.sources.iter().map(source).collect()
}

fn frameworks(report: &AccessReport) -> Vec<Framework> {
    let mut frameworks: Vec<Framework> = Vec::new();
    for evidence in &report.heading.evidence {
        let name = format!("{} ({})", evidence.framework, evidence.version);
        match frameworks.iter_mut().find(|framework| framework.name == Text::new(&name)) {
            Some(framework) => framework.evidence.push(evidence.clone()),
            None => frameworks
                .push(Framework { name: Text::new(&name), evidence: vec![evidence.clone()] }),
        }
    }
    frameworks
}

/// Cuts `2026-10-12T09:00:00.123+02:00` to the minute.
fn minute(rfc3339: &str) -> String {
    match rfc3339.get(..16) {
        Some(minute) => minute.replace('T', " "),
        None => rfc3339.to_owned(),
    }
}

/// Makes a sentence of a note.
fn sentence(note: &str) -> String {
    format!("{}.", capital(note))
}
