//! The pages in a real browser: as people use them, with scripts and without, and what the browser says against them.

mod inert;
mod journey;
mod numbers;
mod quality;
mod scripts;

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::util::{Data, Server, fixture_text};

/// A keytrail that serves the recording as if it had ended a minute ago.
struct Site {
    server: Server,
    data: Data,
    folder: tempfile::TempDir,
}

impl Site {
    fn of_recording() -> Site {
        let lines = fixture_text("openbao-2.7.2/audit.jsonl.1.gz")
            + &fixture_text("openbao-2.7.2/audit.jsonl.gz");
        Site::of_lines(&lines_of_now(&lines))
    }

    fn of_lines(lines: &str) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("import.log");
        fs::write(&log, lines).unwrap();
        let data = Data::new();
        data.import([&log]);
        open_review(&data);
        let server = Server::start(&data, &[]);
        Site { server, data, folder }
    }

    fn url(&self, page: &str) -> String {
        format!("http://{}{page}", self.server.address)
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a browser puts files.
    fn downloads(&self) -> PathBuf {
        let downloads = self.folder().join("downloads");
        fs::create_dir_all(&downloads).unwrap();
        downloads
    }

    /// Returns an address of each page.
    fn pages(&self) -> Vec<(&'static str, String)> {
        let denied = self.data.search("decision:denied op:read identity:my-app/my-app");
        let (one, other) = (word(&denied[0], "uid"), word(&denied[1], "uid"));
        let key = encoded(&word(&denied[0]["identity"], "key"));
        let path = encoded(&word(&denied[0], "path"));
        let lease = self.data.search("has:lease action:cred.issue");
        let hash = lease
            .iter()
            .find_map(|event| event["identity"]["token"].as_str())
            .expect("a token's hash");
        [
            ("overview", "/?span=all".to_owned()),
            ("explore", "/explore?q=decision%3Adenied".to_owned()),
            ("everything", "/explore".to_owned()),
            ("typo", "/explore?q=decison%3Adenied".to_owned()),
            ("nothing", "/explore?q=path%3Anowhere".to_owned()),
            ("event", format!("/event/{one}?q=decision%3Adenied")),
            ("compare", format!("/compare?one={one}&other={other}")),
            ("live", "/live?q=decision%3Adenied".to_owned()),
            ("identities", "/identities".to_owned()),
            ("identity", format!("/identity/{key}?span=all")),
            ("paths", "/paths".to_owned()),
            ("path", format!("/path/{path}?span=all")),
            ("leases", "/leases".to_owned()),
            ("tokens", "/tokens".to_owned()),
            ("lookup", "/lookup".to_owned()),
            ("found", format!("/lookup?hmac={hash}")),
            ("integrity", "/integrity".to_owned()),
            ("sources", "/sources".to_owned()),
            ("controls", "/controls?framework=soc2".to_owned()),
            ("control", "/controls/KT-AUTH-01".to_owned()),
            ("reviews", "/reviews".to_owned()),
            ("sinks", "/sinks".to_owned()),
            ("review", "/reviews/2026-q4".to_owned()),
            ("report", "/reports/access".to_owned()),
            ("reports", "/reports".to_owned()),
            ("entitled", "/reports/access-review".to_owned()),
            ("privileged", "/reports/privileged".to_owned()),
            ("changes", "/reports/changes".to_owned()),
            ("joiners", "/reports/joiners-leavers".to_owned()),
            ("credentials", "/reports/credentials".to_owned()),
            ("detections", "/reports/detections".to_owned()),
            ("assurance", "/reports/log-assurance".to_owned()),
            ("custody", "/reports/auditor-access".to_owned()),
            ("zone", "/?span=all&tz=Asia%2FKathmandu".to_owned()),
            ("settings", "/settings".to_owned()),
            ("trail", "/settings/trail".to_owned()),
            ("absent", "/nowhere".to_owned()),
        ]
        .into()
    }
}

/// Leaves a review of access for the server to take up, as a command leaves what it did.
fn open_review(data: &Data) {
    let status = data.run("status", ["--format", "json"]).expect(0).json().remove(0);
    let opened = serde_json::json!({
        "type": "campaign_opened", "by": "user:ann", "address": "127.0.0.1", "campaign": "2026-q4", "scope": "",
        "from": null, "to": null, "at": status["leaves"], "due": "2026-11-30T00:00:00Z", "reviewers": ["user:bob"],
        "items": 1, "items_sha256": "0".repeat(64),
    });
    let deeds = data.path().join("deeds");
    fs::create_dir_all(&deeds).unwrap();
    fs::write(deeds.join("review.json"), opened.to_string()).unwrap();
}

fn word(event: &Value, name: &str) -> String {
    event[name].as_str().unwrap_or_else(|| panic!("{name} of {event}")).to_owned()
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Moves the times of a log so that it ends a minute ago, and is otherwise as it was recorded.
fn lines_of_now(lines: &str) -> String {
    let time = |line: &str| -> Option<Timestamp> {
        let (_, rest) = line.split_once("\"time\":\"")?;
        rest.split_once('"')?.0.parse().ok()
    };
    let last = lines.lines().filter_map(time).max().expect("a time");
    let by = Timestamp::now() - SignedDuration::from_secs(60) - last;
    let moved = lines.lines().map(|line| match time(line) {
        None => format!("{line}\n"),
        Some(at) => {
            let (before, rest) = line.split_once("\"time\":\"").expect("it has a time");
            let (_, after) = rest.split_once('"').expect("it ends");
            format!("{before}\"time\":\"{}\"{after}\n", at + by)
        }
    });
    moved.collect()
}
