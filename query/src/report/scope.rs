//! Over what a report is made, and the queries that follow from it.

use std::collections::BTreeMap;

use ingest::index::document::uid_term;
use ingest::index::schema::Fields;
use jiff::Timestamp;
use tantivy::Searcher;
use tantivy::collector::Count;
use tantivy::query::{ExistsQuery, Query, TermSetQuery};

use super::ReportError;
use crate::coverage::Coverage;
use crate::filter::{Filter, Sets, all, any, not};
use crate::period::Period;
use crate::question::{LEFT_OUT, class, exact, within};

/// Over what a report is made.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Which events.
    pub filter: &'a Filter,
    /// When.
    pub period: &'a Period,
    /// Whether to count also what is left out unless asked for.
    pub all: bool,
    /// What a reader is bound to, if he is.
    pub bounds: Option<&'a dyn Query>,
    /// What the trail's history adds.
    pub sets: &'a dyn Sets,
    /// The ledger.
    pub origin: &'a str,
    /// How many of its leaves the index covers.
    pub leaf: u64,
    /// How complete the trail is over the period.
    pub coverage: &'a Coverage,
    /// From where the trail begins, if retention removed what was before.
    pub horizon: Option<&'a str>,
    /// When the report is made.
    pub now: Timestamp,
}

/// The events of a scope, as queries.
pub(super) struct Events {
    /// What fits the filter, whenever.
    pub(super) any_time: Box<dyn Query>,
    /// What fits filter and period.
    pub(super) matched: Box<dyn Query>,
    /// The same less what is left out.
    pub(super) counted: Box<dyn Query>,
    /// What is left out, by word.
    pub(super) left_out: BTreeMap<&'static str, Box<dyn Query>>,
}

impl Scope<'_> {
    pub(super) fn events(&self, fields: &Fields) -> Events {
        let mut clauses = vec![self.filter.query(fields, self.sets), exact(fields.doc, "event")];
        clauses.extend(self.bounds.map(|bounds| bounds.box_clone()));
        let any_time = all(clauses);
        let matched = match within(fields.time, self.period.from, self.period.to) {
            None => any_time.box_clone(),
            Some(within) => all(vec![any_time.box_clone(), within]),
        };
        let mut left_out = BTreeMap::new();
        for word in LEFT_OUT {
            if !self.all && !self.filter.asks_for(word) {
                left_out.insert(word, all(vec![matched.box_clone(), class(word, fields)]));
            }
        }
        let counted = if left_out.is_empty() {
            matched.box_clone()
        } else {
            let out = left_out.values().map(|query| query.box_clone()).collect();
            all(vec![matched.box_clone(), not(any(out))])
        };
        Events { any_time, matched, counted, left_out }
    }
}

/// Counts the documents of a query.
pub(super) fn count(searcher: &Searcher, query: &dyn Query) -> Result<u64, ReportError> {
    Ok(searcher.search(query, &Count)? as u64)
}

/// Counts those of the query's events that no period can hold.
pub(super) fn without_time(searcher: &Searcher, query: &dyn Query) -> Result<u64, ReportError> {
    let timed: Box<dyn Query> = Box::new(ExistsQuery::new("time".to_owned(), false));
    count(searcher, &*all(vec![query.box_clone(), not(timed)]))
}

/// Counts those of the query's events that are forwarded and have no twin.
pub(super) fn no_twin(
    searcher: &Searcher,
    fields: &Fields,
    query: &dyn Query,
    sets: &dyn Sets,
) -> Result<u64, ReportError> {
    let uids = sets.no_twin();
    let terms = uids.iter().map(|&uid| uid_term(fields, uid));
    count(searcher, &*all(vec![query.box_clone(), Box::new(TermSetQuery::new(terms))]))
}
