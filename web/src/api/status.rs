//! `GET /api/v1/status`: what the data folder holds. `GET /api/v1/verify`: what the last verification found.

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use query::status::{Status, status};
use query::table::TableError;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{object, respond};
use super::form::Form;
use super::problem::Problem;
use crate::app::App;
use crate::door::{Look, May};

/// Show what the data folder holds
#[utoipa::path(get, path = "/api/v1/status", tag = "trail", responses(
    (status = 200, body = Status, description = "What it holds, and how complete that is"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn show_status(
    reader: May<Look>,
    State(app): State<App>,
    form: Form,
) -> Result<Response, Problem> {
    form.one_of(&[Form::Json, Form::Ndjson, Form::Text])?;
    let data = app.host().data();
    let answer = app.ask(&reader, move |trail| {
        let status = status(&data, trail)?;
        if form != Form::Text {
            return object(&status);
        }
        let mut text = Vec::new();
        status.write_text(&mut text).map_err(TableError::from)?;
        Ok(respond(form.content_type(), text))
    });
    Ok(answer.await?)
}

/// What came of a verification.
#[derive(Serialize, ToSchema)]
pub(crate) struct Verification {
    /// When the last one ended; null: there was none since the process started, since `[verify]` is not configured
    /// or it is still at work.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// Whether the ledger was what was signed; null if there was no verification.
    intact: Option<bool>,
    /// What is wrong.
    problem: Option<String>,
}

/// Show what the last verification of the ledger found
#[utoipa::path(get, path = "/api/v1/verify", tag = "trail", responses(
    (status = 200, body = Verification, description = "What it found. `keytrail verify` verifies anew"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn show_verification(
    _reader: May<Look>,
    State(app): State<App>,
) -> Result<Response, Problem> {
    let verified = app.host().verified();
    let at = verified.as_ref().and_then(|verified| Timestamp::from_second(verified.at_unix).ok());
    let intact = verified.as_ref().map(|verified| verified.problem.is_none());
    let problem = verified.and_then(|verified| verified.problem);
    Ok(object(&Verification { at, intact, problem })?)
}
