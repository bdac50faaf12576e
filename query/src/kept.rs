//! Answers of single parts of the index that are kept, since a part never changes: the same question has the same
//! answer there for as long as the part lives.
//!
//! The key names the part with its deletions, so what is kept of a part is never told of what became of it. What is
//! not asked for any more goes first; all of it together takes no more than a given number of bytes.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::count::Grouped;
use crate::interval::Interval;
use crate::part::PartKey;

/// How much is kept, in bytes.
pub(crate) const KEPT_BYTES: usize = 64 << 20;

/// The part, the question as far as it concerns the part, and what is counted.
pub(crate) type Key = (PartKey, String, String);

/// Answers that are kept.
pub(crate) struct Kept {
    limit: usize,
    inner: Mutex<Inner>,
}

struct Inner {
    answers: LruCache<Key, Entry>,
    bytes: usize,
}

struct Entry {
    /// Zones have no text that tells them all apart, hence the interval itself.
    interval: Option<Interval>,
    grouped: Arc<Grouped>,
    bytes: usize,
}

/// What an entry takes beside its answer.
const ENTRY_BYTES: usize = 512;

impl Kept {
    /// Keeps up to so many bytes.
    pub(crate) fn new(limit: usize) -> Kept {
        let most = NonZeroUsize::new(limit / ENTRY_BYTES).unwrap_or(NonZeroUsize::MIN);
        Kept { limit, inner: Mutex::new(Inner { answers: LruCache::new(most), bytes: 0 }) }
    }

    /// Returns what is kept.
    pub(crate) fn get(&self, key: &Key, interval: Option<&Interval>) -> Option<Arc<Grouped>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = inner.answers.get(key)?;
        (entry.interval.as_ref() == interval).then(|| entry.grouped.clone())
    }

    /// Keeps an answer, unless it would take the room of many.
    pub(crate) fn put(&self, key: Key, interval: Option<&Interval>, grouped: &Arc<Grouped>) {
        let bytes = ENTRY_BYTES + key.1.len() + key.2.len() + grouped.bytes();
        if bytes > self.limit / 8 {
            return;
        }
        let entry = Entry { interval: interval.cloned(), grouped: grouped.clone(), bytes };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.bytes += bytes;
        if let Some((_, gone)) = inner.answers.push(key, entry) {
            inner.bytes -= gone.bytes;
        }
        while inner.bytes > self.limit
            && let Some((_, gone)) = inner.answers.pop_lru()
        {
            inner.bytes -= gone.bytes;
        }
    }
}
