//! The form `within`: so many events, or so many different values, within a window that slides.
//!
//! A window is [t, t + length) from any event of the group on. Windows that reach the threshold and share an event are
//! one episode, and each episode is an exception. It belongs to the periods in which the threshold is reached, or
//! still held; so that one over a period's edge is seen, the length of a window before the period is looked at too.

use std::collections::{HashMap, VecDeque};

use super::control::Rule;
use super::draft::{Draft, EXCEPTIONS_MAX, Outcome, Samples, exactly};
use super::excuse::Excuses;
use super::field::Field;
use super::hits::{Keys, Word, Words, count, pieces, scan};
use super::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::Filter;
use crate::period::rfc3339;
use crate::scan::Address;

/// An event of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) time: i64,
    pub(super) leaf: u64,
    pub(super) address: Address,
    /// The value that is counted, where different ones are.
    pub(super) value: Word,
}

/// An episode.
#[derive(Clone, Debug)]
pub(super) struct Episode {
    pub(super) events: u64,
    /// The most different values in one window; of a rule that counts events, the most events.
    pub(super) most: u64,
    pub(super) first: i64,
    pub(super) last: i64,
    /// When the threshold was reached.
    pub(super) reached: i64,
    /// When it was reached or held last.
    pub(super) held: i64,
    pub(super) samples: Samples,
    /// The number of its last event in the group.
    last_number: u64,
}

/// A window that slides over the events of one group, which come in the order of time.
pub(super) struct Sliding {
    length: i64,
    at_least: u64,
    is_distinct: bool,
    window: VecDeque<(u64, At)>,
    values: HashMap<Word, u64>,
    next_number: u64,
    pub(super) episodes: Vec<Episode>,
}

