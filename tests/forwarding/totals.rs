//! What a sink says of its own deliveries is what the receiver then has, whatever is killed, replayed or refused.

use super::*;

/// What control events say by hour, an event once: delivered, refused.
fn said(sent: &[Value]) -> BTreeMap<String, (u64, u64)> {
    let totals = sent.iter().filter(|event| event["type"] == CONTROL_TOTAL);
    let once: BTreeMap<&str, &Value> =
        totals.map(|total| (total["uid"].as_str().unwrap(), total)).collect();
    let mut hours = BTreeMap::new();
    for total in once.values() {
        assert_eq!(total["time"], total["hour"]);
        let of: &mut (u64, u64) =
            hours.entry(total["hour"].as_str().unwrap().to_owned()).or_default();
        of.0 += total["events"].as_u64().unwrap();
        of.1 += total["refused"].as_u64().unwrap();
    }
    hours
}

/// What a receiver has by hour, an event once.
fn has(sent: &[Value]) -> BTreeMap<String, (u64, u64)> {
    let mut seen = BTreeSet::new();
    let mut hours = BTreeMap::new();
    for event in sent.iter().filter(|event| event["type"] != CONTROL_TOTAL) {
        if seen.insert(event["uid"].as_str().unwrap()) {
            let time = event["time"].as_str().or(event["completed"].as_str()).unwrap();
            let of: &mut (u64, u64) = hours.entry(format!("{}:00:00Z", &time[..13])).or_default();
            of.0 += 1;
        }
    }
    hours
}

fn events_said(sent: &[Value]) -> u64 {
    said(sent).values().map(|(events, _)| events).sum()
}

/// Pairs over several hours: two minutes apart.
pub(super) fn over_hours(numbers: std::ops::Range<i64>) -> String {
    numbers.map(|n| pair(&format!("r{n}"), "secret/data/x", n * 120_000)).collect()
}

#[test]
fn totals_are_what_is_there_after_every_kill_and_a_replay_adds_nothing() {
    let setup = Setup::new(&over_hours(0..600));
    let tries = AtomicUsize::new(0);
    // Each third batch is taken, and nobody says so; then the totals too.
    let siem = Siem::start(move |_| match tries.fetch_add(1, Ordering::SeqCst) % 3 {
        2 => SiemReply::Silent,
        _ => SiemReply::status(200),
    });
    let sinks = webhook("soc", &siem, "batch_events = 10");
    for part in 1..=6 {
        let server = setup.run(&sinks);
        until("some more were taken", DEADLINE, || {
            (events(&siem.taken()).len() >= part * 80).then_some(())
        });
        server.kill();
    }
    let server = setup.run(&sinks);
    setup.done("soc", 600);
    until("totals of all are there", DEADLINE, || {
        (events_said(&sent(&siem.taken())) == 600).then_some(())
    });
    server.kill();
    let got = sent(&siem.taken());
    assert_eq!(said(&got), has(&got));
    assert!(said(&got).len() >= 20, "{:?}", said(&got));
    assert!(got.len() as u64 > 600 + 20, "some came twice");
    // What is sent again is not counted again; what is new is.
    let before = events(&siem.taken()).len();
    let server = setup.run(&sinks);
    setup.data.forward(&["replay", "soc", "--from-leaf", "0"]).expect(0);
    until("all came again", DEADLINE, || {
        (events(&siem.taken()).len() >= before + 600).then_some(())
    });
    setup.append(&over_hours(600..650));
    setup.done("soc", 650);
    until("totals of all are there", DEADLINE, || {
        (events_said(&sent(&siem.taken())) >= 650).then_some(())
    });
    server.terminate();
    let got = sent(&siem.taken());
    assert_eq!(said(&got), has(&got));
    let one = got.iter().find(|event| event["type"] == CONTROL_TOTAL).unwrap();
    assert!(one["uid"].as_str().unwrap().starts_with(CONTROL_UID), "{one}");
    // Nothing of it is taken for an event that is there and was not sent.
    let list = setup.path("uids");
    fs::write(&list, uids(&got).join("\n")).unwrap();
    let run = setup.data.forward(&["reconcile", "soc", "--uids", list.to_str().unwrap()]).expect(0);
    assert!(
        run.stderr.contains("of 650 events") && run.stderr.contains("; 0 uids"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_hash_of_a_total_is_that_of_the_uids_that_are_there() {
    let setup = Setup::new(&pairs(0..50));
    let siem = Siem::start(take);
    let server = setup.run(&webhook("soc", &siem, "batch_events = 10"));
    setup.done("soc", 50);
    until("a total is there", DEADLINE, || (events_said(&sent(&siem.taken())) == 50).then_some(()));
    server.terminate();
    let got = sent(&siem.taken());
    let total = got.iter().find(|event| event["type"] == CONTROL_TOTAL).unwrap();
    let lines: String =
        set(&uids(&events(&siem.taken()))).iter().map(|uid| format!("{uid}\n")).collect();
    use sha2::Digest;
    let hash: String = Sha256::digest(lines).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(total["uids_sha256"], hash);
    let status = setup.status("soc");
    assert_eq!(status["delivered"], 50, "totals are no events: {status}");
}

#[test]
fn a_refused_event_is_counted_when_it_is_taken() {
    let setup = Setup::new(&pairs(0..60));
    let siem = Siem::start(poison("r17", 1_000));
    let server = setup.run(&webhook("soc", &siem, "batch_events = 20"));
    setup.done("soc", 60);
    let all = |siem: &Siem| -> (u64, u64) {
        said(&sent(&siem.taken())).values().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1))
    };
    until("the total says so", DEADLINE, || (all(&siem) == (59, 1)).then_some(()));
    siem.obey(take);
    setup.data.forward(&["replay", "soc", "--dead"]).expect(0);
    until("it is taken", DEADLINE, || (setup.status("soc")["dead_events"] == 0).then_some(()));
    // More comes than can be sent at once, so that totals are due.
    setup.append(&pairs(60..120));
    until("it is counted", DEADLINE, || (all(&siem) == (120, 1)).then_some(()));
    server.terminate();
    assert_eq!(events(&siem.taken()).len(), 120);
}

#[test]
fn a_sink_can_be_told_to_say_nothing_of_itself() {
    let setup = Setup::new(&pairs(0..50));
    let siem = Siem::start(take);
    let server = setup.run(&webhook("soc", &siem, "batch_events = 10\ncontrol_totals = false"));
    setup.done("soc", 50);
    server.terminate();
    assert_eq!(sent(&siem.taken()).len(), 50);
    assert!(!setup.data.path().join("sinks/soc/control.jsonl").exists());
}
