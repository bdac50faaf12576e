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
    DEADLINE, Data, Post, Rsyslog, Run, Server, Siem, SiemReply, fixture_text, get, keytrail, pair,
    request, response, until,
};

mod altered;
mod hec;
mod kafka;
mod killed;
mod object_store;
mod once;
mod opensearch;
mod otlp;
mod plan;
mod slow;
mod totals;

const KEYS: [&str; 2] = ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "AAAAr8GKYqrTwjUPD8ILPZIo2LaLaSwA"];

/// Of an event that says what a sink has delivered.
const CONTROL_TOTAL: &str = "keytrail.control_total";
/// How the uids of those begin.
const CONTROL_UID: &str = "636f6e74726f6c00";

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
        let text = format!(
            "[[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"n\"\n{sinks}",
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
        let run = self.data.forward(&["status", "--format", "json"]);
        // Before the first line is indexed there is no trail.
        let all = if run.code == 3 { Vec::new() } else { run.expect(0).json() };
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
    sent(posts).into_iter().filter(|event| event["type"] != CONTROL_TOTAL).collect()
}

/// The same with what the sink says of its own deliveries.
fn sent(posts: &[Post]) -> Vec<Value> {
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
    server.says("events wait: 503");
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
        let status = setup.status(name);
        let left = (&status["waiting"], &status["delivered"]);
        assert_eq!(left, (&20.into(), &0.into()), "the cursor stays: {status}");
        until("it is told", DEADLINE, || {
            let text = fs::read_to_string(&told).unwrap_or_default();
            let is = format!("\"subject\":\"{name}\"");
            text.lines().any(|line| line.contains(&is) && line.contains("firing")).then_some(())
        });
    }
    let metrics = get(&server.address, "/metrics").body;
    for (name, stopped) in [("soc", 1), ("other", 0)] {
        let figure = format!("keytrail_sink_stopped{{sink=\"{name}\"}} {stopped}");
        assert!(metrics.contains(&figure), "{metrics}");
    }
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
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines: Vec<Value> = lines.filter(|line| line["type"] != CONTROL_TOTAL).collect();
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
    until("it is told why", DEADLINE, || {
        setup.status("away")["problem"][1].is_string().then_some(())
    });
    away.obey(take);
    setup.done("away", 600);
    until("and that it is over", DEADLINE, || {
        setup.status("away")["problem"].is_null().then_some(())
    });
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
    // A seal's request has no response by the server's design: it still waits, and is not issued yet.
    let issued = "-is:pending -reason:system -is:copy -reason:not_recorded";
    let expected = set(&uids(&setup.data.search(issued)));
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
    let test =
        |name: &str| Run::of(keytrail().args(["forward", "test", "-c"]).arg(&config).arg(name));
    assert!(test("soc").expect(1).stderr.contains("403"));
    assert!(test("sock").expect(2).stderr.contains("the configuration has soc"));
    setup.configure(&webhook("soc", &siem, "").replace("allow_private = true", ""));
    let run = test("soc").expect(1);
    assert!(run.stderr.contains("allow_private = true lets this sink reach it"), "{}", run.stderr);
    for (sink, words) in [
        ("name = \"a b\"\ntype = \"file\"", "1 to 60 letters"),
        ("name = \"a\"\ntype = \"pigeon\"", "there are file, webhook, opensearch"),
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
    let out = setup.path("events.ndjson");
    let file = format!("[[sink]]\nname = \"out\"\ntype = \"file\"\npath = \"{}\"\n", out.display());
    let server = setup.run(&(webhook("soc", &siem, "") + &file));
    setup.done("soc", 3);
    setup.done("out", 3);
    drop(server);
    let folder = setup.data.path().join("sinks/soc");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for name in ["state.json", "deliveries.jsonl", "dead.jsonl"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&out), 0o600);
}

fn sink(name: &str, kind: &str, siem: &Siem, more: &str) -> String {
    let url = &siem.url;
    format!(
        "[[sink]]\nname = \"{name}\"\ntype = \"{kind}\"\nurl = \"{url}\"\nretry_max = \"200ms\"\n{more}\n"
    )
}

/// What a cluster has stored, by `_id`, and how often it was asked to.
#[derive(Clone, Default)]
struct Cluster(std::sync::Arc<std::sync::Mutex<(BTreeMap<String, Value>, usize)>>);

