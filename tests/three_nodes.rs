//! A cluster of three, its leader killed and another stepping down: against `fixtures/expected/ha.tsv`,
//! which was worked out from the client's record without keytrail.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

use crate::util::{Data, Server, fixture, fixture_text, get, visible_text};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// The cluster's recording, imported once for the tests that only read it.
fn cluster() -> &'static Data {
    static IMPORTED: OnceLock<Data> = OnceLock::new();
    IMPORTED.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("three-nodes");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        imported(Data::at(&folder.join("data")), NODES)
    })
}

/// Imports the three files, one command each.
fn imported(data: Data, nodes: [&str; 3]) -> Data {
    for node in nodes {
        let file = fixture(&format!("openbao-2.7.2/ha/{node}.audit.jsonl.gz"));
        data.import_as("ha", node, [file]);
    }
    data
}

/// One row of `ha.tsv`, by its columns' names.
fn expected() -> Vec<HashMap<String, String>> {
    let text = fixture_text("expected/ha.tsv");
    let mut lines = text.lines().map(|line| line.split('\t'));
    let names: Vec<&str> = lines.next().unwrap().collect();
    lines
        .map(|cells| {
            names.iter().map(|&name| name.to_owned()).zip(cells.map(str::to_owned)).collect()
        })
        .collect()
}

#[test]
fn every_request_of_every_node_is_what_the_expected_list_says() {
    let mut events: HashMap<(String, String), Value> = HashMap::new();
    for event in cluster().search("") {
        let key = (
            event["node"].as_str().unwrap().to_owned(),
            event["request_id"].as_str().unwrap().to_owned(),
        );
        assert!(events.insert(key.clone(), event).is_none(), "{key:?} is there twice");
    }
    let mut wrong = Vec::new();
    for row in expected() {
        let Some(event) = events.remove(&(row["node"].clone(), row["request_id"].clone())) else {
            wrong.push(format!("no event: {row:?}"));
            continue;
        };
        let fields = ["operation", "path", "decision", "reason", "outcome"]
            .map(|name| (event[name].as_str().unwrap_or("-"), &row[name]));
        if fields.iter().any(|(got, expected)| got != expected) {
            wrong.push(format!("{} {}: got and expected {fields:?}", row["node"], row["lines"]));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(events.is_empty(), "events that no request made: {:?}", events.keys());
}

#[test]
fn nothing_is_counted_twice() {
    let data = cluster();
    let by_node: BTreeMap<String, u64> =
        NODES.map(str::to_owned).into_iter().zip([84, 60, 28]).collect();
    assert_eq!(data.count("", "node"), by_node);
    for (filter, count) in [
        ("", 172),
        ("action:auth.login decision:allowed", 8),
        ("action:auth.login decision:denied", 7),
        ("action:auth.login", 15),
        ("is:forwarded", 58),
        ("is:forwarded action:auth.login", 6),
        ("path:secret/data/my-app/* op:create,update", 33),
        ("path:secret/data/my-app/* op:create,update node:node-3", 0),
        ("path:secret/data/my-app/* op:read outcome:success", 36),
        ("path:secret/data/my-app/* op:read outcome:success node:node-3", 15),
        ("path:secret/data/my-app/* op:read outcome:not_found", 15),
        ("reason:token", 14),
        ("reason:policy decision:denied", 7),
        ("reason:root", 37),
        ("is:unanswered", 0),
    ] {
        assert_eq!(data.total(filter), count, "{filter:?}");
    }
}

#[test]
fn what_was_handed_on_while_there_was_no_leader_has_no_twin() {
    let lost: BTreeSet<String> = expected()
        .into_iter()
        .filter(|row| row["kind"] == "forwarded" && row["twin"] == "-")
        .map(|row| row["request_id"].clone())
        .collect();
    assert_eq!(lost.len(), 18);
    let found: BTreeSet<String> = cluster()
        .search("is:no_twin")
        .iter()
        .map(|event| event["request_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(found, lost);
}

#[test]
fn the_order_in_which_the_nodes_are_imported_does_not_matter() {
    let data = imported(Data::new(), ["node-3", "node-2", "node-1"]);
    let uids = |data: &Data, filter: &str| -> BTreeSet<String> {
        data.search(filter).iter().map(|event| event["uid"].as_str().unwrap().to_owned()).collect()
    };
    for filter in ["", "is:no_twin", "is:forwarded"] {
        assert_eq!(uids(&data, filter), uids(cluster(), filter), "{filter:?}");
    }
}

#[test]
fn page_and_commands_agree() {
    // A folder of its own: the server is its one writer.
    let data = imported(Data::new(), NODES);
    let server = Server::start(&data, &[]);
    for (filter, encoded) in
        [("", ""), ("node:node-2", "node%3Anode-2"), ("action:auth.login", "action%3Aauth.login")]
    {
        let total = data.total(filter);
        let text = visible_text(&get(&server.address, &format!("/explore?q={encoded}")).body);
        assert!(
            numbers(&text).contains(&total),
            "/explore?q={filter} does not show {total}:\n{text}"
        );
        let rows =
            data.run("search", [filter, "--limit", "0", "--format", "json"]).expect(0).json();
        assert_eq!(rows.len() as u64, total, "search and count of {filter:?}");
    }
}

#[test]
fn the_event_page_shows_the_two_lines_as_they_stand_in_the_file() {
    let data = imported(Data::new(), NODES);
    let server = Server::start(&data, &[]);
    let file = String::from_utf8(data.cat("ha/node-1/file")).unwrap();
    assert_eq!(file, fixture_text("openbao-2.7.2/ha/node-1.audit.jsonl.gz"));
    // Refused reads: all that stands in their data is hashed, so nothing of the lines may be withheld.
    let rows: Vec<_> = expected()
        .into_iter()
        .filter(|row| row["node"] == "node-1" && row["path"] == "secret/data/other/x")
        .collect();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let events = data.search(&format!("request:{}", row["request_id"]));
        let uid = events[0]["uid"].as_str().unwrap();
        let text = visible_text(&get(&server.address, &format!("/event/{uid}")).body);
        for number in row["lines"].split(',') {
            let line = file.lines().nth(number.parse::<usize>().unwrap() - 1).unwrap();
            assert!(
                text.contains(line),
                "line {number} is not on the page of {uid}:\n{line}\n{text}"
            );
        }
    }
}

/// Returns every whole number in a text; thousands may be set apart by a comma or a narrow or fixed space.
fn numbers(text: &str) -> BTreeSet<u64> {
    let text: Vec<char> = text.chars().collect();
    let mut found = BTreeSet::new();
    let mut digits = String::new();
    for (place, &character) in text.iter().enumerate() {
        let between = matches!(character, ',' | '\u{a0}' | '\u{202f}' | '\u{2009}');
        let apart = between
            && text[place + 1..].iter().take(3).filter(|next| next.is_ascii_digit()).count() == 3;
        match character {
            _ if character.is_ascii_digit() => digits.push(character),
            _ if apart && !digits.is_empty() => {}
            _ => {
                found.extend(digits.parse::<u64>());
                digits.clear();
            }
        }
    }
    found.extend(digits.parse::<u64>());
    found
}
