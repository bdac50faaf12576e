//! What every handler has: the trail, and a turn at asking it.

use std::sync::Arc;
use std::time::Duration;

use query::trail::Trail;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::error::PageError;

/// Questions answered at once. Reading is bound by the processor, and one is left for taking in lines.
const QUESTIONS_MAX: usize = 4;
/// How long a question waits for its turn.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// The state of the pages. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    trail: Trail,
    turns: Arc<Semaphore>,
}

impl App {
    /// Makes the state over a trail.
    pub(crate) fn new(trail: Trail) -> App {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        App { trail, turns: Arc::new(Semaphore::new((cores - 1).clamp(1, QUESTIONS_MAX))) }
    }

    /// Answers a question on a thread that may block, once it is its turn.
    ///
    /// # Errors
    /// [`PageError::Busy`] if the turn does not come; else what the question ends with.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Trail) -> Result<T, PageError> + Send + 'static,
    ) -> Result<T, PageError> {
        let turn = timeout(QUEUE_TIMEOUT, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_elapsed| PageError::Busy)?
            .expect("never closed");
        let trail = self.trail.clone();
        // The turn goes with the work: a reader who leaves does not make room before it is done.
        tokio::task::spawn_blocking(move || {
            let answer = question(&trail);
            drop(turn);
            answer
        })
        .await
        .map_err(|_panic| PageError::Panic)?
    }
}
