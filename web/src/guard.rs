//! What stands before and behind every page: whose host is meant, what may be asked, what a browser
//! may do with the answer.
//!
//! The pages are open to whoever reaches the socket, which is bound to loopback. A foreign web page
//! must not reach it through the reader's browser either: a name that its owner points at 127.0.0.1
//! (DNS rebinding) is told by the Host header, which the browser fills in, and turned away. What a browser posts names
//! the page that it comes from, in Origin: only our own may.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::error::PageError;

/// The longest path and query together, in bytes: a filter of 8 KiB, each byte written as `%xx`.
const TARGET_BYTES_MAX: usize = 32 << 10;

/// How long a page may take.
pub(crate) const PAGE_SECONDS_MAX: u64 = 30;

/// What a browser is told with every answer. No script at all, nothing from elsewhere, and no
/// address (it holds the question) handed on to another site.
const POLICIES: [(HeaderName, &str); 6] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "interest-cohort=()"),
];

/// Lets a request in if it is meant for this host, and no foreign page asks; gives the answer its policies.
pub(crate) async fn guard(State(bound): State<IpAddr>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&request, bound) {
        Some(refusal) => refusal,
        None => answer(request, next).await,
    };
    let headers = response.headers_mut();
    for (name, value) in POLICIES {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refusal(request: &Request, bound: IpAddr) -> Option<Response> {
    if !is_ours(request.headers(), request.uri(), bound) {
        let says = "this is keytrail on this machine's loopback address, and it answers to no other name: use http://127.0.0.1 with its port\n";
        return Some((StatusCode::MISDIRECTED_REQUEST, says).into_response());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) && is_foreign(request.headers()) {
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

/// Tells whether the request names this host: a loopback name or address, or the bound address, with
/// any port (a tunnel may have another).
fn is_ours(headers: &HeaderMap, uri: &Uri, bound: IpAddr) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    names_us(host, bound)
        && uri.authority().is_none_or(|authority| names_us(authority.as_str(), bound))
}

/// Tells whether a page of another origin asks: a browser says so with whatever is no plain reading.
fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let ours = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
    ours.is_none() || origin != ours
}

fn names_us(authority: &str, bound: IpAddr) -> bool {
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = authority.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        let Ok(address) = address.parse::<Ipv6Addr>() else { return false };
        return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
            && (address.is_loopback() || IpAddr::V6(address) == bound);
    }
    let name = match authority.split_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) => return false,
        None => authority,
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback() || address == bound)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    #[test]
    fn only_loopback_names_are_ours() {
        let bound = IpAddr::from([127, 0, 0, 1]);
        for (authority, ours) in [
            ("localhost", true),
            ("LOCALHOST:8088", true),
            ("127.0.0.1:8088", true),
            ("127.8.9.1", true),
            ("[::1]:8088", true),
            ("[::1]", true),
            ("", false),
            ("evil.example:8088", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost:8088.evil.example", false),
            ("localhost:", true),
            ("user@localhost", false),
            ("[::1]evil.example", false),
            ("[::2]", false),
            ("::1", false),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
            ("2130706433", false),
        ] {
            assert_eq!(names_us(authority, bound), ours, "{authority}");
        }
        assert!(names_us("10.0.0.1:80", IpAddr::from([10, 0, 0, 1])));
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let bound = IpAddr::from([127, 0, 0, 1]);
        let bug = get(async || -> &'static str { panic!("a bug") });
        let router = Router::new().route("/", bug).layer(from_fn_with_state(bound, guard));
        let request =
            Request::get("/").header(HOST, "localhost").body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(response.headers().contains_key(CONTENT_SECURITY_POLICY));
    }

    #[tokio::test]
    async fn a_page_ends_when_its_client_leaves() {
        let bound = IpAddr::from([127, 0, 0, 1]);
        let (begin, mut begun) = tokio::sync::mpsc::channel(1);
        let page = get(move || async move {
            // Held for as long as the page is being made.
            begin.send(()).await.expect("awaited");
            std::future::pending::<&'static str>().await
        });
        let router = Router::new().route("/", page).layer(from_fn_with_state(bound, guard));
        let request =
            Request::get("/").header(HOST, "localhost").body(Body::empty()).expect("a request");
        let client = tokio::spawn(router.oneshot(request));
        assert_eq!(begun.recv().await, Some(()));
        client.abort();
        // The page's own end of the channel goes with it.
        assert_eq!(begun.recv().await, None);
    }
}
