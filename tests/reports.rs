//! Every report in every form: the numbers of a page, a workbook, CSV and JSON are those of one document.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::util::{
    Data, Run, Server, fixture, get, main_recording, missing_tool, python, visible_text,
};

/// What each report is called, and the first of its sections.
const REPORTS: [(&str, &str); 8] = [
    ("access-review", "entitlements"),
    ("privileged", "use"),
    ("changes", "changes"),
    ("joiners-leavers", "joiners"),
    ("credentials", "tokens"),
    ("detections", "controls"),
    ("log-assurance", "tie-out"),
    ("auditor-access", "people"),
];

fn json(data: &Data, name: &str, more: &[&str]) -> Value {
    let arguments = [&[name, "--format", "json"], more].concat();
    serde_json::from_slice(&data.run("report", arguments).expect(0).stdout).unwrap()
}

fn text(data: &Data, arguments: &[&str]) -> String {
    data.run("report", arguments).expect(0).text().to_owned()
}

fn section<'a>(report: &'a Value, id: &str) -> &'a Value {
    let sections = report["sections"].as_array().unwrap();
    sections.iter().find(|section| section["id"] == id).unwrap_or_else(|| panic!("no {id}"))
}

/// A cell of a JSON report as CSV and workbook write it.
fn cells(section: &Value, column: &str) -> Vec<Value> {
    let columns = section["table"]["columns"].as_array().unwrap();
    let at = columns.iter().position(|known| known["name"] == column).expect(column);
    section["table"]["rows"].as_array().unwrap().iter().map(|row| row[at].clone()).collect()
}

/// The sum of a column of numbers.
fn sum(section: &Value, column: &str) -> u64 {
    cells(section, column).iter().filter_map(Value::as_u64).sum()
}

