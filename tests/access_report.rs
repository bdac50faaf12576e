//! `report access`: its rows add up to its totals, to `count`, and to what the clients were told.

use std::collections::{BTreeMap, HashMap};
use std::fs;

use serde_json::{Value, json};

use crate::main_recording::expected;
use crate::util::{
    Data, Run, Server, fixture_text, get, json_lines, main_recording, python, visible_text,
};

/// Writes the report over everything and reads it.
fn report(by: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.json");
    let mut arguments = vec!["access", "--by", by, "--format", "json", "-o"];
    arguments.push(file.to_str().unwrap());
    main_recording().run("report", arguments).expect(0);
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn number(row: &Value, name: &str) -> u64 {
    row[name].as_u64().unwrap_or_else(|| panic!("no number {name} in {row}"))
}

/// Sums a map of reasons.
fn sum(reasons: &Value) -> u64 {
    reasons
        .as_object()
        .expect("a map of reasons")
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum()
}

#[test]
fn rows_add_up_to_the_totals_and_to_count() {
    let data = main_recording();
    for by in ["identity", "path", "decision"] {
        let report = report(by);
        let rows = report["rows"].as_array().unwrap();
        let totals = &report["totals"];
        for column in ["requests", "access", "allowed_not_found", "allowed_errors", "allowed_other"]
        {
            let added: u64 = rows.iter().map(|row| number(row, column)).sum();
            assert_eq!(added, number(totals, column), "{column} by {by}");
        }
        for row in rows.iter().chain([totals]) {
            let parts = ["access", "allowed_not_found", "allowed_errors", "allowed_other"]
                .map(|column| number(row, column))
                .iter()
                .sum::<u64>();
            assert_eq!(
                parts + sum(&row["denied"]) + sum(&row["unknown"]),
                number(row, "requests"),
                "{row}"
            );
            let operations = row["operations"]
                .as_object()
                .unwrap()
                .values()
                .map(|count| count.as_u64().unwrap())
                .sum::<u64>();
            assert_eq!(operations, number(row, "requests"), "{row}");
        }
        assert_eq!(number(totals, "requests"), data.total(""));
        assert_eq!(number(totals, "access"), data.total("decision:allowed outcome:success"));
        assert_eq!(sum(&totals["denied"]), data.total("decision:denied"));
    }
}

#[test]
fn paths_are_those_of_the_log() {
    // Read here from the log itself, request by request.
    let mut by_path: BTreeMap<(String, String), HashMap<String, ()>> = BTreeMap::new();
    for name in ["audit.jsonl.1.gz", "audit.jsonl.gz"] {
        for line in json_lines(&fixture_text(&format!("openbao-2.7.2/{name}"))) {
            let request = &line["request"];
            let namespace = request["namespace"]["path"].as_str().unwrap_or_default().to_owned();
            let path = request["path"].as_str().unwrap().to_owned();
            if path != "sys/audit/test" {
                by_path
                    .entry((namespace, path))
                    .or_default()
                    .insert(request["id"].as_str().unwrap().to_owned(), ());
            }
        }
    }
    let expected: BTreeMap<(String, String), u64> =
        by_path.into_iter().map(|(key, ids)| (key, ids.len() as u64)).collect();
    let found: BTreeMap<(String, String), u64> = report("path")["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            ((text("namespace"), text("key")), number(row, "requests"))
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn decisions_are_what_the_clients_were_told() {
    // Only the http client's rows are one request each; the other clients' are counted by their header.
    let data = main_recording();
    let headers: HashMap<String, &str> = json_lines(&fixture_text("openbao-2.7.2/truth.jsonl.gz"))
        .into_iter()
        .filter(|row| row["client"] == "http" && row["audited"] == true)
        .map(|row| {
            (
                row["corr"].as_str().unwrap().to_owned(),
                expected(row["status"].as_u64().unwrap(), row["path"].as_str().unwrap()).0,
            )
        })
        .collect();
    let mut told: BTreeMap<String, u64> = BTreeMap::new();
    let mut others = 0;
    for event in data.search("-is:system") {
        let decision = match event["headers"]["x-correlation-id"][0]
            .as_str()
            .and_then(|header| headers.get(header))
        {
            Some(decision) => (*decision).to_owned(),
            None => {
                others += 1;
                event["decision"].as_str().unwrap().to_owned()
            }
        };
        *told.entry(decision).or_default() += 1;
    }
    assert_eq!(others, 3069 - 3022);
    let found: BTreeMap<String, u64> = report("decision")["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["key"].as_str().unwrap().to_owned(), number(row, "requests")))
        .collect();
    assert_eq!(found, told);
}

#[test]
fn identities_are_those_of_count() {
    let rows = main_recording()
        .run("count", ["", "--by", "identity", "--format", "json"])
        .expect(0)
        .json();
    let counted: BTreeMap<String, u64> = rows
        .iter()
        .map(|row| {
            (
                row["identity_key"].as_str().unwrap_or_default().to_owned(),
                row["count"].as_u64().unwrap(),
            )
        })
        .collect();
    assert!(counted.len() > 20, "{counted:?}");
    let found: BTreeMap<String, u64> = report("identity")["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["key"].as_str().unwrap_or_default().to_owned(), number(row, "requests")))
        .collect();
    assert_eq!(found, counted);
}

#[test]
fn the_heading_says_what_the_report_covers_and_is_evidence_for() {
    let heading = report("identity")["heading"].to_string();
    for part in [
        "CC6.1", "CC6.2", "CC6.3", "CC7.2", "A.5.15", "A.5.18", "A.8.3", "A.8.15", "c/n/file",
        "UTC", "system",
    ] {
        assert!(heading.contains(part), "{part} is not in the heading: {heading}");
    }
    for forbidden in ["compliant", "compliance is", "passed"] {
        assert!(!heading.contains(forbidden), "the heading claims too much: {heading}");
    }
}

#[test]
fn page_csv_and_json_have_the_same_numbers() {
    let data: &Data = main_recording();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.csv");
    data.run("report", ["access", "--by", "path", "--format", "csv", "-o", file.to_str().unwrap()])
        .expect(0);
    let csv = fs::read_to_string(file).unwrap();
    let report = report("path");
    let rows = report["rows"].as_array().unwrap();
    let first = rows
        .iter()
        .find(|row| row["key"] == "secret/data/my-app/config")
        .expect("the recording reads it");
    let requests = number(first, "requests").to_string();
    let line = csv
        .lines()
        .find(|line| line.contains("secret/data/my-app/config"))
        .expect("the CSV has it");
    assert!(line.split(',').any(|cell| cell == requests), "{line} does not hold {requests}");
    assert!(csv.lines().count() > rows.len(), "fewer lines than rows");

    // The only test that serves the shared folder: a second server would be refused.
    let server = Server::start(data, &[]);
    let text = visible_text(&get(&server.address, "/reports/access?by=path").body);
    for part in ["secret/data/my-app/config", requests.as_str(), "CC6.1"] {
        assert!(text.contains(part), "{part} is not on the page");
    }
}

#[test]
fn a_workbook_has_the_same_rows() {
    let report = report("identity");
    let server = Server::start(main_recording(), &[]);
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/workbook.py");
    let url = format!("http://{}/reports/access.xlsx?by=identity", server.address);
    let sheets = Run::of(python().arg(script).arg(url)).expect(0);
    let sheets: Value = serde_json::from_str(sheets.text()).unwrap();
    let [scope, rows] = &sheets.as_array().unwrap()[..] else { panic!("two sheets: {sheets}") };
    assert_eq!((&scope["formulas"], &rows["formulas"]), (&json!(0), &json!(0)));
    let told = scope["rows"].as_array().unwrap();
    let counted = told.iter().find(|row| row[0] == "events counted").expect("a row");
    assert_eq!(counted[1], report["heading"]["counted"].to_string());
    let rows = rows["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1 + report["rows"].as_array().unwrap().len());
    let column = |name: &str| {
        let at = rows[0].as_array().unwrap().iter().position(|cell| cell == name).expect(name);
        rows[1..].iter().map(|row| row[at].as_str().unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    for name in ["requests", "access", "allowed_not_found"] {
        assert_eq!(column(name), number(&report["totals"], name), "{name}");
    }
    // On the command line it is a file.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.xlsx");
    let arguments = ["access", "--format", "xlsx", "-o", file.to_str().unwrap()];
    main_recording().run("report", arguments).expect(0);
    assert!(fs::read(&file).unwrap().starts_with(b"PK\x03\x04"));
}
