//! Events as a table: the same columns in CLI and pages, as text, CSV and Arrow.

use crate::row::EventRow;
use crate::table::{Cell, Column, Kind};

/// The columns of a list of events.
pub const COLUMNS: &[Column] = &[
    Column::new("time", Kind::Time),
    Column::new("identity", Kind::Text),
    Column::new("kind", Kind::Text),
    Column::new("action", Kind::Text),
    Column::new("operation", Kind::Text),
    Column::new("namespace", Kind::Text),
    Column::new("path", Kind::Text),
    Column::new("decision", Kind::Text),
    Column::new("reason", Kind::Text),
    Column::new("outcome", Kind::Text),
    Column::new("policies_granting", Kind::List),
    Column::new("remote_address", Kind::Text),
    Column::new("node", Kind::Text),
    Column::new("error", Kind::Text),
    Column::new("identity_key", Kind::Text),
    Column::new("request_id", Kind::Text),
    Column::new("uid", Kind::Text),
];

/// The columns that a person at a terminal has room for.
pub const TERMINAL: &[&str] = &[
    "time",
    "identity",
    "action",
    "path",
    "decision",
    "reason",
    "outcome",
    "remote_address",
    "node",
];

/// Returns the cells of an event, in the order of [`COLUMNS`].
pub fn cells(row: &EventRow) -> Vec<Cell> {
    let shown = row
        .identity
        .clone()
        .or_else(|| row.former_name.clone().map(|name| format!("(formerly {name})")));
    let shown = shown.or_else(|| row.claimed.clone().map(|name| format!("(claimed {name})")));
    vec![
        Cell::time(row.time_unix_ns),
        Cell::text(shown),
        Cell::text(row.kind.clone()),
        Cell::text(row.action.clone()),
        Cell::text(row.op.clone()),
        Cell::text(row.ns.clone()),
        Cell::text(row.path.clone()),
        Cell::text(row.decision.clone()),
        Cell::text(row.reason.clone()),
        Cell::text(row.outcome.clone()),
        Cell::List(row.policy.clone()),
        Cell::text(row.ip.clone()),
        Cell::text(row.node.clone()),
        Cell::text(row.error.clone()),
        Cell::text(row.identity_key.clone()),
        Cell::text(row.request_id.clone()),
        Cell::Text(row.uid.to_string()),
    ]
}

/// Returns the columns of this name and their cells of the row.
pub fn pick(names: &[&str]) -> (Vec<Column>, impl Fn(&EventRow) -> Vec<Cell> + use<>) {
    let at: Vec<usize> = COLUMNS
        .iter()
        .enumerate()
        .filter(|(_, column)| names.contains(&column.name))
        .map(|(at, _)| at)
        .collect();
    let columns = at.iter().map(|&at| COLUMNS[at]).collect();
    (columns, move |row| {
        let all = cells(row);
        at.iter().map(|&at| all[at].clone()).collect()
    })
}
