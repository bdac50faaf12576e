//! The API of a running server: other people's tool that makes requests up, and a live tail.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::Value;

use crate::util::{
    DEADLINE, Data, Run, Server, fixture, get, keytrail, pair, python, tools_required, until,
};

/// What schemathesis checks but for one: the filter grammar is none that JSON Schema can express, so that a request
/// that fits the schema may well be a mistake in the filter.
const CHECKS: [&str; 4] = ["--checks", "all", "--exclude-checks", "positive_data_acceptance"];

#[test]
fn schemathesis_finds_no_failure() {
    let has = python().args(["-c", "import schemathesis"]).stderr(Stdio::null()).status();
    if !has.is_ok_and(|status| status.success()) {
        assert!(!tools_required(), "schemathesis is missing");
        eprintln!("schemathesis is missing: `cargo xtask test` installs it");
        return;
    }
    let data = Data::new();
    data.import([fixture("openbao-2.7.2/audit.jsonl.1.gz")]);
    let server = Server::start(&data, &[]);
    let document = format!("http://{}/api/v1/openapi.json", server.address);
    let folder = tempfile::tempdir().unwrap();
    let uid = data.search("")[0]["uid"].clone();
    let known = format!("[parameters]\n\"path.uid\" = {uid}\n");
    std::fs::write(folder.path().join("schemathesis.toml"), known).unwrap();
    let mut checker = python();
    checker.current_dir(folder.path()).env("PYTHONDONTWRITEBYTECODE", "1");
    checker.args([
        "-c",
        "from schemathesis.cli import schemathesis; schemathesis()",
        "run",
        &document,
    ]);
    // An answer of a tail has no end.
    checker.args(["--exclude-path", "/api/v1/tail", "--max-examples", "20", "--seed", "1"]);
    checker.args(["--no-color"]).args(CHECKS);
    let run = Run::of(&mut checker);
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.code == 0 && !said.contains("❌"), "{said}\n{}", run.stderr);
    let document = get(&server.address, "/api/v1/openapi.json").body;
    let document: Value = serde_json::from_str(&document).unwrap();
    let operations = document["paths"].as_object().unwrap().len();
    assert!(operations > 10, "{operations} addresses are described");
}

/// A live tail, read message by message.
struct Tail(BufReader<TcpStream>);

struct Message {
    id: String,
    name: String,
    data: Value,
}

impl Tail {
    fn open(server: &Server, query: &str, last: Option<&str>) -> Tail {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let last = last.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        write!(
            stream,
            "GET /api/v1/tail?{query} HTTP/1.0\r\nHost: {}\r\n{last}\r\n",
            server.address
        )
        .unwrap();
        let mut tail = Tail(BufReader::new(stream));
        let status = tail.line();
        assert!(status.contains(" 200 "), "{status}");
        while !tail.line().is_empty() {}
        tail
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the tail ended");
        line.trim_end().to_owned()
    }

