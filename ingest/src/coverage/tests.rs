//! Stories of a source: lines, heartbeats, restarts; and what is told of them.

use super::*;
use crate::decode::{self, Peeked};
use crate::own::Beat;

const SECOND: i64 = 1_000_000_000;
const RUN: &str = "00112233445566aa";
const OTHER_RUN: &str = "ffffffff00000000";

/// A source, told line by line; its clock moves by the second.
#[derive(Default)]
struct Story {
    coverage: Coverage,
    leaf: u64,
    second: i64,
}

impl Story {
    fn bytes(&mut self, line: &str) {
        let Peeked::Entry(entry) = decode::peek(line.as_bytes()) else {
            panic!("no entry: {line}")
        };
        self.leaf += 1;
        self.coverage.line(&Line {
            source: 0,
            reader: Reader::Live,
            leaf: LeafIndex(self.leaf),
            arrived_unix_ns: self.second * SECOND,
            bytes: line.as_bytes(),
            entry: Some(&entry),
        });
    }

    /// Both lines of a request.
    fn request(&mut self, path: &str) {
        self.second += 1;
        let time = jiff::Timestamp::from_second(self.second).expect("a second");
        for kind in ["request", "response"] {
            self.bytes(&format!(
                r#"{{"time":"{time}","type":"{kind}","request":{{"id":"x","operation":"read","path":"{path}"}},"error":"permission denied"}}"#
            ));
        }
    }

    fn beat(&mut self, run: &str, number: u64) -> Beat {
        let sent_unix_ns = (self.second + 1) * SECOND;
        self.request(&heartbeat_path(run, number));
        Beat { number, sent_unix_ns }
    }

    fn own(&mut self, fact: Fact) {
        self.second += 1;
        let time = jiff::Timestamp::from_second(self.second).expect("a second");
        let Ok(()) = self
            .coverage
            .own(&OwnLine { time, fact }, &mut |_| Ok::<_, std::convert::Infallible>(0));
    }

    fn sent(&mut self, run: &str, beats: &[Beat]) {
        self.own(Fact::Heartbeats {
            sources: vec!["c/n/file".into()],
            run: run.into(),
            beats: beats.to_vec(),
            overdue_ns: 3 * SECOND,
        });
    }

    fn counted(&mut self, before: u64, after: u64, requests: u64, responses: u64) {
        self.own(Fact::Counters {
            sources: vec!["c/n/file".into()],
            run: RUN.into(),
            before,
            after,
            server_started_ms: 1,
            requests,
            responses,
        });
    }

    /// What is told, but for hours: finished records, then those that grow in brackets.
    fn told(&mut self) -> String {
        let says = |record: &Record| {
            let at = |ns: i64| ns / SECOND;
            Some(match record {
                Record::Stretch(Stretch { by, from, to, times }) => {
                    format!("{by:?} {}-{} x{times}", at(*from), at(*to))
                }
                Record::Incident(Incident { from, to, what }) => {
                    format!(
                        "{}-{} {}",
                        from.map_or("?".into(), |from| at(from).to_string()),
                        at(*to),
                        what.words()
                    )
                }
                Record::FoundAfterAll { number, .. } => format!("{number} after all"),
                _ => return None,
            })
        };
        let finished = self.coverage.finished();
        let mut told: Vec<String> =
            finished.iter().filter_map(|(_, record)| says(record)).collect();
        let growing = self.coverage.growing();
        told.extend(
            growing.iter().filter_map(|(_, record)| says(record)).map(|told| format!("[{told}]")),
        );
        told.join("; ")
    }
}

#[test]
fn beats_that_are_found_in_order_prove_the_time_between_them() {
    let mut story = Story::default();
    let one = story.beat(RUN, 1);
    story.sent(RUN, &[one]);
    story.request("secret/x");
    let two = story.beat(RUN, 2);
    let three = story.beat(RUN, 3);
    story.sent(RUN, &[two, three]);
    assert_eq!(story.told(), "[Heartbeat 1-5 x3]");
}

#[test]
fn an_own_line_may_come_before_the_servers() {
    let mut story = Story::default();
    let sent_unix_ns = SECOND;
    story.sent(RUN, &[Beat { number: 1, sent_unix_ns }, Beat { number: 2, sent_unix_ns }]);
    assert_eq!(story.coverage.waiting().collect::<Vec<_>>(), [(0, SECOND)]);
    story.beat(RUN, 1);
    story.beat(RUN, 2);
    assert_eq!(story.told(), "[Heartbeat 1-1 x2]");
    assert_eq!(story.coverage.waiting().count(), 0);
}

