//! Objects in a folder and in S3, by other people's code: every event once, whatever is killed.

use super::*;
use crate::util::{Moto, Relay, json_lines, python, real_servers_are_wanted, tools_required};

pub(super) const BUCKET: &str = "lake";

fn store(url: &str, more: &str) -> String {
    format!(
        "[[sink]]\nname = \"lake\"\ntype = \"object_store\"\nurl = \"{url}\"\nretry_max = \"200ms\"\nbatch_wait = \"0s\"\n{more}\n"
    )
}

/// A bucket of moto at this address.
pub(super) fn bucket(setup: &Setup, address: &str, more: &str) -> String {
    let secret = setup.path("s3-secret");
    fs::write(&secret, "s3cret\n").unwrap();
    let more = format!(
        "endpoint = \"http://{address}\"\nregion = \"us-east-1\"\naccess_key_id = \"id\"\nsecret_key_file = \"{}\"\n{more}",
        secret.display()
    );
    store(&format!("s3://{BUCKET}/audit"), &more)
}

impl Setup {
    /// Holds what the store has against what was sent; returns the lines.
    pub(super) fn reconciled(&self, more: &[&str], code: i32) -> (Vec<Value>, String) {
        let config = self.path("keytrail.toml");
        let arguments = ["reconcile", "lake", "-c", config.to_str().unwrap(), "--format", "json"];
        let run = self.data.forward(&[&arguments[..], more].concat()).expect(code);
        (json_lines(run.text()), run.stderr)
    }

    fn is(&self, word: &str, more: &[&str], code: i32) -> usize {
        self.reconciled(more, code).0.iter().filter(|line| line["is"] == word).count()
    }
}

/// The finished files of a sink's folder, by their names below it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let name = |path: &Path| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
    let finished = crate::util::files_below(folder)
        .into_iter()
        .filter(|path| path.extension().is_none_or(|ending| ending != "part"));
    finished.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

fn unpacked(bytes: &[u8]) -> Vec<Value> {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(bytes), &mut text)
        .unwrap();
    json_lines(&text)
}

#[test]
fn a_folder_holds_every_event_once_and_its_manifests_tell_of_each_object() {
    let setup = Setup::new(&pairs(0..1_000));
    let lake = setup.path("lake");
    let url = format!("file://{}", lake.display());
    let config = setup.configure(&store(&url, "batch_events = 100"));
    let check = || Run::of(keytrail().args(["check-config", "-c"]).arg(&config));
    assert!(check().expect(1).stderr.contains("make the folder, or mount what belongs there"));
    fs::create_dir(&lake).unwrap();
    assert!(check().expect(0).stderr.contains("has 0 batches of this sink"));
    let sinks = store(&url, "batch_events = 100");
    for part in 1..=3 {
        let server = setup.run(&sinks);
        let count = || files(&lake).keys().filter(|name| name.contains("manifests/")).count();
        until("some more batches are there", DEADLINE, || (count() >= part * 2).then_some(()));
        server.kill();
    }
    let server = setup.run(&sinks);
    let status = setup.done("lake", 1_000);
    server.terminate();
    assert_eq!(status["deliveries"][0]["state"], "confirmed");
    let files = files(&lake);
    let objects: Vec<(&String, &Vec<u8>)> =
        files.iter().filter(|(name, _)| name.starts_with("lake/day=")).collect();
    let stored: Vec<Value> = objects.iter().flat_map(|(_, bytes)| unpacked(bytes)).collect();
    assert_eq!((objects.len(), stored.len()), (10, 1_000), "nothing twice");
    assert_eq!(set(&uids(&stored)), set(&uids(&setup.data.search(""))));
    for (name, bytes) in &objects {
        let day = name.split(['=', '/']).nth(2).unwrap();
        let is_of = |event: &Value| event["time"].as_str().unwrap().starts_with(day);
        assert!(unpacked(bytes).iter().all(is_of), "{name}");
    }
    // The manifests are a chain, and name each object with its hash.
    let manifests = files.iter().filter(|(name, _)| name.starts_with("lake/manifests/"));
    let manifests: Vec<Value> =
        manifests.map(|(_, bytes)| serde_json::from_slice(bytes).unwrap()).collect();
    for (at, manifest) in manifests.iter().enumerate() {
        let before = at.checked_sub(1).map_or(&Value::Null, |before| &manifests[before]["batch"]);
        assert_eq!(manifest["previous"], *before);
        let part = &manifest["objects"][0];
        let object = &files[&format!("lake/{}", part["name"].as_str().unwrap())];
        let mut sum = python();
        sum.args(["-c", "import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())"]);
        let path = lake.join("lake").join(part["name"].as_str().unwrap());
        assert_eq!(part["sha256"], Run::of(sum.arg(path)).expect(0).text().trim());
        let events = unpacked(object).len();
        assert_eq!((&manifest["events"], &part["events"]), (&events.into(), &events.into()));
    }
    assert!(setup.reconciled(&[], 0).0.is_empty());
    // Somebody removes one object and alters another.
    fs::remove_file(lake.join(objects[3].0)).unwrap();
    fs::write(lake.join(objects[5].0), objects[6].1).unwrap();
    let (lines, said) = setup.reconciled(&[], 1);
    let is = |word: &str| lines.iter().filter(|line| line["is"] == word).count();
    assert_eq!((is("missing"), is("doubled"), is("object")), (200, 100, 2), "{said}");
}

