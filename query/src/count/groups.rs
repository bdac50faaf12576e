//! Several groupings of the same events as they are, for answers that put them together.

use super::grouped::Merged;
use super::{Grouping, Measures, collect, is_identity};
use crate::error::QueryError;
use crate::filter::CountField;
use crate::history::View;
use crate::question::{LeftOut, Question};

/// The groups of one grouping.
pub(crate) struct Groups(Merged);

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

impl Groups {
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
