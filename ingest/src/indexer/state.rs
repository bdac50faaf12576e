//! What the indexer keeps in the commit's payload, and how it goes on from there.

use std::collections::HashSet;
use std::path::Path;

use super::IndexerError;
use super::sources::Sources;
use super::tip::Tip;
use crate::coverage::{Coverage, Record};
use crate::index::{CommitPayload, EventIndex, IndexWriter, OpenLine};
use crate::ledger::LedgerReader;
use crate::pairing::{Clocks, HalfEvent, Pairing, PendingRequest, WAITING_MAX};
use crate::retention::Retention;
use crate::source::{LeafIndex, SourceId};

/// What the indexer keeps in the commit's payload.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct State {
    pub(super) sources: Vec<String>,
    pub(super) giving: Vec<u32>,
    pub(super) clocks: Clocks,
    pub(super) coverage: Coverage,
    #[serde(default)]
    pub(super) retention: Retention,
    #[serde(default)]
    pub(super) dropped_to: u64,
    #[serde(default)]
    pub(super) tip: Option<Tip>,
}

/// Reads what the last commit kept; none in an index that nothing was written to.
pub(super) fn stored(payload: &CommitPayload) -> Option<State> {
    serde_json::from_value(payload.state.clone()).ok()
}

/// Returns what a commit knows of retention, and below which leaf it has dropped everything.
pub(super) fn stored_retention(payload: &CommitPayload) -> (Retention, u64) {
    stored(payload).map_or_else(Default::default, |state| (state.retention, state.dropped_to))
}

/// Returns what a commit knows of retention.
pub(crate) fn retention_of(payload: &CommitPayload) -> Retention {
    stored_retention(payload).0
}

/// What a commit says of coverage that may still grow, for readers.
#[derive(Clone, Debug, Default)]
pub struct GrowingCoverage {
    /// The records, each with its source.
    pub records: Vec<(SourceId, Record)>,
    /// Sources that lack a heartbeat, and since when.
    pub waiting: Vec<(SourceId, i64)>,
}

impl GrowingCoverage {
    /// Reads it from the payload of a commit; empty for the commit of an index that nothing was written to.
    pub fn of(payload: &CommitPayload) -> GrowingCoverage {
        let Some(state) = stored(payload) else {
            return GrowingCoverage::default();
        };
        let source = |number: u32| state.sources.get(number as usize)?.parse().ok();
        let records = state.coverage.growing().into_iter();
        let waiting = state.coverage.waiting();
        GrowingCoverage {
            records: records
                .filter_map(|(number, record)| Some((source(number)?, record)))
                .collect(),
            waiting: waiting.filter_map(|(number, since)| Some((source(number)?, since))).collect(),
        }
    }
}

/// Takes up the state of the last commit: where to read on, and who waits for whom.
pub(super) fn restore(
    index: &IndexWriter,
    index_dir: &Path,
    ledger: &LedgerReader,
) -> Result<(u64, Pairing, Coverage, Sources), IndexerError> {
    let payload = index.payload();
    let Some(state) = stored(payload) else {
        // A new index: nothing is covered.
        return Ok((0, Pairing::new(), Coverage::default(), Sources::default()));
    };
    let covered = LeafIndex(payload.covered);
    let mut sources = Sources::restore(&state.sources, &state.giving, covered)?;
    let snapshot = EventIndex::open(index_dir)?.snapshot();
    let mut pending = Vec::new();
    for open in snapshot.pending()? {
        // Who read it stands in the batch header only.
        let reader = ledger.reader_of(open.leaf)?;
        let source = sources.number(&open.source, open.leaf)?;
        pending.push(PendingRequest {
            source,
            reader,
            leaf: open.leaf,
            request_id: open.request_id,
            time_unix_ns: open.time_unix_ns,
        });
    }
    let mut half = |open: OpenLine| {
        let source = sources.number(&open.source, open.leaf)?;
        Ok::<_, IndexerError>(HalfEvent { source, leaf: open.leaf, request_id: open.request_id })
    };
    let late: HashSet<(String, String)> = snapshot
        .late(WAITING_MAX)?
        .into_iter()
        .map(|open| (open.source, open.request_id))
        .collect();
    let closed = snapshot.unanswered(WAITING_MAX)?.into_iter().map(|open| {
        let answered_late = late.contains(&(open.source.clone(), open.request_id.clone()));
        Ok::<_, IndexerError>((half(open)?, answered_late))
    });
    let closed = closed.collect::<Result<Vec<_>, _>>()?;
    let response_only = snapshot
        .response_only(WAITING_MAX)?
        .into_iter()
        .map(half)
        .collect::<Result<Vec<_>, _>>()?;
    let pairing = Pairing::restore(&state.clocks, &pending, &closed, &response_only);
    Ok((payload.covered, pairing, state.coverage, sources))
}
