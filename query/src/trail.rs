//! An opened data folder: the index that answers and the ledger that proves.

use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use ingest::event::{Flag, Reason};
use ingest::index::EventIndex;
use ingest::index::document::{EVENT, GAP, UNDECODABLE};
use ingest::ledger::{InclusionProof, LedgerError, LedgerReader, StoredLine};
use ingest::normalise::Rules;
use ingest::source::LeafIndex;
use serde::Serialize;
use tantivy::Term;
use tantivy::collector::Count;
use tantivy::query::{BooleanQuery, Occur, Query, RangeQuery};

use crate::bounds::{BoundViews, Bounds};
use crate::error::QueryError;
use crate::history::View;
use crate::question::exact;
use crate::scan::{Places, Scan};
use crate::texts::Texts;
use crate::turn::Turn;

/// An opened data folder. Needs no lock; other processes may write meanwhile, and are seen by
/// [`Trail::refresh`]. Cheap to clone; all clones are of one opened folder.
#[derive(Clone)]
pub struct Trail {
    opened: Arc<Opened>,
    turn: Turn,
    bounds: Option<Arc<Bounds>>,
}

struct Opened {
    index: EventIndex,
    ledger: LedgerReader,
    view: RwLock<View>,
    bound: BoundViews,
}

/// What the index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Leaves covered.
    pub leaves: u64,
    /// Events, those that counts leave out included.
    pub events: u64,
    /// Events that nothing is known of until their response comes. A refusal that stands on the request line
    /// already (a quota, a burnt wrapping token) is decided, though no response ever follows it.
    pub pending: u64,
    /// Leaves, or torn pieces of one, that hold no entry.
    pub undecodable: u64,
    /// Times at which bytes are known to be missing.
    pub gaps: u64,
}

/// A leaf, or a torn piece of one, that holds no entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undecodable {
    /// The leaf.
    pub leaf: LeafIndex,
    /// cluster/node/device.
    pub source: Option<String>,
    /// Why not.
    pub why: Option<String>,
}

impl Trail {
    /// Opens a data folder.
    ///
    /// # Errors
    /// No ledger or no index there, or one that cannot be read; the message says what to do.
    pub fn open(data: &Path) -> Result<Trail, QueryError> {
        Trail::open_with(data, &data.join("index"))
    }

    /// Opens a data folder with another index than its own.
    ///
    /// # Errors
    /// As [`Trail::open`].
    pub fn open_with(data: &Path, index: &Path) -> Result<Trail, QueryError> {
        Trail::of(LedgerReader::open(data)?, index)
    }

    /// Opens a ledger with an index.
    pub(crate) fn of(ledger: LedgerReader, index: &Path) -> Result<Trail, QueryError> {
        let index = EventIndex::open(index)?;
        // The index may have been committed since the ledger was looked at, and names leaves of then.
        let size = ledger.refresh()?;
        let covered = index.snapshot().payload.covered;
        if covered > size {
            return Err(QueryError::IndexAhead { covered, size });
        }
        let view = RwLock::new(View::new(index.snapshot()));
        let bound = BoundViews::new();
        let opened = Opened { index, ledger, view, bound };
        Ok(Trail { opened: Arc::new(opened), turn: Turn::default(), bounds: None })
    }

    /// Returns the same folder as far as a reader who is bound sees it; without bounds, all of it.
    pub fn bound_to(&self, bounds: Option<Arc<Bounds>>) -> Trail {
        Trail { bounds, ..self.clone() }
    }

    /// Returns the same folder, whose views are for questions of this turn.
    pub fn within(&self, turn: Turn) -> Trail {
        Trail { turn, ..self.clone() }
    }

    /// Takes up what was written since. Views that were handed out stay what they are.
    ///
    /// # Errors
    /// The index or the ledger cannot be read; the earlier view stays.
    pub fn refresh(&self) -> Result<(), QueryError> {
        // The index first: it never covers more than the ledger has, so what it names is there.
        let opened = &*self.opened;
        opened.index.refresh()?;
        opened.ledger.refresh()?;
        let snapshot = opened.index.snapshot();
        let mut view = opened.view.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(view.snapshot(), &snapshot) {
            *view = view.next(snapshot);
        }
        Ok(())
    }

    /// Returns the newest view. Answers that have to agree with each other are asked of one view.
    pub fn view(&self) -> View {
        let view = self.opened.view.read().unwrap_or_else(PoisonError::into_inner).clone();
        let view = match &self.bounds {
            Some(bounds) => self.opened.bound.of(&view, bounds),
            None => view,
        };
        view.within(self.turn.clone())
    }

