//! Pairing as a script: lines and ticks in, events out; and its invariance over restarts.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

/// `+60 q1`: a minute after the start, the request line of id 1; `p1` its response, `x` a line without id,
/// `tick 700`: idle for 700 s; `doc`: a commit. Lines are leaves 0, 1, … of the live reader, `i:` of an import.
fn play(script: &str) -> String {
    let mut pairing = Pairing::new();
    let mut issues = Vec::new();
    let mut shown = String::new();
    for (number, step) in script.lines().map(str::trim).filter(|step| !step.is_empty()).enumerate()
    {
        let leaf = LeafIndex(number as u64);
        let (reader, step) =
            step.strip_prefix("i:").map_or((Reader::Live, step), |step| (Reader::Import, step));
        match step.split(' ').collect::<Vec<_>>()[..] {
            ["doc"] => pairing.document_pending(&mut issues),
            ["tick", seconds] => pairing.tick(
                0,
                reader,
                leaf,
                seconds.parse::<i64>().unwrap() * 1_000_000_000,
                &mut issues,
            ),
            [time, line] => {
                pairing.line(0, reader, leaf, &peek(time.parse().unwrap(), line), &mut issues)
            }
            _ => panic!("{step}"),
        }
        for issue in issues.drain(..) {
            shown += &show(&issue);
        }
    }
    format!("{shown}waiting {} duplicates {}", pairing.pending(), pairing.duplicates())
}

fn peek(seconds: i64, line: &str) -> Peek<'_> {
    let (kind, id) = match line.split_at(1) {
        ("q", id) => (Kind::Request, id),
        ("p", id) => (Kind::Response, id),
        ("k", id) => (Kind::Plugin { response: false }, id),
        other => panic!("{other:?}"),
    };
    let request_id = (!id.is_empty()).then_some(Cow::Borrowed(id));
    Peek { kind, request_id, time_unix_ns: Some(seconds * 1_000_000_000), torn_prefix: false }
}

fn show(issue: &Issue) -> String {
    let leaf = |leaf: Option<LeafIndex>| leaf.map_or("-".to_owned(), |leaf| leaf.to_string());
    let Issue { request, response, state, issued, replaces, .. } = issue;
    let replaces = if *replaces { " replaces" } else { "" };
    format!(
        "{},{} {state:?} {}.{}{replaces}\n",
        leaf(*request),
        leaf(*response),
        issued.0,
        issued.1
    )
}

fn check(script: &str, expected: &str) {
    let expected: String = expected.lines().map(|line| line.trim().to_owned() + "\n").collect();
    assert_eq!(play(script), expected.trim(), "{script}");
}

#[test]
fn a_request_and_its_response_are_one_event() {
    check("+0 q1\n+1 p1", "0,1 Answered 1.0\nwaiting 0 duplicates 0");
    check(
        "+0 q1\n+0 q2\n+1 p2\n+2 p1",
        "1,2 Answered 2.0\n0,3 Answered 3.0\nwaiting 0 duplicates 0",
    );
}

#[test]
fn nothing_is_lost_and_nothing_double() {
    // A duplicate of either kind; a response whose request comes after it; lines that cannot be joined.
    check("+0 q1\n+0 q1\n+1 p1", "0,2 Answered 2.0\nwaiting 0 duplicates 1");
    check(
        "+0 p1\n+0 p1\n+0 q1",
        "-,0 ResponseOnly 0.0\n2,0 Answered 2.0 replaces\nwaiting 0 duplicates 1",
    );
    check(
        "+0 q\n+0 p\n+0 k1",
        "0,- Alone 0.0\n-,1 Alone 1.0\n2,- Alone 2.0\nwaiting 0 duplicates 0",
    );
}

