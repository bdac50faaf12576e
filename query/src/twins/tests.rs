use ingest::event::AuditEvent;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::filter::Filter;
use crate::question::Question;
use crate::search::search_in;
use crate::testing::{on, view_of};

/// Reads `number node seconds [f] [token=…] [path=…] [ip=…] [port=…]`, a line an event; `f` is forwarded.
fn events(text: &str) -> Vec<AuditEvent> {
    let lines = text.trim().lines();
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let mut word = || words.next().expect("a word");
            let (number, node, seconds) = (word(), word(), word());
            let mut event =
                on(number.parse().expect("a number"), node, seconds.parse().expect("seconds"));
            event.identity.token = None;
            for word in words {
                match word.split_once('=') {
                    None if word == "f" => event.reason = Reason::Forwarded,
                    Some(("token", token)) => event.identity.token = Some(token.to_owned()),
                    Some(("path", path)) => event.path = Some(path.to_owned()),
                    Some(("ip", ip)) => event.remote_address = Some(ip.to_owned()),
                    Some(("port", port)) => event.remote_port = port.parse().ok(),
                    _ => panic!("{word}"),
                }
            }
            event
        })
        .collect()
}

/// Returns `forwarded>twin`, or `forwarded>-`, in the order of the forwarded events' numbers.
fn links(events: &[AuditEvent], segment: usize) -> String {
    let view = view_of(events, segment);
    let mut links = Vec::new();
    let mut forwarded: Vec<Uid> = events
        .iter()
        .filter(|event| event.reason == Reason::Forwarded)
        .map(|event| event.uid)
        .collect();
    forwarded.sort_unstable();
    for uid in forwarded {
        let twin = view.twin(uid).expect("an answer");
        assert_eq!(twin.is_none(), view.without_twin().expect("an answer").contains(&uid));
        let twin = twin.map_or("-".to_owned(), |twin| twin.0[0].to_string());
        links.push(format!("{}>{twin}", uid.0[0]));
    }
    links.join(" ")
}

#[test]
fn a_forwarded_event_and_what_the_other_node_made_of_it() {
    for (text, expected) in [
        ("1 a 0 f\n2 b 0.01", "1>2"),
        // Another node, not another time on the same one; never a forwarded one.
        ("1 a 0 f\n2 a 0.01", "1>-"),
        ("1 a 0 f\n2 b 0.01 f", "1>- 2>-"),
        // Not before it, and at most two seconds after it.
        ("1 a 0 f\n2 b -0.001", "1>-"),
        ("1 a 0 f\n2 b 2", "1>2"),
        ("1 a 0 f\n2 b 2.001", "1>-"),
        // What both tell of the client.
        ("1 a 0 f path=x\n2 b 0.01 path=y", "1>-"),
        ("1 a 0 f ip=10.0.0.1\n2 b 0.01 ip=10.0.0.2", "1>-"),
        ("1 a 0 f port=1\n2 b 0.01 port=2", "1>-"),
        ("1 a 0 f token=t\n2 b 0.01 token=u\n3 b 0.02 token=t", "1>3"),
        // A login has no token at the standby.
        ("1 a 0 f\n2 b 0.01 token=new", "1>2"),
        // One to one, the nearest first.
        ("1 a 0 f\n2 a 0.1 f\n3 b 0.11", "1>- 2>3"),
        ("1 a 0 f\n2 a 0.1 f\n3 b 0.11\n4 b 0.5", "1>4 2>3"),
        ("1 a 0 f\n2 a 0 f\n3 b 0.1\n4 c 0.1", "1>3 2>4"),
    ] {
        let events = events(text);
        assert_eq!(links(&events, 9), expected, "{text}");
        let reversed: Vec<AuditEvent> = events.into_iter().rev().collect();
        assert_eq!(links(&reversed, 1), expected, "{text}, the other way round");
    }
}

#[test]
fn more_than_are_weighed_are_still_linked() {
    let mut all = Vec::new();
    for number in 0..100 {
        all.push(AuditEvent { reason: Reason::Forwarded, ..on(number, "a", 0.0) });
        all.push(on(100 + number, "b", 0.5 + f64::from(number) * 0.001));
    }
    let view = view_of(&all, 500);
    let twins: BTreeSet<Uid> =
        (0..100).filter_map(|number| view.twin(Uid([number; 16])).expect("an answer")).collect();
    assert_eq!(twins.len(), 100);
    assert!(view.without_twin().expect("an answer").is_empty());
}

#[test]
fn a_filter_finds_those_without_a_twin() {
    let view = view_of(&events("1 a 0 f\n2 b 0.01\n3 a 5 f\n4 a 6"), 9);
    let filter = Filter::parse("is:no_twin", jiff::Timestamp::UNIX_EPOCH).expect("a filter");
    let page =
        search_in(&view, &Question { filter, ..Question::everything() }, 0, None).expect("a page");
    assert_eq!(page.items.iter().map(|row| row.uid.0[0]).collect::<Vec<_>>(), [3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn links_are_one_to_one_and_know_no_order(
        drawn in proptest::collection::vec((select(vec!["a", "b"]), 0..40_u8, any::<bool>()), 1..30),
        order in any::<u64>(),
    ) {
        let events: Vec<AuditEvent> = (0..)
            .zip(&drawn)
            .map(|(number, &(node, tenths, forwarded))| {
                let mut event = on(number, node, f64::from(tenths) / 10.0);
                if forwarded {
                    event.reason = Reason::Forwarded;
                }
                event
            })
            .collect();
        let found = links(&events, 50);
        let twins: Vec<&str> = found.split(' ').filter_map(|link| link.split_once('>')).map(|(_, twin)| twin).collect();
        let some: Vec<&&str> = twins.iter().filter(|twin| **twin != "-").collect();
        prop_assert_eq!(some.iter().collect::<HashSet<_>>().len(), some.len());
        // No forwarded event is left alone beside an answer that would do.
        let mut taken: HashSet<u8> = some.iter().filter_map(|twin| twin.parse().ok()).collect();
        for event in events.iter().filter(|event| event.reason == Reason::Forwarded) {
            let alone = found.split(' ').any(|link| link == format!("{}>-", event.uid.0[0]));
            let time = |event: &AuditEvent| event.time.as_ref().map_or(0, |time| time.unix_ns);
            let free = events.iter().find(|answer| {
                answer.reason != Reason::Forwarded
                    && answer.node != event.node
                    && (0..=LATER_MAX_NS).contains(&(time(answer) - time(event)))
                    && !taken.contains(&answer.uid.0[0])
            });
            prop_assert!(!alone || free.is_none(), "{} and {:?}", event.uid, free.map(|free| free.uid));
            taken.insert(event.uid.0[0]);
        }
        let mut shuffled = events.clone();
        shuffled.rotate_left((order % events.len() as u64) as usize);
        shuffled.reverse();
        prop_assert_eq!(links(&shuffled, 7), found);
    }
}
