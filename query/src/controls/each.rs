//! The form `each`: all events of one key are one exception, but for those that something excuses.

use super::control::{Form, Rule};
use super::draft::{Draft, EXCEPTIONS_MAX, Outcome, exactly};
use super::excuse::{Excuses, NAMES};
use super::field::Field;
use super::hits::{Hit, Keys, Words, scan};
use super::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::Filter;

/// Runs the form.
pub(super) fn each(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    each_of(run, rule, &run.filter(&rule.query), run.span, &mut |_, _| Ok(true))
}

/// The same over other events than the rule's query alone; of them those that `is_meant`, which is given the values of
/// the rule's `by`, and of [`NAMES`] where something may excuse.
pub(super) fn each_of(
    run: &Run<'_>,
    rule: &Rule,
    filter: &Filter,
    span: Span,
    is_meant: &mut dyn FnMut(Hit<'_>, &Words) -> Result<bool, QueryError>,
) -> Result<Outcome, QueryError> {
    let by = Field::expanded(&rule.by);
    let mut excuses = Excuses::of(run, rule);
    // Whoever looks at tickets himself is given the names too.
    let names = if rule.form == Form::SelfApproved { &NAMES } else { excuses.names() };
    let fields: Vec<Field> = by.iter().chain(names).copied().collect();
    let mut words = Words::default();
    let mut keys = Keys::default();
    let mut groups: Vec<(Draft, bool)> = Vec::new();
    let tally = scan(run, filter, span, &fields, &mut words, &mut |hit, words| {
        let is_excused = !is_meant(hit, words)? || {
            let names: Vec<&str> =
                hit.values[by.len()..].iter().filter_map(|&word| words.text(word)).collect();
            !excuses.is_none() && excuses.excuse(run, hit, &names)?
        };
        let group = keys.number(&hit.values[..by.len()]) as usize;
        if group == groups.len() {
            groups.push((Draft::default(), false));
        }
        let (draft, has_excused) = &mut groups[group];
        match is_excused {
            true => *has_excused = true,
            false => draft.add(hit),
        }
        match groups.len() > EXCEPTIONS_MAX {
            true => Err(QueryError::TooMany {
                what: "exceptions to one control",
                limit: EXCEPTIONS_MAX,
            }),
            false => Ok(()),
        }
    })?;
    let mut drafts = Vec::new();
    for (key, (mut draft, has_excused)) in keys.keys.iter().zip(groups) {
        if draft.count == 0 {
            continue;
        }
        let values = key.iter().map(|&word| words.text(word).map(str::to_owned));
        draft.subject = by.iter().copied().zip(values).collect();
        if !has_excused {
            draft.filter = exactly(filter, &draft.subject);
        }
        // Of somebody known the address says nothing here.
        draft.subject.retain(|(field, value)| *field != Field::AnonymousIp || value.is_some());
        drafts.push(draft);
    }
    Ok(Outcome { drafts, events: tally.matched, missing: Vec::new(), notes: excuses.notes })
}
