//! Where documents come from, and go back to when the engine has taken them in.
//!
//! The engine takes documents in on a thread of its own, and lets ten thousand batches of them wait. Few wait here: what was written last is
//! still in the processor's caches when it is read, and the memory of one document serves for the next.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::summary::Gist;
use super::values::{Memory, Values};

/// So many documents are on their way at most: some MB, and work for a good part of the time in which the engine writes a segment.
const OUT_MAX: usize = 4_096;

/// So long one waits for the engine before it is asked what holds it up: it answers with an error, or takes more.
const PATIENCE: Duration = Duration::from_millis(100);

/// The documents of a writer.
#[derive(Default)]
pub(super) struct Documents {
    state: Mutex<State>,
    fewer: Condvar,
}

#[derive(Default)]
struct State {
    /// How many are on their way.
    out: usize,
    spare: Vec<Memory>,
}

impl Documents {
    /// Returns a document without values; waits while too many are on their way.
    pub(super) fn empty(self: &Arc<Documents>, gist: Gist) -> Values {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |state: &mut State| state.out >= OUT_MAX;
        let waited = self.fewer.wait_timeout_while(state, PATIENCE, is_full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.out += 1;
        Values::of(Arc::clone(self), state.spare.pop().unwrap_or_default(), gist)
    }

    /// Takes back the memory of a document that is in.
    pub(super) fn take_back(&self, memory: Memory) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.out -= 1;
        if state.spare.len() < OUT_MAX && memory.is_usual() {
            state.spare.push(memory);
        }
        // Waking somebody takes longer than taking a document in.
        if state.out == OUT_MAX / 2 {
            self.fewer.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const GIST: Gist = Gist { time: None, issued_leaf: 0, class: 0 };

    #[test]
    fn few_are_out_and_memory_goes_round() {
        let documents = Arc::new(Documents::default());
        let mut out: Vec<Values> = (0..OUT_MAX).map(|_| documents.empty(GIST)).collect();
        let start = Instant::now();
        // The engine has died, and takes none in: who adds one is not held up for ever.
        out.push(documents.empty(GIST));
        assert!(start.elapsed() >= PATIENCE);
        let engine = std::thread::spawn(move || drop(out));
        drop(documents.empty(GIST));
        engine.join().expect("documents are dropped");
        let state = documents.state.lock().expect("nobody panicked");
        assert_eq!((state.out, state.spare.len()), (0, OUT_MAX));
    }
}
