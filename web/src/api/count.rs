//! `GET /api/v1/count`, `/histogram`, `/facets`: how many events, by what they have in common.

use axum::extract::State;
use axum::response::Response;
use query::count::{
    Counts, Latency, Measured, Measures, count_each_in, count_in, distinct_in, measure_in,
};
use query::filter::CountField;
use query::interval::Interval;
use query::period::rfc3339;
use query::question::Question;
use query::table::{Cell, Column, Kind, Table};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::answer::{About, Rows};
use super::form::Form;
use super::params::{Meant, Params, asked, fields};
use super::problem::Problem;
use crate::app::App;
use crate::door::{Look, May, Reader};

/// Groups of an object unless more are asked for.
const LIMIT: usize = 1_000;
/// Values of a facet unless more are asked for.
const FACET_LIMIT: usize = 10;
/// The most of either.
const LIMIT_MAX: usize = 100_000;
/// What a facet is of unless fields are named.
const FACETS: &str = "decision,identity,action,path,mount,node,ip";

asked! {
    /// Which events, and what a group has in common.
    CountParams {
        /// Fields, such as `identity,path,decision`; empty: one group.
        by: String,
        /// Also over time, in steps such as `1h`, `1d`, `1w`, `1mo`; empty: not.
        interval: String,
        /// At most so many groups, the first ones: 1000 if it is left out, 0: all of them.
        #[param(nullable = false, maximum = 100000)]
        limit: Option<usize>,
        /// Also when the first and the last event of each group was.
        first_last: bool,
        /// Also how long responses took: exact percentiles by nearest rank, in microseconds.
        latency: bool,
        /// Count the distinct values of this field in place of events; empty: not.
        #[param(example = "")]
        distinct: String,
        /// Of text: cut lines to so many columns.
        #[param(nullable = false, maximum = 65535)]
        width: Option<u16>,
    }
}

asked! {
    /// Which events, and in which steps.
    HistogramParams {
        /// The length of a step: `1h`, `1d`, `1w`, `1mo` …; empty: `1d`.
        interval: String,
        /// A field by which each step is parted, such as `decision`; empty: none.
        by: String,
    }
}

asked! {
    /// Which events, and of which fields.
    FacetsParams {
        /// Fields; empty: decision, identity, action, path, mount, node and ip.
        fields: String,
        /// At most so many values of each, the most frequent first: 10 if it is left out, 0: all of them.
        #[param(nullable = false, maximum = 100000)]
        limit: Option<usize>,
    }
}

/// Groups of events.
#[derive(Serialize, ToSchema)]
pub(crate) struct Groups {
    /// A group each: its values by the fields' names, null where the events have none, and `count`; where asked for
    /// also `first`, `last` and `latency_…_us`, or `distinct` in place of `count`. Over time by the beginning of the
    /// step, else the largest first.
    #[schema(value_type = Vec<Object>)]
    items: Box<RawValue>,
    /// How many groups there are.
    groups: u64,
    /// Events of the groups that are not among the items.
    others: u64,
    /// Where asked for: how many distinct values all events together have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    distinct: Option<u64>,
    /// Where asked for: the time of the first and of the last of all events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    first: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    last: Option<String>,
    /// Where asked for: how long the responses of all events took.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    latency: Option<Latency>,
    /// What one has to know to read the items rightly.
    notes: Vec<String>,
    #[serde(flatten)]
    about: About,
}

