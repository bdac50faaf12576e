//! The recording of a real OpenBao, against what its client wrote down.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::util::{Data, fixture, fixture_text, json_lines, main_recording};

/// Decision and outcomes that fit what the client was told. Nothing here reads the audit log.
pub(crate) fn expected(status: u64, path: &str) -> (&'static str, &'static [&'static str]) {
    let login = path.starts_with("auth/") && path.contains("/login");
    match status {
        // The log is the same whether these were carried out or refused.
        _ if path == "sys/seal" || path == "sys/step-down" => ("unknown", &["unknown"]),
        200 | 202 | 204 => ("allowed", &["success"]),
        400 if login || path.starts_with("sys/wrapping/") => ("denied", &["refused"]),
        400 | 405 => ("allowed", &["client_error"]),
        403 => ("denied", &["refused"]),
        404 => ("allowed", &["not_found", "client_error"]),
        429 => ("denied", &["throttled"]),
        500 if login => ("unknown", &["server_error"]),
        500 => ("allowed", &["server_error"]),
        _ => panic!("no audited request of the recordings ended with {status}: {path}"),
    }
}

/// Says how an event differs from what the client was told, if it does.
fn difference(event: &Value, status: u64, path: &str) -> Option<String> {
    let (decision, outcomes) = expected(status, path);
    let right = event["decision"] == decision
        && outcomes.iter().any(|&outcome| event["outcome"] == outcome);
    let got = format!("{} {} {}", event["decision"], event["reason"], event["outcome"]);
    (!right)
        .then(|| format!("{path}: HTTP {status} is {decision} {outcomes:?}, keytrail says {got}"))
}

#[test]
fn every_audited_request_is_found_and_decided_as_the_client_saw_it() {
    let mut by_header: HashMap<String, Vec<Value>> = HashMap::new();
    for event in main_recording().search("") {
        if let Some(header) = event["headers"]["x-correlation-id"][0].as_str() {
            by_header.entry(header.to_owned()).or_default().push(event);
        }
    }
    let (mut wrong, mut http, mut clients) = (Vec::new(), 0, 0);
    for row in json_lines(&fixture_text("openbao-2.7.2/truth.jsonl.gz")) {
        let found = by_header.remove(row["corr"].as_str().unwrap()).unwrap_or_default();
        let (status, path) = (row["status"].as_u64().unwrap(), row["path"].as_str().unwrap());
        match (row["client"].as_str().unwrap(), row["audited"].as_bool().unwrap()) {
            ("http", true) => {
                http += 1;
                match &found[..] {
                    [event] => wrong.extend(difference(event, status, path)),
                    _ => {
                        wrong.push(format!("{path}: {} events for row {}", found.len(), row["seq"]))
                    }
                }
            }
            // One command of a client is up to four requests.
            (_, true) => {
                clients += 1;
                assert!(!found.is_empty(), "no event for {row}");
            }
            (_, false) => assert!(
                found.is_empty(),
                "an event for a request that the server does not audit: {row}"
            ),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!((http, clients), (3022, 37));
    assert!(
        by_header.is_empty(),
        "events with a header that no client sent: {:?}",
        by_header.keys()
    );
}

#[test]
fn the_numbers_of_the_recording() {
    let data = main_recording();
    assert_eq!(data.search("").len(), 3070);
    assert_eq!(data.status_of("events"), 3070);
    assert_eq!(data.status_of("undecodable"), 0);
    // Four turned away by the rate limit, an invalid wrapping token, seal and step-down never get a
    // response line; the probe of the device is not a client's.
    let left_out = data.search("is:system").len();
    assert_eq!(left_out, 1);
    assert_eq!(data.total(""), 3069);
    let by_operation = data.count("", "op");
    let mut ids: BTreeMap<String, BTreeMap<String, ()>> = BTreeMap::new();
    for name in ["audit.jsonl.1.gz", "audit.jsonl.gz"] {
        for line in json_lines(&fixture_text(&format!("openbao-2.7.2/{name}"))) {
            let request = &line["request"];
            if request["path"] != "sys/audit/test" {
                let operation = request["operation"].as_str().unwrap().to_owned();
                ids.entry(operation)
                    .or_default()
                    .insert(request["id"].as_str().unwrap().to_owned(), ());
            }
        }
    }
    let counted: BTreeMap<String, u64> =
        ids.into_iter().map(|(operation, ids)| (operation, ids.len() as u64)).collect();
    assert_eq!(by_operation, counted);
}

#[test]
fn identities_are_the_clients_own() {
    let names: HashMap<String, Value> = main_recording()
        .search("")
        .into_iter()
        .filter_map(|event| {
            Some((
                event["headers"]["x-correlation-id"][0].as_str()?.to_owned(),
                event["identity"].clone(),
            ))
        })
        .collect();
    for row in json_lines(&fixture_text("openbao-2.7.2/truth.jsonl.gz")) {
        // Who logs in is known only where it succeeded; two pods of a service account are one identity;
        // a token made by another one bears a name of its own.
        let (name, method) = (
            row["identity"]["name"].as_str().unwrap(),
            row["identity"]["auth_method"].as_str().unwrap(),
        );
        let named =
            matches!(method, "kubernetes" | "userpass" | "approle") && row["client"] == "http";
        if named && row["got"] == "allowed" && row["audited"] == true {
            let identity = &names[row["corr"].as_str().unwrap()];
            let known = identity["names"].as_array().unwrap();
            let name = name.split('#').next().unwrap();
            assert!(
                identity["name"] == name || known.iter().any(|known| known == name),
                "{row}\n{identity}"
            );
        }
    }
}

#[test]
fn one_request_of_each_kind_is_decided_as_its_status_says() {
    let data = Data::new();
    data.import([fixture("samples/openbao-2.7.2-recorded/hashed.ndjson")]);
    let mut by_id: HashMap<String, Value> = data
        .search("")
        .into_iter()
        .map(|event| (event["request_id"].as_str().unwrap().to_owned(), event))
        .collect();
    let mut wrong = Vec::new();
    let mut rows = 0;
    for row in fixture_text("samples/openbao-2.7.2-recorded/labels.tsv").lines().skip(1) {
        let [id, scenario, request, status, class] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{row:?} has not five columns")
        };
        if class == "not_audited" {
            continue;
        }
        rows += 1;
        let path = request.split([' ', '?']).nth(1).unwrap();
        match by_id.remove(id) {
            Some(event) => {
                wrong.extend(
                    difference(&event, status.parse().unwrap(), path)
                        .map(|text| format!("{scenario}: {text}")),
                );
                let reason = match class {
                    "denied_policy" => "policy",
                    "denied_unauthenticated" => "token",
                    "auth_failure" if path.starts_with("auth/") => "login",
                    "auth_failure" => "wrapping",
                    "login_success" => "login",
                    "throttled" => "quota",
                    "unknown_outcome" => "not_recorded",
                    _ => continue,
                };
                if event["reason"] != reason {
                    wrong.push(format!(
                        "{scenario}: reason {} where {reason} is right",
                        event["reason"]
                    ));
                }
            }
            None => wrong.push(format!("{scenario}: no event has its request id {id}")),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(rows, 64);
    // What is left is the probe of the device, which no client sent.
    assert!(by_id.values().all(|event| event["reason"] == "system"), "{by_id:?}");
}
