//! What `search` and `count` print: how many rows, of which period, in which format, and nothing that an
//! attacker could make a terminal or a spreadsheet do.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;

use arrow::ipc::reader::StreamReader;
use serde_json::Value;

use crate::util::{Data, keytrail, main_recording, pair};

#[test]
fn limits() {
    let data = main_recording();
    let rows = |arguments: &[&str]| {
        data.run("search", [&["", "--format", "json"], arguments].concat()).expect(0).json()
    };
    assert_eq!(rows(&[]).len(), 100);
    assert_eq!(rows(&["--limit", "7"]).len(), 7);
    assert_eq!(rows(&["--limit", "0"]).len(), 3069);
    assert_eq!(rows(&["--limit", "0", "--all"]).len(), 3070);
    // Newest first, and the first page is the head of the whole.
    let all = rows(&["--limit", "0"]);
    assert_eq!(rows(&["--limit", "100"]), all[..100]);
    let times: Vec<_> = all
        .iter()
        .map(|event| event["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap())
        .collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "search is not newest first");
}

#[test]
fn periods_hold_their_beginning_and_not_their_end() {
    let data = main_recording();
    let times: Vec<String> =
        data.search("").iter().map(|event| event["time"].as_str().unwrap().to_owned()).collect();
    let middle = &times[times.len() / 2];
    let counted = |arguments: &[&str]| -> usize {
        data.run("search", [&["", "--all", "--limit", "0", "--format", "json"], arguments].concat())
            .expect(0)
            .json()
            .len()
    };
    let (before, after) = (counted(&["--to", middle]), counted(&["--from", middle]));
    assert_eq!(before + after, 3070);
    let at: jiff::Timestamp = middle.parse().unwrap();
    assert_eq!(
        before,
        times.iter().filter(|time| time.parse::<jiff::Timestamp>().unwrap() < at).count()
    );
    assert_eq!(counted(&["--from", "2026-11-25"]), 0);
    assert_eq!(counted(&["--from", "2026-11-24", "--to", "2026-11-25"]), 3070);
}

#[test]
fn an_answer_at_a_leaf_is_the_answer_of_then() {
    let data = main_recording();
    let all =
        data.run("search", ["", "--all", "--limit", "0", "--format", "json"]).expect(0).json();
    let issued = |event: &Value| event["issued"][0].as_u64().unwrap();
    let leaf = issued(&all[all.len() / 2]);
    // A refusal that stands on the request line has a reason, and still waits for its response.
    let waits = |event: &Value| event["completed"].is_null();
    let of_then = |event: &&Value| issued(event) < leaf && !waits(event);
    let expected: Vec<_> = all.iter().filter(of_then).cloned().collect();
    assert!(expected.len() > 1_000 && expected.len() < 2_000);
    let at = leaf.to_string();
    let arguments = ["", "--all", "--limit", "0", "--format", "json", "--at", &at];
    assert_eq!(data.run("search", arguments).expect(0).json(), expected);
    let early = data.run("search", ["", "--at", "999999999"]).expect(3);
    assert!(early.stderr.contains("is not reached yet"), "{}", early.stderr);
}

#[test]
fn every_format_has_the_same_rows() {
    let data = main_recording();
    let filter = "decision:denied";
    let json = data.run("search", [filter, "--limit", "0", "--format", "json"]).expect(0).json();
    let csv = data.run("search", [filter, "--limit", "0", "--format", "csv"]).expect(0);
    // A value may hold a line end, so lines are not rows: count what stands outside quotes.
    let (mut quoted, mut rows) = (false, 0);
    for character in csv.text().chars() {
        match character {
            '"' => quoted = !quoted,
            '\n' if !quoted => rows += 1,
            _ => {}
        }
    }
    assert_eq!(rows, json.len() + 1, "CSV has a head and the rows");
    assert!(csv.text().lines().next().unwrap().contains("decision"));
    let arrow = data.run("search", [filter, "--limit", "0", "--format", "arrow"]).expect(0);
    let batches = StreamReader::try_new(Cursor::new(&arrow.stdout), None).unwrap();
    let total: usize = batches.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(total, json.len());
    // On a pipe the table is plain text: no colours, no cutting to a width that is not there.
    let table = data.run("search", [filter, "--limit", "0", "--format", "table"]).expect(0);
    assert!(
        table.text().lines().count() > json.len() && !table.text().contains('\u{1b}'),
        "{}",
        table.text()
    );

    let counted =
        data.run("count", ["", "--by", "decision,outcome", "--format", "json"]).expect(0).json();
    let total: u64 = counted.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!(total, 3069);
    assert!(counted.iter().all(|row| row.as_object().unwrap().len() == 3), "{counted:?}");
}

#[test]
fn an_answer_tells_what_it_left_out() {
    let data = main_recording();
    let run = data.run("count", ["", "--by", "decision", "--format", "json"]).expect(0);
    assert!(
        run.stderr.contains("system"),
        "the probe that was left out is not told:\n{}",
        run.stderr
    );
    let all =
        data.run("count", ["", "--by", "decision", "--format", "json", "--all"]).expect(0).json();
    assert_eq!(all.iter().map(|row| row["count"].as_u64().unwrap()).sum::<u64>(), 3070);
    // The question itself asks for them.
    assert_eq!(data.total("is:system"), 1);
}

#[test]
fn intervals_add_up() {
    let rows = main_recording()
        .run("count", ["", "--by", "decision", "--interval", "1m", "--format", "json"]);
    let rows = rows.expect(0).json();
    assert!(rows.len() > 3, "the recording is longer than a minute: {rows:?}");
    assert_eq!(rows.iter().map(|row| row["count"].as_u64().unwrap()).sum::<u64>(), 3069);
}

#[test]
fn terminal_escapes_of_an_attacker_do_not_reach_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    // A path may hold anything that a client can send; here a colour, a bell, and a bidi override.
    let path = r"secret/data/\u001b[31mred\u0007\u202etxt.exe";
    fs::write(&log, pair("evil", path, 0)).unwrap();
    let data = Data::new();
    data.import([&log]);
    for (command, arguments) in [
        ("search", &["", "--format", "table"][..]),
        ("count", &["", "--by", "path", "--format", "table"]),
    ] {
        let run = data.run(command, arguments).expect(0);
        assert!(run.text().contains("red"), "{command}:\n{}", run.text());
        for forbidden in ['\u{1b}', '\u{7}', '\u{202e}'] {
            assert!(!run.text().contains(forbidden), "{command} prints {forbidden:?}");
        }
    }
    let events = data.search("");
    assert_eq!(events[0]["path"], "secret/data/\u{1b}[31mred\u{7}\u{202e}txt.exe");
}