#[test]
fn a_beat_is_missing_once_a_later_one_is_found() {
    let mut story = Story::default();
    let one = story.beat(RUN, 1);
    let lost = Beat { number: 2, sent_unix_ns: 3 * SECOND };
    story.second = 4;
    let three = story.beat(RUN, 3);
    story.sent(RUN, &[one, lost, three]);
    assert_eq!(
        story.told(),
        "Heartbeat 1-1 x1; 1-5 1 of keytrail's heartbeats are not in the log; [Heartbeat 5-5 x1]"
    );
    story.beat(RUN, 2);
    assert_eq!(story.told(), "2 after all; [Heartbeat 5-5 x1]", "another file was read later");
}

#[test]
fn a_beat_is_missing_once_later_lines_are_there_and_late_before_that() {
    let mut story = Story::default();
    let one = story.beat(RUN, 1);
    let lost = Beat { number: 2, sent_unix_ns: 2 * SECOND };
    story.second = 60;
    story.sent(RUN, &[one, lost]);
    assert_eq!(story.told(), "[Heartbeat 1-1 x1]", "nothing later has been read");
    story.request("secret/x");
    story.sent(RUN, &[]);
    assert_eq!(
        story.told(),
        "Heartbeat 1-1 x1; 1-63 1 of keytrail's heartbeats are not in the log"
    );
}

#[test]
fn beats_in_another_order_than_they_were_sent_prove_nothing() {
    let mut story = Story::default();
    let two = story.beat(RUN, 2);
    let one = story.beat(RUN, 1);
    story.sent(RUN, &[one, two]);
    assert_eq!(
        story.told(),
        "Heartbeat 2-2 x1; 2-1 heartbeat 2 stands in the log before an earlier one; [Heartbeat 1-1 x1]"
    );
}

fn started() -> Fact {
    Fact::Started { version: "1".into(), sources: vec!["c/n/file".into()] }
}

fn through(proven: bool) -> Fact {
    let (source, path, why) = ("c/n/file".into(), "/a".into(), "seen".into());
    Fact::Continuity { source, path, proven, why }
}

#[test]
fn a_restart_ends_what_is_proven_unless_the_files_were_read_through() {
    let mut story = Story::default();
    story.own(through(true));
    let one = story.beat(RUN, 1);
    story.sent(RUN, &[one]);
    story.own(started());
    let first = story.beat(OTHER_RUN, 1);
    story.sent(OTHER_RUN, &[first]);
    assert_eq!(story.told(), "Heartbeat 2-2 x1; [Heartbeat 5-5 x1]");
    // The own line may come first; that the files were read through comes before their next line.
    story.own(started());
    story.sent(RUN, &[Beat { number: 1, sent_unix_ns: 8 * SECOND }]);
    story.own(through(true));
    story.beat(RUN, 1);
    assert_eq!(story.told(), "[Heartbeat 5-8 x2]");
    story.own(through(false));
    assert_eq!(story.told(), "Heartbeat 5-8 x2; 10-11 continuity not proven: seen");
}

#[test]
fn beats_that_a_killed_process_told_of_are_read_by_the_next_one() {
    let mut story = Story::default();
    let one = story.beat(RUN, 1);
    let (two, three) = (
        Beat { number: 2, sent_unix_ns: 3 * SECOND },
        Beat { number: 3, sent_unix_ns: 4 * SECOND },
    );
    story.sent(RUN, &[one, two, three]);
    story.own(started());
    story.sent(OTHER_RUN, &[Beat { number: 1, sent_unix_ns: 5 * SECOND }]);
    story.own(through(true));
    story.beat(RUN, 2);
    story.beat(RUN, 3);
    story.beat(OTHER_RUN, 1);
    assert_eq!(story.told(), "[Heartbeat 1-5 x4]");
    assert_eq!(story.coverage.waiting().count(), 0);
}

#[test]
fn beats_that_were_lost_with_a_killed_process_are_missing() {
    let mut story = Story::default();
    let one = story.beat(RUN, 1);
    story.sent(RUN, &[one, Beat { number: 2, sent_unix_ns: 3 * SECOND }]);
    story.own(started());
    story.own(through(true));
    let first = story.beat(OTHER_RUN, 1);
    story.sent(OTHER_RUN, &[first]);
    assert_eq!(
        story.told(),
        "Heartbeat 1-1 x1; 1-5 1 of keytrail's heartbeats are not in the log; [Heartbeat 5-5 x1]"
    );
}