#[test]
fn a_request_is_given_up_after_ten_minutes_of_its_lane() {
    let later = |seconds: i64, lines: usize| format!("+{seconds} q\n").repeat(lines);
    let alone = |from: usize, to: usize| {
        (from..to).map(|leaf| format!("{leaf},- Alone {leaf}.0\n")).collect::<String>()
    };
    // One line stamped a day ahead gives nothing up; a full window does.
    check(
        &format!("+0 q1\n+86400 q2\n{}+1 p1\n+86400 p2", later(1, 40)),
        &format!("{}0,42 Answered 42.0\n1,43 Answered 43.0\nwaiting 0 duplicates 0", alone(2, 42)),
    );
    let closing = "0,- Unanswered 64.1\n1,- Unanswered 64.2\n";
    check(
        &format!("+0 q1\n+0 q2\n{}+601 p1\n+602 p1", later(600, 64)),
        // The window holds 64 lines: leaf 65 pushes out the last early one.
        &format!(
            "{}64,- Alone 64.0\n65,- Alone 65.0\n{}-,66 Late 66.0\nwaiting 0 duplicates 1",
            alone(2, 64),
            closing.replace("64.", "65.")
        ),
    );
    // An import of old or new files does not move the live clock.
    check(
        &format!("+0 q1\n{}", later(9999, 70).replace('+', "i:+")),
        &format!("{}waiting 1 duplicates 0", alone(1, 71)),
    );
}

#[test]
fn an_idle_lane_is_moved_by_ticks() {
    check("+0 q1\ntick 599\ntick 600", "0,- Unanswered 2.1\nwaiting 0 duplicates 0");
    // A line ends the idleness.
    check("+0 q1\ntick 599\n+1 q\ntick 300", "2,- Alone 2.0\nwaiting 1 duplicates 0");
    check(
        "+0 q1\n+1 q2\ndoc\ntick 600\n+602 p1\n+602 p2",
        "0,- Pending 0.0\n1,- Pending 1.0\n0,- Unanswered 3.1 replaces\n-,4 Late 4.0\n1,5 Answered 5.0 replaces\nwaiting 0 duplicates 0",
    );
    let mut pairing = Pairing::new();
    assert_eq!(pairing.closes_at(0, Reader::Live), None);
    pairing.line(0, Reader::Live, LeafIndex(0), &peek(100, "q1"), &mut Vec::new());
    pairing.line(0, Reader::Live, LeafIndex(1), &peek(160, "q2"), &mut Vec::new());
    assert_eq!(pairing.closes_at(0, Reader::Live), Some(UNANSWERED_AFTER_NS));
    assert_eq!(
        (pairing.closes_at(0, Reader::Import), pairing.oldest_pending()),
        (None, Some(LeafIndex(0)))
    );
}

#[test]
fn what_waits_has_one_document() {
    check(
        "+0 q1\ndoc\ndoc\n+1 q2\ndoc\n+2 p1\n+3 p2",
        "0,- Pending 0.0\n3,- Pending 3.0\n0,5 Answered 5.0 replaces\n3,6 Answered 6.0 replaces\nwaiting 0 duplicates 0",
    );
}

#[test]
fn what_waits_is_bounded() {
    let mut pairing = Pairing::new();
    let mut issues = Vec::new();
    for number in 0..WAITING_MAX as u64 + 2 {
        let id = number.to_string();
        let peek = Peek {
            kind: Kind::Request,
            request_id: Some(Cow::Borrowed(&id)),
            time_unix_ns: Some(0),
            torn_prefix: false,
        };
        pairing.line(0, Reader::Import, LeafIndex(number), &peek, &mut issues);
    }
    let shown: String = issues.iter().map(show).collect();
    assert_eq!(shown, "0,- Unanswered 100000.1\n1,- Unanswered 100001.1\n");
    assert_eq!(pairing.pending(), WAITING_MAX);
}

/// What a line of the property test is.
#[derive(Clone, Debug)]
struct Step {
    source: u32,
    reader: Reader,
    seconds: i64,
    kind: Kind,
    id: Option<u8>,
    idle: Option<i64>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![3 => Just(Kind::Request), 3 => Just(Kind::Response), 1 => Just(Kind::Plugin { response: true })];
    let reader = prop_oneof![Just(Reader::Live), Just(Reader::Import)];
    let id = proptest::option::weighted(0.9, 0..30_u8);
    let idle = proptest::option::weighted(0.1, 0..2000_i64);
    let step = (0..2_u32, reader, 0..60_i64, kind, id, idle).prop_map(
        |(source, reader, seconds, kind, id, idle)| Step {
            source,
            reader,
            seconds,
            kind,
            id,
            idle,
        },
    );
    proptest::collection::vec(step, 0..300).prop_map(|mut steps| {
        // Time goes on, with some disorder.
        for (number, step) in steps.iter_mut().enumerate() {
            step.seconds += number as i64 * 20;
        }
        steps
    })
}

