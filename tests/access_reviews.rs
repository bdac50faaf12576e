//! Reviews of access: opened, decided and closed by people, as own lines, and what the control makes of them.

use serde_json::Value;

use crate::util::{Data, Person, Server, fixture, hidden, post, visible_text};

fn control(data: &Data) -> Value {
    let run = data.run("controls", ["--control", "KT-ENT-05", "--format", "json"]).expect(0);
    run.json()[0]["findings"][0].clone()
}

/// The rows of the review as its CSV has them, header first.
fn rows(person: &Person<'_>) -> Vec<Vec<String>> {
    let reply = person.get("/reviews/2026-q4/rows.csv");
    assert_eq!(reply.status, 200, "{}", reply.body);
    let mut csv = csv::ReaderBuilder::new().has_headers(false).from_reader(reply.body.as_bytes());
    csv.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// Returns what the page calls the row of an identity and a policy.
fn item(page: &str, who: &str, policy: &str) -> String {
    let label = format!("\" aria-label=\"{who} with {policy}\"");
    let (before, _) = page.split_once(&label).expect("such a row");
    before.rsplit('"').next().unwrap().to_owned()
}

#[test]
fn a_review_of_access_from_its_opening_to_its_end() {
    let data = Data::new();
    let folder = fixture("openbao-2.7.2");
    data.import([folder.join("audit.jsonl.1.gz"), folder.join("audit.jsonl.gz")]).expect(0);
    // Alice is a person of the log, too.
    for (name, role) in [
        ("ann", "reviewer"),
        ("bob", "reviewer"),
        ("alice", "reviewer"),
        ("carol", "viewer"),
        ("dora", "auditor"),
    ] {
        match role {
            "auditor" => Person::add_bound(&data, name, "path:secret/**"),
            _ => Person::add(&data, name, role),
        }
    }
    assert_eq!(control(&data)["verdict"]["verdict"], "no_data");
    let server = Server::start(&data, &[]);
    let [ann, bob, alice, carol, dora] = ["ann", "bob", "alice", "carol", "dora"]
        .map(|name| Person::signed_in(&server.address, name));
    let open = [("name", "2026-q4"), ("due", "2999-12-31"), ("scope", "-kind:root")];

    // Who may not does not; what is not understood is refused with the remedy.
    assert!(!carol.get("/reviews").body.contains("Open a review"));
    assert_eq!(carol.post("/reviews", "name=x").status, 403);
    assert_eq!(dora.get("/reviews").status, 403);
    assert_eq!(post(&server.address, "/reviews", "name=x").status, 401);
    for (changed, says) in [
        (("name", "Fourth quarter"), "lower-case letters"),
        (("due", "soon"), "write 2026-12-31"),
        (("due", "2026-01-01"), "lies ahead"),
        (("scope", "knd:root"), "kind"),
        (("scope", "path:nowhere"), "nothing to review"),
    ] {
        let mut fields = open.to_vec();
        fields.retain(|(name, _)| *name != changed.0);
        fields.push(changed);
        let reply = ann.send("/reviews", "/reviews", &fields);
        let text = visible_text(&reply.body);
        assert!(reply.status == 400 && text.contains(says), "{changed:?}: {} {text}", reply.status);
    }

    let opened = ann.send("/reviews", "/reviews", &open);
    assert_eq!(opened.status, 303, "{}", visible_text(&opened.body));
    assert_eq!(opened.header("location"), Some("/reviews/2026-q4"));
    let twice = ann.send("/reviews", "/reviews", &open);
    assert!(twice.status == 400 && twice.body.contains("already"));
    let before = rows(&ann);
    assert_eq!(&before[0][3..5], ["policy", "privileged"]);
    assert!(before.len() > 5 && before[1..].iter().all(|row| row[10].is_empty()), "{before:?}");

    const PAGE: &str = "/reviews/2026-q4";
    let decide = |who: &Person<'_>, fields: &[(&str, &str)]| {
        let reply = who.send(PAGE, &format!("{PAGE}/decide"), fields);
        (reply.status, visible_text(&reply.body).to_lowercase())
    };
    let page = ann.get(PAGE).body;
    assert!(!carol.get(PAGE).body.contains("name=\"item\""));
    let of = |column: usize, is: &dyn Fn(&str) -> bool| {
        before[1..].iter().find(|row| is(&row[column])).expect("such a row").clone()
    };
    let privileged = of(4, &|text| text == "yes");
    let plain = before[1..]
        .iter()
        .find(|row| row[4].is_empty() && row[0] != "alice")
        .expect("such a row")
        .clone();
    let of_alice = of(0, &|text| text == "alice");
    let [privileged_id, plain_id, alices] =
        [&privileged, &plain, &of_alice].map(|row| item(&page, &row[0], &row[3]));
    let why = ("reason", "the owner of the service says so");

    for (fields, says) in [
        (&[("decision", "keep"), why][..], "at least one row"),
        (&[("item", &*plain_id), ("decision", "drop"), why], "choose what you decide"),
        (&[("item", &*plain_id), ("decision", "revoke")], "say why"),
        (&[("item", "0123456789abcdef"), ("decision", "keep"), why], "not in the review"),
    ] {
        let (status, text) = decide(&ann, fields);
        assert!(status == 400 && text.contains(says), "{fields:?}: {status} {text}");
    }
    let (status, text) = decide(&alice, &[("item", &alices), ("decision", "keep"), why]);
    assert!(status == 400 && text.contains("alice cannot decide"), "{text}");

    // A plain row takes one, a privileged one two people.
    assert_eq!(decide(&ann, &[("item", &plain_id), ("decision", "keep")]).0, 303);
    for _ in 0..2 {
        let fields = [("item", &*privileged_id), ("decision", "revoke"), why];
        assert_eq!(decide(&ann, &fields).0, 303);
    }
    let row = |row: &Vec<String>| {
        let now = rows(&ann);
        now.into_iter().find(|now| now[1] == row[1] && now[3] == row[3]).expect("the row")
    };
    assert_eq!(row(&plain)[10..12], ["keep", "user:ann"]);
    assert_eq!(row(&privileged)[10], "");
    assert!(row(&privileged)[14].contains("awaits a second person"));
    assert_eq!(decide(&bob, &[("item", &privileged_id), ("decision", "revoke"), why]).0, 303);
    let decided = row(&privileged);
    assert_eq!(decided[10..13], ["revoke", "user:ann", "user:bob"]);
    // The recording is older than the decision: nothing is known of what came after.
    assert_eq!(decided[15], "not known yet");
    let text = visible_text(&carol.get(&format!("{PAGE}?show=revoke")).body);
    assert!(text.contains("1 row") && text.contains("user:ann and user:bob"), "{text}");

    let close = ann.send(PAGE, &format!("{PAGE}/close"), &[("reason", "done")]);
    assert!(close.status == 400 && close.body.contains("15 to"));
    let close = ann.send(PAGE, &format!("{PAGE}/close"), &[("reason", "the quarter is over now")]);
    assert_eq!(close.status, 303);
    let left = before.len() - 3;
    let text = visible_text(&carol.get("/reviews").body);
    assert!(text.contains(&format!("closed, {left} undecided")), "{text}");
    assert!(!ann.get(PAGE).body.contains("name=\"item\""));
    let token = hidden(&ann.get("/reviews").body, "token");
    let form = format!("token={token}&item={plain_id}&decision=keep");
    let late = ann.post(&format!("{PAGE}/decide"), &form);
    assert!(late.status == 400 && late.body.contains("is closed"));
    server.terminate();
    let own = String::from_utf8(data.cat("keytrail")).unwrap();
    let count = |kind: &str| own.matches(&format!("\"type\":\"{kind}\"")).count();
    assert_eq!(
        ["campaign_opened", "campaign_decided", "campaign_closed"].map(count),
        [1, 4, 1],
        "{own}"
    );
}
