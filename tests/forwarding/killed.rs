//! Receivers and keytrail killed over and over (`kill -9`): what was answered is there, and each kill costs a batch of doubles at most.
//! A hundred thousand events and ten kills of each under `KEYTRAIL_FULL=1`, fewer else.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::hec::{self, Collector};
use super::{
    CONTROL_UID, Cluster, Setup, events, object_store, otlp, pairs, set, sink, uids, uids_of,
    webhook,
};
use crate::util::{
    DEADLINE, Kafka, Moto, OpenSearch, Relay, Rsyslog, Siem, SiemReply, real_servers_are_wanted,
    until,
};

/// How hard it is tried.
struct Measure {
    events: usize,
    /// Of the receiver and of keytrail, each.
    kills: usize,
    batch: usize,
}

impl Measure {
    fn of_this_run() -> Measure {
        match std::env::var_os("KEYTRAIL_FULL") {
            Some(_) => Measure { events: 100_000, kills: 10, batch: 500 },
            None => Measure { events: 3_000, kills: 2, batch: 100 },
        }
    }

    fn log(&self) -> String {
        pairs(0..self.events as i64)
    }

    /// Kills the receiver and keytrail in turn while events are sent, and returns how the sink stands in the end.
    fn kill(
        &self,
        setup: &Setup,
        sinks: &str,
        name: &str,
        kill_receiver: &mut dyn FnMut(),
    ) -> Value {
        let mut server = setup.run(sinks);
        let parts = 2 * self.kills as u64 + 1;
        for part in 1..parts {
            let enough = part * self.events as u64 / parts;
            let delivered = || setup.status(name)["delivered"].as_u64().unwrap_or_default();
            until("some more are delivered", DEADLINE * 4, || {
                (delivered() >= enough).then_some(())
            });
            match part % 2 {
                0 => {
                    server.kill();
                    server = setup.run(sinks);
                }
                _ => kill_receiver(),
            }
        }
        let status = setup.done(name, self.events as u64);
        server.terminate();
        status
    }

    /// Every event is there, and of each kill a batch twice at most.
    fn check(&self, stored: &[String], all: &BTreeSet<String>) {
        assert_eq!(all.len(), self.events);
        assert_eq!(set(stored), *all);
        let doubles = stored.len() - self.events;
        assert!(doubles <= 2 * self.kills * self.batch, "{doubles} doubles");
        eprintln!("{} events, {} kills of each, {doubles} doubles", self.events, self.kills);
    }
}

fn all_uids(setup: &Setup) -> BTreeSet<String> {
    set(&uids(&setup.data.search("")))
}

fn are(status: &Value, state: &str) {
    let deliveries = status["deliveries"].as_array().unwrap();
    assert!(deliveries.iter().all(|delivery| delivery["state"] == state), "{deliveries:?}");
}

#[test]
fn rsyslog_by_relp() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut rsyslog) = Rsyslog::start(folder.path()) else { return };
    let measure = Measure::of_this_run();
    let setup = Setup::new(&measure.log());
    let sinks = format!(
        "[[sink]]\nname = \"relp\"\ntype = \"relp\"\naddress = \"{}\"\ntls = false\nretry_max = \"200ms\"\nbatch_events = {}\n",
        rsyslog.relp, measure.batch
    );
    let status = measure.kill(&setup, &sinks, "relp", &mut || rsyslog.kill_and_start());
    are(&status, "accepted");
    // An answer says that it is queued, and a queue is written soon.
    let all = || set(&uids_of(&rsyslog.messages())).len() == measure.events;
    until("all are stored", DEADLINE, || all().then_some(()));
    measure.check(&uids_of(&rsyslog.messages()), &all_uids(&setup));
}

