use std::collections::BTreeMap;

use ingest::event::{AuditEvent, Decision, Flag, Outcome, Uid};
use ingest::source::LeafIndex;
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::coverage::{Coverage, Grade};
use crate::filter::Filter;
use crate::filter::tests::events::{ELEVEN_NS, events, example, time};
use crate::period::Period;
use crate::report::catalogue::Catalogue;
use crate::report::tie_out::Recorded;
use crate::report::{Completeness, Equation};
use crate::table::Form;
use crate::testing::view_of;

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().expect("a time")
}

fn made(
    events: &[AuditEvent],
    filter: &str,
    period: Option<&str>,
    all: bool,
    by: By,
) -> AccessReport {
    let view = view_of(events, events.len().div_ceil(2).max(1));
    let filter = Filter::parse(filter, now()).expect("a filter");
    let period = Period::new(period, None, None, None, now()).expect("a period");
    let coverage = Coverage {
        grade: Grade::NoGapSeen,
        why: vec!["nodes not declared".to_owned()],
        nodes: None,
        nodes_without_source: Vec::new(),
        devices: Vec::new(),
        sources: Vec::new(),
    };
    // As many as day() has, which the property's events have not.
    let recorded = Recorded { lines: 19, removed: 0, root: "ab".repeat(32) };
    let catalogue = Catalogue { controls: Vec::new(), ..Catalogue::built_in() };
    let scope = Scope {
        catalogue: &catalogue,
        filter: &filter,
        period: &period,
        at: None,
        all,
        origin: "keytrail/prod",
        recorded: &recorded,
        horizon: None,
        coverage: &coverage,
        by: "os:alice",
        now: now(),
    };
    report(&view, &scope, by).expect("a report")
}

/// Three identities' day: reads, a new name, refusals, a failed login, what is left out.
fn day() -> Vec<AuditEvent> {
    let at = |second: i64| Some(time(ELEVEN_NS + second * 1_000_000_000));
    let app = example();
    let mut renamed =
        AuditEvent { time: at(5), remote_address: Some("10.0.1.8".to_owned()), ..example() };
    renamed.identity.name = Some("my-app/renamed".to_owned());
    let missing = AuditEvent { time: at(3), outcome: Outcome::NotFound, ..example() };
    let refused = AuditEvent {
        time: at(4),
        decision: Decision::Denied,
        reason: Reason::Policy,
        outcome: Outcome::Refused,
        operation: Some("update".to_owned()),
        path: Some("secret/data/other".to_owned()),
        ..example()
    };
    let mut login = AuditEvent {
        time: at(1),
        decision: Decision::Denied,
        reason: Reason::Login,
        outcome: Outcome::Refused,
        operation: Some("update".to_owned()),
        path: Some("auth/userpass/login/eve".to_owned()),
        namespace: None,
        ..example()
    };
    (login.identity.key, login.identity.name, login.identity.display_name) = (None, None, None);
    let pending = AuditEvent {
        time: at(6),
        decision: Decision::Unknown,
        reason: Reason::Pending,
        outcome: Outcome::Unknown,
        completed: None,
        ..example()
    };
    let forwarded = AuditEvent {
        reason: Reason::Forwarded,
        decision: Decision::Unknown,
        outcome: Outcome::Forwarded,
        ..example()
    };
    let late = AuditEvent { flags: vec![Flag::Late], ..example() };
    let both = AuditEvent { flags: vec![Flag::Late], ..forwarded.clone() };
    let timeless = AuditEvent { time: None, ..example() };
    let mut all =
        vec![app, renamed, missing, refused, login, pending, forwarded, late, both, timeless];
    for (number, event) in (1..).zip(&mut all) {
        event.uid = Uid([number; 16]);
        let request = 10 * u64::from(number);
        let lines = if event.reason == Reason::Pending { 1 } else { 2 };
        event.leaves = (request..request + lines).map(LeafIndex).collect();
    }
    all
}

