//! `GET /sign-in/oidc` and `GET /sign-in/oidc/callback`: to the provider, and back.

use axum::extract::{Query, State};
use axum::http::header::{HeaderMap, RETRY_AFTER, SET_COOKIE};
use axum::http::{Extensions, StatusCode};
use axum::response::Response;
use ingest::own::Fact;
use serde::Deserialize;
use tracing::warn;

use super::pending::Begun;
use super::person::Person;
use super::provider::Failure;
use super::{ByProvider, Oidc};
use crate::app::App;
use crate::door::identify::Address;
use crate::door::secret::{self, hash};
use crate::door::sessions::Holder;
use crate::door::sign_in::{Asked, Ways, begin_session, local, page, to};
use crate::error::PageError;

/// The longest code, state and so on that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 8 << 10;

const UNREACHABLE: &str = "The sign-in provider could not be asked; keytrail's own log says why.";
const NOT_BEGUN: &str = "This sign-in was not begun in this browser, or too long ago, or it was used already. Begin again.";

/// Sends a browser to the provider.
pub(crate) async fn begin(
    State(app): State<App>,
    headers: HeaderMap,
    extensions: Extensions,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    by_provider(&app)?;
    let door = app.door();
    let redirect = door.reach.origin(&headers).map(|origin| origin + "/sign-in/oidc/callback");
    let redirect = redirect.ok_or_else(|| PageError::Question("no host is named".to_owned()))?;
    let place = by_provider(&app)?.asking.clone().acquire_owned().await.expect("never closed");
    let way = {
        let (app, redirect) = (app.clone(), redirect.clone());
        tokio::task::spawn_blocking(move || {
            let _place = place;
            let (host, by) = (app.host(), by_provider(&app)?);
            Ok::<_, PageError>(by.provider.way(&*host, &by.config, &redirect, app.door().now()))
        })
    };
    let way = match way.await.map_err(|_panic| PageError::Panic)?? {
        Ok(way) => way,
        Err(failure) => {
            let (status, says) = told(&failure);
            return Ok(page(&Ways::of(&extensions), status, &asked.next, Some(says)));
        }
    };
    let no_randomness =
        |error: getrandom::Error| PageError::Trail(format!("no randomness: {error}").into());
    let browser = secret::secret().map_err(no_randomness)?;
    let begun = Begun {
        browser: hash(&browser),
        nonce: way.nonce,
        verifier: way.verifier,
        redirect,
        next: local(&asked.next),
        address: address(&extensions),
        at: door.now().as_second(),
    };
    by_provider(&app)?.pending.add(&way.state, begun);
    let mut response = to(&way.address);
    response.headers_mut().insert(SET_COOKIE, door.set_oidc_cookie(&browser));
    Ok(response)
}

/// What the provider sends a browser back with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answered {
    code: String,
    state: String,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Signs somebody in whom the provider sends back.
pub(crate) async fn callback(
    State(app): State<App>,
    headers: HeaderMap,
    extensions: Extensions,
    Query(answered): Query<Answered>,
) -> Result<Response, PageError> {
    let by = by_provider(&app)?;
    let (door, address, ways) = (app.door(), address(&extensions), Ways::of(&extensions));
    let now = door.now().as_second();
    // Each that fails is a line of the ledger, so they are limited as attempts at a password are.
    let attempt = match door.limits.attempt(&answered.state, &address, now) {
        Ok(attempt) => attempt,
        Err(wait) => {
            let says = format!("Too many attempts. Try again in {wait} seconds.");
            let mut response = page(&ways, StatusCode::TOO_MANY_REQUESTS, "", Some(says));
            response.headers_mut().insert(RETRY_AFTER, wait.into());
            return Ok(response);
        }
    };
    let browser = door.named_cookie(&headers, door.oidc_cookie_name());
    let begun = by.pending.take(&answered.state, browser.as_deref(), now);
    let next = begun.as_ref().map(|begun| begun.next.clone()).unwrap_or_default();
    let place = by.asking.clone().acquire_owned().await.expect("never closed");
    let tried = {
        let (app, address) = (app.clone(), address.clone());
        tokio::task::spawn_blocking(move || {
            let _place = place;
            try_to(&app, answered, begun, address)
        })
    };
    let tried = tried.await.map_err(|_panic| PageError::Panic)??;
    let mut response = match tried {
        Ok(holder) => {
            door.limits.forget(attempt);
            begin_session(&app, &headers, holder, &next)?
        }
        Err((status, says)) => page(&ways, status, &next, Some(says)),
    };
    response.headers_mut().append(SET_COOKIE, door.forget_oidc_cookie());
    Ok(response)
}

