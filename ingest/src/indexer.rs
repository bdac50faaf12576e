//! From ledger to index: a follower that reads the ledger at its own pace.
//!
//! Live, import and rebuild are this one loop; they differ in who waits for whom. What it needs to go
//! on after a stop is in the index: the pairing's clocks in the commit's payload, the pending requests
//! as documents. So index and state are committed together, or neither.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use crate::coverage::{self, Coverage, Record};
use crate::decode::{self, Peeked};
use crate::event::Issued;
use crate::index::{CommitPayload, EventIndex, IndexError, IndexWriter, OpenLine};
use crate::ledger::{BatchHeader, LedgerError, LedgerReader, ReadBatch, Stream};
use crate::normalise::{self, Parts, Rules};
use crate::own::{Fact, OWN_SOURCE, OwnLine, TICKED};
use crate::pairing::{self, Clocks, HalfEvent, Issue, Pairing, PendingRequest, WAITING_MAX};
use crate::retention::Retention;
use crate::source::{LeafIndex, SourceId, SourceIdError};

/// Events between two commits of a long run: smaller commits cost more merging than they save.
const EVENTS_PER_COMMIT: u64 = 100_000;

/// Lines kept in memory so that a response finds its request without a read. Responses follow within
/// a few hundred lines; what is further back is read from the ledger.
const RECENT_BYTES: usize = 8 << 20;

/// Why indexing stopped.
#[derive(Debug, Error)]
pub enum IndexerError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The index cannot be written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Leaves that are durable cannot be found.
    #[error(
        "leaf {0} was written and is not there any more: were files of the ledger removed while keytrail runs?"
    )]
    Vanished(LeafIndex),
    /// The ledger names a source that is none.
    #[error("leaf {leaf}: {error}")]
    Source {
        /// The batch.
        leaf: LeafIndex,
        /// What is wrong with the name.
        error: SourceIdError,
    },
}

/// The one writer of the index.
pub struct Indexer {
    ledger: LedgerReader,
    index: IndexWriter,
    pairing: Pairing,
    coverage: Coverage,
    sources: Sources,
    recent: Recent,
    rules: &'static Rules,
    origin: String,
    /// What own lines say of retention.
    retention: Retention,
    /// The leaf below which everything was dropped.
    dropped_to: u64,
    /// The next leaf to read.
    next: u64,
    /// The last batch that was read.
    tip: Option<Tip>,
    uncommitted: u64,
    issues: Vec<Issue>,
}

impl Indexer {
    /// Opens the index in `index_dir` to go on where its last commit stopped; an index made by other
    /// rules, by another ledger, or by a later state of this one, is begun anew.
    ///
    /// # Errors
    /// The index or the ledger cannot be opened.
    pub fn open(
        index_dir: &Path,
        ledger: LedgerReader,
        rules: &'static Rules,
    ) -> Result<Indexer, IndexerError> {
        let origin = ledger.origin().to_owned();
        let mut index = IndexWriter::open(index_dir, rules.version(), &origin)?;
        if let Some(why) = foreign(index.payload(), &ledger)? {
            tracing::warn!(dir = %index_dir.display(), "{why}; was an older copy put in the ledger's place? Building the index anew");
            index = index.replace()?;
        }
        let tip = stored(index.payload()).and_then(|state| state.tip);
        let mut sources = Sources::default();
        let retention = stored_retention(index.payload());
        let (next, pairing, coverage) = restore(&index, index_dir, &ledger, &mut sources)?;
        let mut indexer = Indexer::new(ledger, index, rules, origin);
        (indexer.next, indexer.pairing) = (next, pairing);
        (indexer.coverage, indexer.sources) = (coverage, sources);
        (indexer.retention, indexer.dropped_to) = retention;
        indexer.tip = tip;
        Ok(indexer)
    }

    /// Opens an index beside the one that readers see, and begins it from the ledger's first leaf.
    ///
    /// # Errors
    /// The index or the ledger cannot be opened.
    pub fn begin_anew(
        index_dir: &Path,
        ledger: LedgerReader,
        rules: &'static Rules,
    ) -> Result<Indexer, IndexerError> {
        let origin = ledger.origin().to_owned();
        let index = IndexWriter::begin_anew(index_dir, rules.version(), &origin)?;
        Ok(Indexer::new(ledger, index, rules, origin))
    }

