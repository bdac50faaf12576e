//! Root tokens that another token gave out. Only a root token can, and which policies it gave stands in the answer alone:
//! so the few creations of tokens by root tokens are read back from their lines.

use std::collections::HashSet;

use ingest::event::{AuditEvent, IssuedToken, Uid};

use crate::controls::control::Rule;
use crate::controls::draft::Outcome;
use crate::controls::each::each_of;
use crate::controls::hits::count;
use crate::controls::run::Run;
use crate::error::QueryError;
use crate::filter::Filter;
use crate::full::{events_in, find};

/// The most creations that are read back.
const READ_MAX: usize = 10_000;

/// A root token that another gave out.
pub(super) struct Born {
    pub(super) uid: Uid,
    pub(super) time: Option<i64>,
    pub(super) token: Option<String>,
    pub(super) accessor: Option<String>,
}

pub(super) fn root_born(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let filter = run.filter(&rule.query);
    let mut addresses = HashSet::new();
    for born in births(run, &filter)? {
        addresses.extend(find(run.view, born.uid)?);
    }
    each_of(run, rule, &filter, run.span, &mut |hit, _| Ok(addresses.contains(&hit.address)))
}

/// Returns the root tokens that the period's requests of a filter gave out.
pub(super) fn births(run: &Run<'_>, filter: &Filter) -> Result<Vec<Born>, QueryError> {
    if count(run, filter, run.span)? > READ_MAX as u64 {
        return Err(QueryError::TooMany {
            what: "creations of tokens by root tokens",
            limit: READ_MAX,
        });
    }
    let mut born = Vec::new();
    let question = run.question(filter, run.span);
    events_in::<QueryError>(run.trail, run.view, &question, 0, None, &mut |event| {
        let AuditEvent { uid, time, issued_token, .. } = event;
        let is_root = |given: &IssuedToken| given.policies.iter().any(|policy| policy == "root");
        if let Some(IssuedToken { token, accessor, .. }) = issued_token.filter(is_root) {
            born.push(Born { uid, time: time.map(|time| time.unix_ns), token, accessor });
        }
        Ok(())
    })?;
    Ok(born)
}
