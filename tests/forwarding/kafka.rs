//! A real Kafka (`cargo xtask test --full`): records are read back by librdkafka.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Setup, pairs, set, uids};
use crate::util::{DEADLINE, Kafka, Run, keytrail, real_servers_are_wanted, until};

fn sink(name: &str, broker: &str, topic: &str, more: &str) -> String {
    format!(
        "[[sink]]\nname = \"{name}\"\ntype = \"kafka\"\nbrokers = [\"{broker}\"]\ntopic = \"{topic}\"\nretry_max = \"200ms\"\n{more}\n"
    )
}

fn keys(records: &[Value]) -> Vec<String> {
    records.iter().map(|record| record["key"].as_str().unwrap().to_owned()).collect()
}

/// Tells whether every broker's and keytrail's kill cost a batch of doubles at most, and no event.
#[test]
fn a_topic_holds_every_event_however_often_both_are_killed() {
    const BATCH: usize = 200;
    if !real_servers_are_wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::start(folder.path());
    kafka.topic("audit", 1 << 20);
    let setup = Setup::new(&pairs(0..6_000));
    let sinks = sink("bus", &kafka.plain, "audit", &format!("tls = false\nbatch_events = {BATCH}"));
    let mut server = setup.run(&sinks);
    let delivered = || setup.status("bus")["delivered"].as_u64().unwrap_or_default();
    let mut kills = 0;
    for part in 1..=4 {
        until("some more are delivered", DEADLINE * 4, || {
            (delivered() >= part * 1_000).then_some(())
        });
        if part % 2 == 0 {
            server.kill();
            server = setup.run(&sinks);
        } else {
            kafka.kill_and_start();
        }
        kills += 1;
    }
    let status = setup.done("bus", 6_000);
    let deliveries = status["deliveries"].as_array().unwrap();
    assert!(deliveries.iter().all(|delivery| delivery["state"] == "confirmed"), "{deliveries:?}");
    let records = kafka.records("audit");
    let stored = keys(&records);
    assert_eq!(set(&stored), set(&uids(&setup.data.search(""))));
    assert!(stored.len() - 6_000 <= kills * BATCH, "{} doubles", stored.len() - 6_000);
    for record in &records {
        let event: Value = serde_json::from_str(record["value"].as_str().unwrap()).unwrap();
        assert_eq!(event["uid"], record["key"]);
        assert_eq!(record["headers"]["content-type"], "application/json");
    }
    // It is asked itself, and says the same.
    let config = setup.path("keytrail.toml");
    let asked = setup.data.forward(&["reconcile", "bus", "-c", config.to_str().unwrap()]).expect(0);
    let doubled = stored.len() - set(&stored).len();
    assert_eq!(asked.text().lines().filter(|line| line.starts_with("doubled")).count(), doubled);
    server.terminate();
}

#[test]
fn what_a_broker_refuses_is_kept_and_who_may_not_write_is_told() {
    if !real_servers_are_wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.topic("small", 5_000);
    let mut log = pairs(0..10);
    // One that is larger than a record may be.
    log += &crate::util::pair("big", &format!("secret/data/{}", "x".repeat(6_000)), 200);
    log += &pairs(30..40);
    let setup = Setup::new(&log);
    let password = setup.path("password");
    fs::write(&password, format!("{}\n", Kafka::PASSWORD)).unwrap();
    let place = folder.path().display();
    let scram = format!(
        "ca_file = \"{place}/ca.pem\"\nuser = \"{}\"\npassword_file = \"{}\"",
        Kafka::USER,
        password.display()
    );
    let sinks = sink("bus", &kafka.tls, "small", &scram);
    let config = setup.configure(&sinks);
    let check = |config: &Path| Run::of(keytrail().args(["check-config", "-c"]).arg(config));
    let tried = check(&config).expect(0);
    assert!(tried.stderr.contains("topic small has 3 partitions"), "{}", tried.stderr);
    let server = setup.run(&sinks);
    let status = setup.done("bus", 21);
    assert_eq!((&status["delivered"], &status["dead_events"]), (&20.into(), &1.into()));
    let why = status["dead"][0]["why"].as_str().unwrap();
    assert!(why.contains("MessageTooLarge"), "{why}");
    let stored = keys(&kafka.records("small"));
    assert_eq!((stored.len(), set(&stored).len()), (20, 20));
    server.terminate();
    // By the other mechanism too.
    setup.configure(&sink("bus", &kafka.tls, "small", &format!("{scram}\nmechanism = \"plain\"")));
    check(&config).expect(0);
    // A topic that is not there waits for somebody to make it; a wrong password stops.
    setup.configure(&sink("bus", &kafka.tls, "absent", &scram));
    let absent = check(&config).expect(1);
    assert!(absent.stderr.contains("absent"), "{}", absent.stderr);
    fs::write(&password, "wrong\n").unwrap();
    let server = setup.run(&sinks.replace("small", "absent"));
    let (stopped, _) = until("it is told", DEADLINE, || {
        setup.status("bus")["stopped"].as_str().map(str::to_owned)
    });
    assert!(stopped.to_lowercase().contains("auth"), "{stopped}");
    assert!(!server.said().contains(Kafka::PASSWORD));
    server.terminate();
}
