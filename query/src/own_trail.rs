//! keytrail's own lines, the newest first: who signed in, asked, exported, changed what; gaps, alarms, checkpoints.

use std::collections::BTreeSet;

use ingest::own::{Fact, OwnLine};
use ingest::source::LeafIndex;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::QueryError;
use crate::trail::Trail;

/// The most lines of a page.
pub const ROWS_MAX: usize = 1_000;
/// How many leaves are looked through first; each further stretch is twice as long, so that recent lines are found
/// at once and rare ones without a read for each.
const STRETCH: u64 = 1 << 16;

/// Which lines are meant.
#[derive(Clone, Debug, Default)]
pub struct OwnQuestion {
    /// Of this type alone.
    pub kind: Option<String>,
    /// Of whom: a part of what the line calls him.
    pub who: Option<String>,
    /// Before this leaf.
    pub before: Option<u64>,
    /// So many at most.
    pub rows: usize,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRow {
    /// Its leaf.
    pub leaf: u64,
    /// When it was written.
    pub time: Timestamp,
    /// Its type.
    pub kind: String,
    /// Who did it; absent: keytrail itself.
    pub who: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// Everything else that it says.
    pub rest: Map<String, Value>,
}

/// Lines, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnPage {
    /// The lines.
    pub rows: Vec<OwnRow>,
    /// There may be more before this leaf.
    pub next: Option<u64>,
    /// How many leaves there were when it was answered.
    pub leaves: u64,
}

/// Returns the newest lines that fit.
///
/// # Errors
/// The ledger cannot be read; the turn is over.
pub fn own_lines(trail: &Trail, question: &OwnQuestion) -> Result<OwnPage, QueryError> {
    let turn = trail.turn();
    let ledger = trail.ledger();
    let leaves = ledger.size();
    let rows = question.rows.clamp(1, ROWS_MAX);
    let mut end = question.before.unwrap_or(leaves).min(leaves);
    let (mut found, mut stretch) = (Vec::new(), STRETCH);
    // One more than asked for tells whether there is a next page.
    while end > 0 && found.len() <= rows {
        let begin = end.saturating_sub(stretch);
        let mut within = Vec::new();
        for batch in ledger.own_batches(LeafIndex(begin))? {
            turn.check()?;
            let batch = batch?;
            let first = batch.header.first_leaf.0 + 1;
            if first >= end {
                break;
            }
            let lines = (first..end).zip(batch.lines.iter()).filter(|(leaf, _)| *leaf >= begin);
            within.extend(lines.filter_map(|(leaf, line)| row(leaf, line, question)));
        }
        found.extend(within.into_iter().rev());
        (end, stretch) = (begin, stretch.saturating_mul(2));
    }
    let more = found.len() > rows;
    found.truncate(rows);
    let next = found.last().filter(|_| more).map(|row| row.leaf);
    Ok(OwnPage { rows: found, next, leaves })
}

/// Reads the lines from a leaf on to the ledger's end, the oldest first; returns the leaf to read on from. Lines that this
/// version does not know are passed over.
///
/// # Errors
/// The ledger cannot be read; the turn is over.
pub(crate) fn each_own_line(
    trail: &Trail,
    from: u64,
    each: &mut dyn FnMut(u64, OwnLine),
) -> Result<u64, QueryError> {
    let (turn, size) = (trail.turn(), trail.ledger().size());
    for batch in trail.ledger().own_batches(LeafIndex(from))? {
        turn.check()?;
        let batch = batch?;
        let first = batch.header.first_leaf.0 + 1;
        for (leaf, line) in (first..size).zip(batch.lines.iter()).filter(|(leaf, _)| *leaf >= from)
        {
            if let Ok(line) = serde_json::from_slice(line) {
                each(leaf, line);
            }
        }
    }
    Ok(from.max(size))
}

/// Returns the versions of keytrail that have followed files here.
///
/// # Errors
/// The ledger cannot be read; the turn is over.
pub fn versions(trail: &Trail) -> Result<BTreeSet<String>, QueryError> {
    let mut versions = BTreeSet::new();
    each_own_line(trail, 0, &mut |_, line| {
        if let Fact::Started { version, .. } = line.fact {
            versions.insert(version);
        }
    })?;
    Ok(versions)
}

/// Gives the lines below a leaf as rows, the oldest first; returns how many there are that have no time and type.
///
/// # Errors
/// As [`each_own_line`].
pub(crate) fn each_own_row(
    trail: &Trail,
    below: u64,
    each: &mut dyn FnMut(OwnRow),
) -> Result<u64, QueryError> {
    let (turn, question) = (trail.turn(), OwnQuestion::default());
    let mut unreadable = 0;
    for batch in trail.ledger().own_batches(LeafIndex(0))? {
        turn.check()?;
        let batch = batch?;
        let first = batch.header.first_leaf.0 + 1;
        for (leaf, line) in (first..below).zip(batch.lines.iter()) {
            match row(leaf, line, &question) {
                Some(row) => each(row),
                None => unreadable += 1,
            }
        }
    }
    Ok(unreadable)
}

impl OwnRow {
    /// Returns when the line was written, in nanoseconds since 1970.
    pub(crate) fn time_unix_ns(&self) -> i64 {
        i64::try_from(self.time.as_nanosecond()).unwrap_or(i64::MAX)
    }
}

fn row(leaf: u64, line: &[u8], question: &OwnQuestion) -> Option<OwnRow> {
    let mut rest: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let mut text = |name: &str| match rest.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (time, kind) = (text("time")?.parse().ok()?, text("type")?);
    let who = text("by").or_else(|| text("user").map(|user| format!("user:{user}")));
    let row = OwnRow { leaf, time, kind, who, address: text("address"), rest };
    let is_kind = question.kind.as_ref().is_none_or(|kind| *kind == row.kind);
    let is_who = question
        .who
        .as_ref()
        .is_none_or(|wanted| row.who.as_ref().is_some_and(|who| who.contains(wanted.as_str())));
    (is_kind && is_who).then_some(row)
}
