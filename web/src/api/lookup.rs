//! `GET /api/v1/lookup?hmac=`, `POST /api/v1/lookup`: whose is this?
//!
//! A value travels in a body, never in an address, and stays in memory: addresses are logged by proxies and kept by
//! browsers. Every look-up is recorded in the ledger before it is answered.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::HeaderName;
use axum::response::Response;
use ingest::own::Fact;
use query::lookup::{LookUp, What, is_hash, look_up};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::{object, respond};
use super::form::Form;
use super::params::Params;
use super::problem::Problem;
use crate::app::App;
use crate::door::{self, May, Reader};
use crate::error::PageError;

/// The most hashes of one look-up.
const HASHES_MAX: usize = 100;
/// The forms of an answer.
const FORMS: [Form; 3] = [Form::Json, Form::Ndjson, Form::Text];
/// The longest value, in bytes.
pub(crate) const VALUE_BYTES_MAX: usize = 1 << 20;

/// Which hash.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HashParams {
    /// The value's hash as it stands in the log.
    #[param(
        pattern = "^hmac-sha256:[0-9a-f]{64}$",
        example = "hmac-sha256:0000000000000000000000000000000000000000000000000000000000000000"
    )]
    hmac: String,
}

/// What is looked up: a value, or hashes of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The value itself: a token, a database user, a lease id … The configured secrets servers are asked for its
    /// hashes; it is stored nowhere.
    #[serde(default)]
    #[schema(nullable = false, min_length = 1)]
    value: Option<String>,
    /// Hashes as they stand in the log: `hmac-sha256:` and 64 hexadecimal digits.
    #[serde(default)]
    #[schema(max_items = 100)]
    hmac: Vec<String>,
}

/// What is known.
#[derive(Serialize, ToSchema)]
pub(crate) struct LookedUp {
    /// An answer for each hash, in the order in which they were given.
    items: Vec<LookUp>,
}

/// Tell whose a hash is
#[utoipa::path(get, path = "/api/v1/lookup", tag = "lookup", params(HashParams), responses(
    (status = 200, body = LookedUp, description = "What is known; `what` says `not_found` where no line has it"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn look_up_hash(
    reader: May<door::LookUp>,
    State(app): State<App>,
    form: Form,
    Params(params): Params<HashParams>,
) -> Result<Response, Problem> {
    form.one_of(&FORMS)?;
    respond_in(form, of_hashes(&app, &reader, vec![params.hmac]).await?)
}

/// Returns the answers in the form that is wanted, and how many of the hashes some line has.
fn respond_in(form: Form, items: Vec<LookUp>) -> Result<Response, Problem> {
    let found = items.iter().filter(|found| found.what != What::NotFound).count();
    let mut response = match form {
        Form::Text => respond(
            form.content_type(),
            items.iter().map(LookUp::text).collect::<String>().into_bytes(),
        ),
        Form::Ndjson => {
            let lines: Result<Vec<String>, _> =
                items.iter().map(|item| Ok(serde_json::to_string(item)? + "\n")).collect();
            let lines = lines.map_err(|error: serde_json::Error| PageError::Trail(error.into()))?;
            respond(form.content_type(), lines.concat().into_bytes())
        }
        _ => object(&LookedUp { items })?,
    };
    response.headers_mut().insert(HeaderName::from_static("keytrail-found"), found.into());
    Ok(response)
}

/// Tell whose a value is
#[utoipa::path(post, path = "/api/v1/lookup", tag = "lookup", request_body = Wanted, responses(
    (status = 200, body = LookedUp, description = "What is known; `what` says `not_found` where no line has it"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn look_up_value(
    reader: May<door::LookUp>,
    State(app): State<App>,
    form: Form,
    body: Bytes,
) -> Result<Response, Problem> {
    form.one_of(&FORMS)?;
    // What serde says of a mistake may quote the text, which may be the value.
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|error| {
        Problem::bad_request(format!(
            "the body must be an object with either `value` or `hmac`; it is not from line {} column {} on",
            error.line(),
            error.column()
        ))
    })?;
    let hashes = match (wanted.value, wanted.hmac) {
        (Some(value), hmac) if hmac.is_empty() => hashes_of(&app, value).await?,
        (None, hmac) if (1..=HASHES_MAX).contains(&hmac.len()) => hmac,
        _ => {
            return Err(Problem::bad_request(format!(
                "give either a value, or 1 to {HASHES_MAX} hashes"
            )));
        }
    };
    respond_in(form, of_hashes(&app, &reader, hashes).await?)
}

/// Asks the secrets servers for a value's hashes.
pub(crate) async fn hashes_of(app: &App, value: String) -> Result<Vec<String>, Problem> {
    if value.is_empty() || value.len() > VALUE_BYTES_MAX {
        return Err(Problem::bad_request("a value has one byte at least, and 1 MiB at most"));
    }
    let host = app.host();
    let asked = tokio::task::spawn_blocking(move || host.hashes_of(&value)).await;
    let hashes = asked.map_err(|_panic| PageError::Panic)?;
    hashes.map_err(|why| Problem::new(StatusCode::CONFLICT, why))
}

/// Records a look-up, and answers it.
pub(crate) async fn of_hashes(
    app: &App,
    reader: &Reader,
    hashes: Vec<String>,
) -> Result<Vec<LookUp>, Problem> {
    if !hashes.iter().all(|hash| is_hash(hash)) {
        return Err(Problem::parameter(
            "hmac",
            "that is no hash as it stands in the log: hmac-sha256: and 64 hexadecimal digits. A value itself is posted as `value`",
        ));
    }
    let fact = Fact::LookedUp {
        by: reader.by(),
        address: reader.role().map(|_| reader.address().to_owned()),
        hashes: hashes.clone(),
    };
    let recording = app.clone();
    let answers = app.ask(reader, move |trail| {
        recording.write_down(fact)?;
        let answers = hashes.iter().map(|hash| look_up(trail, hash));
        Ok(answers.collect::<Result<Vec<_>, _>>()?)
    });
    Ok(answers.await?)
}
