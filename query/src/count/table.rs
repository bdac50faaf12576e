//! Counts as a table, whose columns depend on what was asked only.

use super::{Counts, Distinct, Latency};
use crate::table::{Cell, Column, Kind, Table};

impl Counts {
    /// Returns the rows as a table: a text column for each value, then `count`; where asked for, `first` and `last`, then
    /// `latency_events` and the percentiles in microseconds.
    pub fn table(&self) -> Table {
        let measured = || self.rows.iter().map(|row| &row.measured).chain([&self.measured]);
        let has_seen = measured().any(|measured| measured.seen.is_some());
        let has_latency = measured().any(|measured| measured.latency.is_some());
        let mut columns: Vec<Column> =
            self.columns.iter().map(|name| Column::new(name, Kind::Text)).collect();
        columns.push(Column::new("count", Kind::Number));
        if has_seen {
            columns.extend(["first", "last"].map(|name| Column::new(name, Kind::Time)));
        }
        if has_latency {
            columns.extend(LATENCY.map(|(name, _)| Column::new(name, Kind::Number)));
        }
        let rows = self.rows.iter().map(|row| {
            let mut cells: Vec<Cell> =
                row.values.iter().map(|value| Cell::text(value.clone())).collect();
            cells.push(Cell::count(row.count));
            if has_seen {
                let (first, last) = row.measured.seen.unzip();
                cells.extend([Cell::time(first), Cell::time(last)]);
            }
            if has_latency {
                let latency = row.measured.latency;
                cells.extend(LATENCY.map(|(_, of)| {
                    latency.map_or(Cell::Absent, |latency| Cell::Number(of(&latency)))
                }));
            }
            cells
        });
        Table { columns, rows: rows.collect() }
    }
}

type OfLatency = (&'static str, fn(&Latency) -> i64);

const LATENCY: [OfLatency; 6] = [
    ("latency_events", |latency| i64::try_from(latency.events).unwrap_or(i64::MAX)),
    ("latency_p50_us", |latency| latency.p50),
    ("latency_p90_us", |latency| latency.p90),
    ("latency_p95_us", |latency| latency.p95),
    ("latency_p99_us", |latency| latency.p99),
    ("latency_max_us", |latency| latency.max),
];

impl Distinct {
    /// Returns the rows as a table: a text column for each value, then `distinct`.
    pub fn table(&self) -> Table {
        let mut columns: Vec<Column> =
            self.columns.iter().map(|name| Column::new(name, Kind::Text)).collect();
        columns.push(Column::new("distinct", Kind::Number));
        let rows = self.rows.iter().map(|row| {
            let values = row.values.iter().map(|value| Cell::text(value.clone()));
            values.chain([Cell::count(row.count)]).collect()
        });
        Table { columns, rows: rows.collect() }
    }
}
