//! How long a question may take, and whether anybody still waits for its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::QueryError;

/// The time that a question has, and the way to call it off. Clones are of one turn: cancelling one
/// cancels all.
///
/// Whatever walks over documents or terms checks its turn every few thousand of them, and the question
/// then ends in an error, never in part of an answer.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// The end, and how long after the beginning it is.
    limit: Option<(Instant, Duration)>,
    cancelled: Arc<AtomicBool>,
}

impl Turn {
    /// Returns a turn that ends by itself this long from now.
    pub fn of(limit: Duration) -> Turn {
        // A limit that no clock can tell is none.
        let end = Instant::now().checked_add(limit);
        Turn { limit: end.map(|end| (end, limit)), cancelled: Arc::default() }
    }

    /// Ends the turn: nobody waits for the answer any more.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Tells whether to go on.
    ///
    /// # Errors
    /// The turn is over.
    pub fn check(&self) -> Result<(), QueryError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(QueryError::Cancelled);
        }
        match self.limit {
            Some((end, limit)) if Instant::now() >= end => Err(QueryError::Deadline { limit }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_by_time_or_by_word() {
        let endless = Turn::default();
        assert!(endless.check().is_ok());
        endless.clone().cancel();
        assert!(matches!(endless.check(), Err(QueryError::Cancelled)));
        assert!(Turn::of(Duration::MAX).check().is_ok());
        let over = Turn::of(Duration::ZERO).check();
        assert!(matches!(over, Err(QueryError::Deadline { limit: Duration::ZERO })));
    }
}
