//! Refused, then a change of policies, roles or groups by the same identity, then allowed on the same path.

use std::collections::{BTreeMap, BTreeSet};

use crate::controls::control::Rule;
use crate::controls::draft::{Draft, EXCEPTIONS_MAX, Outcome, Sample};
use crate::controls::field::Field;
use crate::controls::hits::{Words, scan};
use crate::controls::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::Filter;

pub(super) fn self_elevated(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let window = run.length(rule.window.as_deref().unwrap_or("$elevation"));
    let span = Span { from: run.span.from.saturating_sub(window), to: run.span.to };
    let mut words = Words::default();
    let mut changes: BTreeMap<u32, Vec<Sample>> = BTreeMap::new();
    let mut outcome = Outcome::default();
    scan(run, &run.filter(&rule.query), span, &[Field::Identity], &mut words, &mut |hit, _| {
        outcome.events += u64::from(run.span.has(hit.time));
        if hit.values[0] != 0 {
            changes.entry(hit.values[0]).or_default().push(hit.sample());
        }
        match changes.len() > EXCEPTIONS_MAX {
            true => Err(QueryError::TooMany {
                what: "identities that change rights",
                limit: EXCEPTIONS_MAX,
            }),
            false => Ok(()),
        }
    })?;
    for (identity, mut changes) in changes {
        changes.sort_unstable();
        let identity = words.text(identity).expect("an identity that was met").to_owned();
        let his = Filter::exactly("identity", &identity).expect("a key of the grammar");
        let of = |text: &str| {
            let filter = Filter::parse(text, run.now).expect("a filter of ours");
            Filter::all_of([filter, his.clone()])
        };
        let fields = [Field::Ns, Field::Path];
        let mut paths = Words::default();
        let mut refused: BTreeMap<[u32; 2], Vec<Sample>> = BTreeMap::new();
        scan(
            run,
            &of("decision:denied reason:policy"),
            span,
            &fields,
            &mut paths,
            &mut |hit, _| {
                let key = hit.values.try_into().expect("two fields were asked for");
                refused.entry(key).or_default().push(hit.sample());
                Ok(())
            },
        )?;
        if refused.is_empty() {
            continue;
        }
        refused.values_mut().for_each(|refused| refused.sort_unstable());
        let mut found: BTreeMap<[u32; 2], (Draft, BTreeSet<Sample>)> = BTreeMap::new();
        let allowed = of("decision:allowed outcome:success");
        scan(run, &allowed, run.span, &fields, &mut paths, &mut |hit, _| {
            let key: [u32; 2] = hit.values.try_into().expect("two fields were asked for");
            let Some(refused) = refused.get(&key) else { return Ok(()) };
            // The newest change before it, and the newest refusal before that, not too long ago.
            let Some(change) = last_before(&changes, hit.time) else { return Ok(()) };
            let Some(refusal) = last_before(refused, change.0) else { return Ok(()) };
            if hit.time <= refusal.0.saturating_add(window) {
                let (draft, before) = found.entry(key).or_default();
                draft.add(hit);
                before.extend([change, refusal]);
            }
            Ok(())
        })?;
        for (key, (mut draft, before)) in found {
            draft.said.insert("granted", draft.count.to_string());
            before.into_iter().for_each(|sample| draft.add_sample(sample));
            let [ns, path] = key.map(|word| paths.text(word).map(str::to_owned));
            draft.subject = vec![
                (Field::Identity, Some(identity.clone())),
                (Field::Ns, ns),
                (Field::Path, path),
            ];
            outcome.drafts.push(draft);
        }
    }
    Ok(outcome)
}

/// Returns the last of ascending events before an instant.
fn last_before(events: &[Sample], time: i64) -> Option<Sample> {
    let at = events.partition_point(|event| event.0 < time);
    at.checked_sub(1).map(|at| events[at])
}