    fn new(
        ledger: LedgerReader,
        index: IndexWriter,
        rules: &'static Rules,
        origin: String,
    ) -> Indexer {
        Indexer {
            ledger,
            index,
            pairing: Pairing::new(),
            coverage: Coverage::default(),
            sources: Sources::default(),
            recent: Recent::default(),
            rules,
            origin,
            retention: Retention::default(),
            dropped_to: 0,
            next: 0,
            tip: None,
            uncommitted: 0,
            issues: Vec::new(),
        }
    }

    /// Returns the nodes that were declared last, as far as the ledger has been read.
    pub fn declared(&self) -> Option<&[String]> {
        self.coverage.declared()
    }

    /// Puts an index that grew beside the old one into its place, after a commit; else does nothing.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn publish(mut self) -> Result<Indexer, IndexerError> {
        self.index = self.index.swap()?;
        Ok(self)
    }

    /// Tells whether readers still see another index than this one.
    pub fn is_beside(&self) -> bool {
        self.index.is_beside()
    }

    /// Returns the next leaf to read: everything below is in the index or in the next commit.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Tells whether something waits for a commit.
    pub fn has_uncommitted(&self) -> bool {
        // A lone request adds no document before the commit, which makes one of it as pending.
        self.uncommitted > 0 || self.next > self.index.payload().covered
    }

    /// Indexes what the ledger holds now. `progress` is called after each batch with the leaves read so
    /// far; when it returns false, reading ends early. Commits each 100,000 events, not at the end.
    ///
    /// # Errors
    /// The ledger cannot be read or the index not written.
    pub fn catch_up(&mut self, progress: &mut dyn FnMut(u64) -> bool) -> Result<(), IndexerError> {
        self.drop_removed()?;
        for batch in self.ledger.clone().batches(LeafIndex(self.next)) {
            let batch = batch?;
            let end = batch.header.end();
            self.tip = Some(Tip::of(&batch.header));
            match batch.header.stream {
                Stream::Lines => self.lines(batch)?,
                Stream::Own => self.own(&batch)?,
            }
            self.next = end;
            self.drop_removed()?;
            if self.uncommitted >= EVENTS_PER_COMMIT {
                self.commit()?;
            }
            if !progress(end) {
                break;
            }
        }
        Ok(())
    }

    /// Makes everything read so far visible and durable.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn commit(&mut self) -> Result<(), IndexerError> {
        let mut issues = std::mem::take(&mut self.issues);
        self.pairing.document_pending(&mut issues);
        self.write(&mut issues)?;
        self.issues = issues;
        let state = State {
            sources: self.sources.names.iter().map(ToString::to_string).collect(),
            clocks: self.pairing.clocks(),
            coverage: self.coverage.clone(),
            retention: self.retention.clone(),
            dropped_to: self.dropped_to,
            tip: self.tip.clone(),
        };
        self.index.commit(CommitPayload {
            covered: self.next,
            rules: self.rules.version().to_owned(),
            origin: self.origin.clone(),
            state: serde_json::to_value(state).expect("clocks are plain data"),
        })?;
        self.uncommitted = 0;
        Ok(())
    }

    /// Drops what retention removed, as soon as its tombstone was read: events all of whose lines are gone. Of an
    /// event whose response is left, that line makes an event of its own, as it does in an index made anew.
    fn drop_removed(&mut self) -> Result<(), IndexerError> {
        let least = LeafIndex(self.retention.least_leaf);
        if self.dropped_to >= least.0 {
            return Ok(());
        }
        self.commit()?;
        let snapshot = self.index.snapshot()?;
        let mut alone = snapshot.answered_across(least)?;
        let given_up: HashSet<(String, String)> = snapshot
            .unanswered(usize::MAX)?
            .into_iter()
            .filter(|line| line.leaf < least)
            .map(|line| (line.source, line.request_id))
            .collect();
        let late = snapshot.late(usize::MAX)?.into_iter().filter(|line| line.leaf >= least);
        for line in late {
            if given_up.contains(&(line.source.clone(), line.request_id.clone())) {
                self.index.remove_response(line.leaf)?;
                alone.push(line);
            }
        }
        self.index.remove_below(least)?;
        self.pairing.forget_below(least);
        let mut issues = Vec::new();
        for OpenLine { source, request_id, leaf, .. } in alone {
            let source = self.sources.number(&source, leaf)?;
            self.pairing.response_is_alone(&HalfEvent { source, leaf, request_id });
            issues.push(Issue {
                source,
                request: None,
                response: Some(leaf),
                state: pairing::State::ResponseOnly,
                issued: Issued(leaf, 0),
                replaces: false,
            });
        }
        self.write(&mut issues)?;
        self.dropped_to = least.0;
        self.commit()
    }

    /// Waits for merges and closes the index; what was not committed is read again next time.
    ///
    /// # Errors
    /// A merge failed.
    pub fn finish(self) -> Result<(), IndexerError> {
        Ok(self.index.finish()?)
    }

    /// Returns the followed sources that have been silent for `idle_ns` long enough that a pending
    /// request of theirs is to be closed as unanswered: each wants a tick in the ledger.
    pub fn due_ticks(&self, idle_ns: i64) -> Vec<Fact> {
        let due = |source: &usize| {
            self.pairing.closes_at(*source as u32, TICKED).is_some_and(|after| idle_ns >= after)
        };
        let tick =
            |source: usize| Fact::Tick { source: self.sources.names[source].to_string(), idle_ns };
        (0..self.sources.names.len()).filter(due).map(tick).collect()
    }

    fn lines(&mut self, batch: ReadBatch) -> Result<(), IndexerError> {
        let source = self.sources.number(&batch.header.source, batch.header.first_leaf)?;
        if batch.removed {
            return Ok(());
        }
        let batch = Arc::new(batch);
        self.recent.push(Arc::clone(&batch));
        let mut issues = std::mem::take(&mut self.issues);
        for (leaf, line) in (batch.header.first_leaf.0 + 1..).map(LeafIndex).zip(batch.lines.iter())
        {
            let peeked = decode::peek(line);
            self.coverage.line(&coverage::Line {
                source,
                reader: batch.header.reader,
                leaf,
                arrived_unix_ns: batch.header.arrived_unix_ns,
                bytes: line,
                entry: match &peeked {
                    Peeked::Entry(peek) => Some(peek),
                    Peeked::Undecodable(_) => None,
                },
            });
            match peeked {
                Peeked::Entry(peek) => {
                    if peek.torn_prefix {
                        self.index.add_undecodable(
                            &self.sources.names[source as usize],
                            leaf,
                            "torn piece of an entry before a whole one",
                        )?;
                    }
                    self.pairing.line(source, batch.header.reader, leaf, &peek, &mut issues);
                }
                Peeked::Undecodable(why) => {
                    self.index.add_undecodable(&self.sources.names[source as usize], leaf, why)?;
                    self.uncommitted += 1;
                }
            }
            if issues.len() >= 1_000 {
                self.write(&mut issues)?;
            }
        }
        self.write(&mut issues)?;
        self.issues = issues;
        self.write_coverage(batch.header.first_leaf)
    }

    fn own(&mut self, batch: &ReadBatch) -> Result<(), IndexerError> {
        for (leaf, line) in (batch.header.first_leaf.0 + 1..).map(LeafIndex).zip(batch.lines.iter())
        {
            let Some(own) = OwnLine::parse(line) else { continue };
            self.retention.take(&own);
            let sources = &mut self.sources;
            self.coverage.own(&own, &mut |name| sources.number(name, leaf))?;
            self.write_coverage(leaf)?;
            match own.fact {
                Fact::Tick { source, idle_ns } => {
                    let source = self.sources.number(&source, leaf)?;
                    let mut issues = std::mem::take(&mut self.issues);
                    self.pairing.tick(source, TICKED, leaf, idle_ns, &mut issues);
                    self.write(&mut issues)?;
                    self.issues = issues;
                }
                Fact::Gap { source, why, .. } => {
                    let source = self.sources.number(&source, leaf)?;
                    self.index.add_gap(&self.sources.names[source as usize], leaf, &why)?;
                }
                // What else our lines say is coverage, below, or for people.
                _ => {}
            }
            self.uncommitted += 1;
        }
        Ok(())
    }

    /// Adds the records of coverage that are finished.
    fn write_coverage(&mut self, leaf: LeafIndex) -> Result<(), IndexerError> {
        for (source, record) in self.coverage.finished() {
            let source = source.map(|source| &self.sources.names[source as usize]);
            self.index.add_coverage(source, leaf, &record)?;
            self.uncommitted += 1;
        }
        Ok(())
    }

    /// Normalises and adds what pairing issued, and leaves `issues` empty.
    fn write(&mut self, issues: &mut Vec<Issue>) -> Result<(), IndexerError> {
        for issue in issues.drain(..) {
            let mut state = issue.state;
            let [request, response] = [issue.request, issue.response].map(|leaf| {
                leaf.map(|leaf| self.recent.line(&self.ledger, leaf).map(|line| (leaf, line)))
            });
            let request = match request.transpose() {
                // Its tombstone has yet to be read, and will drop what else it finds.
                Err(LedgerError::Removed { .. }) if issue.response.is_none() => continue,
                Err(LedgerError::Removed { .. }) => {
                    state = pairing::State::ResponseOnly;
                    None
                }
                request => request?,
            };
            let response = match response.transpose() {
                Err(LedgerError::Removed { .. }) => continue,
                response => response?,
            };
            let normalised = normalise::event(
                &Parts {
                    source: &self.sources.names[issue.source as usize],
                    origin: &self.origin,
                    request: request.as_ref().map(|(leaf, line)| (*leaf, line.bytes())),
                    response: response.as_ref().map(|(leaf, line)| (*leaf, line.bytes())),
                    state,
                    issued: issue.issued,
                },
                self.rules,
            );
            let learned: Vec<_> = normalised
                .learned
                .into_iter()
                .map(|learned| (learned.hash, learned.text))
                .collect();
            let token_name =
                normalised.token_name.as_ref().map(|(token, name)| (token.as_str(), name.as_str()));
            self.index.add(&normalised.event, state, &learned, token_name, issue.replaces)?;
            self.uncommitted += 1;
        }
        Ok(())
    }
}

