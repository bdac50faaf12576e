//! `GET /leases`, `GET /tokens`: what the server gave out, how each stood at an instant, and their lives as lines.

use askama::Template;
use axum::extract::{Query, State};
use query::error::QueryError;
use query::lookup::{self, KnownBy, LeaseRow, Listed, Standing, State as Stood, TokenRow};
use query::period::rfc3339;

use crate::api::GivenOutParams;
use crate::app::{App, Seen};
use crate::chart::{Life, Lifelines, Termination, lifelines};
use crate::door::{LookUp, May};
use crate::error::PageError;
use crate::link::{Link, address};
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::pages::subject;
use crate::shell::Shell;
use crate::text::{Text, capital, counted, grouped};
use crate::time::MINUTE;
use crate::zone::Zone;

/// Rows of a page: each is followed through the log.
const ROWS: usize = 50;

/// Leases or tokens.
#[derive(Template)]
#[template(path = "given_out.html")]
pub(crate) struct GivenOutPage {
    shell: Shell,
    title: &'static str,
    page: &'static str,
    /// Exactly what was typed, for the fields.
    q: String,
    from: String,
    to: String,
    as_of: String,
    open: bool,
    problem: Option<Text>,
    list: Option<List>,
}

struct List {
    total: String,
    at: String,
    coverage: Text,
    rows: Vec<Row>,
    lives: Lifelines,
    csv: String,
    json: String,
    first: Option<String>,
    next: Option<String>,
}

struct Row {
    issued: String,
    event: String,
    name: Text,
    who: Link,
    from: Text,
    path: Link,
    state: &'static str,
    why: Text,
    renewed: String,
}

/// What a page knows of a lease or a token.
struct Given {
    name: String,
    issued: Option<i64>,
    identity: Option<String>,
    identity_key: Option<String>,
    address: Option<String>,
    path: Option<String>,
    standing: Standing,
    renewals: u64,
    renewed: Option<i64>,
    revoked: Option<i64>,
    uid: String,
}

impl From<LeaseRow> for Given {
    fn from(row: LeaseRow) -> Given {
        Given {
            name: row.lease,
            issued: row.issued_unix_ns,
            identity: row.identity,
            identity_key: row.identity_key,
            address: row.remote_address,
            path: row.path,
            standing: row.standing,
            renewals: row.renewals,
            renewed: row.renewed_unix_ns,
            revoked: row.revoked_unix_ns,
            uid: row.uid.to_string(),
        }
    }
}

impl From<TokenRow> for Given {
    fn from(row: TokenRow) -> Given {
        Given {
            name: row.accessor.or(row.token).unwrap_or_else(|| "a token without a hash".to_owned()),
            issued: row.issued_unix_ns,
            identity: row.identity,
            identity_key: row.identity_key,
            address: row.remote_address,
            path: row.path,
            standing: row.standing,
            renewals: row.renewals,
            renewed: row.renewed_unix_ns,
            revoked: row.revoked_unix_ns,
            uid: row.uid.to_string(),
        }
    }
}

/// The page of leases.
pub(crate) async fn leases(
    reader: May<LookUp>,
    State(app): State<App>,
    Query(params): Query<GivenOutParams>,
) -> Result<Rendered<GivenOutPage>, PageError> {
    let list = move |trail: &Seen| {
        page(trail, "Leases", "/leases", &params, |given, after, rows| {
            let each = &mut |lease: LeaseRow| {
                rows.push(Given::from(lease));
                Ok::<(), QueryError>(())
            };
            lookup::leases(trail, &trail.view(), given, ROWS, after, each)
        })
    };
    app.ask(&reader, list).await
}

/// The page of tokens.
pub(crate) async fn tokens(
    reader: May<LookUp>,
    State(app): State<App>,
    Query(params): Query<GivenOutParams>,
) -> Result<Rendered<GivenOutPage>, PageError> {
    let list = move |trail: &Seen| {
        page(trail, "Tokens", "/tokens", &params, |given, after, rows| {
            let each = &mut |token: TokenRow| {
                rows.push(Given::from(token));
                Ok::<(), QueryError>(())
            };
            lookup::tokens(trail, &trail.view(), given, ROWS, after, each)
        })
    };
    app.ask(&reader, list).await
}

