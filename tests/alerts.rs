//! Alarms end to end: a webhook that is signed and tried again, a program, what is told once and when it is over.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::Value;
use sha2::Sha256;

use crate::util::{
    DEADLINE, Data, Run, Server, files_below, get, keytrail, pair, request, reserving_keytrail,
    response, until,
};

const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What a webhook got: its headers in lower case, and the body.
struct Got {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or_else(|| panic!("no header {name}"), |(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Takes messages; the first `refused` are answered by an error.
fn webhook(refused: usize) -> (String, Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (got, messages) = mpsc::channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let mut reader = BufReader::new(&stream);
            let mut headers = Vec::new();
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some((name, value)) = line.trim_end().split_once(": ") {
                    headers.push((name.to_lowercase(), value.to_owned()));
                }
                line.clear();
            }
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
            reader.read_exact(&mut body).unwrap();
            let status = if number < refused { "503 Busy" } else { "204 Taken" };
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            (&stream).write_all(answer.as_bytes()).unwrap();
            // The test may have what it wants and be gone.
            let _ = got.send(Got { headers, body });
        }
    });
    (url, messages)
}

fn follow(data: &Data, folder: &Path, alerts: &str) -> Server {
    let config = folder.join("keytrail.toml");
    let log = folder.join("audit.log");
    let text = format!(
        "[[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"n\"\n{alerts}",
        log.display()
    );
    fs::write(&config, text).unwrap();
    Server::start(data, &["-c", config.to_str().unwrap()])
}

#[test]
fn a_gap_is_told_to_a_webhook_signed_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (log, secret) = (folder.path().join("audit.log"), folder.path().join("secret"));
    fs::write(&log, pair("a", "secret/data/x", 0) + &pair("b", "secret/data/x", 10)).unwrap();
    fs::write(&secret, format!("whsec_{KEY}\n")).unwrap();
    let (url, messages) = webhook(1);
    let (data, alert) = (Data::new(), secret.display());
    let alert = format!(
        "[[alert]]\nname = \"on-call\"\non = [\"gap\"]\nrepeat = \"1h\"\nafter = \"1s\"\nwebhook = \"{url}\"\nsecret_file = \"{alert}\"\n"
    );
    let server = follow(&data, folder.path(), &alert);
    until("the lines are in", DEADLINE, || (data.status_of("events") == 2).then_some(()));
    let file = OpenOptions::new().append(true).open(&log).unwrap();
    file.set_len(0).unwrap();
    (&file).write_all(pair("c", "secret/data/x", 20).as_bytes()).unwrap();
    let refused = messages.recv_timeout(DEADLINE).expect("a message");
    let taken = messages.recv_timeout(DEADLINE).expect("the same once more");
    assert_eq!(refused.body, taken.body);
    assert_eq!(refused.header("webhook-id"), taken.header("webhook-id"));

    let message = taken.json();
    assert_eq!(message["type"], "keytrail.alert.firing");
    let told = &message["data"];
    let of = (&told["alert"], &told["on"], &told["cluster"], &told["subject"], &told["repeated"]);
    assert_eq!(
        of,
        (&"on-call".into(), &"gap".into(), &"c".into(), &"c/n/file".into(), &false.into())
    );
    assert!(told["text"].as_str().unwrap().contains("missing"), "{told}");
    let (id, timestamp) = (taken.header("webhook-id"), taken.header("webhook-timestamp"));
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(&taken.body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(taken.header("webhook-signature"), expected);

    // It is evidence too: in the ledger, once.
    let own = |data: &Data| {
        let own = String::from_utf8(data.cat("keytrail")).unwrap();
        own.lines().filter(|line| line.contains("\"type\":\"alarm\"")).count()
    };
    until("the alarm is in the ledger", DEADLINE, || (own(&data) == 1).then_some(()));
    server.says("alarm not sent yet");
    drop(server);
}

