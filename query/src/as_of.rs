//! The trail as it was at a leaf, whatever was written since.
//!
//! A question can be bound to a leaf by itself, and then counts the events issued below it. But names, twins, coverage,
//! reviews and registers of later lines would still speak into its answer; here they do not.

use std::path::Path;

use ingest::index::EventIndex;
use ingest::indexer::Indexer;
use ingest::ledger::LedgerReader;
use ingest::normalise::Rules;
use ingest::source::LeafIndex;
use jiff::Timestamp;
use tempfile::TempDir;

use crate::error::QueryError;
use crate::trail::Trail;

/// A trail that ends with a leaf.
pub struct AsOf {
    trail: Trail,
    /// The leaves of its ledger.
    at: u64,
    /// An index of its own; absent: the data folder's is of just this leaf.
    _index: Option<TempDir>,
}

impl AsOf {
    /// Opens a data folder as it was when its ledger had `at` leaves. If its index has more or less of them, one is made
    /// for this, in a temporary folder; `progress` is told how many leaves of `at` are in it.
    ///
    /// # Errors
    /// The ledger never had exactly so many leaves; ledger or index cannot be read; an index cannot be made.
    pub fn open(data: &Path, at: u64, progress: &dyn Fn(u64, u64)) -> Result<AsOf, QueryError> {
        let ledger = LedgerReader::open_as_of(data, at)?;
        let index = data.join("index");
        let payload = EventIndex::open(&index)?.snapshot().payload.clone();
        if payload.covered == at && payload.rules == Rules::builtin().version() {
            let trail = Trail::of(ledger.clone(), &index);
            // It may have been committed anew in between.
            if let Ok(trail) = trail
                && trail.view().leaf() == at
            {
                return Ok(AsOf { trail, at, _index: None });
            }
        }
        let folder = tempfile::tempdir().map_err(QueryError::Temporary)?;
        let index = folder.path().join("index");
        let mut indexer = Indexer::open(&index, ledger.clone(), Rules::builtin())?.in_bulk()?;
        indexer.catch_up(&mut |leaf| {
            progress(leaf, at);
            true
        })?;
        indexer.commit()?;
        indexer.publish()?.finish()?;
        Ok(AsOf { trail: Trail::of(ledger, &index)?, at, _index: Some(folder) })
    }

    /// Returns the trail.
    pub fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Returns the leaf.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Returns when it was: the arrival of the last line.
    ///
    /// # Errors
    /// The ledger is damaged or unreadable.
    pub fn time(&self) -> Result<Timestamp, QueryError> {
        let Some(last) = self.at.checked_sub(1) else { return Ok(Timestamp::UNIX_EPOCH) };
        let arrived = self.trail.ledger().arrived(LeafIndex(last))?;
        Ok(Timestamp::from_nanosecond(arrived.into()).unwrap_or(Timestamp::MAX))
    }
}
