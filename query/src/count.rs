//! How many events, by fields and over time. Exact, or an error; never cut.
//!
//! Grouping is by the ordinals of the index's columns, part by part of the index; only the groups' words are read
//! and merged. tantivy's own aggregations would cut per segment, drop events without a value, and stop at
//! 65,000 buckets. What one part answers is kept (`kept.rs`), since parts never change.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use serde::Serialize;

use crate::error::QueryError;
use crate::filter::CountField;
use crate::history::View;
use crate::interval::Interval;
use crate::period::rfc3339_in;
use crate::question::{LeftOut, Question};
use crate::select::{InPart, Selection, Tally};
use crate::trail::Trail;

mod distinct;
mod group;
mod grouped;
mod groups;
mod latency;
mod names;
mod table;
mod top;

pub(crate) use self::grouped::Grouped;
pub(crate) use self::groups::{OneGroup, groups_in};

pub use self::distinct::{Distinct, distinct_in};
pub use self::groups::{Groups, NumberedGroup, numbered_in};
pub use self::latency::Latency;
pub use self::top::Others;

use self::group::Grouper;
use self::grouped::{Merged, MergedGroup, Words};

/// The most groups of an answer.
pub const GROUPS_MAX: usize = 1_000_000;

/// The most memory that the groups of an answer may take, in bytes: their words, counts and latencies.
pub const BYTES_MAX: usize = 256 << 20;

/// The most fields to count by at once.
pub const FIELDS_MAX: usize = 4;

/// How many events, group by group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// What a row's values are, in order: `from` and `to` if there is an interval, then each field;
    /// `identity` is followed by `identity_key`.
    pub columns: Vec<&'static str>,
    /// The groups: by time if there is an interval, then the largest first, then by their values.
    pub rows: Vec<CountRow>,
    /// How many events there are. With a many-valued field the rows may add up to more.
    pub total: u64,
    /// What else was asked of all events together.
    pub measured: Measured,
    /// What is not among the rows; see [`Counts::top`].
    pub others: Option<Others>,
    /// How many fit the question and are left out.
    pub left_out: LeftOut,
    /// The answer holds for the leaves below this one.
    pub leaf: u64,
    /// What a reader has to know to read the rows rightly.
    pub notes: Vec<String>,
}

/// A group of events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CountRow {
    /// What the events have in common; `None` where they have no value.
    pub values: Vec<Option<String>>,
    /// How many they are.
    pub count: u64,
    /// What else was asked of them.
    pub measured: Measured,
}

/// What is asked of the events of a group beside how many they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// When the first and the last was.
    pub seen: bool,
    /// How long their responses took.
    pub latency: bool,
}

/// What was asked of the events of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// When the first and the last of those that have a time was, in nanoseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<(i64, i64)>,
    /// How long the responses took, of those that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// By what events are grouped, and what is asked of the groups.
#[derive(Clone, Copy)]
pub(crate) struct Grouping<'a> {
    pub(crate) by: &'a [CountField],
    pub(crate) interval: Option<&'a Interval>,
    pub(crate) measures: Measures,
    /// Whether names of identities come with the place of the event that tells them.
    pub(crate) tells_places: bool,
}

/// Counts the events that a question keeps by their values in `by`, and over time with an interval.
///
/// An event without a value is in the group of `None`; in an interval, an event without a time is in the
/// group whose ends are `None`. An event with several values of a field counts once for each.
///
/// # Errors
/// More than [`FIELDS_MAX`] fields or [`GROUPS_MAX`] groups; groups that take more than [`BYTES_MAX`]; a field named
/// twice; an index that cannot be read.
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
    measure_in(view, question, by, interval, Measures::default())
}

