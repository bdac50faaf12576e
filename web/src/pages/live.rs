//! `GET /live?q=`: events as they come. Without scripts a page of the newest, and a link to look again.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::header::HeaderMap;
use axum::response::{IntoResponse, Response};
use query::issued::newest;
use serde::Deserialize;

use crate::api::{Shape, follow_from, place_id};
use crate::app::App;
use crate::asked::Asked;
use crate::door::{Look, May, Reader};
use crate::error::PageError;
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::row::Row;
use crate::shell::Shell;
use crate::text::Text;

/// The newest events, and those that come.
#[derive(Template)]
#[template(path = "live.html")]
pub(crate) struct LivePage {
    shell: Shell,
    title: Text,
    q: String,
    problem: Option<String>,
    /// Where the script listens.
    source: String,
    /// The place in the order of events after which it begins.
    after: String,
    again: String,
    search: String,
    rows: Vec<Row>,
}

/// How many of the newest are there to begin with.
const ROWS: usize = 20;

/// The page.
pub(crate) async fn live(
    reader: May<Look>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<LivePage>, PageError> {
    app.ask(&reader, move |trail| {
        // What comes has no end of time.
        let asked = Asked { from: String::new(), to: String::new(), at: String::new(), ..asked };
        let link = asked.link();
        let view = trail.view();
        let page = LivePage {
            shell: shell(trail, "Explore"),
            title: Text::new(if link.q.is_empty() { "everything" } else { &link.q }),
            q: asked.q.clone(),
            problem: None,
            source: link.href_with("/live/tail", &[("tz", tz(trail.reader()))]),
            after: place_id(newest(&view)),
            again: link.href("/live"),
            search: link.href("/explore"),
            rows: Vec::new(),
        };
        match asked.question() {
            Ok(question) => {
                let found = query::search::search_in(&view, &question, ROWS, None)?;
                let row = |row| Row::of(row, &link, trail.zone());
                let rows = found.items.into_iter().map(row).collect();
                Ok(Rendered::ok(LivePage { rows, ..page }))
            }
            Err(problem) => {
                let problem = Some(problem.to_string());
                Ok(Rendered::bad_request(LivePage { problem, source: String::new(), ..page }))
            }
        }
    })
    .await
}

fn tz(reader: &Reader) -> &str {
    if reader.zone().is_utc() { "" } else { reader.zone().name() }
}

/// What the script asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Following {
    q: String,
    all: String,
    after: String,
}

/// `GET /live/tail`: rows as the page shows them, as server-sent events.
pub(crate) async fn live_tail(
    reader: May<Look>,
    State(app): State<App>,
    headers: HeaderMap,
    Query(asked): Query<Following>,
) -> Response {
    let understood = Asked { q: asked.q, all: asked.all, ..Asked::default() };
    let question = match understood.question() {
        Ok(question) => question,
        Err(problem) => return PageError::Question(problem.to_string()).into_response(),
    };
    let shape = Shape::PageRows(understood.link());
    follow_from(&reader, app, question, &headers, &asked.after, shape).await.into_response()
}
