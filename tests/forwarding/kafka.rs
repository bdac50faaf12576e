//! A real Kafka (`cargo xtask test --full`): records are read back by librdkafka.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{CONTROL_UID, Setup, pairs, set};
use crate::util::{DEADLINE, Kafka, Run, keytrail, real_servers_are_wanted, until};

fn sink(name: &str, broker: &str, topic: &str, more: &str) -> String {
    format!(
        "[[sink]]\nname = \"{name}\"\ntype = \"kafka\"\nbrokers = [\"{broker}\"]\ntopic = \"{topic}\"\nretry_max = \"200ms\"\n{more}\n"
    )
}

fn keys(records: &[Value]) -> Vec<String> {
    let all = records.iter().map(|record| record["key"].as_str().unwrap().to_owned());
    all.filter(|key| !key.starts_with(CONTROL_UID)).collect()
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
    // One that is larger than a record may be, packed too.
    let mut number = 1_u64;
    let noise: String = std::iter::repeat_with(|| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{number:016x}")
    })
    .take(600)
    .collect();
    log += &crate::util::pair("big", &format!("secret/data/{noise}"), 200);
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
    setup.append(&pairs(50..51));
    let server = setup.run(&sinks.replace("small", "absent"));
    let (waits, _) = until("it waits for the topic", DEADLINE, || {
        setup.status("bus")["problem"][1].as_str().map(str::to_owned)
    });
    assert!(waits.contains("absent"), "{waits}");
    server.kill();
    fs::write(&password, "wrong\n").unwrap();
    let server = setup.run(&sinks);
    let (stopped, _) = until("it is told", DEADLINE, || {
        setup.status("bus")["stopped"].as_str().map(str::to_owned)
    });
    assert!(stopped.to_lowercase().contains("auth"), "{stopped}");
    assert!(!server.said().contains(Kafka::PASSWORD));
    server.terminate();
}
