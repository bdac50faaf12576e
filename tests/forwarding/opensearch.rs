//! A real OpenSearch: what is deleted, altered and doubled there, and what its own query over control totals shows.

use serde_json::json;

use super::altered::listed;
use super::totals::over_hours;
use super::*;
use crate::util::{OpenSearch, real_servers_are_wanted};

/// Where it is tampered with, and where the same events stay as they are.
const STREAM: &str = "/logs-keytrail-default";
const OTHER: &str = "/logs-keytrail-other";
const EVENTS: i64 = 300;

/// The hours in which there is something else than was said: what is there, and what was said.
fn differing(cluster: &OpenSearch, stream: &str, assets: &Path) -> BTreeMap<String, (u64, u64)> {
    let text = fs::read_to_string(assets.join("control-totals.json")).unwrap();
    let mut query: Value = serde_json::from_str(&text).unwrap();
    // The lines of this test are of a day of its own.
    query["query"]["range"]["@timestamp"]["gte"] = json!("1970-01-01T00:00:00Z");
    let found = cluster.ask("POST", &format!("{stream}/_search"), &query);
    let hours = found["aggregations"]["hours"]["buckets"].as_array().unwrap();
    let count = |value: &Value| value.as_f64().unwrap_or(0.0) as u64;
    let of = |hour: &Value| {
        let said = count(&hour["totals"]["said"]["value"]);
        (
            hour["key_as_string"].as_str().unwrap()[..13].to_owned(),
            (count(&hour["has"]["doc_count"]), said),
        )
    };
    hours.iter().map(of).collect()
}

fn documents(cluster: &OpenSearch, stream: &str, query: &Value) -> Vec<Value> {
    cluster.ask("POST", &format!("{stream}/_refresh"), &Value::Null);
    let asked = json!({"size": 10_000, "query": query, "sort": ["@timestamp"]});
    let found = cluster.ask("POST", &format!("{stream}/_search"), &asked);
    found["hits"]["hits"].as_array().unwrap().clone()
}

fn events_there(cluster: &OpenSearch, stream: &str) -> Vec<Value> {
    documents(cluster, stream, &json!({"term": {"event.kind": "event"}}))
}

fn totals_say(cluster: &OpenSearch, stream: &str) -> u64 {
    let totals = documents(cluster, stream, &json!({"term": {"event.kind": "metric"}}));
    let events =
        |total: &Value| total["_source"]["keytrail"]["control"]["events"].as_u64().unwrap();
    totals.iter().map(events).sum()
}

/// Writes our templates into a folder, and loads them.
pub(super) fn load_templates(cluster: &OpenSearch, assets: &Path) {
    let folder = assets.to_str().unwrap();
    let run = Run::of(keytrail().args(["forward", "assets", "opensearch", "-o", folder]));
    for line in run.expect(0).text().lines() {
        let (file, goes_to) = line.split_once("  ").unwrap();
        // This distribution comes without the plugin for life cycles.
        if let Some(target) = goes_to.strip_prefix("PUT ").filter(|to| !to.contains("/_plugins/")) {
            let body = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
            cluster.ask("PUT", target, &body);
        }
    }
}

