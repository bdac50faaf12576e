//! `GET /api/v1/events/{uid}/context`: what happened before and after. `GET /api/v1/completion`: what may be meant.

use axum::extract::{Path, State};
use axum::response::Response;
use ingest::event::Uid;
use query::complete::{Completion, complete};
use query::context::{CONTEXT_MAX, Context, context};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::object;
use super::params::{Params, fields};
use super::problem::Problem;
use crate::app::App;
use crate::door::{Look, May};

/// Which neighbours of an event.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ContextParams {
    /// A field in which they are alike, such as `token`, `path`, `ip`, `identity`; empty: `token`.
    by: String,
    /// At most so many before it, and so many after it: 1 to 1000, 10 if it is left out.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Show what happened before and after an event
#[utoipa::path(get, path = "/api/v1/events/{uid}/context", tag = "events",
    params(("uid" = String, Path, description = "The event: 32 hexadecimal digits", pattern = "^[0-9a-f]{32}$"), ContextParams),
    responses(
        (status = 200, body = Context, description = "The event between its neighbours, those included that counts leave out"),
        (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
    ))]
pub(crate) async fn event_context(
    reader: May<Look>,
    State(app): State<App>,
    Path(uid): Path<String>,
    Params(params): Params<ContextParams>,
) -> Result<Response, Problem> {
    let by = fields("by", if params.by.is_empty() { "token" } else { &params.by })?;
    let [field] = by[..] else {
        return Err(Problem::parameter("by", "neighbours are alike in one field"));
    };
    let limit = params.limit.unwrap_or(10);
    if !(1..=CONTEXT_MAX).contains(&limit) {
        return Err(Problem::parameter("limit", format!("it is 1 to {CONTEXT_MAX}")));
    }
    let uid: Uid = uid.parse().map_err(|()| Problem::not_found("event"))?;
    let found = app.ask(&reader, move |trail| match context(&trail.view(), uid, field, limit)? {
        Some(context) => object(&context).map(Some),
        None => Ok(None),
    });
    found.await?.ok_or_else(|| Problem::not_found("event"))
}

/// What was typed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CompletionParams {
    /// The beginning of a term: `pa`, `path:sec`, `-op:re`, `decision:allowed,den`.
    #[param(example = "path:secret/")]
    typed: String,
    /// At most so many proposals: 1 to 100, 20 if it is left out.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

/// Complete a term of a filter
#[utoipa::path(get, path = "/api/v1/completion", tag = "events", params(CompletionParams), responses(
    (status = 200, body = Completion, description = "Keys, our words, and values that events have, with exact counts"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn completion(
    reader: May<Look>,
    State(app): State<App>,
    Params(params): Params<CompletionParams>,
) -> Result<Response, Problem> {
    let limit = params.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::parameter("limit", "it is 1 to 100"));
    }
    let answer =
        app.ask(&reader, move |trail| object(&complete(&trail.view(), &params.typed, limit)?));
    Ok(answer.await?)
}
