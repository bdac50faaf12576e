//! Splunk's HTTP Event Collector, as a test plays it.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::{CONTROL_TOTAL, CONTROL_UID, Setup, pairs, set, sink, uids};
use crate::util::{DEADLINE, Post, Run, Siem, SiemReply, keytrail, until};

/// A collector that acknowledges: what it took, and which acknowledgements were asked for.
#[derive(Default)]
pub(super) struct Collector {
    pub(super) taken: Vec<Vec<Value>>,
    /// So many looks until an acknowledgement is there.
    late: usize,
    looks: BTreeMap<usize, usize>,
    /// Batches whose acknowledgement never comes, by number.
    lost: Vec<usize>,
    busy: usize,
    /// The request of an event that it does not take.
    refused: Option<&'static str>,
}

impl Collector {
    pub(super) fn answer(&mut self, post: &Post) -> SiemReply {
        let say = |status, body: Value| SiemReply::Say(status, String::new(), body.to_string());
        let problem = |status, code: u16, text: &str| {
            say(status, serde_json::json!({"text": text, "code": code}))
        };
        if post.target.ends_with("/health") {
            return problem(200, 17, "HEC is healthy");
        }
        assert!(post.header("x-splunk-request-channel").len() == 36);
        match post.header("authorization") {
            "Splunk s3cret" => {}
            _ => return problem(403, 4, "Invalid token"),
        }
        if post.target.ends_with("/ack") {
            let number = post.json()["acks"][0].as_u64().unwrap() as usize;
            let looks = self.looks.entry(number).or_default();
            *looks += 1;
            let is = *looks > self.late && !self.lost.contains(&number);
            return say(200, serde_json::json!({"acks": {number.to_string(): is}}));
        }
        if post.body.is_empty() {
            return problem(400, 5, "No data");
        }
        if self.busy > 0 {
            self.busy -= 1;
            return problem(503, 9, "Server is busy");
        }
        let events = serde_json::Deserializer::from_slice(&post.body).into_iter();
        let events: Vec<Value> = events.collect::<Result<_, _>>().unwrap();
        let refused = self.refused.map(Value::from);
        if events.iter().any(|event| Some(&event["event"]["request_id"]) == refused.as_ref()) {
            return problem(400, 6, "Invalid data format");
        }
        self.taken.push(events);
        let number = self.taken.len() - 1;
        say(200, serde_json::json!({"text": "Success", "code": 0, "ackId": number}))
    }
}

impl Collector {
    /// The uids of the events that it took, as often as it took them.
    pub(super) fn uids(&self) -> Vec<String> {
        let uid = |event: &Value| event["event"]["uid"].as_str().unwrap().to_owned();
        let all = self.taken.iter().flatten().map(uid);
        all.filter(|uid| !uid.starts_with(CONTROL_UID)).collect()
    }
}

/// Writes the token that it takes, and returns the keys of its sink.
pub(super) fn keys(setup: &Setup, batch: usize) -> String {
    let token = setup.path("token");
    fs::write(&token, "s3cret\n").unwrap();
    format!("format = \"event\"\nbatch_events = {batch}\ntoken_file = {token:?}\n")
}

