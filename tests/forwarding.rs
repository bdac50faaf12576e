//! Sinks end to end: what a receiver does to keytrail, and what it has in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tempfile::TempDir;

use crate::util::{
    DEADLINE, Data, Post, Run, SiemReply, Server, Siem, fixture_text, get, keytrail, pair, request,
    response, until,
};

const KEYS: [&str; 2] = ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "AAAAr8GKYqrTwjUPD8ILPZIo2LaLaSwAA"];

/// A log that is followed, and where its events go.
struct Setup {
    folder: TempDir,
    data: Data,
}

impl Setup {
    fn new(log: &str) -> Setup {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("audit.log"), log).unwrap();
        let data = Data::at(&folder.path().join("data"));
        Setup { folder, data }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, sinks: &str) -> PathBuf {
        let config = self.path("keytrail.toml");
        let log = self.path("audit.log");
        // Whatever else is on the volume of the tests.
        let text = format!(
            "[reserve]\nbytes = 0\npercent = 0\n[[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"n\"\n{sinks}",
            log.display()
        );
        fs::write(&config, text).unwrap();
        config
    }

    fn run(&self, sinks: &str) -> Server {
        let config = self.configure(sinks);
        Server::start(&self.data, &["-c", config.to_str().unwrap()])
    }

    fn append(&self, lines: &str) {
        let log = self.path("audit.log");
        let mut file = fs::OpenOptions::new().append(true).open(log).unwrap();
        file.write_all(lines.as_bytes()).unwrap();
    }

    fn status(&self, sink: &str) -> Value {
        let run = self.data.run("forward", ["status", "--format", "json"]);
        let all = run.expect(0).json();
        all.into_iter().find(|shown| shown["name"] == sink).unwrap_or(Value::Null)
    }

    /// Waits until a sink has nothing left to send of so many events.
    fn done(&self, sink: &str, events: u64) -> Value {
        let what = format!("{sink} is done with {events} events");
        until(&what, DEADLINE, || {
            let all = self.data.run("status", ["--format", "json"]);
            if all.code != 0 || all.json()[0]["events"] != events {
                return None;
            }
            let status = self.status(sink);
            (status["waiting"] == 0 && status["in_flight"].is_null()).then_some(status)
        })
        .0
    }
}

impl Data {
    fn forward(&self, arguments: &[&str]) -> Run {
        let (what, rest) = arguments.split_first().unwrap();
        let mut command = keytrail();
        Run::of(command.args(["forward", what, "-d"]).arg(self.path()).args(rest))
    }
}

fn webhook(name: &str, siem: &Siem, more: &str) -> String {
    format!(
        "[[sink]]\nname = \"{name}\"\ntype = \"webhook\"\nurl = \"{}/in\"\nallow_private = true\nretry_max = \"200ms\"\n{more}\n",
        siem.url
    )
}

fn pairs(numbers: std::ops::Range<i64>) -> String {
    numbers.map(|n| pair(&format!("r{n}"), "secret/data/x", n * 10)).collect()
}

/// The events that a receiver has, in the order in which they came.
fn events(posts: &[Post]) -> Vec<Value> {
    let of = |post: &Post| post.json()["data"]["events"].as_array().cloned().unwrap_or_default();
    posts.iter().flat_map(of).collect()
}

fn uids(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["uid"].as_str().unwrap().to_owned()).collect()
}

fn set(uids: &[String]) -> BTreeSet<String> {
    uids.iter().cloned().collect()
}

fn take(_: &Post) -> SiemReply {
    SiemReply::status(200)
}

