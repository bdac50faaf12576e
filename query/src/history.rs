//! What an event's meaning owes to other lines: texts of hashes, holders of tokens, salts, twins.
//!
//! An event never changes by what came after it, so all this is applied when reading. The sets are those
//! of one commit of the index and have no order: the same lines give the same sets, however they came in.
//! Texts and holders are looked up in the index's term dictionaries; nothing of them is held in memory.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use ingest::event::{AuditEvent, Reason, Uid};
use ingest::index::Snapshot;
use ingest::index::schema::Fields;
use ingest::retention::Retention;
use tantivy::Searcher;
use tantivy::query::Query;

use crate::abreast::abreast;
use crate::bounds::{Bound, Bounds};
use crate::coverage::{Coverage, Told};
use crate::error::QueryError;
use crate::filter::{Glob, Sets, all};
use crate::full::find;
use crate::kept::{KEPT_BYTES, Kept};
use crate::made::Made;
use crate::part::{self, Part, PartKey};
use crate::scan::Scan;
use crate::turn::Turn;
use crate::twins::Twins;

mod halves;
mod learned;
mod salts;

use self::salts::Probes;

/// One commit of the index and the history it holds. Answers given in one view agree with each other. Cheap
/// to clone; all clones share what was found out once.
#[derive(Clone)]
pub struct View {
    shared: Arc<Shared>,
    turn: Turn,
}

/// What all views of one commit have in common.
struct Shared {
    snapshot: Arc<Snapshot>,
    twins: OnceLock<Twins>,
    probes: OnceLock<Probes>,
    /// What records tell of coverage.
    told: OnceLock<Told>,
    /// How complete the trail is over the whole time.
    coverage: OnceLock<Arc<Coverage>>,
    /// From where answers begin.
    retention: OnceLock<Retention>,
    /// What was made of all lines.
    made: OnceLock<Made>,
    /// What is known of each segment.
    parts: Vec<OnceLock<Arc<Part>>>,
    kept: Arc<Kept>,
    /// What the view's reader is bound to.
    bound: Option<Bound>,
}

impl View {
    /// Returns the view of a snapshot, whose questions may take as long as they need.
    pub fn new(snapshot: Arc<Snapshot>) -> View {
        View::of(snapshot, Arc::new(Kept::new(KEPT_BYTES)), &HashMap::new(), None)
    }

    /// Returns the view of a later snapshot, which takes over what is known of the parts of the index that both
    /// have.
    pub fn next(&self, snapshot: Arc<Snapshot>) -> View {
        View::of(snapshot, self.shared.kept.clone(), &self.known(), None)
    }

    /// Returns what of this view lies in the bounds. `earlier` is such a view of an earlier snapshot.
    pub(crate) fn bound(
        &self,
        bounds: Arc<Bounds>,
        earlier: Option<&View>,
        kept: impl FnOnce() -> Arc<Kept>,
    ) -> View {
        let whole = self.within(Turn::default());
        let bound = Bound::new(bounds, whole);
        let (kept, known) = match earlier {
            // What lay in the bounds then may not now: nothing is taken over.
            Some(earlier) if !bound.asks_history() => {
                (earlier.shared.kept.clone(), earlier.known())
            }
            _ => (kept(), HashMap::new()),
        };
        View::of(self.snapshot().clone(), kept, &known, Some(bound))
    }

    /// Returns what is known of this view's parts.
    fn known(&self) -> HashMap<PartKey, Arc<Part>> {
        let known = self.shared.parts.iter().filter_map(OnceLock::get);
        known.map(|part| (part.key, part.clone())).collect()
    }

    fn of(
        snapshot: Arc<Snapshot>,
        kept: Arc<Kept>,
        known: &HashMap<PartKey, Arc<Part>>,
        bound: Option<Bound>,
    ) -> View {
        let part = |segment| known.get(&part::key(segment)).cloned();
        let segments = snapshot.searcher.segment_readers().iter();
        let parts =
            segments.map(|segment| part(segment).map_or_else(OnceLock::new, OnceLock::from));
        let shared = Shared {
            parts: parts.collect(),
            kept,
            snapshot,
            twins: OnceLock::new(),
            probes: OnceLock::new(),
            told: OnceLock::new(),
            coverage: OnceLock::new(),
            retention: OnceLock::new(),
            made: OnceLock::new(),
            bound,
        };
        View { shared: Arc::new(shared), turn: Turn::default() }
    }

    /// Returns what is known of a segment.
    pub(crate) fn part(&self, segment: u32) -> Result<&Arc<Part>, QueryError> {
        let place = &self.shared.parts[segment as usize];
        if let Some(part) = place.get() {
            return Ok(part);
        }
        let reader = self.searcher().segment_reader(segment);
        let part = match &self.shared.bound {
            None => Part::read(reader)?,
            Some(bound) => {
                let whole = self.whole();
                let mut documents = Vec::new();
                let scan = Scan::new(&whole, &*bound.query(&whole)?)?;
                scan.segment(segment).each(|document| documents.push(document))?;
                whole.part(segment)?.only(reader, &documents)
            }
        };
        Ok(place.get_or_init(|| Arc::new(part)))
    }

