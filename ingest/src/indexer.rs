//! From ledger to index: a follower that reads the ledger at its own pace.
//!
//! Live, import and rebuild are this one loop; they differ in who waits for whom. What it needs to go
//! on after a stop is in the index: the pairing's clocks in the commit's payload, the pending requests
//! as documents. So index and state are committed together, or neither.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use crate::coverage::{self, Coverage};
use crate::decode::{self, Decoded};
use crate::event::{Issued, Standing, Uid};
use crate::index::{CommitPayload, IndexError, IndexWriter, OpenLine, Snapshot};
use crate::ledger::{LedgerError, LedgerReader, ReadBatch, Stream};
use crate::normalise::{self, Normalised, PROBE, Parts, Rules};
use crate::own::{Fact, OwnLine, TICKED};
use crate::pairing::{self, HalfEvent, Issue, Pairing};
use crate::retention::Retention;
use crate::source::{LeafIndex, SourceIdError};

mod devices;
mod recent;
mod sources;
mod state;
#[cfg(test)]
mod tests;
mod tip;
mod window;

use self::devices::{Devices, is_better};
use self::recent::{Line, Recent};
use self::sources::Sources;
use self::state::{State, restore, stored, stored_retention};
use self::tip::Tip;
use self::window::Window;

pub use self::state::GrowingCoverage;
pub(crate) use self::state::retention_of;

