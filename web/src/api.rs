//! The API, `/api/v1`: the questions of the pages and of the command line, for programs.
//!
//! One file a question. What all have in common:
//!
//! | | |
//! |---|---|
//! | `params` | what stands behind the question mark; an unknown name is refused |
//! | `form` | JSON, NDJSON, CSV, Arrow or text, by suffix or `Accept` |
//! | `answer` | what every answer says of itself: coverage, what is left out, up to which leaf it holds |
//! | `problem` | what went wrong, as RFC 9457 has it |
//!
//! `docs/openapi.json` describes it; a test holds that file and this code equal.

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, openapi};

use crate::app::App;
use crate::routes::Routes;

mod answer;
mod around;
mod count;
mod events;
mod form;
mod given_out;
mod lookup;
mod matrix;
mod params;
mod problem;
mod proof;
mod status;
mod subjects;
mod tail;

pub(crate) use self::answer::About;
pub(crate) use self::form::Form;
pub(crate) use self::given_out::GivenOutParams;
pub(crate) use self::lookup::{VALUE_BYTES_MAX, hashes_of, of_hashes};
pub(crate) use self::problem::Problem;
pub(crate) use self::tail::{Shape, follow_from, place_id};

/// A value of the greatest length, each byte of it escaped, and what stands about it.
const BODY_BYTES_MAX: usize = 7 * VALUE_BYTES_MAX;

/// Describes the API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "keytrail",
        description = "Questions to the audit trail of a secrets server. Every answer says what it covers, what it leaves out and up to which leaf it holds; what cannot be answered exactly is an error. Answers with rows are also had as .ndjson, .csv, .arrow and .txt: append it to the path, or ask by Accept.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "The running keytrail")),
    modifiers(&Door),
    // None: before there are users.
    security(("token" = []), ("session" = []), ()),
    paths(
        events::events,
        events::one_event,
        around::event_context,
        around::completion,
        tail::tail,
        count::count,
        count::histogram,
        count::facets,
        matrix::matrix,
        subjects::identities,
        subjects::paths,
        given_out::leases,
        given_out::tokens,
        lookup::look_up_hash,
        lookup::look_up_value,
        status::show_status,
        status::show_verification,
        proof::show_line,
        proof::prove_leaf,
        proof::prove_extension,
        proof::show_checkpoint,
        openapi,
    )
)]
struct Api;

/// How a question says who asks it.
struct Door;

impl Modify for Door {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("From `keytrail token add`"))
            .build();
        let session = ApiKeyValue::with_description("keytrail", "Of somebody who has signed in");
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    }
}

/// Returns the OpenAPI document, as `docs/openapi.json` holds it.
pub fn document() -> String {
    Api::openapi().to_pretty_json().expect("the document is plain data") + "\n"
}

/// Describe this API
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "trail", responses(
    (status = 200, body = Object, description = "An OpenAPI 3.1 document"),
))]
async fn openapi(_reader: crate::door::May<crate::door::Look>) -> axum::response::Response {
    answer::respond("application/json", document().into_bytes())
}

/// Returns the API's addresses.
pub(crate) fn routes() -> Routes {
    let routes = Routes::default()
        .get("/api/v1/events/{uid}", events::one_event)
        .get("/api/v1/events/{uid}/context", around::event_context)
        .get("/api/v1/completion", around::completion)
        .get("/api/v1/tail", tail::tail)
        .get("/api/v1/verify", status::show_verification)
        .get("/api/v1/lines/{leaf}", proof::show_line)
        .get("/api/v1/proofs/leaf/{leaf}", proof::prove_leaf)
        .get("/api/v1/proofs/extension/{older}", proof::prove_extension)
        .get("/api/v1/checkpoint", proof::show_checkpoint)
        .get("/api/v1/openapi.json", openapi);
    let routes = in_every_form(routes, "/api/v1/lookup", lookup::look_up_hash);
    let routes = Form::suffixes().fold(routes, |routes, suffix| {
        routes.post(&format!("/api/v1/lookup{suffix}"), lookup::look_up_value)
    });
    let routes = in_every_form(routes, "/api/v1/status", status::show_status);
    let routes = in_every_form(routes, "/api/v1/events", events::events);
    let routes = in_every_form(routes, "/api/v1/count", count::count);
    let routes = in_every_form(routes, "/api/v1/histogram", count::histogram);
    let routes = in_every_form(routes, "/api/v1/matrix", matrix::matrix);
    let routes = in_every_form(routes, "/api/v1/leases", given_out::leases);
    let routes = in_every_form(routes, "/api/v1/tokens", given_out::tokens);
    let routes = in_every_form(routes, "/api/v1/identities", subjects::identities);
    let routes = in_every_form(routes, "/api/v1/paths", subjects::paths);
    let Routes { router, list } = in_every_form(routes, "/api/v1/facets", count::facets);
    let router = router
        .route(
            "/api/{*rest}",
            axum::routing::any(async || {
                Problem::not_found("address; /api/v1/openapi.json has them all")
            }),
        )
        .method_not_allowed_fallback(async || {
            Problem::new(
                axum::http::StatusCode::METHOD_NOT_ALLOWED,
                "this address takes another method; /api/v1/openapi.json tells which",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    Routes { router, list }
}

/// Adds an address with each suffix that an answer of rows can have.
fn in_every_form<T: 'static>(routes: Routes, path: &str, handler: impl Handler<T, App>) -> Routes {
    Form::suffixes()
        .fold(routes, |routes, suffix| routes.get(&format!("{path}{suffix}"), handler.clone()))
}

#[cfg(test)]
mod tests;
