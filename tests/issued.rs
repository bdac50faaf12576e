//! Reports that somebody stands up for: issued, made again, superseded with what is different.

use std::fs;

use serde_json::Value;

use crate::util::{Data, Run, Server, fixture, get, visible_text};

fn report(data: &Data, name: &str, more: &[&str]) -> (Value, String) {
    let arguments = [&[name, "--format", "json", "--issue"], more].concat();
    let run = data.run("report", arguments).expect(0);
    let said = run.stderr.clone();
    let (_, rest) = said.split_once("issued as ").expect("its name");
    (serde_json::from_slice(&run.stdout).unwrap(), rest[..12].to_owned())
}

fn again(data: &Data, id: &str, code: i32) -> Value {
    let run = data.run("issued", [id, "--format", "json"]).expect(code);
    serde_json::from_slice(&run.stdout).unwrap()
}

fn section<'a>(report: &'a Value, id: &str) -> &'a Value {
    let sections = report["sections"].as_array().unwrap();
    sections.iter().find(|section| section["id"] == id).unwrap_or_else(|| panic!("no {id}"))
}

fn listed(data: &Data) -> String {
    data.run("issued", [] as [&str; 0]).expect(0).text().to_owned()
}

#[test]
fn a_report_stands_until_a_later_one_says_what_is_different() {
    let data = Data::new();
    let folder = fixture("openbao-2.7.2");
    data.import([folder.join("audit.jsonl.1.gz")]).expect(0);
    let (first, id) = report(&data, "access", &["--by", "path", "--period", "2026-11"]);
    assert_eq!(first["heading"]["state"], "issued");
    assert!(listed(&data).contains(&id));

    // More lines come, and it says what it said.
    data.import([folder.join("audit.jsonl.gz")]).expect(0);
    let then = again(&data, &id, 0);
    assert_eq!(then["sections"], first["sections"]);
    for same in ["state", "leaf", "root", "counted", "sources", "completeness", "tie_out"] {
        assert_eq!(then["heading"][same], first["heading"][same], "{same}");
    }

    let late = ["--by", "path", "--period", "2026-11", "--supersedes", &id, "--because"];
    for (because, says) in [("late", "15 characters"), ("", "15 characters")] {
        let more = [&["access", "--issue"], &late[..], &[because]].concat();
        let refused = data.run("report", more).expect(2);
        assert!(refused.stderr.contains(says), "{}", refused.stderr);
    }
    let (second, other) =
        report(&data, "access", &[&late[..], &["lines of the second file came late"]].concat());
    let differences = section(&second, "differences");
    assert!(!differences["table"]["rows"].as_array().unwrap().is_empty());
    // A row of each that is not in the other, and none that is in both.
    let rows = |report: &Value| -> Vec<String> {
        let rows = section(report, "rows")["table"]["rows"].as_array().unwrap();
        rows.iter().map(Value::to_string).collect()
    };
    let (before, after) = (rows(&first), rows(&second));
    let gone = before.iter().filter(|row| !after.contains(row)).count();
    let came = after.iter().filter(|row| !before.contains(row)).count();
    let count = |which: &str| {
        let rows = differences["table"]["rows"].as_array().unwrap();
        rows.iter().filter(|row| row[0] == "rows" && row[1] == which).count()
    };
    assert_eq!((count("former"), count("later")), (gone, came));
    assert!(gone > 0 && came > gone);

    // The former one still says the same, and that it stands no more.
    let then = again(&data, &id, 0);
    assert_eq!(then["heading"]["state"], "superseded");
    assert!(then["heading"]["notes"][0].as_str().unwrap().contains(&other));
    let list = listed(&data);
    assert!(list.contains("superseded") && list.contains(&other), "{list}");
    let twice = data.run(
        "report",
        [&["access", "--issue"], &late[..], &["once more, for a good reason"]].concat(),
    );
    assert!(twice.expect(2).stderr.contains("superseded by"));
    data.run("issued", ["000000000000"]).expect(2);

    // And the dashboard lists both.
    let server = Server::start(&data, &[]);
    let page = visible_text(&get(&server.address, "/reports").body);
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}: {page}"));
    assert!(at("2 issued reports") < at(&other) && at(&other) < at(&id));
    assert!(page.contains(&format!("in the place of {id}: lines of the second file came late")));
    assert!(page.contains(&format!("by {other}: lines of the second file came late")));
    assert!(at("superseded") > at(&other) && page.contains("access by path"));
    let rest = visible_text(&get(&server.address, "/reports?skip=1").body);
    assert!(rest.contains("superseded") && rest.contains("First"), "{rest}");
}

#[test]
fn what_says_something_else_by_now_is_told() {
    let data = Data::new();
    let folder = fixture("controls/root-01");
    data.import_as("prod", "bao-0", [folder.join("audit.jsonl.gz")]).expect(0);
    let (first, id) = report(&data, "privileged", &[]);
    assert_eq!(again(&data, &id, 0)["sections"], first["sections"]);
    let context = data.path().join("context");
    fs::create_dir(&context).unwrap();
    for file in fs::read_dir(folder.join("context")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), context.join(file.file_name())).unwrap();
    }
    let run: Run = data.run("issued", [&*id, "--format", "json"]).expect(1);
    assert!(run.stderr.contains("does not say what it said"), "{}", run.stderr);
}
