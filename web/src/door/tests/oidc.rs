//! Signing in by a provider, as a browser does, and as those do who would like to be somebody else.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use ingest::own::Fact;
use serde_json::{Value, json};

use self::fake::{By, CLIENT, Fake, ISSUER, SECRET};
use super::*;
use crate::door::oidc::WAITS_S;

#[path = "oidc/fake.rs"]
mod fake;

/// A site, the provider that its people sign in by, and the file of the secret between them.
struct Two {
    site: Site,
    fake: Arc<Mutex<Fake>>,
    _secret: tempfile::NamedTempFile,
}

/// What a browser holds between going to the provider and coming back.
struct Gone {
    cookie: String,
    query: HashMap<String, String>,
}

fn row(group: &str, standing: Standing) -> GroupRole {
    GroupRole { group: group.to_owned(), standing }
}

fn two() -> Two {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), format!("{SECRET}\n")).expect("written");
    let oidc = Oidc {
        issuer: ISSUER.to_owned(),
        client_id: CLIENT.to_owned(),
        client_secret_file: Some(secret.path().to_owned()),
        scopes: vec!["profile".to_owned()],
        name_claim: "preferred_username".to_owned(),
        groups_claim: "groups".to_owned(),
        roles: vec![
            row("sec", standing(Role::Analyst)),
            row("all", standing(Role::Viewer)),
            row("audit", standing(Role::Auditor)),
        ],
    };
    let listening = crate::Listening { oidc: Some(oidc), ..Default::default() };
    let site = Site::reached(&listening);
    let fake = Fake::new();
    let asked = Arc::clone(&fake);
    *site.host.provider.lock().expect("no panic") =
        Some(Box::new(move |request| asked.lock().expect("no panic").answer(&request)));
    Two { site, fake, _secret: secret }
}

impl Two {
    fn fake(&self) -> std::sync::MutexGuard<'_, Fake> {
        self.fake.lock().expect("no panic")
    }

    async fn get(&self, target: &str, cookie: &str) -> Answer {
        let request = Request::get(target).header("host", "127.0.0.1:8088");
        let request = request.header("cookie", cookie).body(Body::empty());
        self.site.send(request.expect("a request")).await
    }

    async fn go(&self, next: &str) -> Gone {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair("next", next).finish();
        let answer = self.get(&format!("/sign-in/oidc?{query}"), "").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        let location = answer.headers["location"].to_str().expect("text");
        let (page, query) = location.split_once('?').expect("a query");
        assert_eq!(page, "https://sso.example/auth");
        let query: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        assert_eq!(query["redirect_uri"], "http://127.0.0.1:8088/sign-in/oidc/callback");
        let header = answer.headers["set-cookie"].to_str().expect("text");
        let (cookie, flags) = header.split_once(';').expect("flags");
        assert!(cookie.starts_with("keytrail-oidc="), "{cookie}");
        assert_eq!(flags, " Path=/; HttpOnly; SameSite=Lax; Max-Age=600");
        Gone { cookie: cookie.to_owned(), query }
    }

    async fn back(&self, cookie: &str, pairs: &[(&str, &str)]) -> Answer {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs);
        self.get(&format!("/sign-in/oidc/callback?{}", query.finish()), cookie).await
    }

    /// Goes to the provider, signs in there and comes back.
    async fn sign_in(&self, next: &str) -> Answer {
        let gone = self.go(next).await;
        let code = self.fake().grant(&gone.query);
        self.back(&gone.cookie, &[("code", &code), ("state", &gone.query["state"])]).await
    }

    fn recorded(&self) -> Vec<Fact> {
        std::mem::take(&mut *self.site.host.recorded.lock().expect("no panic"))
    }
}

/// Returns the session's cookie of somebody who is in.
fn session(answer: &Answer) -> Option<String> {
    let cookies = answer.headers.get_all("set-cookie").iter();
    cookies
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
        .find(|cookie| cookie.starts_with("keytrail="))
        .map(str::to_owned)
}

