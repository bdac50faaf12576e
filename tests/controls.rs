//! Controls over scenarios that were recorded from a real OpenBao, each with a hand-written list of what it must raise
//! and what it must not (`fixtures/controls/README.md`), and over the large recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::util::{Data, fixture, fixture_text, generated, main_recording, pair, request};

/// A request as the index has it.
struct Request {
    uid: String,
    id: String,
    identity: String,
    path: String,
    operation: String,
    address: String,
    is_refused: bool,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Reads every request, those that counts leave out too.
fn requests(data: &Data) -> Vec<Request> {
    let found =
        data.run("search", ["", "--all", "--limit", "0", "--format", "json"]).expect(0).json();
    let request = |event: Value| Request {
        uid: text(&event["uid"]),
        id: text(&event["request_id"]),
        identity: event["identity"]["name"].as_str().unwrap_or("anonymous").to_owned(),
        path: text(&event["path"]),
        operation: text(&event["operation"]),
        address: text(&event["remote_address"]),
        is_refused: matches!(event["decision"].as_str(), Some("denied"))
            || event["error"].is_string(),
    };
    found.into_iter().map(request).collect()
}

/// Tells whether a pattern, `*` within a segment and `**` across, is the whole of a text.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|at| is_like(rest, &text[at..])),
        [b'*', rest @ ..] => {
            let segment = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
            (0..=segment).any(|at| is_like(rest, &text[at..]))
        }
        [byte, rest @ ..] => text.first() == Some(byte) && is_like(rest, &text[1..]),
    }
}

/// Returns the ids of the requests that an entry of an expected list selects.
fn selected(entry: &toml::Table, requests: &[Request]) -> BTreeSet<String> {
    let list = |name: &str| -> Option<Vec<String>> {
        let list = entry.get(name)?.as_array()?;
        Some(list.iter().map(|text| text.as_str().unwrap().to_owned()).collect())
    };
    let fits = |request: &&Request| {
        request.identity == entry["identity"].as_str().unwrap()
            && list("paths")
                .unwrap()
                .iter()
                .any(|path| is_like(path.as_bytes(), request.path.as_bytes()))
            && list("ops").is_none_or(|ops| ops.contains(&request.operation))
            && list("addresses").is_none_or(|addresses| addresses.contains(&request.address))
            && entry
                .get("allowed")
                .is_none_or(|allowed| allowed.as_bool() != Some(request.is_refused))
    };
    requests.iter().filter(fits).map(|request| request.id.clone()).collect()
}

/// Entries of expected lists about clauses that keytrail's controls do not ask, each with the reason.
const NOT_ASKED: [(&str, &str, &str); 1] =
    [("KT-LEASE-01", "reissued", "how long a lease lives is not in the log")];

/// Entries of expected lists that the lines do not bear out, each with the reason.
const NOT_BORNE_OUT: [(&str, &str, &str); 3] = [
    ("KT-ROOT-03", "used and never revoked", "the recording ends before the token's time is over"),
    (
        "KT-ROOT-03",
        "born here, never used, never revoked",
        "it is no orphan, and its parent revoked itself within the time: it ended with it",
    ),
    (
        "KT-SEC-04",
        "written before the log begins: no data, not an exception",
        "the log is longer than the age, so it was not written for so long",
    ),
];

