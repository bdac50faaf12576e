//! What stands before and behind every page: whose host is meant, what may be asked, what a browser
//! may do with the answer.
//!
//! A foreign web page must not reach it through the reader's browser: a name that its owner points at 127.0.0.1
//! (DNS rebinding) is told by the Host header, which the browser fills in, and turned away. What a browser posts names
//! the page that it comes from, in Origin: only our own may.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::door::Reach;
use crate::error::PageError;

/// The longest path and query together, in bytes: a filter of 8 KiB, each byte written as `%xx`.
const TARGET_BYTES_MAX: usize = 32 << 10;

/// How long a page may take.
pub(crate) const PAGE_SECONDS_MAX: u64 = 30;

/// What a browser is told with every answer. Our own files alone, no script or style within a page, no text that becomes
/// markup in a script (Trusted Types without a policy), nothing from elsewhere, and no address (it holds the question)
/// handed on to another site.
const POLICIES: [(HeaderName, &str); 6] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // With `no-referrer` a browser names no origin in what it posts, and the guard would turn our own forms away.
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "interest-cohort=()"),
];

/// Lets a request in if it is meant for this host, and no foreign page asks; gives the answer its policies.
pub(crate) async fn guard(
    State(reach): State<Arc<Reach>>,
    request: Request,
    next: Next,
) -> Response {
    let is_strict = reach.is_strict(request.headers());
    let mut response = match refusal(&request, &reach) {
        Some(refusal) => refusal,
        None => answer(request, next).await,
    };
    let headers = response.headers_mut();
    for (name, value) in POLICIES {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_strict {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refusal(request: &Request, reach: &Reach) -> Option<Response> {
    if !reach.lets_in(request.headers(), request.extensions()) {
        let says =
            "this keytrail is reached by TLS through its proxy, which [proxy] trusted names\n";
        return Some((StatusCode::FORBIDDEN, says).into_response());
    }
    if !reach.is_ours(request.headers(), request.uri()) {
        let says = "this is keytrail, and it answers to no such name: on this machine use http://127.0.0.1 with its port; other names stand in its configuration under hosts\n";
        return Some((StatusCode::MISDIRECTED_REQUEST, says).into_response());
    }
    let is_writing = !matches!(*request.method(), Method::GET | Method::HEAD);
    if is_writing && reach.is_foreign(request.headers()) {
        let says = "another site's page may not ask for that in your name\n";
        return Some((StatusCode::FORBIDDEN, says).into_response());
    }
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET_BYTES_MAX {
        return Some((StatusCode::URI_TOO_LONG, "a filter has at most 8 KiB\n").into_response());
    }
    None
}

/// Runs the page as a task of its own, so that its panic is an answer and its length is bounded. The task
/// ends with this future, which is dropped when the client leaves.
async fn answer(request: Request, next: Next) -> Response {
    let mut page = JoinSet::new();
    page.spawn(next.run(request));
    match timeout(Duration::from_secs(PAGE_SECONDS_MAX), page.join_next()).await {
        Ok(Some(Ok(response))) => response,
        Ok(Some(Err(_)) | None) => PageError::Panic.into_response(),
        Err(_elapsed) => PageError::TooLong { seconds: PAGE_SECONDS_MAX }.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::header::HOST;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;
    use crate::listening::Listening;

    fn reach() -> Arc<Reach> {
        Arc::new(Reach::new([127, 0, 0, 1].into(), &Listening::default()))
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let bug = get(async || -> &'static str { panic!("a bug") });
        let router = Router::new().route("/", bug).layer(from_fn_with_state(reach(), guard));
        let request =
            Request::get("/").header(HOST, "localhost").body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(response.headers().contains_key(CONTENT_SECURITY_POLICY));
    }

    #[tokio::test]
    async fn a_page_ends_when_its_client_leaves() {
        let (begin, mut begun) = tokio::sync::mpsc::channel(1);
        let page = get(move || async move {
            // Held for as long as the page is being made.
            begin.send(()).await.expect("awaited");
            std::future::pending::<&'static str>().await
        });
        let router = Router::new().route("/", page).layer(from_fn_with_state(reach(), guard));
        let request =
            Request::get("/").header(HOST, "localhost").body(Body::empty()).expect("a request");
        let client = tokio::spawn(router.oneshot(request));
        assert_eq!(begun.recv().await, Some(()));
        client.abort();
        // The page's own end of the channel goes with it.
        assert_eq!(begun.recv().await, None);
    }
}
