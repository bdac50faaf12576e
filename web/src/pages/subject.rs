//! `GET /identity/{key}`, `GET /path/{path}`: everything about one identity or one path, on one page.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use query::count::count_in;
use query::search::search_in;
use query::subjects::{Of, subjects};

use crate::app::{App, Seen};
use crate::chart::{Chart, HeatMap, histogram, share};
use crate::door::{Look, May};
use crate::error::PageError;
use crate::link::{self, Link, term};
use crate::page::Rendered;
use crate::pages::overview::buckets::buckets;
use crate::pages::overview::patterns::heat;
use crate::pages::overview::shell;
use crate::pages::overview::tiles::{Tile, by_reason, fields, rows as counted_rows};
use crate::pages::scope::{Scope, Shown, Span};
use crate::pages::subjects;
use crate::row::Row;
use crate::shell::Shell;
use crate::text::{Text, counted, grouped, percent};

/// An identity or a path.
#[derive(Template)]
#[template(path = "subject.html")]
struct SubjectPage {
    shell: Shell,
    kind: &'static str,
    title: Text,
    /// What it is called beside its title.
    also: Vec<Text>,
    span_words: String,
    spans: Vec<Span>,
    data: Vec<(&'static str, String)>,
    note: Option<String>,
    tiles: Vec<Tile>,
    chart: Chart,
    /// When it was; of a person only if asked.
    heat: Option<HeatMap>,
    /// Where its hours are shown.
    hours: String,
    others: Others,
    breakdowns: Vec<Breakdown>,
    newest: Vec<Row>,
    newest_href: String,
}

/// Of an identity the paths, of a path the identities.
struct Others {
    title: &'static str,
    column: &'static str,
    rows: Vec<subjects::Row>,
    more: Option<Link>,
}

/// The values of one field.
struct Breakdown {
    title: &'static str,
    says: &'static str,
    rows: Vec<Part>,
    more: Option<String>,
}

struct Part {
    link: Link,
    count: String,
    share: u64,
}

/// Rows that are shown of many.
const OTHERS_SHOWN: usize = 25;
const PARTS_SHOWN: usize = 10;
const NEWEST_SHOWN: usize = 10;

fn page_of(of: Of) -> &'static str {
    match of {
        Of::Identities => "identity",
        Of::Paths => "path",
    }
}

/// Returns the address of one's page; nothing if the value is too long to ask for.
pub(crate) fn address(of: Of, value: &str) -> Option<String> {
    term(page_of(of), value)?;
    let page = page_of(of);
    // One segment, whatever slashes the value has.
    let encoded: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    Some(format!("/{page}/{}", encoded.replace('+', "%20")))
}

/// The page of an identity.
pub(crate) async fn identity(
    reader: May<Look>,
    State(app): State<App>,
    Path(key): Path<String>,
    Query(shown): Query<Shown>,
) -> Result<Response, PageError> {
    shown.stretch()?;
    app.ask(&reader, move |trail| page(trail, Of::Identities, &key, &shown)).await
}

/// The page of a path.
pub(crate) async fn path(
    reader: May<Look>,
    State(app): State<App>,
    Path(path): Path<String>,
    Query(shown): Query<Shown>,
) -> Result<Response, PageError> {
    shown.stretch()?;
    app.ask(&reader, move |trail| page(trail, Of::Paths, &path, &shown)).await
}

fn page(trail: &Seen, of: Of, value: &str, shown: &Shown) -> Result<Response, PageError> {
    let absent = || PageError::NotFound { what: page_of(of) };
    let base = term(page_of(of), value).ok_or_else(absent)?;
    let address = address(of, value).ok_or_else(absent)?;
    let view = trail.view();
    let Some(scope) = Scope::of(&view, trail.zone(), &base, shown.stretch()?)? else {
        return Err(absent());
    };
    let newest = search_in(&view, &scope.question("")?, NEWEST_SHOWN, None)?;
    let names = match of {
        Of::Identities => names(&scope, value)?,
        Of::Paths => Vec::new(),
    };
    let mut also: Vec<Text> = names.iter().map(|name| Text::new(name)).collect();
    let title = match also.is_empty() {
        true => Text::whole(value),
        false => also.remove(0),
    };
    if !names.is_empty() {
        also.push(Text::whole(value));
    }
    let page = SubjectPage {
        shell: shell(trail, if of == Of::Identities { "Identities" } else { "Paths" }),
        kind: if of == Of::Identities { "Identity" } else { "Path" },
        title,
        also,
        span_words: scope.words(),
        spans: scope.spans(&address),
        data: scope.data(),
        heat: match of == Of::Paths || shown.hours() {
            true => Some(heat(&scope)?),
            false => None,
        },
        hours: link::address(&address, [("span", scope.stretch.word()), ("hours", "1")]),
        note: scope.note.clone(),
        tiles: tiles(&scope)?,
        chart: histogram(&buckets(&scope)?, scope.step.says),
        others: others(&scope, of)?,
        breakdowns: breakdowns(&scope, of)?,
        newest: newest
            .items
            .into_iter()
            .map(|row| Row::of(row, &scope.link, trail.zone()))
            .collect(),
        newest_href: scope.href(""),
    };
    Ok(Rendered::ok(page).into_response())
}

