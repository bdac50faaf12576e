//! What `count` and `report access` say, held against a second reading of the raw lines: `tests/totals.py`, which was
//! written from the design and knows nothing of keytrail's code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

mod agreement;

use agreement::{Period, agree, decisions, number, raw_rows, totals};

use crate::util::{
    Data, fixture, fixture_text, generated, json_lines, main_recording, missing_tool, python,
};

const MAIN: [&str; 1] = ["n=openbao-2.7.2/audit.jsonl.1.gz,openbao-2.7.2/audit.jsonl.gz"];

#[test]
fn of_the_main_recording() {
    if missing_tool(&python(), "install Python 3") {
        return;
    }
    let nodes = MAIN.map(str::to_owned);
    let mut requests = Vec::new();
    for period in [
        Period {
            asked: &["--from", "2026-11-24", "--to", "2026-11-25"],
            from: "2026-11-24T00:00:00Z",
            to: "2026-11-25T00:00:00Z",
        },
        Period {
            asked: &["--from", "2026-11-24T14:16:20Z", "--to", "2026-11-24T14:16:40.5Z"],
            from: "2026-11-24T14:16:20Z",
            to: "2026-11-24T14:16:40.5Z",
        },
        // From the instant of root's first request, which belongs to it, to that of its last, which does not.
        Period {
            asked: &[
                "--from",
                "2026-11-24T14:16:16.155137503Z",
                "--to",
                "2026-11-24T14:17:17.288438666Z",
            ],
            from: "2026-11-24T14:16:16.155137503Z",
            to: "2026-11-24T14:17:17.288438666Z",
        },
        Period {
            asked: &["--from", "2026-11-25", "--to", "2026-11-26"],
            from: "2026-11-25T00:00:00Z",
            to: "2026-11-26T00:00:00Z",
        },
    ] {
        let raw = agree(main_recording(), "c", &nodes, &period);
        requests.push(raw["totals"][""]["requests"].as_u64().unwrap_or_default());
    }
    assert_eq!(requests[0], 3069);
    assert_eq!((requests[2], requests[3]), (3068, 0));
    assert!(requests[1] > 500 && requests[1] < 3000, "{requests:?}");
}

#[test]
fn of_the_cluster() {
    if missing_tool(&python(), "install Python 3") {
        return;
    }
    let data = Data::new();
    let nodes = [1, 2, 3].map(|n| {
        let file = format!("openbao-2.7.2/ha/node-{n}.audit.jsonl.gz");
        data.import_as("c", &format!("node-{n}"), [fixture(&file)]);
        format!("node-{n}={file}")
    });
    for period in [
        Period {
            asked: &["--from", "2026-11-24", "--to", "2026-11-25"],
            from: "2026-11-24T00:00:00Z",
            to: "2026-11-25T00:00:00Z",
        },
        Period {
            asked: &["--from", "2026-11-24T14:13:25Z", "--to", "2026-11-24T14:13:30Z"],
            from: "2026-11-24T14:13:25Z",
            to: "2026-11-24T14:13:30Z",
        },
    ] {
        let raw = agree(&data, "c", &nodes, &period);
        assert!(number(&raw["left_out"]["forwarded"]) > 0);
    }
}

