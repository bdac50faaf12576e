//! `GET /identities`, `GET /paths`: who asked, and what was asked for, those with most requests first.

use askama::Template;
use axum::extract::{Query, State};
use query::subjects::{ListToken, Of, Subject, subjects};

use crate::app::{App, Seen};
use crate::asked::Asked;
use crate::chart::share;
use crate::door::{Look, May};
use crate::error::PageError;
use crate::link::{self, Link};
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::pages::subject;
use crate::shell::Shell;
use crate::text::{Text, counted, grouped};
use crate::time::typed;
use crate::zone::Zone;

/// Rows of a page.
const ROWS: usize = 100;

/// A list of identities or paths.
#[derive(Template)]
#[template(path = "subjects.html")]
pub(crate) struct SubjectsPage {
    shell: Shell,
    title: &'static str,
    page: &'static str,
    column: &'static str,
    /// Exactly what was typed, for the fields.
    q: String,
    from: String,
    to: String,
    problem: Option<String>,
    list: Option<List>,
}

struct List {
    total: String,
    at: String,
    rows: Vec<Row>,
    csv: String,
    json: String,
    first: Option<String>,
    next: Option<String>,
}

/// An identity or a path, with what came of its requests.
pub(crate) struct Row {
    pub(crate) link: Link,
    /// What tells it apart from others of the same name.
    pub(crate) beside: Option<Text>,
    pub(crate) requests: Link,
    pub(crate) share: u64,
    pub(crate) access: Link,
    pub(crate) denied: Link,
    pub(crate) unknown: Link,
    /// Allowed, but not found, refused as wrong or failed by the server.
    pub(crate) other: Link,
    pub(crate) first: String,
    pub(crate) last: String,
}

/// The page of identities.
pub(crate) async fn identities(
    reader: May<Look>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<SubjectsPage>, PageError> {
    app.ask(&reader, move |trail| page(trail, &asked, Of::Identities)).await
}

/// The page of paths.
pub(crate) async fn paths(
    reader: May<Look>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<SubjectsPage>, PageError> {
    app.ask(&reader, move |trail| page(trail, &asked, Of::Paths)).await
}

fn page(trail: &Seen, asked: &Asked, of: Of) -> Result<Rendered<SubjectsPage>, PageError> {
    let (title, page, column) = match of {
        Of::Identities => ("Identities", "/identities", "Identity"),
        Of::Paths => ("Paths", "/paths", "Path"),
    };
    let rendered = SubjectsPage {
        shell: shell(trail, title),
        title,
        page,
        column,
        q: asked.q.clone(),
        from: asked.from.clone(),
        to: asked.to.clone(),
        problem: None,
        list: None,
    };
    let question = match asked.question() {
        Ok(question) => question,
        Err(problem) => {
            let problem = Some(problem.to_string());
            return Ok(Rendered::bad_request(SubjectsPage { problem, ..rendered }));
        }
    };
    let after: Option<ListToken> = match &*asked.page {
        "" => None,
        token => Some(token.parse()?),
    };
    let found = subjects(&trail.view(), &question, of, ROWS, after.as_ref())?;
    // The next page belongs to this very question: "-24h" would be another by then.
    let fixed = link::Question {
        from: question.from.map(typed).unwrap_or_default(),
        to: question.to.map(typed).unwrap_or_default(),
        ..asked.link()
    };
    let (one, many) = match of {
        Of::Identities => ("identity", "identities"),
        Of::Paths => ("path", "paths"),
    };
    let list = List {
        total: counted(found.subjects, one, many),
        at: format!(
            "of {}{}, answered at leaf {}",
            counted(found.matched, "request", "requests"),
            found.waiting.filter(|&waiting| waiting > 0).map_or_else(String::new, |waiting| {
                format!(" (not among them: {} without an answer yet)", grouped(waiting))
            }),
            grouped(found.leaf)
        ),
        rows: rows(&found.items, of, &fixed, trail.zone()),
        csv: fixed.href(&format!("/api/v1{page}.csv")),
        json: fixed.href(&format!("/api/v1{page}.json")),
        first: after.map(|_| fixed.href(page)),
        next: found.next.map(|token| fixed.href_with(page, &[("page", &token.to_string())])),
    };
    Ok(Rendered::ok(SubjectsPage { list: Some(list), ..rendered }))
}

/// Makes rows of subjects; each number leads to the events that it counts.
pub(crate) fn rows(subjects: &[Subject], of: Of, asked: &link::Question, zone: &Zone) -> Vec<Row> {
    let most = subjects.iter().map(|subject| subject.requests).max().unwrap_or(1);
    subjects.iter().map(|subject| row(subject, of, asked, most, zone)).collect()
}

fn row(subject: &Subject, of: Of, asked: &link::Question, most: u64, zone: &Zone) -> Row {
    let key = match of {
        Of::Identities => "identity",
        Of::Paths => "path",
    };
    let mut own = match &subject.key {
        Some(value) => asked.with(key, value),
        // Who has no key may have a name: no filter means them alone.
        None if of == Of::Identities => None,
        None => asked.with_typed("-path:*"),
    };
    if of == Of::Paths {
        own = own.and_then(|own| match &subject.namespace {
            Some(namespace) => own.with("ns", namespace),
            None => own.with_typed("-ns:*"),
        });
    }
    let count = |count: u64, filter: &str| Link {
        text: Text::new(&grouped(count)),
        href: own
            .as_ref()
            .filter(|_| count > 0)
            .and_then(|own| own.with_typed(filter))
            .map(|own| own.href("/explore")),
    };
    let Subject { requests, access, denied, unknown, .. } = *subject;
    let shown = subject.name.as_ref().or(subject.key.as_ref());
    Row {
        link: Link {
            text: shown.map_or_else(|| Text::new("nobody known"), |text| Text::new(text)),
            href: subject.key.as_deref().and_then(|value| subject::address(of, value)),
        },
        beside: match of {
            Of::Identities => subject.name.as_ref().and(subject.key.as_deref()).map(Text::new),
            Of::Paths => subject.namespace.as_ref().map(|ns| Text::new(&format!("in {ns}"))),
        },
        requests: count(requests, ""),
        share: share(requests, most),
        access: count(access, "decision:allowed outcome:success"),
        denied: count(denied, "decision:denied"),
        unknown: count(unknown, "decision:unknown"),
        other: count(requests - access - denied - unknown, "decision:allowed -outcome:success"),
        first: subject.first.as_deref().map_or_else(String::new, |time| zone.of_text(time)),
        last: subject.last.as_deref().map_or_else(String::new, |time| zone.of_text(time)),
    }
}