/// The same as [`count_in`], and more of each group and of all events together.
///
/// # Errors
/// As [`count`].
pub fn measure_in(
    view: &View,
    question: &Question,
    by: &[CountField],
    interval: Option<&Interval>,
    measures: Measures,
) -> Result<Counts, QueryError> {
    let grouping = Grouping { by, interval, measures, tells_places: false };
    // Rows of a many-valued field cannot be added up, so all events together are a grouping of their own.
    let whole = Grouping { by: &[], interval: None, measures, tells_places: false };
    let has_whole = measures != Measures::default();
    let groupings = [grouping, whole];
    let mut merged = collect(view, question, &groupings[..if has_whole { 2 } else { 1 }])?;
    let whole = if has_whole { merged.pop() } else { None };
    let merged = merged.pop().expect("one for each grouping");
    let mut counts = counts(view, merged, &grouping);
    if let Some(whole) = whole {
        let measured = measured(&whole, measures).pop();
        counts.measured = measured.unwrap_or_default();
    }
    Ok(counts)
}

/// Counts the same events by several fields apart, in one pass: facets. The answers are those that [`count_in`] gives
/// for each field.
///
/// # Errors
/// As [`count`].
pub fn count_each_in(
    view: &View,
    question: &Question,
    fields: &[CountField],
) -> Result<Vec<Counts>, QueryError> {
    let groupings: Vec<Grouping<'_>> = fields
        .iter()
        .map(|field| Grouping {
            by: std::slice::from_ref(field),
            interval: None,
            measures: Measures::default(),
            tells_places: false,
        })
        .collect();
    let merged = collect(view, question, &groupings)?;
    let each = merged.into_iter().zip(&groupings);
    Ok(each.map(|(merged, grouping)| counts(view, merged, grouping)).collect())
}