/// Nobody answers: what a server that is killed had not read is lost, its own list tells what, and it is sent again.
#[test]
fn rsyslog_by_tls() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut rsyslog) = Rsyslog::start(folder.path()) else { return };
    let measure = Measure::of_this_run();
    let setup = Setup::new(&measure.log());
    let place = folder.path().display();
    let sinks = format!(
        "[[sink]]\nname = \"tls\"\ntype = \"syslog\"\naddress = \"{}\"\nca_file = \"{place}/ca.pem\"\ncertificate = \"{place}/client.pem\"\n\
         key = \"{place}/client.key\"\nretry_max = \"200ms\"\nbatch_events = {}\n",
        rsyslog.tls, measure.batch
    );
    let status = measure.kill(&setup, &sinks, "tls", &mut || rsyslog.kill_and_start());
    are(&status, "sent");
    let all = setup.data.search("");
    let last = format!("r{}", measure.events - 1);
    let last = all.iter().find(|event| event["request_id"] == last).unwrap();
    let stored = || uids_of(&rsyslog.messages());
    until("the last one is stored", DEADLINE, || {
        stored().iter().any(|uid| last["uid"] == **uid).then_some(())
    });
    let (all, has) = (set(&uids(&all)), stored());
    let doubles = has.len() - set(&has).len();
    assert!(doubles <= 2 * measure.kills * measure.batch, "{doubles} doubles");
    let lost = &all - &set(&has);
    eprintln!("{} events, {} are lost, {doubles} doubles", measure.events, lost.len());
    let list = setup.path("uids");
    std::fs::write(&list, has.join("\n")).unwrap();
    let server = setup.run(&sinks);
    let asked =
        ["reconcile", "tls", "--uids", list.to_str().unwrap(), "--format", "json", "--resend"];
    let told = setup.data.forward(&asked).expect(i32::from(!lost.is_empty())).json();
    let missing = told.iter().filter(|row| row["is"] == "missing");
    let missing: BTreeSet<String> =
        missing.map(|row| row["uid"].as_str().unwrap().to_owned()).collect();
    assert_eq!(missing, lost);
    until("all are stored", DEADLINE * 4, || (set(&stored()) == all).then_some(()));
    server.terminate();
}

#[test]
fn opensearch() {
    if !real_servers_are_wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = OpenSearch::start(&folder.path().join("node"));
    let measure = Measure::of_this_run();
    let setup = Setup::new(&measure.log());
    super::opensearch::load_templates(&cluster, &setup.path("assets"));
    let sinks = format!(
        "[[sink]]\nname = \"os\"\ntype = \"opensearch\"\nurl = \"http://{}\"\nretry_max = \"200ms\"\nbatch_events = {}\n",
        cluster.address, measure.batch
    );
    let status = measure.kill(&setup, &sinks, "os", &mut || cluster.kill_and_start());
    are(&status, "confirmed");
    // Never one twice, by its own count and document by document.
    let stream = "/logs-keytrail-default";
    cluster.ask("POST", &format!("{stream}/_refresh"), &Value::Null);
    let events = serde_json::json!({"query": {"term": {"event.kind": "event"}}});
    let count = cluster.ask("POST", &format!("{stream}/_count"), &events);
    assert_eq!(count["count"], measure.events);
    let config = setup.path("keytrail.toml");
    let asked = setup.data.forward(&["reconcile", "os", "-c", config.to_str().unwrap()]).expect(0);
    let words = format!("of {} events", measure.events);
    assert!(asked.text().is_empty() && asked.stderr.contains(&words), "{}", asked.stderr);
}

#[test]
fn kafka() {
    if !real_servers_are_wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::start(folder.path());
    kafka.topic("audit", 1 << 20);
    let measure = Measure::of_this_run();
    let setup = Setup::new(&measure.log());
    let sinks = format!(
        "[[sink]]\nname = \"bus\"\ntype = \"kafka\"\nbrokers = [\"{}\"]\ntopic = \"audit\"\ntls = false\nretry_max = \"200ms\"\nbatch_events = {}\n",
        kafka.plain, measure.batch
    );
    let status = measure.kill(&setup, &sinks, "bus", &mut || kafka.kill_and_start());
    are(&status, "confirmed");
    let records = kafka.records("audit").into_iter();
    let is_total = |record: &Value| record["key"].as_str().unwrap().starts_with(CONTROL_UID);
    let records: Vec<Value> = records.filter(|record| !is_total(record)).collect();
    let key = |record: &Value| record["key"].as_str().unwrap().to_owned();
    let stored: Vec<String> = records.iter().map(key).collect();
    for record in &records {
        let event: Value = serde_json::from_str(record["value"].as_str().unwrap()).unwrap();
        assert_eq!(event["uid"], record["key"]);
        assert_eq!(record["headers"]["content-type"], "application/json");
    }
    measure.check(&stored, &all_uids(&setup));
    // It is asked itself, and says the same.
    let config = setup.path("keytrail.toml");
    let asked = setup.data.forward(&["reconcile", "bus", "-c", config.to_str().unwrap()]).expect(0);
    let doubled = asked.text().lines().filter(|line| line.starts_with("doubled")).count();
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<&String> = stored.iter().filter(|uid| !seen.insert(*uid)).collect();
    assert_eq!(doubled, twice.len());
}

