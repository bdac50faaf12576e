use std::cmp::Reverse;
use std::collections::BTreeMap;

use ingest::event::{AuditEvent, Flag, Issued, Reason, Uid};
use ingest::source::LeafIndex;
use proptest::prelude::*;

use super::*;
use crate::filter::{Filter, NoSets};
use crate::question::LeftOut;
use crate::testing::{any_events, any_question, fitting, on, view_of};

fn uids(page: &Page<EventRow>) -> Vec<Uid> {
    page.items.iter().map(|row| row.uid).collect()
}

#[test]
fn the_newest_comes_first_and_what_has_no_time_last() {
    let mut events =
        vec![on(1, "a", 1.0), on(2, "a", 3.0), on(3, "a", 3.0), on(4, "a", 2.0), on(5, "a", 0.0)];
    // Same time: the later leaf, then the later of that leaf's events.
    events[1].issued = Issued(LeafIndex(9), 1);
    events[2].issued = Issued(LeafIndex(9), 0);
    events[4].time = None;
    let view = view_of(&events, 2);
    let page = search_in(&view, &Question::everything(), 0, None).expect("a page");
    let order: Vec<u8> = page.items.iter().map(|row| row.uid.0[0]).collect();
    assert_eq!(order, [2, 3, 4, 1, 5]);
    assert_eq!((page.matched, page.leaf, page.next), (5, 1003, None));
    let row = &page.items[0];
    assert_eq!(row.time.as_deref(), Some("2026-11-24T11:00:03Z"));
    assert_eq!(row.identity.as_deref(), Some("my-app/my-app"));
    assert_eq!(row.policy, ["my-app"]);
    assert_eq!((row.request_leaf, row.response_leaf), (Some(LeafIndex(1)), Some(LeafIndex(2))));
    assert_eq!(page.items[4].time, None);
}

#[test]
fn what_is_left_out_is_counted_under_its_word() {
    let mut events: Vec<AuditEvent> =
        (1..=6).map(|number| on(number, "a", number.into())).collect();
    events[0].reason = Reason::Forwarded;
    events[1].reason = Reason::System;
    events[2].flags.push(Flag::Late);
    // Lateness goes before the reason.
    events[3].flags.push(Flag::Late);
    events[3].reason = Reason::Forwarded;
    // A copy is nothing else.
    events[5].flags.extend([Flag::Late, Flag::Copy]);
    let view = view_of(&events, 9);
    for (filter, all, matched, left_out) in [
        ("", false, 1, "copy 1 forwarded 1 late 2 system 1"),
        ("", true, 6, ""),
        ("is:late", false, 2, "copy 1"),
        ("is:late,copy", false, 3, ""),
        ("reason:forwarded", false, 1, "late 1"),
        ("-reason:forwarded", false, 1, "copy 1 late 1 system 1"),
        ("node:b", false, 0, ""),
    ] {
        let filter = Filter::parse(filter, jiff::Timestamp::UNIX_EPOCH).expect("a filter");
        let question = Question { filter, all, ..Question::everything() };
        let page = search_in(&view, &question, 1, None).expect("a page");
        let words: Vec<String> =
            page.left_out.0.iter().map(|(word, count)| format!("{word} {count}")).collect();
        assert_eq!(
            (page.matched, words.join(" ").as_str()),
            (matched, left_out),
            "{}",
            question.filter
        );
    }
}

