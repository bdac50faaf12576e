//! What every handler has: the trail, and a turn at asking it.

use std::sync::Arc;
use std::time::Duration;

use query::trail::Trail;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::warn;

use crate::error::PageError;
use crate::host::Host;

/// Questions answered at once. Reading is bound by the processor, and one is left for taking in lines.
const QUESTIONS_MAX: usize = 4;
/// Exports at once: each lasts as long as its reader takes, so they have turns of their own.
const EXPORTS_MAX: usize = 2;
/// Live tails at once.
const TAILS_MAX: usize = 16;
/// How long a question waits for its turn.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// The state of the pages. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    trail: Arc<Trail>,
    host: Arc<dyn Host>,
    turns: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    tails: Arc<Semaphore>,
}

impl App {
    /// Makes the state over a trail.
    pub(crate) fn new(trail: Trail, host: Arc<dyn Host>) -> App {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        App {
            trail: Arc::new(trail),
            host,
            turns: Arc::new(Semaphore::new((cores - 1).clamp(1, QUESTIONS_MAX))),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            tails: Arc::new(Semaphore::new(TAILS_MAX)),
        }
    }

    /// Returns the process.
    pub(crate) fn host(&self) -> Arc<dyn Host> {
        Arc::clone(&self.host)
    }

    /// Returns a turn at a live tail, held for as long as it is open; `None` if all are taken.
    pub(crate) fn tail_turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.tails).try_acquire_owned().ok()
    }

    /// Answers a question on a thread that may block, once it is its turn.
    ///
    /// # Errors
    /// [`PageError::Busy`] if the turn does not come; else what the question ends with.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Trail) -> Result<T, PageError> + Send + 'static,
    ) -> Result<T, PageError> {
        let turn = turn(&self.turns).await?;
        let trail = Arc::clone(&self.trail);
        // The turn goes with the work: a reader who leaves does not make room before it is done.
        tokio::task::spawn_blocking(move || {
            refresh(&trail);
            let answer = question(&trail);
            drop(turn);
            answer
        })
        .await
        .map_err(|_panic| PageError::Panic)?
    }

    /// Starts to write an export on a thread that may block, once it is its turn.
    ///
    /// # Errors
    /// [`PageError::Busy`] if the turn does not come.
    pub(crate) async fn export(
        &self,
        write: impl FnOnce(&Trail) + Send + 'static,
    ) -> Result<(), PageError> {
        let turn = turn(&self.exports).await?;
        let trail = Arc::clone(&self.trail);
        tokio::task::spawn_blocking(move || {
            write(&trail);
            drop(turn);
        });
        Ok(())
    }
}

async fn turn(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, PageError> {
    let turn = timeout(QUEUE_TIMEOUT, Arc::clone(turns).acquire_owned()).await;
    Ok(turn.map_err(|_elapsed| PageError::Busy)?.expect("never closed"))
}

/// Takes up what was written since. If that fails, what was seen before is still true up to its leaf,
/// and every answer names its leaf.
fn refresh(trail: &Trail) {
    if let Err(error) = trail.refresh() {
        warn!(%error, "the trail could not be read anew, pages show an earlier state");
    }
}
