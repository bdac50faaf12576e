//! What an auditor sees: two people's requests, of which one's, within a day, are his.

use axum::body::HttpBody;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

/// In every field of what the auditor must not see.
const HIDDEN: &str = "theirs";
/// In every field of what he sees.
const SHOWN: &str = "mine";

/// A request and its response, with a mark in every field that can hold one.
fn pair(day: u8, second: u8, mark: &str, digit: &str) -> String {
    let hash = |kind: &str| format!("hmac-sha256:{}{kind}", digit.repeat(63));
    let line = |kind: &str, second: u8| {
        let mut line = json!({
            "time": format!("2026-11-{day:02}T10:00:{second:02}Z"), "type": kind,
            "auth": {
                "client_token": hash("1"), "accessor": hash("2"), "display_name": mark,
                "entity_id": format!("entity-{mark}"), "token_type": "service", "policies": [mark],
                "metadata": {"username": mark},
                "policy_results": {"allowed": true, "granting_policies": [{"name": mark, "type": "acl"}]},
            },
            "request": {
                "id": format!("{mark}-{day}-{second}"), "operation": "read", "path": format!("secret/data/{mark}"),
                "mount_point": "secret/", "mount_type": "kv", "remote_address": format!("10.0.0.{}", mark.len()),
                "data": {"role": hash("3")},
            },
        });
        if kind == "response" {
            line["response"] = json!({"mount_type": "kv", "data": {"note": hash("4")}});
        }
        format!("{line}\n")
    };
    let [request, response] = [line("request", second), line("response", second + 1)];
    // Both under one id.
    request
        + &response
            .replace(&format!("{mark}-{day}-{}", second + 1), &format!("{mark}-{day}-{second}"))
}

/// Requests of his day, of others on that day, and of his own people before and after it.
fn site() -> Site {
    let lines = [
        pair(19, 0, "theirs-early", "a"),
        pair(20, 0, "mine-1", "b"),
        pair(20, 10, "theirs-1", "c"),
        pair(20, 20, "mine-2", "b"),
        pair(20, 30, "theirs-2", "c"),
        pair(21, 0, "theirs-late", "a"),
    ];
    Site::of(&lines.concat())
}

fn auditor(site: &Site) -> Somebody {
    let at = |day: &str| format!("2026-11-{day}T00:00:00Z").parse().ok();
    // Those early and late pass the filter, and are out of the period.
    let scope = "path:secret/data/mine-* OR path:secret/data/*-early OR path:secret/data/*-late";
    let standing = Standing::new(Role::Auditor, Some(scope), at("20"), at("21"));
    with_token(site, standing.expect("a standing"))
}

fn parsed(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {}", answer.text))
}

/// Every event of the site: uid, leaves, and whether it is the auditor's.
async fn events(site: &Site) -> Vec<(String, Vec<u64>, bool)> {
    let all = parsed(&get(site, &STRANGER, "/api/v1/events?limit=100").await);
    let items = all["items"].as_array().expect("events").iter();
    let event = |item: &Value| {
        let leaves = item["leaves"].as_array().expect("leaves").iter();
        let is_his = item["path"].as_str().expect("a path").contains(SHOWN);
        let leaves = leaves.map(|leaf| leaf.as_u64().expect("a leaf")).collect();
        (item["uid"].as_str().expect("a uid").to_owned(), leaves, is_his)
    };
    items.map(event).collect()
}

#[tokio::test]
async fn nothing_out_of_bounds_is_in_any_answer() {
    let site = site();
    let auditor = auditor(&site);
    let events = events(&site).await;
    assert_eq!(events.iter().filter(|(.., is_his)| *is_his).count(), 2);
    let mut shown = 0;
    let mut targets = Vec::new();
    for (method, path) in crate::routes::all().list {
        if method != Method::GET || path.ends_with("/tail") {
            continue;
        }
        if path.contains('{') {
            for (uid, leaves, _) in &events {
                let path = path.replace("{uid}", uid).replace("{older}", "1");
                targets.extend(leaves.iter().map(|leaf| path.replace("{leaf}", &leaf.to_string())));
            }
            continue;
        }
        for query in [
            "",
            "?q=path:secret/**",
            "?all=1",
            "?span=all",
            "?all=true&from=2026-11-01",
            "?rows=true",
        ] {
            targets.push(format!("{path}{query}"));
        }
    }
    let fields = "identity,path,ip,entity,held,policy,accessor,token,request,mount";
    for by in fields.split(',') {
        targets.push(format!("/api/v1/count?by={by}&first_last=true"));
        targets.push(format!("/api/v1/facets?fields={by}&limit=0"));
        targets.push(format!("/api/v1/completion?typed={by}:"));
        targets.push(format!("/api/v1/histogram?by={by}&interval=1d"));
        targets
            .extend(events.iter().map(|(uid, ..)| format!("/api/v1/events/{uid}/context?by={by}")));
    }
    for by in ["identity", "path", "decision"] {
        targets.push(format!("/reports/access.json?by={by}"));
    }
    targets.dedup();
    for target in targets {
        let answer = get(&site, &auditor, &target).await;
        assert!(!answer.status.is_server_error(), "{target}: {}", answer.text);
        // What was typed is his own.
        for hidden in [HIDDEN, &*"a".repeat(63), &*"c".repeat(63)] {
            assert!(!answer.text.contains(hidden), "{target} shows {hidden}: {}", answer.text);
        }
        shown += u32::from(answer.text.contains(SHOWN));
    }
    assert!(shown > 50, "{shown} answers have something of his");
}

