//! `GET /reviews`: reviews of access, and a form that opens one; `POST /reviews` opens it.
//!
//! A review is of the whole log within its scope, so whoever is bound to a part of the log is not shown them.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use ingest::own::Fact;
use jiff::Timestamp;
use query::campaigns::Campaign;
use query::entitlements::Entitlements;
use query::filter::Filter;
use query::period::Period;
use query::question::Question;
use serde::Deserialize;

use crate::app::{App, Seen};
use crate::asked::given;
use crate::door::{Controls, May, Review, Right, fields};
use crate::error::PageError;
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::shell::Shell;
use crate::text::{Text, counted, grouped, percent};
use crate::time::end_of_day;

pub(crate) mod campaign;
pub(crate) mod decide;

/// Reviews of a page.
const ROWS: usize = 20;
/// The longest name, in characters.
const NAME_MAX: usize = 40;

/// All reviews.
#[derive(Template)]
#[template(path = "reviews.html")]
pub(crate) struct ReviewsPage {
    shell: Shell,
    total: String,
    rows: Vec<Row>,
    next: Option<String>,
    first: Option<String>,
    may_open: bool,
    /// Nobody is signed in, so nobody can be named as a reviewer.
    is_open: bool,
}

/// One review.
struct Row {
    name: Text,
    href: String,
    opened: String,
    by: Text,
    due: String,
    standing: Text,
    is_late: bool,
    progress: String,
}

/// The parameters, as typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    skip: usize,
}

/// The page.
pub(crate) async fn reviews(
    reader: May<Controls>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<ReviewsPage>, PageError> {
    app.ask(&reader, move |trail| page(trail, &asked)).await
}

fn page(trail: &Seen, asked: &Asked) -> Result<Rendered<ReviewsPage>, PageError> {
    let campaigns = trail.campaigns()?;
    let all = campaigns.all();
    let newest = all.iter().rev().skip(asked.skip).take(ROWS);
    let rows = newest.map(|campaign| row(trail, campaign)).collect::<Result<Vec<_>, _>>()?;
    let past = asked.skip.saturating_add(rows.len());
    let reader = trail.reader();
    Ok(Rendered::ok(ReviewsPage {
        shell: shell(trail, "Reviews"),
        total: counted(all.len() as u64, "review of access", "reviews of access"),
        next: (past < all.len()).then(|| format!("/reviews?skip={past}")),
        first: (asked.skip > 0).then(|| "/reviews".to_owned()),
        may_open: reader.has_forms() && reader.may(Right::Review),
        is_open: reader.role().is_none(),
        rows,
    }))
}

fn row(trail: &Seen, campaign: &Campaign) -> Result<Row, PageError> {
    let found = campaign.entitlements(&trail.view())?;
    let left = campaign.undecided(&found, Timestamp::MAX);
    let all = found.rows.len() as u64;
    let (standing, is_late) = standing(campaign, left, Timestamp::now());
    Ok(Row {
        name: Text::new(&campaign.name),
        href: href(&campaign.name),
        opened: trail.zone().to_the_minute(nanoseconds(campaign.opened)),
        by: Text::new(&campaign.by),
        due: trail.zone().to_the_minute(nanoseconds(campaign.due)),
        standing: Text::new(&standing),
        is_late,
        progress: format!(
            "{} of {} rows ({})",
            grouped(all - left),
            grouped(all),
            percent(all - left, all)
        ),
    })
}

/// Says how a review stands, and whether it is late.
fn standing(campaign: &Campaign, left: u64, now: Timestamp) -> (String, bool) {
    match &campaign.closed {
        Some(closed) if closed.undecided == 0 => ("closed, all decided".to_owned(), false),
        Some(closed) => (format!("closed, {} undecided", grouped(closed.undecided)), true),
        None if left == 0 => ("all decided".to_owned(), false),
        None if campaign.due < now => (format!("late: {} undecided", grouped(left)), true),
        None => (format!("{} undecided", grouped(left)), false),
    }
}

fn href(name: &str) -> String {
    // Only names of plain letters are ever opened.
    format!("/reviews/{name}")
}

fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}

