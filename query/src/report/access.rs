//! The access report: who reached which path, and was it allowed.
//!
//! A row is an identity, a path or a decision, with its requests by what came of them. "Access"
//! means allowed **and** successful. The parts of a row are disjoint and sum up to its requests,
//! the rows sum up to the total, and the total is the index's own count; [`report`] fails rather
//! than give numbers that do not tie out.

use std::fmt;
use std::str::FromStr;

use ingest::event::Reason;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::catalogue::Catalogue;
use super::scope::Scope;
use super::{Heading, ReportError, SourceCoverage};
use crate::filter::Filter;
use crate::history::View;
use crate::period::{Period, rfc3339, zone_name};
use crate::table::{Cell, Column, Kind, Table};
use crate::trail::Trail;

mod collect;
mod counts;

use self::collect::{Collected, Group, GroupKey, collect};
pub use self::counts::{Counts, Distinct, NAMED_MAX};

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// An identity.
    Identity,
    /// A path of a namespace.
    Path,
    /// allowed, denied, unknown.
    Decision,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccessReport {
    /// What was asked, over what, and what is not covered.
    pub heading: Heading,
    /// What a row is.
    pub by: By,
    /// Most requests first.
    pub rows: Vec<AccessRow>,
    /// The sum of the rows.
    pub totals: Counts,
}

/// One identity, path or decision.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AccessRow {
    /// The identity's key, the path, or the decision; null for events without one, such as failed
    /// logins and refused tokens.
    pub key: Option<String>,
    /// The namespace of a path; null for the root namespace and where a row is no path.
    pub namespace: Option<String>,
    /// The newest name of an identity.
    pub name: Option<String>,
    /// Its names.
    pub names: Distinct,
    /// Requests by what came of them.
    #[serde(flatten)]
    pub counts: Counts,
    /// The time of the first event, in nanoseconds; RFC 3339 in JSON.
    #[serde(serialize_with = "time")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub first: Option<i64>,
    /// The time of the last event.
    #[serde(serialize_with = "time")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last: Option<i64>,
    /// Where the requests came from.
    pub addresses: Distinct,
}

/// What every access report says, whatever it finds.
const NOTES: [&str; 3] = [
    "access means that the request was allowed and succeeded",
    "a request that was allowed and found nothing or failed is counted apart from access",
    "some requests never reach an audit log, such as those that unseal or initialise the server",
];

/// Makes the report over an opened data folder, of what was issued by leaves below `at` if it is given; `period` also says
/// in which zone dates are meant.
///
/// # Errors
/// As [`report`].
pub fn access(
    trail: &Trail,
    filter: &Filter,
    period: &Period,
    by: By,
    at: Option<u64>,
    now: Timestamp,
) -> Result<AccessReport, ReportError> {
    let view = trail.view();
    let coverage = view.coverage(period.from, period.to, now)?;
    let horizon = view.retention().sentence();
    let bounds = view
        .bounds()
        .map(|bounds| format!("only {}: the reader is bound to that", bounds.sentence()));
    let scope = Scope {
        filter,
        period,
        at,
        all: false,
        origin: trail.ledger().origin(),
        coverage: &coverage,
        horizon: horizon.as_deref(),
        now,
    };
    let mut report = report(&view, &scope, by)?;
    report.heading.notes.splice(0..0, bounds);
    Ok(report)
}

/// Makes the report over a view.
///
/// # Errors
/// The index fails, or holds more names than a report can.
pub fn report(view: &View, scope: &Scope<'_>, by: By) -> Result<AccessReport, ReportError> {
    let collected = collect(view, &scope.question(), by)?;
    let mut totals = Counts::default();
    collected.groups.values().for_each(|group| totals.merge(&group.counts));
    let heading = heading(view, scope, &collected, &totals)?;
    let groups = collected.groups.into_iter();
    let mut rows: Vec<AccessRow> = groups.map(|(key, group)| row(by, key, group)).collect();
    // Groups come in the order of their keys, and the sort keeps it among equals.
    rows.sort_by_key(|row| std::cmp::Reverse(row.counts.requests));
    Ok(AccessReport { heading, by, rows, totals })
}

fn row(by: By, key: GroupKey, group: Group) -> AccessRow {
    let mut key = key.into_iter();
    let (namespace, key) = match by {
        By::Path => (key.next().flatten(), key.next().flatten()),
        By::Identity | By::Decision => (None, key.next().flatten()),
    };
    AccessRow {
        key,
        namespace,
        name: group.name,
        names: Distinct::of(&group.names),
        counts: group.counts,
        first: group.seen.map(|(first, _)| first),
        last: group.seen.map(|(_, last)| last),
        addresses: Distinct::of(&group.addresses),
    }
}

