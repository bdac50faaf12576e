//! Documents by their keys, as a query.

use std::sync::Arc;

use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, Score, SegmentReader};

use super::Keys;
use crate::event::Uid;
use crate::index::document::request_key;
use crate::index::listed;

/// Documents with one of some keys. A key is eight bytes, and another event may have the same, once in 2^64: who means
/// one event compares the columns as well, see [`crate::index::Uids`].
#[derive(Clone, Debug)]
pub struct KeyQuery {
    of: Of,
    /// Ascending, each once.
    keys: Arc<[u64]>,
}

/// Whose keys.
#[derive(Clone, Copy, Debug)]
enum Of {
    Uids,
    Requests,
}

impl KeyQuery {
    /// Asks for the events of these uids.
    pub fn of_uids(uids: impl IntoIterator<Item = Uid>) -> KeyQuery {
        KeyQuery::of(Of::Uids, uids.into_iter().map(|uid| uid.halves().0).collect())
    }

    /// Asks for the events of a request; the id is as [`crate::index::document::value`] gives it.
    pub fn of_request(id: &str) -> KeyQuery {
        KeyQuery::of(Of::Requests, vec![request_key(id)])
    }

    /// Asks for the events whose uids have these keys.
    pub(in crate::index) fn of_uid_keys(keys: Vec<u64>) -> KeyQuery {
        KeyQuery::of(Of::Uids, keys)
    }

    fn of(of: Of, mut keys: Vec<u64>) -> KeyQuery {
        keys.sort_unstable();
        keys.dedup();
        KeyQuery { of, keys: keys.into() }
    }

    /// Returns the documents of a segment, ascending, deleted ones included.
    ///
    /// # Errors
    /// The segment cannot be read, or is damaged.
    pub fn documents(&self, segment: &SegmentReader) -> tantivy::Result<Vec<DocId>> {
        let keys = Keys::open(segment)?;
        match self.of {
            Of::Uids => keys.uids.documents(&self.keys),
            Of::Requests => keys.requests.documents(&self.keys),
        }
    }
}

impl Query for KeyQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for KeyQuery {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(listed::scorer(self.documents(segment)?, boost))
    }

    fn explain(&self, segment: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        listed::explain(&self.documents(segment)?, document)
    }
}
