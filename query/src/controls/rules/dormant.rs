//! Identities that came, and then no more for so long. One that was never seen is not in the log.

use std::collections::HashSet;

use crate::controls::control::Rule;
use crate::controls::draft::{EXCEPTIONS_MAX, Outcome};
use crate::controls::each::each_of;
use crate::controls::field::Field;
use crate::controls::hits::{Words, scan};
use crate::controls::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::Filter;
use crate::period::rfc3339;

pub(super) fn dormant(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let idle = run.length(rule.window.as_deref().unwrap_or("$idle"));
    let middle = run.span.to.saturating_sub(idle);
    if run.log_from > middle {
        return Ok(Outcome::lacking(format!(
            "the log begins at {}, so nothing is known of who came before {}",
            rfc3339(run.log_from),
            rfc3339(middle)
        )));
    }
    let since = Span { from: middle, to: run.span.to };
    let mut words = Words::default();
    let mut active: HashSet<String> = HashSet::new();
    let everything = Filter::everything();
    scan(run, &everything, since, &[Field::Identity], &mut words, &mut |hit, words| {
        if let Some(identity) = words.text(hit.values[0])
            && !active.contains(identity)
        {
            active.insert(identity.to_owned());
        }
        match active.len() > EXCEPTIONS_MAX * 10 {
            true => Err(QueryError::Groups { limit: EXCEPTIONS_MAX * 10 }),
            false => Ok(()),
        }
    })?;
    let before = Span { from: middle.saturating_sub(idle), to: middle };
    each_of(run, rule, &run.filter(&rule.query), before, &mut |hit, words| {
        Ok(words.text(hit.values[0]).is_some_and(|identity| !active.contains(identity)))
    })
}
