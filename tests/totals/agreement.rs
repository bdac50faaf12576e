//! The second reading, and whether the program says the same.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use crate::util::{Data, Run, fixture, python};

/// A period as the program is asked for it, and as two instants.
pub(super) struct Period {
    pub(super) asked: &'static [&'static str],
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

/// The second reading; files of fixtures are named from their folder.
pub(super) fn totals(cluster: &str, nodes: &[String], period: &Period) -> Value {
    let mut command = python();
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/totals.py"));
    command.current_dir(fixture("")).args(["--cluster", cluster]);
    command.args(["--from", period.from, "--to", period.to]).args(nodes);
    let run = Run::of(&mut command).expect(0);
    run.json().remove(0)
}

/// What both say of one group: requests, those that were access, the first, the last.
pub(super) type Row = (u64, Option<u64>, Option<Timestamp>, Option<Timestamp>);

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().map(|text| text.parse().unwrap())
}

pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

pub(super) fn raw_rows(table: &Value, with_access: bool) -> BTreeMap<String, Row> {
    let rows = table.as_object().unwrap().iter().map(|(key, row)| {
        let access = with_access.then(|| number(&row["access"]));
        (key.clone(), (number(&row["requests"]), access, time(&row["first"]), time(&row["last"])))
    });
    rows.collect()
}

fn joined(row: &Value, keys: &[&str]) -> String {
    keys.iter().map(|key| row[key].as_str().unwrap_or_default()).collect()
}

/// Collects what the program said; two rows of one key are a fault.
fn said_rows(rows: impl Iterator<Item = (String, Row)>) -> BTreeMap<String, Row> {
    let mut all = BTreeMap::new();
    for (key, row) in rows {
        assert!(all.insert(key.clone(), row).is_none(), "two rows of {key}");
    }
    all
}

/// Holds all that the program says of a period against the second reading; returns that.
pub(super) fn agree(data: &Data, cluster: &str, nodes: &[String], period: &Period) -> Value {
    let raw = totals(cluster, nodes, period);
    let place = format!("{nodes:?} from {} to {}", period.from, period.to);
    for (by, keys) in [
        ("identity", &["identity_key"][..]),
        ("path", &["ns", "path"]),
        ("decision", &["decision"]),
    ] {
        let mut arguments = vec!["", "--format", "json", "--first-last", "--by"];
        arguments.push(if by == "path" { "ns,path" } else { by });
        arguments.extend(period.asked);
        let run = data.run("count", arguments).expect(0);
        let counted = said_rows(run.json().iter().map(|row| {
            let (first, last) = (time(&row["first"]), time(&row["last"]));
            (joined(row, keys), (number(&row["count"]), None, first, last))
        }));
        assert_eq!(counted, raw_rows(&raw[by], false), "count by {by}, {place}");
        left_out_agrees(&run.stderr, &raw["left_out"], &place);
        let report = report(data, by, period);
        let reported = said_rows(report["rows"].as_array().unwrap().iter().map(|row| {
            let (first, last) = (time(&row["first"]), time(&row["last"]));
            let access = Some(number(&row["access"]));
            (joined(row, &["namespace", "key"]), (number(&row["requests"]), access, first, last))
        }));
        assert_eq!(reported, raw_rows(&raw[by], true), "report by {by}, {place}");
        reasons_agree(&report["totals"], &raw["totals"][""], &place);
    }
    let mut arguments = vec!["", "--format", "json", "--by", "decision,reason,outcome"];
    arguments.extend(period.asked);
    let counted: BTreeMap<String, u64> = data
        .run("count", arguments)
        .expect(0)
        .json()
        .iter()
        .map(|row| {
            let key = ["decision", "reason", "outcome"].map(|key| row[key].as_str().unwrap());
            (key.join("/"), number(&row["count"]))
        })
        .collect();
    assert_eq!(counted, decisions(&raw["totals"][""]), "{place}");
    raw
}

fn report(data: &Data, by: &str, period: &Period) -> Value {
    let mut arguments = vec!["access", "--by", by, "--format", "json"];
    arguments.extend(period.asked);
    let run = data.run("report", arguments).expect(0);
    serde_json::from_slice(&run.stdout).unwrap()
}

/// "decision/reason/outcome": requests; of a period without any, nothing.
pub(super) fn decisions(row: &Value) -> BTreeMap<String, u64> {
    let found = row["decisions"].as_object();
    found.into_iter().flatten().map(|(key, count)| (key.clone(), number(count))).collect()
}

/// The report's totals by reason and outcome are sums over the second reading's decisions.
fn reasons_agree(said: &Value, raw: &Value, place: &str) {
    let decisions = decisions(raw);
    let sum = |fits: &dyn Fn(&[&str]) -> bool| -> u64 {
        let parts = |key: &str| fits(&key.split('/').collect::<Vec<_>>());
        decisions.iter().filter(|(key, _)| parts(key)).map(|(_, count)| count).sum()
    };
    for decision in ["denied", "unknown"] {
        let reasons =
            decisions.keys().filter_map(|key| key.strip_prefix(decision)?.split('/').nth(1));
        let raw: BTreeMap<&str, u64> = reasons
            .map(|reason| (reason, sum(&|key| key[0] == decision && key[1] == reason)))
            .collect();
        let said = said[decision].as_object().unwrap();
        let said: BTreeMap<&str, u64> =
            said.iter().map(|(reason, count)| (reason.as_str(), number(count))).collect();
        assert_eq!(said, raw, "{decision}, {place}");
    }
    for (column, outcomes) in [
        ("access", &["success"][..]),
        ("allowed_not_found", &["not_found"]),
        ("allowed_errors", &["client_error", "server_error"]),
        ("allowed_other", &["unknown"]),
    ] {
        let raw = sum(&|key| key[0] == "allowed" && outcomes.contains(&key[2]));
        assert_eq!(number(&said[column]), raw, "{column}, {place}");
    }
}

/// "… left out: 58 forwarded, 1 system (…" says what the second reading left out.
fn left_out_agrees(stderr: &str, raw: &Value, place: &str) {
    let said: BTreeMap<&str, u64> = stderr
        .split_once("left out: ")
        .map(|(_, rest)| rest.split(['(', ';']).next().unwrap().split(','))
        .into_iter()
        .flatten()
        .map(|part| part.trim().split_once(' ').unwrap())
        .map(|(count, why)| (why.trim(), count.parse().unwrap()))
        .collect();
    let raw = raw.as_object().unwrap().iter();
    let raw: BTreeMap<&str, u64> = raw
        .filter(|(why, _)| *why != "undecodable")
        .map(|(why, count)| (why.as_str(), number(count)))
        .collect();
    assert_eq!(said, raw, "{place}: {stderr}");
}