/// Returns the names of an identity: that of its newest event, then its entity.
fn names(scope: &Scope<'_>, key: &str) -> Result<Vec<String>, PageError> {
    let mut names = Vec::new();
    for row in counted_rows(scope, "", &["identity", "entity"])? {
        let [name, of_key, entity] = &row.values[..] else { continue };
        if of_key.as_deref() == Some(key) {
            // The key of an entity has it.
            let entity = entity.as_ref().filter(|entity| !key.ends_with(entity.as_str()));
            names.extend([name.as_ref(), entity].into_iter().flatten().cloned());
        }
    }
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

fn tiles(scope: &Scope<'_>) -> Result<Vec<Tile>, PageError> {
    let counts = counted_rows(scope, "", &["decision", "reason", "outcome"])?;
    let sum = |decision: Option<&str>, is_success: Option<bool>| -> u64 {
        let fits = |row: &&query::count::CountRow| {
            let word = |at: usize| row.values[at].as_deref();
            decision.is_none_or(|decision| word(0) == Some(decision))
                && is_success.is_none_or(|wanted| (word(2) == Some("success")) == wanted)
        };
        counts.iter().filter(fits).map(|row| row.count).sum()
    };
    let (total, access) = (sum(None, None), sum(Some("allowed"), Some(true)));
    let (in_vain, denied) = (sum(Some("allowed"), Some(false)), sum(Some("denied"), None));
    let unknown = sum(Some("unknown"), None);
    let tile = |label, icon, count, sub, filter: &str| Tile {
        label,
        icon,
        figure: grouped(count),
        sub,
        href: scope.href(filter),
    };
    Ok(vec![
        tile(
            "Requests",
            None,
            total,
            match unknown {
                0 => "all of them decided".to_owned(),
                unknown => format!("{} with unknown fate", grouped(unknown)),
            },
            "",
        ),
        tile(
            "Access",
            Some("allowed"),
            access,
            format!("{} of requests: allowed and successful", percent(access, total)),
            "decision:allowed outcome:success",
        ),
        tile(
            "Allowed in vain",
            None,
            in_vain,
            "not found, or an error".to_owned(),
            "decision:allowed -outcome:success",
        ),
        tile(
            "Denied",
            Some("denied"),
            denied,
            if denied > 0 { by_reason(&counts) } else { "nothing was refused".to_owned() },
            "decision:denied",
        ),
    ])
}

fn others(scope: &Scope<'_>, of: Of) -> Result<Others, PageError> {
    let (of, title, column, page) = match of {
        Of::Identities => (Of::Paths, "Paths that were asked for", "Path", "/paths"),
        Of::Paths => (Of::Identities, "Who asked for it", "Identity", "/identities"),
    };
    let found = subjects(scope.view, &scope.question("")?, of, OTHERS_SHOWN, None)?;
    let more = found.next.is_some().then(|| Link {
        text: Text::new(&format!("all {}", grouped(found.subjects))),
        href: Some(scope.link.href(page)),
    });
    Ok(Others {
        title,
        column,
        rows: subjects::rows(&found.items, of, &scope.link, scope.zone),
        more,
    })
}

/// The fields that a page shows, as the grammar and as people call them.
type Fields = &'static [(&'static str, &'static str, &'static str)];

const OF_IDENTITY: Fields = &[
    ("action", "Actions", ""),
    ("policy", "Policies that granted", "each event counts once for each"),
    ("held", "Policies held", "what a token carried, used or not"),
    ("ip", "Addresses", ""),
    ("role", "Roles it logged in with", ""),
    ("node", "Nodes", ""),
];
const OF_PATH: Fields = &[
    ("action", "Actions", ""),
    ("policy", "Policies that granted", "each event counts once for each"),
    ("ip", "Addresses", ""),
    ("node", "Nodes", ""),
];

fn breakdowns(scope: &Scope<'_>, of: Of) -> Result<Vec<Breakdown>, PageError> {
    let shown = if of == Of::Identities { OF_IDENTITY } else { OF_PATH };
    let mut breakdowns = Vec::new();
    for &(key, title, says) in shown {
        let counts = count_in(scope.view, &scope.question("")?, &fields(scope, &[key]), None)?;
        let values =
            counts.rows.iter().filter_map(|row| Some((row.values[0].as_deref()?, row.count)));
        let values: Vec<(&str, u64)> = values.collect();
        if values.is_empty() {
            continue;
        }
        let more = values.len().saturating_sub(PARTS_SHOWN) as u64;
        let rows = values.iter().take(PARTS_SHOWN).map(|&(value, count)| Part {
            link: Link {
                text: Text::new(value),
                href: scope.link.with(key, value).map(|with| with.href("/explore")),
            },
            count: grouped(count),
            share: share(count, counts.total),
        });
        breakdowns.push(Breakdown {
            title,
            says,
            rows: rows.collect(),
            more: (more > 0).then(|| format!("and {}", counted(more, "more", "more"))),
        });
    }
    Ok(breakdowns)
}