/// Groups the events of a question in several ways at once.
fn collect(
    view: &View,
    question: &Question,
    groupings: &[Grouping<'_>],
) -> Result<Vec<Merged>, QueryError> {
    groupings.iter().try_for_each(|grouping| check(grouping.by))?;
    let merged = collect_once(view, question, groupings)?;
    if !merged.iter().any(|merged| merged.needs_places) {
        return Ok(merged);
    }
    let with_places: Vec<Grouping<'_>> =
        groupings.iter().map(|grouping| Grouping { tells_places: true, ..*grouping }).collect();
    collect_once(view, question, &with_places)
}

fn collect_once(
    view: &View,
    question: &Question,
    groupings: &[Grouping<'_>],
) -> Result<Vec<Merged>, QueryError> {
    let mut merged: Vec<Merged> =
        groupings.iter().map(|grouping| Merged::of(grouping.by.len())).collect();
    let selection = Selection::new(view, question)?;
    for part in selection.parts()? {
        for (merged, grouped) in merged.iter_mut().zip(in_part(view, &part, groupings)?) {
            view.turn().check()?;
            merged.add(&grouped)?;
        }
    }
    Ok(merged)
}

/// Groups the events of one part, or finds that it was done before.
fn in_part(
    view: &View,
    part: &InPart<'_>,
    groupings: &[Grouping<'_>],
) -> Result<Vec<Arc<Grouped>>, QueryError> {
    let question = part.question();
    let key = |grouping: &Grouping<'_>| Some((part.part.key, question.clone()?, grouping.name()));
    let kept = |grouping: &Grouping<'_>| view.kept().get(&key(grouping)?, grouping.interval);
    let mut answers: Vec<Option<Arc<Grouped>>> = groupings.iter().map(kept).collect();
    let missing: Vec<usize> = (0..groupings.len()).filter(|&at| answers[at].is_none()).collect();
    if !missing.is_empty() {
        let open = |&at: &usize| Grouper::open(part, view, &groupings[at]);
        let mut groupers = missing.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let tally: Tally = part.blocks(|documents| {
            groupers.iter_mut().try_for_each(|grouper| grouper.block(documents))
        })?;
        for (at, grouper) in missing.into_iter().zip(groupers) {
            let grouped = Arc::new(grouper.finish(tally)?);
            if let Some(key) = key(&groupings[at]) {
                view.kept().put(key, groupings[at].interval, &grouped);
            }
            answers[at] = Some(grouped);
        }
    }
    Ok(answers.into_iter().flatten().collect())
}

impl Grouping<'_> {
    /// Says by what is grouped; of the interval only its words.
    fn name(&self) -> String {
        let fields: Vec<&str> = self.by.iter().map(|field| field.name).collect();
        let Grouping { measures, interval, tells_places, .. } = self;
        let interval = interval.map(Interval::words).unwrap_or_default();
        format!("{} {measures:?} {interval} {tells_places}", fields.join(","))
    }
}

fn counts(view: &View, merged: Merged, grouping: &Grouping<'_>) -> Counts {
    let Grouping { by, interval, measures, .. } = *grouping;
    Counts {
        columns: columns(by, interval),
        rows: rows(&merged, by, interval, measures),
        total: merged.tally.matched,
        measured: Measured::default(),
        others: None,
        left_out: merged.tally.left_out(),
        leaf: view.leaf(),
        notes: notes(by, interval, measures),
    }
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

fn rows(
    merged: &Merged,
    by: &[CountField],
    interval: Option<&Interval>,
    measures: Measures,
) -> Vec<CountRow> {
    let ranks = ranks(merged, by);
    let place = |at: &usize| {
        let MergedGroup { bucket, count, words, .. } = &merged.groups[*at];
        let mut ranked = [0; FIELDS_MAX];
        for ((rank, ranks), &number) in ranked.iter_mut().zip(&ranks).zip(words) {
            *rank = ranks[number as usize];
        }
        (bucket.is_none(), bucket.map(|(from, _)| from), Reverse(*count), ranked)
    };
    let mut order: Vec<usize> = (0..merged.groups.len()).collect();
    order.sort_by_cached_key(place);
    let measured = measured(merged, measures);
    let row = |at: usize| {
        let group = &merged.groups[at];
        let values = values(merged, group, by, interval);
        CountRow { values, count: group.count, measured: measured[at].clone() }
    };
    order.into_iter().map(row).collect()
}

/// Returns of each field the places of its words in the order of rows, by their numbers: words are compared once, however many
/// groups have them. What has no word is last; an identity stands by its name, then by its key.
fn ranks(merged: &Merged, by: &[CountField]) -> Vec<Vec<u32>> {
    let of_field = |(field, words): (&CountField, &Words)| {
        let name = |number: u32| match is_identity(field) {
            true => merged.names.get(&number).map(|newest| &*newest.name),
            false => None,
        };
        let mut numbers: Vec<u32> = (0..=words.count()).collect();
        numbers.sort_unstable_by(|&one, &other| {
            let names = none_last(&name(one), &name(other));
            names.then_with(|| none_last(&words.text(one), &words.text(other)))
        });
        let mut ranks = vec![0; numbers.len()];
        for (rank, number) in (0..).zip(numbers) {
            ranks[number as usize] = rank;
        }
        ranks
    };
    by.iter().zip(&merged.words).map(of_field).collect()
}

/// Returns the values of a group: ends of its time, then a value for each field, of an identity name and key.
fn values(
    merged: &Merged,
    group: &MergedGroup,
    by: &[CountField],
    interval: Option<&Interval>,
) -> Vec<Option<String>> {
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
    values
}

/// Returns what was asked of each group, in their order.
fn measured(merged: &Merged, measures: Measures) -> Vec<Measured> {
    let mut all: Vec<Measured> =
        merged.groups.iter().map(|group| Measured { seen: group.seen, latency: None }).collect();
    if measures.latency {
        for (group, latency) in latency::of_groups(&merged.latencies) {
            all[group as usize].latency = Some(latency);
        }
    }
    all
}

fn none_last<T: Ord>(one: &Option<T>, other: &Option<T>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => one.cmp(other),
        (one, other) => other.is_some().cmp(&one.is_some()),
    }
}

fn notes(by: &[CountField], interval: Option<&Interval>, measures: Measures) -> Vec<String> {
    let many = by.iter().filter(|field| field.many).map(|field| {
        format!(
            "an event counts once for each distinct {}, so the rows may add up to more than the total",
            field.name
        )
    });
    let empty = interval.map(|_| "stretches without events have no row".to_owned());
    let latency = measures.latency.then(|| {
        "latency is the response line's time less the request line's, of events that have both; percentiles are exact, by nearest rank"
            .to_owned()
    });
    many.chain(empty).chain(latency).collect()
}

#[cfg(test)]
mod tests;
