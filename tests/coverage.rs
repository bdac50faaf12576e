//! Coverage end to end: what is proven, what is found missing, and what is only not known.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::util::{
    Bao, DEADLINE, Data, FakeServer, Run, Server, get, keytrail, pair, real_servers_are_wanted,
    until, visible_text,
};

/// Follows `c/n/file` with a heartbeat of ten beats a second; `more` is added to the configuration.
fn follow(data: &Data, folder: &Path, server: &FakeServer, nodes: &str, counters: bool) -> Server {
    let config = folder.join("keytrail.toml");
    let text = format!(
        "[[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"n\"\n\
         [cluster.c]\nnodes = {nodes}\n\
         [[server]]\naddress = \"{}\"\nheartbeat = \"100ms\"\ncounters = {counters}\n",
        folder.join("audit.log").display(),
        server.address,
    );
    fs::write(&config, text).unwrap();
    Server::start(data, &["-c", config.to_str().unwrap()])
}

fn source(data: &Data) -> Value {
    data.status()["coverage"]["sources"][0].clone()
}

fn proven_by(source: &Value) -> Vec<&str> {
    let proven = source["proven"].as_array().into_iter().flatten();
    proven.map(|proven| proven["by"].as_str().unwrap()).collect()
}

#[test]
fn heartbeats_and_counters_prove_what_came_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let (data, fake) = (Data::new(), FakeServer::start(&folder.path().join("audit.log")));
    let server = follow(&data, folder.path(), &fake, "[\"n\"]", true);
    until("something is proven", DEADLINE, || {
        (data.status()["coverage"]["grade"] == "proven").then_some(())
    });
    fake.refuse("secret/data/x");
    let (source, _) = until("the counters agree", DEADLINE, || {
        let source = source(&data);
        (proven_by(&source) == ["heartbeat", "counters"]).then_some(source)
    });
    assert_eq!((&source["grade"], &source["why"]), (&"proven".into(), &Value::Array(vec![])));
    // Heartbeats are no requests of anybody.
    assert_eq!(data.total(""), 1);
    let beats = data.search("is:system");
    assert!(beats.len() >= 20, "{}", beats.len());
    assert_eq!(beats[0]["decision"], "unknown");
    let page = visible_text(&get(&server.address, "/").body);
    assert!(page.contains("proven complete"), "{page}");
    let report = data.run("report", ["access", "--by", "path", "--format", "json"]).expect(0);
    let heading = &report.json()[0]["heading"];
    assert_eq!(heading["coverage"]["grade"], "proven", "{heading}");
    assert!(heading["notes"][0].as_str().unwrap().starts_with("complete: "), "{heading}");
    drop(server);
    // Another reader of the ledger alone comes to the same.
    data.run("rebuild", [""; 0]).expect(0);
    assert_eq!(proven_by(&self::source(&data)), ["heartbeat", "counters"]);
}

#[test]
fn a_heartbeat_that_was_answered_and_is_not_in_the_log_is_found_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, fake) = (Data::new(), FakeServer::start(&folder.path().join("audit.log")));
    let server = follow(&data, folder.path(), &fake, "[\"n\", \"bao-2\"]", false);
    until("something is proven", DEADLINE, || (source(&data)["grade"] == "proven").then_some(()));
    let coverage = &data.status()["coverage"];
    assert_eq!(coverage["grade"], "incomplete", "a declared node has no source: {coverage}");
    assert_eq!(coverage["nodes_without_source"], serde_json::json!(["bao-2"]));
    fake.lose(true);
    until("a heartbeat is waited for", DEADLINE, || {
        source(&data)["heartbeat_missing_since"].is_string().then_some(())
    });
    fake.lose(false);
    let (source, _) = until("the loss is told", DEADLINE, || {
        let source = source(&data);
        (source["grade"] == "incomplete").then_some(source)
    });
    let why = source["why"][0].as_str().unwrap();
    assert!(why.contains("of keytrail's heartbeats are not in the log, between 20"), "{why}");
    let text = data.run("status", [""; 0]).expect(0);
    assert!(
        text.text().contains("coverage     incomplete (declared nodes: bao-2, n)"),
        "{}",
        text.text()
    );
    drop(server);
}

#[test]
fn lines_that_the_server_counted_and_that_did_not_come_in_are_told_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let (data, fake) = (Data::new(), FakeServer::start(&folder.path().join("audit.log")));
    let server = follow(&data, folder.path(), &fake, "[\"n\"]", true);
    until("the counters agree", DEADLINE, || {
        proven_by(&source(&data)).contains(&"counters").then_some(())
    });
    // Between two heartbeats, so that they notice nothing: only the counters do.
    fake.lose_one();
    let (why, _) = until("the difference is told", DEADLINE, || {
        let source = source(&data);
        let why = source["why"].as_array()?.iter().filter_map(Value::as_str);
        why.filter(|why| why.contains("the server counted")).map(str::to_owned).next()
    });
    assert!(why.contains("came in, between 20"), "{why}");
    drop(server);
}