fn page(
    trail: &Seen,
    title: &'static str,
    page: &'static str,
    params: &GivenOutParams,
    list: impl FnOnce(
        &lookup::GivenOut,
        Option<&query::page::PageToken>,
        &mut Vec<Given>,
    ) -> Result<Listed, QueryError>,
) -> Result<Rendered<GivenOutPage>, PageError> {
    let rendered = GivenOutPage {
        shell: shell(trail, title),
        title,
        page,
        q: params.q.clone(),
        from: params.from.clone(),
        to: params.to.clone(),
        as_of: params.as_of.clone(),
        open: params.open,
        problem: None,
        list: None,
    };
    let asked = match params.asked() {
        Ok(asked) => asked,
        Err(problem) => {
            let problem = Some(Text::whole(problem.detail()));
            return Ok(Rendered::bad_request(GivenOutPage { problem, ..rendered }));
        }
    };
    let zone = trail.zone();
    let mut rows = Vec::new();
    let listed = list(&asked.given, asked.after.as_ref(), &mut rows)?;
    // The next page belongs to this very question: "-24h" would be another by then.
    let time = |unix_ns: Option<i64>| unix_ns.map(rfc3339).unwrap_or_default();
    let ends = [time(asked.given.from), time(asked.given.to), time(asked.given.at)];
    let href = |path: &str, page: &str| {
        let open = if params.open { "true" } else { "" };
        let [from, to, as_of] = &ends;
        let fields = [
            ("q", params.q.trim()),
            ("from", from),
            ("to", to),
            ("as_of", as_of),
            ("open", open),
            ("page", page),
        ];
        address(path, fields)
    };
    let states = listed.states.iter();
    let states = states.map(|(state, count)| format!("{} {}", grouped(*count), state.as_str()));
    let list = List {
        total: counted(listed.matched, "request gave one out", "requests gave one out"),
        at: format!(
            "{} as of {}, {} · answered at leaf {}",
            states.collect::<Vec<_>>().join(", "),
            zone.to_the_second(listed.at),
            zone.name(),
            grouped(listed.leaf)
        ),
        coverage: Text::whole(&capital(&listed.coverage)),
        lives: drawn(&rows, &listed, zone),
        rows: rows.iter().map(|given| row(given, zone)).collect(),
        csv: href(&format!("/api/v1{page}.csv"), ""),
        json: href(&format!("/api/v1{page}.json"), ""),
        first: asked.after.map(|_| href(page, "")),
        next: listed.next.map(|token| href(page, &token.to_string())),
    };
    Ok(Rendered::ok(GivenOutPage { list: Some(list), ..rendered }))
}

fn row(given: &Given, zone: &Zone) -> Row {
    let shown = given.identity.as_ref().or(given.identity_key.as_ref());
    Row {
        issued: given.issued.map_or_else(|| "no time".to_owned(), |at| zone.to_the_second(at)),
        event: format!("/event/{}", given.uid),
        name: Text::new(&given.name),
        who: Link {
            text: Text::new(shown.map_or("nobody known", String::as_str)),
            href: given
                .identity_key
                .as_deref()
                .and_then(|key| subject::address(query::subjects::Of::Identities, key)),
        },
        from: Text::new(given.address.as_deref().unwrap_or("")),
        path: Link {
            text: Text::new(given.path.as_deref().unwrap_or("–")),
            href: given
                .path
                .as_deref()
                .and_then(|path| subject::address(query::subjects::Of::Paths, path)),
        },
        state: given.standing.state.as_str(),
        why: Text::new(&given.standing.why),
        renewed: match (given.renewals, given.renewed) {
            (0, _) => "never renewed".to_owned(),
            (count, Some(last)) => {
                format!(
                    "{}, last {}",
                    counted(count, "renewal", "renewals"),
                    zone.to_the_second(last)
                )
            }
            (count, None) => counted(count, "renewal", "renewals"),
        },
    }
}

/// Draws the lives of a page, from the first that was given out to the instant that is asked of.
fn drawn(rows: &[Given], listed: &Listed, zone: &Zone) -> Lifelines {
    let lives: Vec<Life> = rows.iter().filter_map(life).collect();
    let first = lives.iter().map(|life| life.issued).min().unwrap_or(listed.at - MINUTE);
    lifelines(&lives, first..listed.at.max(first + MINUTE), zone)
}

fn life(given: &Given) -> Option<Life> {
    let Standing { state, known_by, ends_unix_ns, .. } = &given.standing;
    let end = match (given.revoked, state, known_by, *ends_unix_ns) {
        (Some(at), Stood::Ended, ..) => Termination::Seen(at, "revoked".to_owned()),
        (_, Stood::Ended, Some(KnownBy::Seen), Some(at)) => {
            Termination::Seen(at, "ended".to_owned())
        }
        (.., Some(at)) => Termination::Inferred(at),
        (.., None) => Termination::Open,
    };
    Some(Life {
        name: given.name.clone(),
        depth: 0,
        href: Some(format!("/event/{}", given.uid)),
        issued: given.issued?,
        renewed: given.renewed.into_iter().collect(),
        end,
    })
}
