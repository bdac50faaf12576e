//! What an event's meaning owes to other lines: texts of hashes, holders of tokens, salts, twins.
//!
//! An event never changes by what came after it, so all this is applied when reading. The sets are those
//! of one commit of the index and have no order: the same lines give the same sets, however they came in.
//! Texts and holders are looked up in the index's term dictionaries; nothing of them is held in memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use ingest::event::{AuditEvent, Reason, Uid};
use ingest::index::Snapshot;
use ingest::index::class::NONE;
use ingest::index::document::{HALF, value};
use ingest::index::schema::Fields;
use ingest::retention::Retention;
use tantivy::postings::TermInfo;
use tantivy::query::{BooleanQuery, Occur, Query};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, InvertedIndexReader, Searcher, TERMINATED};

use crate::abreast::abreast;
use crate::bounds::{Bound, Bounds};
use crate::coverage::{Coverage, Told};
use crate::error::QueryError;
use crate::filter::{Glob, Sets, all};
use crate::full::find;
use crate::kept::{KEPT_BYTES, Kept};
use crate::made::Made;
use crate::part::{self, Part, PartKey};
use crate::question::exact;
use crate::scan::{CHECK_EVERY, Places, Scan};
use crate::texts::Texts;
use crate::turn::Turn;
use crate::twins::Twins;

mod halves;

/// The path of the line that an audit device writes when it is enabled, with a new salt.
const PROBE_PATH: &str = "sys/audit/test";

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

