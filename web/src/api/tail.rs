//! `GET /api/v1/tail`: events as the trail learns of them, as server-sent events.
//!
//! Every message has an id, `leaf.ordinal`: the place up to which it goes in the order in which events are issued.
//! A browser sends it back when it connects again (`Last-Event-ID`), so that nothing is missed or told twice.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use ingest::event::Issued;
use ingest::source::LeafIndex;
use query::full;
use query::issued::{Arrivals, issued_after, newest};
use query::question::{LeftOut, Question};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::sleep;

use super::params::{Params, asked};
use super::problem::Problem;
use crate::app::{App, Seen};
use crate::door::{Look, May, Reader};
use crate::error::PageError;
use crate::export::Receiving;
use crate::link;
use crate::row::Row;

/// How often the trail is asked for what is new.
const EVERY: Duration = Duration::from_millis(500);
/// After so many quiet rounds something is said all the same, so that nothing on the way takes the line for dead.
const QUIET_ROUNDS: u32 = 30;
/// Events of one round.
const ROUND: usize = 200;
/// Messages that wait for the reader.
const MESSAGES_MAX: usize = 256;

asked! {
    /// Which events.
    TailParams {
        /// Begin after this place, `leaf.ordinal`, the id of an earlier message; empty: with what comes next.
        #[param(pattern = "^([0-9]+\\.[0-9]+)?$")]
        after: String,
        /// Rows from the index's columns in place of whole events.
        rows: bool,
    }
}

/// What was left out of a round.
#[derive(Serialize)]
struct Skipped<'a> {
    left_out: &'a LeftOut,
}

/// Follow events as they come
#[utoipa::path(get, path = "/api/v1/tail", tag = "events", params(TailParams,
        ("last-event-id" = Option<String>, Header, description = "As `after`, which it goes before", pattern = "^([0-9]+\\.[0-9]+)?$")),
    responses(
    (status = 200, body = String, content_type = "text/event-stream", description = "`event` messages with an event each; `left_out` messages with the number of events that are not shown, by word; comments while nothing happens"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn tail(
    reader: May<Look>,
    State(app): State<App>,
    headers: HeaderMap,
    Params(params): Params<TailParams>,
) -> Result<Response, Problem> {
    let question = params.meant()?.question;
    let shape = if params.rows { Shape::Rows } else { Shape::Events };
    follow_from(&reader, app, question, &headers, &params.after, shape).await
}

/// What stands for an event in a message.
pub(crate) enum Shape {
    /// The whole event.
    Events,
    /// Its row, from the index's columns.
    Rows,
    /// Its row, finished as pages of this question show it.
    PageRows(link::Question),
}

/// Follows the events that fit a question, from the place that a browser names in `Last-Event-ID`, else from `after`, else
/// from now on.
pub(crate) async fn follow_from(
    reader: &Reader,
    app: App,
    question: Question,
    headers: &HeaderMap,
    after: &str,
    shape: Shape,
) -> Result<Response, Problem> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let after = last.filter(|id| !id.is_empty()).unwrap_or(after);
    let after = match after {
        "" => None,
        id => Some(place(id).ok_or_else(|| {
            Problem::parameter(
                "after",
                "that is no place: it is `leaf.ordinal`, the id of a message",
            )
        })?),
    };
    let Some(turn) = app.tail_place() else {
        return Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "as many live tails are open as there can be; close one, or come back",
        ));
    };
    let after = match after {
        Some(after) => after,
        None => app.ask(reader, |trail| Ok(newest(&trail.view()))).await?,
    };
    let (sender, messages) = mpsc::channel(MESSAGES_MAX);
    tokio::spawn(follow(reader.clone(), app, question, after, shape, sender, turn));
    let mut response = Body::new(Receiving(messages)).into_response();
    let content_type = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

type Message = std::io::Result<Bytes>;

/// Tells what comes until the reader is gone. A slow reader is waited for, and misses nothing.
async fn follow(
    reader: Reader,
    app: App,
    question: Question,
    mut after: Issued,
    shape: Shape,
    sender: mpsc::Sender<Message>,
    turn: OwnedSemaphorePermit,
) {
    let (question, shape) = (Arc::new(question), Arc::new(shape));
    let mut quiet = 0;
    // What a browser does when the line breaks: come back after a second.
    let mut messages = vec!["retry: 1000\n\n".to_owned()];
    loop {
        for message in messages.drain(..) {
            if sender.send(Ok(message.into())).await.is_err() {
                return;
            }
        }
        // Who has signed out, or is somebody else by now, comes back and is asked who he is.
        if !app.door().is_still(&reader) {
            return;
        }
        let (asked, shape) = (Arc::clone(&question), Arc::clone(&shape));
        let round = app.ask(&reader, move |trail| {
            let view = trail.view();
            let arrivals = issued_after(&view, &asked, after, ROUND)?;
            let told = told(trail, &view, &arrivals, &shape)?;
            Ok((told, arrivals.last, arrivals.more))
        });
        let more = match round.await {
            Ok((told, last, more)) => {
                (messages, after) = (told, last);
                more
            }
            // Others have their turn; nothing is lost by waiting.
            Err(PageError::Busy | PageError::TooLong { .. }) => false,
            Err(error) => {
                tracing::warn!(%error, "a live tail ended");
                // The reader comes back, with the place up to where he was told.
                let _ = sender.send(Err(std::io::Error::other("the tail failed"))).await;
                return;
            }
        };
        quiet = if messages.is_empty() { quiet + 1 } else { 0 };
        if quiet == QUIET_ROUNDS {
            quiet = 0;
            messages.push(": nothing new\n\n".to_owned());
        }
        if !more {
            tokio::select! {
                () = sleep(EVERY) => {}
                () = sender.closed() => break,
            }
        }
    }
    drop(turn);
}

/// Returns the messages of a round.
fn told(
    trail: &Seen,
    view: &query::history::View,
    arrivals: &Arrivals,
    shape: &Shape,
) -> Result<Vec<String>, PageError> {
    let mut messages = Vec::new();
    for row in &arrivals.rows {
        let object = match shape {
            Shape::Rows => json(row)?,
            Shape::PageRows(link) => json(&Row::of(row.clone(), link, trail.zone()).finished())?,
            Shape::Events => match full::event_in(trail, view, row.uid)? {
                Some(full) => json(&full.event)?,
                None => continue,
            },
        };
        messages.push(message("event", row.issued, &object));
    }
    if arrivals.left_out.total() > 0 {
        let skipped = json(&Skipped { left_out: &arrivals.left_out })?;
        messages.push(message("left_out", arrivals.last, &skipped));
    }
    Ok(messages)
}

fn json(object: &impl Serialize) -> Result<String, PageError> {
    serde_json::to_string(object).map_err(|error| PageError::Trail(Box::new(error)))
}

/// JSON has no line breaks of its own, so the data are one line.
fn message(name: &str, place: Issued, data: &str) -> String {
    format!("id: {}\nevent: {name}\ndata: {data}\n\n", place_id(place))
}

/// Returns a place as messages name it.
pub(crate) fn place_id(Issued(leaf, ordinal): Issued) -> String {
    format!("{leaf}.{ordinal}")
}

fn place(id: &str) -> Option<Issued> {
    let (leaf, ordinal) = id.split_once('.')?;
    Some(Issued(LeafIndex(leaf.parse().ok()?), ordinal.parse().ok()?))
}