const ALWAYS: Period =
    Period { asked: &[], from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z" };

/// Berlin's 25 October 2026 has 25 hours, of which two are called 02.
const BERLIN: [Period; 5] = [
    Period {
        asked: &["--tz", "Europe/Berlin", "--from", "2026-10-24", "--to", "2026-10-25"],
        from: "2026-10-23T22:00:00Z",
        to: "2026-10-24T22:00:00Z",
    },
    Period {
        asked: &["--tz", "Europe/Berlin", "--from", "2026-10-25", "--to", "2026-10-26"],
        from: "2026-10-24T22:00:00Z",
        to: "2026-10-25T23:00:00Z",
    },
    Period {
        asked: &["--tz", "Europe/Berlin", "--from", "2026-10-26", "--to", "2026-10-27"],
        from: "2026-10-25T23:00:00Z",
        to: "2026-10-26T23:00:00Z",
    },
    Period {
        asked: &["--from", "2026-10-25T02:00:00+02:00", "--to", "2026-10-25T02:00:00+01:00"],
        from: "2026-10-25T00:00:00Z",
        to: "2026-10-25T01:00:00Z",
    },
    Period {
        asked: &["--from", "2026-10-20", "--to", "2026-10-30"],
        from: "2026-10-20T00:00:00Z",
        to: "2026-10-30T00:00:00Z",
    },
];

#[test]
fn of_days_around_the_end_of_summer_time() {
    if missing_tool(&python(), "install Python 3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let more = "--start 2026-10-24T12:00:00Z --days 2.5 --orphans 0.002 --lost 0.001 --torn";
    let (log, _) = generated(folder.path(), 7, 20_000, &more.split(' ').collect::<Vec<_>>());
    // One response comes a day later than its request: the last whole line of the file.
    let text = fs::read_to_string(&log).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let torn = lines.pop().unwrap();
    let response = lines.iter().position(|line| line.contains(r#""type":"response""#)).unwrap();
    let late = lines.remove(response);
    fs::write(&log, [&lines[..], &[late, torn]].concat().join("\n")).unwrap();
    let data = Data::new();
    data.import_as("default", "n", [&log]);
    let nodes = [format!("n={}", log.display())];
    let raw: Vec<Value> =
        BERLIN.iter().map(|period| agree(&data, "default", &nodes, period)).collect();
    let requests = |n: usize| number(&raw[n]["totals"][""]["requests"]);
    assert_eq!(requests(0) + requests(1) + requests(2), requests(4), "days add up to all");
    // A period named by its day, and days as intervals, are the same 25 hours.
    let named = ["access", "--tz", "Europe/Berlin", "--period", "2026-10-25", "--format", "json"];
    let report: Value =
        serde_json::from_slice(&data.run("report", named).expect(0).stdout).unwrap();
    assert_eq!(number(&report["totals"]["requests"]), requests(1));
    let days = ["", "--tz", "Europe/Berlin", "--interval", "1d", "--by", "op", "--format", "json"];
    let mut by_day: BTreeMap<String, u64> = BTreeMap::new();
    for row in data.run("count", days).expect(0).json() {
        *by_day.entry(row["from"].to_string()).or_default() += number(&row["count"]);
    }
    assert_eq!(by_day.into_values().collect::<Vec<_>>(), [0, 1, 2].map(requests));
    assert!(requests(3) > 0, "nothing happened in the first hour called 02");
    assert_eq!(raw[4]["left_out"]["late"], 1);
    assert!(decisions(&raw[4]["totals"][""]).contains_key("unknown/unanswered/unknown"));
}

#[test]
fn of_damaged_logs() {
    if missing_tool(&python(), "install Python 3") {
        return;
    }
    for (undecodable, files) in [
        (1, &["crash/torn-by-kill9-then-restart.audit.jsonl"][..]),
        (1, &["diskfull/audit-after-room.jsonl.gz"]),
        (0, &["copytruncate/ct.jsonl.1.gz", "copytruncate/ct.jsonl.gz"]),
    ] {
        let data = Data::new();
        let files: Vec<_> = files.iter().map(|name| format!("openbao-2.7.2/{name}")).collect();
        data.import(files.iter().map(|name| fixture(name)));
        let raw = agree(&data, "c", &[format!("n={}", files.join(","))], &ALWAYS);
        assert_eq!(raw["left_out"]["undecodable"].as_u64().unwrap_or_default(), undecodable);
        assert_eq!(data.status_of("undecodable"), undecodable, "{files:?}");
    }
}

#[test]
fn of_the_scenarios_of_controls() {
    if missing_tool(&python(), "install Python 3") {
        return;
    }
    // Each as a node of one cluster.
    let (data, mut nodes) = (Data::new(), Vec::new());
    for entry in fs::read_dir(fixture("controls")).unwrap() {
        let folder = entry.unwrap();
        let (name, log) = (folder.file_name(), folder.path().join("audit.jsonl.gz"));
        if log.exists() {
            data.import_as("c", name.to_str().unwrap(), [&log]);
            nodes.push(format!("{}={}", name.display(), log.display()));
        }
    }
    assert!(nodes.len() > 25, "only {nodes:?}");
    let raw = agree(&data, "c", &nodes, &ALWAYS);
    assert!(number(&raw["totals"][""]["requests"]) > 500);
}

#[test]
fn the_second_reading_is_what_clients_were_told() {
    if missing_tool(&python(), "install Python 3") {
        return;
    }
    let raw = totals("c", &MAIN.map(str::to_owned), &ALWAYS);
    let mut told: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut others = BTreeSet::new();
    for row in json_lines(&fixture_text("openbao-2.7.2/truth.jsonl.gz")) {
        let namespace = row["namespace"].as_str().unwrap().trim_end_matches('/');
        let namespace = match namespace {
            "" | "root" => String::new(),
            name => format!("{name}/"),
        };
        let path = namespace + row["path"].as_str().unwrap();
        // A command of another client is several requests, some of paths that it makes up.
        if row["client"] != "http" {
            others.insert(path.trim_end_matches('/').to_owned());
        } else if row["audited"] == true {
            let (requests, access) = told.entry(path).or_default();
            *requests += 1;
            *access += u64::from([200, 202, 204].contains(&number(&row["status"])));
        }
    }
    let found = raw_rows(&raw["path"], true);
    let is_others = |path: &str| {
        others.contains(path.trim_end_matches('/')) || path.starts_with("sys/internal/ui/mounts/")
    };
    let (mut compared, mut faults) = (0, Vec::new());
    for path in told.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
        if is_others(path) {
            continue;
        }
        compared += 1;
        let told = told.get(path).copied();
        // The log does not tell whether these were carried out.
        let is_silent = path == "sys/seal" || path == "sys/step-down";
        let found = found
            .get(path)
            .map(|row| (row.0, if is_silent { told.unwrap().1 } else { row.1.unwrap() }));
        if told != found {
            faults.push(format!("{path}: clients {told:?}, lines {found:?}"));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    assert!(compared > 800, "only {compared} paths were compared");
}
