//! Grades of sources that are told in records.

use ingest::coverage::{Hour, Incident, Record, Stretch, What};

use super::records::Records;
use super::*;

const MINUTE: i64 = 60_000_000_000;

fn hour(number: i64, lines: u64, first: i64, last: i64) -> Record {
    let (first, last) = (Some(first * MINUTE), Some(last * MINUTE));
    Record::Hour(Hour { hour: Some(number), live: true, lines, first, last, ..Hour::default() })
}

fn stretch(by: By, from: i64, to: i64) -> Record {
    Record::Stretch(Stretch { by, from: from * MINUTE, to: to * MINUTE, times: 2 })
}

fn gap(from: i64, to: i64, at_least: Option<u64>) -> Record {
    let what = What::Gap { at_least, why: "the file shrank".into() };
    Record::Incident(Incident { from: Some(from * MINUTE), to: to * MINUTE, what })
}

fn source(records: &[Record], from: Option<i64>, to: Option<i64>) -> Source {
    let mut all = Records::default();
    records.iter().cloned().for_each(|record| all.add(record));
    let span = Span { from: from.map(|from| from * MINUTE), to: to.map(|to| to * MINUTE) };
    all.over("c/n/file", span)
}

/// The grade and the first reason, over minutes since 1970.
fn grade(records: &[Record], from: Option<i64>, to: Option<i64>) -> (Grade, String) {
    let source = source(records, from, to);
    (source.grade, source.why.first().cloned().unwrap_or_default())
}

#[test]
fn proven_is_what_stretches_reach_over_without_a_hole() {
    let lines = hour(0, 10, 1, 59);
    let whole = [lines.clone(), stretch(By::Heartbeat, 0, 60)];
    assert_eq!(grade(&whole, Some(1), Some(60)), (Grade::Proven, String::new()));
    let handed_on = [lines.clone(), stretch(By::Counters, 30, 60), stretch(By::Heartbeat, 0, 40)];
    assert_eq!(grade(&handed_on, Some(1), Some(60)).0, Grade::Proven);
    let hole = [lines.clone(), stretch(By::Heartbeat, 0, 20), stretch(By::Heartbeat, 21, 60)];
    assert_eq!(
        grade(&hole, Some(1), Some(60)),
        (Grade::NoGapSeen, "heartbeats or counters cover a part of the time only".into())
    );
    assert_eq!(grade(&hole, Some(1), Some(20)).0, Grade::Proven);
    assert_eq!(
        grade(&[lines], None, None),
        (Grade::NoGapSeen, "neither heartbeats nor the server's counters were compared".into())
    );
}

#[test]
fn without_an_end_the_last_heartbeat_is_the_end_if_it_is_fresh() {
    let records =
        |beat| [hour(0, 10, 1, 59), stretch(By::Heartbeat, 0, beat), Record::Followed { at: 0 }];
    assert_eq!(grade(&records(56), None, None).0, Grade::Proven);
    assert_eq!(grade(&records(50), None, None).0, Grade::NoGapSeen);
}

#[test]
fn an_incident_makes_its_own_time_incomplete_and_no_other() {
    let records = [hour(0, 10, 1, 59), stretch(By::Heartbeat, 0, 60), gap(20, 30, Some(512))];
    let (found, why) = grade(&records, Some(10), Some(25));
    assert_eq!(found, Grade::Incomplete);
    assert_eq!(
        why,
        "at least 512 bytes are missing: the file shrank, between 1970-01-01T00:20:00Z and 1970-01-01T00:30:00Z"
    );
    assert_eq!(grade(&records, Some(31), Some(60)).0, Grade::Proven);
    assert_eq!(grade(&records, Some(1), Some(20)).0, Grade::Proven);
    let source = source(&records, None, None);
    assert_eq!((source.gaps, source.gap_bytes), (1, 512));
}

#[test]
fn a_heartbeat_found_after_all_is_no_incident() {
    let lost = |numbers: &[u64]| {
        let what = What::Heartbeats { run: "r".into(), numbers: numbers.to_vec() };
        Record::Incident(Incident { from: Some(0), to: MINUTE, what })
    };
    let after_all = |number| Record::FoundAfterAll { run: "r".into(), number };
    let records = [after_all(1), hour(0, 1, 0, 1), lost(&[1, 2])];
    assert!(grade(&records, None, None).1.starts_with("1 of keytrail's heartbeats"));
    let records = [after_all(1), hour(0, 1, 0, 1), lost(&[1, 2]), after_all(2)];
    assert_eq!(grade(&records, None, None).0, Grade::NoGapSeen);
}

#[test]
fn a_period_is_not_covered_before_the_source_was_known_nor_after_it_was_left() {
    let imported = [hour(0, 10, 10, 20)];
    let (found, why) = grade(&imported, Some(5), Some(15));
    assert_eq!(
        (found, &*why),
        (Grade::Incomplete, "nothing is known of it before 1970-01-01T00:10:00Z")
    );
    let (found, why) = grade(&imported, Some(10), Some(30));
    assert_eq!(
        (found, &*why),
        (Grade::Incomplete, "nothing is known of it after 1970-01-01T00:20:00Z")
    );
    // A quiet server that is followed writes nothing; that is no gap.
    let followed = [hour(0, 10, 10, 20), Record::Followed { at: 0 }];
    assert_eq!(grade(&followed, Some(5), Some(30)).0, Grade::NoGapSeen);
    let left = [followed.as_slice(), &[Record::Stopped { at: 25 * MINUTE }]].concat();
    assert!(grade(&left, Some(5), Some(30)).1.ends_with("after 1970-01-01T00:25:00Z"));
    let again = [left.as_slice(), &[Record::Followed { at: 26 * MINUTE }]].concat();
    assert_eq!(grade(&again, Some(5), Some(30)).0, Grade::NoGapSeen);
}

#[test]
fn the_worst_grade_counts_and_undeclared_nodes_are_never_complete() {
    let proven = source(&[hour(0, 1, 0, 1), stretch(By::Counters, 0, 2)], None, None);
    assert_eq!(proven.grade, Grade::Proven);
    let of = |nodes: Option<&[&str]>| {
        let nodes = nodes.map(|nodes| nodes.iter().map(|node| (*node).to_owned()).collect());
        Coverage::of(nodes, vec![proven.clone()])
    };
    assert_eq!(of(None).grade, Grade::NoGapSeen);
    assert!(of(None).sentence().contains("nodes not declared"));
    assert!(!of(None).sentence().starts_with("complete:"));
    assert!(
        of(Some(&["n"])).sentence().starts_with("complete: "),
        "{}",
        of(Some(&["n"])).sentence()
    );
    let missing = of(Some(&["n", "bao-2"]));
    assert_eq!(
        (missing.grade, missing.nodes_without_source.join(" ")),
        (Grade::Incomplete, "bao-2".into())
    );
    assert!(missing.sentence().contains("no source of the declared nodes: bao-2"));
}

#[test]
fn hours_of_the_same_day_add_up_and_late_ones_are_told() {
    let records = [hour(0, 10, 1, 59), hour(0, 5, 0, 3), hour(30, 1, 1810, 1810)];
    let source = source(&records, None, None);
    let days: Vec<_> = source.days.iter().map(|day| (&*day.day, day.lines)).collect();
    assert_eq!(days, [("1970-01-01", 15), ("1970-01-02", 1)]);
    assert_eq!((source.lines, source.live_lines), (16, 16));
    assert_eq!(source.first.as_deref(), Some("1970-01-01T00:00:00Z"));
}
