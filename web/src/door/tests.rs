//! The door as its readers meet it.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::tests::{Answer, Site};

mod auditor;
mod matrix;
mod oidc;
mod recorded;
mod settings;
mod sign_in;

const PASSWORD: &str = "correct horse battery";

/// Somebody with a token, or a stranger.
struct Somebody(Option<String>);

const STRANGER: Somebody = Somebody(None);

fn standing(role: Role) -> Standing {
    let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
    match role {
        Role::Auditor => Standing::new(role, Some(""), Some(from), Some(to)),
        _ => Standing::new(role, None, None, None),
    }
    .expect("a standing")
}

fn change<T>(site: &Site, change: impl FnOnce(&mut Accounts) -> Result<T, AccountsError>) -> T {
    let changed: Result<T, AccountsError> = Accounts::change(&site.host.data, change, |_| Ok(()));
    changed.expect("changed")
}

/// Adds the first user: from then on the door is shut to strangers.
fn shut(site: &Site) {
    change(site, |accounts| accounts.add_user("ann", standing(Role::Viewer), PASSWORD));
}

fn with_token(site: &Site, standing: Standing) -> Somebody {
    let name = format!("t{}", Accounts::read(&site.host.data).expect("accounts").tokens.len());
    let expires = Timestamp::now() + SignedDuration::from_hours(1);
    Somebody(Some(change(site, |accounts| accounts.add_token(&name, standing, expires))))
}

fn request(asker: &Somebody, method: &Method, target: &str, body: &str) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", "127.0.0.1:8088")
        .header("content-type", "application/json");
    if let Some(token) = &asker.0 {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Body::from(body.to_owned())).expect("a request")
}

async fn ask_as(
    site: &Site,
    asker: &Somebody,
    method: &Method,
    target: &str,
    body: &str,
) -> Answer {
    site.send(request(asker, method, target, body)).await
}

async fn get(site: &Site, asker: &Somebody, target: &str) -> Answer {
    ask_as(site, asker, &Method::GET, target, "").await
}
