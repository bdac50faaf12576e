//! Root tokens that another token gave out. Only a root token can, and which policies it gave stands in the answer alone:
//! so the few creations of tokens by root tokens are read back from their lines.

use std::collections::HashSet;

use crate::controls::control::Rule;
use crate::controls::draft::Outcome;
use crate::controls::each::each_of;
use crate::controls::hits::count;
use crate::controls::run::Run;
use crate::error::QueryError;
use crate::full::{events_in, find};

/// The most creations that are read back.
const READ_MAX: usize = 10_000;

pub(super) fn root_born(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let filter = run.filter(&rule.query);
    if count(run, &filter, run.span)? > READ_MAX as u64 {
        return Err(QueryError::TooMany {
            what: "creations of tokens by root tokens",
            limit: READ_MAX,
        });
    }
    let mut born = Vec::new();
    let question = run.question(&filter, run.span);
    events_in::<QueryError>(run.trail, run.view, &question, 0, None, &mut |event| {
        let given = event.issued_token.as_ref();
        if given.is_some_and(|given| given.policies.iter().any(|policy| policy == "root")) {
            born.push(event.uid);
        }
        Ok(())
    })?;
    let mut addresses = HashSet::new();
    for uid in born {
        addresses.extend(find(run.view, uid)?);
    }
    each_of(run, rule, &filter, run.span, &mut |hit, _| Ok(addresses.contains(&hit.address)))
}
