//! A value, or a pair, that did not come within so long before: who reads a path for the first time, logs in by a mount
//! for the first time. While the log is younger than the time of learning, nothing is new.

use std::collections::HashSet;

use crate::controls::control::Rule;
use crate::controls::draft::{Draft, EXCEPTIONS_MAX, Outcome};
use crate::controls::field::Field;
use crate::controls::hits::{Keys, Words, pieces, scan};
use crate::controls::run::{Run, Span};
use crate::controls::within::{At, within_of};
use crate::error::QueryError;
use crate::filter::Filter;
use crate::period::rfc3339;
use crate::scan::Address;

/// The most pairs that are remembered.
const PAIRS_MAX: usize = 5_000_000;

/// An event that brought something new.
struct New {
    at: At,
    key: u32,
}

pub(super) fn first_seen(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let learned = run.log_from.saturating_add(run.param_ns("learning"));
    let filter = run.filter(&rule.query);
    let (mut words, mut keys) = (Words::default(), Keys::default());
    let (events, new) = find(run, rule, &filter, learned, &mut words, &mut keys)?;
    let mut outcome = match &rule.at_least {
        // So many new pairs of one identity within a window of its own.
        Some(_) => {
            let new: HashSet<Address> = new.into_iter().map(|new| new.at.address).collect();
            let burst = Rule {
                window: Some("$burst".to_owned()),
                by: rule.by[..1].to_vec(),
                ..rule.clone()
            };
            within_of(run, &burst, &filter, &mut |address| new.contains(&address))?
        }
        None => alone(run, rule, &filter, new, &words, &keys)?,
    };
    outcome.events = events;
    if learned > run.span.from {
        outcome.missing.push(format!(
            "the log begins at {}: until {} nothing can be called new",
            rfc3339(run.log_from),
            rfc3339(learned)
        ));
    }
    Ok(outcome)
}

/// Finds the events of the period that brought something new.
fn find(
    run: &Run<'_>,
    rule: &Rule,
    filter: &Filter,
    learned: i64,
    words: &mut Words,
    keys: &mut Keys,
) -> Result<(u64, Vec<New>), QueryError> {
    let memory = run.length(rule.window.as_deref().unwrap_or("1s"));
    let by = Field::expanded(&rule.by);
    let whole = Span { from: run.span.from.saturating_sub(memory), to: run.span.to };
    let mut last_seen: Vec<Option<i64>> = Vec::new();
    let (mut events, mut new) = (0, Vec::new());
    for piece in pieces(run, filter, whole)? {
        let mut held: Vec<New> = Vec::new();
        scan(run, filter, piece, &by, words, &mut |hit, _| {
            events += u64::from(run.span.has(hit.time));
            let at = At { time: hit.time, leaf: hit.leaf, address: hit.address, value: 0 };
            held.push(New { at, key: keys.number(hit.values) });
            Ok(())
        })?;
        held.sort_unstable_by_key(|event| event.at);
        last_seen.resize(keys.keys.len(), None);
        for event in held {
            let time = event.at.time;
            let last = last_seen[event.key as usize].replace(time);
            let is_new = last.is_none_or(|last| time - last >= memory);
            if is_new && run.span.has(time) && time >= learned {
                new.push(event);
            }
        }
        if last_seen.len() > PAIRS_MAX {
            return Err(QueryError::TooMany { what: "pairs to remember", limit: PAIRS_MAX });
        }
        run.view.turn().check()?;
    }
    Ok((events, new))
}

/// Makes an exception of each.
fn alone(
    run: &Run<'_>,
    rule: &Rule,
    filter: &Filter,
    new: Vec<New>,
    words: &Words,
    keys: &Keys,
) -> Result<Outcome, QueryError> {
    if new.len() > EXCEPTIONS_MAX {
        return Err(QueryError::TooMany {
            what: "exceptions to one control",
            limit: EXCEPTIONS_MAX,
        });
    }
    // Of pairs with a path only those on sensitive paths are meant, where the rule needs their register.
    let is_sensitive = rule.needs.iter().any(|name| name == "sensitive_paths");
    let mut sensitive = HashSet::new();
    if is_sensitive {
        for path in &run.registers.sensitive_paths.rows {
            let both = Filter::all_of([filter.clone(), path.filter.clone()]);
            scan(run, &both, run.span, &[], &mut Words::default(), &mut |hit, _| {
                sensitive.insert(hit.address);
                Ok(())
            })?;
        }
    }
    let by = Field::expanded(&rule.by);
    let mut outcome = Outcome::default();
    for New { at, key } in new {
        if is_sensitive && !sensitive.contains(&at.address) {
            continue;
        }
        let values =
            keys.keys[key as usize].iter().map(|&word| words.text(word).map(str::to_owned));
        let mut draft = Draft {
            subject: by.iter().copied().zip(values).collect(),
            apart: vec![("since", rfc3339(at.time))],
            span: Some((at.time, at.time)),
            count: 1,
            ..Draft::default()
        };
        draft.samples.insert((at.time, at.leaf, at.address));
        outcome.drafts.push(draft);
    }
    Ok(outcome)
}