impl Cluster {
    /// Answers `_bulk` as OpenSearch does. `odd` names a status for documents that it does not store.
    fn bulk(&self, post: &Post, odd: impl Fn(&Value) -> Option<u16>) -> SiemReply {
        let mut store = self.0.lock().unwrap();
        let text = str::from_utf8(&post.body).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (mut items, mut errors) = (Vec::new(), false);
        for pair in lines.chunks(2) {
            let id = pair[0]["create"]["_id"].as_str().unwrap().to_owned();
            let is_total = id.starts_with(CONTROL_UID);
            store.1 += usize::from(!is_total);
            let status = match if is_total { None } else { odd(&pair[1]) } {
                Some(status) => status,
                None if store.0.contains_key(&id) => 409,
                None => {
                    store.0.insert(id.clone(), pair[1].clone());
                    201
                }
            };
            errors |= status > 299;
            let error = serde_json::json!({"type": "odd", "reason": format!("for {status}")});
            let error = if status > 299 { error } else { Value::Null };
            items
                .push(serde_json::json!({"create": {"_id": id, "status": status, "error": error}}));
        }
        let answer = serde_json::json!({"took": 1, "errors": errors, "items": items});
        SiemReply::Say(200, String::new(), answer.to_string())
    }

    /// The events that it has.
    fn stored(&self) -> BTreeMap<String, Value> {
        let store = self.0.lock().unwrap();
        let events = store.0.iter().filter(|(id, _)| !id.starts_with(CONTROL_UID));
        events.map(|(id, document)| (id.clone(), document.clone())).collect()
    }
}

#[test]
fn a_cluster_stores_each_event_once_whatever_is_killed_and_tells_of_each() {
    let setup = Setup::new(&pairs(0..1_000));
    let cluster = Cluster::default();
    let (told, tries) = (cluster.clone(), AtomicUsize::new(0));
    let siem = Siem::start(move |post| {
        assert_eq!(post.target, "/logs-keytrail-default/_bulk");
        let number = tries.fetch_add(1, Ordering::SeqCst);
        let refuses = |document: &Value| {
            let id = document["request_id"].as_str().unwrap();
            match id {
                "r77" => Some(400),
                // No room for some of them, at first.
                _ if number.is_multiple_of(2) && id.ends_with('3') => Some(429),
                _ => None,
            }
        };
        match (told.bulk(post, refuses), number % 5) {
            // Stored, and nobody says so.
            (_, 4) => SiemReply::Silent,
            (answer, _) => answer,
        }
    });
    let sinks = sink("os", "opensearch", &siem, "format = \"event\"\nbatch_events = 50");
    for part in 1..=4 {
        let server = setup.run(&sinks);
        until("some more are stored", DEADLINE, || {
            (cluster.stored().len() >= part * 150).then_some(())
        });
        server.kill();
    }
    let server = setup.run(&sinks);
    let status = setup.done("os", 1_000);
    server.terminate();
    let stored = cluster.stored();
    let mut expected = set(&uids(&setup.data.search("")));
    let refused = uids(&setup.data.search("request:r77"));
    assert!(expected.remove(&refused[0]));
    assert_eq!(stored.keys().cloned().collect::<BTreeSet<_>>(), expected);
    assert!(stored.iter().all(|(id, document)| document["uid"] == **id));
    assert!(stored.values().all(|document| document["@timestamp"] == document["time"]));
    let dead = status["dead"].as_array().unwrap();
    assert_eq!((dead.len(), &dead[0]["why"]), (1, &"400 odd: for 400".into()));
    assert_eq!(dead[0]["uid"], *refused[0]);
    // A data folder that is made anew stores nothing again.
    let before = cluster.0.lock().unwrap().1;
    fs::remove_dir_all(setup.data.path()).unwrap();
    let server = setup.run(&sinks);
    setup.done("os", 1_000);
    server.terminate();
    assert!(cluster.0.lock().unwrap().1 >= before + 999, "they were sent");
    assert_eq!(cluster.stored().len(), 999, "and are there once");
}

/// The events that a syslog server has.
fn events_of(rsyslog: &Rsyslog) -> Vec<String> {
    let messages = rsyslog.messages().into_iter();
    messages.filter(|message| !message.contains(CONTROL_TOTAL)).collect()
}