#[test]
fn events_wait_for_each_other_and_a_stop_meanwhile_loses_none() {
    let setup = Setup::new(&pairs(0..25));
    let lake = setup.path("lake");
    fs::create_dir(&lake).unwrap();
    let url = format!("file://{}", lake.display());
    let waits = store(&url, "batch_events = 10").replace("\"0s\"", "\"1h\"");
    let server = setup.run(&waits);
    let objects = || files(&lake).keys().filter(|name| name.contains("day=")).count();
    until("two full ones are there", DEADLINE, || (objects() == 2).then_some(()));
    until("the others are read", DEADLINE, || (setup.status("lake")["waiting"] == 5).then_some(()));
    server.terminate();
    assert_eq!(objects(), 2);
    // What waited goes with what has come since.
    setup.append(&pairs(25..32));
    let server = setup.run(&waits);
    until("a third one is there", DEADLINE, || (objects() == 3).then_some(()));
    server.terminate();
    let server = setup.run(&store(&url, "batch_events = 10"));
    setup.done("lake", 32);
    server.terminate();
    let sizes: Vec<usize> = files(&lake)
        .iter()
        .filter(|(name, _)| name.contains("day="))
        .map(|(_, bytes)| unpacked(bytes).len())
        .collect();
    assert_eq!(sizes, [10, 10, 10, 2]);
    assert!(setup.reconciled(&[], 0).0.is_empty());
}

#[test]
fn s3_holds_every_event_once_though_keytrail_is_killed_between_the_object_and_its_state() {
    let setup = Setup::new(&pairs(0..600));
    let Some(mut moto) = Moto::start(BUCKET) else { return };
    let relay = Relay::to(&moto.address);
    let sinks = bucket(&setup, &relay.address, "batch_events = 60\ncompression = \"zstd\"");
    // Each time the store has done what it was asked, and keytrail is killed before it hears of it.
    for kill in 1..=6 {
        let server = setup.run(&sinks);
        if kill % 2 == 0 {
            let before = setup.status("lake")["delivered"].as_u64().unwrap_or(0);
            until("a batch is done with", DEADLINE, || {
                (setup.status("lake")["delivered"].as_u64() > Some(before)).then_some(())
            });
        }
        relay.keep_answers(true);
        let before = relay.kept();
        setup.append(&pairs(600 + kill * 60..660 + kill * 60));
        until("an answer is kept", DEADLINE, || (relay.kept() > before).then_some(()));
        server.kill();
        relay.keep_answers(false);
    }
    let server = setup.run(&sinks);
    let status = setup.done("lake", 960);
    let said = server.said();
    assert!(!said.contains("s3cret"), "{said}");
    assert_eq!(status["deliveries"][0]["state"], "confirmed");
    let (lines, words) = setup.reconciled(&[], 0);
    assert!(lines.is_empty() && words.contains("of 960 events"), "{words}");
    // It forgets everything; who compares has it sent again.
    moto.forget(BUCKET);
    assert_eq!(setup.is("missing", &["--resend"], 1), 960);
    until("all is there again", DEADLINE, || (setup.status("lake")["again"] == 0).then_some(()));
    // Cut as before or not, so whether a manifest misses the one before it is open; the events are there once.
    let config = setup.path("keytrail.toml");
    let run = setup.data.forward(&["reconcile", "lake", "-c", config.to_str().unwrap()]);
    let words = "0 are missing, 0 are there several times";
    assert!(run.stderr.contains("of 960 events") && run.stderr.contains(words), "{}", run.stderr);
    drop(server);
}

