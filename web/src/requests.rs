//! What every answer has: an id by which it is found in a log, and a place in the figures.

use std::fmt::Write;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::http::header::HeaderName;
use axum::middleware::Next;
use axum::response::Response;
use tracing::debug;

use crate::app::App;

/// The header with the id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken over from who asks.
const ID_LENGTH_MAX: usize = 64;

/// Gives the request an id, or keeps the one it has, and counts its answer.
pub(crate) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = request.headers().get(REQUEST_ID).filter(|id| is_plain(id)).cloned();
    let id = id.unwrap_or_else(new_id);
    // The route, not the address: addresses are endless, and hold what was asked.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", |route| route.as_str()).to_owned();
    let mut response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), start.elapsed());
    debug!(route, status, ?took, id = ?id, "answered");
    app.host().answered(&route, status, took);
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

fn is_plain(id: &HeaderValue) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=ID_LENGTH_MAX).contains(&id.len()) && id.as_bytes().iter().all(plain)
}

fn new_id() -> HeaderValue {
    let mut bytes = [0; 8];
    // Ids tell requests apart, they keep nothing secret: without randomness there is one.
    let _ = getrandom::fill(&mut bytes);
    let mut id = String::with_capacity(16);
    for byte in bytes {
        let _ = write!(id, "{byte:02x}");
    }
    HeaderValue::from_str(&id).expect("hexadecimal digits")
}