#[test]
fn a_gap_ends_what_is_proven() {
    let mut story = Story::default();
    let one = story.beat(RUN, 1);
    story.sent(RUN, &[one]);
    story.own(Fact::RefusedRaw { source: "c/n/file".into(), path: "/a".into() });
    assert_eq!(story.told(), "Heartbeat 1-1 x1; 1-3 refused, since it logs tokens in clear");
}

#[test]
fn counters_that_agree_prove_and_those_that_do_not_tell_the_number() {
    let mut story = Story::default();
    let mut number = 0;
    let mut read = |story: &mut Story, requests: u64, responses: u64| {
        let before = story.beat(RUN, number + 1);
        let after = story.beat(RUN, number + 2);
        story.sent(RUN, &[before, after]);
        story.counted(number + 1, number + 2, requests, responses);
        number += 2;
    };
    // The server has counted 100 lines of each kind that nobody followed, and the first heartbeat.
    read(&mut story, 101, 101);
    story.request("secret/x");
    read(&mut story, 104, 104);
    assert_eq!(story.told(), "[Heartbeat 1-7 x4]; [Counters 4-9 x2]");
    // One request was written that did not come in.
    read(&mut story, 107, 106);
    assert_eq!(story.told(), "[Heartbeat 1-11 x6]; [Counters 4-9 x2]", "one reading may be early");
    read(&mut story, 109, 108);
    assert_eq!(
        story.told(),
        "Counters 4-9 x2; 9-17 the server counted 8 lines, 7 came in; [Heartbeat 1-15 x8]"
    );
}

#[test]
fn counters_that_begin_anew_are_no_difference() {
    let mut story = Story::default();
    let beats = [story.beat(RUN, 1), story.beat(RUN, 2)];
    story.sent(RUN, &beats);
    story.counted(1, 2, 50, 50);
    story.own(Fact::Counters {
        sources: vec!["c/n/file".into()],
        run: RUN.into(),
        before: 1,
        after: 2,
        server_started_ms: 2,
        requests: 1,
        responses: 1,
    });
    assert_eq!(story.told(), "[Heartbeat 1-2 x2]");
}

#[test]
fn a_line_of_a_client_is_no_heartbeat() {
    let mut story = Story::default();
    story.request("secret/keytrail-heartbeat/00112233445566aa/1");
    story.request("keytrail-heartbeat/00112233445566aa/one");
    story.sent(RUN, &[Beat { number: 1, sent_unix_ns: 0 }]);
    assert_eq!(story.told(), "");
}

#[test]
fn hours_are_added_up_by_their_own_time() {
    let mut story = Story { second: 3599, ..Story::default() };
    story.coverage.finished();
    story.request("secret/x");
    story.second = 3_000;
    story.request("secret/x");
    let hours: Vec<Hour> = story
        .coverage
        .growing()
        .into_iter()
        .map(|(_, record)| match record {
            Record::Hour(hour) => hour,
            other => panic!("{other:?}"),
        })
        .collect();
    let says: Vec<_> = hours.iter().map(|hour| (hour.hour, hour.lines, hour.first)).collect();
    assert_eq!(says, [(Some(1), 2, Some(3600 * SECOND)), (Some(0), 2, Some(3001 * SECOND))]);
    // An hour that stands still makes room, and is added to by another record of it.
    for hour in 2..7 {
        story.second = hour * 3600;
        story.request("secret/x");
    }
    assert_eq!(story.coverage.finished().len(), 3);
}

#[test]
fn every_record_that_is_written_can_be_read() {
    let mut story = Story::default();
    // Six hours, of which two are finished; and what else a source's story has.
    for _ in 0..6 {
        story.request("secret/data/a");
        story.second += HOUR_NS / SECOND;
    }
    let finished = story.coverage.finished();
    assert!(
        matches!(&finished[..], [(Some(0), Record::Hour(_)), (Some(0), Record::Hour(_))]),
        "{finished:?}"
    );
    let growing = story.coverage.growing();
    let records = finished.into_iter().map(|(_, record)| record);
    for record in records.chain(growing.into_iter().map(|(_, record)| record)) {
        let text = serde_json::to_string(&record).expect("plain data");
        assert_eq!(serde_json::from_str::<Record>(&text).ok().as_ref(), Some(&record), "{text}");
    }
    let state = serde_json::to_value(&story.coverage).expect("plain data");
    assert_eq!(serde_json::from_value::<Coverage>(state).ok(), Some(story.coverage));
}