#[test]
fn a_line_that_was_taken_out_is_told_and_marks_its_day() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let begin: Timestamp = "2026-10-05T08:00:00Z".parse().unwrap();
    let now = Timestamp::now();
    let milliseconds = i64::try_from(now.duration_since(begin).as_millis()).unwrap();
    let (whole, lone) =
        (pair("a", "secret/data/x", milliseconds), response("b", "secret/data/x", milliseconds));
    fs::write(&log, whole + &lone).unwrap();
    let (url, messages) = webhook(0);
    let data = Data::new();
    let alert = format!("[[alert]]\nname = \"a\"\non = [\"gap\"]\nwebhook = \"{url}\"\n");
    let server = follow(&data, folder.path(), &alert);
    let told = messages.recv_timeout(DEADLINE).expect("a message").json();
    let day = now.strftime("%Y-%m-%d").to_string();
    assert_eq!(told["data"]["text"], format!("1 request of {day} lacks one line of two"));
    assert_eq!(told["data"]["subject"], "c/n/file");
    let overview = get(&server.address, "/").body;
    assert!(overview.contains(&format!("{day}: gap, ")), "{overview}");
}

#[test]
fn silence_is_told_to_a_program_and_so_is_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (log, told) = (folder.path().join("audit.log"), folder.path().join("told"));
    let mut file = File::create(&log).unwrap();
    file.write_all(pair("a", "secret/data/x", 0).as_bytes()).unwrap();
    let alert = format!(
        "[[alert]]\nname = \"quiet\"\non = [\"silence\"]\nsilence = \"1s\"\nafter = \"1s\"\n\
         command = [\"sh\", \"-c\", \"cat >> {0}; echo >> {0}\"]\n",
        told.display()
    );
    let data = Data::new();
    let server = follow(&data, folder.path(), &alert);
    let messages = || -> Vec<Value> {
        let text = fs::read_to_string(&told).unwrap_or_default();
        // The last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    until("silence is told", DEADLINE, || (messages().len() == 1).then_some(()));
    file.write_all(pair("b", "secret/data/x", 10).as_bytes()).unwrap();
    until("its end is told", DEADLINE, || (messages().len() >= 2).then_some(()));
    let messages = messages();
    assert_eq!(messages[0]["type"], "keytrail.alert.firing");
    assert_eq!(messages[1]["type"], "keytrail.alert.resolved");
    assert_eq!(messages[0]["data"]["since"], messages[1]["data"]["since"]);
    assert!(messages[0]["data"]["text"].as_str().unwrap().starts_with("no line since 20"));
    drop(server);
}

#[test]
fn a_ledger_that_is_not_what_was_signed_is_told_at_the_first_verification() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("audit.log"), Data::new());
    let lines = |from: i64| -> String {
        (from..from + 200).map(|n| pair(&format!("r{n}"), "secret/data/x", n * 10)).collect()
    };
    // Of two frames the first is changed: the second shows that it was once whole.
    for (name, from) in [("one", 0), ("two", 200)] {
        let file = folder.path().join(name);
        fs::write(&file, lines(from)).unwrap();
        data.import([&file]);
    }
    let segment = files_below(&data.path().join("ledger/lines")).remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[2000] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let (url, messages) = webhook(0);
    fs::write(&log, lines(400)).unwrap();
    let alert = format!(
        "[verify]\nevery = \"24h\"\n[[alert]]\nname = \"a\"\non = [\"verify\"]\nwebhook = \"{url}\"\n"
    );
    let server = follow(&data, folder.path(), &alert);
    let message = messages.recv_timeout(DEADLINE).expect("a message").json();
    let told = &message["data"];
    assert_eq!((&told["on"], &told["subject"]), (&"verify".into(), &"ledger".into()), "{told}");
    let text = told["text"].as_str().unwrap();
    assert!(text.starts_with("the ledger is not what was signed: leaf "), "{text}");
    drop(server);
}

#[test]
fn a_configuration_is_tried_out() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("keytrail.toml");
    let (url, messages) = webhook(0);
    let closed = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    };
    let check = |more: &str| {
        let alert =
            format!("[[alert]]\nname = \"a\"\non = [\"gap\", \"disk\"]\nwebhook = \"{url}\"\n");
        fs::write(&config, format!("[[source]]\npath = \"/a\"\nnode = \"n\"\n{alert}{more}"))
            .unwrap();
        Run::of(keytrail().args(["check-config", "-c"]).arg(&config))
    };
    check("").expect(0);
    let message = messages.recv_timeout(DEADLINE).expect("a message").json();
    assert_eq!(message["type"], "keytrail.alert.test");
    let more = format!(
        "[[alert]]\nname = \"b\"\non = [\"gap\"]\ncommand = [\"false\"]\n[[server]]\naddress = \"http://{closed}\"\nheartbeat = \"30s\"\n"
    );
    let run = check(&more).expect(1);
    assert!(run.stderr.contains("alert b: false ended with exit status: 1"), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("server http://{closed}: ")), "{}", run.stderr);
    assert!(
        run.stderr.contains("2 of the servers, alerts and sinks could not be reached"),
        "{}",
        run.stderr
    );
}

