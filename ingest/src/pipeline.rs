//! The straight line as threads: tail -> (8 batches) -> ledger -> (how far) -> indexer.
//!
//! The only queue is the one between tail and ledger; it is bounded, and a full one makes the tail
//! wait: the audit file is the buffer. The indexer gets no data but the durable size of the ledger, so
//! it can hold nobody up.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;

use crate::indexer::{Indexer, IndexerError};
use crate::known::KnownFromLedger;
use crate::ledger::{Ledger, LedgerError, LedgerReader, Lock, Syncs};
use crate::normalise::Rules;
use crate::own::{Fact, OwnLine};
use crate::record::{
    Patience, RecordError, RecordOptions, Recorded, ToLedger, now_unix_ns, record,
};
use crate::room::{Reserve, Room};
use crate::source::{LeafIndex, Reader, SourceId};
use crate::tail::{FollowOptions, Input, StopSignal, Tail, TailError, import as read_whole};

mod live;
mod sealing;

use live::Live;

/// Batches between tail and ledger; a batch is about 1 MiB.
const QUEUE_BATCHES: usize = 8;
/// The same for an import, whose batches are of about 4 MiB.
const IMPORT_QUEUE_BATCHES: usize = 2;

/// Why the line stopped.
#[derive(Debug, Error)]
pub enum PipelineError {
    /// The files cannot be read.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// Lines cannot be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Events cannot be indexed.
    #[error(transparent)]
    Indexer(#[from] IndexerError),
    /// A thread cannot be started, or ended in a panic, which its own message explains.
    #[error("thread {0} failed")]
    Thread(&'static str),
}

impl From<LedgerError> for PipelineError {
    fn from(error: LedgerError) -> PipelineError {
        PipelineError::Record(RecordError::Ledger(error))
    }
}

/// Returns where the index of this data folder stands.
pub fn index_dir(data: &Path) -> PathBuf {
    data.join("index")
}

/// How far the ledger is durable, for whoever follows it.
#[derive(Default)]
struct Durable {
    size: Mutex<(u64, bool)>,
    changed: Condvar,
}

impl Durable {
    fn set(&self, size: u64) {
        self.size.lock().unwrap_or_else(PoisonError::into_inner).0 = size;
        self.changed.notify_all();
    }

    fn close(&self) {
        self.size.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }

    /// Waits until more than `seen` leaves are durable, no more will be, or the time is over; tells
    /// the size and whether it is final.
    fn wait(&self, seen: u64, at_most: Duration) -> (u64, bool) {
        let guard = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(guard, at_most, |(size, closed)| *size <= seen && !*closed);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// What to follow, and where to.
pub struct FollowSettings {
    /// The data folder.
    pub data: PathBuf,
    /// The cluster whose ledger it holds.
    pub cluster: String,
    /// The files.
    pub tail: FollowOptions,
    /// Sources that may log tokens in clear.
    pub allow_raw: Vec<SourceId>,
    /// The cluster's nodes, if somebody says which it has.
    pub nodes: Option<Vec<String>>,
    /// What is left free on a volume that holds a followed file.
    pub reserve: Reserve,
}

/// Where those who watch write what they did and noticed.
#[derive(Clone)]
pub struct OwnLines(SyncSender<ToLedger>);

impl OwnLines {
    /// Hands a fact to the ledger, unless its queue is full: lines of servers go first, and nobody who watches
    /// may hold them up. Tells whether it was taken.
    pub fn offer(&self, fact: Fact) -> bool {
        self.0.try_send(ToLedger::Own(OwnLine::now(fact))).is_ok()
    }
}

/// Whether everything that stood in the files is recorded.
#[derive(Clone)]
pub struct CaughtUp(Arc<AtomicI64>);

impl CaughtUp {
    /// Returns since when, in nanoseconds since 1970; none while there is more to read.
    pub fn since(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|since| *since != 0)
    }
}

/// A running line: files are followed until [`Following::stop`].
pub struct Following {
    stop: StopSignal,
    to_ledger: SyncSender<ToLedger>,
    threads: Vec<(&'static str, JoinHandle<()>)>,
    failures: Receiver<PipelineError>,
    quiet_since: Arc<AtomicI64>,
    room: Room,
}

impl Following {
    /// Waits at most so long for a failure that ends the line.
    pub fn failure(&self, at_most: Duration) -> Option<PipelineError> {
        self.failures.recv_timeout(at_most).ok()
    }

    /// Returns a way to write own lines.
    pub fn own_lines(&self) -> OwnLines {
        OwnLines(self.to_ledger.clone())
    }

    /// Returns a way to see whether everything that stood in the files is recorded.
    pub fn caught_up(&self) -> CaughtUp {
        CaughtUp(Arc::clone(&self.quiet_since))
    }

    /// Returns what watches the data folder's volume, and knows whether recording waits for room.
    pub fn room(&self) -> Room {
        self.room.clone()
    }

    /// Stops reading, records and indexes what was read, and closes everything.
    ///
    /// # Errors
    /// What failed while it ran or while it was closed.
    pub fn stop(self) -> Result<(), PipelineError> {
        self.stop.stop();
        let _ = self.to_ledger.send(ToLedger::Own(OwnLine::now(Fact::Stopped)));
        let _ = self.to_ledger.send(ToLedger::Stop);
        for (name, thread) in self.threads {
            thread.join().map_err(|_| PipelineError::Thread(name))?;
        }
        self.failures.try_recv().map_or(Ok(()), Err)
    }
}

/// Follows files into ledger and index, on threads of its own, until stopped.
///
/// # Errors
/// Another process writes this data folder; ledger, index or a glob cannot be opened.
pub fn follow(settings: FollowSettings) -> Result<Following, PipelineError> {
    let FollowSettings { data, cluster, tail, allow_raw, nodes, reserve } = settings;
    let mut ledger = Ledger::open(&data, &cluster)?;
    let reader = ledger.reader()?;
    let indexer = Indexer::open(&index_dir(&data), reader.clone(), Rules::builtin())?;
    let indexed = reader.clone();
    let (to_ledger, items) = sync_channel(QUEUE_BATCHES);
    let (fail, failures) = sync_channel(4);
    let stop = StopSignal::default();
    let sources = tail.sources.iter().map(|followed| followed.source.to_string()).collect();
    let folders = tail.folders();
    let tail = Tail::new(tail, Box::new(KnownFromLedger::new(reader, to_ledger.clone())))?;
    let room = Room::new(&data, folders, reserve);
    let sealer = ledger.sealer()?;
    if let Some(why) = room.refuses(0) {
        tracing::error!("nothing will be recorded for want of room: {why}");
    }
    let durable = Arc::new(Durable::default());
    durable.set(ledger.size());
    let quiet_since = Arc::new(AtomicI64::new(0));
    let mut threads = Vec::new();
    let mut spawn =
        |name: &'static str, work: Box<dyn FnOnce() -> Result<(), PipelineError> + Send>| {
            let fail = fail.clone();
            let body = move || work().unwrap_or_else(|error| drop(fail.try_send(error)));
            threads.push((
                name,
                std::thread::Builder::new()
                    .name(name.to_owned())
                    .spawn(body)
                    .map_err(|_| PipelineError::Thread(name))?,
            ));
            Ok::<(), PipelineError>(())
        };

    spawn("ledger", {
        let (durable, quiet_since) = (Arc::clone(&durable), Arc::clone(&quiet_since));
        let options = RecordOptions {
            reader: Reader::Live,
            allow_raw,
            clear_tokens_are_fatal: false,
            patience: Some(Patience { room: room.clone(), stop: stop.clone() }),
        };
        Box::new(move || {
            let caught_up = |caught_up| {
                quiet_since.store(if caught_up { now_unix_ns() } else { 0 }, Ordering::Relaxed)
            };
            let result =
                record(&mut ledger, &items, &options, &|size| durable.set(size), &caught_up);
            durable.close();
            result.map(drop).map_err(PipelineError::from)
        })
    })?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let _ = to_ledger.send(ToLedger::Own(OwnLine::now(Fact::Started { version, sources })));
    if indexer.declared() != nodes.as_deref() {
        let _ = to_ledger.send(ToLedger::Own(OwnLine::now(Fact::Declared { nodes })));
    }
    spawn("indexer", {
        let (to_ledger, quiet_since) = (to_ledger.clone(), Arc::clone(&quiet_since));
        let (room, stop) = (room.clone(), stop.clone());
        Box::new(move || {
            let live = Live { durable, quiet_since, to_ledger, room, stop };
            Ok(live.index_patiently(&data, indexer, &indexed)?)
        })
    })?;
    spawn("sealer", {
        let (room, stop) = (room.clone(), stop.clone());
        Box::new(move || {
            sealing::seal(&sealer, &room, &stop);
            Ok(())
        })
    })?;
    spawn("tail", {
        let (to_ledger, stop) = (to_ledger.clone(), stop.clone());
        Box::new(move || {
            tail.run(&to_ledger, &stop);
            Ok(())
        })
    })?;
    Ok(Following { stop, to_ledger, threads, failures, quiet_since, room })
}

/// How far a long job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Bytes of the given files (as they lie on disk) read into the ledger.
    Reading(u64),
    /// Leaves indexed, of so many.
    Indexing(u64, u64),
    /// Bytes of segments sealed, of so many.
    Sealing(u64, u64),
}

/// What an import did.
#[derive(Debug)]
pub struct Imported {
    /// What was new.
    pub recorded: Recorded,
    /// The ledger's size after it.
    pub leaves: u64,
    /// Files that could be read only in part, each with its place and the remedy.
    pub failures: Vec<TailError>,
}

/// Brings whole files into ledger and index; what is there already adds nothing.
///
/// # Errors
/// A file is missing or may not be read, then nothing is; another process writes this data
/// folder; the source logs tokens in clear and `allow_raw` is false.
pub fn import(
    data: &Path,
    source: &SourceId,
    inputs: &[Input],
    allow_raw: bool,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Imported, PipelineError> {
    let mut ledger = Ledger::open(data, &source.cluster)?;
    let reader = ledger.reader()?;
    let indexer = Indexer::open(&index_dir(data), reader.clone(), Rules::builtin())?.in_bulk()?;
    let durable = Durable::default();
    durable.set(ledger.size());
    let (to_ledger, items) = sync_channel(IMPORT_QUEUE_BATCHES);
    let allow_raw = if allow_raw { vec![source.clone()] } else { Vec::new() };
    let options = RecordOptions {
        reader: Reader::Import,
        allow_raw,
        clear_tokens_are_fatal: true,
        patience: None,
    };

    let (read, recorded, indexed) = std::thread::scope(|scope| {
        let recording = scope.spawn(|| {
            // The receiver goes when recording ends, so that a reader whose ledger failed stops too.
            let items = items;
            let result = record(&mut ledger, &items, &options, &|size| durable.set(size), &|_| ());
            durable.close();
            (result, ledger.size())
        });
        let indexing = scope.spawn(|| index_import(indexer, &durable, progress));
        let known = KnownFromLedger::new(reader, to_ledger.clone());
        let read = read_whole(
            source.clone(),
            inputs,
            &known,
            &|bytes| progress(Progress::Reading(bytes)),
            &mut |item| to_ledger.send(ToLedger::Tail(item)).is_ok(),
        );
        drop(known);
        let files = inputs.iter().map(ToString::to_string).collect();
        if let Ok(summary) = &read
            && summary.lines > 0
        {
            let fact = Fact::Imported {
                source: source.to_string(),
                files,
                lines: summary.lines,
                bytes: summary.bytes,
            };
            let _ = to_ledger.send(ToLedger::Own(OwnLine::now(fact)));
        }
        let _ = to_ledger.send(ToLedger::Stop);
        (read, recording.join(), indexing.join())
    });
    let (recorded, leaves) = recorded.map_err(|_| PipelineError::Thread("ledger"))?;
    let recorded = recorded?;
    indexed.map_err(|_| PipelineError::Thread("indexer"))??.finish()?;
    let failures = read?.failures;
    sealing::seal_all(&ledger.sealer()?, &|done, all| progress(Progress::Sealing(done, all)))?;
    let Syncs { count, time } = ledger.syncs();
    tracing::debug!("{count} fsyncs took {} ms", time.as_millis());
    Ok(Imported { recorded, leaves, failures })
}

fn index_import(
    mut indexer: Indexer,
    durable: &Durable,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Indexer, IndexerError> {
    loop {
        let (size, last) = durable.wait(indexer.next(), Duration::from_secs(1));
        indexer.catch_up_to(size, &mut |done| {
            progress(Progress::Indexing(done, size.max(done)));
            true
        })?;
        if indexer.next() < size {
            return Err(IndexerError::Vanished(LeafIndex(indexer.next())));
        }
        if last && indexer.next() >= size {
            indexer.commit()?;
            return indexer.publish();
        }
    }
}

/// Throws the index away and makes it anew from the ledger.
///
/// # Errors
/// There is no ledger; another process writes this data folder; the index cannot be written.
pub fn rebuild(data: &Path, progress: &dyn Fn(Progress)) -> Result<u64, PipelineError> {
    // A writer's opening also takes up what a crash left unsigned; a copy without the signing key, as
    // an auditor has it, is taken as far as it is signed.
    let signed = LedgerReader::open(data)?;
    let (_writer, _lock, reader) = match Ledger::open(data, signed.cluster()) {
        Ok(ledger) => {
            let reader = ledger.reader()?;
            (Some(ledger), None, reader)
        }
        Err(LedgerError::Key { .. }) => (None, Some(Lock::take(data)?), signed),
        Err(error) => return Err(error.into()),
    };
    let size = reader.size();
    let mut indexer = Indexer::begin_anew(&index_dir(data), reader, Rules::builtin())?.in_bulk()?;
    indexer.catch_up(&mut |done| {
        progress(Progress::Indexing(done, size));
        true
    })?;
    indexer.commit()?;
    let leaves = indexer.next();
    indexer.publish()?.finish()?;
    Ok(leaves)
}
