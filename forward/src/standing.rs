//! How sinks stand, for whoever watches them while they run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

/// How a running sink stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The transport's word.
    pub kind: &'static str,
    /// Everything up to this leaf and ordinal is done with.
    pub cursor: (u64, u32),
    /// Events after the cursor that the filter keeps, at the last look; those that are not sent since counts leave them
    /// out are among them.
    pub waiting: u64,
    /// Since when there has been more than it could send at once.
    pub behind_since: Option<Timestamp>,
    /// Events that the receiver took.
    pub delivered: u64,
    /// Events that it refused.
    pub rejected: u64,
    /// Tries that failed, since the start.
    pub failed: u64,
    /// Refused events that are kept.
    pub dead: u64,
    /// Events that it refused without saying which.
    pub unnamed: u64,
    /// What is wrong, and since when.
    pub problem: Option<(Timestamp, String)>,
    /// It does not go on without somebody's help.
    pub stopped: bool,
}

/// How all sinks of a process stand. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Standings(Arc<Mutex<BTreeMap<String, Standing>>>);

impl Standings {
    /// Returns all, by name.
    pub fn all(&self) -> BTreeMap<String, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, name: &str, standing: Standing) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), standing);
    }
}