impl Sliding {
    pub(super) fn new(length: i64, at_least: u64, is_distinct: bool) -> Sliding {
        let (window, values) = (VecDeque::new(), HashMap::new());
        Sliding {
            length,
            at_least,
            is_distinct,
            window,
            values,
            next_number: 0,
            episodes: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, event: At) {
        let number = self.next_number;
        self.next_number += 1;
        self.window.push_back((number, event));
        if event.value != 0 {
            *self.values.entry(event.value).or_default() += 1;
        }
        while let Some(&(_, oldest)) = self.window.front()
            && event.time - oldest.time >= self.length
        {
            self.window.pop_front();
            if let Some(count) = self.values.get_mut(&oldest.value) {
                *count -= 1;
                if *count == 0 {
                    self.values.remove(&oldest.value);
                }
            }
        }
        let reached = match self.is_distinct {
            true => self.values.len() as u64,
            false => self.window.len() as u64,
        };
        if reached < self.at_least {
            return;
        }
        let first_number = self.window.front().map_or(number, |(number, _)| *number);
        let is_new = self.episodes.last().is_none_or(|last| last.last_number < first_number);
        if is_new {
            self.episodes.push(Episode {
                events: 0,
                most: 0,
                first: self.window.front().map_or(event.time, |(_, first)| first.time),
                last: event.time,
                reached: event.time,
                held: event.time,
                samples: Samples::default(),
                last_number: first_number.wrapping_sub(1),
            });
        }
        let episode = self.episodes.last_mut().expect("one was put there");
        let known = episode.last_number;
        for (_, event) in self.window.iter().filter(|(number, _)| is_after(*number, known)) {
            episode.events += 1;
            episode.samples.insert((event.time, event.leaf, event.address));
        }
        (episode.last, episode.held, episode.last_number) = (event.time, event.time, number);
        episode.most = episode.most.max(reached);
    }
}

impl Sliding {
    /// Gives back the memory of a window in which no later event can be: all that come are not before this instant.
    fn forget(&mut self, from: i64) {
        let newest = self.window.back().map(|(_, newest)| newest.time);
        if newest.is_some_and(|newest| from - newest >= self.length) {
            (self.window, self.values) = (VecDeque::new(), HashMap::new());
        }
    }
}

/// Tells whether a number comes after another, of which "before 0" is the largest.
fn is_after(number: u64, known: u64) -> bool {
    known == u64::MAX || number > known
}

/// Runs the form.
pub(super) fn within(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    within_of(run, rule, &run.filter(&rule.query), &mut |_| true)
}

/// The same over a given filter's events, and of them those whose address is meant.
pub(super) fn within_of(
    run: &Run<'_>,
    rule: &Rule,
    filter: &Filter,
    is_meant: &mut dyn FnMut(Address) -> bool,
) -> Result<Outcome, QueryError> {
    let length = run.length(rule.window.as_deref().unwrap_or("1s"));
    let at_least = rule.at_least.as_ref().map_or(1, |value| run.number(value));
    let by = Field::expanded(&rule.by);
    let mut excuses = Excuses::of(run, rule);
    let names = excuses.names();
    let mut fields: Vec<Field> = by.iter().chain(names).copied().collect();
    fields.extend(rule.distinct);
    let claimed = by.iter().position(|field| *field == Field::Claimed);
    let whole = Span { from: run.span.from.saturating_sub(length), to: run.span.to };
    let mut words = Words::default();
    let mut keys = Keys::default();
    let mut groups: Vec<Sliding> = Vec::new();
    let (mut events, mut is_partial) = (0, false);
    for piece in pieces(run, filter, whole)? {
        let mut held: Vec<(At, u32)> = Vec::new();
        scan(run, filter, piece, &fields, &mut words, &mut |hit, words| {
            events += u64::from(run.span.has(hit.time));
            let names: Vec<&str> = hit.values[by.len()..by.len() + names.len()]
                .iter()
                .filter_map(|&word| words.text(word))
                .collect();
            if !is_meant(hit.address) || (!excuses.is_none() && excuses.excuse(run, hit, &names)?) {
                is_partial = true;
                return Ok(());
            }
            // Who named nobody is not one who is named again and again.
            if let Some(at) = claimed
                && hit.values[at] == 0
            {
                is_partial = true;
                return Ok(());
            }
            let value = match rule.distinct {
                Some(_) => *hit.values.last().expect("the last field is the one that is counted"),
                None => 0,
            };
            let (time, leaf, address) = (hit.time, hit.leaf, hit.address);
            held.push((At { time, leaf, address, value }, keys.number(&hit.values[..by.len()])));
            Ok(())
        })?;
        held.sort_unstable_by_key(|(event, _)| *event);
        let new = || Sliding::new(length, at_least, rule.distinct.is_some());
        groups.resize_with(keys.keys.len(), new);
        held.into_iter().for_each(|(event, group)| groups[group as usize].add(event));
        groups.iter_mut().for_each(|sliding| sliding.forget(piece.to));
        if groups.len() > EXCEPTIONS_MAX * 10 {
            return Err(QueryError::Groups { limit: EXCEPTIONS_MAX * 10 });
        }
        run.view.turn().check()?;
    }
    let mut drafts = Vec::new();
    for (key, sliding) in keys.keys.iter().zip(groups) {
        for episode in sliding.episodes.into_iter().filter(|episode| run.span.from <= episode.held)
        {
            let subject: Vec<(Field, Option<String>)> = by
                .iter()
                .copied()
                .zip(key.iter().map(|&word| words.text(word).map(str::to_owned)))
                .collect();
            drafts.push(draft(run, rule, filter, subject, episode, !is_partial)?);
            if drafts.len() > EXCEPTIONS_MAX {
                return Err(QueryError::TooMany {
                    what: "exceptions to one control",
                    limit: EXCEPTIONS_MAX,
                });
            }
        }
    }
    let mut notes = excuses.notes;
    if by.contains(&Field::Token) || rule.distinct == Some(Field::Token) {
        notes.extend(run.salts_within(whole)?);
    }
    Ok(Outcome { drafts, events, missing: Vec::new(), notes })
}

fn draft(
    run: &Run<'_>,
    rule: &Rule,
    filter: &Filter,
    subject: Vec<(Field, Option<String>)>,
    episode: Episode,
    is_whole: bool,
) -> Result<Draft, QueryError> {
    let mut draft = Draft {
        filter: is_whole.then(|| exactly(filter, &subject)).flatten(),
        apart: vec![("since", rfc3339(episode.first))],
        span: Some((episode.first, episode.last)),
        count: episode.events,
        samples: episode.samples,
        ..Draft::default()
    };
    draft.said.insert("distinct", episode.most.to_string());
    if let Some(then) = &rule.then {
        let same: Vec<_> = subject
            .iter()
            .filter(|(field, _)| Field::expanded(&then.same).contains(field))
            .cloned()
            .collect();
        // From when the threshold was reached, that instant included.
        let end = episode.last.saturating_add(run.length(&then.within)).saturating_add(1);
        let span = Span { from: episode.reached, to: end };
        if let Some(wanted) = exactly(&run.filter(&then.query), &same) {
            let found = count(run, &wanted, span)?;
            if found > 0 {
                draft.severity = Some(then.severity);
                draft.more = format!("; {}", then.words);
            }
        }
    }
    draft.subject = subject;
    draft.subject.retain(|(field, value)| *field != Field::AnonymousIp || value.is_some());
    Ok(draft)
}