#[test]
fn a_token_of_another_question_is_refused() {
    let view = view_of(&[on(1, "a", 1.0), on(2, "a", 2.0)], 9);
    let question = Question::everything();
    let page = search_in(&view, &question, 1, None).expect("a page");
    let other = Question { from: Some(0), ..question };
    let refused = search_in(&view, &other, 1, page.next.as_ref());
    assert!(matches!(refused, Err(QueryError::OtherQuestion)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pages_joined_are_the_answer(
        events in any_events(30),
        question in any_question(),
        segment in 4..40_usize,
        limit in 1..7_usize,
    ) {
        let view = view_of(&events, segment);
        let (fitting, mut answer) = fitting(&question, &events, &NoSets);
        answer.sort_by_key(|event| {
            Reverse((event.time.as_ref().map(|time| time.unix_ns), event.issued))
        });
        let expected: Vec<Uid> = answer.iter().map(|event| event.uid).collect();
        let mut left_out = BTreeMap::new();
        for event in fitting.iter().filter(|event| !expected.contains(&event.uid)) {
            *left_out.entry(event.left_out().expect("left out")).or_default() += 1;
        }

        let whole = search_in(&view, &question, 0, None).expect("a page");
        prop_assert_eq!(uids(&whole), expected.clone());
        prop_assert_eq!(whole.matched, expected.len() as u64);
        prop_assert_eq!(&whole.left_out, &LeftOut(left_out));
        prop_assert_eq!(whole.next, None);
        let times = answer.iter().filter_map(|event| event.time.as_ref());
        let first = times.map(|time| time.unix_ns).min();
        prop_assert_eq!(earliest(&view, &question).expect("a time"), first);

        let (mut joined, mut after) = (Vec::new(), None);
        loop {
            let page = search_in(&view, &question, limit, after.as_ref()).expect("a page");
            prop_assert!(page.items.len() <= limit);
            prop_assert_eq!(page.matched, whole.matched);
            joined.extend(uids(&page));
            // As a client would: through its text.
            after = page.next.map(|token| token.to_string().parse().expect("a token"));
            if after.is_none() {
                break;
            }
        }
        prop_assert_eq!(joined, expected);
    }
}

#[test]
fn many_events_of_a_part_in_any_order_of_time_are_found() {
    // More than are held back at a time, in parts of several blocks.
    let count = 2 * HELD + 700;
    let mut random = 7_u64;
    let events: Vec<AuditEvent> = (0..count)
        .map(|number| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut event = on(1, if number % 5 == 0 { "b" } else { "a" }, 0.0);
            event.uid.0[..8].copy_from_slice(&(number as u64).to_be_bytes());
            event.issued = Issued(LeafIndex(number as u64 % 900), number as u32);
            // Many have the same time, mostly later ones have a later one, and some have none.
            let seconds = number as u64 / 400 + (random >> 33) % 4;
            event.time = (random >> 40).checked_rem(11).filter(|&odd| odd > 0).map(|_| {
                let ns = crate::filter::tests::events::ELEVEN_NS + seconds as i64 * 1_000_000_000;
                crate::filter::tests::events::time(ns)
            });
            if number % 97 == 0 {
                event.flags.push(Flag::Late);
            }
            event
        })
        .collect();
    let view = view_of(&events, count - 300);
    let after =
        |seconds: i64| Some(crate::filter::tests::events::ELEVEN_NS + seconds * 1_000_000_000);
    let stretches = [(None, None), (after(2), after(6)), (None, after(4)), (after(9), None)];
    let filters = ["", "node:a", "node:b", "node:a,b"];
    for (filter, (from, to)) in filters.iter().flat_map(|of| stretches.map(|when| (of, when))) {
        let filter = Filter::parse(filter, jiff::Timestamp::UNIX_EPOCH).expect("a filter");
        let question = Question { filter, from, to, ..Question::everything() };
        let (_, mut answer) = fitting(&question, &events, &NoSets);
        answer.sort_by_key(|event| {
            Reverse((event.time.as_ref().map(|time| time.unix_ns), event.issued))
        });
        let expected: Vec<Uid> = answer.iter().map(|event| event.uid).collect();
        let mut after: Option<PageToken> = None;
        for expected in expected.chunks(1_000) {
            let page = search_in(&view, &question, 1_000, after.as_ref()).expect("a page");
            assert_eq!(page.matched, answer.len() as u64);
            assert_eq!(uids(&page), expected);
            after = page.next;
        }
        assert_eq!(after, None);
    }
}

#[test]
fn an_answer_at_a_leaf_stays_what_it_was() {
    let mut events: Vec<AuditEvent> = (1..=3).map(|number| on(number, "a", 1.0)).collect();
    events[1].reason = Reason::Pending;
    let at = |leaf| Question { at: Some(leaf), ..Question::everything() };
    let matched = |view: &View, leaf| search_in(view, &at(leaf), 0, None).expect("a page").matched;
    let before = view_of(&events, 2);
    assert_eq!([1, 2, 3, 4].map(|leaf| matched(&before, leaf)), [0, 1, 1, 2]);
    // The response that was waited for comes, and issues the event.
    events[1] = AuditEvent { issued: Issued(LeafIndex(4), 0), ..on(2, "a", 1.0) };
    let after = view_of(&events, 2);
    assert_eq!([1, 2, 3, 4, 5].map(|leaf| matched(&after, leaf)), [0, 1, 1, 2, 3]);
    let early = search_in(&after, &at(after.leaf() + 1), 0, None);
    assert!(matches!(early, Err(QueryError::NotYet { .. })));
}