#[test]
fn every_form_has_the_same_rows_and_numbers() {
    if missing_tool(&python(), "install Python 3") {
        return;
    }
    let data = main_recording();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(data, &[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/workbook.py");
    for (name, first) in REPORTS {
        let report = json(data, name, &[]);
        let sections = report["sections"].as_array().unwrap();
        assert_eq!(sections[0]["id"], first, "{name}");
        // The workbook: what it is of, then a sheet a section.
        let url = format!("http://{}/reports/{name}.xlsx", server.address);
        let sheets = Run::of(python().arg(&script).arg(url)).expect(0);
        let sheets: Value = serde_json::from_str(sheets.text()).unwrap();
        let sheets = sheets.as_array().unwrap();
        assert_eq!(sheets.len(), 1 + sections.len(), "{name}");
        let html = text(data, &[name, "--format", "html"]);
        let page = get(&server.address, &format!("/reports/{name}"));
        for (section, sheet) in sections.iter().zip(&sheets[1..]) {
            let id = section["id"].as_str().unwrap();
            let rows = section["table"]["rows"].as_array().unwrap();
            let sheet = sheet["rows"].as_array().unwrap();
            assert_eq!(sheet.len(), 1 + rows.len(), "{name} {id}");
            let csv = text(data, &[name, "--format", "csv", "--section", id]);
            let path = folder.path().join("section.csv");
            fs::write(&path, &csv).unwrap();
            let read = Run::of(python().args([
                "-c",
                "import csv, json, sys; print(json.dumps(list(csv.reader(open(sys.argv[1], newline='')))))",
                path.to_str().unwrap(),
            ]));
            let read: Value = serde_json::from_str(read.expect(0).text()).unwrap();
            let csv = read.as_array().unwrap();
            assert_eq!(csv.len(), 1 + rows.len(), "{name} {id}");
            for (at, column) in section["table"]["columns"].as_array().unwrap().iter().enumerate() {
                assert_eq!(csv[0][at], column["name"], "{name} {id}");
                if column["kind"] != "number" {
                    continue;
                }
                for (row, cells) in rows.iter().enumerate() {
                    let number = cells[at].as_i64().map_or_else(String::new, |n| n.to_string());
                    assert_eq!(csv[1 + row][at], number, "{name} {id} row {row}");
                    let in_sheet = sheet[1 + row].get(at).and_then(Value::as_str).unwrap_or("");
                    assert_eq!(in_sheet, number, "{name} {id} row {row}");
                }
            }
            for (html, limit) in [(&html, 2_000), (&page.body, 500)] {
                assert!(html.contains(&format!("<section id=\"{id}\">")), "{name} {id}");
                let shown = html.split_once(&format!("<section id=\"{id}\">")).unwrap().1;
                let shown = shown.split_once("</section>").unwrap().0;
                let body = shown.split_once("<tbody>").map_or("", |(_, body)| body);
                let shown_rows = body.matches("<tr>").count();
                assert_eq!(shown_rows, rows.len().min(limit), "{name} {id}");
            }
        }
        let told = visible_text(&page.body);
        for sentence in report["heading"]["completeness"]["sentences"].as_array().unwrap() {
            let sentence = &sentence.as_str().unwrap()[1..];
            assert!(told.contains(sentence), "{name}: {sentence}");
        }
        for equation in report["heading"]["tie_out"].as_array().unwrap() {
            let right = equation["right"].as_array().unwrap();
            let right: u64 = right.iter().map(|part| part[1].as_u64().unwrap()).sum();
            assert_eq!(equation["left"], right, "{name}: {equation}");
        }
    }
}

/// Rows are the same events as the searches that their filters ask for.
#[test]
fn rows_are_what_their_filters_open() {
    let data = main_recording();
    for (name, id, count) in [
        ("access-review", "entitlements", "held_in"),
        ("privileged", "use", "requests"),
        ("privileged", "root-tokens", "requests"),
        ("changes", "kinds", "requests"),
        ("joiners-leavers", "joiners", "requests"),
        ("credentials", "tokens", "requests"),
        ("credentials", "leases", "issued"),
        ("detections", "exceptions", "events"),
    ] {
        let report = json(data, name, &[]);
        let section = section(&report, id);
        let filters = cells(section, "filter");
        let counts = cells(section, count);
        assert!(!filters.is_empty(), "{name} {id} has no row");
        // A process for each: a few of many are enough.
        let step = filters.len().div_ceil(12);
        for (filter, count) in filters.iter().zip(&counts).step_by(step) {
            let Some(filter) = filter.as_str() else { continue };
            let counted = data.run("count", [filter, "--by", "node", "--format", "json"]).expect(0);
            let counted: u64 =
                counted.json().iter().map(|row| row["count"].as_u64().unwrap()).sum();
            assert_eq!(*count, counted, "{name} {id}: {filter}");
        }
    }
    let credentials = json(data, "credentials", &[]);
    assert_eq!(sum(section(&credentials, "tokens"), "requests"), 3069);
}

#[test]
fn a_seeded_leaver_appears_and_an_empty_register_is_no_data() {
    let data = Data::new();
    data.import([fixture("controls/ent-07/audit.jsonl.gz")]);
    let context = fixture("controls/ent-07/context");
    let with = json(&data, "joiners-leavers", &["--context", context.to_str().unwrap()]);
    let leavers = section(&with, "leavers");
    assert_eq!(cells(leavers, "leaver"), ["gone", "going"]);
    assert_eq!(cells(leavers, "hours_after_leaving"), [25, 23]);
    let parameters = with["heading"]["parameters"].to_string();
    assert!(
        parameters.contains("register leavers") && parameters.contains("2 rows"),
        "{parameters}"
    );
    let [absent, empty] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    fs::write(empty.path().join("leavers.toml"), "# none\n").unwrap();
    for (context, words) in
        [(&empty, "the register leavers is empty"), (&absent, "there is no register leavers")]
    {
        let context = context.path();
        let report = json(&data, "joiners-leavers", &["--context", context.to_str().unwrap()]);
        let leavers = section(&report, "leavers");
        let told = leavers["words"][0].as_str().unwrap();
        assert!(told.starts_with("no data: ") && told.contains(words), "{told}");
        assert_eq!(leavers["table"]["rows"], serde_json::json!([]));
    }
}

/// As of a leaf the same report comes out tomorrow, but for when and by whom it was made.
#[test]
fn as_of_a_leaf_it_stays_the_same() {
    let data = Data::new();
    data.import([fixture("controls/root-01/audit.jsonl.gz")]);
    let at = data.status_of("leaves").to_string();
    let made = |name: &str| {
        let mut report = json(&data, name, &["--at", &at, "--to", "2026-12-01"]);
        let heading = report["heading"].as_object_mut().unwrap();
        // When it was made, and what is of now, which the report says.
        for field in ["generated", "generated_local", "coverage"] {
            heading.remove(field);
        }
        let sentences = &mut heading["completeness"]["sentences"];
        sentences.as_array_mut().unwrap().retain(|it| !it.as_str().unwrap().contains("c/n/file"));
        report
    };
    let first: Vec<Value> = ["privileged", "changes"].map(made).into();
    data.import([fixture("controls/ent-01/audit.jsonl.gz")]);
    let then: Vec<Value> = ["privileged", "changes"].map(made).into();
    for (mut one, mut other) in first.into_iter().zip(then) {
        for report in [&mut one, &mut other] {
            let sentences = &mut report["heading"]["completeness"]["sentences"];
            let all = sentences.as_array_mut().unwrap();
            all.retain(|it| !it.as_str().unwrap().contains("is of now"));
            // Later it says that meta controls are of now.
            let controls = report["sections"].as_array_mut().unwrap().iter_mut();
            for section in controls.filter(|section| section["id"] == "controls") {
                section["words"].as_array_mut().unwrap().truncate(2);
            }
            let notes = report["heading"]["notes"].as_array_mut().unwrap();
            notes.retain(|it| !it.as_str().unwrap().contains("completeness is not proven"));
        }
        assert_eq!(one, other);
    }
}

#[test]
fn wrong_uses_say_what_is_right() {
    let data = main_recording();
    for (arguments, says) in [
        (&["nonsense"][..], "privileged"),
        (&["changes", "--by", "path"], "--by goes with the report access"),
        (&["changes", "--section", "x"], "--section goes with --format csv"),
        (
            &["changes", "--section", "x", "--format", "csv"],
            "changes, kinds, tickets, controls, exceptions",
        ),
        (&["detections", "--scope", "op:read"], "takes no scope"),
        (&["changes", "--context", "/nowhere"], "there is no such folder"),
    ] {
        let said = data.run("report", arguments);
        assert_eq!(said.code, 2, "{arguments:?}");
        let error = &said.stderr;
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
}