#[test]
fn formulas_do_not_reach_the_spreadsheet() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    fs::write(&log, pair("evil", "=HYPERLINK(0)", 0)).unwrap();
    let data = Data::new();
    data.import([&log]);
    let csv = data.run("count", ["", "--by", "path", "--format", "csv"]).expect(0);
    assert!(csv.text().contains("'=HYPERLINK(0)"), "{}", csv.text());
}

#[test]
fn a_closed_pipe_ends_the_program_quietly() {
    let mut command = keytrail();
    command
        .args(["search", "-d"])
        .arg(main_recording().path())
        .args(["", "--limit", "0", "--format", "json"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn counts_tell_what_a_pass_over_the_events_tells() {
    let data = main_recording();
    let events = data.run("search", ["", "--limit", "0", "--format", "json"]).expect(0).json();
    let rows = |arguments: &[&str]| {
        data.run("count", [&["", "--format", "json"], arguments].concat()).expect(0).json()
    };
    let node = |event: &Value| event["node"].as_str().unwrap().to_owned();
    let of = |name: &str| events.iter().filter(|event| node(event) == name).collect::<Vec<_>>();
    for row in rows(&["--by", "node", "--first-last", "--latency"]) {
        let events = of(row["node"].as_str().unwrap());
        assert_eq!(row["count"], events.len());
        let times = events.iter().filter_map(|event| event["time"].as_str());
        let times = times.map(|time| time.parse::<jiff::Timestamp>().unwrap());
        let told = |name: &str| row[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(Some(told("first")), times.clone().min());
        assert_eq!(Some(told("last")), times.max());
        let mut latencies: Vec<i64> =
            events.iter().filter_map(|event| event["latency_us"].as_i64()).collect();
        latencies.sort_unstable();
        assert_eq!(row["latency_events"], latencies.len());
        assert_eq!(row["latency_max_us"], *latencies.last().unwrap());
        for percent in [50, 90, 95, 99] {
            let rank = (latencies.len() * percent).div_ceil(100);
            assert_eq!(row[format!("latency_p{percent}_us")], latencies[rank - 1], "{percent}");
        }
    }
    let distinct = rows(&["--by", "node", "--distinct", "path"]);
    assert!(!distinct.is_empty());
    for row in distinct {
        let events = of(row["node"].as_str().unwrap());
        let paths: BTreeSet<_> = events.iter().filter_map(|event| event["path"].as_str()).collect();
        assert_eq!(row["distinct"], paths.len());
    }
    let all = rows(&["--by", "path"]);
    let top = data.run("count", ["", "--by", "path", "--top", "3", "--format", "json"]).expect(0);
    assert_eq!(top.json(), all[..3]);
    let others: u64 = all[3..].iter().map(|row| row["count"].as_u64().unwrap()).sum();
    let told = format!("and {} other groups with {others} events", all.len() - 3);
    assert!(top.stderr.contains(&told), "{}", top.stderr);
}