/// Opens a review: freezes who holds what, and says until when it has to be decided.
pub(crate) async fn open(
    reader: May<Review>,
    State(app): State<App>,
    body: Bytes,
) -> Result<Response, PageError> {
    let [token, name, period, from, to, tz, scope, due, reviewers] = fields(
        &body,
        ["token", "name", "period", "from", "to", "tz", "scope", "due", "reviewers"],
    )?;
    reader.check_form(Some(&token))?;
    signed_in(&reader)?;
    let now = Timestamp::now();
    let name = name_of(&name)?;
    let [period, from, to, tz] = [&period, &from, &to, &tz].map(|typed| given(typed));
    let period =
        Period::new(period, from, to, tz, now).map_err(|error| asked_for(&error.to_string()))?;
    let scope = Filter::parse(&scope, now).map_err(|error| asked_for(&error.caret()))?;
    let due = end_of_day(due.trim()).map_err(PageError::Question)?;
    if due <= now {
        return Err(asked_for("the day by which everything is decided lies ahead"));
    }
    let reviewers: Vec<String> = reviewers
        .split([',', ' '])
        .filter(|name| !name.is_empty())
        .map(|name| if name.contains(':') { name.to_owned() } else { format!("user:{name}") })
        .collect();
    let (by, address) = (reader.by(), reader.address().to_owned());
    let page = href(&name);
    let writer = app.clone();
    let leaves = app
        .ask(&reader, move |trail| {
            if trail.campaigns()?.named(&name).is_some() {
                return Err(asked_for(&format!("there is a review {name:?} already")));
            }
            let view = trail.view();
            let at = view.leaf();
            let question = Question {
                filter: scope.clone(),
                from: period.from,
                to: period.to,
                all: false,
                at: Some(at),
            };
            let found = Entitlements::of(&view, &question)?;
            if found.rows.is_empty() {
                return Err(asked_for(
                    "nobody holds a policy in this period and scope: there is nothing to review",
                ));
            }
            let time = |ns: i64| Timestamp::from_nanosecond(ns.into()).ok();
            let leaves = trail.ledger().size();
            writer.write_down(Fact::CampaignOpened {
                by,
                address,
                campaign: name,
                scope: scope.to_string(),
                from: period.from.and_then(time),
                to: period.to.and_then(time),
                at,
                due,
                reviewers,
                items: found.rows.len() as u64,
                items_sha256: found.sha256(),
            })?;
            Ok(leaves)
        })
        .await?;
    app.settled(leaves).await;
    Ok(to_page(&page))
}

fn name_of(name: &str) -> Result<String, PageError> {
    let name = name.trim();
    let is_plain = name.chars().all(|letter| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_.".contains(letter)
    });
    match name.chars().count() {
        1..=NAME_MAX if is_plain => Ok(name.to_owned()),
        _ => Err(asked_for(&format!(
            "a review's name has 1 to {NAME_MAX} lower-case letters, digits, dots and dashes, such as 2026-q4"
        ))),
    }
}

/// A person may have several tokens, and two reviewers are two people.
fn signed_in(reader: &crate::door::Reader) -> Result<(), PageError> {
    if reader.has_forms() {
        return Ok(());
    }
    Err(asked_for(
        "a review names who decided, and nobody is signed in: `keytrail user add` adds users, and a token is none",
    ))
}

fn asked_for(why: &str) -> PageError {
    PageError::Question(why.to_owned())
}

fn to_page(page: &str) -> Response {
    let page = HeaderValue::from_str(page).unwrap_or(HeaderValue::from_static("/reviews"));
    (StatusCode::SEE_OTHER, [(LOCATION, page)]).into_response()
}
