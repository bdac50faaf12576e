use std::collections::BTreeMap;

use ingest::event::{AuditEvent, Decision, Flag, Outcome, Uid};
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::coverage::{Coverage, Grade};
use crate::filter::Filter;
use crate::filter::tests::events::{ELEVEN_NS, events, example, time};
use crate::period::Period;
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
    let scope = Scope {
        filter: &filter,
        period: &period,
        at: None,
        all,
        origin: "keytrail/prod",
        horizon: None,
        coverage: &coverage,
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
        .heading_table()
        .write(Form::Text { width: None }, &mut out)
        .expect("a Vec takes everything");
    insta::assert_snapshot!(String::from_utf8(out).expect("text"));
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
