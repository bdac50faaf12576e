//! Settings as an admin meets them.

use ingest::own::Fact;
use serde_json::Value;

use super::sign_in::{cookie, form, form_token, sign_in};
use super::*;

/// A site with an admin, and his session.
async fn kept() -> (Site, String, String) {
    let site = Site::of_recording();
    change(&site, |accounts| accounts.add_user("ann", standing(Role::Admin), PASSWORD));
    let session = cookie(&sign_in(&site, "ann", PASSWORD, "").await);
    let token = form_token(&site, &session).await;
    site.host.recorded.lock().expect("no panic").clear();
    (site, session, token)
}

async fn post(site: &Site, (session, token): (&str, &str), fields: &[(&str, &str)]) -> Answer {
    let mut all = vec![("token", token)];
    all.extend(fields);
    site.send(form("/settings", session, &all)).await
}

async fn page(site: &Site, session: &str, target: &str) -> Answer {
    let request = Request::get(target).header("host", "127.0.0.1:8088").header("cookie", session);
    site.send(request.body(Body::empty()).expect("a request")).await
}

fn recorded(site: &Site) -> Vec<(String, String)> {
    let facts = std::mem::take(&mut *site.host.recorded.lock().expect("no panic"));
    let told = facts.into_iter().map(|fact| match fact {
        Fact::AccountChanged { by, address, change, name, .. } => {
            assert_eq!((&*by, address.as_deref()), ("user:ann", Some("unknown")));
            (change, name)
        }
        other => panic!("{other:?}"),
    });
    told.collect()
}

/// Returns what is shown only once.
fn shown(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let rest = answer.text.split("<pre class=\"cmd\" tabindex=\"0\">").nth(1).expect("a secret");
    rest.split('<').next().expect("text").to_owned()
}

