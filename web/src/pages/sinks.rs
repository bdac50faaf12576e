//! `GET /sinks`: how events get to the SIEM, sink by sink; `POST /sinks/{name}/replay` sends some again.
//!
//! Shown is what stands in the sinks' folders, whoever runs them.

use std::path::Path as FilePath;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use forward::asked::Asked as AskedOfSink;
use forward::folder::{DeadLetter, Delivery, DeliveryState, Folder, SinkState};
use ingest::event::Issued;
use ingest::own::Fact;
use ingest::source::LeafIndex;
use jiff::Timestamp;
use query::filter::Filter;
use query::walk::count_after;
use serde::Deserialize;

use crate::app::{App, Seen};
use crate::door::{Controls, May, Right, Settings, fields};
use crate::error::PageError;
use crate::link::{Link, Question};
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::shell::Shell;
use crate::text::{Text, counted, grouped};
use crate::zone::Zone;

/// Deliveries that are shown of a sink, the newest.
const DELIVERIES: usize = 10;
/// Refused events of a page.
const ROWS: usize = 20;

/// All sinks.
#[derive(Template)]
#[template(path = "sinks.html")]
pub(crate) struct SinksPage {
    shell: Shell,
    sinks: Vec<SinkCard>,
    may_replay: bool,
}

/// One sink.
struct SinkCard {
    name: String,
    /// A verdict's class of the style sheet, and how it stands in words.
    class: &'static str,
    standing: &'static str,
    why: Option<Text>,
    facts: Vec<(&'static str, Link)>,
    deliveries: Vec<DeliveryRow>,
    dead_total: String,
    dead: Vec<DeadRow>,
    first: Option<String>,
    next: Option<String>,
}

/// A batch that is done with.
struct DeliveryRow {
    at: String,
    events: String,
    state: String,
    tries: u64,
    leaves: String,
    id: String,
    uids_sha256: String,
}

/// An event that the receiver refused.
struct DeadRow {
    at: String,
    uid: String,
    why: Text,
}

/// The parameters, as typed: how many refused events of which sink are passed over.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    sink: String,
    skip: usize,
}

