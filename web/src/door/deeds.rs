//! What readers do, as own lines of the ledger. A storm of questions does not flood it.
//!
//! The same deed of one reader is one line a minute, and so many deeds are lines at most; how many more there were is
//! a line of its own, written when the minute is over and something is recorded again, or the process ends.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use ingest::own::Fact;
use jiff::Timestamp;

use super::secret::{SecretHash, hash};

/// Different deeds of a reader that become lines within a minute.
pub(crate) const DEEDS_MAX: usize = 60;

/// The minutes of all readers, by name.
#[derive(Default)]
pub(crate) struct Deeds(Mutex<HashMap<String, Minute>>);

struct Minute {
    began: Timestamp,
    seen: HashSet<SecretHash>,
    more: u64,
}

impl Deeds {
    /// Takes note of what a reader does, and returns what is to be written: of minutes that are over, and of this deed
    /// unless the minute has it already, or is full.
    pub(crate) fn note(&self, by: &str, fact: Fact, now: Timestamp) -> Vec<Fact> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut facts = Vec::new();
        all.retain(|by, minute| {
            let is_over = now.duration_since(minute.began).as_secs() >= 60;
            if is_over {
                facts.extend(minute.left_out(by));
            }
            !is_over
        });
        let minute = all.entry(by.to_owned()).or_insert_with(|| Minute {
            began: now,
            seen: HashSet::new(),
            more: 0,
        });
        let key = hash(&format!("{fact:?}"));
        if minute.seen.contains(&key) {
            return facts;
        }
        if minute.seen.len() >= DEEDS_MAX {
            minute.more += 1;
            return facts;
        }
        minute.seen.insert(key);
        facts.push(fact);
        facts
    }

    /// Returns what is still to be written.
    pub(crate) fn rest(&self) -> Vec<Fact> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.drain().filter_map(|(by, minute)| minute.left_out(&by)).collect()
    }
}

impl Minute {
    fn left_out(&self, by: &str) -> Option<Fact> {
        let Minute { began, more, .. } = self;
        (*more > 0).then(|| Fact::DeedsLeftOut { by: by.to_owned(), since: *began, deeds: *more })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(number: usize) -> Fact {
        Fact::Asked {
            by: "user:ann".to_owned(),
            address: "127.0.0.1".to_owned(),
            route: "/explore".to_owned(),
            filter: format!("path:{number}"),
        }
    }

    #[test]
    fn a_storm_is_so_many_lines_and_a_count() {
        let deeds = Deeds::default();
        let at = |second| Timestamp::from_second(second).expect("a time");
        let storm = |second| {
            let noted =
                (0..200).map(|number| deeds.note("user:ann", asked(number / 2), at(second)));
            noted.map(|facts| facts.len()).sum::<usize>()
        };
        assert_eq!(storm(0), DEEDS_MAX);
        assert_eq!(storm(59), 0);
        let after = deeds.note("user:bob", asked(0), at(60));
        // Those of the first storm beyond the limit, each twice, and of the second.
        let more = 2 * (200 - 2 * DEEDS_MAX as u64);
        let left = Fact::DeedsLeftOut { by: "user:ann".to_owned(), since: at(0), deeds: more };
        assert_eq!(after, [left, asked(0)]);
        assert_eq!(storm(61), DEEDS_MAX);
        assert!(matches!(deeds.rest()[..], [Fact::DeedsLeftOut { deeds: 80, .. }]));
        assert!(deeds.rest().is_empty());
    }
}
