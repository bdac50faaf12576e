//! Secrets that are read and were not written for long.

use std::collections::{HashMap, HashSet};

use crate::controls::control::Rule;
use crate::controls::draft::Outcome;
use crate::controls::each::each_of;
use crate::controls::field::Field;
use crate::controls::hits::{Words, scan};
use crate::controls::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::Filter;
use crate::period::rfc3339;

/// The most secrets that are followed.
const SECRETS_MAX: usize = 1_000_000;

type Secret = (Option<String>, Option<String>);

pub(super) fn not_written(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let (age, recent) = (run.param_ns("age"), run.param_ns("recent"));
    let end = run.span.to;
    let of = |text: &str| Filter::parse(text, run.now).expect("a filter of ours");
    let written = of("action:secret.write decision:allowed outcome:success");
    let before = Span { from: run.log_from, to: end };
    let mut last: HashMap<Secret, i64> = HashMap::new();
    let mut words = Words::default();
    scan(run, &written, before, &[Field::Ns, Field::Path], &mut words, &mut |hit, words| {
        let of = [0, 1].map(|at| words.text(hit.values[at]).map(str::to_owned));
        let [ns, path] = of;
        let newest = last.entry((ns, path)).or_insert(hit.time);
        *newest = (*newest).max(hit.time);
        match last.len() > SECRETS_MAX {
            true => Err(QueryError::TooMany { what: "secrets", limit: SECRETS_MAX }),
            false => Ok(()),
        }
    })?;
    let read = Span { from: run.span.from.max(end.saturating_sub(recent)), to: end };
    let oldest = end.saturating_sub(age);
    // Of a secret that the log never shows written, nothing is known before the log begins.
    let mut unknown: HashSet<Secret> = HashSet::new();
    let mut outcome = each_of(run, rule, &run.filter(&rule.query), read, &mut |hit, words| {
        let [ns, path] = [0, 1].map(|at| words.text(hit.values[at]).map(str::to_owned));
        match last.get(&(ns.clone(), path.clone())) {
            Some(written) => Ok(*written < oldest),
            None if run.log_from <= oldest => Ok(true),
            None => {
                unknown.insert((ns, path));
                Ok(false)
            }
        }
    })?;
    for draft in &mut outcome.drafts {
        let value = |field| {
            let found = draft.subject.iter().find(|(of, _)| *of == field);
            found.and_then(|(_, value)| value.clone())
        };
        let written = match last.get(&(value(Field::Ns), value(Field::Path))) {
            Some(at) => format!("written last at {}", rfc3339(*at)),
            None => format!("not written since the log begins at {}", rfc3339(run.log_from)),
        };
        draft.said.insert("written", written);
    }
    if !unknown.is_empty() {
        outcome.missing.push(format!(
            "{} secrets were read and not written since the log begins at {}, which is later than {} before the end",
            unknown.len(),
            rfc3339(run.log_from),
            run.control.params["age"].default.text()
        ));
    }
    Ok(outcome)
}
