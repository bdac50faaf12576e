//! Recordings of a server that was killed and of one whose volume was full: every whole entry is found, whether the
//! file is imported or followed while it is torn and goes on.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;

use serde_json::Value;

use crate::same_events::{assert_same, events};
use crate::util::{DEADLINE, Data, Run, Server, fixture_text, keytrail, until};

/// Files of `fixtures/openbao-2.7.2`; after an arrow the same file as it stood later.
const RECORDINGS: [&str; 7] = [
    "crash/audit-after-kill9.jsonl.gz",
    "crash/torn-by-kill9.audit.jsonl",
    "crash/torn-by-kill9.audit.jsonl -> crash/torn-by-kill9-then-restart.audit.jsonl",
    "crash/torn-by-kill9.audit-raw.jsonl.gz -> crash/torn-by-kill9-then-restart.audit-raw.jsonl.gz",
    "crash/truncated-mid-line-then-restart.jsonl",
    "diskfull/audit-when-full.jsonl.gz",
    "diskfull/audit-when-full.jsonl.gz -> diskfull/audit-after-room.jsonl.gz",
];

/// What a log holds, found without keytrail.
#[derive(Debug, Default, PartialEq, Eq)]
struct Truth {
    /// Requests of which a whole entry stands there.
    requests: BTreeSet<String>,
    /// Pieces that are no entry.
    torn: u64,
}

impl Truth {
    fn of(text: &str) -> Truth {
        let mut truth = Truth::default();
        for line in text.lines() {
            // A server glues its next entry to a torn one: the last start whose rest is an entry.
            let starts = line.rmatch_indices("{\"time\":\"").map(|(start, _)| start);
            let whole = starts
                .filter_map(|start| Some((start, serde_json::from_str(&line[start..]).ok()?)))
                .find(|(_, entry): &(_, Value)| entry["request"]["id"].is_string());
            match &whole {
                Some((_, entry)) => {
                    truth.requests.insert(entry["request"]["id"].as_str().unwrap().to_owned());
                }
                None => truth.torn += 1,
            }
            truth.torn += u64::from(whole.is_some_and(|(start, _)| start > 0));
        }
        truth
    }

    fn found(data: &Data) -> Truth {
        let id = |event: &Value| event["request_id"].as_str().unwrap().to_owned();
        let requests = data.search("").iter().map(id).collect();
        Truth { requests, torn: data.status_of("undecodable") }
    }
}

#[test]
fn every_whole_entry_of_a_crash_is_found() {
    for recording in RECORDINGS {
        let (before, after) = match recording.split_once(" -> ") {
            Some((before, after)) => (fixture_text(&path(before)), fixture_text(&path(after))),
            None => (String::new(), fixture_text(&path(recording))),
        };
        let rest = after.strip_prefix(&before).expect("the file only grew");
        let truth = Truth::of(&after);
        assert!(truth.torn == u64::from(!recording.contains("after-kill9")), "{truth:?}");

        let imported = import(&after);
        assert!(imported.cat("c/n/file") == after.as_bytes(), "{recording}");
        assert_eq!(Truth::found(&imported), truth, "{recording}");

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.log");
        fs::write(&file, &before).unwrap();
        let followed = Data::new();
        let path = file.to_str().unwrap();
        let follow = ["--audit-log", path, "--cluster", "c", "--node", "n", "--allow-raw"];
        let server = Server::start(&followed, &follow);
        let whole = |text: &str| text.rfind('\n').map_or(0, |end| end + 1);
        let has = |bytes: usize| {
            // A source of which nothing is recorded is not known.
            let recorded = followed.run("cat", ["-s", "c/n/file"]).stdout;
            (recorded.len() >= bytes).then_some(())
        };
        until("the whole lines before are recorded", DEADLINE, || has(whole(&before)));
        OpenOptions::new().append(true).open(&file).unwrap().write_all(rest.as_bytes()).unwrap();
        until("those after it too", DEADLINE, || has(whole(&after)));
        let requests = truth.requests.len() as u64;
        until("they are found", DEADLINE, || {
            (followed.status_of("events") == requests).then_some(())
        });
        server.terminate();
        // What has no line end yet waits for more in a file that is followed.
        let whole = &after[..whole(&after)];
        assert!(followed.cat("c/n/file") == whole.as_bytes(), "{recording}");
        assert_eq!(Truth::found(&followed), Truth::of(whole), "{recording}");
        assert_same(&events(&followed), &events(&import(whole)));
    }
}

/// Imports a log; the raw device's, which has tokens in clear, too.
fn import(text: &str) -> Data {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    fs::write(&file, text).unwrap();
    let data = Data::new();
    let mut import = keytrail();
    import.args(["import", "--cluster", "c", "--node", "n", "--allow-raw", "-d"]);
    Run::of(import.arg(data.path()).arg(&file)).expect(0);
    data
}

fn path(name: &str) -> String {
    format!("openbao-2.7.2/{name}")
}
