//! `GET /api/v1/leases`, `/api/v1/tokens`: what the server gave out, and what of it was in force at an instant.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use query::error::QueryError;
use query::lookup::{self, GivenOut, LEASE_COLUMNS, Listed, TERMINAL_COLUMNS, TOKEN_COLUMNS};
use query::page::PageToken;
use query::period::{Period, rfc3339};
use query::table::{Cell, Column, Table};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::answer::{object, respond};
use super::form::Form;
use super::params::Params;
use super::problem::Problem;
use crate::app::App;
use crate::asked::{NotUnderstood, given};
use crate::door::{LookUp, May};
use crate::error::PageError;

/// The most rows of an answer: each is followed through the log.
const LIMIT_MAX: usize = 1_000;

/// Which leases or tokens, and as of when.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GivenOutParams {
    /// Which requests gave them out, in the filter grammar; empty: all.
    #[param(example = "path:database/creds/my-app-role")]
    pub(crate) q: String,
    /// Given out from this time on: RFC 3339, a date, a month, or so long ago as `-24h`.
    pub(crate) from: String,
    /// Given out before this.
    pub(crate) to: String,
    /// The time zone of dates; empty: UTC.
    pub(crate) tz: String,
    /// The instant of which is asked how they stood; empty: the end of the log.
    #[param(example = "2026-11-24T14:17:00Z")]
    pub(crate) as_of: String,
    /// Only what had not ended by then.
    pub(crate) open: bool,
    /// At most so many: 1 to 1000, 100 if it is left out.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
    /// The `next` of the answer before. It belongs to one question.
    pub(crate) page: String,
    /// Of text: cut lines to so many columns.
    #[param(nullable = false, maximum = 65535)]
    width: Option<u16>,
}

/// Leases or tokens.
#[derive(Serialize, ToSchema)]
pub(crate) struct GivenOutList {
    /// The newest first, each with how it stood (`state`: open, ended or unknown), how that is known, and why.
    #[schema(value_type = Vec<Object>)]
    items: Box<RawValue>,
    /// Asks for those after these; null if there are none.
    next: Option<String>,
    /// How many requests gave something out, in all pages; exact.
    matched: u64,
    /// How those that were looked at for this page stood: all of them, unless there are other pages.
    states: BTreeMap<&'static str, u64>,
    /// The instant.
    #[schema(format = DateTime)]
    as_of: String,
    /// When the log ends: nothing is known after that.
    #[schema(format = DateTime)]
    log_ends: String,
    /// How complete the log is, in words.
    coverage: String,
    /// The answer holds for the leaves below this one.
    leaf: u64,
}

/// List leases, and how they stood at an instant
#[utoipa::path(get, path = "/api/v1/leases", tag = "lists", params(GivenOutParams), responses(
    (status = 200, body = GivenOutList, description = "Leases with the columns of `keytrail leases --format csv`"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn leases(
    reader: May<LookUp>,
    State(app): State<App>,
    form: Form,
    Params(params): Params<GivenOutParams>,
) -> Result<Response, Problem> {
    let (asked, width) = (params.asked()?, params.width);
    let answer = app.ask(&reader, move |trail| {
        let view = trail.view();
        let Asked { given, limit, after } = asked;
        let mut rows = Vec::new();
        let listed = lookup::leases(trail, &view, &given, limit, after.as_ref(), &mut |lease| {
            rows.push(lease.cells());
            Ok::<(), QueryError>(())
        })?;
        answered(form, width, LEASE_COLUMNS, rows, &listed)
    });
    Ok(answer.await?)
}

/// List tokens, and how they stood at an instant
#[utoipa::path(get, path = "/api/v1/tokens", tag = "lists", params(GivenOutParams), responses(
    (status = 200, body = GivenOutList, description = "Tokens with the columns of `keytrail tokens --format csv`"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn tokens(
    reader: May<LookUp>,
    State(app): State<App>,
    form: Form,
    Params(params): Params<GivenOutParams>,
) -> Result<Response, Problem> {
    let (asked, width) = (params.asked()?, params.width);
    let answer = app.ask(&reader, move |trail| {
        let view = trail.view();
        let Asked { given, limit, after } = asked;
        let mut rows = Vec::new();
        let listed = lookup::tokens(trail, &view, &given, limit, after.as_ref(), &mut |token| {
            rows.push(token.cells());
            Ok::<(), QueryError>(())
        })?;
        answered(form, width, TOKEN_COLUMNS, rows, &listed)
    });
    Ok(answer.await?)
}

/// The parameters, as meant.
pub(crate) struct Asked {
    pub(crate) given: GivenOut,
    limit: usize,
    pub(crate) after: Option<PageToken>,
}

impl GivenOutParams {
    /// Returns what is meant.
    pub(crate) fn asked(&self) -> Result<Asked, Problem> {
        let now = Timestamp::now();
        let filter = query::filter::Filter::parse(&self.q, now).map_err(NotUnderstood::Filter)?;
        let issued = Period::new(None, given(&self.from), given(&self.to), given(&self.tz), now)
            .map_err(NotUnderstood::Time)?;
        let as_of = Period::new(None, given(&self.as_of), None, given(&self.tz), now)
            .map_err(|error| Problem::parameter("as_of", error.to_string()))?;
        let after =
            match &*self.page {
                "" => None,
                token => {
                    let token = token.parse();
                    Some(token.map_err(|error: QueryError| {
                        Problem::parameter("page", error.to_string())
                    })?)
                }
            };
        let limit = self.limit.unwrap_or(100);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::parameter("limit", format!("it is 1 to {LIMIT_MAX}")));
        }
        let given = GivenOut {
            filter,
            from: issued.from,
            to: issued.to,
            at: as_of.from,
            only_open: self.open,
        };
        Ok(Asked { given, limit, after })
    }
}

fn answered(
    form: Form,
    width: Option<u16>,
    columns: &[Column],
    rows: Vec<Vec<Cell>>,
    listed: &Listed,
) -> Result<Response, PageError> {
    let mut table = Table { columns: columns.to_vec(), rows };
    if form == Form::Text {
        // What a person has room for.
        table.columns.truncate(TERMINAL_COLUMNS);
        table.rows.iter_mut().for_each(|row| row.truncate(TERMINAL_COLUMNS));
    }
    if form != Form::Json {
        let mut bytes = Vec::new();
        table.write(form.table(width.map(usize::from)), &mut bytes)?;
        return Ok(respond(form.content_type(), bytes));
    }
    object(&GivenOutList {
        items: table.objects()?,
        next: listed.next.map(|token| token.to_string()),
        matched: listed.matched,
        states: listed.states.iter().map(|(state, count)| (state.as_str(), *count)).collect(),
        as_of: rfc3339(listed.at),
        log_ends: rfc3339(listed.log_ends),
        coverage: listed.coverage.clone(),
        leaf: listed.leaf,
    })
}
