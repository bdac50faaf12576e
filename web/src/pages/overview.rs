//! `GET /?span=24h|7d|30d|all`: what happened, at a glance; and whether everything is here.

use std::ops::Range;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use query::filter::Filter;
use query::history::View;
use query::question::Question;
use query::search::search_in;
use serde::Deserialize;

use crate::app::{App, Seen};
use crate::chart::{Chart, HeatMap, Matrix, Sankey, histogram};
use crate::door::{Look, May};
use crate::error::PageError;
use crate::link;
use crate::page::Rendered;
use crate::row::Row;
use crate::shell::Shell;
use crate::text::counted;
use crate::time::{DAY, HOUR, Step, Stretch, now, to_the_minute, typed};

mod buckets;
mod coverage;
mod patterns;
mod rankings;
mod tiles;

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

/// A choice of time.
pub(crate) struct Span {
    pub(crate) name: &'static str,
    pub(crate) href: String,
    pub(crate) current: bool,
}

/// Which stretch of time is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Shown {
    span: String,
}

/// How many of the newest denied requests are shown.
const DENIED_SHOWN: usize = 8;

/// The fewest bars of a histogram over all time: a trail of two minutes is no two walls.
const BARS_MIN: i64 = 30;

/// The page.
pub(crate) async fn overview(
    reader: May<Look>,
    State(app): State<App>,
    Query(shown): Query<Shown>,
) -> Result<Response, PageError> {
    let asked = match &*shown.span {
        "" => None,
        span => Some(Stretch::ALL.into_iter().find(|stretch| stretch.word() == span).ok_or_else(
            || {
                PageError::Question(format!(
                    "{span:?} is no stretch of time: there are 24h, 7d, 30d and all"
                ))
            },
        )?),
    };
    app.ask(&reader, move |trail| page(trail, asked)).await
}

/// What is asked of the trail, and how links say it.
struct Scope<'a> {
    view: &'a View,
    /// The stretch that is shown; its ends are those of the histogram's bars.
    from: i64,
    to: i64,
    step: Step,
    /// Of which part of it something is known: from the first event, and no further than now.
    known: Range<i64>,
    /// For links: the ends, or nothing for all time.
    link: link::Question,
    /// Whether events without a time belong to it.
    all: bool,
}

impl Scope<'_> {
    /// Returns the question for the events of the stretch that pass the filter.
    fn question(&self, filter: &str) -> Result<Question, PageError> {
        let filter = Filter::parse(filter, jiff::Timestamp::now())
            .map_err(|error| PageError::Question(error.caret()))?;
        let ends = (!self.all).then_some((self.from, self.to));
        Ok(Question {
            filter,
            from: ends.map(|ends| ends.0),
            to: ends.map(|ends| ends.1),
            ..Question::everything()
        })
    }

    /// Returns the address under which the explorer asks the same.
    fn href(&self, filter: &str) -> String {
        link::Question { q: filter.to_owned(), ..self.link.clone() }.href("/explore")
    }
}

fn page(trail: &Seen, asked: Option<Stretch>) -> Result<Response, PageError> {
    let view = trail.view();
    let newest = search_in(&view, &Question { all: true, ..Question::everything() }, 1, None)?;
    if newest.matched == 0 {
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
    }
    let now = now();
    let last = newest.items.first().and_then(|row| row.time_unix_ns).unwrap_or(now);
    let first = buckets::earliest(&view)?.unwrap_or(last).min(last);
    let held = Stretch::holding(last, now);
    let stretch = match asked {
        Some(asked) => asked,
        // A trail that is younger than its newest day is seen best from its first event on.
        None if held == Stretch::Day && now - first < DAY => Stretch::All,
        None => held,
    };
    // By whole hours, as the counts that are drawn are.
    let known = |from: i64, to: i64| {
        let hour = |time: i64| time - time.rem_euclid(HOUR);
        let until = hour(now.max(last)).saturating_add(HOUR);
        hour(first).max(from)..until.min(to)
    };
    let scope = match stretch.length() {
        Some(length) => {
            let step = Step::of(now - length, now);
            let (from, to) = (step.floor(now - length), step.ceil(now));
            let link =
                link::Question { from: typed(from), to: typed(to), ..link::Question::default() };
            Scope { view: &view, from, to, step, known: known(from, to), link, all: false }
        }
        None => {
            let step = Step::of(first, last);
            let to = step.ceil(last.saturating_add(1));
            let from = step.floor(first).min(to.saturating_sub(BARS_MIN * step.ns));
            let known = known(from, to);
            Scope { view: &view, from, to, step, known, link: link::Question::default(), all: true }
        }
    };
    let note = (stretch == held && held != Stretch::Day && asked.is_none()).then(|| {
        format!("The newest event is of {}, more than a day ago; shown is the shortest stretch that holds it.", to_the_minute(last))
    });
    let denied = search_in(&view, &scope.question("decision:denied")?, DENIED_SHOWN, None)?;
    let step = scope.step;
    let covered = coverage::coverage(&view)?;
    let page = OverviewPage {
        shell: shell(trail, "Overview"),
        span_words: format!("{} to {}, UTC", step.says_time(scope.from), step.says_time(scope.to)),
        spans: Stretch::ALL.map(|offered| span(offered, stretch)).into(),
        note,
        tiles: tiles::tiles(&scope)?,
        chart: histogram(&buckets::buckets(&scope)?, scope.step.says),
        heat: patterns::heat(&scope)?,
        flows: patterns::flows(&scope)?,
        matrix: patterns::reached(&scope)?,
        rankings: rankings::rankings(&scope)?,
        denied: denied.items.into_iter().map(Row::from).collect(),
        denied_href: scope.href("decision:denied"),
        sources: coverage::sources(trail, &covered, now)?,
        ledger: coverage::ledger(trail, &view, &covered)?,
    };
    Ok(Rendered::ok(page).into_response())
}

fn span(offered: Stretch, current: Stretch) -> Span {
    Span {
        name: offered.name(),
        href: link::address("/", [("span", offered.word())]),
        current: offered == current,
    }
}
