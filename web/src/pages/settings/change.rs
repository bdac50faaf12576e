//! `POST /settings`: one change of users, tokens or sessions. It is recorded before it is made.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use ingest::own::Fact;
use jiff::{SignedDuration, Timestamp};

use super::{Asked, page};
use crate::app::App;
use crate::door::{Accounts, AccountsError, May, Reader, Role, Settings, Standing, new_password};
use crate::error::PageError;
use crate::page::Rendered;
use crate::text::Text;

/// The longest form, in bytes: a filter of 8 KiB, each byte of it escaped, and some names.
const FORM_BYTES_MAX: usize = 32 << 10;
/// The longest life of a token, in days.
const DAYS_MAX: i64 = 3_650;

type Form = HashMap<String, String>;

/// What is shown only once: what it is, and the secret.
type Made = Option<(String, String)>;

/// Makes a change, and shows the settings as they are then.
pub(crate) async fn change_settings(
    reader: May<Settings>,
    State(app): State<App>,
    body: Bytes,
) -> Result<Response, PageError> {
    if body.len() > FORM_BYTES_MAX {
        return Err(PageError::Question(format!("a form here has at most {FORM_BYTES_MAX} bytes")));
    }
    let form: Form = form_urlencoded::parse(&body).into_owned().collect();
    reader.check_form(form.get("token").map(String::as_str))?;
    let changed = {
        let (app, reader) = (app.clone(), Reader::clone(&reader));
        tokio::task::spawn_blocking(move || change(&app, &reader, &form))
    };
    let made = match changed.await.map_err(|_panic| PageError::Panic)? {
        Ok(None) => {
            let location = [(LOCATION, HeaderValue::from_static("/settings"))];
            return Ok((StatusCode::SEE_OTHER, location).into_response());
        }
        made => made,
    };
    // Whoever has taken his own role away sees settings no more.
    let mut settings = page(&reader, &app, &Asked::default()).await?;
    match made {
        Ok(made) => {
            settings.made = made;
            Ok(Rendered::ok(settings).into_response())
        }
        Err(PageError::Question(why)) => {
            settings.problem = Some(Text::whole(&why));
            Ok(Rendered::bad_request(settings).into_response())
        }
        Err(error) => Err(error),
    }
}

/// Makes one change. May block.
fn change(app: &App, reader: &Reader, form: &Form) -> Result<Made, PageError> {
    let field = |name: &str| form.get(name).map_or("", |value| value.trim());
    let name = field("name");
    if field("do") == "end sessions" {
        return end_sessions(app, reader, name);
    }
    let accounts = app.door().accounts().map_err(|why| PageError::Trail(why.into()))?;
    if reader.role().is_none() || (accounts.users.is_empty() && app.door().oidc().is_none()) {
        // Whoever reaches an open door may be anybody.
        return Err(refused(
            "the first user is added at keytrail's own machine: keytrail user add NAME --role admin -d DATA",
        ));
    }
    match field("do") {
        "add user" => {
            let (standing, password) = (standing(form)?, secret()?);
            let fact = fact(reader, "user added", name, Some(&standing), None);
            make(app, fact, |all| all.add_user(name, standing, &password))?;
            Ok(Some((format!("The password of {name}"), password)))
        }
        "new password" => {
            let password = secret()?;
            let fact = fact(reader, "password changed", name, None, None);
            make(app, fact, |all| all.change_user(name, None, Some(&password)))?;
            Ok(Some((format!("The new password of {name}"), password)))
        }
        "change role" => {
            let standing = standing(form)?;
            let fact = fact(reader, "role changed", name, Some(&standing), None);
            make(app, fact, |all| all.change_user(name, Some(standing), None))?;
            Ok(None)
        }
        "remove user" => {
            make(app, fact(reader, "user removed", name, None, None), |all| all.remove_user(name))?;
            Ok(None)
        }
        "add token" => {
            let standing = standing(form)?;
            let days = field("days").parse().ok().filter(|days| (1..=DAYS_MAX).contains(days));
            let days =
                days.ok_or_else(|| refused(&format!("a token is good for 1 to {DAYS_MAX} days")))?;
            let expires = app.door().now() + SignedDuration::from_hours(24 * days);
            let fact = fact(reader, "token added", name, Some(&standing), Some(expires));
            let token = make(app, fact, |all| all.add_token(name, standing, expires))?;
            Ok(Some((format!("The token {name}"), token)))
        }
        "remove token" => {
            let fact = fact(reader, "token removed", name, None, None);
            make(app, fact, |all| all.remove_token(name))?;
            Ok(None)
        }
        other => Err(refused(&format!("{other:?} is no change of settings"))),
    }
}

fn end_sessions(app: &App, reader: &Reader, of: &str) -> Result<Made, PageError> {
    // They end whatever becomes of the line.
    app.door().end_sessions(of);
    app.write_down(fact(reader, "sessions ended", of, None, None))?;
    Ok(None)
}

/// Changes users and tokens so that somebody can still change them, and writes it down first.
fn make<T>(
    app: &App,
    fact: Fact,
    change: impl FnOnce(&mut Accounts) -> Result<T, AccountsError>,
) -> Result<T, PageError> {
    let admins = |accounts: &Accounts| {
        accounts.users.iter().filter(|user| user.standing.role == Role::Admin).count()
    };
    let by_provider = app
        .door()
        .oidc()
        .is_some_and(|oidc| oidc.roles.iter().any(|row| row.standing.role == Role::Admin));
    let changed = |accounts: &mut Accounts| {
        let before = admins(accounts);
        let changed = change(accounts)?;
        if admins(accounts) == 0 && before > 0 && !by_provider {
            return Err(AccountsError::Refused(
                "the last admin stays one: make another user admin first".to_owned(),
            ));
        }
        if accounts.users.is_empty() && app.door().oidc().is_none() {
            return Err(AccountsError::Refused(
                "the last user stays: without users the door is open".to_owned(),
            ));
        }
        Ok(changed)
    };
    Accounts::change(&app.host().data(), changed, |_| app.write_down(fact))
}

fn standing(form: &Form) -> Result<Standing, PageError> {
    let field = |name: &str| form.get(name).map_or("", |value| value.trim());
    let role: Role = field("role").parse().map_err(PageError::Question)?;
    let typed = |name: &str| Some(field(name)).filter(|typed| !typed.is_empty());
    // An auditor's scope may be empty: everything.
    let scope = (role == Role::Auditor || typed("scope").is_some()).then(|| field("scope"));
    Ok(Standing::typed(role, scope, typed("from"), typed("to"))?)
}

fn secret() -> Result<String, PageError> {
    new_password().map_err(PageError::from)
}

fn refused(why: &str) -> PageError {
    PageError::Question(why.to_owned())
}

fn fact(
    reader: &Reader,
    change: &str,
    name: &str,
    standing: Option<&Standing>,
    expires: Option<Timestamp>,
) -> Fact {
    Fact::AccountChanged {
        by: reader.by(),
        address: Some(reader.address().to_owned()),
        change: change.to_owned(),
        name: name.to_owned(),
        role: standing.map(|standing| standing.role.to_string()),
        scope: standing.and_then(|standing| standing.scope.clone()),
        from: standing.and_then(|standing| standing.from),
        to: standing.and_then(|standing| standing.to),
        expires,
    }
}
