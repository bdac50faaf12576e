//! One look at who comes, before any handler is called.

use std::collections::BTreeMap;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, HeaderMap, ORIGIN};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ingest::own::Fact;

use super::accounts::{Accounts, Standing};
use super::reader::{Credential, Reader};
use super::sessions::{Holder, Session};
use super::sign_in::Ways;
use super::{Door, secret};
use crate::api::Problem;
use crate::app::App;
use crate::error::PageError;

/// From where a request comes, by the socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) std::net::IpAddr);

/// Finds out who asks, and records what he asks.
pub(crate) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let address = app.door().address(&request);
    if let Some(reader) = app.door().reader(request.headers(), &address) {
        let is_writing = !matches!(*request.method(), Method::GET | Method::HEAD);
        let is_api = request.uri().path().starts_with("/api/");
        // A form carries its token; what else is sent with a cookie has to say from which page, and the guard has
        // compared that with ours.
        if is_writing && is_api && reader.has_forms() && !request.headers().contains_key(ORIGIN) {
            return Problem::from(PageError::ForeignForm).into_response();
        }
        let route = request.extensions().get::<MatchedPath>();
        if let Some(fact) = route.and_then(|route| asked(&reader, route.as_str(), request.uri()))
            && let Err(problem) = app.record(&reader, fact).await
        {
            return match is_api {
                true => Problem::from(problem).into_response(),
                false => problem.into_response(),
            };
        }
        request.extensions_mut().insert(reader);
    }
    request.extensions_mut().insert(app.door().ways());
    request.extensions_mut().insert(Address(address));
    next.run(request).await
}

/// From where a request comes, in words for the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Address(pub(crate) String);

/// Returns the filter of a question, as it was typed; of a page about one identity or path, its address.
fn asked(reader: &Reader, route: &str, uri: &Uri) -> Option<Fact> {
    reader.role()?;
    // What a provider sends back is no question.
    if route.starts_with("/sign-in") {
        return None;
    }
    let filter = match route {
        "/identity/{key}" | "/path/{path}" => uri.path().to_owned(),
        _ => form_urlencoded::parse(uri.query()?.as_bytes())
            .find(|(name, value)| matches!(&**name, "q" | "scope") && !value.trim().is_empty())
            .map(|(_, value)| value.into_owned())?,
    };
    Some(Fact::Asked {
        by: reader.by(),
        address: reader.address().to_owned(),
        route: route.to_owned(),
        filter,
    })
}

impl Door {
    /// Returns who asks; none if that is a stranger.
    fn reader(&self, headers: &HeaderMap, address: &str) -> Option<Reader> {
        let accounts = self.accounts.now().ok()?;
        let known = |credential, name: &str, standing: &Standing| {
            let bounds = standing.bounds().ok()?;
            Some(Reader::new(credential, name, standing.role, bounds, address.to_owned()))
        };
        if let Some(sent) = headers.get(AUTHORIZATION) {
            // Who sends a token is known by it or not at all.
            let sent = sent.to_str().ok()?.strip_prefix("Bearer ")?;
            let hash = secret::hash(sent.trim());
            let token = accounts.token(&hash, self.now())?;
            return known(Credential::Token(hash), &token.name, &token.standing);
        }
        if self.is_open(&accounts) {
            return self.is_local().then(Reader::local);
        }
        let id = secret::hash(&self.cookie(headers)?);
        let session = self.sessions.get(&id, self.now().as_second(), true)?;
        let (name, standing) = holder(&session, &accounts)?;
        let (by, form_token) = (session.holder.by(), session.form_token.clone());
        known(Credential::Session { id, by, form_token }, name, standing)
    }

    /// Tells whether nobody has to sign in, for nobody could.
    fn is_open(&self, accounts: &Accounts) -> bool {
        accounts.users.is_empty() && self.by_provider.is_none()
    }

    /// Returns who is signed in: what the ledger calls him, what he may, how many sessions he has, and when one was
    /// used last, in seconds since 1970.
    pub(crate) fn signed_in(&self) -> Vec<(String, Standing, usize, i64)> {
        let Ok(accounts) = self.accounts.now() else { return Vec::new() };
        let mut all: BTreeMap<String, (Standing, usize, i64)> = BTreeMap::new();
        for session in self.sessions.all(self.now().as_second()) {
            let Some((_, standing)) = holder(&session, &accounts) else { continue };
            let one = all.entry(session.holder.by());
            let (_, sessions, seen) = one.or_insert_with(|| (standing.clone(), 0, i64::MIN));
            *sessions += 1;
            *seen = (*seen).max(session.seen());
        }
        let each = all.into_iter();
        each.map(|(by, (standing, sessions, seen))| (by, standing, sessions, seen)).collect()
    }

    /// Returns how somebody can sign in.
    pub(crate) fn ways(&self) -> Ways {
        let provider = self.by_provider.as_ref().map(|by| by.host().to_owned());
        let has_users = self.accounts.now().is_ok_and(|accounts| !accounts.users.is_empty());
        Ways { by_password: has_users || provider.is_none(), provider }
    }

    /// Tells whether a reader would still be let in: for answers that outlast his request.
    pub(crate) fn is_still(&self, reader: &Reader) -> bool {
        let Ok(accounts) = self.accounts.now() else { return false };
        match reader.credential() {
            Credential::Local => self.is_open(&accounts),
            Credential::Token(hash) => accounts.token(hash, self.now()).is_some_and(|token| {
                token.name == reader.name() && Some(token.standing.role) == reader.role()
            }),
            Credential::Session { id, .. } => {
                let session = self.sessions.get(id, self.now().as_second(), false);
                session.is_some_and(|session| holder(&session, &accounts).is_some())
            }
        }
    }

    /// Returns the session's id that a browser sends.
    pub(crate) fn cookie(&self, headers: &HeaderMap) -> Option<String> {
        self.named_cookie(headers, self.cookie_name())
    }

    /// Returns the one cookie of a name.
    pub(crate) fn named_cookie(&self, headers: &HeaderMap, wanted: &str) -> Option<String> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|all| all.to_str().ok());
        let mut cookies = cookies.flat_map(|all| all.split(';')).filter_map(|one| {
            let (name, value) = one.trim().split_once('=')?;
            (name == wanted).then(|| value.to_owned())
        });
        // Of several by one name, one may be foreign: none is believed.
        match (cookies.next(), cookies.next()) {
            (Some(id), None) => Some(id),
            _ => None,
        }
    }
}

/// Returns the name and standing of whose session it is; none if it is over for him.
fn holder<'a>(session: &'a Session, accounts: &'a Accounts) -> Option<(&'a str, &'a Standing)> {
    match &session.holder {
        Holder::User { name, epoch } => {
            let user = accounts.user(name).filter(|user| user.epoch == *epoch)?;
            Some((&user.name, &user.standing))
        }
        Holder::Provider { name, standing } => Some((name, standing)),
    }
}