#[tokio::test]
async fn who_the_provider_knows_is_in_with_the_role_of_his_group() {
    let two = two();
    let answer = two.sign_in("/explore?q=path:x").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(answer.headers["location"], "/explore?q=path:x");
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert!(
        cookies.iter().any(|one| { one.to_str().expect("text").starts_with("keytrail-oidc=; ") })
    );
    let cookie = session(&answer).expect("a session");
    let page = two.get("/explore", &cookie).await;
    assert!(page.text.contains("signed in as <bdi>ann, analyst</bdi>"), "{}", page.text);
    let signed_in = Fact::SignedIn {
        by: "oidc:ann".to_owned(),
        address: "unknown".to_owned(),
        subject: Some("0815".to_owned()),
        role: Some("analyst".to_owned()),
    };
    assert_eq!(two.recorded(), [signed_in]);
    // A user of ours who has the same name is somebody else.
    shut(&two.site);
    change(&two.site, |accounts| accounts.change_user("ann", None, Some(PASSWORD)));
    assert_eq!(two.get("/explore", &cookie).await.status, StatusCode::OK);
    let token = page.text.split("name=\"token\" value=\"").nth(1).expect("a form's token");
    let token = token.split('"').next().expect("a value");
    let form = Request::post("/sign-out")
        .header("host", "127.0.0.1:8088")
        .header("origin", "http://127.0.0.1:8088")
        .header("cookie", &cookie)
        .body(Body::from(format!("token={token}&everywhere=1")))
        .expect("a request");
    assert_eq!(two.site.send(form).await.status, StatusCode::SEE_OTHER);
    assert_eq!(two.get("/explore", &cookie).await.status, StatusCode::UNAUTHORIZED);
    assert!(matches!(&two.recorded()[..], [Fact::SignedOut { by, .. }] if by == "oidc:ann"));
    for evil in ["//evil.example/", "https://evil.example", "/\\evil.example", "/sign-in/oidc"] {
        assert_eq!(two.sign_in(evil).await.headers["location"], "/", "{evil}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_for_us_now_signs_nobody_in() {
    let two = two();
    let now = jiff::Timestamp::now().as_second();
    let cases: &[(By, Value, &str)] = &[
        (By::Rs256, json!({"nonce": "another"}), "nonce"),
        (By::Rs256, json!({"nonce": null}), "nonce"),
        (By::Rs256, json!({"iss": "https://evil.example"}), "issuer"),
        (By::Rs256, json!({"aud": "another"}), "audience"),
        (By::Rs256, json!({"aud": [CLIENT, "another"]}), "audience"),
        (By::Rs256, json!({"azp": "another"}), "azp"),
        (By::Rs256, json!({"exp": now - 61}), "xpired"),
        (By::Rs256, json!({"iat": now + 120}), "clocks"),
        (By::Rs256, json!({"nbf": now + 120}), "nbf"),
        (By::Rs256, json!({"preferred_username": null}), "preferred_username"),
        (By::Rs256, json!({"preferred_username": "a\nb"}), "preferred_username"),
        (By::None, json!({}), "ignature"),
        (By::Hs256, json!({}), "algorithm"),
        (By::PublicKeyAsSecret, json!({}), "algorithm"),
        (By::Rs512, json!({}), "algorithm"),
        (By::Stranger, json!({}), "ignature"),
        (By::Changed, json!({}), "ignature"),
        (By::Rotated, json!({}), "key"),
    ];
    for (by, claims, why) in cases {
        {
            let mut fake = two.fake();
            (fake.by, fake.claims) = (*by, claims.clone());
        }
        let answer = two.sign_in("/").await;
        let says =
            answer.text.split("role=\"alert\">").nth(1).and_then(|rest| rest.split('<').next());
        let told = format!("{by:?} {claims}: {} {says:?}", answer.status);
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{told}");
        assert!(session(&answer).is_none(), "{told}");
        assert!(says.is_some_and(|says| says.contains(why)), "{told}, not {why}");
        assert!(!answer.text.contains("TOP-SECRET") && !answer.text.contains("eyJ"), "{told}");
        let recorded = two.recorded();
        let is_one = matches!(
            &recorded[..],
            [Fact::SignInFailed { user: None, method: Some(method), .. }] if method == "oidc"
        );
        assert!(is_one, "{told}: {recorded:?}");
    }
    for (by, claims) in [
        (By::Es256, json!({})),
        (By::Rs256, json!({"exp": now - 30, "iat": now + 30, "nbf": now + 30})),
        (By::Rs256, json!({"azp": null})),
        (By::Rs256, json!({"aud": [CLIENT]})),
    ] {
        {
            let mut fake = two.fake();
            (fake.by, fake.claims) = (by, claims.clone());
        }
        let answer = two.sign_in("/").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{by:?} {claims}: {}", answer.text);
    }
}

#[tokio::test]
async fn the_answer_is_taken_once_and_from_the_browser_that_asked() {
    let two = two();
    let (mine, others) = (two.go("/").await, two.go("/").await);
    let code = two.fake().grant(&mine.query);
    let state = &*mine.query["state"];
    two.fake().asked.clear();
    for (cookie, state) in [
        ("", state),
        (&*others.cookie, state),
        (&*mine.cookie, &*others.query["state"]),
        (&*mine.cookie, ""),
        (&*mine.cookie, "made-up"),
    ] {
        let answer = two.back(cookie, &[("code", &code), ("state", state)]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{cookie} {state}");
        assert!(session(&answer).is_none());
    }
    assert!(two.fake().asked.is_empty(), "nothing of it comes to the provider");
    let pairs = [("code", &*code), ("state", state)];
    assert_eq!(two.back(&mine.cookie, &pairs).await.status, StatusCode::SEE_OTHER);
    assert_eq!(two.back(&mine.cookie, &pairs).await.status, StatusCode::BAD_REQUEST, "again");
    let again = two.go("/").await;
    let pairs = [("code", &*code), ("state", &*again.query["state"])];
    let replayed = two.back(&again.cookie, &pairs).await;
    assert_eq!(replayed.status, StatusCode::FORBIDDEN, "a code that was used");
    assert!(replayed.text.contains("invalid_grant") && !replayed.text.contains(&code));
    // A code of another browser's sign-in does not go with our verifier.
    let (one, other) = (two.go("/").await, two.go("/").await);
    let code = two.fake().grant(&other.query);
    let injected = two.back(&one.cookie, &[("code", &code), ("state", &one.query["state"])]).await;
    assert_eq!(injected.status, StatusCode::FORBIDDEN);
    let late = two.go("/").await;
    let code = two.fake().grant(&late.query);
    two.site.later.store(WAITS_S, Ordering::Relaxed);
    let answer = two.back(&late.cookie, &[("code", &code), ("state", &late.query["state"])]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "too late");
    let failed = two.recorded();
    let failed = failed.iter().filter(|fact| matches!(fact, Fact::SignInFailed { .. }));
    assert_eq!(failed.count(), 9);
}

#[tokio::test]
async fn what_another_provider_or_an_error_says_is_not_ours() {
    let two = two();
    let gone = two.go("/").await;
    let code = two.fake().grant(&gone.query);
    two.fake().asked.clear();
    let state = ("state", &*gone.query["state"]);
    let mixed = [("code", &*code), state, ("iss", "https://evil.example")];
    assert_eq!(two.back(&gone.cookie, &mixed).await.status, StatusCode::FORBIDDEN);
    assert!(two.fake().asked.is_empty(), "the code is not given away");
    let gone = two.go("/").await;
    let code = two.fake().grant(&gone.query);
    let ours = [("code", &*code), ("state", &*gone.query["state"]), ("iss", ISSUER)];
    assert_eq!(two.back(&gone.cookie, &ours).await.status, StatusCode::SEE_OTHER);
    let gone = two.go("/").await;
    let says = "<script>alert(1)</script>\u{202e}";
    let refused =
        [("error", "access_denied"), ("error_description", says), ("state", &gone.query["state"])];
    let answer = two.back(&gone.cookie, &refused).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("access_denied") && !answer.text.contains("<script>alert"));
    assert!(!answer.text.contains('\u{202e}'), "{}", answer.text);
    let whys: Vec<_> = two
        .recorded()
        .into_iter()
        .filter_map(|fact| match fact {
            Fact::SignInFailed { why, .. } => why,
            _ => None,
        })
        .collect();
    assert!(whys[0].contains("another provider") && whys[1].contains("access_denied"), "{whys:?}");
}

#[tokio::test]
async fn groups_tell_the_role_and_who_has_none_is_told_so() {
    let two = two();
    for (groups, says) in
        [(json!(["all"]), "ann, viewer"), (json!(["all", "audit", "sec"]), "ann, analyst")]
    {
        two.fake().claims = json!({ "groups": groups });
        let cookie = session(&two.sign_in("/").await).expect("a session");
        let page = two.get("/explore", &cookie).await;
        assert!(page.text.contains(says), "{}", page.text);
    }
    two.fake().claims = json!({"groups": ["audit"]});
    let cookie = session(&two.sign_in("/").await).expect("a session");
    let page = two.get("/explore", &cookie).await;
    assert!(page.text.contains("ann, auditor") && page.text.contains("You see"), "{}", page.text);
    two.recorded();
    for groups in [json!([]), json!(["SEC"]), json!(null)] {
        two.fake().claims = json!({ "groups": groups });
        let answer = two.sign_in("/").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.text.contains("none of the groups"), "{}", answer.text);
        assert!(session(&answer).is_none());
        let recorded = two.recorded();
        let is_named = matches!(
            &recorded[..],
            [Fact::SignInFailed { user: Some(user), .. }] if user == "ann"
        );
        assert!(is_named, "{recorded:?}");
    }
}

#[tokio::test]
async fn with_a_provider_the_door_is_shut_before_there_are_users() {
    let two = two();
    let stranger = two.get("/explore", "").await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert!(stranger.text.contains("/sign-in/oidc?next=%2Fexplore"), "{}", stranger.text);
    assert!(stranger.text.contains("Sign in with sso.example"));
    assert!(!stranger.text.contains("type=\"password\""), "there is nobody who has one");
    shut(&two.site);
    let page = two.get("/sign-in", "").await.text;
    assert!(page.contains("type=\"password\"") && page.contains("/sign-in/oidc?"), "{page}");
    let without = Site::of_recording();
    let answer = without.get("/sign-in/oidc").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "none is configured");
}