/// What the indexer keeps in the commit's payload.
#[derive(serde::Serialize, serde::Deserialize)]
struct State {
    sources: Vec<String>,
    clocks: Clocks,
    coverage: Coverage,
    #[serde(default)]
    retention: Retention,
    #[serde(default)]
    dropped_to: u64,
    #[serde(default)]
    tip: Option<Tip>,
}

/// The header of the last batch that an index covers: with it all that came before.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Tip {
    leaf: u64,
    /// SHA-256 as hex digits.
    hash: String,
}

impl Tip {
    fn of(header: &BatchHeader) -> Tip {
        Tip { leaf: header.first_leaf.0, hash: hex(&header.leaf_hash()) }
    }
}

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stored(payload: &CommitPayload) -> Option<State> {
    serde_json::from_value(payload.state.clone()).ok()
}

/// Returns why an index is not of this ledger as it is now; `None` if it is.
fn foreign(payload: &CommitPayload, ledger: &LedgerReader) -> Result<Option<String>, LedgerError> {
    let (covered, size) = (payload.covered, ledger.size());
    if covered > size {
        return Ok(Some(format!("the index covers {covered} leaves, and the ledger has {size}")));
    }
    let Some(Tip { leaf, hash }) = stored(payload).and_then(|state| state.tip) else {
        return Ok(None);
    };
    let same = leaf < size && hex(&ledger.leaf_hash(LeafIndex(leaf))?) == hash;
    Ok((!same)
        .then(|| format!("leaf {leaf} of the ledger is another one than the index was made from")))
}

