//! OTLP: what a receiver of OpenTelemetry's logs does, and what it has in the end.

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;

use super::*;

/// The records of a request, each with `service.instance.id` of its resource.
fn records(post: &Post) -> Vec<(String, LogRecord)> {
    assert_eq!(post.header("content-type"), "application/x-protobuf");
    let request = ExportLogsServiceRequest::decode(&*post.body).unwrap();
    let logs = request.resource_logs.into_iter().flat_map(|logs| {
        let node = text(&logs.resource.unwrap().attributes, "service.instance.id");
        let records = logs.scope_logs.into_iter().flat_map(|scope| scope.log_records);
        records.map(move |record| (node.clone(), record))
    });
    logs.collect()
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()).and_then(|value| value.value) {
        Some(Any::StringValue(text)) => text,
        other => panic!("{key}: {other:?}"),
    }
}

fn events_of(post: &Post) -> Vec<Value> {
    let event = |(node, record): (String, LogRecord)| {
        let Some(AnyValue { value: Some(Any::StringValue(body)) }) = record.body else {
            panic!("the body is a text")
        };
        let event: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(event["uid"], *text(&record.attributes, "log.record.uid"));
        assert_eq!(event["node"], *node);
        event
    };
    let records = records(post).into_iter();
    records.filter(|(_, record)| record.event_name != CONTROL_TOTAL).map(event).collect()
}

pub(super) fn all_events(posts: &[Post]) -> Vec<Value> {
    posts.iter().flat_map(events_of).collect()
}

fn answer(response: &impl Message) -> SiemReply {
    let body = String::from_utf8(response.encode_to_vec()).expect("small numbers and ASCII");
    SiemReply::Say(200, "Content-Type: application/x-protobuf".to_owned(), body)
}

pub(super) fn took() -> SiemReply {
    answer(&ExportLogsServiceResponse::default())
}

fn took_all_but(rejected_log_records: i64, words: &str) -> SiemReply {
    let error_message = words.to_owned();
    let partial = ExportLogsPartialSuccess { rejected_log_records, error_message };
    answer(&ExportLogsServiceResponse { partial_success: Some(partial) })
}

pub(super) fn otlp(siem: &Siem, more: &str) -> String {
    sink("otel", "otlp", siem, more)
}

#[test]
fn a_receiver_that_is_busy_breaks_off_and_refuses_one_event_gets_the_others_once() {
    let setup = Setup::new(&pairs(0..200));
    let tries = AtomicUsize::new(0);
    let siem = Siem::start(move |post| {
        assert_eq!(post.target, "/v1/logs");
        if post.body.is_empty() {
            return took();
        }
        assert_eq!((post.header("x-scope-orgid"), post.header("authorization")), ("a", "Bearer b"));
        let events = events_of(post);
        match tries.fetch_add(1, Ordering::SeqCst) {
            0 => SiemReply::status(503),
            1 => SiemReply::Say(429, "Retry-After: 1".to_owned(), "slow down".to_owned()),
            2 => SiemReply::Reset,
            3 => SiemReply::status(502),
            _ if events.len() > 40 => SiemReply::status(413),
            _ if events.iter().any(|event| event["request_id"] == "r17") => SiemReply::status(400),
            _ => took(),
        }
    });
    let secret = setup.path("token");
    fs::write(&secret, "Bearer b\n").unwrap();
    let more = format!(
        "batch_events = 80\nheaders = {{ X-Scope-OrgID = \"a\" }}\nheader_files = {{ Authorization = \"{}\" }}",
        secret.display()
    );
    let config = setup.configure(&otlp(&siem, &more));
    let run = Run::of(keytrail().args(["check-config", "-c"]).arg(&config)).expect(0);
    assert!(run.stderr.contains("takes logs by OTLP"), "{}", run.stderr);
    let server = setup.run(&otlp(&siem, &more));
    let status = setup.done("otel", 200);
    assert_eq!((&status["delivered"], &status["rejected"]), (&199.into(), &1.into()), "{status}");
    assert_eq!(status["dead"][0]["why"], "400 Bad Request");
    let sent = uids(&all_events(&siem.taken()));
    assert_eq!((sent.len(), set(&sent)), (199, set(&uids(&setup.data.search("-request:r17")))));
    assert_eq!(status["deliveries"][0]["state"], "accepted");
    let said = server.said();
    assert!(said.contains("429") && !said.contains("Bearer b"), "{said}");
    // Killed while nobody says that it was taken.
    siem.obey(|_| SiemReply::Silent);
    setup.append(&pairs(200..210));
    until("they are there", DEADLINE, || (siem.taken().len() > 8).then_some(()));
    server.kill();
    siem.obey(|_| took());
    let server = setup.run(&otlp(&siem, &more));
    setup.done("otel", 210);
    let all = set(&uids(&all_events(&siem.taken())));
    assert_eq!(all, set(&uids(&setup.data.search("-request:r17"))));
    drop(server);
}