/// Compares a scenario with what is found; returns what differs.
fn differences(folder: &Path) -> Vec<String> {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let expected: toml::Table =
        fs::read_to_string(folder.join("expected.toml")).unwrap().parse().unwrap();
    let control = expected["control"].as_str().unwrap();
    let data = Data::new();
    data.import_as("prod", "bao-0", [folder.join("audit.jsonl.gz")]).expect(0);
    let mut arguments: Vec<String> =
        ["--control", control, "--format", "json"].map(str::to_owned).into();
    if folder.join("context").is_dir() {
        arguments.extend(["--context".to_owned(), folder.join("context").display().to_string()]);
    }
    for (param, value) in expected.get("params").and_then(|it| it.as_table()).into_iter().flatten()
    {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        arguments.extend(["--param".to_owned(), format!("{control}.{param}={value}")]);
    }
    let evaluation = data.run("controls", &arguments).expect(0).json().remove(0);
    let finding = &evaluation["findings"][0];
    let requests = requests(&data);
    let mut differences = Vec::new();
    let mut differ = |what: String| differences.push(format!("{name}: {what}"));
    let exceptions = finding["exceptions"].as_array().unwrap();
    let mut raised = BTreeSet::new();
    let mut of_exceptions: Vec<(&Value, BTreeSet<String>)> = Vec::new();
    for exception in exceptions {
        let uids: Vec<String> = exception["uids"].as_array().unwrap().iter().map(text).collect();
        if uids.len() as u64 != exception["count"].as_u64().unwrap() {
            differ(format!("{} uids of {}", uids.len(), exception["count"]));
        }
        let ids: BTreeSet<String> = requests
            .iter()
            .filter(|request| uids.contains(&request.uid))
            .map(|request| request.id.clone())
            .collect();
        raised.extend(ids.iter().cloned());
        // What the filter opens is what was counted, no row more and no row less.
        let Some(filter) = exception["filter"].as_str() else {
            differ(format!("no filter: {}", exception["words"]));
            continue;
        };
        let opened: BTreeSet<String> =
            data.search(filter).iter().map(|event| text(&event["uid"])).collect();
        if opened != uids.iter().cloned().collect() {
            differ(format!("{filter} opens {} rows, not {}", opened.len(), uids.len()));
        }
        if exception["words"].as_str().unwrap().contains(['{', '}']) {
            differ(format!("words: {}", exception["words"]));
        }
        of_exceptions.push((exception, ids));
    }
    let is_not_borne_out =
        |what: &str| NOT_BORNE_OUT.iter().any(|(of, entry, _)| *of == control && *entry == what);
    let told = |ids: &BTreeSet<String>| -> Vec<String> {
        let named = requests.iter().filter(|request| ids.contains(&request.id));
        named
            .map(|it| format!("{} {} {} {}", it.identity, it.operation, it.path, it.address))
            .collect()
    };
    let entries = |name: &str| -> Vec<toml::Table> {
        let list = expected.get(name).and_then(|list| list.as_array()).cloned().unwrap_or_default();
        list.into_iter().map(|entry| entry.as_table().unwrap().clone()).collect()
    };
    let mut wanted = BTreeSet::new();
    for entry in entries("raising") {
        let what = entry["what"].as_str().unwrap();
        let rule = entry["rule"].as_str().unwrap();
        let selection = selected(&entry, &requests);
        if selection.len() as i64 != entry["count"].as_integer().unwrap() {
            differ(format!("{what}: {} requests, not {}", selection.len(), entry["count"]));
        }
        if NOT_ASKED.iter().any(|(of, clause, _)| *of == control && *clause == rule)
            || is_not_borne_out(what)
        {
            continue;
        }
        // Of leases those that were left are the exception, and the others what it is measured by.
        if let Some(left) = entry.get("unrenewed").and_then(|left| left.as_integer()) {
            let of = format!("of {} leases", selection.len());
            let is_said = of_exceptions.iter().any(|(exception, ids)| {
                let words = exception["words"].as_str().unwrap();
                ids.is_subset(&selection)
                    && words.contains(&of)
                    && words.contains(&format!("at least {left} "))
            });
            if !is_said {
                differ(format!("{what}: nobody says that at least {left} {of} were left"));
            }
            wanted.extend(raised.intersection(&selection).cloned());
            continue;
        }
        let severity = entry.get("severity").and_then(|severity| severity.as_str());
        let is_raised = of_exceptions.iter().any(|(exception, ids)| {
            !ids.is_disjoint(&selection)
                && severity.is_none_or(|severity| exception["severity"] == severity)
        });
        if !is_raised {
            differ(format!("not raised: {what}"));
        }
        let missed = told(&selection.difference(&raised).cloned().collect());
        if !missed.is_empty() {
            differ(format!("{what}: without {missed:?}"));
        }
        wanted.extend(selection);
    }
    if wanted.is_empty() {
        differ("nothing is expected".to_owned());
    }
    for entry in entries("near_miss").iter().chain(&entries("background")) {
        let (what, selection) = (entry["what"].as_str().unwrap(), selected(entry, &requests));
        if selection.len() as i64 != entry["count"].as_integer().unwrap() {
            differ(format!("{what}: {} requests, not {}", selection.len(), entry["count"]));
        }
        let caught = told(&selection.intersection(&raised).cloned().collect());
        if is_not_borne_out(what) {
            wanted.extend(selection);
        } else if !caught.is_empty() {
            differ(format!("raised though {what}: {caught:?}"));
        }
    }
    let more = told(&raised.difference(&wanted).cloned().collect());
    if !more.is_empty() {
        differ(format!("raised too: {more:?}"));
    }
    if !differences.is_empty() {
        let words = exceptions.iter().map(|it| format!("{} {}", it["rule"], it["words"]));
        differences.push(format!(
            "{name} found {:?}, missing {}",
            words.collect::<Vec<_>>(),
            finding["missing"]
        ));
    }
    differences
}

