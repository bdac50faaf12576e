//! `GET /compare?one=UID&other=UID`: two events side by side, and in what they differ.

use askama::Template;
use axum::extract::{Query, State};
use ingest::event::Uid;
use query::full::{FullEvent, event};
use serde::Deserialize;

use crate::app::{App, Seen};
use crate::door::{Look, May};
use crate::error::PageError;
use crate::link::{Link, Question};
use crate::page::Rendered;
use crate::pages::event::facts::{Fact, groups};
use crate::pages::overview::shell;
use crate::shell::Shell;
use crate::text::{Text, counted};
use crate::verdict::Verdict;

/// Two events.
#[derive(Template)]
#[template(path = "compare.html")]
pub(crate) struct ComparePage {
    shell: Shell,
    one: Side,
    other: Side,
    differ: String,
    rows: Vec<Row>,
}

/// One of them.
struct Side {
    link: Link,
    verdict: Verdict,
}

/// A field.
struct Row {
    name: Text,
    one: Vec<Link>,
    other: Vec<Link>,
    differs: bool,
}

/// The events.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    one: String,
    other: String,
}

/// The page.
pub(crate) async fn compare(
    reader: May<Look>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<ComparePage>, PageError> {
    let uid = |text: &str| {
        text.trim().parse::<Uid>().map_err(|()| {
            PageError::Question(format!(
                "{text:?} is no event: compare two by their uids, 32 hexadecimal digits each, as their pages show them"
            ))
        })
    };
    let (one, other) = (uid(&asked.one)?, uid(&asked.other)?);
    app.ask(&reader, move |trail| {
        let found = |uid| event(trail, uid)?.ok_or(PageError::NotFound { what: "event" });
        page(trail, &found(one)?, &found(other)?)
    })
    .await
}

fn page(
    trail: &Seen,
    one: &FullEvent,
    other: &FullEvent,
) -> Result<Rendered<ComparePage>, PageError> {
    let rows = rows(one, other);
    let differ = rows.iter().filter(|row| row.differs).count() as u64;
    Ok(Rendered::ok(ComparePage {
        shell: shell(trail, "Explore"),
        one: side(one, trail),
        other: side(other, trail),
        differ: format!("They differ in {}.", counted(differ, "field", "fields")),
        rows,
    }))
}

fn side(full: &FullEvent, trail: &Seen) -> Side {
    let event = &full.event;
    let time = event.time.as_ref().map(|time| trail.zone().of_text(&time.text));
    Side {
        link: Link {
            text: Text::new(time.as_deref().unwrap_or("no time")),
            href: Some(format!("/event/{}", event.uid)),
        },
        verdict: Verdict::new(event.decision, event.reason, event.outcome),
    }
}

/// Returns the fields of both, those in which they differ first.
fn rows(one: &FullEvent, other: &FullEvent) -> Vec<Row> {
    let facts = |full: &FullEvent| -> Vec<Fact> {
        groups(full, &Question::default()).into_iter().flat_map(|group| group.facts).collect()
    };
    let links =
        |fact: Fact| -> Vec<Link> { fact.values.into_iter().map(|value| value.link).collect() };
    let mut others: Vec<Option<Fact>> = facts(other).into_iter().map(Some).collect();
    let mut rows = Vec::new();
    for fact in facts(one) {
        let same = others.iter_mut().find(|of| of.as_ref().is_some_and(|of| of.name == fact.name));
        let beside = same.and_then(Option::take).map(links).unwrap_or_default();
        rows.push(row(fact.name.clone(), links(fact), beside));
    }
    rows.extend(others.into_iter().flatten().map(|fact| {
        let name = fact.name.clone();
        row(name, Vec::new(), links(fact))
    }));
    rows.sort_by_key(|row| !row.differs);
    rows
}

fn row(name: Text, one: Vec<Link>, other: Vec<Link>) -> Row {
    Row { differs: one != other, name, one, other }
}
