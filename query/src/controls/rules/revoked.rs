//! When a token was revoked, as far as requests show it: by itself, by its hash, by its accessor, or with its parent.

use std::collections::HashMap;

use crate::controls::field::Field;
use crate::controls::hits::{Words, count, scan};
use crate::controls::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::{Filter, quoted};
use crate::full::events_in;
use crate::question::Question;
use crate::rows::Rows;
use crate::scan::Address;

/// How many parents are followed: of more, the chain is taken to end there.
const PARENTS_MAX: usize = 16;

/// The most revocations of other tokens than one's own: each is read back, since the hash that it names is no column.
const READ_MAX: u64 = 50_000;

/// Revocations of tokens in the whole log.
pub(super) struct Revocations<'a> {
    run: &'a Run<'a>,
    /// When a token revoked itself.
    own: HashMap<String, i64>,
    /// When a token or accessor was named by a revocation, by its hash.
    named: HashMap<String, i64>,
    /// Tokens made tokens, so that one may have ended with another.
    has_children: bool,
    known: HashMap<String, Option<i64>>,
}

/// How a token came to be.
pub(super) struct Birth {
    pub(super) time: i64,
    /// The token that gave it out, and its accessor; none: it ends for itself.
    parent: Option<(String, Option<String>)>,
}

impl<'a> Revocations<'a> {
    pub(super) fn read(run: &'a Run<'a>) -> Result<Revocations<'a>, QueryError> {
        let of = |text: &str| Filter::parse(text, run.now).expect("a filter of ours");
        let (mut own, mut named) = (HashMap::new(), HashMap::new());
        let earliest = |map: &mut HashMap<String, i64>, hash: &str, time: i64| {
            let known = map.entry(hash.to_owned()).or_insert(time);
            *known = (*known).min(time);
        };
        let by_itself = of("action:token.revoke outcome:success path:auth/token/revoke-self");
        let mut words = Words::default();
        scan(run, &by_itself, whole(run), &[Field::Token], &mut words, &mut |hit, words| {
            if let Some(token) = words.text(hit.values[0]) {
                earliest(&mut own, token, hit.time);
            }
            Ok(())
        })?;
        let others = of("action:token.revoke outcome:success -path:auth/token/revoke-self");
        if count(run, &others, whole(run))? > READ_MAX {
            let what = "revocations of other tokens";
            return Err(QueryError::TooMany { what, limit: READ_MAX as usize });
        }
        let question: Question = run.question(&others, whole(run));
        events_in::<QueryError>(run.trail, run.view, &question, 0, None, &mut |event| {
            if let Some(time) = &event.time {
                event.hmacs.values().for_each(|hash| earliest(&mut named, hash, time.unix_ns));
            }
            Ok(())
        })?;
        let has_children = count(run, &of("action:token.create outcome:success"), whole(run))? > 0;
        Ok(Revocations { run, own, named, has_children, known: HashMap::new() })
    }

    /// Returns when a token ended by a request, until the end of the log.
    pub(super) fn of(
        &mut self,
        token: &str,
        accessor: Option<&str>,
    ) -> Result<Option<i64>, QueryError> {
        if let Some(known) = self.known.get(token) {
            return Ok(*known);
        }
        let mut ends = None;
        let mut next = Some((token.to_owned(), accessor.map(str::to_owned)));
        for _ in 0..PARENTS_MAX {
            let Some((token, accessor)) = next else { break };
            let by_accessor = accessor.and_then(|accessor| self.named.get(&accessor));
            let found = [ends.as_ref(), self.own.get(&token), self.named.get(&token), by_accessor];
            ends = found.into_iter().flatten().min().copied();
            next = match self.has_children {
                true => self.birth(&token)?.and_then(|birth| birth.parent),
                false => None,
            };
        }
        self.known.insert(token.to_owned(), ends);
        Ok(ends)
    }

    /// Returns the request that gave a token out by `auth/token/create`.
    pub(super) fn birth(&self, token: &str) -> Result<Option<Birth>, QueryError> {
        let text = format!("action:token.create outcome:success hash:{}", quoted(token));
        let Some((time, address)) = self.first(&text)? else { return Ok(None) };
        let row = Rows::new(self.run.view).row(address)?;
        let is_orphan = row.path.as_deref() == Some("auth/token/create-orphan")
            || self.first(&format!("{text} data_key:request.data.no_parent"))?.is_some();
        let parent = row.token.filter(|_| !is_orphan).map(|parent| (parent, row.accessor));
        Ok(Some(Birth { time, parent }))
    }

    fn first(&self, text: &str) -> Result<Option<(i64, Address)>, QueryError> {
        let run = self.run;
        let filter = Filter::parse(text, run.now).expect("a filter of ours");
        let mut first = None;
        scan(run, &filter, whole(run), &[], &mut Words::default(), &mut |hit, _| {
            let this = (hit.time, hit.address);
            first = Some(first.map_or(this, |first: (i64, Address)| first.min(this)));
            Ok(())
        })?;
        Ok(first)
    }
}

/// The whole log: a token may be revoked after the period, and have been made before it.
fn whole(run: &Run<'_>) -> Span {
    Span { from: run.log_from, to: run.log_to }
}
