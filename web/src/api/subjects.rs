//! `GET /api/v1/identities`, `/api/v1/paths`: who asked, and what was asked for.

use axum::extract::State;
use axum::response::Response;
use query::subjects::{ListToken, Of, Subject, subjects};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{About, Rows};
use super::form::Form;
use super::params::{Params, asked};
use super::problem::Problem;
use crate::app::App;
use crate::door::{Look, May, Reader};

/// The most rows of an object.
const LIMIT_MAX: usize = 1_000;

asked! {
    /// Which events, and how many rows.
    SubjectsParams {
        /// At most so many: 1 to 1000, 100 if it is left out. All forms but JSON give all of them unless there is a limit.
        #[param(nullable = false, minimum = 1, maximum = 1000)]
        limit: Option<usize>,
        /// The `next` of the answer before. It belongs to one question, and keeps the answer as of the first page.
        page: String,
    }
}

/// Identities or paths.
#[derive(Serialize, ToSchema)]
pub(crate) struct SubjectList {
    /// Those with most requests first.
    items: Vec<Subject>,
    /// How many there are in all.
    subjects: u64,
    /// Asks for those after these; null if there are none.
    #[schema(value_type = Option<String>)]
    next: Option<String>,
    #[serde(flatten)]
    about: About,
}

/// List identities with what came of their requests
#[utoipa::path(get, path = "/api/v1/identities", tag = "lists", params(SubjectsParams), responses(
    (status = 200, body = SubjectList, description = "Identities as of the leaf that the answer names; requests that still wait for their response are not counted"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn identities(
    reader: May<Look>,
    State(app): State<App>,
    form: Form,
    Params(params): Params<SubjectsParams>,
) -> Result<Response, Problem> {
    list(&reader, app, form, params, Of::Identities).await
}

/// List paths with what came of the requests for them
#[utoipa::path(get, path = "/api/v1/paths", tag = "lists", params(SubjectsParams), responses(
    (status = 200, body = SubjectList, description = "Paths as of the leaf that the answer names; requests that still wait for their response are not counted"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn paths(
    reader: May<Look>,
    State(app): State<App>,
    form: Form,
    Params(params): Params<SubjectsParams>,
) -> Result<Response, Problem> {
    list(&reader, app, form, params, Of::Paths).await
}

async fn list(
    reader: &Reader,
    app: App,
    form: Form,
    params: SubjectsParams,
    of: Of,
) -> Result<Response, Problem> {
    let question = params.meant()?.question;
    let after: Option<ListToken> = match &*params.page {
        "" => None,
        token => {
            Some(token.parse().map_err(|error| Problem::parameter("page", format!("{error}")))?)
        }
    };
    let limit = match (params.limit, form) {
        (None, Form::Json) => 100,
        (None, _) => 0,
        (Some(limit), _) if (1..=LIMIT_MAX).contains(&limit) => limit,
        (Some(_), _) => {
            return Err(Problem::parameter("limit", format!("it is 1 to {LIMIT_MAX}")));
        }
    };
    let answer = app.ask(reader, move |trail| {
        let view = trail.view();
        let list = subjects(&view, &question, of, limit, after.as_ref())?;
        let about = About::new(&view, &question, list.matched, list.left_out.clone())?;
        let about = About { leaf: list.leaf, ..about };
        let table = list.table(of);
        let object = SubjectList {
            items: list.items,
            subjects: list.subjects,
            next: list.next.map(|token| token.to_string()),
            about: about.clone(),
        };
        Rows { about, object, table }.respond(form, None)
    });
    Ok(answer.await?)
}