/// Returns what a commit knows of retention, and below which leaf it has dropped everything.
fn stored_retention(payload: &CommitPayload) -> (Retention, u64) {
    stored(payload).map_or_else(Default::default, |state| (state.retention, state.dropped_to))
}

/// Returns what a commit knows of retention.
pub(crate) fn retention_of(payload: &CommitPayload) -> Retention {
    stored_retention(payload).0
}

/// What a commit says of coverage that may still grow, for readers.
#[derive(Clone, Debug, Default)]
pub struct GrowingCoverage {
    /// The records, each with its source.
    pub records: Vec<(SourceId, Record)>,
    /// Sources that lack a heartbeat, and since when.
    pub waiting: Vec<(SourceId, i64)>,
}

impl GrowingCoverage {
    /// Reads it from the payload of a commit; empty for the commit of an index that nothing was written to.
    pub fn of(payload: &CommitPayload) -> GrowingCoverage {
        let Ok(state) = serde_json::from_value::<State>(payload.state.clone()) else {
            return GrowingCoverage::default();
        };
        let source = |number: u32| state.sources.get(number as usize)?.parse().ok();
        let records = state.coverage.growing().into_iter();
        let waiting = state.coverage.waiting();
        GrowingCoverage {
            records: records
                .filter_map(|(number, record)| Some((source(number)?, record)))
                .collect(),
            waiting: waiting.filter_map(|(number, since)| Some((source(number)?, since))).collect(),
        }
    }
}

