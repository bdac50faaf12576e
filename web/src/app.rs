//! What every handler has: the trail as far as its reader sees it, and a place among those who ask it.
//!
//! A question ends when its answer is there, when its time is over, or when the client has left.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ingest::own::Fact;
use query::campaigns::Campaigns;
use query::dispositions::Dispositions;
use query::registers::Registers;
use query::report::issuing::IssuedReports;
use query::trail::Trail;
use query::turn::Turn;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::warn;

use crate::door::{Door, Reader};
use crate::error::PageError;
use crate::evaluations::Evaluations;
use crate::guard::PAGE_SECONDS_MAX;
use crate::host::Host;
use crate::zone::Zone;

/// Questions answered at once. Reading is bound by the processor, and one is left for taking in lines.
const QUESTIONS_MAX: usize = 4;
/// Exports at once: each lasts as long as its reader takes, so they have turns of their own.
const EXPORTS_MAX: usize = 2;
/// Documents laid out as PDF at once.
const PRINTERS_MAX: usize = 1;
/// Live tails at once.
const TAILS_MAX: usize = 16;
/// Questions that wait for their place: who comes when so many wait is told at once to come back.
const WAITING_MAX: usize = 64;
/// How long is waited for a line that was written down.
const SETTLE: Duration = Duration::from_secs(5);
/// How long a question waits for its place.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a question may take once it has its place: with the queue less than a page may take, so that the
/// reader is told by the question itself.
const QUESTION_TIMEOUT: Duration =
    Duration::from_secs(PAGE_SECONDS_MAX - QUEUE_TIMEOUT.as_secs() - 1);

/// The state of the pages. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    trail: Trail,
    host: Arc<dyn Host>,
    door: Arc<Door>,
    questions: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    printers: Arc<Semaphore>,
    tails: Arc<Semaphore>,
    /// What reviewers decided, as far as it was read.
    dispositions: Arc<Mutex<Arc<Dispositions>>>,
    /// Reviews of access, as far as they were read.
    campaigns: Arc<Mutex<Arc<Campaigns>>>,
    /// Reports that were issued, as far as they were read.
    issued: Arc<Mutex<Arc<IssuedReports>>>,
    evaluations: Evaluations,
}

/// The trail as far as one reader sees it.
pub(crate) struct Seen {
    trail: Trail,
    reader: Reader,
    app: App,
}

impl Seen {
    /// Returns who sees it.
    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Returns the data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.app.host.data()
    }

    /// Returns the zone in which times are shown.
    pub(crate) fn zone(&self) -> &Zone {
        self.reader.zone()
    }

    /// Returns what controls answered lately.
    pub(crate) fn evaluations(&self) -> &Evaluations {
        &self.app.evaluations
    }

    /// Returns the reviews of access as they stand.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(crate) fn campaigns(&self) -> Result<Arc<Campaigns>, PageError> {
        let mut known = self.app.campaigns.lock().unwrap_or_else(PoisonError::into_inner);
        // Copied only while somebody else still reads what was known before.
        Arc::make_mut(&mut known).read_on(&self.trail)?;
        Ok(Arc::clone(&known))
    }

    /// Returns the reports that were issued.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(crate) fn issued(&self) -> Result<Arc<IssuedReports>, PageError> {
        let mut known = self.app.issued.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut known).read_on(&self.trail)?;
        Ok(Arc::clone(&known))
    }

    /// Returns what reviewers decided so far.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(crate) fn dispositions(&self) -> Result<Arc<Dispositions>, PageError> {
        let mut known = self.app.dispositions.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut known).read_on(&self.trail)?;
        Ok(Arc::clone(&known))
    }

    /// Records the registers by which controls are asked, if they are not those that were recorded last. May block.
    ///
    /// # Errors
    /// They cannot be recorded, so nothing must be answered by them.
    pub(crate) fn registers_seen(&self, registers: &Registers) -> Result<(), PageError> {
        match registers.not_recorded(&self.trail)? {
            None => Ok(()),
            Some(registers) => {
                let by = self.reader.by();
                self.app.write_down(Fact::RegistersChanged { by, registers })
            }
        }
    }

    /// Records that the reader is shown these lines. May block.
    ///
    /// # Errors
    /// It cannot be recorded, so they must not be shown.
    pub(crate) fn lines_shown(&self, leaves: Vec<u64>) -> Result<(), PageError> {
        if self.reader.role().is_none() || leaves.is_empty() {
            return Ok(());
        }
        let (by, address) = (self.reader.by(), self.reader.address().to_owned());
        let door = self.app.door();
        let fact = Fact::LinesShown { by, address, leaves };
        let facts = door.deeds.note(&self.reader.by(), fact, door.now());
        facts.into_iter().try_for_each(|fact| self.app.write_down(fact))
    }
}

