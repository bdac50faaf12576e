//! Duties that one identity should not have both of.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::controls::control::Rule;
use crate::controls::draft::{Draft, EXCEPTIONS_MAX, Outcome, Sample, exactly};
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
    let mut written: BTreeMap<[u32; 3], Vec<Sample>> = BTreeMap::new();
    let mut outcome = Outcome::default();
    scan(run, &run.filter(&rule.query), span, &fields, &mut words, &mut |hit, _| {
        outcome.events += u64::from(run.span.has(hit.time));
        let key: [u32; 3] = hit.values.try_into().expect("three fields were asked for");
        if key[0] != 0 && key[2] != 0 {
            written.entry(key).or_default().push(hit.sample());
        }
        match written.len() > EXCEPTIONS_MAX {
            true => Err(QueryError::TooMany { what: "writers of policies", limit: EXCEPTIONS_MAX }),
            false => Ok(()),
        }
    })?;
    for (key, mut writes) in written {
        writes.sort_unstable();
        let [identity, ns, policy] = key.map(|word| words.text(word).map(str::to_owned));
        let subject = vec![(Field::Identity, identity), (Field::Ns, ns)];
        let policy = policy.expect("a policy that was met");
        let granted = Filter::parse("decision:allowed", run.now).expect("a filter of ours");
        let by_policy = Filter::exactly("policy", &policy).expect("a key of the grammar");
        let Some(filter) = exactly(&Filter::all_of([granted, by_policy]), &subject) else {
            continue;
        };
        let mut draft = Draft { subject, apart: vec![("policy", policy)], ..Draft::default() };
        let after = Span { from: run.span.from.max(writes[0].0 + 1), to: run.span.to };
        let mut used = BTreeSet::new();
        scan(run, &filter, after, &[], &mut Words::default(), &mut |hit, _| {
            let at = writes.partition_point(|(time, ..)| *time < hit.time);
            // The newest write before it.
            if let Some(&write) = at.checked_sub(1).map(|at| &writes[at])
                && hit.time <= write.0.saturating_add(window)
            {
                used.insert(write);
                draft.add(hit);
            }
            Ok(())
        })?;
        if draft.count > 0 {
            draft.said.insert("granted", draft.count.to_string());
            // What grants stands first.
            used.into_iter().for_each(|write| draft.add_sample(write));
            outcome.drafts.push(draft);
        }
    }
    Ok(outcome)
}

/// Who governs audit devices and reads secrets, both within the period: the rule's query has both.
pub(super) fn auditor_reads(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let (mut governs, mut reads) = (BTreeSet::new(), BTreeSet::new());
    let (filter, fields) = (run.filter(&rule.query), [Field::Identity, Field::Action]);
    scan(run, &filter, run.span, &fields, &mut Words::default(), &mut |hit, words| {
        let is_audit = words.text(hit.values[1]).is_some_and(|action| action.starts_with("audit."));
        if let Some(identity) = words.text(hit.values[0]) {
            let of = if is_audit { &mut governs } else { &mut reads };
            if !of.contains(identity) {
                of.insert(identity.to_owned());
            }
        }
        Ok(())
    })?;
    each_of(run, rule, &filter, run.span, &mut |hit, words| {
        let identity = words.text(hit.values[0]);
        Ok(identity.is_some_and(|identity| governs.contains(identity) && reads.contains(identity)))
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