fn heading(
    view: &View,
    scope: &Scope<'_>,
    collected: &Collected,
    totals: &Counts,
) -> Result<Heading, ReportError> {
    let catalogue = Catalogue::built_in();
    let entry = catalogue.report("access").expect("a test finds it in the catalogue");
    let left_out = scope.left_out(&collected.left_out);
    Ok(Heading {
        report: entry.id.clone(),
        title: entry.title.clone(),
        subject: entry.subject.clone(),
        period: scope.period.label.clone(),
        from: scope.period.from.map(rfc3339),
        to: scope.period.to.map(rfc3339),
        zone: zone_name(&scope.period.zone).to_owned(),
        filter: scope.filter.to_string(),
        origin: scope.origin.to_owned(),
        leaf: scope.question().answered_at(view),
        generated: scope.now.to_string(),
        sources: scope.sources(view)?,
        matched: collected.counted + left_out.values().sum::<u64>(),
        counted: collected.counted,
        left_out,
        pending: totals.pending,
        no_twin: scope.no_twin(view)?,
        without_time: scope.without_time(view)?,
        undecodable: view.totals()?.undecodable,
        evidence: catalogue.evidence(entry),
        coverage: scope.coverage.clone(),
        notes: scope
            .horizon
            .map(str::to_owned)
            .into_iter()
            .chain([scope.coverage.sentence()])
            .chain(NOTES.map(str::to_owned))
            .collect(),
    })
}

fn time<S: Serializer>(time: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(rfc3339).serialize(serializer)
}

impl By {
    /// Every way.
    pub const ALL: [By; 3] = [By::Identity, By::Path, By::Decision];

    /// Returns the word for `--by`.
    pub fn as_str(self) -> &'static str {
        match self {
            By::Identity => "identity",
            By::Path => "path",
            By::Decision => "decision",
        }
    }
}

impl FromStr for By {
    type Err = String;