#[tokio::test]
async fn keys_are_asked_for_when_they_are_unknown_and_kept_otherwise() {
    let two = two();
    let discoveries = |two: &Two| two.fake().asked.iter().filter(|path| *path == "/keys").count();
    for _ in 0..3 {
        assert_eq!(two.sign_in("/").await.status, StatusCode::SEE_OTHER);
    }
    assert_eq!(discoveries(&two), 1, "only when somebody signs in, and then kept");
    {
        let mut fake = two.fake();
        (fake.rotated, fake.by) = (true, By::Rotated);
    }
    assert_eq!(two.sign_in("/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(discoveries(&two), 2);
    two.site.later.store(3_600, Ordering::Relaxed);
    two.fake().claims = json!({"exp": jiff::Timestamp::now().as_second() + 7_200});
    assert_eq!(two.sign_in("/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(discoveries(&two), 3, "a key that was withdrawn is not believed for ever");
}

#[tokio::test]
async fn a_provider_that_is_gone_or_astray_lets_nobody_in_and_names_no_secret() {
    let two = two();
    let asked = two.site.host.provider.lock().expect("no panic").take();
    let begin = || two.get("/sign-in/oidc", "");
    assert_eq!(begin().await.status, StatusCode::BAD_GATEWAY);
    *two.site.host.provider.lock().expect("no panic") = asked;
    for astray in [
        json!({"issuer": "https://evil.example"}),
        json!({"jwks_uri": "http://sso.example/keys"}),
        json!({"authorization_endpoint": "javascript:alert(1)"}),
        json!({"authorization_endpoint": "http://sso.example/auth"}),
        json!({"authorization_endpoint": null}),
    ] {
        two.site.later.fetch_add(3_600, Ordering::Relaxed);
        two.fake().metadata = astray.clone();
        let answer = begin().await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{astray}: {:?}", answer.headers);
    }
    two.site.later.store(0, Ordering::Relaxed);
    two.fake().metadata = json!({});
    for nonsense in ["{\"access_token\": \"TOP-SECRET\"", "{}", "TOP-SECRET"] {
        let gone = two.go("/").await;
        two.fake().answer = Some(nonsense.to_owned());
        let pairs = [("code", "c"), ("state", &*gone.query["state"])];
        let answer = two.back(&gone.cookie, &pairs).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(!answer.text.contains("TOP-SECRET"), "{}", answer.text);
    }
    let recorded = format!("{:?}", two.recorded());
    assert!(!recorded.contains("TOP-SECRET"), "{recorded}");
}
