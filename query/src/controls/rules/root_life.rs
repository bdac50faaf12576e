//! A root token that is not revoked in time: from its birth, or where the log does not have that, from its first use.

use std::collections::{BTreeMap, BTreeSet};

use super::revoked::Revocations;
use super::root_born::births;
use crate::controls::control::Rule;
use crate::controls::draft::{Draft, Outcome, exactly};
use crate::controls::field::Field;
use crate::controls::hits::{Words, scan};
use crate::controls::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::Filter;
use crate::full::find;
use crate::period::rfc3339;
use crate::rows::Rows;

/// The most root tokens of a period.
const TOKENS_MAX: usize = 10_000;

pub(super) fn root_life(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let limit = run.param_ns("lifetime");
    let filter = run.filter(&rule.query);
    let mut words = Words::default();
    // Whose life is meant: used within the period. How long they lived: since the log begins.
    let mut tokens: BTreeMap<u32, Draft> = BTreeMap::new();
    let tally = scan(run, &filter, run.span, &[Field::Token], &mut words, &mut |hit, _| {
        if hit.values[0] != 0 {
            tokens.entry(hit.values[0]).or_default().add(hit);
        }
        match tokens.len() > TOKENS_MAX {
            true => Err(QueryError::TooMany { what: "root tokens", limit: TOKENS_MAX }),
            false => Ok(()),
        }
    })?;
    let mut first_use: BTreeMap<u32, (i64, crate::scan::Address)> = BTreeMap::new();
    let before = Span { from: run.log_from, to: run.span.to };
    scan(run, &filter, before, &[Field::Token], &mut words, &mut |hit, _| {
        let this = (hit.time, hit.address);
        let first = first_use.entry(hit.values[0]).or_insert(this);
        *first = (*first).min(this);
        Ok(())
    })?;
    let mut outcome = Outcome { events: tally.matched, ..Outcome::default() };
    let mut revocations = Revocations::read(run)?;
    let (mut unjoined, mut undecided) = (0, 0);
    let mut used = BTreeSet::new();
    for (word, mut draft) in tokens {
        let token = words.text(word).expect("a token that was met").to_owned();
        used.insert(token.clone());
        let (first, address) = first_use[&word];
        let accessor = Rows::new(run.view).row(address)?.accessor;
        let born = revocations.birth(&token)?.map_or(first, |birth| birth.time);
        let revoked = revocations.of(&token, accessor.as_deref())?;
        let due = born.saturating_add(limit);
        match revoked {
            Some(at) if at <= due => continue,
            None if run.log_to <= due => {
                undecided += 1;
                continue;
            }
            _ => {}
        }
        if revoked.is_none() && run.salts_within(Span { from: born, to: due })?.is_some() {
            unjoined += 1;
            continue;
        }
        draft.subject = vec![(Field::Token, Some(token))];
        draft.filter = exactly(&filter, &draft.subject);
        draft.said.insert("known_since", rfc3339(born));
        let end = match revoked {
            Some(at) => format!("revoked at {}", rfc3339(at)),
            None => "no revocation of it was seen".to_owned(),
        };
        draft.said.insert("end", end);
        outcome.drafts.push(draft);
    }
    // Whoever made one and left it there used it never.
    let creations = Filter::parse("action:token.create is:root outcome:success", run.now);
    for born in births(run, &creations.expect("a filter of ours"))? {
        let (Some(token), Some(time)) = (born.token, born.time) else { continue };
        let due = time.saturating_add(limit);
        let is_ended =
            revocations.of(&token, born.accessor.as_deref())?.is_some_and(|at| at <= due);
        if is_ended || used.contains(&token) {
            continue;
        }
        if run.log_to <= due {
            undecided += 1;
            continue;
        }
        if run.salts_within(Span { from: time, to: due })?.is_some() {
            unjoined += 1;
            continue;
        }
        let Some(address) = find(run.view, born.uid)? else { continue };
        let mut draft = Draft { subject: vec![(Field::Token, Some(token))], ..Draft::default() };
        draft.add_sample((time, 0, address));
        draft.said.insert("known_since", rfc3339(time));
        draft.said.insert("end", "it was neither used nor revoked in time".to_owned());
        outcome.drafts.push(draft);
    }
    if undecided > 0 {
        outcome.missing.push(format!(
            "{undecided} root tokens were not revoked, and their time is not over when the log ends"
        ));
    }
    if unjoined > 0 {
        outcome.missing.push(format!(
            "{unjoined} root tokens cannot be followed: an audit device was enabled anew, and hashes of before and after do not compare"
        ));
    }
    Ok(outcome)
}