#[tokio::test]
async fn users_and_tokens_are_kept_and_each_change_is_recorded_first() {
    let (site, session, token) = kept().await;
    let who = (&*session, &*token);
    let added = post(&site, who, &[("do", "add user"), ("name", "bob"), ("role", "viewer")]).await;
    let password = shown(&added);
    assert_eq!(sign_in(&site, "bob", &password, "").await.status, StatusCode::SEE_OTHER);
    site.host.recorded.lock().expect("no panic").clear();
    let again = post(&site, who, &[("do", "add user"), ("name", "bob"), ("role", "viewer")]).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert!(again.text.contains("there already"), "{}", again.text);
    assert!(recorded(&site).is_empty(), "what is refused is not done");
    let settings = page(&site, &session, "/settings").await.text;
    assert!(settings.contains("user:bob") && settings.contains("2 people are signed in"));
    let fresh = shown(&post(&site, who, &[("do", "new password"), ("name", "bob")]).await);
    assert_eq!(sign_in(&site, "bob", &password, "").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(sign_in(&site, "bob", &fresh, "").await.status, StatusCode::SEE_OTHER);
    site.host.recorded.lock().expect("no panic").clear();
    let auditor = [
        ("do", "change role"),
        ("name", "bob"),
        ("role", "auditor"),
        ("scope", "path:secret/**"),
        ("from", "2026-07"),
        ("to", "2026-10"),
    ];
    let out = post(&site, who, &auditor[..4]).await;
    assert_eq!(out.status, StatusCode::BAD_REQUEST, "an auditor has a period");
    assert_eq!(post(&site, who, &auditor).await.headers["location"], "/settings");
    let settings = page(&site, &session, "/settings").await.text;
    assert!(settings.contains("auditor of path:secret/**, from 2026-07-01"), "{settings}");
    let fields = [("do", "add token"), ("name", "ci"), ("role", "viewer"), ("days", "1")];
    let secret = shown(&post(&site, who, &fields).await);
    let ci = Somebody(Some(secret.clone()));
    assert_eq!(get(&site, &ci, "/api/v1/count").await.status, StatusCode::OK);
    assert!(!page(&site, &session, "/settings").await.text.contains(&secret));
    for days in ["0", "3651", "x", ""] {
        let fields = [("do", "add token"), ("name", "x"), ("role", "viewer"), ("days", days)];
        assert_eq!(post(&site, who, &fields).await.status, StatusCode::BAD_REQUEST, "{days}");
    }
    post(&site, who, &[("do", "remove token"), ("name", "ci")]).await;
    assert_eq!(get(&site, &ci, "/api/v1/count").await.status, StatusCode::UNAUTHORIZED);
    post(&site, who, &[("do", "remove user"), ("name", "bob")]).await;
    let wanted = [
        ("role changed", "bob"),
        ("token added", "ci"),
        ("token removed", "ci"),
        ("user removed", "bob"),
    ];
    assert_eq!(recorded(&site), wanted.map(|(what, name)| (what.to_owned(), name.to_owned())));
}

#[tokio::test]
async fn nobody_locks_everybody_out_and_no_foreign_page_changes_anything() {
    let (site, session, token) = kept().await;
    let who = (&*session, &*token);
    for fields in [
        &[("do", "remove user"), ("name", "ann")][..],
        &[("do", "change role"), ("name", "ann"), ("role", "viewer")],
        &[("do", "remove user"), ("name", "nobody")],
        &[("do", "add user"), ("name", "a b"), ("role", "viewer")],
        &[("do", "add user"), ("name", "x"), ("role", "boss")],
        &[("do", "nonsense")],
    ] {
        let answer = post(&site, who, fields).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{fields:?}");
        assert!(answer.text.contains("role=\"alert\""), "{fields:?}");
    }
    let remove = [("do", "add user"), ("name", "x"), ("role", "viewer")];
    let unsigned = post(&site, (&session, "another"), &remove).await;
    assert_eq!(unsigned.status, StatusCode::FORBIDDEN);
    let mut foreign = form("/settings", &session, &[("token", &*token), remove[0], remove[1]]);
    foreign.headers_mut().insert("origin", "http://evil.example".parse().expect("a header"));
    assert_eq!(site.send(foreign).await.status, StatusCode::FORBIDDEN);
    assert!(recorded(&site).is_empty());
    // Before there are users nobody adds one from afar.
    let open = Site::of_recording();
    assert!(get(&open, &STRANGER, "/settings").await.text.contains("keytrail user add NAME"));
    let body = "do=add+user&name=x&role=admin";
    let answer = ask_as(&open, &STRANGER, &Method::POST, "/settings", body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(Accounts::read(&open.host.data).expect("accounts").users.is_empty());
}

#[tokio::test]
async fn sessions_are_shown_and_ended() {
    let (site, session, token) = kept().await;
    change(&site, |accounts| accounts.add_user("bob", standing(Role::Viewer), PASSWORD));
    let bob = cookie(&sign_in(&site, "bob", PASSWORD, "").await);
    site.host.recorded.lock().expect("no panic").clear();
    let ended = [("do", "end sessions"), ("name", "user:bob")];
    assert_eq!(post(&site, (&session, &token), &ended).await.status, StatusCode::SEE_OTHER);
    assert_eq!(page(&site, &bob, "/explore").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(page(&site, &session, "/explore").await.status, StatusCode::OK);
    assert_eq!(recorded(&site), [("sessions ended".to_owned(), "user:bob".to_owned())]);
}

#[tokio::test]
async fn lists_page() {
    let (site, session, _) = kept().await;
    change(&site, |accounts| {
        for number in 0..120 {
            let expires = Timestamp::now() + SignedDuration::from_hours(1);
            accounts.add_token(&format!("t{number:03}"), standing(Role::Viewer), expires)?;
        }
        Ok(())
    });
    let first = page(&site, &session, "/settings").await.text;
    assert!(first.contains(">120 tokens<"), "{first}");
    assert!(first.contains("<bdi>t049</bdi>") && !first.contains("<bdi>t050</bdi>"));
    assert!(first.contains("/settings?tokens=t049"), "{first}");
    let second = page(&site, &session, "/settings?tokens=t099").await.text;
    assert!(second.contains("<bdi>t100</bdi>") && !second.contains("<bdi>t099</bdi>"));
    assert!(!second.contains("rel=\"next\""), "it is the last page");
}

#[tokio::test]
async fn our_own_trail_is_paged_newest_first_and_filtered() {
    let site = Site::of_recording();
    let fact = |number: usize| Fact::Asked {
        by: format!("user:{}", if number.is_multiple_of(2) { "ann" } else { "bob" }),
        address: "192.0.2.1".to_owned(),
        route: "/explore".to_owned(),
        filter: format!("path:{number}<script>\u{202e}"),
    };
    {
        let mut ledger = ingest::ledger::Ledger::open(&site.host.data, "prod").expect("a ledger");
        for number in 0..250 {
            ingest::custody::append(&mut ledger, fact(number)).expect("appended");
        }
    }
    let admin = with_token(&site, standing(Role::Admin));
    let seen = |page: &str| -> Vec<usize> {
        let parts = page.split("filter: path:").skip(1);
        parts.map(|part| part.split('&').next().expect("a number").parse().expect("one")).collect()
    };
    let mut target = "/settings/trail?kind=asked".to_owned();
    let mut all = Vec::new();
    loop {
        let page = get(&site, &admin, &target).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert!(!page.text.contains("<script>") && !page.text.contains('\u{202e}'));
        all.extend(seen(&page.text));
        let next =
            page.text.split("rel=\"next\"").next().filter(|_| page.text.contains("rel=\"next\""));
        let Some(next) = next.and_then(|before| before.rsplit("href=\"").next()) else { break };
        target =
            next.split('"').next().expect("an address").replace("&amp;", "&").replace("&#38;", "&");
    }
    assert_eq!(all, (0..250).rev().collect::<Vec<_>>());
    let json = get(&site, &admin, "/settings/trail.json?kind=asked&who=bob").await;
    let says: Value = serde_json::from_str(&json.text).expect("JSON");
    let items = says["items"].as_array().expect("items");
    assert_eq!(items.len(), 125);
    assert!(items.iter().all(|item| item["who"] == "user:bob" && item["type"] == "asked"));
    assert!(says["next_before"].is_null());
    let csv = get(&site, &admin, "/settings/trail.csv?who=user:ann").await;
    assert!(csv.text.starts_with("leaf,time,type,who,address,more\r\n"), "{}", csv.text);
    assert_eq!(csv.text.matches("user:ann").count(), 125);
    for typo in ["kind=askd", "before=x"] {
        let answer = get(&site, &admin, &format!("/settings/trail?{typo}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{typo}");
    }
    let facts = site.host.recorded.lock().expect("no panic").clone();
    assert_eq!(facts.iter().filter(|fact| matches!(fact, Fact::Exported { .. })).count(), 2);
}