#[test]
fn a_batch_that_was_cut_off_stays_the_same_though_it_has_to_wait_for_a_twin_again() {
    let handed_on = |n: i64| {
        let (id, error) = (format!("f{n}"), "cannot write to readonly storage");
        request(&id, "secret/data/x", n * 10)
            + &crate::util::with_error(&id, "secret/data/x", n * 10 + 1, error)
    };
    let setup = Setup::new(&(handed_on(0) + &pairs(1..10) + &handed_on(10) + &pairs(11..15)));
    let Some(moto) = Moto::start(BUCKET) else { return };
    let relay = Relay::to(&moto.address);
    relay.keep_answers(true);
    let sinks = bucket(&setup, &relay.address, "");
    let server = setup.run(&sinks);
    until("the batch is there, and nobody says so", DEADLINE, || (relay.kept() > 0).then_some(()));
    server.kill();
    relay.keep_answers(false);
    assert_eq!(setup.status("lake")["in_flight"]["events"], 15);
    setup.append(&pairs(15..20));
    let server = setup.run(&sinks);
    setup.done("lake", 20);
    let (lines, words) = setup.reconciled(&[], 0);
    assert!(lines.is_empty() && words.contains("of 20 events"), "{words} {lines:?}");
    drop(server);
}

#[test]
fn a_hundred_thousand_events_are_stored_once_over_ten_kills() {
    if !real_servers_are_wanted() {
        return;
    }
    const RARE: i64 = 50;
    let path = |n: i64| if n % RARE == 0 { "secret/data/rare" } else { "secret/data/x" };
    let log: String = (0..100_000).map(|n| pair(&format!("r{n}"), path(n), n)).collect();
    let setup = Setup::new(&log);
    let Some(moto) = Moto::start(BUCKET) else { return };
    let folder = setup.path("folder");
    fs::create_dir(&folder).unwrap();
    let url = format!("file://{}", folder.display());
    let named = |name: &str, sink: String| sink.replace("\"lake\"", &format!("\"{name}\""));
    // Few of many are kept for a long time: they are one object, though they are read in many steps.
    let rare = store(&url, "batch_events = 2_000\nfilter = \"path:secret/data/rare\"");
    let sinks = bucket(&setup, &moto.address, "batch_events = 2_000\nobject_format = \"parquet\"")
        + &named("folder", store(&url, "batch_events = 2_000"))
        + &named("rare", rare.replace("\"0s\"", "\"1h\""));
    let delivered = |name: &str| setup.status(name)["delivered"].as_u64().unwrap_or(0);
    for _ in 0..10 {
        let before = ["lake", "folder"].map(delivered);
        let server = setup.run(&sinks);
        until("both have some more", 4 * DEADLINE, || {
            let now = ["lake", "folder"].map(delivered);
            (now[0] > before[0] && now[1] > before[1]).then_some(())
        });
        server.kill();
    }
    let server = setup.run(&sinks);
    for name in ["lake", "folder", "rare"] {
        let (_, waited) = until("all is sent", 20 * DEADLINE, || {
            let all = setup.data.run("status", ["--format", "json"]).expect(0).json();
            let status = setup.status(name);
            let done = status["waiting"] == 0 && status["in_flight"].is_null();
            (done && all[0]["events"] == 100_000).then_some(())
        });
        eprintln!("{name} was done after {waited:?} more");
        let config = setup.path("keytrail.toml");
        let run = setup.data.forward(&["reconcile", name, "-c", config.to_str().unwrap()]);
        let count = if name == "rare" { 100_000 / RARE } else { 100_000 };
        let words = format!("of {count} events");
        let once = "0 are missing, 0 are there several times";
        assert!(run.stderr.contains(&words) && run.stderr.contains(once), "{}", run.stderr);
        assert_eq!(run.code, 0, "{}", run.stderr);
    }
    server.terminate();
    let objects = files(&folder.join("rare"));
    let sizes: Vec<usize> = objects
        .iter()
        .filter(|(name, _)| name.starts_with("day="))
        .map(|(_, bytes)| unpacked(bytes).len())
        .collect();
    assert_eq!(sizes, [2_000]);
}

