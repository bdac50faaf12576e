//! Groupings of events as they are, for answers that put several together or show few of many groups.

use super::grouped::Merged;
use super::{Grouping, Measures, collect, is_identity};
use crate::error::QueryError;
use crate::filter::CountField;
use crate::history::View;
use crate::interval::Interval;
use crate::question::{LeftOut, Question};

/// The groups of one grouping.
pub struct Groups(Merged);

/// A group by the numbers of its values.
#[derive(Clone, Copy, Debug)]
pub struct NumberedGroup<'a> {
    /// For each field the number of the value, see [`Groups::values`]; 0 where the events have none.
    pub values: &'a [u32],
    /// From when to when they were, in nanoseconds since 1970, if they were grouped over time; absent if they have no time.
    pub stretch: Option<(i64, i64)>,
    /// How many events.
    pub count: u64,
}

/// A group: the value of each field, how many events, and when the first and the last was, if that was asked.
pub(crate) struct OneGroup<'a> {
    pub(crate) values: Vec<Option<&'a str>>,
    pub(crate) count: u64,
    pub(crate) seen: Option<(i64, i64)>,
}

/// Groups the events of a question in several ways, in one pass: each by some fields, and with the first and last
/// time or without. Returns the groups of each way, how many events there are, and what is left out.
///
/// # Errors
/// As [`super::count`].
pub(crate) fn groups_in(
    view: &View,
    question: &Question,
    ways: &[(&[CountField], bool)],
) -> Result<(Vec<Groups>, u64, LeftOut), QueryError> {
    let grouping = |&(by, seen)| Grouping {
        by,
        interval: None,
        measures: Measures { seen, latency: false },
        tells_places: false,
    };
    let groupings: Vec<Grouping<'_>> = ways.iter().map(grouping).collect();
    let all = collect(view, question, &groupings)?;
    let tally = all.first().map(|merged| merged.tally).unwrap_or_default();
    Ok((all.into_iter().map(Groups).collect(), tally.matched, tally.left_out()))
}

/// Counts as [`super::count_in`] does. Rows have an order and texts of their own, which is most of the work where
/// groups are many; here who shows few of them adds them up by numbers, and reads the texts of those few.
///
/// # Errors
/// As [`super::count`].
pub fn numbered_in(
    view: &View,
    question: &Question,
    by: &[CountField],
    interval: Option<&Interval>,
) -> Result<Groups, QueryError> {
    let grouping = Grouping { by, interval, measures: Measures::default(), tells_places: false };
    let merged = collect(view, question, &[grouping])?.pop().expect("one for each grouping");
    Ok(Groups(merged))
}

impl Groups {
    /// Gives each group, in no order.
    pub fn numbered(&self) -> impl Iterator<Item = NumberedGroup<'_>> {
        let fields = self.0.words.len();
        self.0.groups.iter().map(move |group| NumberedGroup {
            values: &group.words[..fields],
            stretch: group.bucket,
            count: group.count,
        })
    }

    /// Returns the values of a field, each at the place of its number: at 0 stands no value.
    pub fn values(&self, field: usize) -> Vec<Option<&str>> {
        let words = &self.0.words[field];
        (0..=words.count()).map(|number| words.text(number)).collect()
    }

    /// Returns the newest name of the identity whose key has this number; `None` if it has no name, or if identities
    /// were not among the fields.
    pub fn name(&self, number: u32) -> Option<&str> {
        self.0.names.get(&number).map(|newest| &*newest.name)
    }

    /// Gives each group, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = OneGroup<'_>> {
        self.0.groups.iter().map(|group| {
            let words = self.0.words.iter().zip(&group.words);
            OneGroup {
                values: words.map(|(words, &number)| words.text(number)).collect(),
                count: group.count,
                seen: group.seen,
            }
        })
    }

    /// Gives the newest name of each identity that has one, by its key. `by` is what the groups were made by.
    pub(crate) fn names(&self, by: &[CountField]) -> impl Iterator<Item = (&str, &str)> {
        let keys = by.iter().position(is_identity).map(|at| &self.0.words[at]);
        self.0
            .names
            .iter()
            .filter_map(move |(&key, newest)| Some((keys?.text(key)?, &*newest.name)))
    }
}