/// Count events by what they have in common
#[utoipa::path(get, path = "/api/v1/count", tag = "counts", params(CountParams), responses(
    (status = 200, body = Groups, description = "Groups with their counts; as CSV, Arrow and text all of them unless there is a limit"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn count(
    reader: May<Look>,
    State(app): State<App>,
    form: Form,
    Params(params): Params<CountParams>,
) -> Result<Response, Problem> {
    let meant = params.meant()?;
    let by = fields("by", &params.by)?;
    let limit = limit(params.limit, if form == Form::Json { LIMIT } else { 0 })?;
    let interval = match &*params.interval {
        "" => None,
        interval => Some(step(interval, &meant)?),
    };
    let measures = Measures { seen: params.first_last, latency: params.latency };
    let distinct = match &fields("distinct", &params.distinct)?[..] {
        [] => None,
        [field] if measures == Measures::default() => Some(*field),
        [_] => {
            return Err(Problem::parameter(
                "distinct",
                "of distinct values there are no first and last, and no latencies",
            ));
        }
        _ => return Err(Problem::parameter("distinct", "it is one field")),
    };
    let grouping = Grouping { by, interval, measures, distinct, limit, width: params.width };
    groups(&reader, app, form, meant.question, grouping).await
}

/// Count events over time
#[utoipa::path(get, path = "/api/v1/histogram", tag = "counts", params(HistogramParams), responses(
    (status = 200, body = Groups, description = "Steps that have events, with their counts: `from` and `to` of each, and the field's value"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn histogram(
    reader: May<Look>,
    State(app): State<App>,
    form: Form,
    Params(params): Params<HistogramParams>,
) -> Result<Response, Problem> {
    let meant = params.meant()?;
    let by = fields("by", &params.by)?;
    if by.len() > 1 {
        return Err(Problem::parameter(
            "by",
            "a histogram is parted by one field; /api/v1/count takes several",
        ));
    }
    let interval = if params.interval.is_empty() { "1d" } else { &params.interval };
    let interval = step(interval, &meant)?;
    let grouping = Grouping { by, interval: Some(interval), ..Grouping::default() };
    groups(&reader, app, form, meant.question, grouping).await
}

/// How events are grouped, and what is asked of the groups.
#[derive(Default)]
struct Grouping {
    by: Vec<CountField>,
    interval: Option<Interval>,
    measures: Measures,
    /// Of which field distinct values are counted.
    distinct: Option<CountField>,
    /// The most groups of the answer; 0: all.
    limit: usize,
    width: Option<u16>,
}

async fn groups(
    reader: &Reader,
    app: App,
    form: Form,
    question: Question,
    asked: Grouping,
) -> Result<Response, Problem> {
    let answer = app.ask(reader, move |trail| {
        let view = trail.view();
        let Grouping { by, interval, measures, distinct, limit, width } = asked;
        let interval = interval.as_ref();
        let (mut table, counts, matched, left_out, object) = match distinct {
            Some(field) => {
                let counted = distinct_in(&view, &question, field, &by, interval)?;
                let counts = counted.rows.iter().map(|row| row.count).collect::<Vec<_>>();
                let object = (Some(counted.distinct), Measured::default(), counted.notes.clone());
                (counted.table(), counts, counted.total, counted.left_out, object)
            }
            None => {
                let counted = measure_in(&view, &question, &by, interval, measures)?;
                let counts = counted.rows.iter().map(|row| row.count).collect();
                let object = (None, counted.measured.clone(), counted.notes.clone());
                (counted.table(), counts, counted.total, counted.left_out, object)
            }
        };
        let groups = table.rows.len() as u64;
        let kept = if limit == 0 { table.rows.len() } else { limit.min(table.rows.len()) };
        table.rows.truncate(kept);
        let others: u64 = counts[kept..].iter().sum();
        let about = About::new(&view, &question, matched, left_out)?;
        let (distinct, measured, notes) = object;
        let items = table.objects()?;
        let (first, last) =
            measured.seen.map(|(first, last)| (rfc3339(first), rfc3339(last))).unzip();
        let object = Groups {
            items,
            groups,
            others,
            distinct,
            first,
            last,
            latency: measured.latency,
            notes,
            about: about.clone(),
        };
        Rows { about, object, table }.respond(form, width)
    });
    Ok(answer.await?)
}

/// The values of one field.
#[derive(Serialize, ToSchema)]
struct Facet {
    /// The field.
    field: &'static str,
    /// The most frequent first.
    values: Vec<FacetValue>,
    /// How many values there are.
    distinct: u64,
    /// Events with a value that is not among these.
    others: u64,
}

/// A value and how many events have it.
#[derive(Serialize, ToSchema)]
struct FacetValue {
    /// The value; of an identity its key. Null: the events that have none.
    value: Option<String>,
    /// Of an identity the name of its newest event.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    count: u64,
}

/// Facets.
#[derive(Serialize, ToSchema)]
pub(crate) struct Facets {
    /// In the order in which the fields were named.
    items: Vec<Facet>,
    #[serde(flatten)]
    about: About,
}

/// Show the most frequent values of several fields
#[utoipa::path(get, path = "/api/v1/facets", tag = "counts", params(FacetsParams), responses(
    (status = 200, body = Facets, description = "Values with exact counts. An event counts once for each distinct value of a field that may have several"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn facets(
    reader: May<Look>,
    State(app): State<App>,
    form: Form,
    Params(params): Params<FacetsParams>,
) -> Result<Response, Problem> {
    let question = params.meant()?.question;
    let of = if params.fields.is_empty() { FACETS } else { &params.fields };
    let of = fields("fields", of)?;
    let limit = limit(params.limit, FACET_LIMIT)?;
    let answer = app.ask(&reader, move |trail| {
        let view = trail.view();
        let mut items = Vec::new();
        let mut matched = None;
        for (field, mut counts) in of.iter().zip(count_each_in(&view, &question, &of)?) {
            let distinct = counts.rows.len() as u64;
            let others = cut(&mut counts, limit);
            matched = Some((counts.total, counts.left_out));
            let values = counts.rows.into_iter().map(|row| {
                let mut values = row.values.into_iter().rev();
                let value = values.next().flatten();
                FacetValue { value, name: values.next().flatten(), count: row.count }
            });
            items.push(Facet { field: field.name, values: values.collect(), distinct, others });
        }
        let (matched, left_out) = match matched {
            Some(matched) => matched,
            None => {
                let counts = count_in(&view, &question, &[], None)?;
                (counts.total, counts.left_out)
            }
        };
        let about = About::new(&view, &question, matched, left_out)?;
        let table = table(&items);
        Rows { about: about.clone(), object: Facets { items, about }, table }.respond(form, None)
    });
    Ok(answer.await?)
}

fn table(facets: &[Facet]) -> Table {
    let columns = vec![
        Column::new("field", Kind::Text),
        Column::new("value", Kind::Text),
        Column::new("name", Kind::Text),
        Column::new("count", Kind::Number),
    ];
    let row = |field: &'static str, of: &FacetValue| {
        vec![
            Cell::Text(field.to_owned()),
            Cell::text(of.value.clone()),
            Cell::text(of.name.clone()),
            Cell::count(of.count),
        ]
    };
    let rows = facets.iter().flat_map(|facet| facet.values.iter().map(|of| row(facet.field, of)));
    Table { columns, rows: rows.collect() }
}

/// Keeps the first groups, and returns how many events the others have.
fn cut(counts: &mut Counts, limit: usize) -> u64 {
    if limit == 0 || counts.rows.len() <= limit {
        return 0;
    }
    counts.rows.drain(limit..).map(|row| row.count).sum()
}

fn limit(given: Option<usize>, otherwise: usize) -> Result<usize, Problem> {
    match given.unwrap_or(otherwise) {
        limit if limit <= LIMIT_MAX => Ok(limit),
        _ => Err(Problem::parameter("limit", format!("it is at most {LIMIT_MAX}; 0 gives all"))),
    }
}

fn step(interval: &str, meant: &Meant) -> Result<Interval, Problem> {
    Interval::parse(interval, &meant.period.zone)
        .map_err(|error| Problem::parameter("interval", error.to_string()))
}
