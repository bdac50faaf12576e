//! Policies that an identity holds and that granted nothing within a window.

use std::collections::{HashMap, HashSet};

use crate::controls::control::Rule;
use crate::controls::draft::{Draft, EXCEPTIONS_MAX, Outcome, exactly};
use crate::controls::field::Field;
use crate::controls::hits::{Words, scan};
use crate::controls::run::{Run, Span};
use crate::count::{Measures, measure_in};
use crate::error::QueryError;
use crate::filter::{CountField, Filter};
use crate::interval::Interval;
use crate::period::rfc3339;

/// Every token has the first, and the second is asked of nothing.
const NOT_MEANT: [&str; 2] = ["default", "root"];

pub(super) fn unused_policy(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let window = run.length(rule.window.as_deref().unwrap_or("$window"));
    let min_days = run.param("min_days");
    let span = Span { from: run.span.to.saturating_sub(window), to: run.span.to };
    let since = rfc3339(run.log_from.max(span.from));
    let filter = run.filter(&rule.query);
    let question = run.question(&filter, span);
    let field = |name| CountField::parse(name, run.view.fields()).expect("a field of the grammar");
    let pairs = |policy| -> Result<HashMap<(String, String), u64>, QueryError> {
        let by = [field("identity"), field(policy)];
        let counts = measure_in(run.view, &question, &by, None, Measures::default())?;
        // Identity's name and key, then the policy.
        let pair = |values: Vec<Option<String>>| {
            let mut values = values.into_iter().skip(1);
            Some((values.next()??, values.next()??))
        };
        Ok(counts.rows.into_iter().filter_map(|row| Some((pair(row.values)?, row.count))).collect())
    };
    let (held, granting) = (pairs("held")?, pairs("policy")?);
    let day = Interval::parse("1d", &jiff::tz::TimeZone::UTC)?;
    let by_day =
        measure_in(run.view, &question, &[field("identity")], Some(&day), Measures::default())?;
    let mut days: HashMap<String, i64> = HashMap::new();
    for row in &by_day.rows {
        // from, to, name, key
        if let Some(Some(identity)) = row.values.get(3) {
            *days.entry(identity.clone()).or_default() += 1;
        }
    }
    let active: HashSet<&String> =
        days.iter().filter(|(_, days)| **days >= min_days).map(|(identity, _)| identity).collect();
    let mut outcome = Outcome { events: by_day.total, ..Outcome::default() };
    if run.log_from > span.from {
        outcome
            .missing
            .push(format!("the log begins at {since}, and the window at {}", rfc3339(span.from)));
    }
    for ((identity, policy), count) in held {
        let is_used = granting.contains_key(&(identity.clone(), policy.clone()));
        if is_used || !active.contains(&identity) || NOT_MEANT.contains(&policy.as_str()) {
            continue;
        }
        let subject = vec![(Field::Identity, Some(identity))];
        let of_policy = Filter::exactly("held", &policy).expect("a key of the grammar");
        let filter = Filter::all_of([filter.clone(), of_policy]);
        let exact = exactly(&filter, &subject);
        let mut draft = Draft {
            subject,
            apart: vec![("policy", policy)],
            filter: exact.clone(),
            ..Draft::default()
        };
        draft.said.insert("since", since.clone());
        if let Some(exact) = exact {
            scan(run, &exact, span, &[], &mut Words::default(), &mut |hit, _| {
                draft.add(hit);
                Ok(())
            })?;
        }
        debug_assert_eq!(draft.count, count);
        outcome.drafts.push(draft);
        if outcome.drafts.len() > EXCEPTIONS_MAX {
            return Err(QueryError::TooMany {
                what: "exceptions to one control",
                limit: EXCEPTIONS_MAX,
            });
        }
    }
    Ok(outcome)
}