/// The page.
pub(crate) async fn sinks(
    reader: May<Controls>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<SinksPage>, PageError> {
    app.ask(&reader, move |trail| page(trail, &asked)).await
}

fn page(trail: &Seen, asked: &Asked) -> Result<Rendered<SinksPage>, PageError> {
    let data = trail.data();
    let mut sinks = Vec::new();
    for name in Folder::names(&data).map_err(trouble)? {
        let skip = if name == asked.sink { asked.skip } else { 0 };
        sinks.extend(card(trail, &data, name, skip)?);
    }
    let reader = trail.reader();
    let may_replay = reader.may(Right::Settings) && (reader.has_forms() || reader.role().is_none());
    Ok(Rendered::ok(SinksPage { shell: shell(trail, "Sinks"), sinks, may_replay }))
}

fn card(
    trail: &Seen,
    data: &FilePath,
    name: String,
    skip: usize,
) -> Result<Option<SinkCard>, PageError> {
    let folder = Folder::of(data, &name);
    let Some(state) = folder.state().map_err(trouble)? else { return Ok(None) };
    let zone = trail.zone();
    let filter = Filter::parse(&state.filter, Timestamp::now()).ok();
    let waiting = match &filter {
        Some(filter) => Some(count_after(&trail.view(), filter, place(state.cursor))?),
        None => None,
    };
    let again = folder.asked().map_err(trouble)?.again.len();
    let all_dead = folder.dead().map_err(trouble)?;
    let dead: Vec<DeadRow> =
        all_dead.iter().rev().skip(skip).take(ROWS).map(|dead| dead_row(dead, zone)).collect();
    let past = skip.saturating_add(dead.len());
    let page = |skip: usize| format!("/sinks?sink={name}&skip={skip}#{name}");
    let deliveries = folder.deliveries(DELIVERIES).map_err(trouble)?;
    let (class, standing) = standing(&state, waiting);
    Ok(Some(SinkCard {
        class,
        standing,
        why: state
            .stopped
            .as_deref()
            .or(state.problem.as_ref().map(|(_, why)| why.as_str()))
            .map(Text::new),
        facts: facts(&state, waiting, again, zone),
        deliveries: deliveries.iter().rev().map(|one| delivery_row(one, zone)).collect(),
        dead_total: counted(all_dead.len() as u64, "refused event", "refused events"),
        first: (skip > 0).then(|| page(0)),
        next: (past < all_dead.len()).then(|| page(past)),
        dead,
        name,
    }))
}

/// Says how a sink stands: a class of the style sheet and words.
fn standing(state: &SinkState, waiting: Option<u64>) -> (&'static str, &'static str) {
    let tries = state.in_flight.as_ref().map_or(0, |batch| batch.attempts);
    match () {
        () if state.stopped.is_some() => ("denied", "stopped until somebody helps"),
        () if state.unnamed.is_some() => ("denied", "events are missing there"),
        () if tries > 1 => ("unknown", "trying again"),
        () if state.behind_since.is_some() => ("unknown", "catching up"),
        () if waiting.is_none_or(|waiting| waiting > 0) => ("unknown", "events wait"),
        () => ("allowed", "nothing waits"),
    }
}

fn facts(
    state: &SinkState,
    waiting: Option<u64>,
    again: usize,
    zone: &Zone,
) -> Vec<(&'static str, Link)> {
    let plain = |text: String| Link::none(&text);
    let filter = if state.filter.is_empty() { "everything" } else { &state.filter };
    let question = Question { q: state.filter.clone(), ..Question::default() };
    let mut facts = vec![
        ("Sends", Link { text: Text::new(filter), href: Some(question.href("/explore")) }),
        ("To, as", plain(format!("{}, {}", state.kind, state.format))),
        ("Taken", plain(counted(state.delivered, "event", "events"))),
        ("Refused", plain(counted(state.rejected, "event", "events"))),
        (
            "Waiting",
            plain(match waiting {
                Some(waiting) => format!("at most {}", counted(waiting, "event", "events")),
                None => "unknown: its filter is not one of this version".to_owned(),
            }),
        ),
        ("Done up to leaf", plain(grouped(state.cursor.0))),
    ];
    if let Some(since) = state.behind_since {
        facts.push(("Behind since", plain(zone.to_the_second(nanoseconds(since)))));
    }
    if again > 0 {
        facts.push(("Asked for once more", plain(counted(again as u64, "event", "events"))));
    }
    if let Some(unnamed) = &state.unnamed {
        facts.push((
            "Refused, not said which",
            plain(format!(
                "{}, issued by leaves {} to {}: {}",
                counted(unnamed.events, "event", "events"),
                grouped(unnamed.first.0),
                grouped(unnamed.last.0),
                unnamed.why
            )),
        ));
    }
    if let Some(batch) = &state.in_flight {
        facts.push((
            "Under way",
            plain(format!(
                "{}, try {}, {}",
                counted(batch.said.events, "event", "events"),
                batch.attempts,
                batch.state.as_str()
            )),
        ));
    }
    facts
}

fn delivery_row(delivery: &Delivery, zone: &Zone) -> DeliveryRow {
    let (first, last) = (delivery.said.first.0, delivery.said.last.0);
    DeliveryRow {
        at: zone.to_the_second(nanoseconds(delivery.at)),
        events: grouped(delivery.said.events),
        state: match delivery.refused {
            Some(refused) => format!("{}, {} refused", delivery.state.as_str(), grouped(refused)),
            None => delivery.state.as_str().to_owned(),
        },
        tries: delivery.attempts,
        leaves: match first == last {
            true => grouped(first),
            false => format!("{} to {}", grouped(first), grouped(last)),
        },
        id: delivery.id.clone(),
        uids_sha256: delivery.said.uids_sha256.clone(),
    }
}

fn dead_row(dead: &DeadLetter, zone: &Zone) -> DeadRow {
    DeadRow {
        at: zone.to_the_second(nanoseconds(dead.at)),
        uid: dead.uid.clone(),
        why: Text::new(&dead.why),
    }
}

/// Sends refused events again, or everything after a leaf.
pub(crate) async fn replay(
    reader: May<Settings>,
    State(app): State<App>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, PageError> {
    let [token, what, leaf] = fields(&body, ["token", "what", "leaf"])?;
    reader.check_form(Some(&token))?;
    let after = match (&*what, leaf.trim().replace(',', "").parse::<u64>()) {
        ("dead", _) => None,
        ("leaf", Ok(leaf)) => Some(leaf),
        _ => return Err(PageError::Question("say after which leaf it goes on".to_owned())),
    };
    let (by, address) = (reader.by(), reader.address().to_owned());
    let writer = app.clone();
    let page = app
        .ask(&reader, move |trail| {
            let data = trail.data();
            // The names of those that are there, so that nobody's text becomes a path.
            let known = Folder::names(&data).map_err(trouble)?.into_iter().find(|it| *it == name);
            let Some(name) = known else {
                return Err(PageError::Question("there is no such sink".to_owned()));
            };
            let folder = Folder::of(&data, &name);
            let asked = match after {
                Some(leaf) => {
                    AskedOfSink { replay_after: Some((leaf, u32::MAX)), ..AskedOfSink::default() }
                }
                None => AskedOfSink {
                    again: folder.dead().map_err(trouble)?.iter().map(|dead| dead.issued).collect(),
                    ..AskedOfSink::default()
                },
            };
            // Written down first: what is sent twice has a reason in the ledger.
            writer.write_down(Fact::SinkAsked {
                by,
                address: Some(address),
                sink: name.clone(),
                after,
                again: asked.again.len() as u64,
            })?;
            folder.ask(asked).map_err(trouble)?;
            Ok(format!("/sinks#{name}"))
        })
        .await?;
    let page = HeaderValue::from_str(&page).unwrap_or(HeaderValue::from_static("/sinks"));
    Ok((StatusCode::SEE_OTHER, [(LOCATION, page)]).into_response())
}

fn place((leaf, ordinal): (u64, u32)) -> Issued {
    Issued(LeafIndex(leaf), ordinal)
}

fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}

fn trouble(error: std::io::Error) -> PageError {
    PageError::Trail(Box::new(error))
}

/// What the states of a delivery mean, in the order in which more is known.
const STATES: [(DeliveryState, &str); 6] = [
    (DeliveryState::Sent, "it left; this way to the receiver has no answer"),
    (DeliveryState::Accepted, "the receiver says that it has it, not that it is stored"),
    (DeliveryState::Confirmed, "the receiver says that it is stored"),
    (
        DeliveryState::Partial,
        "the receiver refused some of it and took the rest, and does not say which: a comparison with its own list does",
    ),
    (DeliveryState::Rejected, "the receiver refuses it"),
    (DeliveryState::Unknown, "the end of a try was not seen; it is sent again under the same name"),
];

impl SinksPage {
    fn states(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        STATES.iter().map(|(state, words)| (state.as_str(), *words))
    }
}