    /// Returns a line of a server; `None` if there is none, retention removed it, or it is out of the bounds: no event
    /// that the reader may see was made of it.
    ///
    /// # Errors
    /// The ledger or the index cannot be read.
    pub fn line(&self, leaf: LeafIndex) -> Result<Option<StoredLine>, QueryError> {
        if !self.shows(leaf)? {
            return Ok(None);
        }
        or_absent(self.ledger().line(leaf))
    }

    /// Proves that a leaf is in the tree of the newest checkpoint; `None` if it is not, or [`Trail::line`] gives none
    /// to a reader who is bound.
    ///
    /// # Errors
    /// As [`Trail::line`].
    pub fn prove(&self, leaf: LeafIndex) -> Result<Option<InclusionProof>, QueryError> {
        if !self.shows(leaf)? {
            return Ok(None);
        }
        Ok(or_absent(self.ledger().prove_inclusion(leaf))?.map(|(proof, _)| proof))
    }

    /// Tells whether a leaf is within the bounds.
    fn shows(&self, leaf: LeafIndex) -> Result<bool, QueryError> {
        if self.bounds.is_none() {
            return Ok(true);
        }
        let view = self.view();
        let is_of = |field| {
            let leaf = || Bound::Included(Term::from_field_u64(field, leaf.0));
            let query: Box<dyn Query> = Box::new(RangeQuery::new(leaf(), leaf()));
            (Occur::Should, query)
        };
        let fields = view.fields();
        let query =
            BooleanQuery::new([fields.leaf_request, fields.leaf_response].map(is_of).into());
        let mut found = false;
        for in_segment in Scan::new(&view, &query)?.segments() {
            in_segment.each(|_| found = true)?;
        }
        Ok(found)
    }

    /// Returns whose turn it is.
    pub(crate) fn turn(&self) -> &Turn {
        &self.turn
    }

    /// Returns the ledger.
    pub fn ledger(&self) -> &LedgerReader {
        &self.opened.ledger
    }

    /// Returns the rules by which whole events are made again from their lines.
    pub fn rules(&self) -> &'static Rules {
        Rules::builtin()
    }

    /// Tells whether the index was made by these rules. If not, a running keytrail is building it anew;
    /// until then rows and whole events may differ.
    pub fn is_of_these_rules(&self) -> bool {
        self.view().snapshot().payload.rules == self.rules().version()
    }
}

/// Tells what is not there from what cannot be read.
fn or_absent<T>(read: Result<T, LedgerError>) -> Result<Option<T>, QueryError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(
            LedgerError::OutOfRange { .. }
            | LedgerError::NotALine { .. }
            | LedgerError::Removed { .. },
        ) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl View {
    /// Returns what the index holds: events and requests within the bounds; what is said of completeness, of the whole
    /// log.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn totals(&self) -> Result<Totals, QueryError> {
        let (searcher, fields) = (self.searcher(), self.fields());
        let count =
            |field, text| searcher.search(&exact(field, text), &Count).map(|count| count as u64);
        let within = |query: &dyn Query| {
            Ok::<u64, QueryError>(searcher.search(&*self.bounded(query)?, &Count)? as u64)
        };
        // A request that several devices have waits once.
        let pending = BooleanQuery::new(vec![
            (Occur::Must, exact(fields.reason, Reason::Pending.as_str())),
            (Occur::MustNot, exact(fields.is, Flag::Copy.as_str())),
        ]);
        Ok(Totals {
            leaves: self.leaf(),
            events: within(&*exact(fields.doc, EVENT))?,
            pending: within(&pending)?,
            undecodable: count(fields.doc, UNDECODABLE)?,
            gaps: count(fields.doc, GAP)?,
        })
    }

    /// Returns the leaves that hold no entry, at most `limit`, the first ones in the ledger.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn undecodable(&self, limit: usize) -> Result<Vec<Undecodable>, QueryError> {
        let mut all = Vec::new();
        let query = exact(self.fields().doc, UNDECODABLE);
        for in_segment in Scan::new(self, &*query)?.segments() {
            let places = Places::open(in_segment.segment)?;
            let mut found = Vec::new();
            in_segment.each(|document| found.push((places.of(document).leaf, document)))?;
            found.sort_unstable();
            found.truncate(limit);
            let mut source = Texts::open(in_segment.segment, "source")?;
            let mut why = Texts::open(in_segment.segment, "error")?;
            let read = |texts: &mut Texts, document| match texts.first(document) {
                Ok(text) => Ok(text.map(|text| text.to_string())),
                Err(problem) => Err(tantivy::TantivyError::from(problem)),
            };
            for (leaf, document) in found {
                all.push(Undecodable {
                    leaf: LeafIndex(leaf),
                    source: read(&mut source, document)?,
                    why: read(&mut why, document)?,
                });
            }
            all.sort_unstable_by_key(|undecodable: &Undecodable| undecodable.leaf);
            all.truncate(limit);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests;
