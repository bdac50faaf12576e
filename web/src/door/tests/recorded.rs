//! What readers do stands in the ledger.

use ingest::own::Fact;
use serde_json::Value;

use super::*;

fn recorded(site: &Site) -> Vec<String> {
    let facts = std::mem::take(&mut *site.host.recorded.lock().expect("no panic"));
    let told = facts.into_iter().map(|fact| match fact {
        Fact::Asked { by, route, filter, address } => {
            format!("{by} {address} asks {route} {filter}")
        }
        Fact::Exported { by, what, filter, .. } => format!("{by} exports {what} {filter}"),
        Fact::LinesShown { by, leaves, .. } => format!("{by} is shown {leaves:?}"),
        Fact::LookedUp { by, address, .. } => format!("{by} {address:?} looks up"),
        other => panic!("{other:?}"),
    });
    told.collect()
}

#[tokio::test]
async fn each_deed_is_a_line_before_it_is_answered() {
    let site = Site::of_recording();
    let analyst = with_token(&site, standing(Role::Analyst));
    let events = get(&site, &analyst, "/api/v1/events?limit=1").await;
    let events: Value = serde_json::from_str(&events.text).expect("JSON");
    let uid = events["items"][0]["uid"].as_str().expect("a uid").to_owned();
    assert!(recorded(&site).is_empty(), "what has no filter is no search");
    let leaves = &events["items"][0]["leaves"];
    let shown = format!("token:t0 is shown {}", leaves.to_string().replace(',', ", "));
    let hash = format!("hmac-sha256:{}", "0".repeat(64));
    for (target, told) in [
        (
            "/explore?q=decision:denied".to_owned(),
            &["token:t0 unknown asks /explore decision:denied"][..],
        ),
        // Twice in a minute is once.
        ("/explore?q=decision:denied".to_owned(), &[]),
        ("/api/v1/count?q=path:x".to_owned(), &["token:t0 unknown asks /api/v1/count path:x"]),
        (
            "/reports/access?scope=path:y".to_owned(),
            &["token:t0 unknown asks /reports/access path:y"],
        ),
        ("/explore.csv".to_owned(), &["token:t0 exports events "]),
        ("/api/v1/events.csv?rows=true".to_owned(), &[]),
        ("/reports/access.csv".to_owned(), &["token:t0 exports access report "]),
        (format!("/event/{uid}"), &[&*shown]),
        (format!("/api/v1/lookup?hmac={hash}"), &["token:t0 Some(\"unknown\") looks up"]),
    ] {
        assert_eq!(get(&site, &analyst, &target).await.status, StatusCode::OK, "{target}");
        assert_eq!(recorded(&site), told, "{target}");
    }
    get(&site, &analyst, "/path/secret%2Fx?span=all").await;
    assert_eq!(recorded(&site), ["token:t0 unknown asks /path/{path} /path/secret%2Fx"]);
    for number in 0..2 * deeds::DEEDS_MAX {
        get(&site, &analyst, &format!("/explore?q=path:{number}")).await;
    }
    assert!(recorded(&site).len() < deeds::DEEDS_MAX, "a storm does not flood the ledger");
    // Before there are users there is nobody to name.
    get(&site, &STRANGER, "/explore?q=path:x").await;
    assert!(recorded(&site).is_empty());
}
