use ingest::event::{AuditEvent, Decision};
use ingest::index::{CommitPayload, EventIndex, IndexWriter};
use ingest::pairing::State;
use ingest::source::SourceId;

use super::*;
use crate::filter::Filter;
use crate::question::Question;
use crate::search::search_in;
use crate::testing::{Taught, on, view_of, view_taught};

fn pair(hash: &str, text: &str) -> (String, String) {
    (hash.to_owned(), text.to_owned())
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn what_one_line_teaches_is_known_of_all() {
    let teach = |number, learned: Vec<(String, String)>| {
        (on(number, "a", number.into()), Taught { learned, ..Taught::default() })
    };
    let view = view_taught(
        &[
            teach(1, vec![pair("hmac-sha256:1", "my-app"), pair("hmac-sha256:2", "other")]),
            teach(2, vec![pair("hmac-sha256:1", "my-app")]),
            // Another salt, and a text that tries to pass for the hash of a shorter one.
            teach(
                3,
                vec![
                    pair("hmac-sha256:9", "my-app"),
                    pair("hmac-sha256:8", "my-app\u{1f}hmac-sha256:7"),
                ],
            ),
        ],
        1,
    );
    assert_eq!(view.texts_of("hmac-sha256:1").expect("texts"), set(&["my-app"]));
    assert_eq!(view.texts_of("hmac-sha256:").expect("texts"), set(&[]));
    assert_eq!(view.hashes_of("my-app").expect("hashes"), set(&["hmac-sha256:1", "hmac-sha256:9"]));
    assert_eq!(view.hashes_of("my-ap").expect("hashes"), set(&[]));
}

#[test]
fn what_is_remembered_of_a_segment_is_not_told_of_events_that_went() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = IndexWriter::open(folder.path(), "V", "keytrail/prod").expect("a writer");
    let events = [on(1, "a", 1.0), on(2, "a", 2.0)];
    for event in &events {
        let learned = [pair("hmac-sha256:1", "my-app")];
        writer.add(event, State::Answered, &learned, false).expect("added");
    }
    // It teaches nothing, and keeps the segment alive.
    writer.add(&on(3, "a", 3.0), State::Answered, &[], false).expect("added");
    let mut texts = |gone: Option<&AuditEvent>| {
        if let Some(event) = gone {
            writer.remove(event.uid).expect("removed");
        }
        writer.commit(CommitPayload::nothing("V", "keytrail/prod")).expect("a commit");
        let index = EventIndex::open(folder.path()).expect("an index");
        View::new(index.snapshot()).texts_of("hmac-sha256:1").expect("texts")
    };
    assert_eq!(texts(None), set(&["my-app"]));
    assert_eq!(texts(Some(&events[0])), set(&["my-app"]));
    assert_eq!(texts(Some(&events[1])), set(&[]));
}

#[test]
fn a_role_is_found_by_its_hash() {
    let named = |number, role: Option<&str>, hash: Option<&str>| {
        let mut event = on(number, "a", number.into());
        event.identity.role = role.map(str::to_owned);
        event.hmacs =
            hash.map(|hash| ("request.role".to_owned(), hash.to_owned())).into_iter().collect();
        event
    };
    let learned = vec![pair("hmac-sha256:1", "my-app")];
    let view = view_taught(
        &[
            // The login that failed shows the hash alone; the one that succeeded, both.
            (named(1, None, Some("hmac-sha256:1")), Taught::default()),
            (
                named(2, Some("my-app"), Some("hmac-sha256:1")),
                Taught { learned, ..Taught::default() },
            ),
            (named(3, Some("other"), Some("hmac-sha256:3")), Taught::default()),
        ],
        2,
    );
    for filter in ["role:my-app", "role:my-*"] {
        let filter = Filter::parse(filter, jiff::Timestamp::UNIX_EPOCH).expect("a filter");
        let question = Question { filter, ..Question::everything() };
        let page = search_in(&view, &question, 0, None).expect("a page");
        let found: Vec<u8> = page.items.iter().map(|row| row.uid.0[0]).collect();
        assert_eq!(found, [2, 1], "{}", question.filter);
    }
}

#[test]
fn a_refused_token_shows_who_held_it() {
    let mut refused = on(2, "a", 2.0);
    refused.decision = Decision::Denied;
    refused.reason = Reason::Token;
    refused.identity.token = Some("hmac-sha256:t".to_owned());
    let mut allowed = refused.clone();
    allowed.uid = Uid([3; 16]);
    allowed.reason = Reason::Policy;
    refused.identity.name = None;
    allowed.identity.name = None;
    let mut holder = on(1, "a", 1.0);
    holder.identity.token = refused.identity.token.clone();
    holder.identity.name = Some("my-app/my-app".to_owned());
    let mut other = on(4, "a", 1.0);
    other.identity.token = Some("hmac-sha256:tt".to_owned());
    other.identity.name = Some("a/b".to_owned());
    let view = view_of(&[holder, refused.clone(), allowed.clone(), other], 1);
    view.fill_in(&mut refused).expect("filled in");
    assert_eq!(refused.identity.former_name.as_deref(), Some("my-app/my-app"));
    view.fill_in(&mut allowed).expect("filled in");
    assert_eq!(allowed.identity.former_name, None);
    let page = search_in(&view, &Question::everything(), 0, None).expect("a page");
    let former = |number: u8| {
        let row = page.items.iter().find(|row| row.uid == Uid([number; 16])).expect("a row");
        row.former_name.as_deref()
    };
    assert_eq!((former(1), former(2), former(3)), (None, Some("my-app/my-app"), None));
}

#[test]
fn a_salt_lasts_from_one_probe_to_the_next() {
    let probe = |number, seconds, device: &str| {
        let mut event = on(number, "a", seconds);
        event.path = Some("sys/audit/test".to_owned());
        event.reason = Reason::System;
        event.device = device.to_owned();
        event.source = SourceId::new("prod", "a", device).expect("a source");
        event
    };
    // A client that asks for the path is no probe.
    let asked = AuditEvent { reason: Reason::Policy, ..probe(4, 15.0, "file") };
    let view = view_of(
        &[probe(1, 20.0, "file"), probe(2, 10.0, "file"), probe(3, 0.0, "socket"), asked],
        2,
    );
    for (node, seconds, salt) in [
        ("a", 9.9, "prod/file/0"),
        ("a", 10.0, "prod/file/1"),
        ("a", 19.9, "prod/file/1"),
        // One salt serves the cluster's nodes.
        ("b", 20.1, "prod/file/2"),
    ] {
        let mut event = on(9, node, seconds);
        view.fill_in(&mut event).expect("filled in");
        assert_eq!(event.salt.as_deref(), Some(salt), "{seconds}");
    }
    let timeless = AuditEvent { time: None, ..on(9, "a", 0.0) };
    assert_eq!(view.salt(&timeless).expect("a salt"), None);
}

#[test]
fn totals_tell_events_from_what_is_none() {
    let mut pending = on(1, "a", 1.0);
    pending.reason = Reason::Pending;
    let view = view_of(&[pending, on(2, "a", 2.0)], 9);
    let totals = view.totals().expect("totals");
    assert_eq!(
        (totals.events, totals.pending, totals.undecodable, totals.leaves),
        (2, 1, 0, 1_001)
    );
    assert_eq!(view.undecodable(5).expect("none"), []);
}