/// Takes up the state of the last commit: where to read on, and who waits for whom.
fn restore(
    index: &IndexWriter,
    index_dir: &Path,
    ledger: &LedgerReader,
    sources: &mut Sources,
) -> Result<(u64, Pairing, Coverage), IndexerError> {
    let payload = index.payload();
    let Ok(state) = serde_json::from_value::<State>(payload.state.clone()) else {
        // A new index: nothing is covered.
        return Ok((0, Pairing::new(), Coverage::default()));
    };
    for name in &state.sources {
        sources.number(name, LeafIndex(payload.covered))?;
    }
    let snapshot = EventIndex::open(index_dir)?.snapshot();
    let mut pending = Vec::new();
    for open in snapshot.pending()? {
        // Who read it stands in the batch header only.
        let reader = ledger.reader_of(open.leaf)?;
        let source = sources.number(&open.source, open.leaf)?;
        pending.push(PendingRequest {
            source,
            reader,
            leaf: open.leaf,
            request_id: open.request_id,
            time_unix_ns: open.time_unix_ns,
        });
    }
    let mut half = |open: OpenLine| {
        let source = sources.number(&open.source, open.leaf)?;
        Ok::<_, IndexerError>(HalfEvent { source, leaf: open.leaf, request_id: open.request_id })
    };
    let late: HashSet<(String, String)> = snapshot
        .late(WAITING_MAX)?
        .into_iter()
        .map(|open| (open.source, open.request_id))
        .collect();
    let closed = snapshot.unanswered(WAITING_MAX)?.into_iter().map(|open| {
        let answered_late = late.contains(&(open.source.clone(), open.request_id.clone()));
        Ok::<_, IndexerError>((half(open)?, answered_late))
    });
    let closed = closed.collect::<Result<Vec<_>, _>>()?;
    let response_only = snapshot
        .response_only(WAITING_MAX)?
        .into_iter()
        .map(half)
        .collect::<Result<Vec<_>, _>>()?;
    let pairing = Pairing::restore(&state.clocks, &pending, &closed, &response_only);
    Ok((payload.covered, pairing, state.coverage))
}

/// Sources by number, in the order in which the ledger first names them.
#[derive(Default)]
struct Sources {
    names: Vec<SourceId>,
    numbers: HashMap<String, u32>,
}

impl Sources {
    fn number(&mut self, name: &str, leaf: LeafIndex) -> Result<u32, IndexerError> {
        debug_assert_ne!(name, OWN_SOURCE, "our own lines have no requests");
        if let Some(&number) = self.numbers.get(name) {
            return Ok(number);
        }
        let source = name.parse().map_err(|error| IndexerError::Source { leaf, error })?;
        let number = u32::try_from(self.names.len()).expect("far fewer sources than that");
        self.names.push(source);
        self.numbers.insert(name.to_owned(), number);
        Ok(number)
    }
}

/// The last few megabytes of lines.
#[derive(Default)]
struct Recent {
    batches: VecDeque<Arc<ReadBatch>>,
    bytes: usize,
}

/// A line that is needed again: in memory, or read back.
enum Line {
    Recent { batch: Arc<ReadBatch>, from: usize, to: usize },
    Stored(Vec<u8>),
}

impl Line {
    fn bytes(&self) -> &[u8] {
        match self {
            Line::Recent { batch, from, to } => &batch.lines.bytes[*from..*to],
            Line::Stored(bytes) => bytes,
        }
    }
}

impl Recent {
    fn push(&mut self, batch: Arc<ReadBatch>) {
        self.bytes += batch.lines.bytes.len();
        self.batches.push_back(batch);
        while self.bytes > RECENT_BYTES && self.batches.len() > 1 {
            let oldest = self.batches.pop_front().expect("more than one");
            self.bytes -= oldest.lines.bytes.len();
        }
    }

    fn line(&self, ledger: &LedgerReader, leaf: LeafIndex) -> Result<Line, LedgerError> {
        let after = self.batches.partition_point(|batch| batch.header.first_leaf < leaf);
        let batch = after.checked_sub(1).map(|at| &self.batches[at]);
        if let Some(batch) = batch {
            let number = (leaf.0 - batch.header.first_leaf.0 - 1) as usize;
            if let Some(&length) = batch.lines.lengths.get(number) {
                let from: usize =
                    batch.lines.lengths[..number].iter().map(|&length| length as usize).sum();
                return Ok(Line::Recent {
                    batch: Arc::clone(batch),
                    from,
                    to: from + length as usize,
                });
            }
        }
        Ok(Line::Stored(ledger.line(leaf)?.bytes))
    }
}
