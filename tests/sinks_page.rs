//! The page of sinks: what it shows, who may see it, and events that are sent again from it; files for receivers.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::util::{
    DEADLINE, Data, Person, Post, Run, Server, Siem, SiemReply, keytrail, pair, until, visible_text,
};

fn has(post: &Post, path: &str) -> bool {
    String::from_utf8_lossy(&post.body).contains(path)
}

#[test]
fn refused_events_are_shown_in_the_receivers_words_and_sent_again_by_an_admin() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (Data::new(), folder.path().join("audit.log"));
    let lines: String = (0..9)
        .map(|n| {
            pair(&format!("r{n}"), if n == 4 { "secret/data/bad" } else { "secret/data/x" }, n * 10)
        })
        .collect();
    fs::write(&log, lines).unwrap();
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let siem = Siem::start(move |post| match has(post, "secret/data/bad") {
        true if !is_mended.load(Ordering::SeqCst) => {
            SiemReply::Say(400, String::new(), "no such <b>field</b>".to_owned())
        }
        _ => SiemReply::status(200),
    });
    let config = folder.path().join("keytrail.toml");
    let text = format!(
        "[[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"n\"\n\
         [[sink]]\nname = \"soc\"\ntype = \"webhook\"\nurl = \"{}/in\"\nallow_private = true\nfilter = \"-action:token.lookup\"\n",
        log.display(),
        siem.url
    );
    fs::write(&config, text).unwrap();
    for (name, role) in [("root", "admin"), ("ann", "analyst")] {
        Person::add(&data, name, role);
    }
    Person::add_bound(&data, "aud", "mount:secret/");
    let server = Server::start(&data, &["-c", config.to_str().unwrap()]);
    let [root, ann, aud] =
        ["root", "ann", "aud"].map(|name| Person::signed_in(&server.address, name));
    let page = until("all are taken or refused", DEADLINE, || {
        let page = root.get("/sinks");
        assert_eq!(page.status, 200, "{}", page.body);
        let text = visible_text(&page.body);
        (text.contains("8 events") && text.contains("nothing waits")).then_some(page.body)
    })
    .0;
    let text = visible_text(&page);
    for shown in
        ["webhook, event", "1 refused event", "accepted", "rejected", "-action:token.lookup"]
    {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(page.contains("no such &#60;b&#62;field") && !page.contains("no such <b>"), "{page}");
    let uid = page.split("href=\"/event/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(root.get(&format!("/event/{uid}")).body.contains("secret/data/bad"));

    // Whoever keeps no settings sees it and sends nothing; who is bound to a part of the log does not see it.
    let seen = ann.get("/sinks");
    assert!(seen.status == 200 && !seen.body.contains("Send refused events"), "{}", seen.body);
    let form = [("what", "dead"), ("leaf", "")];
    assert_eq!(ann.send("/explore", "/sinks/soc/replay", &form).status, 403);
    assert_eq!(
        (aud.get("/sinks").status, root.post("/sinks/soc/replay", "what=dead").status),
        (403, 403)
    );
    assert_eq!(root.send("/sinks", "/sinks/other/replay", &form).status, 400);
    assert_eq!(
        root.send("/sinks", "/sinks/soc/replay", &[("what", "leaf"), ("leaf", "x")]).status,
        400
    );

    mended.store(true, Ordering::SeqCst);
    assert_eq!(root.send("/sinks", "/sinks/soc/replay", &form).status, 303);
    until("it is taken", DEADLINE, || {
        let text = visible_text(&root.get("/sinks").body);
        (text.contains("9 events") && !text.contains("1 refused event ")).then_some(())
    });
    let own = String::from_utf8(data.cat("keytrail")).unwrap();
    let asked: Vec<Value> = own
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["type"] == "sink_asked")
        .collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(
        (&asked[0]["by"], &asked[0]["sink"], &asked[0]["again"]),
        (&"user:root".into(), &"soc".into(), &1.into())
    );
}

#[test]
fn what_a_receiver_should_know_is_written_with_where_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    for receiver in ["elastic", "opensearch", "splunk"] {
        let to = folder.path().join(receiver);
        let run =
            Run::of(keytrail().args(["forward", "assets", receiver, "-o"]).arg(&to)).expect(0);
        let files: Vec<_> = fs::read_dir(&to).unwrap().collect();
        assert_eq!(run.text().lines().count(), files.len());
        for line in run.text().lines() {
            let (file, goes_to) = line.split_once("  ").unwrap();
            let text = fs::read_to_string(file).unwrap();
            assert!(!goes_to.is_empty() && !text.is_empty());
            let is_json = serde_json::from_str::<Value>(&text).is_ok();
            assert_eq!(is_json, file.ends_with(".json"), "{file}");
        }
    }
    let refused = Run::of(keytrail().args(["forward", "assets", "qradar", "-o", "x"]));
    assert!(refused.code == 2 && refused.stderr.contains("opensearch"), "{}", refused.stderr);
}
