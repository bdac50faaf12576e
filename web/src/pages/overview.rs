//! `GET /?span=24h|7d|30d|all`: what happened, at a glance; and whether everything is here.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use query::search::search_in;

use crate::app::{App, Seen};
use crate::chart::{Chart, HeatMap, Matrix, Sankey, histogram};
use crate::door::{Look, May};
use crate::error::PageError;
use crate::page::Rendered;
use crate::pages::scope::{Scope, Shown, Span};
use crate::row::Row;
use crate::shell::Shell;
use crate::text::counted;
use crate::time::{Stretch, now};

pub(crate) mod buckets;
pub(crate) mod coverage;
pub(crate) mod patterns;
mod rankings;
pub(crate) mod tiles;

pub(crate) use self::coverage::shell;
use self::coverage::{Fact, Source};
use self::rankings::Ranking;
use self::tiles::Tile;

/// The overview.
#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    shell: Shell,
    span_words: String,
    spans: Vec<Span>,
    data: Vec<(&'static str, String)>,
    note: Option<String>,
    tiles: Vec<Tile>,
    chart: Chart,
    heat: HeatMap,
    flows: Sankey,
    matrix: Matrix,
    rankings: [Ranking; 2],
    denied: Vec<Row>,
    denied_href: String,
    sources: Vec<Source>,
    ledger: Vec<Fact>,
}

/// The overview before the first event.
#[derive(Template)]
#[template(path = "waiting.html")]
struct WaitingPage {
    shell: Shell,
    taken_in: String,
    /// There may be events, which the reader does not see.
    is_bound: bool,
}

/// How many of the newest denied requests are shown.
const DENIED_SHOWN: usize = 8;

/// The page.
pub(crate) async fn overview(
    reader: May<Look>,
    State(app): State<App>,
    Query(shown): Query<Shown>,
) -> Result<Response, PageError> {
    let asked = shown.stretch()?;
    app.ask(&reader, move |trail| page(trail, asked)).await
}

fn page(trail: &Seen, asked: Option<Stretch>) -> Result<Response, PageError> {
    let view = trail.view();
    let Some(scope) = Scope::of(&view, trail.zone(), "", asked)? else {
        let lines = counted(coverage::lines(trail)?, "line has", "lines have");
        let page = WaitingPage {
            shell: shell(trail, "Overview"),
            taken_in: match view.bounds() {
                None => format!("{lines} been taken in, and none of them holds a request."),
                Some(_) => format!("{lines} been taken in."),
            },
            is_bound: view.bounds().is_some(),
        };
        return Ok(Rendered::ok(page).into_response());
    };
    let denied = search_in(&view, &scope.question("decision:denied")?, DENIED_SHOWN, None)?;
    let covered = coverage::coverage(&view)?;
    let refused = scope.link_with("decision:denied");
    let page = OverviewPage {
        shell: shell(trail, "Overview"),
        span_words: scope.words(),
        spans: scope.spans("/"),
        data: scope.data(),
        note: scope.note.clone(),
        tiles: tiles::tiles(&scope)?,
        chart: histogram(&buckets::buckets(&scope)?, scope.step.says),
        heat: patterns::heat(&scope)?,
        flows: patterns::flows(&scope)?,
        matrix: patterns::reached(&scope)?,
        rankings: rankings::rankings(&scope)?,
        denied: denied.items.into_iter().map(|row| Row::of(row, &refused, trail.zone())).collect(),
        denied_href: scope.href("decision:denied"),
        sources: coverage::sources(trail, &covered, now())?,
        ledger: coverage::ledger(trail, &view, &covered)?,
    };
    Ok(Rendered::ok(page).into_response())
}
