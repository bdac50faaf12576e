//! Checkpoints leave the machine: cosigned by witnesses, put into places outside, each so often and at the end.
//!
//! A thread of its own, which nobody waits for while it runs: evidence is recorded whether or not anybody outside
//! can be reached.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ingest::ledger::{Checkpoint, KeyChain, LedgerReader};
use jiff::Timestamp;

use super::chain;
use super::export::Destination;
use super::left::{Departure, Left, replace};
use super::witness::{Answer, Witness};

/// What failed is tried again this often, if `every` is not shorter.
const RETRY: Duration = Duration::from_secs(60);

/// How long the last checkpoint may take at the end.
const LAST: Duration = Duration::from_secs(30);

/// Where checkpoints go.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    /// Places.
    pub(crate) destinations: Vec<Destination>,
    /// Witnesses.
    pub(crate) witnesses: Vec<Witness>,
    /// How often.
    pub(crate) every: Duration,
}

/// The thread that sees to it.
pub(crate) struct Leaving {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Leaving {
    /// Lets the last checkpoint leave too, and ends.
    pub(crate) fn stop(self) {
        // If it has ended in a panic, its message has told so.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

impl Departures {
    fn is_empty(&self) -> bool {
        self.destinations.is_empty() && self.witnesses.is_empty()
    }

    /// Looks for a checkpoint of this ledger outside that the ledger does not reach, or parts from: then an older
    /// copy of the folder was put in its place. Call it before anything is signed.
    ///
    /// # Errors
    /// The network cannot be prepared for.
    pub(crate) fn ahead_of(&self, data: &Path) -> Result<Option<String>> {
        if self.is_empty() || !data.join("format").exists() {
            return Ok(None);
        }
        // Opening the ledger for writing mends what a crash left, and names what it cannot mend.
        let read = LedgerReader::open(data).and_then(|reader| reader.checkpoint());
        let (own, keys) = match read.and_then(|own| Ok((own, KeyChain::of_folder(data)?))) {
            Ok(read) => read,
            Err(error) => {
                let error = anyhow::Error::from(error);
                tracing::warn!("not compared with the checkpoints outside: {}", chain(&error));
                return Ok(None);
            }
        };
        let left = Left::read(data);
        runtime()?.block_on(async {
            for destination in &self.destinations {
                let found = match self.later(destination, &own, &left).await {
                    Ok(found) => found,
                    Err(error) => {
                        tracing::warn!(
                            "whether {} has a later checkpoint than this ledger is not known: {}",
                            destination.name(),
                            chain(&error)
                        );
                        continue;
                    }
                };
                if let Some(later) = found {
                    let told = format!(
                        "{} has a checkpoint of {} leaves, this ledger {}",
                        destination.name(),
                        later.size,
                        own.size
                    );
                    if keys.signer_of(&later).is_some() {
                        return Ok(Some(told));
                    }
                    tracing::error!("{told}; it is signed by no key that this folder knows of: if this folder is an older copy, run `keytrail key new-origin` before anything else");
                }
            }
            Ok(None)
        })
    }

    /// Asks the place itself, and what is remembered of it: a place that cannot be listed is known by that alone.
    async fn later(
        &self,
        destination: &Destination,
        own: &Checkpoint,
        left: &Left,
    ) -> Result<Option<Checkpoint>> {
        let remembered = left.exported.get(destination.name()).and_then(|last| last.note.as_ref());
        let remembered = remembered
            .and_then(|note| Checkpoint::parse(note).ok())
            .filter(|last| last.origin == own.origin && last.size > own.size);
        match destination.later_than(own).await {
            Ok(found) => Ok(found.or(remembered)),
            Err(error) => remembered.map(Some).ok_or(error),
        }
    }

    /// Starts the thread; `None` if nothing is to leave.
    ///
    /// # Errors
    /// The ledger cannot be read; no thread.
    pub(crate) fn start(self, data: &Path) -> Result<Option<Leaving>> {
        if self.is_empty() {
            return Ok(None);
        }
        let (reader, runtime) = (LedgerReader::open(data)?, runtime()?);
        let data = data.to_owned();
        let (stop, stopped) = channel();
        let body = move || {
            let mut work = Work { departures: self, left: Left::read(&data), data, reader };
            let mut last = false;
            loop {
                if last {
                    // A service manager waits so long and no longer.
                    let leave = async { tokio::time::timeout(LAST, work.leave()).await };
                    if runtime.block_on(leave).is_err() {
                        tracing::error!("the last checkpoint has not left everywhere in time");
                    }
                    return;
                }
                let whole = runtime.block_on(work.leave());
                let every = work.departures.every;
                let wait = if whole { every } else { every.min(RETRY) };
                last = !matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout));
            }
        };
        let thread = std::thread::Builder::new().name("outside".to_owned()).spawn(body)?;
        Ok(Some(Leaving { stop, thread }))
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot prepare for the network")
}

struct Work {
    departures: Departures,
    left: Left,
    data: PathBuf,
    reader: LedgerReader,
}

impl Work {
    /// Lets the checkpoint of now leave; false if some place or witness did not get it.
    async fn leave(&mut self) -> bool {
        let before = self.left.clone();
        let whole = match self.reader.refresh().and_then(|_| self.reader.checkpoint()) {
            Ok(checkpoint) => {
                let (cosigned, all) = self.cosign(checkpoint).await;
                self.export(&cosigned).await && all
            }
            Err(error) => {
                tracing::error!("no checkpoint can leave: {:#}", anyhow::Error::from(error));
                false
            }
        };
        if self.left != before
            && let Err(error) = self.left.write(&self.data)
        {
            tracing::error!("{}", chain(&error));
        }
        whole
    }

