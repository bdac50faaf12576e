//! The rows of an access report, put together of several groupings of the same events.
//!
//! A row has counts by outcome, by reason and by operation, addresses and names: one grouping by all of that would
//! have a group for nearly each combination. What single parts of the index answer is kept, so the same report over
//! another day, or after more events, looks at what is new only.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use ingest::index::schema::Fields;
use tantivy::schema::Field;

use super::By;
use super::counts::Counts;
use crate::count::{OneGroup, groups_in};
use crate::filter::CountField;
use crate::history::View;
use crate::question::{LeftOut, Question};
use crate::report::ReportError;

/// The values of the columns that make a row.
pub(super) type GroupKey = Vec<Option<String>>;

/// What the events of a row have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// Requests by what came of them.
    pub(super) counts: Counts,
    /// The least and the greatest time, in nanoseconds.
    pub(super) seen: Option<(i64, i64)>,
    /// Where the requests came from.
    pub(super) addresses: BTreeSet<String>,
    /// Every name to show and display name of an identity.
    pub(super) names: BTreeSet<String>,
    /// The name on its newest event that has one.
    pub(super) name: Option<String>,
}

/// The rows, how many events they count, and what is left out.
pub(super) struct Collected {
    pub(super) groups: BTreeMap<GroupKey, Group>,
    pub(super) counted: u64,
    pub(super) left_out: LeftOut,
}

/// Puts the rows of a question together.
///
/// # Errors
/// The index fails or holds a word of another version; more groups than fit; counts that differ.
pub(super) fn collect(view: &View, question: &Question, by: By) -> Result<Collected, ReportError> {
    let fields = view.fields();
    let column = |name, field: Field| CountField { name, many: false, field };
    let key = key(by, fields);
    let with = |more: &[CountField]| {
        let fresh = more.iter().filter(|field| key.iter().all(|key| key.name != field.name));
        key.iter().chain(fresh).copied().collect::<Vec<CountField>>()
    };
    let decided = column("decision", fields.decision);
    let outcomes = with(&[decided, column("outcome", fields.outcome)]);
    let reasons = with(&[decided, column("reason", fields.reason)]);
    let operations = with(&[column("op", fields.op)]);
    let addresses = with(&[column("ip", fields.ip)]);
    let names = with(&[column("identity_name", fields.identity_name)]);
    let display_names = with(&[column("display_name", fields.display_name)]);
    // Called so, it comes with the newest names.
    let identities = [column("identity", fields.identity_key)];
    let mut ways: Vec<(&[CountField], bool)> =
        vec![(&outcomes, true), (&reasons, false), (&operations, false), (&addresses, false)];
    if by == By::Identity {
        ways.extend([(&names[..], false), (&display_names, false), (&identities, false)]);
    }
    let (mut ways, counted, left_out) = groups_in(view, question, &ways)?;
    let newest = if by == By::Identity { ways.pop() } else { None };
    let mut groups: BTreeMap<GroupKey, Group> = BTreeMap::new();
    for group in ways[0].iter() {
        let row = row(&mut groups, &group, key.len());
        row.counts.add_outcome(word(decision(&group))?, word(last(&group))?, group.count);
        row.seen = match (row.seen, group.seen) {
            (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
            (one, other) => one.or(other),
        };
    }
    for group in ways[1].iter() {
        let (decided, reason) = (word(decision(&group))?, word(last(&group))?);
        row(&mut groups, &group, key.len()).counts.add_reason(decided, reason, group.count);
    }
    for group in ways[2].iter() {
        row(&mut groups, &group, key.len()).counts.add_operation(last(&group), group.count);
    }
    for group in ways[3].iter() {
        row(&mut groups, &group, key.len()).addresses.extend(last(&group).map(str::to_owned));
    }
    for group in ways.iter().skip(4).flat_map(|names| names.iter()) {
        row(&mut groups, &group, key.len()).names.extend(last(&group).map(str::to_owned));
    }
    for (key, name) in newest.iter().flat_map(|newest| newest.names(&identities)) {
        if let Some(row) = groups.get_mut(&vec![Some(key.to_owned())]) {
            row.name = Some(name.to_owned());
        }
    }
    tie_out(&groups, counted)?;
    Ok(Collected { groups, counted, left_out })
}

/// The columns that make a row.
fn key(by: By, fields: &Fields) -> Vec<CountField> {
    let columns = match by {
        By::Identity => vec![("identity_key", fields.identity_key)],
        By::Path => vec![("ns", fields.ns), ("path", fields.path)],
        By::Decision => vec![("decision", fields.decision)],
    };
    columns.into_iter().map(|(name, field)| CountField { name, many: false, field }).collect()
}

/// Returns the row of a group.
fn row<'a>(
    groups: &'a mut BTreeMap<GroupKey, Group>,
    group: &OneGroup<'_>,
    key: usize,
) -> &'a mut Group {
    let key = group.values[..key].iter().map(|value| value.map(str::to_owned)).collect();
    groups.entry(key).or_default()
}

fn last<'a>(group: &OneGroup<'a>) -> Option<&'a str> {
    group.values.last().copied().flatten()
}

/// Returns the decision of a group that has it before its last value.
fn decision<'a>(group: &OneGroup<'a>) -> Option<&'a str> {
    group.values.iter().rev().nth(1).copied().flatten()
}

fn word<W: FromStr>(word: Option<&str>) -> Result<W, ReportError> {
    let word = word.unwrap_or_default();
    word.parse().map_err(|_| ReportError::Word(word.to_owned()))
}

/// Each grouping has all events: what they say of a row adds up to the same.
fn tie_out(groups: &BTreeMap<GroupKey, Group>, counted: u64) -> Result<(), ReportError> {
    let sum = |of: &dyn Fn(&Counts) -> u64| groups.values().map(|group| of(&group.counts)).sum();
    let operations = |counts: &Counts| counts.operations.values().sum();
    for rows in [sum(&|counts| counts.requests), sum(&Counts::sum_of_parts), sum(&operations)] {
        if rows != counted {
            return Err(ReportError::TieOut { rows, counted });
        }
    }
    Ok(())
}
