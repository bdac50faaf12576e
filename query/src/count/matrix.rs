//! Counts by two or three fields as a table with a column for each value of the last one.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Counts;
use crate::error::QueryError;

/// The most cells of a matrix.
pub const CELLS_MAX: usize = 1_000_000;

/// Counts with one of their fields across. The sparse form of the same is [`Counts`] itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// What the values of a row are.
    pub columns: Vec<&'static str>,
    /// The field whose values stand across.
    pub across: &'static str,
    /// These values, the most frequent first; of an identity its key. `None`: the events that have none.
    pub values: Vec<Option<String>>,
    /// The rows, the largest first.
    pub rows: Vec<MatrixRow>,
}

/// A row of a matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixRow {
    /// What the events have in common.
    pub values: Vec<Option<String>>,
    /// How many events, for each value across.
    pub counts: Vec<u64>,
    /// All of them together.
    pub total: u64,
}

impl Counts {
    /// Turns counts by several fields into a matrix, the last field across.
    ///
    /// # Errors
    /// More than [`CELLS_MAX`] cells; counts over time or by less than two fields, which have no matrix.
    pub fn matrix(&self) -> Result<Matrix, QueryError> {
        let (Some((across, columns)), false) =
            (self.columns.split_last(), self.columns.contains(&"from"))
        else {
            return Err(QueryError::NoMatrix);
        };
        let (across, columns) = match columns.split_last() {
            // Of an identity, its key stands across.
            Some((&"identity", columns)) if *across == "identity_key" => ("identity", columns),
            _ => (*across, columns),
        };
        if columns.is_empty() {
            return Err(QueryError::NoMatrix);
        }
        let mut across_totals: BTreeMap<Option<&str>, u64> = BTreeMap::new();
        let mut by_row: BTreeMap<&[Option<String>], BTreeMap<Option<&str>, u64>> = BTreeMap::new();
        for row in &self.rows {
            let value = row.values.last().and_then(Option::as_deref);
            *across_totals.entry(value).or_default() += row.count;
            let of_row = by_row.entry(&row.values[..columns.len()]).or_default();
            *of_row.entry(value).or_default() += row.count;
        }
        if across_totals.len().saturating_mul(by_row.len()) > CELLS_MAX {
            return Err(QueryError::Cells { limit: CELLS_MAX });
        }
        let mut across_values: Vec<(Option<&str>, u64)> = across_totals.into_iter().collect();
        across_values.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut rows: Vec<MatrixRow> = by_row
            .into_iter()
            .map(|(values, counts)| {
                let cell = |(value, _): &(Option<&str>, u64)| counts.get(value).copied();
                MatrixRow {
                    values: values.to_vec(),
                    total: counts.values().sum(),
                    counts: across_values.iter().map(|of| cell(of).unwrap_or(0)).collect(),
                }
            })
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.total));
        Ok(Matrix {
            columns: columns.to_vec(),
            across,
            values: across_values.into_iter().map(|(value, _)| value.map(str::to_owned)).collect(),
            rows,
        })
    }
}
