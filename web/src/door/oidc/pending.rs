//! Sign-ins that were begun and wait for the provider: each is good for one browser, once, and not for long.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::door::secret::{SecretHash, hash};

/// How long somebody may take at the provider's, in seconds.
pub(crate) const WAITS_S: i64 = 10 * 60;
/// The most that wait, from one address and in all; the oldest makes room.
const FROM_ADDRESS_MAX: usize = 100;
const PENDING_MAX: usize = 2_000;

/// What is kept of a sign-in that was begun.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    /// The hash of what the browser's cookie holds.
    pub(super) browser: SecretHash,
    /// Has to come back in the ID token.
    pub(super) nonce: String,
    /// Of PKCE: proves that the code was asked for here.
    pub(super) verifier: String,
    /// The address to which the provider was told to send the browser back.
    pub(super) redirect: String,
    /// The page that was wanted.
    pub(super) next: String,
    pub(super) address: String,
    pub(super) at: i64,
}

/// All of them, by the hash of their state.
#[derive(Default)]
pub(super) struct Pending(Mutex<HashMap<SecretHash, Begun>>);

impl Pending {
    /// Keeps one.
    pub(super) fn add(&self, state: &str, begun: Begun) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, one| begun.at - one.at < WAITS_S);
        make_room(&mut all, FROM_ADDRESS_MAX, |one| one.address == begun.address);
        make_room(&mut all, PENDING_MAX, |_| true);
        all.insert(hash(state), begun);
    }

    /// Takes one out: it is used once, and only by the browser that began it.
    pub(super) fn take(&self, state: &str, browser: Option<&str>, now: i64) -> Option<Begun> {
        let (state, browser) = (hash(state), hash(browser?));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&state).filter(|begun| begun.browser == browser)?;
        all.remove(&state).filter(|begun| now - begun.at < WAITS_S)
    }
}

fn make_room(all: &mut HashMap<SecretHash, Begun>, most: usize, is_one: impl Fn(&Begun) -> bool) {
    while all.values().filter(|begun| is_one(begun)).count() >= most {
        let these = all.iter().filter(|(_, begun)| is_one(begun));
        let oldest = these.min_by_key(|(_, begun)| begun.at).map(|(state, _)| *state);
        all.remove(&oldest.expect("there is one"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(browser: &str, address: &str, at: i64) -> Begun {
        let none = String::new;
        let (nonce, verifier, redirect, next) = (none(), none(), none(), none());
        let (browser, address) = (hash(browser), address.to_owned());
        Begun { browser, nonce, verifier, redirect, next, address, at }
    }

    #[test]
    fn one_is_taken_once_in_time_and_by_its_browser() {
        let pending = Pending::default();
        pending.add("s", begun("b", "a", 0));
        assert!(pending.take("s", None, 0).is_none());
        assert!(pending.take("s", Some("c"), 0).is_none(), "another browser takes nothing away");
        assert!(pending.take("t", Some("b"), 0).is_none());
        assert!(pending.take("s", Some("b"), WAITS_S - 1).is_some());
        assert!(pending.take("s", Some("b"), 0).is_none(), "used");
        pending.add("s", begun("b", "a", 0));
        assert!(pending.take("s", Some("b"), WAITS_S).is_none(), "too late");
    }

    #[test]
    fn who_begins_and_never_comes_back_takes_nobody_elses_place() {
        let pending = Pending::default();
        pending.add("mine", begun("b", "me", 0));
        for number in 0..=FROM_ADDRESS_MAX as i64 {
            pending.add(&format!("s{number}"), begun("b", "he", number));
        }
        assert!(pending.take("s0", Some("b"), 1).is_none(), "the oldest of his made room");
        assert!(pending.take("s1", Some("b"), 1).is_some());
        for number in 0..PENDING_MAX {
            pending.add(&format!("t{number}"), begun("b", &format!("a{number}"), 2));
        }
        assert!(pending.0.lock().expect("no panic").len() <= PENDING_MAX);
    }
}
