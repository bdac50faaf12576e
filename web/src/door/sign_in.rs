//! `GET /sign-in`, `POST /sign-in`, `POST /sign-out`: plain forms, for people and their password managers.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::header::{HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::http::{Extensions, StatusCode};
use axum::response::{IntoResponse, Response};
use ingest::own::Fact;
use serde::Deserialize;

use super::identify::Address;
use super::limits::Attempt;
use super::reader::{Credential, Reader};
use super::secret;
use super::sessions::Holder;
use crate::app::App;
use crate::error::PageError;
use crate::page::Rendered;
use crate::shell::Shell;

/// The longest form, in bytes: a name and a password, each byte of them escaped.
const FORM_BYTES_MAX: usize = 8 << 10;
/// The longest address to go on to, in bytes.
const NEXT_BYTES_MAX: usize = 4 << 10;

/// The form.
#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    shell: Shell,
    ways: Ways,
    next: String,
    problem: Option<String>,
}

/// How somebody can sign in.
#[derive(Clone, Debug)]
pub(crate) struct Ways {
    /// By a name and a password.
    pub(crate) by_password: bool,
    /// By this provider; its host.
    pub(crate) provider: Option<String>,
}

impl Ways {
    /// Returns what the door has found out.
    pub(crate) fn of(extensions: &Extensions) -> Ways {
        let ways = extensions.get::<Ways>().cloned();
        ways.unwrap_or(Ways { by_password: true, provider: None })
    }
}

/// Where to go on to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    pub(crate) next: String,
}

/// The form, before anything was tried.
pub(crate) async fn sign_in_page(
    State(app): State<App>,
    extensions: Extensions,
    Query(asked): Query<Asked>,
) -> Response {
    match extensions.get::<Reader>() {
        // Nothing to sign in to: everybody is let in, or he is already.
        Some(_) => to(&local(&asked.next)),
        None => {
            let problem = app.door().accounts.now().err();
            let problem = problem.map(|_| UNREADABLE.to_owned());
            page(&Ways::of(&extensions), StatusCode::OK, &asked.next, problem)
        }
    }
}

/// The form in place of a page that asks for it.
pub(crate) fn sign_in_first(ways: &Ways, next: &str) -> Response {
    page(ways, StatusCode::UNAUTHORIZED, next, None)
}

const UNREADABLE: &str = "Users cannot be read just now; keytrail's own log says why.";