/// What goes wrong with a batch.
enum Trouble {
    Say(u16, &'static str),
    Reset,
    /// It is taken, and nobody says so.
    Silent,
    /// It is taken and acknowledged, and gone all the same.
    Lost,
}

#[test]
fn whatever_a_collector_does_each_event_is_there_and_what_it_lost_is_found() {
    let setup = Setup::new(&pairs(0..200));
    let troubles = Mutex::new(VecDeque::from([
        Trouble::Say(429, "Retry-After: 1"),
        Trouble::Say(500, ""),
        Trouble::Say(413, ""),
        Trouble::Reset,
        Trouble::Lost,
        Trouble::Silent,
        Trouble::Say(503, ""),
    ]));
    let collector = Arc::new(Mutex::new(Collector::default()));
    let (answering, looks) = (collector.clone(), AtomicUsize::new(0));
    let siem = Siem::start(move |post| {
        let mut collector = answering.lock().unwrap();
        if post.target.ends_with("/ack") {
            // A look may fail too.
            return match looks.fetch_add(1, Ordering::SeqCst) {
                0 => SiemReply::Reset,
                1 => SiemReply::status(503),
                _ => collector.answer(post),
            };
        }
        match troubles.lock().unwrap().pop_front() {
            Some(Trouble::Say(status, header)) => {
                SiemReply::Say(status, header.to_owned(), String::new())
            }
            Some(Trouble::Reset) => SiemReply::Reset,
            Some(Trouble::Silent) => {
                collector.answer(post);
                SiemReply::Silent
            }
            Some(Trouble::Lost) => {
                let answer = collector.answer(post);
                collector.taken.last_mut().unwrap().clear();
                answer
            }
            None => collector.answer(post),
        }
    });
    let sinks = sink("hec", "splunk_hec", &siem, &keys(&setup, 40));
    let server = setup.run(&sinks);
    setup.done("hec", 200);
    let all = set(&uids(&setup.data.search("")));
    let has = collector.lock().unwrap().uids();
    let lost = all.len() - set(&has).len();
    assert!(lost > 0 && set(&has).is_subset(&all), "{lost} lost");
    // Its own list tells which, and they are sent again.
    let export = setup.path("export.csv");
    fs::write(&export, format!("event_uid\n{}\n", has.join("\n"))).unwrap();
    let list = ["reconcile", "hec", "--uids", export.to_str().unwrap(), "--resend"];
    let told = setup.data.forward(&list).expect(1);
    let missing: Vec<String> = told
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("missing  "))
        .map(|line| line[..32].to_owned())
        .collect();
    assert_eq!(set(&missing), &all - &set(&has));
    until("they are there", DEADLINE, || {
        (set(&collector.lock().unwrap().uids()) == all).then_some(())
    });
    server.terminate();
}

#[test]
fn a_batch_is_done_with_when_the_indexer_has_it_and_sent_again_when_it_does_not_say_so() {
    let setup = Setup::new(&pairs(0..100));
    let token = setup.path("token");
    fs::write(&token, "s3cret\n").unwrap();
    let collector = Arc::new(Mutex::new(Collector {
        late: 2,
        lost: vec![1],
        busy: 2,
        refused: Some("r7"),
        ..Collector::default()
    }));
    let answering = collector.clone();
    let siem = Siem::start(move |post| answering.lock().unwrap().answer(post));
    let more = format!(
        "format = \"event\"\nbatch_events = 25\nack_timeout = \"3s\"\nindex = \"audit\"\ntoken_file = \"{}\"",
        token.display()
    );
    let sinks = sink("hec", "splunk_hec", &siem, &more);
    let config = setup.configure(&sinks);
    let check = || Run::of(keytrail().args(["check-config", "-c"]).arg(&config));
    let run = check().expect(0);
    assert!(run.stderr.contains("takes the token"), "{}", run.stderr);
    let server = setup.run(&sinks);
    let status = setup.done("hec", 100);
    let expected = set(&uids(&setup.data.search("-request:r7")));
    let sent: Vec<String> = {
        let collector = collector.lock().unwrap();
        let all = collector.taken.iter().flatten();
        let all = all.filter(|event| event["event"]["type"] != CONTROL_TOTAL);
        all.map(|event| {
            assert_eq!(event["fields"]["event_uid"], event["event"]["uid"]);
            assert_eq!(event["index"], "audit");
            event["event"]["uid"].as_str().unwrap().to_owned()
        })
        .collect()
    };
    assert_eq!(set(&sent), expected);
    let twice = collector.lock().unwrap().taken[1].len();
    assert_eq!(sent.len(), 99 + twice, "only the batch whose acknowledgement was lost");
    assert_eq!((&status["delivered"], &status["dead_events"]), (&99.into(), &1.into()), "{status}");
    let deliveries = status["deliveries"].as_array().unwrap();
    assert!(deliveries.iter().any(|delivery| delivery["state"] == "confirmed"), "{deliveries:?}");
    server.says("not acknowledged within 3 s");
    drop(server);
    fs::write(&token, "wrong\n").unwrap();
    let run = check().expect(1);
    assert!(run.stderr.contains("Invalid token"), "{}", run.stderr);
}