    /// Reads the next message that has data.
    fn next(&mut self) -> Message {
        let (mut id, mut name) = (String::new(), String::new());
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some(("id", of)) => of.clone_into(&mut id),
                Some(("event", of)) => of.clone_into(&mut name),
                Some(("data", of)) => {
                    return Message { id, name, data: serde_json::from_str(of).unwrap() };
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_tail_tells_each_event_once_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("audit.log"), Data::new());
    File::create(&log).unwrap().write_all(pair("before", "secret/data/x", 0).as_bytes()).unwrap();
    let server = Server::follow(&data, &log);
    until("the first event is searchable", DEADLINE, || {
        (data.total("request:before") == 1).then_some(())
    });
    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    let mut write = |id: &str| {
        file.write_all(pair(id, "secret/data/x", 1000).as_bytes()).unwrap();
    };
    let mut tail = Tail::open(&server, "q=path:secret/**", None);
    // What the tail begins after is settled once it has answered.
    write("one");
    write("two");
    let (one, two) = (tail.next(), tail.next());
    assert_eq!((&*one.name, &one.data["request_id"]), ("event", &Value::from("one")));
    assert_eq!(two.data["request_id"], Value::from("two"));
    drop(tail);
    write("three");
    // A browser comes back with the id of what it was told last.
    let mut tail = Tail::open(&server, "q=path:secret/**&rows=true", Some(&one.id));
    let again: Vec<Value> = (0..2).map(|_| tail.next().data["request_id"].clone()).collect();
    assert_eq!(again, ["two", "three"]);
    let mut all = Tail::open(&server, "after=0.0&rows=true", None);
    let first = all.next();
    assert_eq!((&*first.name, &first.data["request_id"]), ("event", &Value::from("before")));
}

#[test]
fn a_running_keytrail_answers_commands_as_its_data_folder_does() {
    let data = Data::new();
    data.import([fixture("openbao-2.7.2/audit.jsonl.1.gz")]);
    let server = Server::start(&data, &[]);
    let url = format!("http://{}", server.address);
    let asked = |command: &str, from: [&str; 2], rest: &[&str]| {
        Run::of(keytrail().arg(command).args(from).args(rest))
    };
    let folder = data.path().to_str().unwrap();
    for (command, rest) in [
        ("search", &["decision:denied", "--limit", "3"][..]),
        ("search", &["identity:my-app/*", "--limit", "0", "--format", "csv"]),
        ("search", &["", "--limit", "5", "--format", "json", "--all"]),
        ("count", &["", "--by", "identity,decision"]),
        ("count", &["", "--by", "decision", "--interval", "1d", "--tz", "Europe/Berlin"]),
        ("count", &["decision:denied", "--format", "json"]),
        ("count", &["", "--by", "reason", "--at", "2000"]),
        ("count", &["", "--by", "action", "--first-last", "--latency", "--top", "3"]),
        ("count", &["", "--by", "decision", "--distinct", "path"]),
    ] {
        let local = asked(command, ["-d", folder], rest).expect(0);
        let remote = asked(command, ["--url", &url], rest).expect(0);
        assert_eq!(remote.text(), local.text(), "{command} {rest:?}");
        assert!(remote.stderr.contains("events match, exact"), "{}", remote.stderr);
    }
    let hash =
        data.search("action:cred.issue outcome:success")[0]["hmacs"]["response.username"].clone();
    let hmac = ["--hmac", hash.as_str().expect("a hash")];
    for rest in [&hmac[..], &[hmac[0], hmac[1], "--format", "json"]] {
        let local = asked("lookup", ["-d", folder], rest).expect(0);
        let remote = asked("lookup", ["--url", &url], rest).expect(0);
        // Each look-up is recorded, which moves the leaf.
        let known = |run: &Run| run.text().split("answered at leaf").next().unwrap().to_owned();
        let known_json = |run: &Run| {
            let mut of = run.json().remove(0);
            of.as_object_mut().unwrap().remove("leaf");
            of
        };
        match rest.len() {
            2 => assert_eq!(known(&remote), known(&local)),
            _ => assert_eq!(known_json(&remote), known_json(&local)),
        }
    }
    let unknown = format!("hmac-sha256:{}", "0".repeat(64));
    assert_eq!(asked("lookup", ["--url", &url], &["--hmac", &unknown]).code, 1);
    let status = asked("status", ["--url", &url], &["--format", "json"]).expect(0);
    assert_eq!(status.json()[0]["events"], data.status()["events"]);
    let typo = asked("search", ["--url", &url], &["a decison:denied"]);
    assert_eq!((typo.code, typo.stderr.contains("\n  ^^^^^^^\n")), (2, true), "{}", typo.stderr);
    let nobody = asked("search", ["--url", "http://127.0.0.1:1"], &[""]);
    assert_eq!(nobody.code, 3, "{}", nobody.stderr);
    assert_eq!(asked("search", ["--url", "somewhere"], &[""]).code, 2);
}