/// When a device was enabled, by cluster and device, ascending.
type Probes = BTreeMap<(Arc<str>, Arc<str>), Vec<i64>>;

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

    /// Returns the texts that lines show for a hash; more than one only if lines contradict each other.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn texts_of(&self, hash: &str) -> Result<BTreeSet<String>, QueryError> {
        self.other_halves(self.fields().learned, hash)
    }

    /// Returns the hashes of a text: one for each salt under which a line shows it.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn hashes_of(&self, text: &str) -> Result<BTreeSet<String>, QueryError> {
        let mut hashes = self.other_halves(self.fields().learned_text, &value(text))?;
        // Of a longer text that begins with this one and HALF, what follows is no hash.
        hashes.retain(|hash| !hash.contains(HALF));
        Ok(hashes)
    }

    /// Returns the names of who held a token.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn token_names(&self, token: &str) -> Result<BTreeSet<String>, QueryError> {
        let mut names = BTreeSet::new();
        let query = exact(self.fields().token, &value(token));
        for in_segment in Scan::new(self, &*query)?.segments() {
            let mut documents = Vec::new();
            in_segment.each(|document| documents.push(document))?;
            if documents.is_empty() {
                continue;
            }
            let Some(column) = in_segment.segment.fast_fields().str("identity_name")? else {
                continue;
            };
            let ordinals: BTreeSet<u64> =
                documents.into_iter().flat_map(|document| column.term_ords(document)).collect();
            for ordinal in ordinals {
                let mut name = String::new();
                column.ord_to_str(ordinal, &mut name).map_err(tantivy::TantivyError::from)?;
                names.insert(name);
            }
        }
        Ok(names)
    }

    /// Returns who a refused token belonged to; the first in the alphabet if lines name several.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn former_name(&self, token: &str) -> Result<Option<String>, QueryError> {
        Ok(self.token_names(token)?.pop_first())
    }

    /// Returns the salt under which an event's hashes were made, `cluster/device/epoch`.
    ///
    /// A device gets a new salt when it is enabled, which it marks by a probe line. The salt is kept in the
    /// cluster's storage and serves all its nodes, but only the active one writes the probe; so epochs are
    /// counted over the cluster's nodes. Epoch 0 is before the first probe that the ledger has. An event
    /// without a time has no salt.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn salt(&self, event: &AuditEvent) -> Result<Option<String>, QueryError> {
        let Some(time) = &event.time else { return Ok(None) };
        let key = (event.cluster.as_str().into(), event.device.as_str().into());
        let probes = self.probes()?.get(&key).map_or(&[][..], Vec::as_slice);
        let epoch = probes.partition_point(|probe| *probe <= time.unix_ns);
        Ok(Some(format!("{}/{}/{epoch}", event.cluster, event.device)))
    }

    /// Returns the salts of a device, `cluster/device/epoch`, as [`View::salt`] counts them.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn salts(&self, cluster: &str, device: &str) -> Result<Vec<String>, QueryError> {
        let probes = self.probes()?.get(&(cluster.into(), device.into())).map_or(0, Vec::len);
        Ok((probes.min(1)..=probes).map(|epoch| format!("{cluster}/{device}/{epoch}")).collect())
    }

    /// Returns when audit devices were enabled, each with a new salt: nanoseconds since 1970, ascending.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(crate) fn new_salts(&self) -> Result<Vec<i64>, QueryError> {
        let mut times: Vec<i64> = self.probes()?.values().flatten().copied().collect();
        times.sort_unstable();
        Ok(times)
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

    fn probes(&self) -> Result<&Probes, QueryError> {
        if let Some(probes) = self.shared.probes.get() {
            return Ok(probes);
        }
        let probes = find_probes(&self.whole())?;
        Ok(self.shared.probes.get_or_init(|| probes))
    }

    /// Returns what follows `half` and its separator in the terms of a field.
    fn other_halves(&self, field: Field, half: &str) -> Result<BTreeSet<String>, QueryError> {
        let mut halves = BTreeSet::new();
        for (number, segment) in (0..).zip(self.searcher().segment_readers()) {
            let beside = halves::beside(segment, field, half, &self.turn)?;
            if beside.is_empty() {
                continue;
            }
            let index = segment.inverted_index(field)?;
            for (half, term) in beside.iter() {
                if self.is_there(number, &index, term)? {
                    halves.insert(String::from(&**half));
                }
            }
        }
        Ok(halves)
    }

    /// Returns the hashes of the texts that a glob matches.
    fn hashes_like(&self, glob: &Glob) -> Result<BTreeSet<String>, QueryError> {
        let mut hashes = BTreeSet::new();
        self.each_learned(&|text| glob.matches(text), &mut |_, hash| {
            hashes.insert(hash.to_owned());
        })?;
        Ok(hashes)
    }

    /// Returns the hashes of these texts: of many that is quicker than to look each up.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(crate) fn hashes_of_these(
        &self,
        texts: &HashSet<&str>,
    ) -> Result<HashMap<String, BTreeSet<String>>, QueryError> {
        let mut hashes: HashMap<String, BTreeSet<String>> = HashMap::new();
        self.each_learned(&|text| texts.contains(text), &mut |text, hash| {
            hashes.entry(text.to_owned()).or_default().insert(hash.to_owned());
        })?;
        Ok(hashes)
    }

    /// Gives each learned text that is meant and a hash of it, by a walk over all of them.
    fn each_learned(
        &self,
        is_meant: &dyn Fn(&str) -> bool,
        each: &mut dyn FnMut(&str, &str),
    ) -> Result<(), QueryError> {
        for (number, segment) in (0..).zip(self.searcher().segment_readers()) {
            let index = segment.inverted_index(self.fields().learned_text)?;
            let mut terms = index.terms().stream().map_err(tantivy::TantivyError::from)?;
            let mut walked = 0_usize;
            while terms.advance() {
                if walked.is_multiple_of(CHECK_EVERY) {
                    self.turn.check()?;
                }
                walked += 1;
                let term = String::from_utf8_lossy(terms.key());
                if let Some((text, hash)) = term.rsplit_once(HALF)
                    && is_meant(text)
                    && self.is_there(number, &index, terms.value())?
                {
                    each(text, hash);
                }
            }
        }
        Ok(())
    }

    /// Tells whether a document that is there for the reader has this term: a segment's dictionary keeps the terms of
    /// those that were deleted, until it is merged.
    fn is_there(
        &self,
        number: u32,
        index: &InvertedIndexReader,
        term: &TermInfo,
    ) -> Result<bool, QueryError> {
        let segment = self.searcher().segment_reader(number);
        let bound = match self.bounds() {
            Some(_) => Some(self.part(number)?),
            None if !segment.has_deletes() => return Ok(true),
            None => None,
        };
        let postings = index.read_postings_from_terminfo(term, IndexRecordOption::Basic);
        let mut postings = postings.map_err(tantivy::TantivyError::from)?;
        while postings.doc() != TERMINATED {
            let document = postings.doc();
            if !segment.is_deleted(document)
                && bound.is_none_or(|part| part.class(document) != NONE)
            {
                return Ok(true);
            }
            postings.advance();
        }
        Ok(false)
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

fn find_probes(view: &View) -> Result<Probes, QueryError> {
    let fields = view.fields();
    let query = BooleanQuery::new(vec![
        (Occur::Must, exact(fields.path, PROBE_PATH)),
        (Occur::Must, exact(fields.reason, Reason::System.as_str())),
    ]);
    let mut probes = Probes::new();
    for in_segment in Scan::new(view, &query)?.segments() {
        let mut documents = Vec::new();
        in_segment.each(|document| documents.push(document))?;
        let places = Places::open(in_segment.segment)?;
        let mut cluster = Texts::open(in_segment.segment, "cluster")?;
        let mut device = Texts::open(in_segment.segment, "device")?;
        let read = |texts: &mut Texts, document| {
            texts.first(document).map_err(tantivy::TantivyError::from)
        };
        for document in documents {
            if let (Some(time), Some(cluster), Some(device)) =
                (places.time(document), read(&mut cluster, document)?, read(&mut device, document)?)
            {
                probes.entry((cluster, device)).or_default().push(time);
            }
        }
    }
    for times in probes.values_mut() {
        times.sort_unstable();
    }
    Ok(probes)
}

#[cfg(test)]
mod tests;