#[test]
fn a_receiver_that_is_busy_throttles_and_breaks_off_gets_every_event_once_in_order_and_signed() {
    let setup = Setup::new(&pairs(0..40));
    let tries = AtomicUsize::new(0);
    let siem = Siem::start(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => SiemReply::status(503),
        1 => SiemReply::Say(429, "Retry-After: 1".to_owned(), "slow down".to_owned()),
        2 => SiemReply::Reset,
        _ => SiemReply::status(202),
    });
    let mut secrets = Vec::new();
    for (number, key) in KEYS.iter().enumerate() {
        let path = setup.path(&format!("secret-{number}"));
        fs::write(&path, format!("whsec_{key}\n")).unwrap();
        secrets.push(format!("\"{}\"", path.display()));
    }
    let more = format!("batch_events = 10\nsecret_files = [{}]", secrets.join(", "));
    let server = setup.run(&webhook("soc", &siem, &more));
    let status = setup.done("soc", 40);
    assert_eq!((&status["delivered"], &status["rejected"]), (&40.into(), &0.into()), "{status}");
    let posts = siem.posts();
    // Three times refused or broken off, and the first and second of them were read whole.
    let first = posts[2].header("webhook-id").to_owned();
    assert!(posts[..2].iter().all(|post| post.header("webhook-id") == first), "the same name");
    assert!(posts[..2].iter().all(|post| post.body == posts[2].body), "the same bytes");
    let got = events(&siem.taken());
    let sent = uids(&got);
    assert_eq!(sent.len(), 40);
    let mut asked = setup.data.search("");
    asked.reverse();
    assert_eq!(sent, uids(&asked), "in the order in which they were issued");
    let taken = &siem.taken()[0];
    assert_eq!(taken.json()["type"], "keytrail.events");
    let (id, timestamp) = (taken.header("webhook-id"), taken.header("webhook-timestamp"));
    let expected = KEYS.map(|key| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key).unwrap()).unwrap();
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(&taken.body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    });
    assert_eq!(taken.header("webhook-signature"), expected.join(" "));
    assert!(server.said().contains("events wait: 503"), "{}", server.said());
    let metrics = get(&server.address, "/metrics").body;
    assert!(metrics.contains("keytrail_sink_failed_tries_total{sink=\"soc\"}"), "{metrics}");
    // What was tried is told.
    let last = &status["deliveries"].as_array().unwrap()[0];
    let told = (&last["state"], &last["events"], &last["attempts"]);
    assert_eq!(told, (&"accepted".into(), &10.into(), &4.into()), "{last}");
    assert_eq!(last["id"], *first);
    // New events follow.
    setup.append(&pairs(40..41));
    setup.done("soc", 41);
    assert_eq!(events(&siem.taken()).len(), 41);
}

/// Refuses what has this request in it.
fn poison(request: &'static str, most: usize) -> impl Fn(&Post) -> SiemReply + Send {
    move |post| {
        let got = events(std::slice::from_ref(post));
        if got.iter().any(|event| event["request_id"] == request) {
            return SiemReply::Say(400, String::new(), "{\"error\":\"field too odd\"}".to_owned());
        }
        SiemReply::status(if got.len() > most { 413 } else { 200 })
    }
}

#[test]
fn what_is_too_large_is_split_and_the_one_event_that_is_refused_is_kept() {
    let setup = Setup::new(&pairs(0..60));
    let siem = Siem::start(poison("r17", 16));
    let server = setup.run(&webhook("soc", &siem, "batch_events = 60"));
    let status = setup.done("soc", 60);
    assert_eq!((&status["delivered"], &status["rejected"]), (&59.into(), &1.into()), "{status}");
    let sent = uids(&events(&siem.taken()));
    assert_eq!((sent.len(), set(&sent).len()), (59, 59), "once each");
    let dead = status["dead"].as_array().unwrap();
    assert_eq!(dead.len(), 1);
    assert!(!sent.contains(&dead[0]["uid"].as_str().unwrap().to_owned()));
    assert_eq!(dead[0]["why"], "400 Bad Request: {\"error\":\"field too odd\"}");
    let text = setup.data.forward(&["status"]).expect(0);
    assert!(text.text().contains("1 refused events are kept"), "{}", text.text());
    // Somebody mends the receiver.
    siem.obey(take);
    let run = setup.data.forward(&["replay", "soc", "--dead"]).expect(0);
    assert_eq!(run.text(), "soc sends 1 events again\n");
    until("it is taken", DEADLINE, || {
        let status = setup.status("soc");
        (status["dead_events"] == 0 && status["again"] == 0).then_some(())
    });
    let all = uids(&events(&siem.taken()));
    assert_eq!((all.len(), set(&all).len()), (60, 60));
    drop(server);
}