#[test]
fn scenarios_of_a_real_server_raise_what_they_must_and_nothing_else() {
    let mut folders: Vec<_> =
        fs::read_dir(fixture("controls")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    assert!(folders.len() >= 29, "{} scenarios", folders.len());
    let differences: Vec<String> = folders.iter().flat_map(|folder| differences(folder)).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Runs controls and returns the whole answer.
fn evaluated(data: &Data, arguments: &[&str]) -> Value {
    data.run("controls", arguments.iter().chain(&["--format", "json"])).expect(0).json().remove(0)
}

/// Returns each exception as control, rule, events, first and last; and each control's verdict.
fn told(evaluation: &Value) -> (Vec<String>, BTreeMap<String, String>) {
    let (mut exceptions, mut verdicts) = (Vec::new(), BTreeMap::new());
    for finding in evaluation["findings"].as_array().unwrap() {
        let control = text(&finding["control"]);
        for it in finding["exceptions"].as_array().unwrap() {
            let (rule, count) = (text(&it["rule"]), &it["count"]);
            exceptions.push(format!(
                "{control} {rule} {count} {} {}",
                text(&it["first"]),
                text(&it["last"])
            ));
        }
        verdicts.insert(control, text(&finding["verdict"]["verdict"]));
    }
    exceptions.sort();
    (exceptions, verdicts)
}

fn three_nodes() -> Data {
    let data = Data::new();
    for node in ["node-1", "node-2", "node-3"] {
        let file = fixture(&format!("openbao-2.7.2/ha/{node}.audit.jsonl.gz"));
        data.import_as("prod", node, [file]).expect(0);
    }
    data
}

#[test]
fn recordings_have_the_exceptions_that_a_look_through_their_lines_finds() {
    let all: toml::Table = fixture_text("expected/controls.toml").parse().unwrap();
    let ha = three_nodes();
    for (name, data) in [("main", main_recording()), ("ha", &ha)] {
        let expected = all[name].as_table().unwrap();
        let line = |it: &toml::Value| {
            let text = |key: &str| it[key].as_str().unwrap().to_owned();
            let (control, rule, first, last) =
                (text("control"), text("rule"), text("first"), text("last"));
            format!("{control} {rule} {} {first} {last}", it["count"])
        };
        let mut wanted: Vec<String> =
            expected["exceptions"].as_array().unwrap().iter().map(line).collect();
        wanted.sort();
        let evaluation = evaluated(data, &[]);
        let (exceptions, verdicts) = told(&evaluation);
        assert_eq!(exceptions, wanted, "{name}");
        let none: Vec<&str> =
            expected["none"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        for (control, verdict) in verdicts {
            let raised = wanted.iter().any(|line| line.starts_with(&control));
            let right = match (raised, none.contains(&control.as_str())) {
                (true, _) => "exceptions",
                (false, true) => "no_exceptions_found",
                (false, false) => "no_data",
            };
            assert_eq!(verdict, right, "{name} {control}");
        }
        // What each filter opens is what was counted, without what counts leave out.
        for finding in evaluation["findings"].as_array().unwrap() {
            for it in finding["exceptions"].as_array().unwrap() {
                let filter = it["filter"].as_str().expect("a filter");
                assert_eq!(data.total(filter), it["count"].as_u64().unwrap(), "{filter}");
            }
        }
    }
}

#[test]
fn a_period_has_its_first_instant_and_not_its_last() {
    // The second root token's first use, and the last of the failed logins from 203.0.113.66.
    let data = main_recording();
    let root = |from: &str, to: &str| {
        let mut arguments = vec!["--control", "KT-ROOT-01"];
        for (name, value) in [("--from", from), ("--to", to)] {
            if !value.is_empty() {
                arguments.extend([name, value]);
            }
        }
        let evaluation = evaluated(data, &arguments);
        let exceptions = evaluation["findings"][0]["exceptions"].as_array().unwrap();
        let mut counts: Vec<u64> =
            exceptions.iter().map(|it| it["count"].as_u64().unwrap()).collect();
        counts.sort_unstable();
        counts
    };
    let second = "2026-11-24T14:16:52.28515881Z";
    assert_eq!(root("", second), [645]);
    assert_eq!(root("", "2026-11-24T14:16:52.285158811Z"), [1, 645]);
    assert_eq!(root(second, ""), [2, 10]);
    assert_eq!(root("2026-11-24T14:16:52.285158811Z", ""), [2, 9]);
    let burst = |period: &[&str]| {
        let evaluation = evaluated(data, &[&["--control", "KT-AUTH-01"], period].concat());
        text(&evaluation["findings"][0]["verdict"]["verdict"])
    };
    // Nine fail before 22.956, and the tenth makes the burst; afterwards it holds until the last.
    assert_eq!(burst(&["--to", "2026-11-24T14:16:22.956824575Z"]), "no_exceptions_found");
    assert_eq!(burst(&["--to", "2026-11-24T14:16:22.956824576Z"]), "exceptions");
    assert_eq!(burst(&["--from", "2026-11-24T14:16:23.646799459Z"]), "exceptions");
    assert_eq!(burst(&["--from", "2026-11-24T14:16:23.64679946Z"]), "no_exceptions_found");
    // The same day by the clocks of two zones; the day after has no event.
    assert_eq!(burst(&["--period", "2026-11-24", "--tz", "Europe/Berlin"]), "exceptions");
    assert_eq!(burst(&["--period", "2026-11-25", "--tz", "Pacific/Auckland"]), "exceptions");
    assert_eq!(burst(&["--period", "2026-11-25"]), "no_data");
    assert_eq!(burst(&["--period", "2026-11-24", "--tz", "Pacific/Auckland"]), "no_data");
}

/// Returns the own lines about registers.
fn recorded(data: &Data) -> Vec<Value> {
    let own = String::from_utf8(data.cat("keytrail")).unwrap();
    let lines = own.lines().filter(|line| line.contains("\"type\":\"registers_changed\""));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_change_of_a_register_is_recorded_and_the_same_again_is_not() {
    let data = Data::new();
    data.import([fixture("controls/sec-01/audit.jsonl.gz")]);
    let run = || data.run("controls", ["--control", "KT-SEC-01"]).expect(0);
    run();
    assert_eq!(recorded(&data), [Value::Null; 0], "there never was a register");
    let context = data.path().join("context");
    fs::create_dir(&context).unwrap();
    fs::write(context.join("tickets.toml"), "").unwrap();
    run();
    run();
    let register = |line: &Value, name: &str| -> Value {
        let registers = line["registers"].as_array().unwrap();
        registers.iter().find(|register| register["name"] == name).unwrap().clone()
    };
    let first = recorded(&data);
    assert_eq!(first.len(), 1);
    assert_eq!(register(&first[0], "tickets")["rows"], 0);
    assert!(register(&first[0], "tickets")["sha256"].is_string());
    assert!(register(&first[0], "leavers")["sha256"].is_null());
    assert!(first[0]["by"].as_str().unwrap().starts_with("os:"));
    // Said otherwise it is the same register.
    fs::remove_file(context.join("tickets.toml")).unwrap();
    fs::write(context.join("tickets.csv"), "ticket,approver,from,to\n").unwrap();
    run();
    assert_eq!(recorded(&data).len(), 1);
    fs::write(
        context.join("tickets.csv"),
        "ticket,approver,from,to\nT,bob,2026-01-01,2027-01-01\n",
    )
    .unwrap();
    run();
    let second = recorded(&data);
    assert_eq!((second.len(), register(&second[1], "tickets")["rows"].as_u64()), (2, Some(1)));
    // A register that is gone is a change too.
    fs::remove_dir_all(&context).unwrap();
    run();
    assert_eq!(recorded(&data).len(), 3);
    data.run("verify", [""; 0]).expect(0);
}

#[test]
fn mistakes_end_the_run_and_say_where() {
    let data = main_recording();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("leavers.csv");
    fs::write(&file, "name,lft\nmallory,2026-10-12\n").unwrap();
    let context = folder.path().to_str().unwrap();
    for (arguments, expected) in [
        (vec!["--context", context], "leavers.csv line 2: a leaver has a left"),
        (vec!["--context", "/nowhere"], "--context /nowhere: there is no such folder"),
        (vec!["--control", "KT-ROOT-1"], "there is no control KT-ROOT-1"),
        (vec!["--framework", "sox"], "there is no \"sox\", only soc2, iso27001, pci4, nist80053"),
        (
            vec!["--param", "KT-SEC-05.paths"],
            "write the control, a dot, the parameter and its value",
        ),
        (vec!["--param", "KT-SEC-05.paths=0"], "KT-SEC-05: paths: \"0\" is no number of things"),
        (vec!["--period", "soon"], "\"soon\" is no time"),
    ] {
        let run = data.run("controls", &arguments).expect(2);
        assert!(run.stderr.contains(expected), "{}\n{expected}", run.stderr);
        assert_eq!(run.text(), "", "{arguments:?}");
    }
    fs::write(folder.path().join("leavers.csv"), "[[control]]").unwrap();
    fs::rename(&file, folder.path().join("own.toml")).unwrap();
    let run = data.run("controls", ["--catalogue", context]).expect(2);
    assert!(run.stderr.contains("own.toml: "), "{}", run.stderr);
}

#[test]
fn every_form_has_the_same_answers() {
    let data = main_recording();
    let evaluation = evaluated(data, &["--framework", "soc2"]);
    let (exceptions, verdicts) = told(&evaluation);
    let csv = data.run("controls", ["--framework", "soc2", "--format", "csv"]).expect(0);
    let mut reader = csv::Reader::from_reader(csv.text().as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    let mut of_rows: Vec<String> = rows
        .iter()
        .filter(|row| !row[4].is_empty())
        .map(|row| format!("{} {} {} {} {}", &row[0], &row[4], &row[7], &row[8], &row[9]))
        .collect();
    of_rows.sort();
    assert_eq!(of_rows, exceptions);
    let controls: BTreeSet<&str> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!(controls, verdicts.keys().map(String::as_str).collect());
    let table = data.run("controls", ["--framework", "soc2"]).expect(0);
    for control in verdicts.keys() {
        assert!(table.text().lines().any(|line| line.starts_with(control)), "{control}");
    }
    // As of a leaf the answer lacks requests that wait for a response and nothing else. Sealing, a refused unwrapping and
    // the device's probe never get one, and the recording ends before ten minutes have shown that.
    let at = evaluation["leaf"].to_string();
    let as_of = evaluated(data, &["--framework", "soc2", "--at", &at]);
    let answered: Vec<String> = exceptions
        .iter()
        .filter(|line| {
            !["KT-SEAL-02", "KT-LOG-01", "KT-SEC-06"].iter().any(|id| line.starts_with(id))
        })
        .map(|line| line.replace("KT-ROOT-01 used 10 ", "KT-ROOT-01 used 8 "))
        .collect();
    let mut found = told(&as_of).0;
    found.sort();
    assert_eq!(
        found,
        answered.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    );
    let again = evaluated(data, &["--framework", "soc2", "--at", &at]);
    assert_eq!(again, as_of);
    assert_eq!(as_of["catalogue"], evaluation["catalogue"]);
    let list = data.run("controls", ["--list", "--format", "json"]).expect(0).json();
    let listed: BTreeSet<String> = list.iter().map(|control| text(&control["id"])).collect();
    assert_eq!(listed, verdicts.into_keys().collect());
}

#[test]
fn something_is_made_of_every_line_that_was_read() {
    let folder = tempfile::tempdir().unwrap();
    // Two days, so that most hours are finished before the log ends.
    let (log, _) = generated(folder.path(), 11, 4_000, &["--days", "2"]);
    let data = Data::new();
    data.import([log]);
    let evaluation = evaluated(&data, &["--control", "KT-LOG-03"]);
    let finding = &evaluation["findings"][0];
    assert_eq!(finding["exceptions"].as_array().unwrap().len(), 0, "{}", finding["exceptions"]);
    assert_eq!(finding["evaluated"]["events"]["counts"], data.status()["sources"][0]["lines"]);
}

#[test]
fn registers_change_what_the_main_recording_raises() {
    let all: toml::Table = fixture_text("expected/controls.toml").parse().unwrap();
    // A copy: a run with registers writes a line into the ledger.
    let data = Data::new();
    let files = ["audit.jsonl.1.gz", "audit.jsonl.gz"];
    data.import(files.map(|name| fixture(&format!("openbao-2.7.2/{name}"))));
    let context = fixture("expected/context");
    let evaluation = evaluated(&data, &["--context", context.to_str().unwrap()]);
    for (control, rules) in all["with_registers"].as_table().unwrap() {
        let findings = evaluation["findings"].as_array().unwrap();
        let finding =
            findings.iter().find(|finding| finding["control"] == control.as_str()).unwrap();
        let mut found: BTreeMap<String, [u64; 2]> = BTreeMap::new();
        for exception in finding["exceptions"].as_array().unwrap() {
            let [exceptions, events] = found.entry(text(&exception["rule"])).or_default();
            *exceptions += 1;
            *events += exception["count"].as_u64().unwrap();
        }
        let wanted: BTreeMap<String, [u64; 2]> = rules
            .as_table()
            .unwrap()
            .iter()
            .map(|(rule, counts)| {
                let counts = counts.as_array().unwrap();
                (rule.clone(), [0, 1].map(|at| counts[at].as_integer().unwrap() as u64))
            })
            .collect();
        assert_eq!(found, wanted, "{control}");
    }
}

/// A device that is taken away holds the request and no answer: it was gone when that was written.
#[test]
fn a_device_that_was_followed_alone_is_told_when_it_is_disabled() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let disable = request("gone", "sys/audit/file", 90)
        .replace("\"operation\":\"read\"", "\"operation\":\"delete\"")
        .replace("\"secret/\",\"mount_type\":\"kv\"", "\"sys/\",\"mount_type\":\"system\"");
    let lines: String = (0..5).map(|n| pair(&format!("r{n}"), "secret/data/x", n * 10)).collect();
    fs::write(&log, lines + &disable).unwrap();
    let data = Data::new();
    data.import([log]);
    let found = told(&evaluated(&data, &["--control", "KT-LOG-01"])).0;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("KT-LOG-01 disabled 1 "), "{found:?}");
}
