//! Several audit devices of one node: each request counts once, whichever devices have it and in whatever order
//! their logs come.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::util::{DEADLINE, Data, Server, fixture, pair, request, response, until};

/// One server's requests as three devices wrote them: each has its own order, times and hashes.
const DEVICES: [&str; 3] = ["hashed", "elide_clear_accessor", "raw"];

fn import(data: &Data, device: &str, file: &Path) {
    let file = file.to_str().unwrap();
    let options = ["--cluster", "c", "--node", "n", "--device", device, "--allow-raw", file];
    data.run("import", options).expect(0);
}

fn recorded(device: &str) -> std::path::PathBuf {
    fixture(&format!("samples/openbao-2.7.2-recorded/{device}.ndjson"))
}

/// What is said of each request, without what is a device's own.
fn said(data: &Data) -> BTreeSet<String> {
    let counting = data.search("-is:copy -reason:system");
    let said: BTreeSet<String> = counting
        .iter()
        .map(|event| {
            let keys = ["uid", "request_id", "action", "path", "decision", "reason", "outcome"];
            keys.map(|key| event[key].to_string()).join(" ")
        })
        .collect();
    assert_eq!(said.len(), counting.len());
    said
}

#[test]
fn each_request_of_a_real_server_counts_once_in_whatever_order_its_devices_come() {
    let alone = Data::new();
    import(&alone, "hashed", &recorded("hashed"));
    let by = "decision,reason,outcome,action";
    let counted = |data: &Data| {
        let run = data.run("count", ["", "--by", by, "--format", "json"]).expect(0);
        run.text().to_owned()
    };
    let mut said_first = None;
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let data = Data::new();
        for device in order {
            import(&data, DEVICES[device], &recorded(DEVICES[device]));
        }
        assert_eq!(counted(&data), counted(&alone), "{order:?}");
        let events = alone.status_of("events");
        assert_eq!(data.status_of("events"), 3 * events, "each device's own is there");
        let said = said(&data);
        assert_eq!(&said, said_first.get_or_insert_with(|| said.clone()), "{order:?}");
        assert_eq!(data.search("is:only_on"), Vec::<Value>::new());
        // Every event is of the device whose log came first.
        let first = DEVICES[order[0]];
        let counting = data.search("-is:copy -reason:system");
        assert!(counting.iter().all(|event| event["device"] == first), "{order:?}");
        let before = data.search_text("");
        data.run("rebuild", [""; 0]).expect(0);
        assert!(data.search_text("") == before, "{order:?}: a rebuild says something else");
    }
}

#[test]
fn the_second_device_of_the_main_recording_changes_no_count() {
    let data = Data::new();
    let file = |name: &str| fixture(&format!("openbao-2.7.2/{name}"));
    data.import([file("audit.jsonl.1.gz"), file("audit.jsonl.gz")]);
    let before = data.count("", "path");
    let without_copies = data.search_text("-reason:system");
    import(&data, "raw", &file("audit-raw.jsonl.gz"));
    assert_eq!(data.count("", "path"), before);
    assert!(data.search_text("-is:copy -reason:system") == without_copies, "they are changed");
    let copies = data.search("is:copy").len();
    assert!(copies > 1000, "{copies} copies");
}