#[test]
fn a_wrong_token_stops_one_sink_and_nothing_else() {
    let setup = Setup::new(&pairs(0..20));
    let strict = Siem::start(|_| SiemReply::status(401));
    let gone = Siem::start(|_| SiemReply::status(410));
    let other = Siem::start(take);
    let told = setup.path("told");
    let alert = format!(
        "[[alert]]\nname = \"a\"\non = [\"sink\"]\nafter = \"0s\"\ncommand = [\"sh\", \"-c\", \"cat >> {0}; echo >> {0}\"]\n",
        told.display()
    );
    let sinks = webhook("soc", &strict, "")
        + &webhook("gone", &gone, "")
        + &webhook("other", &other, "filter = \"path:secret/**\"")
        + &alert;
    let server = setup.run(&sinks);
    setup.done("other", 20);
    for (name, words) in [("soc", "401"), ("gone", "410")] {
        let stopped = || setup.status(name)["stopped"].as_str().map(str::to_owned);
        let (why, _) = until("it has stopped", DEADLINE, stopped);
        assert!(why.starts_with(words), "{why}");
        assert_eq!(setup.status(name)["cursor"], serde_json::json!([0, 0]), "the cursor stays");
        until("it is told", DEADLINE, || {
            let text = fs::read_to_string(&told).unwrap_or_default();
            let is = format!("\"subject\":\"{name}\"");
            text.lines().any(|line| line.contains(&is) && line.contains("firing")).then_some(())
        });
    }
    let metrics = get(&server.address, "/metrics").body;
    assert!(metrics.contains("keytrail_sink_stopped{sink=\"soc\"} 1"), "{metrics}");
    assert!(metrics.contains("keytrail_sink_stopped{sink=\"other\"} 0"), "{metrics}");
    assert_eq!(strict.posts().len(), 1, "it is asked once");
    strict.obey(take);
    server.hang_up();
    setup.done("soc", 20);
    assert_eq!(uids(&events(&strict.taken())).len(), 20);
}

#[test]
fn every_event_is_there_however_often_keytrail_is_killed() {
    const BATCH: usize = 50;
    let setup = Setup::new(&pairs(0..2_000));
    // Each third batch is taken, and nobody says so.
    let tries = AtomicUsize::new(0);
    let siem = Siem::start(move |_| match tries.fetch_add(1, Ordering::SeqCst) % 3 {
        2 => SiemReply::Silent,
        _ => SiemReply::status(200),
    });
    let file = setup.path("events.jsonl");
    let sinks = webhook("soc", &siem, &format!("batch_events = {BATCH}"))
        + &format!(
            "[[sink]]\nname = \"file\"\ntype = \"file\"\npath = \"{}\"\nbatch_events = {BATCH}\n",
            file.display()
        );
    let mut kills = 0;
    for wanted in (1..=8).map(|part| part * 200) {
        let server = setup.run(&sinks);
        let has = || events(&siem.taken()).len() >= wanted;
        until("some more were taken", DEADLINE, || has().then_some(()));
        server.kill();
        kills += 1;
    }
    let server = setup.run(&sinks);
    setup.done("soc", 2_000);
    setup.done("file", 2_000);
    server.terminate();
    let expected = set(&uids(&setup.data.search("")));
    assert_eq!(expected.len(), 2_000);
    let posts = siem.taken();
    // What was taken without a word comes again under the same name; apart from those, a batch a kill.
    let by_name: BTreeMap<String, Post> =
        posts.iter().map(|post| (post.header("webhook-id").to_owned(), post.clone())).collect();
    let once: Vec<Post> = by_name.into_values().collect();
    let sent = uids(&events(&once));
    assert_eq!(set(&sent), expected);
    assert!(sent.len() - 2_000 <= kills * BATCH, "{} doubles", sent.len() - 2_000);
    let lines = fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(set(&uids(&lines)), expected);
    assert!(lines.len() - 2_000 <= kills * BATCH, "{} doubles", lines.len() - 2_000);
}

