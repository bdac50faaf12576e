//! How many events, by fields and over time. Exact, or an error; never cut.
//!
//! Grouping is by the ordinals of the index's columns, segment by segment; only the groups' words are read
//! and merged. tantivy's own aggregations would cut per segment, drop events without a value, and stop at
//! 65,000 buckets.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::QueryError;
use crate::filter::CountField;
use crate::history::View;
use crate::interval::{Buckets, Interval};
use crate::period::rfc3339_in;
use crate::question::{LeftOut, Question};
use crate::table::{Cell, Column, Kind, Table};
use crate::trail::Trail;

mod segment;
mod words;

use segment::{Group, count_segment};
use words::{Newest, Words};

/// The most groups of an answer.
pub const GROUPS_MAX: usize = 1_000_000;

/// The most fields to count by at once.
pub const FIELDS_MAX: usize = 4;

/// How many events, group by group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counts {
    /// What a row's values are, in order: `from` and `to` if there is an interval, then each field;
    /// `identity` is followed by `identity_key`.
    pub columns: Vec<&'static str>,
    /// The groups: by time if there is an interval, then the largest first, then by their values.
    pub rows: Vec<CountRow>,
    /// How many events there are. With a many-valued field the rows may add up to more.
    pub total: u64,
    /// How many fit the question and are left out.
    pub left_out: LeftOut,
    /// The answer holds for the leaves below this one.
    pub leaf: u64,
    /// What a reader has to know to read the rows rightly.
    pub notes: Vec<String>,
}

/// A group of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CountRow {
    /// What the events have in common; `None` where they have no value.
    pub values: Vec<Option<String>>,
    /// How many they are.
    pub count: u64,
}

/// Counts the events of a question by fields and over time.
///
/// An event counts once for each distinct value of a many-valued field. Events without a value, or without
/// a time, make a group of their own. `identity` groups by the identity's key and shows the name of its
/// newest event.
///
/// # Errors
/// More than [`FIELDS_MAX`] fields or [`GROUPS_MAX`] groups; a field named twice; an index that cannot be
/// read.
pub fn count(
    trail: &Trail,
    question: &Question,
    by: &[CountField],
    interval: Option<&Interval>,
) -> Result<Counts, QueryError> {
    count_in(&trail.view(), question, by, interval)
}

/// The same as [`count`], in a view that the caller holds on to.
///
/// # Errors
/// As [`count`].
pub fn count_in(
    view: &View,
    question: &Question,
    by: &[CountField],
    interval: Option<&Interval>,
) -> Result<Counts, QueryError> {
    check(by)?;
    let query = question.query(view)?;
    let mut merged = Merged {
        total: 0,
        groups: HashMap::new(),
        words: by.iter().map(|_| Words::default()).collect(),
        names: HashMap::new(),
    };
    let mut buckets = interval.map(Buckets::new);
    for in_segment in crate::scan::Scan::new(view, &*query)?.segments() {
        count_segment(&in_segment, view, by, buckets.as_mut(), &mut merged)?;
    }
    Ok(Counts {
        columns: columns(by, interval),
        rows: rows(&merged, by, interval),
        total: merged.total,
        left_out: question.left_out(view)?,
        leaf: view.leaf(),
        notes: notes(by, interval),
    })
}

impl Counts {
    /// Returns the rows as a table: a text column for each value, then `count`.
    pub fn table(&self) -> Table {
        let mut columns: Vec<Column> =
            self.columns.iter().map(|name| Column::new(name, Kind::Text)).collect();
        columns.push(Column::new("count", Kind::Number));
        let cells = |row: &CountRow| {
            row.values
                .iter()
                .map(|value| Cell::text(value.clone()))
                .chain([Cell::count(row.count)])
                .collect()
        };
        Table { columns, rows: self.rows.iter().map(cells).collect() }
    }
}

/// The groups of all segments so far.
struct Merged {
    total: u64,
    groups: HashMap<Group, u64>,
    /// The words of each field.
    words: Vec<Words>,
    /// Of an identity, by its key's number, the name of its newest event.
    names: HashMap<u32, Newest>,
}

fn check(by: &[CountField]) -> Result<(), QueryError> {
    if by.len() > FIELDS_MAX {
        return Err(QueryError::Fields { limit: FIELDS_MAX });
    }
    for (number, field) in by.iter().enumerate() {
        if by[..number].iter().any(|earlier| earlier.name == field.name) {
            return Err(QueryError::FieldTwice(field.name));
        }
    }
    Ok(())
}

/// Tells whether a field is the one that shows a name beside its key.
fn is_identity(field: &CountField) -> bool {
    field.name == "identity"
}

fn columns(by: &[CountField], interval: Option<&Interval>) -> Vec<&'static str> {
    let mut columns = Vec::new();
    if interval.is_some() {
        columns.extend(["from", "to"]);
    }
    for field in by {
        columns.push(field.name);
        if is_identity(field) {
            columns.push("identity_key");
        }
    }
    columns
}

fn rows(merged: &Merged, by: &[CountField], interval: Option<&Interval>) -> Vec<CountRow> {
    let mut rows: Vec<(Option<i64>, CountRow)> = Vec::with_capacity(merged.groups.len());
    for (group, &count) in &merged.groups {
        let mut values = Vec::new();
        if let Some(interval) = interval {
            let text = |time| rfc3339_in(time, interval.zone());
            values.push(group.bucket.map(|(from, _)| text(from)));
            values.push(group.bucket.map(|(_, to)| text(to)));
        }
        for ((field, words), &number) in by.iter().zip(&merged.words).zip(&group.words) {
            if is_identity(field) {
                values.push(merged.names.get(&number).map(|newest| newest.name.to_string()));
            }
            values.push(words.text(number).map(str::to_owned));
        }
        rows.push((group.bucket.map(|(from, _)| from), CountRow { values, count }));
    }
    rows.sort_unstable_by(|(one_time, one), (other_time, other)| {
        let time = none_last(one_time, other_time);
        time.then(other.count.cmp(&one.count)).then_with(|| {
            let mut values = one.values.iter().zip(&other.values);
            values
                .find_map(|(one, other)| Some(none_last(one, other)).filter(|order| order.is_ne()))
                .unwrap_or(Ordering::Equal)
        })
    });
    rows.into_iter().map(|(_, row)| row).collect()
}

fn none_last<T: Ord>(one: &Option<T>, other: &Option<T>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => one.cmp(other),
        (one, other) => other.is_some().cmp(&one.is_some()),
    }
}

fn notes(by: &[CountField], interval: Option<&Interval>) -> Vec<String> {
    let many = by.iter().filter(|field| field.many).map(|field| {
        format!(
            "an event counts once for each distinct {}, so the rows may add up to more than the total",
            field.name
        )
    });
    let empty = interval.map(|_| "stretches without events have no row".to_owned());
    many.chain(empty).collect()
}

/// A word that several segments share is held once.
type Word = Arc<str>;

#[cfg(test)]
mod tests;
