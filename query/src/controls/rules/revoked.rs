//! When a token was revoked, as far as requests show it: by itself, by its hash, by its accessor, or with its parent.

use std::collections::HashMap;

use crate::controls::field::Field;
use crate::controls::hits::{Words, scan};
use crate::controls::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::{Filter, quoted};
use crate::row::Rows;
use crate::scan::Address;

/// How many parents are followed: of more, the chain is taken to end there.
const PARENTS_MAX: usize = 16;

/// Finds revocations, and remembers those of tokens that were asked for.
pub(super) struct Revocations<'a> {
    run: &'a Run<'a>,
    known: HashMap<String, Option<i64>>,
}

/// How a token came to be.
pub(super) struct Birth {
    pub(super) time: i64,
    /// The token that gave it out, and its accessor; none: it ends for itself.
    parent: Option<(String, Option<String>)>,
}

impl<'a> Revocations<'a> {
    pub(super) fn new(run: &'a Run<'a>) -> Revocations<'a> {
        Revocations { run, known: HashMap::new() }
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
            let own = self.own(&token, accessor.as_deref())?;
            ends = [ends, own].into_iter().flatten().min();
            next = self.birth(&token)?.and_then(|birth| birth.parent);
        }
        self.known.insert(token.to_owned(), ends);
        Ok(ends)
    }

    /// Returns when a token itself was revoked.
    fn own(&self, token: &str, accessor: Option<&str>) -> Result<Option<i64>, QueryError> {
        let (token, accessor) = (quoted(token), accessor.map(quoted));
        let hashes = [Some(&token), accessor.as_ref()].into_iter().flatten();
        let hashes = hashes.cloned().collect::<Vec<_>>().join(",");
        // A token may revoke itself under both paths.
        let text = format!(
            "action:token.revoke outcome:success (hash:{hashes} OR (token:{token} path:auth/token/revoke-self))"
        );
        Ok(self.first(&text)?.map(|(time, _)| time))
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
        let span = Span { from: run.log_from, to: run.log_to };
        let mut first = None;
        let fields: [Field; 0] = [];
        scan(run, &filter, span, &fields, &mut Words::default(), &mut |hit, _| {
            let this = (hit.time, hit.address);
            first = Some(first.map_or(this, |first: (i64, Address)| first.min(this)));
            Ok(())
        })?;
        Ok(first)
    }
}