#[test]
fn want_of_room_and_lag_are_told_and_so_is_their_end() {
    let folder = tempfile::tempdir().unwrap();
    let (log, config) = (folder.path().join("audit.log"), folder.path().join("keytrail.toml"));
    fs::write(&log, pair("a", "secret/data/x", 0)).unwrap();
    let (url, messages) = webhook(0);
    // The data folder is on the log's volume, for only there is anything reserved.
    let data = Data::at(&folder.path().join("data"));
    let configure = |reserve: u64| {
        let text = format!(
            "[reserve]\nbytes = {reserve}\npercent = 0\n\
             [[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"n\"\n\
             [[alert]]\nname = \"a\"\non = [\"disk\", \"lag\"]\nafter = \"1s\"\nwebhook = \"{url}\"\n",
            log.display()
        );
        fs::write(&config, text).unwrap();
    };
    configure(1 << 60);
    let server = Server::start_as(reserving_keytrail(), &data, &["-c", config.to_str().unwrap()]);
    let told = || {
        let both = [(); 2].map(|()| messages.recv_timeout(DEADLINE).expect("a message").json());
        let mut both = both.map(|message| {
            let data = &message["data"];
            let word = |value: &Value| value.as_str().unwrap().to_owned();
            (word(&data["on"]), word(&message["type"]), word(&data["subject"]), word(&data["text"]))
        });
        both.sort();
        both
    };
    let [disk, lag] = told();
    assert_eq!((&*disk.0, &*disk.1, &*disk.2), ("disk", "keytrail.alert.firing", "data"));
    assert!(disk.3.contains("left to the secrets server"), "{}", disk.3);
    assert_eq!((&*lag.0, &*lag.1, &*lag.2), ("lag", "keytrail.alert.firing", "trail"));
    assert!(lag.3.contains("bytes not read"), "{}", lag.3);
    let metrics = crate::util::get(&server.address, "/metrics").body;
    assert!(metrics.contains("keytrail_recording_paused 1"), "{metrics}");
    configure(0);
    server.hang_up();
    let [disk, lag] = told();
    assert_eq!((&*disk.0, &*disk.1), ("disk", "keytrail.alert.resolved"));
    assert_eq!((&*lag.0, &*lag.1), ("lag", "keytrail.alert.resolved"));
    until("the lines are in", DEADLINE, || (data.status_of("events") == 1).then_some(()));
    drop(server);
}

#[test]
fn a_clock_that_is_ahead_is_told_though_keytrail_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let ahead = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(90);
    let line = request("a", "secret/data/x", 0);
    let (_, rest) = line.split_once(",").unwrap();
    fs::write(&log, format!("{{\"time\":\"{ahead}\",{rest}")).unwrap();
    // The first try is refused, so that the message still waits when keytrail ends.
    let (url, messages) = webhook(1);
    let alert =
        format!("[[alert]]\nname = \"a\"\non = [\"clock\"]\nafter = \"1s\"\nwebhook = \"{url}\"\n");
    let data = Data::new();
    let server = follow(&data, folder.path(), &alert);
    messages.recv_timeout(DEADLINE).expect("a message that is refused");
    server.terminate();
    let message = messages.recv_timeout(DEADLINE).expect("the same once more").json();
    let told = &message["data"];
    assert_eq!((&told["on"], &told["subject"]), (&"clock".into(), &"c/n/file".into()), "{told}");
    let text = told["text"].as_str().unwrap();
    assert!(text.starts_with("the server's clock is at least 8"), "{text}");
    assert!(text.contains("ms ahead of ours"), "{text}");
}