    async fn cosign(&mut self, checkpoint: Checkpoint) -> (Checkpoint, bool) {
        let (mut cosigned, mut all) = (checkpoint, true);
        for witness in &self.departures.witnesses {
            let name = witness.key.name();
            let last = self.left.cosigned.entry(name.to_owned()).or_default();
            match ask(&self.reader, witness, last.leaves, &cosigned).await {
                Ok(by_this_too) => {
                    cosigned = by_this_too;
                    *last = departed(&cosigned, false);
                }
                Err(error) => {
                    all = false;
                    failed(last, &format!("witness {name}"), &chain(&error));
                }
            }
        }
        if !self.departures.witnesses.is_empty()
            && self.left.cosigned.values().any(|last| last.leaves == cosigned.size)
            && let Err(error) =
                replace(&self.data.join("ledger/cosigned"), cosigned.note.as_bytes())
        {
            tracing::error!("{}", chain(&error));
        }
        (cosigned, all)
    }

    async fn export(&mut self, checkpoint: &Checkpoint) -> bool {
        let mut all = true;
        for destination in &self.departures.destinations {
            let name = destination.name();
            let last = self.left.exported.get(name).cloned().unwrap_or_default();
            if last.leaves == checkpoint.size && last.problem.is_none() {
                continue;
            }
            let put = async {
                if let Some(later) =
                    self.departures.later(destination, checkpoint, &self.left).await?
                {
                    bail!(
                        "it has a checkpoint of {} leaves, this ledger has {}: the folder is an older copy; a restart opens a new origin",
                        later.size,
                        checkpoint.size
                    );
                }
                destination.put(checkpoint).await
            };
            let put = put.await;
            let last = self.left.exported.entry(name.to_owned()).or_default();
            match put {
                Ok(()) => *last = departed(checkpoint, true),
                Err(error) => {
                    all = false;
                    failed(last, name, &chain(&error));
                }
            }
        }
        all
    }
}

fn departed(checkpoint: &Checkpoint, with_note: bool) -> Departure {
    Departure {
        leaves: checkpoint.size,
        time: Some(Timestamp::now().to_string()),
        note: with_note.then(|| checkpoint.note.clone()),
        problem: None,
    }
}

/// Notes a failure, and logs it once.
fn failed(last: &mut Departure, whom: &str, problem: &str) {
    if last.problem.as_deref() != Some(problem) {
        tracing::error!("the checkpoint has not left for {whom}: {problem}");
        last.problem = Some(problem.to_owned());
    }
}

/// Gets a cosignature, beginning from what the witness has seen.
async fn ask(
    reader: &LedgerReader,
    witness: &Witness,
    seen: u64,
    checkpoint: &Checkpoint,
) -> Result<Checkpoint> {
    let mut seen = seen.min(checkpoint.size);
    // Once more with the size that it names; another answer then is another client's doing.
    for _ in 0..3 {
        let proof = reader.prove_extension(seen, checkpoint.clone())?;
        match witness.add_checkpoint(&proof).await? {
            Answer::Cosigned(cosigned) => return Ok(cosigned),
            Answer::SeenBefore(size) if size > checkpoint.size => bail!(
                "it has cosigned {size} leaves, this ledger has {}: the folder is an older copy; stop keytrail and run `keytrail key new-origin`",
                checkpoint.size
            ),
            Answer::SeenBefore(size) => seen = size,
        }
    }
    bail!("it names another size each time")
}
