//! Duties that one identity should not have both of.

use std::collections::{BTreeMap, HashSet};

use crate::controls::control::Rule;
use crate::controls::draft::{Draft, EXCEPTIONS_MAX, Outcome, exactly};
use crate::controls::each::each_of;
use crate::controls::excuse::NAMES;
use crate::controls::field::Field;
use crate::controls::hits::{Words, scan};
use crate::controls::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::Filter;

/// Who writes a policy, and is granted something by it within a window after.
pub(super) fn self_granted(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let window = run.length(rule.window.as_deref().unwrap_or("$window"));
    let span = Span { from: run.span.from.saturating_sub(window), to: run.span.to };
    let fields = [Field::Identity, Field::Ns, Field::Object];
    let mut words = Words::default();
    let mut written: BTreeMap<[u32; 3], Vec<i64>> = BTreeMap::new();
    let mut outcome = Outcome::default();
    scan(run, &run.filter(&rule.query), span, &fields, &mut words, &mut |hit, _| {
        outcome.events += u64::from(run.span.has(hit.time));
        let key: [u32; 3] = hit.values.try_into().expect("three fields were asked for");
        if key[0] != 0 && key[2] != 0 {
            written.entry(key).or_default().push(hit.time);
        }
        match written.len() > EXCEPTIONS_MAX {
            true => Err(QueryError::TooMany { what: "writers of policies", limit: EXCEPTIONS_MAX }),
            false => Ok(()),
        }
    })?;
    for (key, mut times) in written {
        times.sort_unstable();
        let [identity, ns, policy] = key.map(|word| words.text(word).map(str::to_owned));
        let subject = vec![(Field::Identity, identity), (Field::Ns, ns)];
        let policy = policy.expect("a policy that was met");
        let granted = Filter::parse("decision:allowed", run.now).expect("a filter of ours");
        let by_policy = Filter::exactly("policy", &policy).expect("a key of the grammar");
        let Some(filter) = exactly(&Filter::all_of([granted, by_policy]), &subject) else {
            continue;
        };
        let mut draft = Draft { subject, apart: vec![("policy", policy)], ..Draft::default() };
        let mut is_whole = true;
        let after = Span { from: run.span.from.max(times[0] + 1), to: run.span.to };
        scan(run, &filter, after, &[], &mut Words::default(), &mut |hit, _| {
            let at = times.partition_point(|time| *time < hit.time);
            // The newest write before it.
            match at.checked_sub(1).map(|at| times[at]) {
                Some(write) if hit.time <= write.saturating_add(window) => draft.add(hit),
                _ => is_whole = false,
            }
            Ok(())
        })?;
        if draft.count > 0 {
            draft.filter = is_whole.then_some(filter);
            outcome.drafts.push(draft);
        }
    }
    Ok(outcome)
}

/// Who governs audit devices and reads secrets, both within the period.
pub(super) fn auditor_reads(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let mut governs: HashSet<String> = HashSet::new();
    let governing = Filter::parse("action:audit.enable,audit.disable outcome:success", run.now);
    let governing = governing.expect("a filter of ours");
    let mut words = Words::default();
    scan(run, &governing, run.span, &[Field::Identity], &mut words, &mut |hit, words| {
        governs.extend(words.text(hit.values[0]).map(str::to_owned));
        Ok(())
    })?;
    each_of(run, rule, &run.filter(&rule.query), run.span, &mut |hit, words| {
        Ok(words.text(hit.values[0]).is_some_and(|identity| governs.contains(identity)))
    })
}

/// Events that only a ticket covers whose actor approved it himself.
pub(super) fn self_approved(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let base = run.filter(&rule.query);
    let mut all = Outcome::default();
    let mut events: HashSet<(u32, u32)> = HashSet::new();
    let by = Field::expanded(&rule.by).len();
    for ticket in run.registers.tickets.rows.iter().filter(|ticket| ticket.is_self_approved) {
        let span = Span { from: run.span.from.max(ticket.from), to: run.span.to.min(ticket.to) };
        let Some(actor) = ticket.actor.as_deref().filter(|_| span.from < span.to) else { continue };
        let filter =
            Filter::all_of([Some(base.clone()), ticket.filter.clone()].into_iter().flatten());
        let mut found = each_of(run, rule, &filter, span, &mut |hit, words| {
            events.insert((hit.address.segment, hit.address.document));
            let names = &hit.values[by..by + NAMES.len()];
            Ok(names.iter().any(|&name| words.text(name) == Some(actor)))
        })?;
        for draft in &mut found.drafts {
            draft.apart = vec![("ticket", ticket.ticket.clone())];
        }
        all.drafts.append(&mut found.drafts);
    }
    all.events = events.len() as u64;
    Ok(all)
}
