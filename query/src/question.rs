//! What is asked, and what an answer leaves out.

use std::collections::BTreeMap;
use std::ops::Bound;

use ingest::event::Flag;
use ingest::index::class::LEFT_OUT;
use ingest::index::document::{NO_EVENTS, state_word};
use ingest::index::schema::Fields;
use ingest::pairing::State;
use serde::Serialize;
use tantivy::Term;
use tantivy::collector::Count;
use tantivy::query::{BooleanQuery, Occur, Query, RangeQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use utoipa::ToSchema;

use crate::error::QueryError;
use crate::filter::Filter;
use crate::history::View;

/// A question: which events, of which time.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Which events.
    pub filter: Filter,
    /// Not before this, in nanoseconds since 1970. With either bound, events without a time are not meant.
    pub from: Option<i64>,
    /// Before this.
    pub to: Option<i64>,
    /// Also what answers leave out unless asked: copy, forwarded, late, system.
    pub all: bool,
    /// Only events issued by a leaf below this one, so that the same question has the same answer tomorrow.
    /// A request that still waits for its response is not issued yet, and not meant.
    pub at: Option<u64>,
}

/// How many events fit the question and are not in the answer, by the word under which they are left out:
/// copy, forwarded, late, system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
pub struct LeftOut(pub BTreeMap<&'static str, u64>);

impl LeftOut {
    /// Returns how many in all.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

type Clause = (Occur, Box<dyn Query>);

impl Question {
    /// Returns the question for every event that counts.
    pub fn everything() -> Question {
        Question { filter: Filter::everything(), from: None, to: None, all: false, at: None }
    }

    /// Returns the leaf as of which a view answers it: the one it names, as far as that is there.
    pub fn answered_at(&self, view: &View) -> u64 {
        self.at.map_or(view.leaf(), |at| at.min(view.leaf()))
    }

    /// Returns a number that tells this question from others, the same in every process.
    pub(crate) fn fingerprint(&self) -> u64 {
        let Question { filter, from, to, all, at } = self;
        let text = format!("{filter}\n{from:?}\n{to:?}\n{all}\n{at:?}");
        // FNV-1a: nobody gains by forging a page token, and std's hash differs between versions of Rust.
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        })
    }

    /// Tells whether there is an answer for the question's leaf yet.
    pub(crate) fn check(&self, view: &View) -> Result<(), QueryError> {
        match self.at {
            Some(at) if at > view.leaf() => Err(QueryError::NotYet { at, leaf: view.leaf() }),
            _ => Ok(()),
        }
    }

    /// Returns the query for the events that the answer is made of.
    pub(crate) fn query(&self, view: &View) -> Result<Box<dyn Query>, QueryError> {
        let mut clauses = self.fitting(view)?;
        for word in self.left_out_words() {
            clauses.push((Occur::MustNot, class(word, view.fields())));
        }
        Ok(Box::new(BooleanQuery::new(clauses)))
    }

    /// Returns how many events fit and are left out.
    pub(crate) fn left_out(&self, view: &View) -> Result<LeftOut, QueryError> {
        let mut left_out = BTreeMap::new();
        for word in self.left_out_words() {
            let mut clauses = self.fitting(view)?;
            clauses.push((Occur::Must, class(word, view.fields())));
            let query = view.bounded(&BooleanQuery::new(clauses))?;
            let count = view.searcher().search(&*query, &Count)? as u64;
            if count > 0 {
                left_out.insert(word, count);
            }
        }
        Ok(LeftOut(left_out))
    }

    fn left_out_words(&self) -> impl Iterator<Item = &'static str> {
        LEFT_OUT.into_iter().filter(|word| !self.all && !self.filter.asks_for(word))
    }

    /// The clauses for what fits, left out or not.
    fn fitting(&self, view: &View) -> Result<Vec<Clause>, QueryError> {
        let fields = view.fields();
        let sets = view.sets();
        let filter = self.filter.query(fields, &sets);
        sets.finish()?;
        let mut clauses = vec![(Occur::Must, filter)];
        clauses.extend(NO_EVENTS.map(|doc| (Occur::MustNot, exact(fields.doc, doc))));
        let within = within(fields.time, self.from, self.to);
        clauses.extend(within.map(|query| (Occur::Must, query)));
        self.check(view)?;
        if let Some(leaf) = self.at {
            clauses.push((Occur::Must, issued_below(fields, leaf)));
            clauses.push((Occur::MustNot, exact(fields.state, state_word(State::Pending))));
        }
        Ok(clauses)
    }
}

/// The events that `AuditEvent::left_out` gives this word: a copy is nothing else, and lateness goes before
/// the reason.
pub(crate) fn class(word: &'static str, fields: &Fields) -> Box<dyn Query> {
    let flag = |flag: Flag| exact(fields.is, flag.as_str());
    if word == Flag::Copy.as_str() {
        return flag(Flag::Copy);
    }
    let mut clauses = vec![(Occur::MustNot, flag(Flag::Copy))];
    if word == Flag::Late.as_str() {
        clauses.push((Occur::Must, flag(Flag::Late)));
    } else {
        clauses.push((Occur::Must, exact(fields.reason, word)));
        clauses.push((Occur::MustNot, flag(Flag::Late)));
    }
    Box::new(BooleanQuery::new(clauses))
}

/// The documents of this stretch of time, if it has an end at all.
pub(crate) fn within(time: Field, from: Option<i64>, to: Option<i64>) -> Option<Box<dyn Query>> {
    if from.is_none() && to.is_none() {
        return None;
    }
    let time = |ns| Term::from_field_i64(time, ns);
    let from = from.map_or(Bound::Unbounded, |from| Bound::Included(time(from)));
    let to = to.map_or(Bound::Unbounded, |to| Bound::Excluded(time(to)));
    Some(Box::new(RangeQuery::new(from, to)))
}

/// The events that a leaf below this one issued.
fn issued_below(fields: &Fields, leaf: u64) -> Box<dyn Query> {
    let below = Bound::Excluded(Term::from_field_u64(fields.issued_leaf, leaf));
    Box::new(RangeQuery::new(Bound::Unbounded, below))
}

/// The documents with this term.
pub(crate) fn exact(field: Field, text: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic))
}
