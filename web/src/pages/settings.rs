//! `GET /settings`, `POST /settings`: who may sign in, by what, and who is in. What is changed here is recorded first.

use askama::Template;
use axum::extract::{Query, State};
use serde::Deserialize;

use crate::app::App;
use crate::door::{May, Reader, Role, Settings, Standing};
use crate::error::PageError;
use crate::link::address;
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::shell::Shell;
use crate::text::{Text, counted};
use crate::zone::Zone;

pub(crate) mod change;
pub(crate) mod trail;

/// Rows of each list.
const ROWS: usize = 50;

/// The settings.
#[derive(Template)]
#[template(path = "settings.html")]
pub(crate) struct SettingsPage {
    shell: Shell,
    problem: Option<Text>,
    /// What was just made and is shown only now: what it is, and the secret.
    made: Option<(String, String)>,
    /// There are no users, and the door is open.
    is_open: bool,
    roles: [Role; 5],
    users: List,
    tokens: List,
    sessions: List,
    provider: Option<Provider>,
}

/// A page of a list.
struct List {
    total: String,
    rows: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
}

/// A user, a token or whoever is signed in.
struct Row {
    name: String,
    shown: Text,
    /// The role, and what he is bound to.
    what: Text,
    /// Until when, or since when.
    when: String,
}

/// The provider that people sign in by, without secrets.
struct Provider {
    facts: Vec<(&'static str, Text)>,
    rows: Vec<(Text, Text)>,
}

/// Where each list begins: after this name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    users: String,
    tokens: String,
    sessions: String,
}

/// The page.
pub(crate) async fn settings(
    reader: May<Settings>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<SettingsPage>, PageError> {
    page(&reader, &app, &asked).await.map(Rendered::ok)
}

async fn page(reader: &Reader, app: &App, asked: &Asked) -> Result<SettingsPage, PageError> {
    let shell = app.ask(reader, |trail| Ok(shell(trail, "Settings"))).await?;
    let (door, zone) = (app.door(), reader.zone());
    let accounts = door.accounts().map_err(|why| PageError::Trail(why.into()))?;
    let users =
        accounts.users.iter().map(|user| row(zone, &user.name, &user.standing, String::new()));
    let now = door.now();
    let tokens = accounts.tokens.iter().map(|token| {
        let expires = second(zone, token.expires);
        let until = if token.expires <= now { "expired " } else { "good until " };
        row(zone, &token.name, &token.standing, format!("{until}{expires}"))
    });
    let sessions = door.signed_in().into_iter().map(|(by, standing, sessions, seen)| {
        let seen =
            jiff::Timestamp::from_second(seen).map(|seen| second(zone, seen)).unwrap_or_default();
        let sessions = counted(sessions as u64, "session", "sessions");
        row(zone, &by, &standing, format!("{sessions}, last used {seen}"))
    });
    let href = |list: &'static str| move |after: &str| address("/settings", [(list, after)]);
    Ok(SettingsPage {
        shell,
        problem: None,
        made: None,
        is_open: reader.role().is_none(),
        roles: Role::ALL,
        users: List::new(("user", "users"), users.collect(), &asked.users, href("users")),
        tokens: List::new(("token", "tokens"), tokens.collect(), &asked.tokens, href("tokens")),
        sessions: List::new(
            ("person is signed in", "people are signed in"),
            sessions.collect(),
            &asked.sessions,
            href("sessions"),
        ),
        provider: door.oidc().map(|oidc| {
            let roles = oidc.roles.iter();
            let yes = |is: bool| if is { "in a file" } else { "none: a public client" };
            Provider {
                facts: [
                    ("Issuer", &*oidc.issuer),
                    ("Client", &oidc.client_id),
                    ("Its secret", yes(oidc.client_secret_file.is_some())),
                    ("Scopes", &format!("openid {}", oidc.scopes.join(" "))),
                    ("Name", &oidc.name_claim),
                    ("Groups", &oidc.groups_claim),
                ]
                .map(|(name, value)| (name, Text::new(value)))
                .into(),
                rows: roles.map(|row| (Text::new(&row.group), of(zone, &row.standing))).collect(),
            }
        }),
    })
}

/// Writes a time to the second.
fn second(zone: &Zone, time: jiff::Timestamp) -> String {
    let at = i64::try_from(time.as_nanosecond());
    at.map_or_else(|_| time.to_string(), |at| zone.to_the_second(at))
}

fn row(zone: &Zone, name: &str, standing: &Standing, when: String) -> Row {
    Row { name: name.to_owned(), shown: Text::new(name), what: of(zone, standing), when }
}

/// Returns a role, and what an auditor is bound to.
fn of(zone: &Zone, standing: &Standing) -> Text {
    let Standing { role, scope, from, to } = standing;
    let mut words = role.to_string();
    if let Some(scope) = scope {
        let scope = if scope.is_empty() { "everything" } else { scope };
        words = format!("{words} of {scope}");
    }
    let time =
        |time: &Option<jiff::Timestamp>| time.map(|time| second(zone, time)).unwrap_or_default();
    if from.is_some() || to.is_some() {
        words = format!("{words}, from {} to {}", time(from), time(to));
    }
    Text::new(&words)
}

impl List {
    fn new(
        (one, many): (&str, &str),
        mut rows: Vec<Row>,
        after: &str,
        href: impl Fn(&str) -> String,
    ) -> List {
        let total = counted(rows.len() as u64, one, many);
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        rows.retain(|row| after.is_empty() || row.name.as_str() > after);
        let more = rows.len() > ROWS;
        rows.truncate(ROWS);
        let next = rows.last().filter(|_| more).map(|row| href(&row.name));
        List { total, rows, first: (!after.is_empty()).then(|| "/settings".to_owned()), next }
    }
}
