//! The API as a program sees it.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use ingest::own::Fact;
use serde_json::{Value, json};

use crate::tests::{Answer, Site};

fn parsed(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {}", answer.text))
}

fn post(body: &str) -> Request<Body> {
    Request::post("/api/v1/lookup")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .expect("a request")
}

#[test]
fn the_document_in_docs_is_the_one_that_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let document = super::document();
    if std::env::var_os("KEYTRAIL_BLESS").is_some() {
        std::fs::write(path, &document).expect("written");
    }
    let kept = std::fs::read_to_string(path).expect("docs/openapi.json");
    assert!(
        kept == document,
        "docs/openapi.json is not what the code says; KEYTRAIL_BLESS=1 cargo test --workspace --lib -- api:: writes it"
    );
}

#[tokio::test]
async fn pages_of_events_leave_nothing_out_and_repeat_nothing() {
    let site = Site::of_recording();
    let all = site.get("/api/v1/events.ndjson?limit=0&rows=true").await;
    let all: Vec<Value> =
        all.text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    let (mut rows, mut next) = (Vec::new(), String::new());
    loop {
        let page = site.get(&format!("/api/v1/events?limit=5&rows=true&page={next}")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let page = parsed(&page);
        assert_eq!(page["matched"], json!(all.len()));
        rows.extend(page["items"].as_array().expect("rows").iter().cloned());
        match page["next"].as_str() {
            Some(token) => token.clone_into(&mut next),
            None => break,
        }
    }
    assert!(all.len() > 20, "{} events need several pages", all.len());
    assert!(rows == all, "{} rows in pages, {} at once", rows.len(), all.len());
}

#[tokio::test]
async fn every_form_of_an_answer_has_the_same_rows() {
    let site = Site::of_recording();
    let object = parsed(&site.get("/api/v1/count?by=identity,decision").await);
    let items = object["items"].as_array().expect("groups");
    assert_eq!(object["groups"], json!(items.len()));
    let total: u64 = items.iter().map(|item| item["count"].as_u64().expect("a count")).sum();
    assert_eq!(object["matched"], json!(total));
    let lines = site.get("/api/v1/count.ndjson?by=identity,decision").await;
    let lines: Vec<Value> =
        lines.text.lines().map(|line| serde_json::from_str(line).expect("a group")).collect();
    assert_eq!(&lines, items);
    let csv = site.get("/api/v1/count.csv?by=identity,decision").await;
    assert_eq!(csv.text.lines().count(), items.len() + 1);
    assert_eq!(csv.headers["keytrail-matched"], total.to_string());
    assert_eq!(csv.headers["keytrail-leaf"], object["leaf"].to_string());
}

#[tokio::test]
async fn lists_of_identities_and_paths_page_as_of_their_first_page() {
    let site = Site::of_recording();
    for (list, by) in [("identities", "identity"), ("paths", "ns,path")] {
        let whole = parsed(&site.get(&format!("/api/v1/{list}?limit=1000")).await);
        let counted =
            parsed(&site.get(&format!("/api/v1/count?by={by}&at={}", whole["leaf"])).await);
        assert_eq!(whole["subjects"], counted["groups"], "{list}");
        assert_eq!(whole["matched"], counted["matched"], "{list}");
        let items = whole["items"].as_array().expect("rows");
        let requests = |of: &Value| of["requests"].as_u64().expect("a count");
        assert_eq!(json!(items.iter().map(requests).sum::<u64>()), whole["matched"], "{list}");
        let (mut paged, mut next) = (Vec::new(), String::new());
        loop {
            let page = parsed(&site.get(&format!("/api/v1/{list}?limit=1&page={next}")).await);
            paged.extend(page["items"].as_array().expect("rows").iter().cloned());
            match page["next"].as_str() {
                Some(token) => token.clone_into(&mut next),
                None => break,
            }
        }
        assert_eq!(&paged, items, "{list}");
        assert!(items.len() > 1, "{list} need several pages");
        let other = site.get(&format!("/api/v1/{list}?q=decision:denied&page={next}")).await;
        assert_eq!(other.status, StatusCode::BAD_REQUEST, "{}", other.text);
    }
}

#[tokio::test]
async fn what_is_asked_of_groups_is_told_of_all_events_too() {
    let site = Site::of_recording();
    let of = parsed(&site.get("/api/v1/count?by=decision&first_last=true&latency=true").await);
    let firsts = of["items"].as_array().expect("groups").iter().map(|group| &group["first"]);
    assert_eq!(firsts.filter_map(Value::as_str).min(), of["first"].as_str());
    assert!(of["latency"]["p99"].as_i64() >= of["latency"]["p50"].as_i64(), "{of}");
    let distinct = parsed(&site.get("/api/v1/count?distinct=path").await);
    let paths = parsed(&site.get("/api/v1/count?by=path").await);
    let named = paths["items"].as_array().expect("groups").iter();
    let named = named.filter(|group| !group["path"].is_null()).count();
    assert_eq!(distinct["distinct"], json!(named));
}

#[tokio::test]
async fn an_event_has_neighbours_and_a_term_has_endings() {
    let site = Site::of_recording();
    let events = parsed(&site.get("/api/v1/events?rows=true&q=has:error&limit=1").await);
    let uid = events["items"][0]["uid"].as_str().expect("a uid").to_owned();
    let context = site.get(&format!("/api/v1/events/{uid}/context?by=node&limit=2")).await;
    let context = parsed(&context);
    assert_eq!(context["event"]["uid"], json!(uid));
    let neighbours = ["before", "after"].map(|side| context[side].as_array().expect("rows").len());
    assert!(neighbours.iter().sum::<usize>() >= 2, "{neighbours:?}");
    let completion = parsed(&site.get("/api/v1/completion?typed=decision:").await);
    let decisions = parsed(&site.get("/api/v1/count?by=decision&all=true").await);
    let terms = completion["proposals"].as_array().expect("proposals");
    for group in decisions["items"].as_array().expect("groups") {
        let term = format!("decision:{}", group["decision"].as_str().expect("a word"));
        let proposal = terms.iter().find(|proposal| proposal["term"] == json!(term));
        assert_eq!(proposal.expect("proposed")["count"], group["count"], "{term}");
    }
}

#[tokio::test]
async fn a_cut_answer_says_what_is_not_in_it() {
    let site = Site::of_recording();
    let all = parsed(&site.get("/api/v1/count?by=path").await);
    let cut = parsed(&site.get("/api/v1/count?by=path&limit=2").await);
    let items = all["items"].as_array().expect("groups");
    let rest: u64 = items[2..].iter().map(|item| item["count"].as_u64().expect("a count")).sum();
    assert_eq!(cut["items"], json!(items[..2]));
    assert_eq!((&cut["groups"], &cut["others"]), (&json!(items.len()), &json!(rest)));
    let facets = parsed(&site.get("/api/v1/facets?fields=path&limit=2").await);
    assert_eq!(facets["items"][0]["others"], json!(rest));
    assert_eq!(facets["items"][0]["distinct"], json!(items.len()));
}

#[tokio::test]
async fn mistakes_are_problems_that_name_their_place() {
    let site = Site::of_recording();
    for (target, status, member, value) in [
        ("events?q=a+decison:denied", 400, "position", json!({"start": 2, "end": 9})),
        ("events?q=decison:denied", 400, "suggestion", json!("decision")),
        ("count?by=pth", 400, "parameter", json!("by")),
        ("count?by=decision&interval=7m", 400, "parameter", json!("interval")),
        ("histogram?by=decision,path", 400, "parameter", json!("by")),
        ("events?from=yesterday", 400, "parameter", json!("from")),
        ("events?limit=0", 400, "parameter", json!("limit")),
        ("events?page=abc", 400, "parameter", json!("page")),
        ("events?nope=1", 400, "status", json!(400)),
        ("lines/18446744073709551615", 404, "status", json!(404)),
        ("proofs/leaf/99999999", 404, "status", json!(404)),
        ("count?at=99999999", 400, "status", json!(400)),
        ("events/0", 404, "status", json!(404)),
        ("nothing", 404, "status", json!(404)),
        ("lookup?hmac=abc", 400, "parameter", json!("hmac")),
    ] {
        let answer = site.get(&format!("/api/v1/{target}")).await;
        assert_eq!(answer.status.as_u16(), status, "{target}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{target}");
        assert_eq!(parsed(&answer)[member], value, "{target}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_look_up_is_recorded_before_it_is_answered() {
    let site = Site::of_recording();
    let hash = format!("hmac-sha256:{}", "0".repeat(64));
    let answer = site.get(&format!("/api/v1/lookup?hmac={hash}")).await;
    assert_eq!(parsed(&answer)["items"][0]["what"], json!("not_found"));
    let recorded = site.host.recorded.lock().expect("no panic");
    assert!(
        matches!(&recorded[..], [Fact::LookedUp { by, hashes, .. }] if *hashes == [hash] && by == "web, not signed in"),
        "{recorded:?}"
    );
}

#[tokio::test]
async fn a_posted_value_is_in_no_answer() {
    let site = Site::of_recording();
    let value = "v-kubernet-my-app-SECRET";
    for body in [
        json!({ "value": value }).to_string(),
        json!({ "value": value, "hmac": ["x"] }).to_string(),
        format!("{{\"valu\": \"{value}\"}}"),
        format!("{{\"value\": {value}}}"),
        value.to_owned(),
    ] {
        let answer = site.send(post(&body)).await;
        assert!(answer.status.is_client_error(), "{body}: {}", answer.status);
        assert!(!answer.text.contains("SECRET"), "{body}: {}", answer.text);
    }
    let no_server = site.send(post(&json!({ "value": value }).to_string())).await;
    assert_eq!(no_server.status, StatusCode::CONFLICT, "{}", no_server.text);
    let page = Request::post("/lookup")
        .header("host", "localhost")
        .body(Body::from(format!("value={value}")));
    let page = site.send(page.expect("a request")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.text.contains("no server is configured") && !page.text.contains("SECRET"));
}

#[tokio::test]
async fn another_sites_page_may_not_post() {
    let site = Site::of_recording();
    for (origin, refused) in [
        ("http://evil.example", true),
        ("null", true),
        ("https://localhost", true),
        ("http://localhost:1", true),
        ("http://localhost", false),
    ] {
        let mut request = post("{}");
        request.headers_mut().insert("origin", origin.parse().expect("a header"));
        let answer = site.send(request).await;
        assert_eq!(answer.status == StatusCode::FORBIDDEN, refused, "{origin}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_request_keeps_its_id_if_that_is_plain() {
    let site = Site::of_recording();
    for (id, kept) in [("abc-1.2_3", true), ("a b", false), (&*"x".repeat(65), false)] {
        let request =
            Request::get("/api/v1/verify").header("host", "localhost").header("x-request-id", id);
        let answer = site.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.headers["x-request-id"] == id, kept, "{id}");
        assert!(!answer.headers["x-request-id"].is_empty());
    }
}

#[tokio::test]
async fn lines_are_shown_without_what_may_be_secret() {
    let site = Site::of_recording();
    let event = parsed(&site.get("/api/v1/events?q=decision:allowed&limit=1").await);
    let leaf = event["items"][0]["leaves"][0].as_u64().expect("a leaf");
    let line = parsed(&site.get(&format!("/api/v1/lines/{leaf}")).await);
    let text = line["text"].as_str().expect("a text");
    assert!(text.contains("\"type\":\"request\""), "{text}");
    let proof = site.get(&format!("/api/v1/proofs/leaf/{leaf}")).await;
    assert!(proof.text.starts_with("c2sp.org/tlog-proof@v1\n"), "{}", proof.text);
    assert!(proof.text.contains(&format!("\nindex {leaf}\n")), "{}", proof.text);
    let checkpoint = site.get("/api/v1/checkpoint").await;
    assert!(proof.text.ends_with(&checkpoint.text), "the proof is under the checkpoint");
}