#[test]
fn a_wrong_bucket_stops_the_sink_and_one_that_is_away_does_not() {
    let setup = Setup::new(&pairs(0..20));
    let Some(moto) = Moto::start(BUCKET) else { return };
    let sinks = bucket(&setup, &moto.address, "");
    let server = setup.run(&sinks.replace("s3://lake", "s3://pond"));
    let stopped = || setup.status("lake")["stopped"].as_str().map(str::to_owned);
    let (why, _) = until("it stops", DEADLINE, stopped);
    assert!(why.contains("NoSuchBucket") && why.len() < 600, "{why}");
    server.terminate();
    let nobody = crate::util::free_address();
    let server = setup.run(&bucket(&setup, &nobody, ""));
    until("it waits", DEADLINE, || setup.status("lake")["problem"][1].is_string().then_some(()));
    server.terminate();
    let server = setup.run(&sinks);
    setup.done("lake", 20);
    drop(server);
}

#[test]
fn duckdb_over_the_parquet_of_a_folder_counts_as_keytrail_does() {
    let imports = python().args(["-c", "import duckdb"]).output();
    if !imports.is_ok_and(|output| output.status.success()) {
        assert!(!tools_required(), "no duckdb for Python");
        return;
    }
    let setup = Setup::new(&fixture_text("openbao-2.7.2/audit.jsonl.gz"));
    let lake = setup.path("lake");
    fs::create_dir(&lake).unwrap();
    let url = format!("file://{}", lake.display());
    let filter = "filter = \"-is:pending\"";
    let sinks = store(&url, &format!("object_format = \"parquet\"\nbatch_events = 300\n{filter}"));
    let server = setup.run(&sinks);
    until("the log is read", DEADLINE, || {
        let caught = get(&server.address, "/metrics").body.contains("keytrail_tail_caught_up 1");
        let status = setup.data.run("status", ["--format", "json"]);
        (caught && status.code == 0 && status.json()[0]["events"].as_u64() > Some(0)).then_some(())
    });
    setup.done("lake", setup.data.status_of("events"));
    server.terminate();
    let mut duckdb = python();
    duckdb.args(["-c", r#"
import duckdb, json, sys
rows = duckdb.sql(f"""
    select decision, count(*), count(distinct uid), count(*) filter (event::json->>'uid' = uid),
           count(*) filter (day = strftime(time, '%Y-%m-%d'))
    from read_parquet('{sys.argv[1]}/lake/day=*/*.parquet', hive_partitioning = true, hive_types_autocast = false) group by 1
""").fetchall()
print(json.dumps({row[0]: row[1:] for row in rows}))
"#]);
    let counted: BTreeMap<String, [u64; 4]> =
        serde_json::from_str(Run::of(duckdb.arg(&lake)).expect(0).text()).unwrap();
    let issued = "-is:pending -reason:system -is:copy -reason:not_recorded";
    let expected = setup.data.count(issued, "decision");
    assert!(expected.values().sum::<u64>() > 1_000, "{expected:?}");
    let counts: BTreeMap<String, u64> =
        counted.iter().map(|(decision, of)| (decision.clone(), of[0])).collect();
    assert_eq!(counts, expected);
    assert!(counted.values().all(|of| of.iter().all(|count| *count == of[0])), "{counted:?}");
    assert!(setup.reconciled(&[], 0).0.is_empty());
}