/// A receiver of ours, which breaks off everything for a while, as one that is killed does.
struct Mortal {
    siem: Siem,
    is_dead: Arc<AtomicBool>,
}

impl Mortal {
    fn start(answer: impl Fn(&crate::util::Post) -> SiemReply + Send + 'static) -> Mortal {
        let is_dead = Arc::new(AtomicBool::new(false));
        let dead = is_dead.clone();
        let siem = Siem::start(move |post| match dead.load(Ordering::SeqCst) {
            true => SiemReply::Reset,
            false => answer(post),
        });
        Mortal { siem, is_dead }
    }

    fn kill_and_start(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
        let broken = self.siem.broken();
        until("it is missed", DEADLINE, || (self.siem.broken() > broken).then_some(()));
        self.is_dead.store(false, Ordering::SeqCst);
    }
}

#[test]
fn a_webhook() {
    let measure = Measure::of_this_run();
    let setup = Setup::new(&measure.log());
    let mortal = Mortal::start(|_| SiemReply::status(200));
    let sinks = webhook("soc", &mortal.siem, &format!("batch_events = {}", measure.batch));
    let status = measure.kill(&setup, &sinks, "soc", &mut || mortal.kill_and_start());
    are(&status, "accepted");
    measure.check(&uids(&events(&mortal.siem.taken())), &all_uids(&setup));
}

#[test]
fn a_cluster() {
    let measure = Measure::of_this_run();
    let setup = Setup::new(&measure.log());
    let cluster = Cluster::default();
    let told = cluster.clone();
    let mortal = Mortal::start(move |post| told.bulk(post, |_| None));
    let more = format!("format = \"event\"\nbatch_events = {}", measure.batch);
    let sinks = sink("os", "opensearch", &mortal.siem, &more);
    let status = measure.kill(&setup, &sinks, "os", &mut || mortal.kill_and_start());
    are(&status, "confirmed");
    // Never one twice.
    let stored: BTreeSet<String> = cluster.stored().into_keys().collect();
    assert_eq!(stored, all_uids(&setup));
}

#[test]
fn a_collector() {
    let measure = Measure::of_this_run();
    let setup = Setup::new(&measure.log());
    let collector = Arc::new(Mutex::new(Collector::default()));
    let answering = collector.clone();
    let mortal = Mortal::start(move |post| answering.lock().unwrap().answer(post));
    let sinks = sink("hec", "splunk_hec", &mortal.siem, &hec::keys(&setup, measure.batch));
    let status = measure.kill(&setup, &sinks, "hec", &mut || mortal.kill_and_start());
    are(&status, "confirmed");
    measure.check(&collector.lock().unwrap().uids(), &all_uids(&setup));
}

#[test]
fn a_receiver_of_otlp() {
    let measure = Measure::of_this_run();
    let setup = Setup::new(&measure.log());
    let mortal = Mortal::start(|_| otlp::took());
    let sinks = otlp::otlp(&mortal.siem, &format!("batch_events = {}", measure.batch));
    let status = measure.kill(&setup, &sinks, "otel", &mut || mortal.kill_and_start());
    are(&status, "accepted");
    measure.check(&uids(&otlp::all_events(&mortal.siem.taken())), &all_uids(&setup));
}

#[test]
fn a_bucket_of_s3() {
    let Some(moto) = Moto::start(object_store::BUCKET) else { return };
    let measure = Measure::of_this_run();
    let setup = Setup::new(&measure.log());
    let relay = Relay::to(&moto.address);
    let more = format!("batch_events = {}", measure.batch);
    let sinks = object_store::bucket(&setup, &relay.address, &more);
    let status = measure.kill(&setup, &sinks, "lake", &mut || relay.kill_and_start());
    are(&status, "confirmed");
    // Never one twice: every object is read, and its events are counted.
    let (lines, words) = setup.reconciled(&[], 0);
    assert!(lines.is_empty(), "{words}");
    assert!(words.contains(&format!("of {} events", measure.events)), "{words}");
}
