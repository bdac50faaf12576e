//! What a reader is bound to: of the trail nothing else is there for him.
//!
//! Bounds are applied where answers are made of documents, so that no question can pass them by:
//!
//! | where | how |
//! |---|---|
//! | `crate::part::Part` | of a bound view a part holds no other events: selections, counts, completion |
//! | `crate::scan::Scan` | asks for the bounds beside its query: single events, tails, names of tokens |
//! | [`crate::trail::Trail::line`] | gives a line, and proves it, only if one of these events was made of it |
//!
//! What is said of completeness (sources, gaps, lines that do not decode, links between nodes) is said of the whole
//! log: what is missing there may be missing here.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ingest::index::document::NO_EVENTS;
use lru::LruCache;
use tantivy::query::Query;

use crate::error::QueryError;
use crate::filter::{Filter, all, not};
use crate::history::View;
use crate::kept::Kept;
use crate::period::rfc3339;
use crate::question::{exact, within};

/// Views that are kept for readers with bounds of their own.
const VIEWS_MAX: usize = 8;
/// What each of them keeps of earlier answers, in bytes.
const KEPT_BYTES: usize = 8 << 20;

/// Which events a reader may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    filter: Filter,
    from: Option<i64>,
    to: Option<i64>,
}

impl Bounds {
    /// Returns the bounds: events that pass the filter, not before `from` and before `to`, in nanoseconds since 1970.
    /// With either end, events without a time are out of bounds.
    pub fn new(filter: Filter, from: Option<i64>, to: Option<i64>) -> Bounds {
        Bounds { filter, from, to }
    }

    /// Says them to people: `what fits "path:secret/**", from 2026-07-01T00:00:00Z to 2026-10-01T00:00:00Z`.
    pub fn sentence(&self) -> String {
        let mut parts = Vec::new();
        if !self.filter.is_everything() {
            parts.push(format!("what fits {}", self.filter));
        }
        if let Some(from) = self.from {
            parts.push(format!("from {} on", rfc3339(from)));
        }
        if let Some(to) = self.to {
            parts.push(format!("before {}", rfc3339(to)));
        }
        if parts.is_empty() { "everything".to_owned() } else { parts.join(", ") }
    }

    /// Returns the part of a stretch of time that lies in the bounds.
    pub(crate) fn cut(&self, from: Option<i64>, to: Option<i64>) -> (Option<i64>, Option<i64>) {
        let to = [to, self.to].into_iter().flatten().min();
        (from.max(self.from), to)
    }
}

/// The bounds of a view, and the view that has none.
pub(crate) struct Bound {
    pub(crate) bounds: Arc<Bounds>,
    pub(crate) whole: View,
    query: OnceLock<Box<dyn Query>>,
}

impl Bound {
    pub(crate) fn new(bounds: Arc<Bounds>, whole: View) -> Bound {
        Bound { bounds, whole, query: OnceLock::new() }
    }

    /// Returns the query for the events within. What the filter needs to know of history is that of the whole trail.
    pub(crate) fn query(&self, whole: &View) -> Result<Box<dyn Query>, QueryError> {
        if let Some(query) = self.query.get() {
            return Ok(query.box_clone());
        }
        let Bounds { filter, from, to } = &*self.bounds;
        let sets = whole.sets();
        let mut clauses = vec![filter.query(whole.fields(), &sets)];
        sets.finish()?;
        clauses.extend(NO_EVENTS.map(|doc| not(exact(whole.fields().doc, doc))));
        clauses.extend(within(whole.fields().time, *from, *to));
        Ok(self.query.get_or_init(|| all(clauses)).box_clone())
    }

    /// Tells whether what lies in the bounds depends on other lines than an event's own.
    pub(crate) fn asks_history(&self) -> bool {
        self.bounds.filter.asks_history()
    }
}

/// The newest view for each of the bounds that are in use.
pub(crate) struct BoundViews(Mutex<LruCache<String, View>>);

impl BoundViews {
    pub(crate) fn new() -> BoundViews {
        let most = NonZeroUsize::new(VIEWS_MAX).expect("not zero");
        BoundViews(Mutex::new(LruCache::new(most)))
    }

    /// Returns what of a view lies in the bounds.
    pub(crate) fn of(&self, whole: &View, bounds: &Arc<Bounds>) -> View {
        let key = format!("{bounds:?}");
        let mut views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = views.get(&key);
        if let Some(view) = earlier.filter(|view| Arc::ptr_eq(view.snapshot(), whole.snapshot())) {
            return view.clone();
        }
        let view = whole.bound(bounds.clone(), earlier, || Arc::new(Kept::new(KEPT_BYTES)));
        views.put(key, view.clone());
        view
    }
}

#[cfg(test)]
mod tests;