impl Deref for Seen {
    type Target = Trail;

    fn deref(&self) -> &Trail {
        &self.trail
    }
}

impl App {
    /// Makes the state over a trail.
    pub(crate) fn new(trail: Trail, host: Arc<dyn Host>, door: Door) -> App {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        App {
            trail,
            host,
            door: Arc::new(door),
            questions: Arc::new(Semaphore::new((cores - 1).clamp(1, QUESTIONS_MAX))),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            printers: Arc::new(Semaphore::new(PRINTERS_MAX)),
            tails: Arc::new(Semaphore::new(TAILS_MAX)),
            dispositions: Arc::default(),
            campaigns: Arc::default(),
            issued: Arc::default(),
            evaluations: Evaluations::default(),
        }
    }

    /// Returns how many leaves of the ledger can be read now.
    pub(crate) fn ledger_size(&self) -> u64 {
        self.trail.ledger().refresh().unwrap_or_default()
    }

    /// Returns the process.
    pub(crate) fn host(&self) -> Arc<dyn Host> {
        Arc::clone(&self.host)
    }

    /// Returns the door.
    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    /// Records what a reader does before it is done, but for what the minute has already. Who is at this machine before
    /// there are users has no name to record.
    ///
    /// # Errors
    /// It cannot be recorded, so it must not be done.
    pub(crate) async fn record(&self, reader: &Reader, fact: Fact) -> Result<(), PageError> {
        if reader.role().is_none() {
            return Ok(());
        }
        let facts = self.door.deeds.note(&reader.by(), fact, self.door.now());
        if facts.is_empty() {
            return Ok(());
        }
        let app = self.clone();
        let written = tokio::task::spawn_blocking(move || {
            facts.into_iter().try_for_each(|fact| app.write_down(fact))
        });
        written.await.map_err(|_panic| PageError::Panic)?
    }

    /// Writes an own line. May block.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write_down(&self, fact: Fact) -> Result<(), PageError> {
        self.host.record(fact).map_err(PageError::Unrecorded)
    }

    /// Waits until the ledger has more than so many leaves, so that the page that follows has what was written down. What is
    /// not there within a few seconds comes later.
    pub(crate) async fn settled(&self, leaves: u64) {
        let begun = tokio::time::Instant::now();
        let mut pause = tokio::time::interval(Duration::from_millis(20));
        while self.ledger_size() <= leaves && begun.elapsed() < SETTLE {
            pause.tick().await;
        }
    }

    /// Returns a place at what lays out documents.
    ///
    /// # Errors
    /// [`PageError::Busy`] if none becomes free.
    pub(crate) async fn printer_place(&self) -> Result<OwnedSemaphorePermit, PageError> {
        self.place(&self.printers).await
    }

    /// Returns a place at a live tail, held for as long as it is open; `None` if all are taken.
    pub(crate) fn tail_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.tails).try_acquire_owned().ok()
    }

    /// Answers a question on a thread that may block, once there is a place.
    ///
    /// # Errors
    /// [`PageError::Busy`] if none becomes free; else what the question ends with.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        reader: &Reader,
        question: impl FnOnce(&Seen) -> Result<T, PageError> + Send + 'static,
    ) -> Result<T, PageError> {
        let place = self.place(&self.questions).await?;
        let turn = Turn::of(QUESTION_TIMEOUT);
        let trail = self.seen(reader, turn.clone());
        let waiting = Waiting(turn);
        // The place goes with the work: a reader who leaves does not make room before it is done.
        let answer = tokio::task::spawn_blocking(move || {
            refresh(&trail);
            let answer = question(&trail);
            drop(place);
            answer
        })
        .await;
        drop(waiting);
        answer.map_err(|_panic| PageError::Panic)?
    }

    /// Starts to write an export on a thread that may block, once there is a place.
    ///
    /// # Errors
    /// [`PageError::Busy`] if none becomes free.
    pub(crate) async fn export(
        &self,
        reader: &Reader,
        write: impl FnOnce(&Seen) + Send + 'static,
    ) -> Result<(), PageError> {
        let place = self.place(&self.exports).await?;
        let trail = self.seen(reader, Turn::default());
        tokio::task::spawn_blocking(move || {
            write(&trail);
            drop(place);
        });
        Ok(())
    }
}

