//! What a data folder holds, source by source.

use std::collections::BTreeMap;
use std::path::Path;

use ingest::ledger::{VerifierKey, key_fingerprint};
use ingest::retention::Hold;
use serde::Serialize;
use utoipa::ToSchema;

use crate::coverage::Coverage;
use crate::error::QueryError;
use crate::period::rfc3339;
use crate::question::Question;
use crate::trail::Trail;

mod text;

/// What a data folder holds.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Status {
    /// The ledger: `keytrail/<cluster>`.
    pub origin: String,
    /// `sha256:` and 64 hex digits: what an auditor is given beforehand.
    pub key_fingerprint: String,
    /// Leaves in the ledger, batch headers and own lines included.
    pub leaves: u64,
    /// Leaves under the newest signature.
    pub signed_leaves: u64,
    /// Leaves that the index covers.
    pub indexed_leaves: u64,
    /// Events, those that counts leave out included.
    pub events: u64,
    /// Events that counts leave out, by word.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Requests that wait for their response.
    pub pending: u64,
    /// Lines, or torn pieces of one, that hold no entry.
    pub undecodable: u64,
    /// Times at which bytes are known to be missing.
    pub gaps: u64,
    /// The least leaf that is answered from: lines of servers below it were removed by retention.
    pub least_leaf: u64,
    /// When the last line that was removed had arrived.
    pub retained_until: Option<String>,
    /// Legal holds that stand.
    pub holds: Vec<Hold>,
    /// The rules that made the events.
    pub rules: String,
    /// How complete the trail is, from its first entry to its newest.
    pub coverage: Coverage,
    /// What each source gave.
    pub sources: Vec<SourceStatus>,
}

/// What one source gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SourceStatus {
    /// cluster/node/device.
    pub source: String,
    /// Lines in the ledger.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Contents of files that they came from.
    pub generations: u64,
    /// When the last of them arrived, by keytrail's clock.
    pub last_arrival: Option<String>,
}

/// Returns what the data folder holds.
///
/// # Errors
/// Ledger, key or index cannot be read.
pub fn status(data: &Path, trail: &Trail) -> Result<Status, QueryError> {
    let view = trail.view();
    let totals = view.totals()?;
    let retention = view.retention();
    let mut sources: BTreeMap<String, (SourceStatus, i64)> = BTreeMap::new();
    for info in trail.ledger().generations()? {
        if &*info.source == ingest::own::OWN_SOURCE {
            continue;
        }
        let name = info.source.to_string();
        let empty = SourceStatus {
            source: name.clone(),
            lines: 0,
            bytes: 0,
            generations: 0,
            last_arrival: None,
        };
        let (of_source, last) = sources.entry(name).or_insert((empty, i64::MIN));
        of_source.lines += info.lines;
        of_source.bytes += info.end - info.start;
        of_source.generations += 1;
        if info.last_arrived_unix_ns > *last {
            *last = info.last_arrived_unix_ns;
            of_source.last_arrival = Some(rfc3339(*last));
        }
    }
    Ok(Status {
        origin: trail.ledger().origin().to_owned(),
        key_fingerprint: key_fingerprint(&VerifierKey::of_folder(data)?),
        leaves: trail.ledger().size(),
        signed_leaves: trail.ledger().checkpoint()?.size,
        indexed_leaves: totals.leaves,
        events: totals.events,
        left_out: Question::everything().left_out(&view)?.0,
        pending: totals.pending,
        undecodable: totals.undecodable,
        gaps: totals.gaps,
        least_leaf: retention.least_leaf,
        retained_until: retention.until.map(|until| until.to_string()),
        holds: retention.holds.clone(),
        coverage: (*view.coverage(None, None, jiff::Timestamp::now())?).clone(),
        rules: view.snapshot().payload.rules.clone(),
        sources: sources.into_values().map(|(of_source, _)| of_source).collect(),
    })
}