fn take(pairing: &mut Pairing, leaf: u64, step: &Step, out: &mut Vec<Issue>) {
    let id = step.id.map(|id| id.to_string());
    match step.idle {
        Some(idle) => {
            pairing.tick(step.source, step.reader, LeafIndex(leaf), idle * 1_000_000_000, out)
        }
        None => {
            let peek = Peek {
                kind: step.kind,
                request_id: id.as_deref().map(Cow::Borrowed),
                time_unix_ns: Some(step.seconds * 1_000_000_000),
                torn_prefix: false,
            };
            pairing.line(step.source, step.reader, LeafIndex(leaf), &peek, out);
        }
    }
}

/// What the documents of the index tell after these events: the last one of each source and id counts.
fn restored(pairing: &Pairing, steps: &[Step], events: &[Issue]) -> Pairing {
    let mut pending = BTreeMap::new();
    let mut closed: BTreeMap<LeafIndex, (HalfEvent, bool)> = BTreeMap::new();
    let mut response_only = BTreeMap::new();
    for event in events {
        let leaf = event.request.or(event.response).unwrap();
        let step = &steps[usize::try_from(leaf.0).unwrap()];
        let Some(id) = step.id else { continue };
        let request_id = id.to_string();
        let half = HalfEvent { source: event.source, leaf, request_id: request_id.clone() };
        match event.state {
            State::Pending => {
                let request = PendingRequest {
                    source: event.source,
                    reader: step.reader,
                    leaf,
                    request_id,
                    time_unix_ns: Some(step.seconds * 1_000_000_000),
                };
                pending.insert(leaf, request);
            }
            State::Answered => {
                pending.remove(&leaf);
                response_only.remove(&event.response.unwrap());
            }
            State::Unanswered => {
                pending.remove(&leaf);
                closed.insert(leaf, (half, false));
            }
            State::Late => {
                let same = |entry: &&mut (HalfEvent, bool)| {
                    entry.0.source == event.source && entry.0.request_id == request_id
                };
                closed.values_mut().find(same).unwrap().1 = true;
            }
            State::ResponseOnly => {
                response_only.insert(leaf, half);
            }
            State::Alone => {}
        }
    }
    let all = |map: BTreeMap<LeafIndex, HalfEvent>| map.into_values().collect::<Vec<_>>();
    Pairing::restore(
        &serde_json::from_str(&serde_json::to_string(&pairing.clocks()).unwrap()).unwrap(),
        &pending.into_values().collect::<Vec<_>>(),
        &closed.into_values().collect::<Vec<_>>(),
        &all(response_only),
    )
}

proptest! {
    /// Commits wherever they fall, and restarts after them, change nothing but which documents were shown as pending.
    #[test]
    fn restarts_change_nothing(steps in steps(), commits in proptest::collection::btree_set(0..300_u64, 0..8)) {
        let (mut straight, mut restarting) = (Pairing::new(), Pairing::new());
        let (mut expected, mut events) = (Vec::new(), Vec::new());
        for (number, step) in steps.iter().enumerate() {
            take(&mut straight, number as u64, step, &mut expected);
            take(&mut restarting, number as u64, step, &mut events);
            if commits.contains(&(number as u64)) {
                restarting.document_pending(&mut events);
                restarting = restored(&restarting, &steps, &events);
            }
        }
        prop_assert_eq!(straight.pending(), restarting.pending());
        prop_assert_eq!(straight.clocks(), restarting.clocks());
        // Leaving out what was pending, and whether a document had to be replaced for it, the events are the same.
        events.retain(|event| event.state != State::Pending);
        let plain = |events: &[Issue]| events.iter().map(|event| Issue { replaces: false, ..*event }).collect::<Vec<_>>();
        prop_assert_eq!(plain(&expected), plain(&events));
        // Every issuing is one of a kind, and every leaf with an id is in at least one event.
        let mut issued: Vec<_> = expected.iter().map(|event| event.issued).collect();
        issued.sort_unstable();
        prop_assert!(issued.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