fn csv(report: &AccessReport) -> String {
    let mut out = Vec::new();
    report.table().write(Form::Csv, &mut out).expect("a Vec takes everything");
    String::from_utf8(out).expect("text").replace("\r\n", "\n")
}

#[test]
fn by_identity() {
    insta::assert_snapshot!(csv(&made(&day(), "", Some("2026-11-24"), false, By::Identity)));
}

#[test]
fn by_path() {
    insta::assert_snapshot!(csv(&made(&day(), "", None, false, By::Path)));
}

#[test]
fn by_decision() {
    insta::assert_snapshot!(csv(&made(&day(), "", None, true, By::Decision)));
}

#[test]
fn the_heading_says_what_is_not_covered() {
    let report = made(&day(), "-decision:denied", Some("2026-Q4"), false, By::Identity);
    let mut out = Vec::new();
    report
        .heading
        .table()
        .write(Form::Text { width: None }, &mut out)
        .expect("a Vec takes everything");
    let text = String::from_utf8(out).expect("text");
    // They change with each word of the catalogue.
    let lines = text.lines().filter(|line| !line.starts_with("SHA-256"));
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn as_json_it_is_one_object() {
    let report = made(&day(), "decision:denied", None, false, By::Identity);
    let json = serde_json::to_value(&report).expect("plain data");
    insta::assert_snapshot!(serde_json::to_string_pretty(&json["rows"]).expect("plain data"));
    assert_eq!(json["totals"]["denied"]["policy"], 1);
    assert_eq!(json["heading"]["evidence"][0]["requirement"], "CC6.1");
}

#[test]
fn every_equation_holds_and_has_the_numbers_counted_by_hand() {
    let heading = made(&day(), "-decision:denied", Some("2026-Q4"), false, By::Identity).heading;
    let told: Vec<String> = heading.tie_out.iter().map(Equation::sentence).collect();
    assert_eq!(
        told,
        [
            "19 lines of servers in the ledger, by the headers of its batches = 19 decoded + 0 not decodable + 0 removed by retention",
            "19 decoded lines = 18 of requests with their responses + 1 of requests alone + 0 of responses alone",
            "10 requests that these lines tell of = 9 issued as events + 1 without a response so far",
            "10 events of the whole log = 9 in the period + 0 before it + 0 after it + 1 without a readable time",
            "9 events in the period = 7 that fit + 2 that do not",
            "7 events that fit = 4 reported + 0 left out: copy + 1 left out: forwarded + 2 left out: late + 0 left out: system",
            "4 reported events = 2 access + 1 allowed, nothing was there + 0 allowed, and failed + 0 allowed, end unknown + 0 denied + 1 unknown",
        ]
    );
    assert!(heading.tie_out.iter().all(Equation::holds));
    assert_eq!(heading.completeness.grade, "no gap seen");
}

#[test]
fn lines_that_nothing_was_made_of_make_a_report_incomplete() {
    let mut fewer = day();
    fewer.remove(0);
    let Completeness { grade, sentences } =
        made(&fewer, "", None, false, By::Identity).heading.completeness;
    assert_eq!(grade, "incomplete");
    assert!(sentences[0].contains("19 lines of servers in the ledger"), "{sentences:?}");
    assert!(sentences[0].contains("is NOT 17 decoded"), "{sentences:?}");
}

#[test]
fn a_document_has_the_rows_and_what_opens_them() {
    let report = made(&day(), "-decision:denied", Some("2026-Q4"), false, By::Identity);
    let document = serde_json::to_value(report.document()).expect("plain data");
    let table = &document["sections"][0]["table"];
    let columns = table["columns"].as_array().expect("columns");
    let column = |name: &str| columns.iter().position(|column| column["name"] == name);
    let rows = table["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), report.rows.len());
    let row = rows[0].as_array().expect("a row");
    let cell = |name: &str| &row[column(name).expect("a column")];
    assert_eq!(*cell("requests"), 4);
    assert_eq!(*cell("first"), "2026-11-24T11:00:00Z");
    let filter = cell("filter").as_str().expect("a filter");
    assert!(filter.starts_with("(-decision:denied) identity:"), "{filter}");
    assert_eq!(made(&day(), filter, Some("2026-Q4"), false, By::Path).totals.requests, 4);
    let chart = &document["sections"][0]["chart"];
    assert_eq!(chart["bars"][0][1], 4);
    assert!(chart["alt"].as_str().expect("words").starts_with("requests by identity: "));
    assert_eq!(document["heading"]["state"], "draft");
}

#[test]
fn what_the_filter_asks_for_is_counted() {
    for (filter, all, left_out) in [
        ("", false, "copy 0, forwarded 1, late 2, system 0"),
        ("is:forwarded", false, "copy 0, late 1, system 0"),
        ("is:late", false, "copy 0, forwarded 0, system 0"),
        ("is:late OR is:forwarded OR reason:system", false, "copy 0"),
        ("is:late,copy OR is:forwarded OR reason:system", false, ""),
        ("", true, ""),
    ] {
        let heading = made(&day(), filter, None, all, By::Decision).heading;
        let words = heading.left_out.iter().map(|(word, count)| format!("{word} {count}"));
        assert_eq!(words.collect::<Vec<_>>().join(", "), left_out, "{filter:?}");
        assert_eq!(heading.matched, heading.counted + heading.left_out.values().sum::<u64>());
    }
}

#[test]
fn a_row_leads_to_its_events() {
    for by in By::ALL {
        for row in made(&day(), "", None, true, by).rows {
            let Some(filter) = row.filter(by) else { continue };
            let events = made(&day(), &filter, None, true, By::Decision).totals.requests;
            assert_eq!(events, row.counts.requests, "{filter}");
        }
    }
}

/// Counts and addresses by namespace and key.
type Rows = BTreeMap<(Option<String>, Option<String>), (Counts, Vec<String>)>;

/// The report's rows, recomputed from the events one by one.
fn naive(events: &[AuditEvent], by: By) -> Rows {
    let mut rows = BTreeMap::new();
    for event in events.iter().filter(|event| event.left_out().is_none()) {
        let key = match by {
            By::Identity => (None, event.identity.key.clone()),
            By::Path => (event.namespace.clone(), event.path.clone()),
            By::Decision => (None, Some(event.decision.to_string())),
        };
        let (counts, addresses): &mut (Counts, Vec<String>) = rows.entry(key).or_default();
        counts.add_outcome(event.decision, event.outcome, 1);
        counts.add_reason(event.decision, event.reason, 1);
        counts.add_operation(event.operation.as_deref(), 1);
        addresses.extend(event.remote_address.clone());
        addresses.sort();
        addresses.dedup();
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rows_are_the_events_and_tie_out(events in events(16)) {
        for by in By::ALL {
            let report = made(&events, "", None, false, by);
            let mut sum = Counts::default();
            for row in &report.rows {
                prop_assert_eq!(row.counts.sum_of_parts(), row.counts.requests);
                prop_assert_eq!(row.counts.operations.values().sum::<u64>(), row.counts.requests);
                sum.merge(&row.counts);
            }
            prop_assert_eq!(&sum, &report.totals);
            prop_assert_eq!(sum.requests, report.heading.counted);
            let heading = &report.heading;
            prop_assert_eq!(heading.matched, heading.counted + heading.left_out.values().sum::<u64>());
            prop_assert_eq!(heading.matched, heading.sources.iter().map(|source| source.events).sum::<u64>());
            let rows: BTreeMap<_, _> = report
                .rows
                .into_iter()
                .map(|row| ((row.namespace, row.key), (row.counts, row.addresses.named)))
                .collect();
            prop_assert_eq!(rows, naive(&events, by));
        }
    }
}
