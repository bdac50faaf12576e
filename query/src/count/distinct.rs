//! How many distinct values a field has, in all and group by group. Exact.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::grouped::MergedGroup;
use super::{CountRow, Grouping, Measured, Measures, collect, columns, notes, values};
use crate::error::QueryError;
use crate::filter::CountField;
use crate::history::View;
use crate::interval::Interval;
use crate::question::{LeftOut, Question};

/// How many distinct values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Distinct {
    /// Of which field.
    pub field: &'static str,
    /// What a row's values are, as in [`super::Counts`].
    pub columns: Vec<&'static str>,
    /// The groups; `count` is how many distinct values their events have. By time if there is an interval, then the
    /// largest first.
    pub rows: Vec<CountRow>,
    /// How many distinct values all events together have.
    pub distinct: u64,
    /// How many events there are; one without a value adds none.
    pub total: u64,
    /// How many fit the question and are left out.
    pub left_out: LeftOut,
    /// The answer holds for the leaves below this one.
    pub leaf: u64,
    /// What a reader has to know to read the rows rightly.
    pub notes: Vec<String>,
}

/// A group's words and its stretch of time.
type Key<'a> = (&'a [u32], Option<(i64, i64)>);

/// Counts the distinct values of a field among the events that a question keeps, for each group of `by` and interval.
///
/// # Errors
/// As [`super::count`]; the field is one of the four to count by at most, and each pair of a group and a value is one of
/// the groups that there may be.
pub fn distinct_in(
    view: &View,
    question: &Question,
    field: CountField,
    by: &[CountField],
    interval: Option<&Interval>,
) -> Result<Distinct, QueryError> {
    let all = [by, &[field]].concat();
    let grouping =
        Grouping { by: &all, interval, measures: Measures::default(), tells_places: false };
    let merged = collect(view, question, &[grouping])?.pop().expect("one for each grouping");
    let of = by.len();
    let mut seen = HashSet::new();
    // Each group of all fields is one value in its group of the others.
    let mut groups: HashMap<Key<'_>, (&MergedGroup, u64)> = HashMap::new();
    for group in &merged.groups {
        let value = group.words[of];
        let entry = groups.entry((&group.words[..of], group.bucket)).or_insert((group, 0));
        if value != 0 {
            seen.insert(value);
            entry.1 += 1;
        }
    }
    let mut rows: Vec<(Option<i64>, CountRow)> = groups
        .into_values()
        .map(|(group, count)| {
            let values = values(&merged, group, by, interval);
            let from = group.bucket.map(|(from, _)| from);
            (from, CountRow { values, count, measured: Measured::default() })
        })
        .collect();
    rows.sort_by(|(one_time, one), (other_time, other)| {
        let order =
            |time: &Option<i64>, row: &CountRow| (time.is_none(), *time, Reverse(row.count));
        order(one_time, one)
            .cmp(&order(other_time, other))
            .then_with(|| one.values.cmp(&other.values))
    });
    Ok(Distinct {
        field: field.name,
        columns: columns(by, interval),
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        distinct: seen.len() as u64,
        total: merged.tally.matched,
        left_out: merged.tally.left_out(),
        leaf: view.leaf(),
        notes: notes(by, interval, Measures::default()),
    })
}
