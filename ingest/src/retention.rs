//! How long lines are kept: what may go, what says that it went, and what holds it.
//!
//! ```text
//!   1. tombstone     an own line, durable and signed: these segments lose their lines
//!   2. segments      emptied one after the other, oldest first
//!   3. index         drops what it has of them, when it reads the tombstone
//! ```
//!
//! After 1 the rest can be done again at any time, so a crash leaves nothing in between. A legal hold, set by
//! an own line too, stops 1 and 2.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::custody::append;
use crate::index::CommitPayload;
use crate::indexer;
use crate::ledger::{Ledger, LedgerError, LedgerReader, Removed, SegmentInfo};
use crate::own::{Fact, OwnLine, RemovedSegment};
use crate::source::LeafIndex;

/// What own lines say of retention, as far as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// The least leaf that is answered from: lines of servers below it were removed.
    pub least_leaf: u64,
    /// When the last line that was removed had arrived; absent if none was.
    pub until: Option<Timestamp>,
    /// The legal holds that stand, the oldest first.
    pub holds: Vec<Hold>,
}

/// A legal hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
pub struct Hold {
    /// Why, in the words of whoever set it.
    pub reason: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

impl Retention {
    /// Takes the next own line.
    pub fn take(&mut self, own: &OwnLine) {
        match &own.fact {
            Fact::Retained { least_leaf, until, .. } if *least_leaf > self.least_leaf => {
                self.least_leaf = *least_leaf;
                self.until = self.until.max(Some(*until));
            }
            Fact::HoldSet { reason } if !self.holds.iter().any(|hold| hold.reason == *reason) => {
                self.holds.push(Hold { reason: reason.clone(), since: own.time });
            }
            Fact::HoldReleased { reason } => self.holds.retain(|hold| hold.reason != *reason),
            _ => {}
        }
    }

    /// Reads what a commit of the index knows.
    pub fn of(payload: &CommitPayload) -> Retention {
        indexer::retention_of(payload)
    }

    /// Returns the sentence that each answer has to say; none if nothing was removed.
    pub fn sentence(&self) -> Option<String> {
        let until = self.until?;
        Some(format!(
            "lines that arrived up to {until} were removed by retention: answers begin at leaf {}",
            self.least_leaf
        ))
    }
}

/// Everything that own lines say of retention.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What stands now.
    pub now: Retention,
    /// Every segment that a tombstone names.
    pub removed: Vec<Removed>,
}

/// Reads all own lines that are signed. Where the ledger is damaged it stops: what is not read vouches for nothing.
///
/// # Errors
/// The ledger cannot be read.
pub fn told(ledger: &LedgerReader) -> Result<Told, LedgerError> {
    let mut told = Told::default();
    for batch in ledger.own_batches(LeafIndex(0))? {
        let batch = match batch {
            Ok(batch) => batch,
            Err(LedgerError::Corrupt { .. }) => break,
            Err(error) => return Err(error),
        };
        for (leaf, line) in (batch.header.first_leaf.0 + 1..).zip(batch.lines.iter()) {
            let Some(own) = OwnLine::parse(line) else { continue };
            told.now.take(&own);
            if let Fact::Retained { removed, .. } = own.fact {
                told.removed.extend(removed.iter().map(|segment| Removed {
                    tombstone: LeafIndex(leaf),
                    first_leaf: LeafIndex(segment.first_leaf),
                    end: segment.end,
                }));
            }
        }
    }
    Ok(told)
}

/// Returns the segments that may go: whole, oldest first, and every batch arrived `keep` ago or before.
///
/// # Errors
/// The ledger is damaged or unreadable.
pub fn due(
    ledger: &LedgerReader,
    now: &Retention,
    keep: Duration,
) -> Result<Vec<SegmentInfo>, LedgerError> {
    let keep = i64::try_from(keep.as_nanos()).unwrap_or(i64::MAX);
    let before = crate::record::now_unix_ns().saturating_sub(keep);
    ledger.segments_before(LeafIndex(now.least_leaf), before)
}

