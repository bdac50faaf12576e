//! Exceptions to controls, and what reviewers say of them: as pages, as own lines, and on the command line.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::util::{
    DEADLINE, Data, Run, Server, fixture, get_with_header, keytrail, post, post_with_header, until,
    visible_text,
};

const PASSWORD: &str = "correct horse battery";
const CONTROL: &str = "KT-AUTH-01";
const PAGE: &str = "/controls/KT-AUTH-01";

pub(crate) fn add_user(data: &Data, name: &str, role: &str) {
    let mut file = tempfile::tempfile().unwrap();
    writeln!(file, "{PASSWORD}").unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let mut command = keytrail();
    command.args(["user", "add", "-d"]).arg(data.path());
    command.args([name, "--role", role, "--password-stdin"]).stdin(Stdio::from(file));
    Run::of(&mut command).expect(0);
}

/// A person with a browser.
pub(crate) struct Person<'a> {
    address: &'a str,
    cookie: String,
}

impl<'a> Person<'a> {
    pub(crate) fn signed_in(address: &'a str, name: &str) -> Person<'a> {
        let form = format!("name={name}&password={}", PASSWORD.replace(' ', "+"));
        let reply = post(address, "/sign-in", &form);
        assert_eq!(reply.status, 303, "{}", reply.body);
        let cookie = reply.header("set-cookie").unwrap().split(';').next().unwrap();
        Person { address, cookie: format!("Cookie: {cookie}") }
    }

    fn page(&self) -> String {
        let reply = get_with_header(self.address, PAGE, &self.cookie);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    /// Sends the form of the page's first exception, with some of its fields changed.
    pub(crate) fn review(&self, changed: &[(&str, &str)]) -> (u16, String) {
        let page = self.page();
        let mut fields: Vec<(&str, String)> = ["token", "exception", "from", "to", "events"]
            .map(|name| (name, hidden(&page, name)))
            .to_vec();
        fields
            .extend([("reason", "a drill of the red team".to_owned()), ("ticket", String::new())]);
        fields.retain(|(name, _)| changed.iter().all(|(of, _)| of != name));
        let changed = changed.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let form: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields.into_iter().chain(changed))
            .finish();
        let reply = post_with_header(self.address, &format!("{PAGE}/review"), &form, &self.cookie);
        (reply.status, visible_text(&reply.body))
    }
}

/// Returns the value of the page's first hidden field of this name.
fn hidden(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
    rest.split('"').next().unwrap().to_owned()
}

fn finding(data: &Data) -> Value {
    let run = data.run("controls", ["--control", CONTROL, "--format", "json"]).expect(0);
    run.json()[0]["findings"][0].clone()
}

#[test]
fn two_reviewers_decide_about_a_grave_exception() {
    let data = Data::new();
    let folder = fixture("openbao-2.7.2");
    data.import([folder.join("audit.jsonl.1.gz"), folder.join("audit.jsonl.gz")]).expect(0);
    for (name, role) in [("ann", "reviewer"), ("bob", "reviewer"), ("carol", "viewer")] {
        add_user(&data, name, role);
    }
    assert_eq!(finding(&data)["verdict"]["open"], 2);
    let server = Server::start(&data, &[]);
    let address = &*server.address;
    let [ann, bob, carol] = ["ann", "bob", "carol"].map(|name| Person::signed_in(address, name));

    // Whoever may not is shown no form, and refused if he sends one.
    assert!(!carol.page().contains("<form action=\"/controls/"));
    let form = "state=expected&reason=a+drill+of+the+red+team";
    let refused = post_with_header(address, &format!("{PAGE}/review"), form, &carol.cookie);
    assert_eq!(refused.status, 403);
    let foreign = post_with_header(address, &format!("{PAGE}/review"), form, &ann.cookie);
    assert_eq!(foreign.status, 403, "without the page's token");

    // What says nothing, or is of another exception than the one shown, is refused with the remedy.
    let later = (hidden(&ann.page(), "to").parse::<i64>().unwrap() + 1).to_string();
    for (changed, says) in [
        (&[("state", "expected"), ("reason", "a drill")][..], "at least 15 characters"),
        (&[("state", "fine")], "choose what you say"),
        (&[("state", "accepted_risk"), ("expires", "2999-12-31")], "is never accepted risk"),
        (&[("state", "accepted_risk"), ("expires", "soon")], "write 2026-12-31"),
        (&[("state", "reopened")], "nothing was decided"),
        (&[("state", "expected"), ("exception", "0")], "does not raise this exception"),
        (&[("state", "expected"), ("to", &*later)], "has changed since"),
    ] {
        let (status, text) = ann.review(changed);
        assert!(
            status == 400 && text.to_lowercase().contains(&says.to_lowercase()),
            "{changed:?}: {status} {text}"
        );
    }

    // One is not enough, not even twice.
    for _ in 0..2 {
        assert_eq!(ann.review(&[("state", "expected"), ("ticket", "SEC-7")]).0, 303);
    }
    let page = visible_text(&ann.page());
    assert!(
        page.contains("user:ann says expected; a second reviewer has to say the same"),
        "{page}"
    );
    assert_eq!(finding(&data)["verdict"]["open"], 2);
    assert_eq!(bob.review(&[("state", "expected")]).0, 303);
    let page = visible_text(&carol.page());
    assert!(page.contains("expected, says user:ann, and user:bob"), "{page}");
    assert!(page.contains("exceptions (1 open, 1 dispositioned)"), "{page}");
    let found = finding(&data);
    assert_eq!(
        (&found["verdict"]["open"], &found["verdict"]["dispositioned"]),
        (&1.into(), &1.into())
    );
    // The finding itself stays as it was.
    assert_eq!(found["exceptions"].as_array().map(Vec::len), Some(2));

    // Opened again, it is open.
    assert_eq!(bob.review(&[("state", "reopened")]).0, 303);
    assert_eq!(finding(&data)["verdict"]["open"], 2);
    server.terminate();
    let own = String::from_utf8(data.cat("keytrail")).unwrap();
    let reviews = own.lines().filter(|line| line.contains("\"exception_reviewed\""));
    assert_eq!(reviews.count(), 4, "{own}");
    assert!(own.contains("SEC-7") && !own.contains(PASSWORD));
}

#[test]
fn nobody_reviews_unnamed_and_registers_are_recorded_before_they_judge() {
    let data = Data::new();
    let folder = fixture("openbao-2.7.2");
    data.import([folder.join("audit.jsonl.1.gz"), folder.join("audit.jsonl.gz")]).expect(0);
    let context = data.path().join("context");
    fs::create_dir(&context).unwrap();
    let row = "[[leaver]]\nname = \"alice\"\nleft = \"2026-11-01\"\n";
    fs::write(context.join("leavers.toml"), row).unwrap();
    let server = Server::start(&data, &[]);
    let open =
        post(&server.address, &format!("{PAGE}/review"), "state=expected&from=0&to=0&events=0");
    assert!(open.status == 400 && open.body.contains("obody is signed in"), "{}", open.body);
    let leaver = get_with_header(&server.address, "/controls/KT-ENT-07", "Accept: text/html");
    let text = visible_text(&leaver.body);
    assert!(text.contains("alice") && text.contains("open"), "{text}");
    let recorded = || String::from_utf8(data.cat("keytrail")).unwrap();
    until("the registers are recorded", DEADLINE, || {
        recorded().contains("\"registers_changed\"").then_some(())
    });
    // A damaged register is named by file and line, and judges nobody.
    fs::write(context.join("leavers.toml"), format!("{row}whom = \"bob\"\n")).unwrap();
    let damaged = get_with_header(&server.address, "/controls", "Accept: text/html");
    assert_eq!(damaged.status, 400);
    assert!(damaged.body.contains("leavers.toml line 1"), "{}", visible_text(&damaged.body));
}