#[tokio::test]
async fn what_is_out_of_bounds_is_not_there() {
    let site = site();
    let auditor = auditor(&site);
    for (uid, leaves, is_his) in events(&site).await {
        let mut targets = vec![
            format!("/event/{uid}"),
            format!("/event/{uid}.json"),
            format!("/api/v1/events/{uid}"),
            format!("/api/v1/events/{uid}/context"),
        ];
        for leaf in leaves {
            targets.push(format!("/api/v1/lines/{leaf}"));
            targets.push(format!("/api/v1/proofs/leaf/{leaf}"));
        }
        for target in targets {
            let expected = if is_his { StatusCode::OK } else { StatusCode::NOT_FOUND };
            assert_eq!(get(&site, &auditor, &target).await.status, expected, "{target}");
            assert_eq!(get(&site, &STRANGER, &target).await.status, StatusCode::OK);
        }
    }
    for (list, page) in [("identities", "identity"), ("paths", "path")] {
        let all = parsed(&get(&site, &STRANGER, &format!("/api/v1/{list}")).await);
        let keys = all["items"].as_array().expect("rows").iter().map(|item| &item["key"]);
        for key in keys.map(|key| key.as_str().expect("a key")) {
            let encoded: String = form_urlencoded::byte_serialize(key.as_bytes()).collect();
            let target = format!("/{page}/{encoded}?span=all");
            let is_his = key.contains(SHOWN);
            let expected = if is_his { StatusCode::OK } else { StatusCode::NOT_FOUND };
            let answer = get(&site, &auditor, &target).await;
            assert_eq!(answer.status, expected, "{target}");
            assert!(is_his || !answer.text.contains(HIDDEN), "{target}: {}", answer.text);
            assert_eq!(get(&site, &STRANGER, &target).await.status, StatusCode::OK, "{target}");
        }
    }
    // Nor are batch headers and own lines.
    let header = get(&site, &auditor, "/api/v1/proofs/leaf/0").await;
    assert_eq!(header.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn counts_are_of_what_lies_within_and_the_page_says_so() {
    let site = site();
    let auditor = auditor(&site);
    for (target, key, expected) in [
        ("/api/v1/count", "matched", 2),
        ("/api/v1/count?q=path:secret/**", "matched", 2),
        ("/api/v1/count?from=2026-11-21", "matched", 0),
        ("/api/v1/count?distinct=identity", "distinct", 2),
        ("/api/v1/identities", "subjects", 2),
        ("/api/v1/status", "events", 2),
    ] {
        assert_eq!(parsed(&get(&site, &auditor, target).await)[key], json!(expected), "{target}");
    }
    let page = get(&site, &auditor, "/explore").await.text;
    assert!(page.contains("You see what fits") && page.contains("2 events</h2>"), "{page}");
    assert!(page.contains("t0, auditor") && !page.contains("No sign-in"), "{page}");
    let report = parsed(&get(&site, &auditor, "/reports/access.json").await);
    assert!(report["heading"]["notes"][0].as_str().expect("a note").contains("bound"), "{report}");
    let refused = get(&site, &auditor, "/api/v1/leases").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("it sees what fits"), "{}", refused.text);
    let open = get(&site, &STRANGER, "/explore").await.text;
    assert!(open.contains("No sign-in") && open.contains("6 events</h2>"), "{open}");
}

#[tokio::test]
async fn a_viewer_sees_no_raw_line() {
    let site = site();
    let (uid, ..) = events(&site).await.swap_remove(0);
    let shows = async |reader: Somebody| {
        let page = get(&site, &reader, &format!("/event/{uid}")).await;
        assert_eq!(page.status, StatusCode::OK);
        page.text.contains("class=\"raw\"")
    };
    assert!(!shows(with_token(&site, standing(Role::Viewer))).await);
    assert!(!shows(with_token(&site, standing(Role::Admin))).await);
    assert!(shows(with_token(&site, standing(Role::Analyst))).await);
}

#[tokio::test]
async fn a_live_tail_tells_what_lies_within() {
    let site = site();
    let auditor = auditor(&site);
    let request = request(&auditor, &Method::GET, "/api/v1/tail?after=0.0&all=true", "");
    let answer = site.router.clone().oneshot(request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let mut body = Box::pin(answer.into_body());
    let mut told = String::new();
    // The newest event of all is none of his: when both of his are told, that one was passed over.
    while told.matches("event: event").count() < 2 {
        let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await;
        let data = frame.expect("it goes on").expect("no error").into_data().expect("data");
        told.push_str(&String::from_utf8_lossy(&data));
    }
    assert!(told.contains("mine-1") && told.contains("mine-2"), "{told}");
    assert!(!told.contains(HIDDEN), "{told}");
    // With his token the tail ends.
    change(&site, |accounts| accounts.remove_token("t0"));
    while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await
    {
        let data = frame.expect("no error").into_data().expect("data");
        assert!(!String::from_utf8_lossy(&data).contains("event: event"), "he is told more");
    }
}
