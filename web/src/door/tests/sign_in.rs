//! Signing in and out, as a browser does.

use std::sync::atomic::Ordering;

use ingest::own::Fact;

use super::*;
use crate::door::sessions::{IDLE_S, WHOLE_S};

/// A form as a browser posts it.
pub(super) fn form(target: &str, cookie: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields);
    Request::post(target)
        .header("host", "127.0.0.1:8088")
        .header("origin", "http://127.0.0.1:8088")
        .header("cookie", cookie)
        .body(Body::from(body.finish()))
        .expect("a request")
}

pub(super) async fn sign_in(site: &Site, name: &str, password: &str, cookie: &str) -> Answer {
    let fields = [("name", name), ("password", password), ("next", "/explore?q=path:x")];
    site.send(form("/sign-in", cookie, &fields)).await
}

/// Returns the cookie of somebody who has signed in.
async fn signed_in(site: &Site) -> String {
    cookie(&sign_in(site, "ann", PASSWORD, "").await)
}

pub(super) fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let header = answer.headers["set-cookie"].to_str().expect("text");
    header.split(';').next().expect("a cookie").to_owned()
}

async fn page(site: &Site, cookie: &str) -> Answer {
    let request = Request::get("/explore").header("host", "localhost").header("cookie", cookie);
    site.send(request.body(Body::empty()).expect("a request")).await
}

/// Returns what the forms of a page carry.
pub(super) async fn form_token(site: &Site, cookie: &str) -> String {
    let page = page(site, cookie).await.text;
    let rest = page.split("name=\"token\" value=\"").nth(1).expect("a form's token");
    rest.split('"').next().expect("a value").to_owned()
}

fn site() -> Site {
    let site = Site::of_recording();
    shut(&site);
    site
}

#[tokio::test]
async fn who_signs_in_comes_to_the_page_that_he_wanted() {
    let site = site();
    assert_eq!(page(&site, "").await.status, StatusCode::UNAUTHORIZED);
    let answer = sign_in(&site, "ann", PASSWORD, "").await;
    assert_eq!(answer.headers["location"], "/explore?q=path:x");
    let header = answer.headers["set-cookie"].to_str().expect("text");
    let (_, flags) = header.split_once(';').expect("flags");
    assert_eq!(flags, " Path=/; HttpOnly; SameSite=Lax");
    let cookie = cookie(&answer);
    let page = page(&site, &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("signed in as <bdi>ann, viewer</bdi>"), "{}", page.text);
    assert!(!page.text.contains("No sign-in"));
    let evil = [("name", "ann"), ("password", PASSWORD), ("next", "//evil.example/")];
    let answer = site.send(form("/sign-in", "", &evil)).await;
    assert_eq!(answer.headers["location"], "/");
}

