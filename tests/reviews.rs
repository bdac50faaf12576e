//! Exceptions to controls, and what reviewers say of them: as pages, as own lines, and on the command line.

use std::fs;

use serde_json::Value;

use crate::util::{
    DEADLINE, Data, Person, Server, fixture, get_with_header, hidden, post, until, visible_text,
};

const CONTROL: &str = "KT-AUTH-01";
const PAGE: &str = "/controls/KT-AUTH-01";

/// Sends the form of the page's first exception, with some of its fields changed.
pub(crate) fn review(person: &Person<'_>, changed: &[(&str, &str)]) -> (u16, String) {
    let page = page(person);
    let mut fields: Vec<(&str, String)> = ["token", "exception", "from", "to", "events"]
        .map(|name| (name, hidden(&page, name)))
        .to_vec();
    fields.extend([("reason", "a drill of the red team".to_owned()), ("ticket", String::new())]);
    fields.retain(|(name, _)| changed.iter().all(|(of, _)| of != name));
    let changed = changed.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let form: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields.into_iter().chain(changed))
        .finish();
    let reply = person.post(&format!("{PAGE}/review"), &form);
    (reply.status, visible_text(&reply.body))
}

fn page(person: &Person<'_>) -> String {
    let reply = person.get(PAGE);
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body
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
        Person::add(&data, name, role);
    }
    assert_eq!(finding(&data)["verdict"]["open"], 2);
    let server = Server::start(&data, &[]);
    let address = &*server.address;
    let [ann, bob, carol] = ["ann", "bob", "carol"].map(|name| Person::signed_in(address, name));

    // Whoever may not is shown no form, and refused if he sends one.
    assert!(!page(&carol).contains("<form action=\"/controls/"));
    let form = "state=expected&reason=a+drill+of+the+red+team";
    let refused = carol.post(&format!("{PAGE}/review"), form);
    assert_eq!(refused.status, 403);
    let foreign = ann.post(&format!("{PAGE}/review"), form);
    assert_eq!(foreign.status, 403, "without the page's token");

    // What says nothing, or is of another exception than the one shown, is refused with the remedy.
    let later = (hidden(&page(&ann), "to").parse::<i64>().unwrap() + 1).to_string();
    for (changed, says) in [
        (&[("state", "expected"), ("reason", "a drill")][..], "at least 15 characters"),
        (&[("state", "fine")], "choose what you say"),
        (&[("state", "accepted_risk"), ("expires", "2999-12-31")], "is never accepted risk"),
        (&[("state", "accepted_risk"), ("expires", "soon")], "write 2026-12-31"),
        (&[("state", "reopened")], "nothing was decided"),
        (&[("state", "expected"), ("exception", "0")], "does not raise this exception"),
        (&[("state", "expected"), ("to", &*later)], "has changed since"),
    ] {
        let (status, text) = review(&ann, changed);
        assert!(
            status == 400 && text.to_lowercase().contains(&says.to_lowercase()),
            "{changed:?}: {status} {text}"
        );
    }

    // One is not enough, not even twice.
    for _ in 0..2 {
        assert_eq!(review(&ann, &[("state", "expected"), ("ticket", "SEC-7")]).0, 303);
    }
    let shown = visible_text(&page(&ann));
    assert!(
        shown.contains("user:ann says expected; a second reviewer has to say the same"),
        "{shown}"
    );
    assert_eq!(finding(&data)["verdict"]["open"], 2);
    assert_eq!(review(&bob, &[("state", "expected")]).0, 303);
    let shown = visible_text(&page(&carol));
    assert!(shown.contains("expected, says user:ann, and user:bob"), "{shown}");
    assert!(shown.contains("exceptions (1 open, 1 dispositioned)"), "{shown}");
    let found = finding(&data);
    assert_eq!(
        (&found["verdict"]["open"], &found["verdict"]["dispositioned"]),
        (&1.into(), &1.into())
    );
    // The finding itself stays as it was.
    assert_eq!(found["exceptions"].as_array().map(Vec::len), Some(2));

    // Opened again, it is open.
    assert_eq!(review(&bob, &[("state", "reopened")]).0, 303);
    assert_eq!(finding(&data)["verdict"]["open"], 2);
    server.terminate();
    let own = String::from_utf8(data.cat("keytrail")).unwrap();
    let reviews = own.lines().filter(|line| line.contains("\"exception_reviewed\""));
    assert_eq!(reviews.count(), 4, "{own}");
    assert!(own.contains("SEC-7") && !own.contains(Person::PASSWORD));
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