#[test]
fn an_imported_file_is_no_more_than_no_gap_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("audit.log"), Data::new());
    fs::write(&log, pair("a", "secret/data/x", 0) + &pair("b", "secret/data/x", 90_000_000))
        .unwrap();
    data.import([&log]);
    let status = data.status();
    let coverage = &status["coverage"];
    assert_eq!((&coverage["grade"], &coverage["nodes"]), (&"no_gap_seen".into(), &Value::Null));
    let source = &coverage["sources"][0];
    assert_eq!((&source["lines"], &source["live_lines"]), (&4.into(), &0.into()));
    assert_eq!(source["first"], "2026-10-05T08:00:00Z");
    let days: Vec<_> =
        source["days"].as_array().unwrap().iter().map(|day| day["day"].as_str().unwrap()).collect();
    assert_eq!(days, ["2026-10-05", "2026-10-06"]);
    let report =
        data.run("report", ["access", "--period", "2026-10", "--format", "json"]).expect(0);
    let heading = &report.json()[0]["heading"];
    assert_eq!(heading["coverage"]["grade"], "incomplete");
    assert_eq!(
        heading["coverage"]["sources"][0]["why"][0],
        "nothing is known of it before 2026-10-05T08:00:00Z"
    );
}

#[test]
fn two_devices_of_a_node_are_compared_by_request() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two, data) = (folder.path().join("one"), folder.path().join("two"), Data::new());
    let (a, b) = (pair("a", "secret/data/x", 0), pair("b", "secret/data/x", 10));
    fs::write(&one, format!("{a}{b}")).unwrap();
    fs::write(&two, format!("{b}{a}")).unwrap();
    let import = |device: &str, file: &Path| {
        let file = file.to_str().unwrap();
        let options = ["--cluster", "c", "--node", "n", "--device", device, file];
        data.run("import", options).expect(0);
    };
    import("one", &one);
    import("two", &two);
    let devices = || data.status()["coverage"]["devices"][0].clone();
    let both = serde_json::json!({"c/n/one": 2, "c/n/two": 2});
    assert_eq!((&devices()["same"], &devices()["requests"]), (&true.into(), &both));
    // As many, but another one.
    fs::write(&two, pair("c", "secret/data/x", 20)).unwrap();
    import("two", &two);
    fs::write(&one, pair("d", "secret/data/x", 20)).unwrap();
    import("one", &one);
    let both = serde_json::json!({"c/n/one": 3, "c/n/two": 3});
    assert_eq!((&devices()["same"], &devices()["requests"]), (&false.into(), &both));
    let text = data.run("status", [""; 0]).expect(0);
    assert!(text.text().contains("the devices of n have not the same requests"), "{}", text.text());
}

#[test]
fn a_real_openbao_is_proven_by_heartbeats_and_by_its_own_counters() {
    if !real_servers_are_wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let bao = Bao::start(folder.path());
    let address = &bao.address;
    let data = Data::new();
    let config = folder.path().join("keytrail.toml");
    let text = format!(
        "[[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"n\"\n[cluster.c]\nnodes = [\"n\"]\n\
         [[server]]\naddress = \"http://{address}\"\nheartbeat = \"200ms\"\ncounters = true\n",
        folder.path().join("audit.log").display(),
    );
    fs::write(&config, text).unwrap();
    let checked = Run::of(keytrail().args(["check-config", "-c"]).arg(&config)).expect(0);
    assert!(checked.stderr.contains("answers"), "{}", checked.stderr);
    let server = Server::start(&data, &["-c", config.to_str().unwrap()]);
    // While others work: the counters move between two readings.
    let counted = || {
        bao.run(&["token", "lookup"]).expect("it answers");
        let source = source(&data);
        let proven =
            source["proven"].as_array()?.iter().find(|proven| proven["by"] == "counters")?;
        (proven["to"].as_str()? > proven["from"].as_str()?).then_some(source)
    };
    let (source, _) = until("the counters agree", DEADLINE, counted);
    let incidents: Vec<&str> =
        source["why"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(
        incidents.iter().all(|why| {
            // A heartbeat may be under way at this moment.
            why.starts_with("heartbeats or counters cover") || why.contains("had not come")
        }),
        "{incidents:?}"
    );
    assert!(data.search("is:system path:keytrail-heartbeat/**").len() >= 10);
    assert!(data.total("action:token.lookup") >= 1);
    drop(server);
}