/// Signs somebody in.
pub(crate) async fn sign_in(
    State(app): State<App>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Result<Response, PageError> {
    let ways = Ways::of(&extensions);
    let address = extensions.get::<Address>().map(|of| of.0.clone()).unwrap_or_default();
    let [name, password, next] = fields(&body, ["name", "password", "next"])?;
    let now = app.door().now().as_second();
    let attempt = match app.door().limits.attempt(&name, &address, now) {
        Ok(attempt) => attempt,
        Err(wait) => {
            let says = format!("Too many attempts. Try again in {wait} seconds.");
            let mut response = page(&ways, StatusCode::TOO_MANY_REQUESTS, &next, Some(says));
            response.headers_mut().insert(RETRY_AFTER, wait.into());
            return Ok(response);
        }
    };
    let tried = try_to(&app, name, password, address, attempt).await?;
    let Some((name, epoch)) = tried else {
        let says = "That name and password do not go together.".to_owned();
        return Ok(page(&ways, StatusCode::UNAUTHORIZED, &next, Some(says)));
    };
    begin_session(&app, &headers, Holder::User { name, epoch }, &next)
}

/// Begins a session, always a new one, and sends its browser on.
pub(crate) fn begin_session(
    app: &App,
    headers: &HeaderMap,
    holder: Holder,
    next: &str,
) -> Result<Response, PageError> {
    let door = app.door();
    // Whatever id the browser came with is none of a session any more.
    if let Some(old) = door.cookie(headers) {
        door.sessions.end(&secret::hash(&old));
    }
    let id = door.sessions.begin(holder, door.now().as_second());
    let id = id.map_err(|error| PageError::Trail(format!("no randomness: {error}").into()))?;
    let mut response = to(&local(next));
    response.headers_mut().insert(SET_COOKIE, door.set_cookie(&id));
    Ok(response)
}

/// Compares name and password, and records what came of it before anybody is told.
async fn try_to(
    app: &App,
    name: String,
    password: String,
    address: String,
    attempt: Attempt,
) -> Result<Option<(String, String)>, PageError> {
    let app = app.clone();
    // Each takes 19 MiB and some time; two at once are enough.
    let place = app.door().hashing.clone().acquire_owned().await.expect("never closed");
    let tried = tokio::task::spawn_blocking(move || {
        let _place = place;
        let accounts = app.door().accounts.now().map_err(|why| PageError::Trail(why.into()))?;
        match accounts.signed_in(&name, &password) {
            Some(user) => {
                let by = format!("user:{name}");
                app.write_down(Fact::SignedIn { by, address, subject: None, role: None })?;
                app.door().limits.forget(attempt);
                Ok(Some((user.name.clone(), user.epoch.clone())))
            }
            None => {
                // What is no name of a user may be somebody's password, typed into the wrong field.
                let user = accounts.user(&name).map(|user| user.name.clone());
                let (method, why) = (None, None);
                app.write_down(Fact::SignInFailed { user, address, method, why })?;
                Ok(None)
            }
        }
    });
    tried.await.map_err(|_panic| PageError::Panic)?
}

/// Signs somebody out, here or everywhere.
pub(crate) async fn sign_out(
    State(app): State<App>,
    extensions: Extensions,
    body: Bytes,
) -> Result<Response, PageError> {
    let Some(reader) = extensions.get::<Reader>() else { return Ok(to("/sign-in")) };
    let [token, everywhere] = fields(&body, ["token", "everywhere"])?;
    reader.check_form(Some(&token))?;
    let Credential::Session { id, .. } = reader.credential() else { return Ok(to("/")) };
    let everywhere = !everywhere.is_empty();
    match everywhere {
        true => app.door().sessions.end_all_of(&reader.by()),
        false => app.door().sessions.end(id),
    }
    let (by, address) = (reader.by(), reader.address().to_owned());
    // He is out whatever becomes of the line.
    let fact = Fact::SignedOut { by, address, everywhere };
    let written = tokio::task::spawn_blocking({
        let app = app.clone();
        move || app.write_down(fact)
    });
    written.await.map_err(|_panic| PageError::Panic)??;
    let mut response = to("/sign-in");
    response.headers_mut().insert(SET_COOKIE, app.door().forget_cookie());
    Ok(response)
}

pub(crate) fn page(
    ways: &Ways,
    status: StatusCode,
    next: &str,
    problem: Option<String>,
) -> Response {
    let (shell, ways, next) = (Shell::default(), ways.clone(), local(next));
    let page = SignInPage { shell, ways, next, problem };
    let mut response = Rendered::ok(page).into_response();
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    response
}

pub(crate) fn to(next: &str) -> Response {
    let next = HeaderValue::from_str(next).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, next)]).into_response()
}

/// Returns an address of ours, or `/`: what a browser would take for another site's is none.
pub(crate) fn local(next: &str) -> String {
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_path = next.starts_with('/') && !next.starts_with("//");
    let is_door = ["/sign-in", "/sign-out"].iter().any(|door| next.starts_with(door));
    match is_plain && is_path && !is_door && next.len() <= NEXT_BYTES_MAX {
        true => next.to_owned(),
        false => "/".to_owned(),
    }
}

/// Reads a form's fields; what is not there is empty.
pub(crate) fn fields<const N: usize>(
    body: &Bytes,
    names: [&str; N],
) -> Result<[String; N], PageError> {
    if body.len() > FORM_BYTES_MAX {
        return Err(PageError::Question(format!("a form here has at most {FORM_BYTES_MAX} bytes")));
    }
    Ok(names.map(|name| {
        let field = form_urlencoded::parse(body).find(|(of, _)| of == name);
        field.map(|(_, value)| value.into_owned()).unwrap_or_default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_next_is_a_page_of_ours() {
        for (next, goes) in [
            ("/explore?q=a%20b&from=-7d", "/explore?q=a%20b&from=-7d"),
            ("/", "/"),
            ("", "/"),
            ("explore", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nset-cookie: x", "/"),
            ("/\t/evil.example", "/"),
            ("/sign-out", "/"),
            ("javascript:alert(1)", "/"),
        ] {
            assert_eq!(local(next), goes, "{next:?}");
        }
    }
}