/// The uids of syslog messages, those of control totals left out; a kill may leave the beginning of one in the line of the next.
fn uids_of(messages: &[String]) -> Vec<String> {
    let of = |message: &String| {
        let words = message.split("uid=\"").skip(1);
        let uids = words.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
        uids.filter(|uid| !uid.starts_with(CONTROL_UID)).collect::<Vec<_>>()
    };
    messages.iter().flat_map(of).collect()
}

#[test]
fn a_real_syslog_server_takes_messages_over_tls_from_whom_its_authority_vouches_for() {
    let folder = tempfile::tempdir().unwrap();
    let Some(rsyslog) = Rsyslog::start(folder.path()) else { return };
    let setup = Setup::new(&pairs(0..500));
    let place = folder.path().display();
    let sink = |name: &str, more: &str| {
        format!(
            "[[sink]]\nname = \"{name}\"\ntype = \"syslog\"\naddress = \"{}\"\nca_file = \"{place}/ca.pem\"\nretry_max = \"200ms\"\n{more}\n",
            rsyslog.tls
        )
    };
    let known = format!("certificate = \"{place}/client.pem\"\nkey = \"{place}/client.key\"");
    let config = setup.configure(&sink("known", &known));
    let check = || Run::of(keytrail().args(["check-config", "-c"]).arg(&config));
    let run = check().expect(0);
    assert!(run.stderr.contains("lets us in"), "{}", run.stderr);
    let server = setup.run(&sink("known", &known));
    let status = setup.done("known", 500);
    assert_eq!(status["deliveries"][0]["state"], "sent");
    until("all are stored", DEADLINE, || (events_of(&rsyslog).len() == 500).then_some(()));
    let messages = events_of(&rsyslog);
    assert_eq!(set(&uids_of(&messages)), set(&uids(&setup.data.search(""))));
    assert!(messages.iter().all(|message| message.starts_with("<109>1 ")), "{}", messages[0]);
    server.terminate();
    // Another authority's server is not talked to.
    let other = tempfile::tempdir().unwrap();
    let rcgen::CertifiedKey { cert, .. } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(other.path().join("ca.pem"), cert.pem()).unwrap();
    let foreign = sink("known", &known)
        .replace(&format!("{place}/ca.pem"), &other.path().join("ca.pem").display().to_string());
    setup.configure(&foreign);
    let run = check().expect(1);
    assert!(run.stderr.contains("certificate"), "{}", run.stderr);
}