#[test]
fn a_real_cluster_is_found_out_by_reconcile_and_by_its_own_query() {
    if !real_servers_are_wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = OpenSearch::start(&folder.path().join("node"));
    let setup = Setup::new(&over_hours(0..EVENTS));
    let assets = setup.path("assets");
    load_templates(&cluster, &assets);
    let sink = |name: &str, stream: &str| {
        format!(
            "[[sink]]\nname = \"{name}\"\ntype = \"opensearch\"\nurl = \"http://{}\"\ndata_stream = \"{}\"\nbatch_events = 20\n",
            cluster.address,
            &stream[1..]
        )
    };
    let sinks = sink("os", STREAM) + &sink("other", OTHER);
    let server = setup.run(&sinks);
    for (name, stream) in [("os", STREAM), ("other", OTHER)] {
        setup.done(name, EVENTS as u64);
        until("totals are there", DEADLINE, || {
            (totals_say(&cluster, stream) == EVENTS as u64).then_some(())
        });
    }
    let none = BTreeMap::new();
    assert_eq!(differing(&cluster, STREAM, &assets), none);
    assert_eq!(events_there(&cluster, STREAM).len(), EVENTS as usize);
    let config = setup.path("keytrail.toml");
    let reconcile = |more: &[&str], code: i32| {
        let arguments = ["reconcile", "os", "-c", config.to_str().unwrap(), "--format", "json"];
        setup.data.forward(&[&arguments[..], more].concat()).expect(code)
    };
    assert!(reconcile(&[], 0).text().is_empty());
    // Somebody rolls over, deletes 7 of one hour, doubles 2 of another, and alters 3.
    let before = events_there(&cluster, STREAM);
    cluster.ask("POST", &format!("{STREAM}/_rollover"), &Value::Null);
    let id = |hit: &Value| hit["_id"].as_str().unwrap().to_owned();
    let index = |hit: &Value| hit["_index"].as_str().unwrap().to_owned();
    let of_hour = |hour: &str| -> Vec<Value> {
        let is = |hit: &&Value| hit["_source"]["@timestamp"].as_str().unwrap().starts_with(hour);
        before.iter().filter(is).cloned().collect()
    };
    let (first, second) = (of_hour("2026-10-05T09"), of_hour("2026-10-05T12"));
    assert_eq!((first.len(), second.len()), (30, 30));
    for hit in &first[..7] {
        cluster.ask("DELETE", &format!("/{}/_doc/{}", index(hit), id(hit)), &Value::Null);
    }
    for hit in &second[..2] {
        cluster.ask("PUT", &format!("{STREAM}/_create/{}", id(hit)), &hit["_source"]);
    }
    for hit in &first[20..23] {
        let mallory = json!({"doc": {"user": {"name": "mallory"}}});
        cluster.ask("POST", &format!("/{}/_update/{}", index(hit), id(hit)), &mallory);
    }
    cluster.ask("POST", &format!("{STREAM}/_refresh"), &Value::Null);
    let rows = reconcile(&[], 1).json();
    let of = |hits: &[Value]| -> BTreeSet<String> { hits.iter().map(id).collect() };
    let expected = [
        ("altered", of(&first[20..23])),
        ("doubled", of(&second[..2])),
        ("missing", of(&first[..7])),
    ];
    let expected = expected.map(|(what, uids)| (what.to_owned(), uids));
    assert_eq!((rows.len(), listed(&rows)), (12, BTreeMap::from(expected)));
    let altered = rows.iter().find(|row| row["is"] == "altered").unwrap();
    assert_eq!(altered["fields"], json!(["user.name"]));
    // The totals alone show both hours.
    let shown = [("2026-10-05T09", (23, 30)), ("2026-10-05T12", (32, 30))];
    let shown = shown.map(|(hour, counts)| (hour.to_owned(), counts));
    assert_eq!(differing(&cluster, STREAM, &assets), BTreeMap::from(shown));
    // What is missing is sent again; what was altered is left as it is.
    reconcile(&["--resend"], 1);
    until("it is there again", DEADLINE, || {
        (events_there(&cluster, STREAM).len() == EVENTS as usize + 2).then_some(())
    });
    let rows = reconcile(&[], 1).json();
    assert_eq!(listed(&rows).into_keys().collect::<Vec<_>>(), ["altered", "doubled"]);
    server.terminate();
    // A data folder that is made anew stores nothing again, and says the same again.
    fs::remove_dir_all(setup.data.path()).unwrap();
    let server = setup.run(&sinks);
    setup.done("other", EVENTS as u64);
    until("it was said again", DEADLINE, || {
        (totals_say(&cluster, OTHER) == 2 * EVENTS as u64).then_some(())
    });
    assert_eq!(events_there(&cluster, OTHER).len(), EVENTS as usize);
    assert_eq!(differing(&cluster, OTHER, &assets), none);
    server.terminate();
}