type Tried = Result<Holder, (StatusCode, String)>;

/// Finds out who it is, and records what came of it before anybody is told. May block.
fn try_to(
    app: &App,
    answered: Answered,
    begun: Option<Begun>,
    address: String,
) -> Result<Tried, PageError> {
    let by = by_provider(app)?;
    let Some(begun) = begun else {
        return failed(app, None, address, (StatusCode::BAD_REQUEST, NOT_BEGUN.to_owned()));
    };
    let person = match who(app, by, answered, &begun) {
        Ok(person) => person,
        Err(failure) => return failed(app, None, address, told(&failure)),
    };
    let Person { name, subject, standing } = person;
    let Some(standing) = standing else {
        let says = format!(
            "{name} is known to the provider, but is in none of the groups that have a role here. Whoever keeps this keytrail's configuration gives a group one: [[oidc.role]]."
        );
        return failed(app, Some(name), address, (StatusCode::FORBIDDEN, says));
    };
    app.write_down(Fact::SignedIn {
        by: format!("oidc:{name}"),
        address,
        subject: Some(subject),
        role: Some(standing.role.to_string()),
    })?;
    Ok(Ok(Holder::Provider { name, standing }))
}

/// Asks the provider whose code it is.
fn who(app: &App, by: &ByProvider, answered: Answered, begun: &Begun) -> Result<Person, Failure> {
    check_issuer(&by.config, answered.iss.as_deref())?;
    if let Some(error) = answered.error {
        let more = answered.error_description.map(|more| format!(": {more}")).unwrap_or_default();
        let says: String = format!("{error}{more}").chars().take(400).collect();
        return Err(Failure::Refused(says));
    }
    if answered.code.is_empty() || answered.code.len() > ANSWER_BYTES_MAX {
        return Err(Failure::Untrue("it has no code".to_owned()));
    }
    let (host, now) = (app.host(), app.door().now());
    let claims = by.provider.claims(&*host, &by.config, &answered.code, begun, now)?;
    Person::new(&claims, &by.config).map_err(Failure::Untrue)
}

/// Another provider's answer must not be taken for ours (RFC 9207).
fn check_issuer(config: &Oidc, says: Option<&str>) -> Result<(), Failure> {
    match says {
        Some(issuer) if issuer != config.issuer => {
            Err(Failure::Untrue("it comes from another provider".to_owned()))
        }
        _ => Ok(()),
    }
}

fn failed(
    app: &App,
    user: Option<String>,
    address: String,
    (status, says): (StatusCode, String),
) -> Result<Tried, PageError> {
    let method = Some("oidc".to_owned());
    app.write_down(Fact::SignInFailed { user, address, method, why: Some(says.clone()) })?;
    Ok(Err((status, says)))
}

/// Says what happened, in words for the person; what only a keeper can mend stands in the log.
fn told(failure: &Failure) -> (StatusCode, String) {
    match failure {
        Failure::Provider(why) => {
            warn!("nobody can sign in by the provider: {why}");
            (StatusCode::BAD_GATEWAY, UNREACHABLE.to_owned())
        }
        Failure::Refused(says) => {
            let says = query::table::visible(says).into_owned();
            (StatusCode::FORBIDDEN, format!("The sign-in provider refuses: {says}"))
        }
        Failure::Untrue(why) => {
            warn!("an answer of the sign-in provider is not believed: {why}");
            let why = query::table::visible(why).into_owned();
            (StatusCode::FORBIDDEN, format!("The sign-in provider's answer is not believed: {why}"))
        }
    }
}

fn address(extensions: &Extensions) -> String {
    extensions.get::<Address>().map(|of| of.0.clone()).unwrap_or_default()
}

/// Without a provider there are no such pages.
fn by_provider(app: &App) -> Result<&ByProvider, PageError> {
    app.door().by_provider.as_ref().ok_or(PageError::NotFound { what: "page" })
}