#[test]
fn what_one_device_lacks_counts_as_another_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let lines = |file: &str, text: &str| {
        let path = folder.path().join(file);
        fs::write(&path, text).unwrap();
        path
    };
    let whole = pair("a", "secret/data/x", 0) + &pair("b", "secret/data/x", 10);
    let ask = |id| request(id, "secret/data/x", 20);
    let answer = |id| response(id, "secret/data/x", 21);
    // The first device lacks the whole of c, the answer to d, the request of e; it alone has f and g.
    let first =
        whole.clone() + &ask("d") + &answer("e") + &pair("f", "secret/data/x", 30) + &ask("g");
    let second = whole
        + &pair("c", "secret/data/x", 15)
        + &ask("d")
        + &answer("d")
        + &ask("e")
        + &answer("e")
        + &ask("h")
        + &answer("g");
    let (first, second) = (lines("first", &first), lines("second", &second));
    for order in [["first", "second"], ["second", "first"]] {
        let data = Data::new();
        for device in order {
            import(&data, device, if device == "first" { &first } else { &second });
        }
        assert_eq!(data.count("", "request").len(), 8, "{order:?}: a to h");
        assert_eq!(data.total(""), 8);
        let of = |filter: &str| -> BTreeSet<String> {
            let events = data.search(filter);
            events
                .iter()
                .map(|event| {
                    let word = |key: &str| event[key].as_str().unwrap().to_owned();
                    format!("{} {} {}", word("request_id"), word("device"), word("outcome"))
                })
                .collect()
        };
        let expected = |all: &[&str]| all.iter().map(|&event| event.to_owned()).collect();
        let other: BTreeSet<String> = match order[0] {
            "first" => expected(&[
                "c second success",
                "d second success",
                "e second success",
                // Of the two halves of g the answer counts: it tells more.
                "g second success",
                "h second unknown",
            ]),
            _ => expected(&["f first success"]),
        };
        assert_eq!(of("is:only_on"), other, "{order:?}");
        assert_eq!(of("request:g -is:copy"), expected(&["g second success"]));
        assert_eq!(data.total("is:pending"), 1, "h");
        let before = data.search_text("");
        data.run("rebuild", [""; 0]).expect(0);
        assert!(data.search_text("") == before, "{order:?}: a rebuild says something else");
    }
}

#[test]
fn two_devices_that_are_followed_at_once_agree_with_a_rebuild() {
    let folder = tempfile::tempdir().unwrap();
    let logs = ["one", "two"].map(|name| folder.path().join(name));
    let mut text = String::new();
    for log in &logs {
        fs::write(log, "").unwrap();
        text += &format!(
            "[[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"n\"\ndevice = \"{}\"\n",
            log.display(),
            log.file_name().unwrap().to_str().unwrap()
        );
    }
    let config = folder.path().join("keytrail.toml");
    fs::write(&config, text).unwrap();
    let data = Data::new();
    let mut server = Server::start(&data, &["-c", config.to_str().unwrap()]);
    let append = |log: &Path, text: &str| {
        use std::io::Write;
        let mut file = fs::OpenOptions::new().append(true).open(log).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let mut written = 0;
    for round in 0..6 {
        // Requests first, so that a stop falls between them and their answers.
        let ids: Vec<String> = (0..50).map(|n| format!("r{round}-{n}")).collect();
        let all = |line: &dyn Fn(&str) -> String| ids.iter().map(|id| line(id)).collect::<String>();
        let asked = all(&|id| request(id, "secret/data/x", i64::from(round)));
        let answered = all(&|id| response(id, "secret/data/x", i64::from(round)));
        let (leads, follows) = if round % 2 == 0 { (0, 1) } else { (1, 0) };
        append(&logs[leads], &asked);
        append(&logs[follows], &asked);
        append(&logs[leads], &answered);
        written += ids.len() as u64;
        until("each request has its answer, once", DEADLINE, || {
            (data.total("outcome:success") == written).then_some(())
        });
        server.kill();
        append(&logs[follows], &answered);
        server = Server::start(&data, &["-c", config.to_str().unwrap()]);
        until("both devices are read", DEADLINE, || {
            (data.search("is:copy outcome:success").len() as u64 == written).then_some(())
        });
        assert_eq!(data.total(""), written);
    }
    server.terminate();
    assert_eq!(data.total("is:only_on"), 0, "every request is on the first device");
    let before = data.search_text("");
    data.run("rebuild", [""; 0]).expect(0);
    assert!(data.search_text("") == before, "a rebuild says something else");
    data.run("verify", ["--index"]).expect(0);
}
