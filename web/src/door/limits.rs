//! How often somebody may try to sign in: per name and per address, each failure counting for some time.
//!
//! A name is counted with the address from which it is tried, so that nobody locks another out from elsewhere; and, more
//! generously, over all addresses, so that many of them together guess no faster.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::secret::{SecretHash, hash};

/// Failures of a name from one address; from one address; of a name from everywhere.
const BURSTS: [i64; 3] = [5, 20, 100];
/// How long a failure counts, in seconds.
pub(crate) const COUNTS_S: i64 = 60;
/// The most that is remembered: the longest ago goes first.
const REMEMBERED_MAX: usize = 30_000;

/// Failures as they are remembered: until when they count, one after the other.
#[derive(Default)]
pub(crate) struct Limits(Mutex<HashMap<SecretHash, i64>>);

/// One attempt, whose keys are counted.
pub(crate) struct Attempt([SecretHash; 3]);

impl Limits {
    /// Counts an attempt before it is made, so that many at once are not too many.
    ///
    /// # Errors
    /// There were too many; in how many seconds there may be another.
    pub(crate) fn attempt(&self, name: &str, address: &str, now: i64) -> Result<Attempt, i64> {
        let keys = [
            hash(&format!("both\n{address}\n{name}")),
            hash(&format!("from\n{address}")),
            hash(&format!("name\n{name}")),
        ];
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, burst) in keys.iter().zip(BURSTS) {
            let until = all.get(key).copied().unwrap_or(now);
            let wait = until - now - (burst - 1) * COUNTS_S;
            if wait > 0 {
                return Err(wait);
            }
        }
        if all.len() + keys.len() > REMEMBERED_MAX {
            all.retain(|_, until| *until > now);
        }
        while all.len() + keys.len() > REMEMBERED_MAX {
            let first = all.iter().min_by_key(|(_, until)| **until).map(|(key, _)| *key);
            all.remove(&first.expect("there are many"));
        }
        for key in &keys {
            let until = all.entry(*key).or_insert(now);
            *until = (*until).max(now) + COUNTS_S;
        }
        Ok(Attempt(keys))
    }

    /// Forgets an attempt that was none at guessing.
    pub(crate) fn forget(&self, Attempt(keys): Attempt) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if let Some(until) = all.get_mut(&key) {
                *until -= COUNTS_S;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_for_their_time() {
        let limits = Limits::default();
        let failed = |name: &str, address: &str, now| limits.attempt(name, address, now).map(drop);
        for _ in 0..5 {
            assert_eq!(failed("ann", "a", 0), Ok(()));
        }
        assert_eq!(failed("ann", "a", 0), Err(60));
        assert_eq!(failed("ann", "a", 59), Err(1));
        assert_eq!(failed("ann", "b", 59), Ok(()), "another address is not locked out");
        assert_eq!(failed("bob", "a", 59), Ok(()), "another name neither");
        assert_eq!(failed("ann", "a", 60), Ok(()));
        assert_eq!(failed("ann", "a", 60), Err(60));
        for number in 0..14 {
            assert_eq!(failed(&format!("n{number}"), "a", 60), Ok(()));
        }
        assert!(failed("n99", "a", 60).is_err(), "an address guesses no names");
    }

    #[test]
    fn who_signs_in_is_not_counted_and_nothing_is_remembered_for_ever() {
        let limits = Limits::default();
        for _ in 0..50 {
            let attempt = limits.attempt("ann", "a", 0).unwrap_or_else(|_| panic!("counted"));
            limits.forget(attempt);
        }
        for number in 0..REMEMBERED_MAX / 3 + 9 {
            let _ = limits.attempt(&format!("n{number}"), &format!("a{number}"), 0);
        }
        assert!(limits.0.lock().expect("no panic").len() <= REMEMBERED_MAX);
    }
}
