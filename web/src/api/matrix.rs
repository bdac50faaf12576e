//! `GET /api/v1/matrix`: two or three fields against each other: who reached which path, and was it allowed.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Response;
use query::count::{CountRow, Counts, count_in};
use query::filter::CountField;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{About, Rows};
use super::form::Form;
use super::params::{Params, asked, fields};
use super::problem::Problem;
use crate::app::App;
use crate::door::{Look, May};

/// The most cells of an object.
const CELLS_MAX: usize = 100_000;

asked! {
    /// Which events, and which fields.
    MatrixParams {
        /// Two or three fields; empty: `identity,path,decision`.
        by: String,
    }
}

/// A matrix with few of its cells filled.
#[derive(Serialize, ToSchema)]
pub(crate) struct Matrix {
    /// The axes, in the order of the fields.
    axes: Vec<Axis>,
    /// The cells that have events, each the places on the axes, counted from 0, and behind them the count.
    cells: Vec<Vec<u64>>,
    /// What one has to know to read the cells rightly.
    notes: Vec<String>,
    #[serde(flatten)]
    about: About,
}

/// The values of a field.
#[derive(Serialize, ToSchema)]
struct Axis {
    /// The field.
    field: &'static str,
    /// The most frequent first.
    values: Vec<AxisValue>,
}

/// A value and the events that have it.
#[derive(Clone, Serialize, ToSchema)]
struct AxisValue {
    /// The value; of an identity its key. Null: the events that have none.
    value: Option<String>,
    /// Of an identity the name of its newest event.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    count: u64,
}

/// Count two or three fields against each other
#[utoipa::path(get, path = "/api/v1/matrix", tag = "counts", params(MatrixParams), responses(
    (status = 200, body = Matrix, description = "Axes and filled cells; as CSV, Arrow and text a row for each cell, as of /api/v1/count"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn matrix(
    reader: May<Look>,
    State(app): State<App>,
    form: Form,
    Params(params): Params<MatrixParams>,
) -> Result<Response, Problem> {
    let question = params.meant()?.question;
    let by =
        fields("by", if params.by.is_empty() { "identity,path,decision" } else { &params.by })?;
    if !(2..=3).contains(&by.len()) {
        return Err(Problem::parameter("by", "a matrix has two or three fields"));
    }
    let answer = app.ask(&reader, move |trail| {
        let view = trail.view();
        let counts = count_in(&view, &question, &by, None)?;
        if form == Form::Json && counts.rows.len() > CELLS_MAX {
            return Ok(Err(counts.rows.len()));
        }
        let about = About::new(&view, &question, counts.total, counts.left_out.clone())?;
        let table = counts.table();
        let (axes, cells) = parted(&counts, &by);
        let object = Matrix { axes, cells, notes: counts.notes, about: about.clone() };
        Rows { about, object, table }.respond(form, None).map(Ok)
    });
    answer.await?.map_err(|cells| {
        Problem::bad_request(format!(
            "the matrix has {cells} filled cells, an object at most {CELLS_MAX}: narrow the filter, or ask for .ndjson or .csv, which hold them all"
        ))
    })
}

/// Parts groups into axes and cells.
fn parted(counts: &Counts, by: &[CountField]) -> (Vec<Axis>, Vec<Vec<u64>>) {
    let mut axes: Vec<Vec<AxisValue>> = vec![Vec::new(); by.len()];
    let mut places: Vec<HashMap<Option<&str>, usize>> = vec![HashMap::new(); by.len()];
    let mut cells = Vec::new();
    for row in &counts.rows {
        let mut cell = Vec::with_capacity(by.len());
        for (at, (value, name)) in values(row, by).into_iter().enumerate() {
            let axis = &mut axes[at];
            let place = *places[at].entry(value).or_insert_with(|| {
                axis.push(AxisValue {
                    value: value.map(str::to_owned),
                    name: name.map(str::to_owned),
                    count: 0,
                });
                axis.len() - 1
            });
            axis[place].count += row.count;
            cell.push(place);
        }
        cells.push((cell, row.count));
    }
    let orders: Vec<Vec<usize>> = axes.iter().map(|axis| by_count(axis)).collect();
    let placed = |(cell, count): (Vec<usize>, u64)| {
        let places = cell.into_iter().zip(&orders).map(|(place, order)| order[place] as u64);
        places.chain([count]).collect()
    };
    let cells = cells.into_iter().map(placed).collect();
    let axes = axes.into_iter().zip(&orders).zip(by).map(|((axis, order), field)| {
        let mut values = axis.clone();
        for (value, &place) in axis.into_iter().zip(order) {
            values[place] = value;
        }
        Axis { field: field.name, values }
    });
    (axes.collect(), cells)
}

/// Returns for each value its place once the most frequent come first.
fn by_count(axis: &[AxisValue]) -> Vec<usize> {
    let mut sorted: Vec<usize> = (0..axis.len()).collect();
    sorted.sort_by_key(|&at| std::cmp::Reverse(axis[at].count));
    let mut places = vec![0; axis.len()];
    sorted.into_iter().enumerate().for_each(|(place, at)| places[at] = place);
    places
}

/// Returns each field's value, and of an identity its name, which stands before the key.
fn values<'a>(row: &'a CountRow, by: &[CountField]) -> Vec<(Option<&'a str>, Option<&'a str>)> {
    let mut cells = row.values.iter().map(Option::as_deref);
    let each = by.iter().map(|field| {
        let name = if field.name == "identity" { cells.next().flatten() } else { None };
        (cells.next().flatten(), name)
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_name_their_places_on_axes_that_begin_with_the_most_frequent() {
        let (_, index) = ingest::index::schema::Fields::schema();
        let by =
            ["identity", "decision"].map(|name| CountField::parse(name, &index).expect("a field"));
        let row = |name: Option<&str>, key: Option<&str>, decision: &str, count| CountRow {
            values: vec![name.map(Into::into), key.map(Into::into), Some(decision.to_owned())],
            count,
            ..CountRow::default()
        };
        let counts = Counts {
            columns: vec!["identity", "identity_key", "decision"],
            rows: vec![
                row(Some("a"), Some("k/a"), "allowed", 5),
                row(None, None, "denied", 4),
                row(Some("b"), Some("k/b"), "denied", 3),
                row(Some("b"), Some("k/b"), "allowed", 3),
            ],
            total: 15,
            measured: query::count::Measured::default(),
            others: None,
            left_out: query::question::LeftOut::default(),
            leaf: 1,
            notes: Vec::new(),
        };
        let (axes, cells) = parted(&counts, &by);
        let shown: Vec<_> = axes[0]
            .values
            .iter()
            .map(|of| (of.value.as_deref(), of.name.as_deref(), of.count))
            .collect();
        assert_eq!(
            shown,
            [(Some("k/b"), Some("b"), 6), (Some("k/a"), Some("a"), 5), (None, None, 4)]
        );
        assert_eq!(axes[1].values[0].value.as_deref(), Some("allowed"));
        assert_eq!(cells, [vec![1, 0, 5], vec![2, 1, 4], vec![0, 1, 3], vec![0, 0, 3]]);
    }
}
