//! Refused, then a change of policies, roles or groups by the same identity, then allowed on the same path.

use std::collections::BTreeMap;

use crate::controls::control::Rule;
use crate::controls::draft::{Draft, EXCEPTIONS_MAX, Outcome};
use crate::controls::field::Field;
use crate::controls::hits::{Words, scan};
use crate::controls::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::Filter;

pub(super) fn self_elevated(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let window = run.length(rule.window.as_deref().unwrap_or("$elevation"));
    let span = Span { from: run.span.from.saturating_sub(window), to: run.span.to };
    let mut words = Words::default();
    let mut changes: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    let mut outcome = Outcome::default();
    scan(run, &run.filter(&rule.query), span, &[Field::Identity], &mut words, &mut |hit, _| {
        outcome.events += u64::from(run.span.has(hit.time));
        if hit.values[0] != 0 {
            changes.entry(hit.values[0]).or_default().push(hit.time);
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
        let mut refused: BTreeMap<[u32; 2], Vec<i64>> = BTreeMap::new();
        scan(
            run,
            &of("decision:denied reason:policy"),
            span,
            &fields,
            &mut paths,
            &mut |hit, _| {
                let key = hit.values.try_into().expect("two fields were asked for");
                refused.entry(key).or_default().push(hit.time);
                Ok(())
            },
        )?;
        if refused.is_empty() {
            continue;
        }
        refused.values_mut().for_each(|times| times.sort_unstable());
        let mut found: BTreeMap<[u32; 2], Draft> = BTreeMap::new();
        let allowed = of("decision:allowed outcome:success");
        scan(run, &allowed, run.span, &fields, &mut paths, &mut |hit, _| {
            let key: [u32; 2] = hit.values.try_into().expect("two fields were asked for");
            let Some(refused) = refused.get(&key) else { return Ok(()) };
            // The newest change before it, and a refusal before that, not too long ago.
            let change = changes.partition_point(|time| *time < hit.time).checked_sub(1);
            let Some(change) = change.map(|at| changes[at]) else { return Ok(()) };
            let refusal = refused.partition_point(|time| *time < change).checked_sub(1);
            if refusal.is_some_and(|at| hit.time <= refused[at].saturating_add(window)) {
                found.entry(key).or_default().add(hit);
            }
            Ok(())
        })?;
        for (key, mut draft) in found {
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