#[test]
fn a_receiver_that_is_away_holds_up_nothing_and_gets_all_when_it_is_back() {
    let setup = Setup::new(&pairs(0..500));
    let (away, here) = (Siem::start(|_| SiemReply::Reset), Siem::start(take));
    let sinks = webhook("away", &away, "") + &webhook("here", &here, "");
    let server = setup.run(&sinks);
    setup.done("here", 500);
    setup.append(&pairs(500..600));
    setup.done("here", 600);
    assert_eq!(setup.status("away")["delivered"], 0);
    let behind = setup.status("away");
    assert!(behind["behind_since"].is_string() && behind["waiting"] == 600, "{behind}");
    away.obey(take);
    setup.done("away", 600);
    let sent = uids(&events(&away.taken()));
    assert_eq!((sent.len(), set(&sent).len()), (600, 600));
    drop(server);
}

#[test]
fn what_counts_leave_out_is_not_sent_but_for_what_came_late() {
    let setup = Setup::new(&fixture_text("openbao-2.7.2/audit.jsonl.gz"));
    let (all, asked) = (Siem::start(take), Siem::start(take));
    let sinks =
        webhook("all", &all, "") + &webhook("asked", &asked, "filter = \"reason:system op:read\"");
    let server = setup.run(&sinks);
    until("the log is read", DEADLINE, || {
        let caught = get(&server.address, "/metrics").body.contains("keytrail_tail_caught_up 1");
        let status = setup.data.run("status", ["--format", "json"]);
        (caught && status.code == 0 && status.json()[0]["events"].as_u64() > Some(0)).then_some(())
    });
    let events_in = setup.data.status_of("events");
    setup.done("all", events_in);
    setup.done("asked", events_in);
    let sent = set(&uids(&events(&all.taken())));
    let expected = set(&uids(&setup.data.search("-is:pending -reason:system -is:copy")));
    assert_eq!(sent, expected);
    let system = setup.data.search("reason:system op:read -is:pending");
    assert_eq!(set(&uids(&events(&asked.taken()))), set(&uids(&system)));
}

#[test]
fn a_response_whose_request_comes_later_is_told_twice_and_the_second_names_the_first() {
    let setup = Setup::new(&(response("a", "secret/data/x", 5) + &pairs(1..3)));
    let siem = Siem::start(take);
    let server = setup.run(&webhook("soc", &siem, ""));
    setup.done("soc", 3);
    setup.append(&(request("a", "secret/data/x", 4) + &pairs(3..4)));
    setup.done("soc", 4);
    let got = events(&siem.taken());
    let of_a: Vec<&Value> = got.iter().filter(|event| event["request_id"] == "a").collect();
    assert_eq!((got.len(), of_a.len()), (5, 2), "{got:?}");
    assert_eq!(of_a[0]["supersedes"], Value::Null);
    assert_eq!(of_a[1]["supersedes"], of_a[0]["uid"]);
    assert_ne!(of_a[1]["uid"], of_a[0]["uid"]);
    drop(server);
}

#[test]
fn a_sink_begins_where_it_is_told_and_goes_back_when_it_is_asked() {
    let setup = Setup::new(&pairs(0..10));
    let siem = Siem::start(take);
    setup.data.import([setup.path("audit.log")]);
    let server = setup.run(&webhook("soc", &siem, "begin = \"now\""));
    setup.append(&pairs(10..12));
    setup.done("soc", 12);
    assert_eq!(events(&siem.taken()).len(), 2, "what is new");
    setup.data.forward(&["replay", "soc", "--from-leaf", "0"]).expect(0);
    until("all was sent", DEADLINE, || (events(&siem.taken()).len() == 14).then_some(()));
    assert_eq!(set(&uids(&events(&siem.taken()))).len(), 12, "under the same uids");
    let unknown = setup.data.forward(&["replay", "sock", "--dead"]).expect(2);
    assert!(unknown.stderr.contains("there are: soc"), "{}", unknown.stderr);
    drop(server);
}