    fn from_str(text: &str) -> Result<By, String> {
        let found = By::ALL.into_iter().find(|by| by.as_str() == text);
        found.ok_or_else(|| {
            format!("an access report goes by identity, path or decision, not by {text:?}")
        })
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The reasons of a denial that have columns of their own; what else may come is summed up beside.
const DENIED: [(Reason, &str); 6] = [
    (Reason::Policy, "denied_policy"),
    (Reason::Token, "denied_token"),
    (Reason::Login, "denied_login"),
    (Reason::Quota, "denied_quota"),
    (Reason::Wrapping, "denied_wrapping"),
    (Reason::Unanswered, "denied_unanswered"),
];

impl AccessReport {
    /// Returns the rows as a table: header and rows alone, as spreadsheets want it. The heading is a
    /// table of its own, see [`AccessReport::heading_table`].
    pub fn table(&self) -> Table {
        let mut columns = match self.by {
            By::Identity => vec![
                Column::new("identity", Kind::Text),
                Column::new("identity_key", Kind::Text),
                Column::new("names", Kind::List),
            ],
            By::Path => vec![Column::new("namespace", Kind::Text), Column::new("path", Kind::Text)],
            By::Decision => vec![Column::new("decision", Kind::Text)],
        };
        for name in
            ["requests", "access", "allowed_not_found", "allowed_errors", "allowed_other", "denied"]
        {
            columns.push(Column::new(name, Kind::Number));
        }
        columns.extend(DENIED.map(|(_, name)| Column::new(name, Kind::Number)));
        for (name, kind) in [
            ("denied_other", Kind::Number),
            ("unknown", Kind::Number),
            ("unknown_reasons", Kind::List),
            ("operations", Kind::List),
            ("first", Kind::Time),
            ("last", Kind::Time),
            ("addresses", Kind::Number),
            ("address_list", Kind::List),
        ] {
            columns.push(Column::new(name, kind));
        }
        Table { columns, rows: self.rows.iter().map(|row| self.cells(row)).collect() }
    }

    fn cells(&self, row: &AccessRow) -> Vec<Cell> {
        let AccessRow { key, namespace, name, names, counts, first, last, addresses } = row;
        let mut cells = match self.by {
            By::Identity => vec![
                Cell::text(name.as_deref()),
                Cell::text(key.as_deref()),
                Cell::List(names.named.clone()),
            ],
            By::Path => vec![Cell::text(namespace.as_deref()), Cell::text(key.as_deref())],
            By::Decision => vec![Cell::text(key.as_deref())],
        };
        let denied: u64 = counts.denied.values().sum();
        let by_reason = DENIED.map(|(reason, _)| counts.denied.get(&reason).copied().unwrap_or(0));
        let numbers = [
            counts.requests,
            counts.access,
            counts.allowed_not_found,
            counts.allowed_errors,
            counts.allowed_other,
            denied,
        ];
        cells.extend(numbers.into_iter().chain(by_reason).map(Cell::count));
        cells.push(Cell::count(denied - by_reason.iter().sum::<u64>()));
        cells.push(Cell::count(counts.unknown.values().sum()));
        cells.push(Cell::List(listed(counts.unknown.iter())));
        cells.push(Cell::List(listed(counts.operations.iter())));
        cells.push(Cell::time(*first));
        cells.push(Cell::time(*last));
        cells.push(Cell::count(addresses.count));
        cells.push(Cell::List(addresses.named.clone()));
        cells
    }

    /// Returns the heading as a table of two columns, for those who take the rows as CSV.
    pub fn heading_table(&self) -> Table {
        let heading = &self.heading;
        let number = |number: u64| number.to_string();
        let mut lines = vec![
            ("report", format!("{}: {}", heading.title, heading.subject)),
            ("by", self.by.to_string()),
            ("period", heading.period.clone()),
            ("from", heading.from.clone().unwrap_or_else(|| "the first event".to_owned())),
            ("to, not included", heading.to.clone().unwrap_or_else(|| "the last event".to_owned())),
            ("zone", heading.zone.clone()),
            ("filter", heading.filter.clone()),
            ("ledger", heading.origin.clone()),
            ("leaves covered", number(heading.leaf)),
            ("made at", heading.generated.clone()),
            ("coverage", heading.coverage.grade.words().to_owned()),
            ("events that fit", number(heading.matched)),
            ("events counted", number(heading.counted)),
        ];
        lines.extend(heading.left_out.iter().map(|(word, n)| ("left out", format!("{word} {n}"))));
        lines.extend([
            ("pending", number(heading.pending)),
            ("forwarded without twin", number(heading.no_twin)),
            ("events without a time", number(heading.without_time)),
            ("undecodable lines in the trail", number(heading.undecodable)),
        ]);
        let span = |time: &Option<String>| time.clone().unwrap_or_else(|| "unknown".to_owned());
        lines.extend(heading.sources.iter().map(|source| {
            let SourceCoverage { source, events, first, last } = source;
            ("source", format!("{source}: {events} events, {} to {}", span(first), span(last)))
        }));
        lines.extend(heading.evidence.iter().map(|evidence| {
            let (framework, version, id) = (&evidence.framework, &evidence.version, &evidence.requirement);
            let (words, shows, not_shown) = (&evidence.words, &evidence.shows, &evidence.not_shown);
            ("evidence for", format!("{framework} ({version}) {id}, {words}. Shows {shows}. Does not show {not_shown}."))
        }));
        lines.extend(heading.notes.iter().map(|note| ("note", note.clone())));
        let row =
            |(name, value): (&str, String)| vec![Cell::Text(name.to_owned()), Cell::Text(value)];
        Table {
            columns: vec![Column::new("what", Kind::Text), Column::new("value", Kind::Text)],
            rows: lines.into_iter().map(row).collect(),
        }
    }
}

/// Writes `read 10` for each, most first.
fn listed<K: fmt::Display>(
    counts: impl Iterator<Item = (K, impl std::borrow::Borrow<u64>)>,
) -> Vec<String> {
    let mut counts: Vec<(K, u64)> = counts.map(|(word, count)| (word, *count.borrow())).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().map(|(word, count)| format!("{word} {count}")).collect()
}

impl AccessRow {
    /// Returns the filter under which the row's events are found, to stand beside the report's own;
    /// nothing for a row without a key, which no single term names.
    pub fn filter(&self, by: By) -> Option<String> {
        let quoted =
            |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let key = quoted(self.key.as_deref()?);
        Some(match (by, &self.namespace) {
            (By::Identity, _) => format!("identity:{key}"),
            (By::Path, Some(namespace)) => format!("ns:{} path:{key}", quoted(namespace)),
            (By::Path, None) => format!("-ns:* path:{key}"),
            (By::Decision, _) => format!("decision:{key}"),
        })
    }
}

#[cfg(test)]
mod tests;