/// Returns how many of the oldest segments hold nothing that a sink has yet to send: those that end at or below the leaf
/// up to which every sink is done.
pub fn done_with(segments: &[SegmentInfo], done_below: Option<u64>) -> usize {
    let Some(leaf) = done_below else { return segments.len() };
    segments.iter().take_while(|segment| segment.end <= leaf).count()
}

/// Returns the tombstone of these segments; none if there are none.
pub fn tombstone(segments: &[SegmentInfo], keep: Duration) -> Option<Fact> {
    let least_leaf = segments.last()?.end;
    let until = segments.iter().map(|segment| segment.arrived_unix_ns).max()?;
    let removed = segments.iter().map(|segment| RemovedSegment {
        file: segment.file(),
        first_leaf: segment.first_leaf.0,
        end: segment.end,
        leaves: segment.leaves,
        bytes: segment.bytes,
    });
    Some(Fact::Retained {
        least_leaf,
        until: Timestamp::from_nanosecond(until.into()).unwrap_or(Timestamp::MAX),
        keep: format!("{}s", keep.as_secs()),
        removed: removed.collect(),
    })
}

/// Empties each segment that tombstones name and that still has its lines, and returns how many those were.
/// The caller sees to it that one process at most writes here.
///
/// # Errors
/// A segment is damaged, and stays; the disk refuses.
pub fn remove(ledger: &LedgerReader, told: &Told) -> Result<usize, LedgerError> {
    if !told.now.holds.is_empty() {
        return Ok(0);
    }
    let mut emptied = 0;
    for removed in &told.removed {
        emptied += usize::from(ledger.empty_segment(removed.first_leaf)?);
    }
    Ok(emptied)
}

/// Removes what is due, and finishes what an earlier removal left; the index learns of it when it reads on.
/// Nothing is done while a hold stands.
///
/// # Errors
/// The ledger is damaged or unreadable; a write failed.
///
/// `done_below` is the leaf up to which every sink is done; none: no sink is waited for.
pub fn apply(
    ledger: &mut Ledger,
    keep: Duration,
    done_below: Option<u64>,
) -> Result<Vec<SegmentInfo>, LedgerError> {
    let reader = ledger.reader()?;
    let before = told(&reader)?;
    if !before.now.holds.is_empty() {
        return Ok(Vec::new());
    }
    // What a tombstone names is sealed: a sealer that runs later leaves it alone.
    let sealer = ledger.sealer()?;
    while sealer.seal_next()?.is_some() {}
    let mut segments = due(&reader, &before.now, keep)?;
    segments.truncate(done_with(&segments, done_below));
    if let Some(tombstone) = tombstone(&segments, keep) {
        append(ledger, tombstone)?;
        reader.refresh()?;
    }
    remove(&reader, &told(&reader)?)?;
    Ok(segments)
}

/// Sets a legal hold: nothing is removed until it is released.
///
/// # Errors
/// A write failed.
pub fn set_hold(ledger: &mut Ledger, reason: &str) -> Result<(), LedgerError> {
    append(ledger, Fact::HoldSet { reason: reason.to_owned() })
}

/// Releases the legal holds with this reason, or all of them, and returns which.
///
/// # Errors
/// The ledger is unreadable; a write failed.
pub fn release_holds(
    ledger: &mut Ledger,
    reason: Option<&str>,
) -> Result<Vec<String>, LedgerError> {
    let standing = told(&ledger.reader()?)?.now.holds.into_iter().map(|hold| hold.reason);
    let released: Vec<String> =
        standing.filter(|standing| reason.is_none_or(|reason| reason == standing)).collect();
    for reason in &released {
        append(ledger, Fact::HoldReleased { reason: reason.clone() })?;
    }
    Ok(released)
}
