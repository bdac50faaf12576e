//! How long to wait before the next try.

use std::time::Duration;

/// The first wait, before jitter.
const FIRST: Duration = Duration::from_millis(500);
/// No receiver is obeyed longer than this.
const ASKED_MAX: Duration = Duration::from_secs(3600);

/// Waits that double up to a bound, each shortened by chance, so that many senders do not come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    /// Begins with the shortest wait.
    pub(crate) fn new(max: Duration) -> Backoff {
        Backoff { next: FIRST.min(max), max }
    }

    /// Returns the next wait: what the receiver asked for, at most an hour and not shortened; else between half of the
    /// present wait and all of it.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.max);
        match asked {
            Some(asked) => asked.min(ASKED_MAX).max(Duration::from_millis(1)),
            None => wait / 2 + wait.mul_f64(f64::from(chance()) / 512.0),
        }
    }
}

/// A number from 0 to 255.
fn chance() -> u8 {
    let mut byte = [128];
    // Without randomness the wait is not shortened at random, which harms nothing.
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_what_is_asked_for_is_kept() {
        let mut backoff = Backoff::new(Duration::from_secs(60));
        let mut longest = Duration::ZERO;
        for step in 0..20_u32 {
            let wait = backoff.next(None);
            let whole = (FIRST * 2_u32.pow(step.min(10))).min(Duration::from_secs(60));
            assert!(wait >= whole / 2 && wait <= whole, "{step}: {wait:?} of {whole:?}");
            longest = longest.max(wait);
        }
        assert!(longest >= Duration::from_secs(30));
        assert_eq!(backoff.next(Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(backoff.next(Some(Duration::from_secs(1_000_000))), ASKED_MAX);
    }
}
