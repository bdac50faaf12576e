//! What a pack holds, as data: the rows of a population with the lines that each was made of, a seeded sample of them, and
//! the leaves that are shown so that others make the same rows again.

use std::collections::HashMap;

use ingest::event::Uid;
use ingest::ledger::{LedgerReader, StoredLine};
use ingest::source::LeafIndex;
use sha2::{Digest, Sha256};

use crate::error::QueryError;
use crate::full::find_all;
use crate::history::View;
use crate::page::Page;
use crate::question::Question;
use crate::row::EventRow;
use crate::rows::Rows;
use crate::search::each_row;
use crate::table::{Cell, Column, Kind};

mod assessment;
mod assessment_tables;
mod leaves;
mod sample;

pub use self::assessment::{Assessment, ExceptionStanding, RequirementAnswer};
pub use self::assessment_tables::{
    EXCEPTION_COLUMNS, dispositions_row, exception_event_columns, exception_events,
};
use self::leaves::leaves_of;
pub use self::leaves::{Leaf, each_leaf, of_period, of_rows, own_leaves, together, with_headers};
pub use self::sample::{ALGORITHM, Sample};

/// How many of the columns tell of the event itself. Those after them tell of its lines and where they are kept.
pub const EVENT_COLUMNS: usize = 18;

/// The columns of a population.
pub const COLUMNS: &[Column] = &[
    Column::new("uid", Kind::Text),
    Column::new("request_id", Kind::Text),
    Column::new("time", Kind::Text),
    Column::new("completed", Kind::Text),
    Column::new("identity", Kind::Text),
    Column::new("identity_key", Kind::Text),
    Column::new("kind", Kind::Text),
    Column::new("namespace", Kind::Text),
    Column::new("path", Kind::Text),
    Column::new("mount", Kind::Text),
    Column::new("operation", Kind::Text),
    Column::new("action", Kind::Text),
    Column::new("decision", Kind::Text),
    Column::new("reason", Kind::Text),
    Column::new("outcome", Kind::Text),
    Column::new("remote_address", Kind::Text),
    Column::new("policies_granting", Kind::List),
    Column::new("error", Kind::Text),
    Column::new("request_leaf", Kind::Number),
    Column::new("request_sha256", Kind::Text),
    Column::new("request_source", Kind::Text),
    Column::new("request_generation", Kind::Number),
    Column::new("request_offset", Kind::Number),
    Column::new("request_length", Kind::Number),
    Column::new("response_leaf", Kind::Number),
    Column::new("response_sha256", Kind::Text),
    Column::new("response_source", Kind::Text),
    Column::new("response_generation", Kind::Number),
    Column::new("response_offset", Kind::Number),
    Column::new("response_length", Kind::Number),
];

/// Returns what a row tells of the event: the same wherever its lines are kept.
pub fn event_cells(row: &EventRow) -> Vec<Cell> {
    vec![
        Cell::Text(row.uid.to_string()),
        Cell::text(row.request_id.clone()),
        Cell::text(row.time.clone()),
        Cell::text(row.completed.clone()),
        Cell::text(row.identity.clone()),
        Cell::text(row.identity_key.clone()),
        Cell::text(row.kind.clone()),
        Cell::text(row.ns.clone()),
        Cell::text(row.path.clone()),
        Cell::text(row.mount.clone()),
        Cell::text(row.op.clone()),
        Cell::text(row.action.clone()),
        Cell::text(row.decision.clone()),
        Cell::text(row.reason.clone()),
        Cell::text(row.outcome.clone()),
        Cell::text(row.ip.clone()),
        Cell::List(row.policy.clone()),
        Cell::text(row.error.clone()),
    ]
}

/// How many rows get their lines together: some MB of both.
pub const ROWS: usize = 4_096;

/// Returns whole rows, in their order: the events and their lines, read from the ledger. Lines are read in its order,
/// not in that of the rows: what follows each other in time may lie far apart in it, and one line of a frame costs
/// about what all of them do.
///
/// # Errors
/// A line cannot be read, or retention removed it.
pub fn cells(rows: &[EventRow], ledger: &LedgerReader) -> Result<Vec<Vec<Cell>>, QueryError> {
    let mut leaves: Vec<LeafIndex> = rows.iter().flat_map(leaves_of).collect();
    leaves.sort_unstable();
    leaves.dedup();
    let mut lines = HashMap::with_capacity(leaves.len());
    for leaf in leaves {
        lines.insert(leaf, line_cells(&ledger.line(leaf)?));
    }
    let whole = |row: &EventRow| {
        let of_line = |leaf: Option<LeafIndex>| match leaf {
            Some(leaf) => lines[&leaf].clone(),
            None => [const { Cell::Absent }; 6],
        };
        let mut cells = event_cells(row);
        cells.extend(of_line(row.request_leaf));
        cells.extend(of_line(row.response_leaf));
        cells
    };
    Ok(rows.iter().map(whole).collect())
}

fn line_cells(line: &StoredLine) -> [Cell; 6] {
    [
        Cell::count(line.leaf.0),
        Cell::Text(sha256(&line.bytes)),
        Cell::text(Some(line.source.to_string())),
        Cell::count(line.generation.0),
        Cell::count(line.offset),
        Cell::count(line.bytes.len() as u64),
    ]
}

/// Returns the SHA-256 of bytes in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |digit| char::from_digit(u32::from(digit), 16).expect("four bits are one digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Gives the rows of a population in the one order of answers: newest first.
///
/// # Errors
/// The index cannot be read; what `each` returns.
pub fn rows<E: From<QueryError>>(
    view: &View,
    question: &Question,
    each: &mut dyn FnMut(EventRow) -> Result<(), E>,
) -> Result<Page<EventRow>, E> {
    each_row(view, question, 0, None, each)
}

/// The same with the cells of each whole row: the event and its lines.
///
/// # Errors
/// As [`rows`] and [`cells`].
pub fn whole_rows<E: From<QueryError>>(
    view: &View,
    question: &Question,
    ledger: &LedgerReader,
    mut each: impl FnMut(&EventRow, &[Cell]) -> Result<(), E>,
) -> Result<Page<EventRow>, E> {
    let mut waiting = Vec::with_capacity(ROWS);
    let mut give = |waiting: &mut Vec<EventRow>| {
        let whole = cells(waiting, ledger)?;
        waiting.drain(..).zip(whole).try_for_each(|(row, cells)| each(&row, &cells))
    };
    let page = rows(view, question, &mut |row| {
        waiting.push(row);
        if waiting.len() == ROWS { give(&mut waiting) } else { Ok(()) }
    })?;
    give(&mut waiting)?;
    Ok(page)
}

/// Returns the rows of these uids, as far as there are such events, in the order of answers.
///
/// # Errors
/// The index cannot be read.
pub fn rows_of(
    view: &View,
    uids: impl IntoIterator<Item = Uid>,
) -> Result<Vec<EventRow>, QueryError> {
    let addresses = find_all(view, &uids.into_iter().collect())?;
    let (mut reader, mut rows) = (Rows::new(view), Vec::with_capacity(addresses.len()));
    for addresses in addresses.chunks(ROWS) {
        rows.extend(reader.rows(addresses)?);
    }
    rows.sort_by_key(EventRow::newest_first);
    Ok(rows)
}