impl App {
    /// The one place where what a reader is bound to meets the trail.
    fn seen(&self, reader: &Reader, turn: Turn) -> Seen {
        let trail = self.trail.bound_to(reader.bounds()).within(turn);
        Seen { trail, reader: reader.clone(), app: self.clone() }
    }

    async fn place(&self, places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, PageError> {
        let _waiting = self.waiting.try_acquire().map_err(|_full| PageError::Busy)?;
        let place = timeout(QUEUE_TIMEOUT, Arc::clone(places).acquire_owned()).await;
        Ok(place.map_err(|_elapsed| PageError::Busy)?.expect("never closed"))
    }
}

/// A client that waits for an answer. Dropped with its connection, it calls the question off.
struct Waiting(Turn);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Takes up what was written since. If that fails, what was seen before is still true up to its leaf,
/// and every answer names its leaf.
fn refresh(trail: &Trail) {
    if let Err(error) = trail.refresh() {
        warn!(%error, "the trail could not be read anew, pages show an earlier state");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use query::error::QueryError;

    use super::*;

    fn app() -> (App, tempfile::TempDir) {
        let data = tempfile::tempdir().expect("a folder");
        drop(ingest::ledger::Ledger::open(data.path(), "prod").expect("a ledger"));
        ingest::pipeline::rebuild(data.path(), &|_| ()).expect("an index");
        let trail = Trail::open(data.path()).expect("a trail");
        let host = crate::tests::Alone::over(data.path().to_owned());
        let door = crate::tests::door(data.path());
        (App::new(trail, host, door), data)
    }

    #[tokio::test]
    async fn who_has_more_questions_than_it_can_answer_is_ready_all_the_same() {
        let (app, _data) = app();
        let waiting = Arc::clone(&app.waiting);
        let _full = waiting.try_acquire_many(WAITING_MAX as u32).expect("nobody waits");
        assert!(matches!(app.ask(&Reader::local(), |_| Ok(())).await, Err(PageError::Busy)));
        let (status, _) = crate::host::ready(axum::extract::State(app)).await.expect("an answer");
        assert_eq!(status, axum::http::StatusCode::OK);
    }

    #[tokio::test]
    async fn who_leaves_calls_the_question_off() {
        let (app, _data) = app();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (end, ended) = mpsc::channel();
        let asked = tokio::spawn(async move {
            app.ask(&Reader::local(), move |trail| {
                begin.send(()).expect("awaited");
                let view = trail.view();
                let over = std::iter::repeat_with(|| view.turn().check()).find_map(Result::err);
                end.send(over.expect("it ends")).expect("awaited");
                Ok(())
            })
            .await
        });
        begun.await.expect("begun");
        asked.abort();
        let over = tokio::task::spawn_blocking(move || ended.recv().expect("told")).await;
        assert!(matches!(over.expect("no panic"), QueryError::Cancelled));
    }
}