#[test]
fn a_configuration_is_tried_out_and_a_private_address_has_to_be_allowed() {
    let setup = Setup::new("");
    let siem = Siem::start(take);
    let config = setup.configure(&webhook("soc", &siem, ""));
    let check = || Run::of(keytrail().args(["check-config", "-c"]).arg(&config));
    let run = check().expect(0);
    assert!(run.stderr.contains("sink soc: ") && run.stderr.contains("took a test message"));
    assert_eq!(siem.posts()[0].json()["type"], "keytrail.test");
    siem.obey(|_| SiemReply::status(403));
    let run = check().expect(1);
    assert!(run.stderr.contains("sink soc: 403"), "{}", run.stderr);
    let test = |name: &str| {
        Run::of(keytrail().args(["forward", "test", "-c"]).arg(&config).arg(name))
    };
    assert!(test("soc").expect(1).stderr.contains("403"));
    assert!(test("sock").expect(2).stderr.contains("the configuration has soc"));
    setup.configure(&webhook("soc", &siem, "").replace("allow_private = true", ""));
    let run = test("soc").expect(1);
    assert!(run.stderr.contains("allow_private = true lets this sink reach it"), "{}", run.stderr);
    for (sink, words) in [
        ("name = \"a b\"\ntype = \"file\"", "1 to 60 letters"),
        ("name = \"a\"\ntype = \"pigeon\"", "there are file, webhook"),
        ("name = \"a\"\ntype = \"file\"\npath = \"/x\"\nurl = \"http://x\"", "url is no key of"),
        ("name = \"a\"\ntype = \"file\"\npath = \"/x\"\nfilter = \"desicion:denied\"", "decision"),
        ("name = \"a\"\ntype = \"file\"\npath = \"/x\"\nformat = \"oscf\"", "no format is called"),
        ("name = \"a\"\ntype = \"file\"\npath = \"/x\"\nbatch_events = 0", "from 1 to"),
    ] {
        setup.configure(&format!("[[sink]]\n{sink}\n"));
        let run = check().expect(2);
        assert!(run.stderr.contains(words), "{sink}: {}", run.stderr);
    }
}

#[test]
fn nothing_that_a_sink_has_yet_to_send_is_removed() {
    let setup = Setup::new("");
    crate::retention::arrived_over_a_month(&setup.data);
    let removable = || {
        let run = setup.data.run("retention", ["--keep", "10d"]).expect(0);
        let count = run.text().split(' ').next().unwrap().parse::<u64>().unwrap();
        (count, run.stderr.clone())
    };
    let (before, _) = removable();
    assert!(before > 0);
    let siem = Siem::start(|_| SiemReply::status(503));
    let server = setup.run(&format!("[retention]\nkeep = \"10d\"\n{}", webhook("soc", &siem, "")));
    until("it waits", DEADLINE, || {
        server.said().contains("retention waits for the sink soc").then_some(())
    });
    assert_eq!(setup.data.status_of("least_leaf"), 0);
    let (now, said) = removable();
    assert!(now == 0 && said.contains("what the sink soc has yet to send stays"), "{now}: {said}");
    siem.obey(take);
    until("all is sent", DEADLINE, || {
        let status = setup.status("soc");
        (status["waiting"] == 0 && status["in_flight"].is_null()).then_some(())
    });
    server.terminate();
    let (now, said) = removable();
    assert!(now > 0 && said.is_empty(), "{now}: {said}");
}

#[test]
fn files_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let setup = Setup::new(&pairs(0..3));
    let siem = Siem::start(poison("r1", 10));
    let server = setup.run(&webhook("soc", &siem, ""));
    setup.done("soc", 3);
    drop(server);
    let folder = setup.data.path().join("sinks/soc");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for name in ["state.json", "deliveries.jsonl", "dead.jsonl"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}
