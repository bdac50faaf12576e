//! What somebody deletes, alters and doubles at a receiver is found, and nothing else.

use super::*;

/// What was listed, by what it is.
pub(super) fn listed(rows: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let word = |key: &str| row[key].as_str().unwrap().to_owned();
        told.entry(word("is")).or_default().insert(word("uid"));
    }
    told
}

#[test]
fn exactly_those_documents_are_listed_that_were_deleted_altered_or_doubled() {
    for format in ["event", "ocsf", "ecs", "splunk", "cef", "syslog"] {
        check(format);
    }
}

fn check(format: &str) {
    let setup = Setup::new(&fixture_text("openbao-2.7.2/audit.jsonl.gz"));
    setup.data.import([setup.path("audit.log")]);
    let out = setup.path("events");
    let sink = format!(
        "[[sink]]\nname = \"out\"\ntype = \"file\"\npath = \"{}\"\nformat = \"{format}\"\n",
        out.display()
    );
    let server = setup.run(&sink);
    setup.done("out", setup.data.status_of("events"));
    server.terminate();
    let config = setup.path("keytrail.toml");
    let reconcile = |documents: &Path, more: &[&str], code: i32| {
        let arguments = ["reconcile", "out", "-c", config.to_str().unwrap(), "--documents"];
        let documents = [documents.to_str().unwrap()];
        setup.data.forward(&[&arguments[..], &documents, more].concat()).expect(code)
    };
    let whole = reconcile(&out, &["--format", "json"], 0);
    assert!(whole.text().is_empty(), "{format}: {}", whole.text());
    assert!(whole.stderr.contains("0 are not what was sent"), "{}", whole.stderr);
    // 7 are deleted, 3 altered, 2 doubled.
    let lines: Vec<String> = fs::read_to_string(&out).unwrap().lines().map(str::to_owned).collect();
    let is_event = |line: &&String| !line.contains("control_total");
    let mut events: Vec<String> = lines.iter().filter(is_event).cloned().collect();
    assert!(events.len() > 100, "{}", events.len());
    let uid = |line: &String| {
        let keys = ["uid\":\"", "\"event_id\":\"", "\"id\":\"", "externalId=", "uid=\""];
        let found = keys.iter().find_map(|key| {
            let mut after = line.match_indices(key).map(|(at, _)| &line[at + key.len()..]);
            after.find_map(|rest| rest.get(..32).filter(|uid| is_uid(uid)))
        });
        found.unwrap().to_owned()
    };
    let of = |all: &[String]| -> BTreeSet<String> { all.iter().map(uid).collect() };
    let deleted: Vec<String> = events.drain(10..17).collect();
    let altered = of(&events[20..23]);
    for (number, line) in events[20..23].iter_mut().enumerate() {
        // Who it was; and that another version wrote it, which never ran here.
        let version = env!("CARGO_PKG_VERSION");
        let at = line.find("root").or_else(|| line.find("default")).unwrap();
        line.replace_range(at..at + 1, "X");
        if number == 2 {
            *line = line.replace(&format!("\"{version}\""), "\"9.9.9\"");
        }
    }
    let doubled: Vec<String> = events[30..32].to_vec();
    events.extend(doubled.iter().cloned());
    events.reverse();
    let changed = setup.path("changed");
    fs::write(&changed, events.join("\n")).unwrap();
    let result = setup.path("result.ndjson");
    let more = ["--format", "json", "-o", result.to_str().unwrap()];
    let run = reconcile(&changed, &more, 1);
    let told = listed(&run.json());
    let expected = [("altered", altered), ("doubled", of(&doubled)), ("missing", of(&deleted))];
    let expected = expected.map(|(what, uids)| (what.to_owned(), uids));
    assert_eq!(told, BTreeMap::from(expected), "{format}");
    assert_eq!(run.json().len(), 12);
    let rows = run.json();
    let fields = rows.iter().find(|row| row["is"] == "altered").unwrap()["fields"].clone();
    assert!(!fields.as_array().unwrap().is_empty(), "{format}: {fields}");
    assert!(run.stderr.contains("3 are not what was sent: those stay"), "{}", run.stderr);
    // The ledger has it, and the report on the log.
    let own = String::from_utf8(setup.data.cat("keytrail")).unwrap();
    let line = own.lines().rfind(|line| line.contains("\"sink_reconciled\"")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    let numbers = ["missing", "doubled", "altered", "unknown"].map(|key| line[key].as_u64());
    assert_eq!(numbers, [Some(7), Some(2), Some(3), Some(0)], "{line}");
    let sha256 = {
        use sha2::Digest;
        let hash = Sha256::digest(fs::read(&result).unwrap());
        hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(line["sha256"], sha256);
    // Its leaf is that of the last import.
    setup.data.import([setup.path("audit.log")]);
    let report = setup.data.run("report", ["log-assurance", "--format", "json", "--to", "2100"]);
    let report = report.expect(0).text().to_owned();
    assert!(report.contains(&sha256), "{report}");
    // Uids alone do not show what was altered, and it says so.
    let uids = setup.path("uids");
    fs::write(&uids, events.iter().map(uid).collect::<Vec<_>>().join("\n")).unwrap();
    let run = setup.data.forward(&["reconcile", "out", "--uids", uids.to_str().unwrap()]).expect(1);
    assert!(run.stderr.contains("whether one was altered was not looked at"), "{}", run.stderr);
}

fn is_uid(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[test]
fn an_export_that_holds_something_else_is_told_by_its_line() {
    let setup = Setup::new(&pairs(0..3));
    let out = setup.path("events");
    let sink = format!("[[sink]]\nname = \"out\"\ntype = \"file\"\npath = \"{}\"\n", out.display());
    let server = setup.run(&sink);
    setup.done("out", 3);
    server.terminate();
    let config = setup.path("keytrail.toml");
    let odd = setup.path("odd");
    fs::write(
        &odd,
        format!("{}\n{{}}\n", fs::read_to_string(&out).unwrap().lines().next().unwrap()),
    )
    .unwrap();
    let arguments = ["reconcile", "out", "-c", config.to_str().unwrap(), "--documents"];
    let run = setup.data.forward(&[&arguments[..], &[odd.to_str().unwrap()]].concat()).expect(3);
    assert!(run.stderr.contains("line 2 is no document: no uid"), "{}", run.stderr);
}