#[test]
fn a_cluster_is_asked_itself_what_it_has() {
    let setup = Setup::new(&pairs(0..30));
    let (cluster, page) = (Cluster::default(), AtomicUsize::new(0));
    let told = cluster.clone();
    let siem = Siem::start(move |post| {
        if post.target.ends_with("/_bulk") {
            return told.bulk(post, |_| None);
        }
        // Seven at a time, as a scroll gives them, though more are asked for.
        assert!(post.target.contains("_search"), "{}", post.target);
        if post.target.contains("?scroll=") {
            page.store(0, Ordering::SeqCst);
        } else {
            assert_eq!(post.json()["scroll_id"], "s");
        }
        let from = 7 * page.fetch_add(1, Ordering::SeqCst);
        let stored = told.stored();
        let page = stored.iter().skip(from).take(7);
        let hits: Vec<Value> = page
            .map(|(id, document)| serde_json::json!({"_id": id, "_source": document}))
            .collect();
        let answer = serde_json::json!({
            "_scroll_id": "s",
            "timed_out": false,
            "_shards": {"failed": 0},
            "hits": {"total": {"value": stored.len()}, "hits": hits},
        });
        SiemReply::Say(200, String::new(), answer.to_string())
    });
    let sinks = sink("os", "opensearch", &siem, "format = \"event\"");
    let server = setup.run(&sinks);
    setup.done("os", 30);
    let config = setup.path("keytrail.toml");
    let ask = |more: &[&str], code: i32| {
        let arguments = ["reconcile", "os", "-c", config.to_str().unwrap(), "--format", "json"];
        setup.data.forward(&[&arguments[..], more].concat()).expect(code)
    };
    assert!(ask(&[], 0).text().is_empty());
    // Somebody deletes some there, and adds one that nobody sent.
    let lost: BTreeSet<String> = cluster.stored().into_keys().step_by(4).collect();
    let foreign = format!("{:032x}", 5);
    {
        let mut store = cluster.0.lock().unwrap();
        store.0.retain(|id, _| !lost.contains(id));
        store.0.insert(foreign.clone(), Value::Null);
    }
    let run = ask(&["--resend"], 1);
    let of = |word: &str| -> BTreeSet<String> {
        let rows = run.json();
        let those = rows.iter().filter(|row| row["is"] == word);
        those.map(|row| row["uid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((of("missing"), of("unknown")), (lost, BTreeSet::from([foreign])));
    until("they are stored again", DEADLINE, || (cluster.stored().len() == 31).then_some(()));
    assert!(ask(&[], 0).text().contains("unknown"));
    until("whoever had them sent again is named in the ledger", DEADLINE, || {
        let own = String::from_utf8(setup.data.cat("keytrail")).unwrap();
        own.contains("\"sink_asked\"").then_some(())
    });
    drop(server);
}

#[test]
fn what_a_receiver_lacks_or_has_twice_is_listed_and_sent_again() {
    let setup = Setup::new(&pairs(0..200));
    let siem = Siem::start(poison("r150", 1_000));
    let sinks = webhook("soc", &siem, "filter = \"-request:r3\"");
    let server = setup.run(&sinks);
    setup.done("soc", 200);
    let sent = uids(&events(&siem.taken()));
    assert_eq!(sent.len(), 198);
    // Its list lacks 7, has 2 twice and 3 that are nobody's, and one that the filter does not keep.
    let mut list: Vec<String> = sent[7..].to_vec();
    list.extend(sent[20..22].iter().cloned());
    list.extend((0..3).map(|number| format!("{number:032x}")));
    list.extend(uids(&setup.data.search("request:r3")));
    let export = setup.path("export.csv");
    fs::write(&export, format!("uid\n{}\n", list.join("\n"))).unwrap();
    let uids_of_export = ["--uids", export.to_str().unwrap(), "--format", "json"];
    let reconcile = |more: &[&str], code: i32| {
        let arguments = [&["reconcile", "soc"][..], &uids_of_export, more].concat();
        setup.data.forward(&arguments).expect(code)
    };
    let run = reconcile(&["--resend"], 1);
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in run.json() {
        let word = |key: &str| line[key].as_str().unwrap().to_owned();
        told.entry(word("is")).or_default().insert(word("uid"));
    }
    assert_eq!(told["missing"], set(&sent[..7]));
    assert_eq!(told["doubled"], set(&sent[20..22]));
    assert_eq!(told["unknown"], (0..3).map(|number| format!("{number:032x}")).collect());
    assert_eq!(told["refused"], set(&uids(&setup.data.search("request:r150"))));
    let words = "of 199 events up to leaf";
    assert!(run.stderr.contains(words) && run.stderr.contains("7 are missing"), "{}", run.stderr);
    until("they are sent again", DEADLINE, || {
        (events(&siem.taken()).len() == 198 + 7).then_some(())
    });
    assert_eq!(set(&uids(&events(&siem.taken())[198..])), set(&sent[..7]));
    // The list of a stretch of time is compared with that.
    let all = setup.data.search("");
    let time = |request: &str| {
        let event = all.iter().find(|event| event["request_id"] == request).unwrap();
        event["time"].as_str().unwrap().to_owned()
    };
    let of = |request: &str| {
        let event = all.iter().find(|event| event["request_id"] == request).unwrap();
        event["uid"].as_str().unwrap().to_owned()
    };
    let stretch: Vec<String> = (10..20).map(|number| of(&format!("r{number}"))).collect();
    fs::write(&export, stretch.join("\n")).unwrap();
    let run = reconcile(&["--from", &time("r10"), "--to", &time("r20")], 0);
    assert!(run.text().is_empty() && run.stderr.contains("of 10 events"), "{}", run.stderr);
    drop(server);
    let odd = setup.path("odd");
    fs::write(&odd, "uid\nr1\n").unwrap();
    let run = setup.data.forward(&["reconcile", "soc", "--uids", odd.to_str().unwrap()]).expect(3);
    assert!(run.stderr.contains("line 2 is no uid"), "{}", run.stderr);
}
