//! The access report: who reached which path, and was it allowed.
//!
//! A row is an identity, a path or a decision, with its requests by what came of them. "Access"
//! means allowed **and** successful. The parts of a row are disjoint and sum up to its requests,
//! the rows sum up to the total, and the total is the index's own count; `report` fails rather
//! than give numbers that do not tie out.

use std::fmt;
use std::str::FromStr;

use ingest::event::Reason;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::document::{Bars, Document, Section};
use super::heading::Population;
use super::scope::{Asking, Ground};
use super::{Heading, Parameter, ReportError, Scope};
use crate::history::View;
use crate::period::rfc3339;
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
const NOTES: [&str; 2] = [
    "access means that the request was allowed and succeeded",
    "a request that was allowed and found nothing or failed is counted apart from access",
];

/// Makes the report over an opened data folder.
///
/// # Errors
/// As `report`; a leaf that is not reached yet.
pub fn access(trail: &Trail, asking: &Asking<'_>, by: By) -> Result<AccessReport, ReportError> {
    let view = trail.view();
    let ground = Ground::read(trail, &view, asking)?;
    report(&view, &ground.scope(asking), by)
}

/// Makes the report over a view.
///
/// # Errors
/// The index fails, or holds more names than a report can.
pub(super) fn report(view: &View, scope: &Scope<'_>, by: By) -> Result<AccessReport, ReportError> {
    let collected = collect(view, &scope.question(), by)?;
    let mut totals = Counts::default();
    collected.groups.values().for_each(|group| totals.merge(&group.counts));
    let heading = heading(view, scope, by, &collected, &totals)?;
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
    by: By,
    collected: &Collected,
    totals: &Counts,
) -> Result<Heading, ReportError> {
    let entry = scope.catalogue.report("access").expect("a test finds it in the catalogue");
    let population = Population {
        filter: scope.filter,
        counted: collected.counted,
        left_out: scope.left_out(&collected.left_out),
        pending: totals.pending,
        rows: vec![
            ("access", totals.access),
            ("allowed, nothing was there", totals.allowed_not_found),
            ("allowed, and failed", totals.allowed_errors),
            ("allowed, end unknown", totals.allowed_other),
            ("denied", totals.denied.values().sum()),
            ("unknown", totals.unknown.values().sum()),
        ],
    };
    let mut heading = Heading::new(view, scope, entry, population, NOTES.map(str::to_owned))?;
    let is_default = by == By::Identity;
    heading.parameters.push(Parameter { name: "by".to_owned(), value: by.to_string(), is_default });
    Ok(heading)
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
    /// table of its own, see `Heading::table`.
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
            ("filter", Kind::Text),
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
        let scope = &self.heading.filter;
        cells.push(Cell::text(row.filter(self.by).map(|filter| both(scope, &filter))));
        cells
    }

    /// Returns the report as what every form of it is written from.
    pub fn document(&self) -> Document {
        let name = |row: &AccessRow| {
            let name = row.name.as_ref().or(row.key.as_ref());
            name.map_or_else(|| "nobody known".to_owned(), Clone::clone)
        };
        let bars = self.rows.iter().map(|row| (name(row), row.counts.requests));
        let title = format!("Access by {}", self.by);
        let words = NOTES.map(str::to_owned).into();
        let mut section = Section::new("rows", title, words, self.table());
        section.chart = Bars::of(&format!("requests by {}", self.by), bars);
        Document { heading: self.heading.clone(), sections: vec![section] }
    }
}

/// Returns the filter for what two filters both let pass; either may be empty.
pub(super) fn both(scope: &str, filter: &str) -> String {
    match (scope, filter) {
        ("", filter) => filter.to_owned(),
        (scope, "") => scope.to_owned(),
        (scope, filter) => format!("({scope}) {filter}"),
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