/// Events between two commits of a long run: smaller commits cost more merging than they save.
const EVENTS_PER_COMMIT: u64 = 100_000;
/// The same where nobody waits for the answers: a commit leaves a segment that is not full.
const BULK_EVENTS_PER_COMMIT: u64 = 500_000;

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
    devices: Devices,
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
    events_per_commit: u64,
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
        let mut tip = stored(index.payload()).and_then(|state| state.tip);
        if let Some(why) = tip::foreign(index.payload().covered, tip.as_ref(), &ledger)? {
            tracing::warn!(dir = %index_dir.display(), "{why}; was an older copy put in the ledger's place? Building the index anew");
            index = index.replace()?;
            tip = None;
        }
        let retention = stored_retention(index.payload());
        let (next, pairing, coverage, sources) = restore(&index, index_dir, &ledger)?;
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
            devices: Devices::default(),
            recent: Recent::default(),
            rules,
            origin,
            retention: Retention::default(),
            dropped_to: 0,
            next: 0,
            tip: None,
            uncommitted: 0,
            events_per_commit: EVENTS_PER_COMMIT,
            issues: Vec::new(),
        }
    }

    /// Takes what it needs to be fast in a run that ends: more memory, and commits that are further apart.
    ///
    /// # Errors
    /// As [`Indexer::open`].
    pub fn in_bulk(mut self) -> Result<Indexer, IndexerError> {
        self.index = self.index.in_bulk()?;
        self.events_per_commit = BULK_EVENTS_PER_COMMIT;
        Ok(self)
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
        self.devices.moved();
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
    /// far; when it returns false, reading ends early. Commits each 100,000 events, in bulk each 500,000, not at the end.
    ///
    /// # Errors
    /// The ledger cannot be read or the index not written.
    pub fn catch_up(&mut self, progress: &mut dyn FnMut(u64) -> bool) -> Result<(), IndexerError> {
        self.catch_up_to(self.ledger.size(), progress)
    }

    /// Like [`Indexer::catch_up`], up to so many leaves. While a writer goes on, that is what it has signed: others
    /// read no further, so the index may name nothing beyond.
    ///
    /// # Errors
    /// See there.
    pub fn catch_up_to(
        &mut self,
        size: u64,
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), IndexerError> {
        self.drop_removed()?;
        for batch in self.ledger.clone().batches(LeafIndex(self.next)) {
            if self.next >= size {
                break;
            }
            let batch = batch?;
            let end = batch.header.end();
            self.tip = Some(Tip::of(&batch.header));
            match batch.header.stream {
                Stream::Lines => {
                    let source =
                        self.sources.number(&batch.header.source, batch.header.first_leaf)?;
                    if self.sources.gives(source) {
                        // What the node's other devices have is to be found when this one's lines come.
                        self.commit()?;
                    }
                    self.lines(source, batch)?
                }
                Stream::Own => self.own(&batch)?,
            }
            self.next = end;
            self.drop_removed()?;
            if self.uncommitted >= self.events_per_commit {
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
        self.write(&mut issues, &mut Window::default())?;
        self.issues = issues;
        let state = State {
            sources: self.sources.names.iter().map(ToString::to_string).collect(),
            giving: self.sources.giving().to_vec(),
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
        self.devices.committed();
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
        let gone = self.goes_below(&snapshot, least)?;
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
        self.write(&mut issues, &mut Window::default())?;
        self.count_copies_of(&gone, least)?;
        self.dropped_to = least.0;
        self.commit()
    }

    /// Returns the events that count, have a line below this leaf, and may have copies on other devices.
    fn goes_below(
        &mut self,
        snapshot: &Snapshot,
        least: LeafIndex,
    ) -> Result<Vec<(Uid, u32)>, IndexerError> {
        let mut gone = Vec::new();
        for &source in self.sources.giving() {
            if self.sources.devices(source).len() > 1 {
                let name = self.sources.names[source as usize].to_string();
                for uid in snapshot.counting_below(least, &name)? {
                    self.devices.goes(uid);
                    gone.push((uid, source));
                }
            }
        }
        Ok(gone)
    }

    /// Lets copies count whose original has gone.
    fn count_copies_of(
        &mut self,
        gone: &[(Uid, u32)],
        least: LeafIndex,
    ) -> Result<(), IndexerError> {
        let mut issues = Vec::new();
        for &(uid, source) in gone {
            for &device in self.sources.devices(source).iter().filter(|&&other| other != source) {
                let copy = uid.of_copy(&self.sources.names[device as usize].device);
                let copy = self.devices.find(&self.index, copy)?;
                let is_left = |leaf: Option<LeafIndex>| leaf.is_none_or(|leaf| leaf >= least);
                issues.extend(
                    copy.filter(|copy| is_left(copy.request) && is_left(copy.response))
                        .map(|copy| copy.issue(device, true)),
                );
            }
        }
        self.write(&mut issues, &mut Window::default())
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

    fn lines(&mut self, source: u32, batch: ReadBatch) -> Result<(), IndexerError> {
        if batch.removed {
            return Ok(());
        }
        let batch = Arc::new(batch);
        self.recent.push(Arc::clone(&batch));
        let mut issues = std::mem::take(&mut self.issues);
        let first_line = LeafIndex(batch.header.first_leaf.0 + 1);
        let mut window = Window::at(first_line, batch.lines.len());
        for (leaf, line) in (first_line.0..).map(LeafIndex).zip(batch.lines.iter()) {
            let (entry, undecodable) = match decode::decode(line) {
                Decoded::Entry(entry) => (Some(entry), None),
                Decoded::Undecodable(why) => (None, Some(why)),
            };
            let peek = entry.as_ref().map(|entry| entry.peek());
            self.coverage.line(&coverage::Line {
                source,
                reader: batch.header.reader,
                leaf,
                arrived_unix_ns: batch.header.arrived_unix_ns,
                bytes: line,
                entry: peek.as_ref(),
            });
            let name = &self.sources.names[source as usize];
            if let Some(why) = undecodable {
                self.index.add_undecodable(name, leaf, why)?;
                self.uncommitted += 1;
            }
            if let Some(peek) = &peek {
                if peek.torn_prefix {
                    let why = "torn piece of an entry before a whole one";
                    self.index.add_undecodable(name, leaf, why)?;
                }
                self.pairing.line(source, batch.header.reader, leaf, peek, &mut issues);
            }
            window.push(line, entry);
            self.write(&mut issues, &mut window)?;
        }
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
                    self.write(&mut issues, &mut Window::default())?;
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
    fn write(
        &mut self,
        issues: &mut Vec<Issue>,
        window: &mut Window<'_>,
    ) -> Result<(), IndexerError> {
        for issue in issues.drain(..) {
            let Some((made, state)) = self.made(&issue, window)? else { continue };
            if self.sources.devices(issue.source).len() > 1 {
                self.add_of_shared(&issue, made, state)?;
            } else {
                self.add(made, state, Standing::First, issue.replaces)?;
            }
        }
        Ok(())
    }

    /// Adds an event of a node with several devices: the best of each request counts, others are its copies.
    fn add_of_shared(
        &mut self,
        issue: &Issue,
        made: Normalised,
        state: pairing::State,
    ) -> Result<(), IndexerError> {
        // A device probes itself: no other one has that line.
        let is_first = self.sources.rank(issue.source) == 0 || made.event.action == PROBE;
        if state == pairing::State::Alone {
            // Without a request id nothing links it to what the first device has of the same; that one counts.
            let standing = if is_first { Standing::First } else { Standing::Copy };
            return self.add(made, state, standing, issue.replaces);
        }
        let uid = made.event.uid;
        let counting = self.devices.counting(&self.index, &made.event)?;
        let own = self.sources.names[issue.source as usize].clone();
        if issue.replaces {
            self.index.remove(uid.of_copy(&own.device))?;
        }
        let standing = if is_first { Standing::First } else { Standing::OnlyOn };
        let Some(counting) = counting.filter(|counting| counting.source != own.to_string()) else {
            self.devices.counts(&made.event, state);
            return self.add(made, state, standing, issue.replaces);
        };
        let its = self.sources.number(&counting.source, counting.issued.0)?;
        if !is_better(&self.sources, issue, &counting, its) {
            return self.add(made, state, Standing::Copy, false);
        }
        self.index.remove(uid)?;
        if let Some((copy, state)) =
            self.made(&counting.issue(its, false), &mut Window::default())?
        {
            self.add(copy, state, Standing::Copy, false)?;
        }
        self.devices.counts(&made.event, state);
        self.add(made, state, standing, false)
    }

    fn add(
        &mut self,
        made: Normalised,
        state: pairing::State,
        standing: Standing,
        replaces: bool,
    ) -> Result<(), IndexerError> {
        let Normalised { mut event, learned } = made;
        event.stand(standing);
        let learned: Vec<_> =
            learned.into_iter().map(|learned| (learned.hash, learned.text)).collect();
        self.index.add(&event, state, &learned, replaces)?;
        self.uncommitted += 1;
        Ok(())
    }

    /// Makes an event of its lines; none if retention removed them.
    fn made(
        &self,
        issue: &Issue,
        window: &mut Window<'_>,
    ) -> Result<Option<(Normalised, pairing::State)>, IndexerError> {
        let mut state = issue.state;
        let mut find = |leaf: LeafIndex| match window.take(leaf) {
            Some((line, entry)) => Ok((leaf, Line::Here(line), entry)),
            None => Ok((leaf, self.recent.line(&self.ledger, leaf)?, None)),
        };
        let mut request = match issue.request.map(&mut find).transpose() {
            // Its tombstone has yet to be read, and will drop what else it finds.
            Err(LedgerError::Removed { .. }) if issue.response.is_none() => return Ok(None),
            Err(LedgerError::Removed { .. }) => {
                state = pairing::State::ResponseOnly;
                None
            }
            request => request?,
        };
        let mut response = match issue.response.map(&mut find).transpose() {
            Err(LedgerError::Removed { .. }) => return Ok(None),
            response => response?,
        };
        let read = [&mut request, &mut response].map(|line| line.as_mut()?.2.take());
        let lines = [&request, &response].map(|line| {
            let (leaf, line, _) = line.as_ref()?;
            Some((*leaf, line.bytes()))
        });
        let parts = Parts {
            source: &self.sources.names[issue.source as usize],
            origin: &self.origin,
            request: lines[0],
            response: lines[1],
            state,
            issued: issue.issued,
        };
        let [request, response] = read;
        let entry = |line: Option<(LeafIndex, _)>| normalise::entry(line?.1);
        let entries =
            [request.or_else(|| entry(parts.request)), response.or_else(|| entry(parts.response))];
        Ok(Some((normalise::event_of_entries(&parts, entries, self.rules), state)))
    }
}