#[tokio::test]
async fn the_id_is_a_new_one_at_each_sign_in() {
    let site = site();
    // One that an attacker has put there beforehand is never a session.
    let fixed = "keytrail=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let first = cookie(&sign_in(&site, "ann", PASSWORD, fixed).await);
    assert_ne!(first, fixed);
    assert_eq!(page(&site, fixed).await.status, StatusCode::UNAUTHORIZED);
    let second = cookie(&sign_in(&site, "ann", PASSWORD, &first).await);
    assert_eq!(page(&site, &first).await.status, StatusCode::UNAUTHORIZED, "the old one is over");
    assert_eq!(page(&site, &second).await.status, StatusCode::OK);
    // Two cookies of the name: one is somebody else's.
    let both = format!("{second}; {fixed}");
    assert_eq!(page(&site, &both).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn unknown_and_wrong_have_the_same_answer() {
    let site = site();
    let [unknown, wrong] =
        [sign_in(&site, "nobody", PASSWORD, "").await, sign_in(&site, "ann", "x", "").await];
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    assert_eq!((unknown.status, unknown.text), (wrong.status, wrong.text));
    assert!(!unknown.headers.contains_key("set-cookie"));
    let recorded = std::mem::take(&mut *site.host.recorded.lock().expect("no panic"));
    let failed = |user: Option<&str>| Fact::SignInFailed {
        user: user.map(str::to_owned),
        address: "unknown".to_owned(),
        method: None,
        why: None,
    };
    // What is no user's name may be a password in the wrong field.
    assert_eq!(recorded, [failed(None), failed(Some("ann"))]);
    signed_in(&site).await;
    let recorded = site.host.recorded.lock().expect("no panic").clone();
    assert!(matches!(&recorded[..], [Fact::SignedIn { by, .. }] if by == "user:ann"));
}

#[tokio::test]
async fn attempts_are_limited_and_the_limit_passes() {
    let site = site();
    for _ in 0..5 {
        assert_eq!(sign_in(&site, "ann", "x", "").await.status, StatusCode::UNAUTHORIZED);
    }
    let limited = sign_in(&site, "ann", PASSWORD, "").await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
    let wait: i64 = limited.headers["retry-after"].to_str().expect("text").parse().expect("s");
    assert!((1..=60).contains(&wait), "{wait}");
    site.later.store(61, Ordering::Relaxed);
    assert_eq!(sign_in(&site, "ann", PASSWORD, "").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn sessions_end_by_idleness_and_by_age() {
    let site = site();
    let idle = signed_in(&site).await;
    site.later.store(IDLE_S + 1, Ordering::Relaxed);
    assert_eq!(page(&site, &idle).await.status, StatusCode::UNAUTHORIZED);
    let busy = signed_in(&site).await;
    let began = IDLE_S + 1;
    let mut later = began;
    while later + IDLE_S / 2 < began + WHOLE_S {
        later += IDLE_S / 2;
        site.later.store(later, Ordering::Relaxed);
        assert_eq!(page(&site, &busy).await.status, StatusCode::OK, "after {later} s");
    }
    site.later.store(began + WHOLE_S, Ordering::Relaxed);
    assert_eq!(page(&site, &busy).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn who_signs_out_is_out_here_or_everywhere() {
    let site = site();
    let (one, other, third) =
        (signed_in(&site).await, signed_in(&site).await, signed_in(&site).await);
    let token = form_token(&site, &one).await;
    // A form of another session, or none of ours.
    let others = form_token(&site, &other).await;
    for sent in [&*others, "", "x"] {
        let answer = site.send(form("/sign-out", &one, &[("token", sent)])).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    let out = site.send(form("/sign-out", &one, &[("token", &token)])).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert!(out.headers["set-cookie"].to_str().expect("text").contains("Max-Age=0"));
    let [one, still] = [page(&site, &one).await, page(&site, &other).await];
    assert_eq!((one.status, still.status), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    let everywhere = [("token", &*others), ("everywhere", "1")];
    site.send(form("/sign-out", &other, &everywhere)).await;
    for cookie in [other, third] {
        assert_eq!(page(&site, &cookie).await.status, StatusCode::UNAUTHORIZED);
    }
    let recorded = site.host.recorded.lock().expect("no panic").clone();
    let outs = recorded.iter().filter(|fact| matches!(fact, Fact::SignedOut { .. }));
    assert_eq!(outs.count(), 2);
}

#[tokio::test]
async fn a_change_of_the_user_ends_his_sessions() {
    let site = site();
    for what in ["password", "role", "removed"] {
        let cookie = signed_in(&site).await;
        assert_eq!(page(&site, &cookie).await.status, StatusCode::OK);
        change(&site, |accounts| match what {
            "password" => accounts.change_user("ann", None, Some(PASSWORD)),
            "role" => accounts.change_user("ann", Some(standing(Role::Analyst)), None),
            _ => {
                accounts.add_user("bob", standing(Role::Viewer), PASSWORD)?;
                accounts.remove_user("ann")
            }
        });
        assert_eq!(page(&site, &cookie).await.status, StatusCode::UNAUTHORIZED, "{what}");
    }
}

#[tokio::test]
async fn another_sites_page_posts_nothing_in_a_readers_name() {
    let site = site();
    change(&site, |accounts| accounts.change_user("ann", Some(standing(Role::Analyst)), None));
    let cookie = signed_in(&site).await;
    let token = form_token(&site, &cookie).await;
    let value = [("value", "x"), ("token", &*token)];
    for (target, fields) in [("/sign-in", &value[..0]), ("/sign-out", &value), ("/lookup", &value)]
    {
        let mut foreign = form(target, &cookie, fields);
        foreign.headers_mut().insert("origin", "http://evil.example".parse().expect("a header"));
        assert_eq!(site.send(foreign).await.status, StatusCode::FORBIDDEN, "{target}");
    }
    assert_eq!(
        site.send(form("/lookup", &cookie, &value[..1])).await.status,
        StatusCode::FORBIDDEN
    );
    // No secrets server is there to ask: that far it comes.
    let ours = site.send(form("/lookup", &cookie, &value)).await;
    assert_eq!(ours.status, StatusCode::BAD_REQUEST);
    let mut without = form("/api/v1/lookup", &cookie, &[]);
    without.headers_mut().remove("origin");
    assert_eq!(site.send(without).await.status, StatusCode::FORBIDDEN);
    assert_eq!(page(&site, &cookie).await.status, StatusCode::OK, "he is still signed in");
}

#[tokio::test]
async fn accounts_that_cannot_be_read_let_nobody_in() {
    let site = site();
    let cookie = signed_in(&site).await;
    let path = Accounts::path(&site.host.data);
    let kept = std::fs::read(&path).expect("there");
    std::fs::write(&path, "{").expect("written");
    assert_eq!(page(&site, &cookie).await.status, StatusCode::UNAUTHORIZED);
    let tried = sign_in(&site, "ann", PASSWORD, "").await;
    assert_eq!(tried.status, StatusCode::INTERNAL_SERVER_ERROR);
    std::fs::write(&path, kept).expect("written");
    assert_eq!(page(&site, &cookie).await.status, StatusCode::OK);
}

#[tokio::test]
async fn by_tls_the_cookie_is_of_this_host_alone() {
    let proxies = vec!["10.0.0.7/32".parse().expect("a network")];
    let hosts = vec!["keytrail.example".to_owned()];
    let site = Site::reached(&crate::Listening { hosts, proxies, ..Default::default() });
    let from = |peer: [u8; 4], mut request: Request<Body>| {
        let headers = request.headers_mut();
        headers.insert("host", "keytrail.example".parse().expect("a header"));
        headers.insert("x-forwarded-for", "192.0.2.1".parse().expect("a header"));
        request.extensions_mut().insert(Peer(peer.into()));
        request
    };
    let explore = || Request::get("/explore").body(Body::empty()).expect("a request");
    // Behind a proxy nobody is at this machine, users or not; and past it there is no way in.
    let stranger = site.send(from([10, 0, 0, 7], explore())).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stranger.headers["strict-transport-security"], "max-age=31536000");
    assert_eq!(site.send(from([10, 0, 0, 8], explore())).await.status, StatusCode::FORBIDDEN);
    let metrics = Request::get("/metrics").body(Body::empty()).expect("a request");
    let metrics = site.send(from([10, 0, 0, 7], metrics)).await;
    assert_eq!(metrics.status, StatusCode::UNAUTHORIZED, "figures are not for everybody there");
    shut(&site);
    let fields = [("name", "ann"), ("password", PASSWORD)];
    let mut plain = form("/sign-in", "", &fields);
    plain.headers_mut().insert("origin", "http://keytrail.example".parse().expect("a header"));
    assert_eq!(site.send(from([10, 0, 0, 7], plain)).await.status, StatusCode::FORBIDDEN);
    let mut signed_in = form("/sign-in", "", &fields);
    signed_in.headers_mut().insert("origin", "https://keytrail.example".parse().expect("a header"));
    let answer = site.send(from([10, 0, 0, 7], signed_in)).await;
    let header = answer.headers["set-cookie"].to_str().expect("text");
    let (cookie, flags) = header.split_once(';').expect("flags");
    assert!(cookie.starts_with("__Host-keytrail="), "{cookie}");
    assert_eq!(flags, " Path=/; HttpOnly; SameSite=Lax; Secure");
    let mut request = explore();
    request.headers_mut().insert("cookie", cookie.parse().expect("a header"));
    assert_eq!(site.send(from([10, 0, 0, 7], request)).await.status, StatusCode::OK);
    let recorded = site.host.recorded.lock().expect("no panic").clone();
    let address = "192.0.2.1".to_owned();
    let by = "user:ann".to_owned();
    assert_eq!(recorded, [Fact::SignedIn { by, address, subject: None, role: None }]);
}
