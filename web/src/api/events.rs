//! `GET /api/v1/events`: which events, newest first. `GET /api/v1/events/{uid}`: one of them, with what stands
//! behind it.

use std::collections::BTreeMap;
use std::io::Write;

use axum::extract::{Path, State};
use axum::response::Response;
use ingest::event::{AuditEvent, Uid};
use query::full::{self, FullEvent};
use query::page::PageToken;
use query::question::Question;
use query::row::EventRow;
use query::search::{each_row, search_in};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{About, object};
use super::form::{Form, RowsForm};
use super::params::{Params, asked};
use super::problem::Problem;
use crate::app::App;
use crate::door::{Look, May, Reader};
use crate::error::PageError;
use crate::export::{self, line, stream, whole_events};

/// The most events of one answer that is an object.
const LIMIT_MAX: usize = 1_000;

asked! {
    /// Which events, and how many.
    EventsParams {
        /// At most so many: 1 to 1000, 100 if it is left out. All forms but JSON also take 0: all of them.
        #[param(nullable = false, maximum = 1000)]
        limit: Option<usize>,
        /// The `next` of the answer before. It belongs to one question.
        page: String,
        /// Rows from the index's columns in place of whole events, whose lines are read from the ledger. CSV,
        /// Arrow and text are always rows.
        rows: bool,
        /// Of text: cut lines to so many columns.
        #[param(nullable = false, maximum = 65535)]
        width: Option<u16>,
    }
}

/// Events of an answer.
#[derive(Serialize, ToSchema)]
pub(crate) struct Events {
    /// Newest first.
    items: Vec<Item>,
    /// Asks for the events after these; null if there are none.
    #[schema(value_type = Option<String>)]
    next: Option<PageToken>,
    #[serde(flatten)]
    about: About,
}

/// A whole event, or with `rows=true` a row.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Item {
    Event(Box<AuditEvent>),
    Row(Box<EventRow>),
}

/// List events, newest first
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(EventsParams), responses(
    (status = 200, body = Events, description = "Events. Without a limit they are streamed, and a connection that is cut was not the whole."),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn events(
    reader: May<Look>,
    State(app): State<App>,
    RowsForm(form): RowsForm,
    Params(params): Params<EventsParams>,
) -> Result<Response, Problem> {
    let question = params.meant()?.question;
    let after = match &*params.page {
        "" => None,
        token => {
            Some(token.parse().map_err(|error| Problem::parameter("page", format!("{error}")))?)
        }
    };
    let limit = params.limit.unwrap_or(100);
    if form == Form::Json {
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::parameter(
                "limit",
                format!(
                    "an object holds 1 to {LIMIT_MAX} events: page through them with `next`, or ask for .ndjson, which has no limit"
                ),
            ));
        }
        return page(&reader, app, question, limit, after, params.rows).await;
    }
    let rows = params.rows || form != Form::Ndjson;
    let answer =
        stream(&reader, app, form.content_type(), question.clone(), move |trail, view, mut out| {
            match (form, rows) {
                (Form::Ndjson, true) => {
                    each_row(view, &question, limit, after.as_ref(), &mut |row| {
                        line(&row, &mut out)
                    })?;
                    Ok(out.flush()?)
                }
                (Form::Ndjson, false) => {
                    whole_events(trail, view, &question, limit, after.as_ref(), out)
                }
                _ => export::rows(
                    view,
                    &question,
                    limit,
                    after.as_ref(),
                    form.table(params.width.map(usize::from)),
                    out,
                ),
            }
        });
    Ok(answer.await?)
}

async fn page(
    reader: &Reader,
    app: App,
    question: Question,
    limit: usize,
    after: Option<PageToken>,
    rows: bool,
) -> Result<Response, Problem> {
    let answer = app.ask(reader, move |trail| {
        let view = &trail.view();
        let (items, next, matched, left_out) = if rows {
            let page = search_in(view, &question, limit, after.as_ref())?;
            (
                page.items.into_iter().map(|row| Item::Row(row.into())).collect(),
                page.next,
                page.matched,
                page.left_out,
            )
        } else {
            let mut events = Vec::new();
            let page =
                full::events_in(trail, view, &question, limit, after.as_ref(), &mut |event| {
                    events.push(Item::Event(event.into()));
                    Ok::<(), PageError>(())
                })?;
            (events, page.next, page.matched, page.left_out)
        };
        let about = About::new(view, &question, matched, left_out)?;
        let mut response = object(&Events { items, next, about: about.clone() })?;
        about.tell(&mut response);
        Ok(response)
    });
    Ok(answer.await?)
}

/// An event and what stands behind it.
#[derive(Serialize, ToSchema)]
pub(crate) struct OneEvent {
    event: AuditEvent,
    /// Texts that lines show for hashes of this event.
    learned: BTreeMap<String, Vec<String>>,
    /// Of a forwarded event: what another node made of it.
    twin: Option<Uid>,
    /// A forwarded event of which no other node has one.
    no_twin: bool,
    /// What other audit devices of the node have of the same request.
    same: Vec<SameRequest>,
}

/// What another audit device has of a request.
#[derive(Serialize, ToSchema)]
struct SameRequest {
    device: String,
    uid: Uid,
}

/// Show one event
#[utoipa::path(get, path = "/api/v1/events/{uid}", tag = "events",
    params(("uid" = String, Path, description = "The event: 32 hexadecimal digits", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 200, body = OneEvent, description = "The event"),
        (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
    ))]
pub(crate) async fn one_event(
    reader: May<Look>,
    State(app): State<App>,
    Path(uid): Path<String>,
) -> Result<Response, Problem> {
    let uid: Uid = uid.parse().map_err(|()| Problem::not_found("event"))?;
    let found = app.ask(&reader, move |trail| {
        let view = &trail.view();
        let Some(full) = full::event_in(trail, view, uid)? else { return Ok(None) };
        let FullEvent { event, learned, twin, no_twin, same, .. } = full;
        let same = same.into_iter().map(|(device, uid)| SameRequest { device, uid }).collect();
        object(&OneEvent { event, learned, twin, no_twin, same }).map(Some)
    });
    found.await?.ok_or_else(|| Problem::not_found("event"))
}