#[test]
fn every_event_is_there_however_often_keytrail_and_the_receiver_end_in_the_middle() {
    const BATCH: usize = 50;
    let setup = Setup::new(&pairs(0..2_000));
    let tries = AtomicUsize::new(0);
    let silent = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = silent.clone();
    let siem = Siem::start(move |_| match tries.fetch_add(1, Ordering::SeqCst) % 5 {
        // Taken, and nobody says so.
        1 => {
            counted.fetch_add(1, Ordering::SeqCst);
            SiemReply::Silent
        }
        3 => SiemReply::Reset,
        _ => took(),
    });
    let sinks = otlp(&siem, &format!("batch_events = {BATCH}"));
    const KILLS: usize = 8;
    for part in 1..=KILLS {
        let server = setup.run(&sinks);
        let has = || siem.taken().len() >= part * 4;
        until("some more were taken", DEADLINE, || has().then_some(()));
        server.kill();
    }
    let server = setup.run(&sinks);
    setup.done("otel", 2_000);
    server.terminate();
    let sent = uids(&all_events(&siem.taken()));
    assert_eq!(set(&sent), set(&uids(&setup.data.search(""))));
    let (doubles, most) = (sent.len() - 2_000, (silent.load(Ordering::SeqCst) + KILLS) * BATCH);
    assert!(doubles > 0 && doubles <= most, "{doubles} doubles, and {most} may be");
    // Their uids are what the receiver drops them by, and what it is compared by.
    let list = setup.path("uids");
    fs::write(&list, sent.join("\n")).unwrap();
    let run = setup.data.forward(&["reconcile", "otel", "--uids", list.to_str().unwrap()]);
    let mut times: BTreeMap<&String, usize> = BTreeMap::new();
    sent.iter().for_each(|uid| *times.entry(uid).or_default() += 1);
    let doubled = times.values().filter(|times| **times > 1).count();
    assert_eq!(run.expect(0).text().matches("doubled").count(), doubled);
}

#[test]
fn a_partial_success_is_told_as_one_until_a_comparison_finds_nothing_missing() {
    let setup = Setup::new(&pairs(0..30));
    let batches = AtomicUsize::new(0);
    let siem = Siem::start(move |post| match batches.fetch_add(1, Ordering::SeqCst) {
        0 => took_all_but(0, "this attribute is deprecated"),
        1 => took_all_but(2, "too old"),
        // The only one of a batch, and so it is known which.
        _ if events_of(post).len() == 1 => took_all_but(1, "too odd"),
        _ => took(),
    });
    let told = setup.path("told");
    let alert = format!(
        "[[alert]]\nname = \"a\"\non = [\"sink\"]\nafter = \"0s\"\ncommand = [\"sh\", \"-c\", \"cat >> {0}; echo >> {0}\"]\n",
        told.display()
    );
    let server = setup.run(&(otlp(&siem, "batch_events = 10") + &alert));
    let status = setup.done("otel", 30);
    let sent = all_events(&siem.taken());
    assert_eq!(sent.len(), 30, "nothing is sent again");
    assert_eq!((&status["delivered"], &status["rejected"]), (&28.into(), &2.into()), "{status}");
    let partial = &status["deliveries"][1];
    assert_eq!((&partial["state"], &partial["refused"]), (&"partial".into(), &2.into()));
    let unnamed = &status["unnamed"];
    let counts = (&unnamed["events"], &unnamed["batches"], &unnamed["why"]);
    assert_eq!(counts, (&2.into(), &1.into(), &"200 OK: too old".into()));
    assert!(server.said().contains("warns: 200 OK: this attribute is deprecated"));
    let shown = setup.data.forward(&["status"]).expect(0);
    assert!(shown.text().contains("2 events of 1 batches"), "{}", shown.text());
    let unnamed_is = |count: u64| {
        let metrics = get(&server.address, "/metrics").body;
        let is =
            metrics.contains(&format!("keytrail_sink_unnamed_events{{sink=\"otel\"}} {count}"));
        is.then_some(())
    };
    until("a figure tells", DEADLINE, || unnamed_is(2));
    assert!(get(&server.address, "/sinks").body.contains("events are missing there"));
    until("an alert tells", DEADLINE, || {
        let told = fs::read_to_string(&told).unwrap_or_default();
        told.contains("without saying which").then_some(())
    });
    // The receiver's own list names them; a stretch of it does not clear anything.
    let uids = uids(&sent);
    let list = setup.path("uids");
    let reconcile = |has: &[String], more: &[&str], code: i32| {
        fs::write(&list, has.join("\n")).unwrap();
        let arguments = [&["reconcile", "otel", "--uids", list.to_str().unwrap()], more].concat();
        setup.data.forward(&arguments).expect(code)
    };
    let run = reconcile(&uids[..28], &["--resend"], 1);
    assert_eq!(run.text().matches("missing").count(), 2, "{}", run.text());
    until("both are sent again", DEADLINE, || {
        (all_events(&siem.taken()).len() == 32).then_some(())
    });
    reconcile(&uids[..10], &["--to", sent[10]["time"].as_str().unwrap()], 0);
    assert_eq!(setup.status("otel")["unnamed"]["events"], 2);
    reconcile(&uids, &[], 0);
    until("it is over", DEADLINE, || setup.status("otel")["unnamed"].is_null().then_some(()));
    until("a figure tells", DEADLINE, || unnamed_is(0));
    // One that is refused alone is known.
    setup.append(&pairs(30..31));
    let status = setup.done("otel", 31);
    assert_eq!(status["dead"][0]["why"], "200 OK: too odd");
    assert!(status["unnamed"].is_null(), "{status}");
    drop(server);
}

#[test]
fn who_does_not_speak_the_protocol_and_a_secret_in_the_configuration_are_refused() {
    let setup = Setup::new("");
    let siem = Siem::start(|_| SiemReply::Say(200, String::new(), "hello".to_owned()));
    let check = |more: &str, code| {
        let config = setup.configure(&otlp(&siem, more));
        Run::of(keytrail().args(["check-config", "-c"]).arg(&config)).expect(code).stderr
    };
    assert!(check("", 1).contains("no answer of an OTLP receiver, 200 OK: hello"));
    let said = check("headers = { authorization = \"Bearer s3cret\" }", 2);
    assert!(said.contains("header_files") && !said.contains("s3cret"), "{said}");
    siem.obey(|_| SiemReply::status(404));
    assert!(check("", 1).contains("404"));
}
