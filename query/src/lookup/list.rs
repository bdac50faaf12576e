//! Lists of what the server gave out, with how each of it stood at an instant: the newest first, page by page.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Asked;
use super::life::State;
use crate::error::QueryError;
use crate::filter::Filter;
use crate::page::PageToken;
use crate::question::Question;
use crate::row::EventRow;
use crate::search;

/// How many issuing requests are read at first; more with each round, where many are left out.
const ROUND_MIN: usize = 256;
const ROUND_MAX: usize = 16_384;

/// Which leases or tokens are meant.
#[derive(Clone, Debug)]
pub struct GivenOut {
    /// Which requests gave them out.
    pub filter: Filter,
    /// Given out from this time on, in nanoseconds since 1970.
    pub from: Option<i64>,
    /// Given out before this time.
    pub to: Option<i64>,
    /// The instant of which is asked how they stood; absent or after the end of the log: when the log ends. What was
    /// asked for after it is left out.
    pub at: Option<i64>,
    /// Leave out what had ended by then.
    pub only_open: bool,
}

/// What a list says beside its rows.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Asks for the rows after these; absent if there is none.
    pub next: Option<PageToken>,
    /// How many requests fit, in all pages; exact.
    pub matched: u64,
    /// How those that were looked at for this page stood. They are all, unless there is a next page or was one before.
    pub states: BTreeMap<State, u64>,
    /// The instant, in nanoseconds since 1970.
    pub at: i64,
    /// When the log ends: after that nothing is known.
    pub log_ends: i64,
    /// How complete the log is.
    pub coverage: String,
    /// The answer holds for the leaves below this one.
    pub leaf: u64,
}

impl GivenOut {
    /// Tells whether the list has what stood so.
    pub(super) fn shows(&self, state: State) -> bool {
        !(self.only_open && state == State::Ended)
    }

    /// Returns the question for the requests: those of the filter that gave something out.
    fn question(&self, issuing: &str, at: i64) -> Question {
        let issuing = Filter::parse(issuing, Timestamp::UNIX_EPOCH).expect("a filter of ours");
        let until = at.saturating_add(1);
        Question {
            filter: Filter::all_of([self.filter.clone(), issuing]),
            from: self.from,
            to: Some(self.to.map_or(until, |to| to.min(until))),
            all: true,
            at: None,
        }
    }
}

impl Asked<'_> {
    /// Returns the instant of which is asked, and when the log ends.
    pub(super) fn instant(&self, given: &GivenOut) -> Result<(i64, i64), QueryError> {
        let log_ends = self.last_ns()?;
        Ok((given.at.map_or(log_ends, |at| at.min(log_ends)), log_ends))
    }

    /// Walks through the requests that gave something out, until `limit` (0: all) of them are shown. `each` shows
    /// one of them, unless the list leaves it out, and returns how what it gave out stood at the instant.
    pub(super) fn list<E: From<QueryError>>(
        &self,
        given: &GivenOut,
        issuing: &str,
        limit: usize,
        after: Option<&PageToken>,
        each: &mut dyn FnMut(EventRow) -> Result<State, E>,
    ) -> Result<Listed, E> {
        let (at, log_ends) = self.instant(given)?;
        let question = given.question(issuing, at);
        let coverage = self.view.coverage(None, None, Timestamp::now())?.sentence();
        let mut listed = Listed {
            next: None,
            matched: 0,
            states: BTreeMap::new(),
            at,
            log_ends,
            coverage,
            leaf: self.view.leaf(),
        };
        let (mut round, mut shown, mut after) = (ROUND_MIN, 0, after.copied());
        loop {
            let mut rows = Vec::new();
            let page =
                search::each_row(&self.view, &question, round, after.as_ref(), &mut |row| {
                    rows.push(row);
                    Ok::<(), QueryError>(())
                })?;
            listed.matched = page.matched;
            let count = rows.len();
            for (number, row) in rows.into_iter().enumerate() {
                let place = row.place();
                let state = each(row)?;
                *listed.states.entry(state).or_default() += 1;
                shown += usize::from(given.shows(state));
                if shown == limit && limit > 0 {
                    let is_last = number + 1 == count && page.next.is_none();
                    listed.next = (!is_last).then(|| PageToken::new(&question, place));
                    return Ok(listed);
                }
            }
            if page.next.is_none() {
                return Ok(listed);
            }
            after = page.next;
            round = ROUND_MAX.min(round * 4);
        }
    }
}