    /// Reads what is known of all segments, several at a time.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(crate) fn read_parts(&self) -> Result<(), QueryError> {
        let unread = (0..).zip(&self.shared.parts).filter(|(_, part)| part.get().is_none());
        let unread: Vec<u32> = unread.map(|(number, _)| number).collect();
        let read = |number| self.part(number).map(|_| ());
        abreast(unread, read).into_iter().collect()
    }

    /// Returns what the reader is bound to; `None`: he sees the whole trail.
    pub fn bounds(&self) -> Option<&Bounds> {
        self.shared.bound.as_ref().map(|bound| &*bound.bounds)
    }

    /// Returns the same commit without bounds, for what is said of the whole log.
    pub(crate) fn whole(&self) -> View {
        match &self.shared.bound {
            Some(bound) => bound.whole.within(self.turn.clone()),
            None => self.clone(),
        }
    }

    /// Returns the query for those of its documents that lie in the bounds.
    pub(crate) fn bounded(&self, query: &dyn Query) -> Result<Box<dyn Query>, QueryError> {
        match &self.shared.bound {
            Some(bound) => Ok(all(vec![query.box_clone(), bound.query(&self.whole())?])),
            None => Ok(query.box_clone()),
        }
    }

    /// Returns the place for what was made of all lines.
    pub(crate) fn known_made(&self) -> &OnceLock<Made> {
        &self.shared.made
    }

    /// Returns the answers that are kept.
    pub(crate) fn kept(&self) -> &Kept {
        &self.shared.kept
    }

    /// Returns the same view for questions of this turn.
    pub fn within(&self, turn: Turn) -> View {
        View { shared: self.shared.clone(), turn }
    }

    /// Returns the turn of this view's questions.
    pub fn turn(&self) -> &Turn {
        &self.turn
    }

    /// Returns the commit.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.shared.snapshot
    }

    /// Returns the commit's searcher.
    pub(crate) fn searcher(&self) -> &Searcher {
        &self.shared.snapshot.searcher
    }

    /// Returns the index's fields.
    pub fn fields(&self) -> &Fields {
        &self.shared.snapshot.fields
    }

    /// Returns up to which leaf answers hold: those below it are covered.
    pub fn leaf(&self) -> u64 {
        self.shared.snapshot.payload.covered
    }

    /// Returns what own lines say of retention: from where answers begin.
    pub fn retention(&self) -> &Retention {
        // The commit's payload holds what indexing goes on with, too, and is long.
        let retention = || Retention::of(&self.shared.snapshot.payload);
        self.shared.retention.get_or_init(retention)
    }

    /// Returns the event that another node made of a forwarded one, if it lies in the bounds.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn twin(&self, forwarded: Uid) -> Result<Option<Uid>, QueryError> {
        match self.twins()?.twin(forwarded) {
            Some(twin) if self.bounds().is_some() => Ok(find(self, twin)?.map(|_| twin)),
            twin => Ok(twin),
        }
    }

    /// Returns the forwarded events without a twin: not carried out, or the other node's log is missing.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn without_twin(&self) -> Result<&BTreeSet<Uid>, QueryError> {
        Ok(self.twins()?.without())
    }

    /// Fills in what history knows of an event: salt, and who a refused token belonged to.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn fill_in(&self, event: &mut AuditEvent) -> Result<(), QueryError> {
        event.salt = self.salt(event)?;
        if event.reason == Reason::Token
            && let Some(token) = &event.identity.token
        {
            event.identity.former_name = self.former_name(token)?;
        }
        Ok(())
    }

    /// Returns the sets that a filter asks for; [`HistorySets::finish`] tells whether they are true.
    pub fn sets(&self) -> HistorySets<'_> {
        HistorySets { view: self, problem: RefCell::new(None) }
    }

    fn twins(&self) -> Result<&Twins, QueryError> {
        if let Some(twins) = self.shared.twins.get() {
            return Ok(twins);
        }
        let twins = match &self.shared.bound {
            None => Twins::find(self)?,
            // Who carried a request out is a fact of the whole log.
            Some(_) => self.whole().twins()?.of_view(self)?,
        };
        Ok(self.shared.twins.get_or_init(|| twins))
    }

    /// Returns the place for what records tell of coverage.
    pub(crate) fn known_told(&self) -> &OnceLock<Told> {
        &self.shared.told
    }

    /// Returns the place for how complete the trail is over the whole time.
    pub(crate) fn known_coverage(&self) -> &OnceLock<Arc<Coverage>> {
        &self.shared.coverage
    }
}

/// A view's history as a filter asks for it. A filter's question cannot fail, reading the index can: what
/// went wrong is kept until [`HistorySets::finish`].
pub struct HistorySets<'a> {
    view: &'a View,
    problem: RefCell<Option<QueryError>>,
}

impl HistorySets<'_> {
    /// Ends the asking.
    ///
    /// # Errors
    /// A set could not be read; whatever was made of it is not to be used.
    pub fn finish(self) -> Result<(), QueryError> {
        self.problem.into_inner().map_or(Ok(()), Err)
    }

    fn or_keep<T: Default>(&self, answer: Result<T, QueryError>) -> T {
        answer.unwrap_or_else(|problem| {
            self.problem.borrow_mut().get_or_insert(problem);
            T::default()
        })
    }
}

impl Sets for HistorySets<'_> {
    fn role_hashes(&self, role: &str) -> Vec<String> {
        self.or_keep(self.view.hashes_of(role).map(Vec::from_iter))
    }

    fn role_hashes_like(&self, roles: &Glob) -> Vec<String> {
        self.or_keep(self.view.hashes_like(roles).map(Vec::from_iter))
    }

    fn no_twin(&self) -> Vec<Uid> {
        self.or_keep(self.view.without_twin().map(|uids| uids.iter().copied().collect()))
    }
}

#[cfg(test)]
mod tests;
