use std::collections::{BTreeMap, BTreeSet};

use ingest::event::{AuditEvent, Decision, Flag, Issued, Uid};
use ingest::index::schema::Fields;
use ingest::index::{CommitPayload, EventIndex, IndexWriter};
use ingest::pairing::State;
use ingest::source::LeafIndex;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::filter::tests::events::ELEVEN_NS;
use crate::filter::{Filter, NoSets};
use crate::testing::{any_events, any_question, fitting, on, view_of};

fn by(names: &[&str]) -> Vec<CountField> {
    let (_, fields) = Fields::schema();
    names.iter().map(|name| CountField::parse(name, &fields).expect("a field")).collect()
}

fn lines(counts: &Counts) -> String {
    let mut lines = counts.columns.join(" ");
    for row in &counts.rows {
        let values: Vec<&str> =
            row.values.iter().map(|value| value.as_deref().unwrap_or("-")).collect();
        lines.push_str(&format!("\n{} {}", values.join(" "), row.count));
    }
    lines
}

fn hours() -> Interval {
    Interval::parse("1h", &TimeZone::UTC).expect("an interval")
}

#[test]
fn groups_are_sorted_and_say_what_they_are() {
    let mut events: Vec<AuditEvent> =
        (1..=6).map(|number| on(number, "a", f64::from(number) * 1800.0)).collect();
    events[0].identity.name = Some("old-name".to_owned());
    for event in &mut events[3..5] {
        event.identity.key = Some("prod|root".to_owned());
        event.identity.name = None;
    }
    events[5].identity.key = None;
    events[5].policies = vec!["b".to_owned(), "a".to_owned()];
    events[5].time = None;
    let view = view_of(&events, 2);
    let check = |names: &[&str], interval: Option<&Interval>, expected: &str| {
        let counts =
            count_in(&view, &Question::everything(), &by(names), interval).expect("counts");
        assert_eq!(lines(&counts), expected.trim());
        assert_eq!((counts.total, counts.leaf), (6, 1003));
        counts.notes
    };
    check(
        &["identity"],
        None,
        "
identity identity_key
my-app/my-app prod entity-1 3
- prod|root 2
- - 1
",
    );
    check(
        &["decision", "node"],
        None,
        "
decision node
allowed a 6
",
    );
    check(
        &[],
        Some(&hours()),
        "
from to
2026-11-24T11:00:00+00:00 2026-11-24T12:00:00+00:00 1
2026-11-24T12:00:00+00:00 2026-11-24T13:00:00+00:00 2
2026-11-24T13:00:00+00:00 2026-11-24T14:00:00+00:00 2
- - 1
",
    );
    let notes = check(
        &["held"],
        None,
        "
held
default 5
my-app 5
a 1
b 1
",
    );
    assert!(notes[0].contains("each distinct held"), "{notes:?}");
    let whole = count_in(&view, &Question::everything(), &[], None).expect("counts");
    assert_eq!(whole.rows, [CountRow { count: 6, ..CountRow::default() }]);
}

/// Groups of one size stand by their values: an identity by its name and then its key, nothing last.
#[test]
fn groups_of_one_size_are_sorted_by_their_values() {
    let who = [
        (Some("k2"), Some("same")),
        (Some("k1"), Some("same")),
        (Some("k0"), None),
        (Some("k9"), Some("first")),
        (None, None),
    ];
    let events = (1..).zip(who.iter().flat_map(|who| [(who, "b"), (who, "a")]));
    let events = events.map(|(number, ((key, name), path))| {
        let mut event = on(number, "a", 1.0);
        event.identity.key = key.map(str::to_owned);
        event.identity.name = name.map(str::to_owned);
        event.path = Some(path.to_owned());
        event
    });
    let view = view_of(&events.collect::<Vec<_>>(), 3);
    let counts = count_in(&view, &Question::everything(), &by(&["identity", "path"]), None);
    let expected = "
identity identity_key path
first k9 a 1
first k9 b 1
same k1 a 1
same k1 b 1
same k2 a 1
same k2 b 1
- k0 a 1
- k0 b 1
- - a 1
- - b 1
";
    assert_eq!(lines(&counts.expect("counts")), expected.trim());
}

#[test]
fn what_cannot_be_counted_is_an_error() {
    let view = view_of(&[on(1, "a", 1.0)], 1);
    let question = Question::everything();
    let twice = count_in(&view, &question, &by(&["path", "path"]), None);
    assert!(matches!(twice, Err(QueryError::FieldTwice("path"))));
    let many = count_in(&view, &question, &by(&["path", "op", "node", "ns", "ip"]), None);
    assert!(matches!(many, Err(QueryError::Fields { limit: 4 })));
    let (_, fields) = Fields::schema();
    let hash = CountField { name: "hash", many: true, field: fields.hash };
    assert!(matches!(count_in(&view, &question, &[hash], None), Err(QueryError::NoColumn("hash"))));
}

/// The values of an event in a field, as the documents have them.
fn values(event: &AuditEvent, name: &str) -> BTreeSet<Option<String>> {
    let many: Vec<String> = match name {
        "identity" => event.identity.key.iter().cloned().collect(),
        "ip" => event.remote_address.iter().cloned().collect(),
        "path" => event.path.iter().cloned().collect(),
        "node" => vec![event.node.clone()],
        "decision" => vec![event.decision.to_string()],
        "held" => event.policies.clone(),
        "is" => ingest::index::document::is_words(event).into_iter().map(str::to_owned).collect(),
        name => panic!("{name}"),
    };
    let some: BTreeSet<Option<String>> =
        many.into_iter().filter(|value| !value.is_empty()).map(Some).collect();
    if some.is_empty() { BTreeSet::from([None]) } else { some }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn counts_are_what_counting_by_hand_gives(
        events in any_events(40),
        question in any_question(),
        segment in 4..40_usize,
        names in proptest::sample::subsequence(vec!["identity", "path", "node", "decision", "held", "is"], 0..=4).prop_shuffle(),
        over_time in any::<bool>(),
    ) {
        let interval = over_time.then(hours);
        let view = view_of(&events, segment);
        let ask = || count_in(&view, &question, &by(&names), interval.as_ref()).expect("counts");
        let counts = ask();
        prop_assert_eq!(&ask(), &counts, "what is kept of each part is the same answer");

        let (_, answer) = fitting(&question, &events, &NoSets);
        let mut expected: BTreeMap<Vec<Option<String>>, u64> = BTreeMap::new();
        for event in &answer {
            let mut groups = vec![Vec::new()];
            if over_time {
                let hour_ns = 3_600_000_000_000;
                let from = event.time.as_ref().map(|time| time.unix_ns.div_euclid(hour_ns) * hour_ns);
                groups[0].push(from.map(|from| rfc3339_in(from, &TimeZone::UTC)));
            }
            for name in &names {
                let values = values(event, name);
                groups = groups
                    .into_iter()
                    .flat_map(|group| values.iter().map(move |value| [group.clone(), vec![value.clone()]].concat()))
                    .collect();
            }
            for group in groups {
                *expected.entry(group).or_default() += 1;
            }
        }
        let shown: Vec<usize> = (0..counts.columns.len())
            .filter(|&column| !["to", "identity"].contains(&counts.columns[column]))
            .collect();
        let mut found = BTreeMap::new();
        for row in &counts.rows {
            let group: Vec<_> = shown.iter().map(|&column| row.values[column].clone()).collect();
            prop_assert_eq!(found.insert(group, row.count), None, "a group stands in one row");
        }
        prop_assert_eq!(found, expected);
        prop_assert_eq!(counts.total, answer.len() as u64);

        let groups = numbered_in(&view, &question, &by(&names), interval.as_ref()).expect("groups");
        let words: Vec<Vec<Option<&str>>> = (0..names.len()).map(|field| groups.values(field)).collect();
        let mut numbered: Vec<(Vec<Option<String>>, u64)> = groups
            .numbered()
            .map(|group| {
                let mut row = Vec::new();
                if over_time {
                    let ends = group.stretch.map(|(from, to)| [from, to].map(|end| rfc3339_in(end, &TimeZone::UTC)));
                    row.extend(ends.map_or([None, None], |ends| ends.map(Some)));
                }
                for ((name, words), &number) in names.iter().zip(&words).zip(group.values) {
                    if *name == "identity" {
                        row.push(groups.name(number).map(str::to_owned));
                    }
                    row.push(words[number as usize].map(str::to_owned));
                }
                (row, group.count)
            })
            .collect();
        let mut rows: Vec<_> = counts.rows.into_iter().map(|row| (row.values, row.count)).collect();
        numbered.sort();
        rows.sort();
        prop_assert_eq!(numbered, rows, "the same groups by their numbers");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_identity_is_called_as_on_its_newest_event_that_has_a_name(
        names in proptest::collection::vec(
            proptest::option::weighted(0.9, proptest::sample::select(vec!["new", "new", "new", "old"])),
            1..24,
        ),
        at in proptest::collection::vec((0..3_u8, 0..20_u8), 24),
        segment in 1..9_usize,
        from in proptest::option::of(0..20_u8),
    ) {
        // The third has a name and no key, as who fails to log in: nobody is called so.
        let key = |identity: u8| (identity < 2).then(|| format!("prod/entity-{identity}"));
        let events: Vec<AuditEvent> = (0..).zip(names.iter().zip(&at)).map(|(number, (name, at))| {
            let mut event = on(number, "a", f64::from(at.1));
            event.identity.key = key(at.0);
            event.identity.name = name.map(str::to_owned);
            event
        }).collect();
        let from = from.map(|seconds| ELEVEN_NS + i64::from(seconds) * 1_000_000_000);
        let question = Question { from, ..Question::everything() };
        let view = view_of(&events, segment);
        let counts = count_in(&view, &question, &by(&["identity"]), None).expect("counts");
        for row in counts.rows.iter().filter(|row| row.values[1].is_some()) {
            let time = |event: &AuditEvent| event.time.as_ref().map(|time| time.unix_ns);
            let newest = events
                .iter()
                .filter(|event| event.identity.key == row.values[1] && time(event) >= from)
                .filter(|event| event.identity.name.is_some())
                .max_by_key(|event| (time(event), event.issued.0));
            prop_assert_eq!(&row.values[0], &newest.and_then(|event| event.identity.name.clone()));
        }
    }
}

#[test]
fn a_part_whose_events_have_names_and_no_keys_tells_no_name() {
    let named = |number, key: Option<&str>, name: &str| {
        let mut event = on(number, "a", f64::from(number));
        event.identity.key = key.map(str::to_owned);
        event.identity.name = Some(name.to_owned());
        event
    };
    // Two parts that disagree, so that parts are asked where their names are from, and one that cannot say.
    let events =
        [named(1, Some("prod/a"), "old"), named(2, Some("prod/a"), "new"), named(3, None, "x")];
    let view = view_of(&events, 1);
    for names in [&["identity"][..], &["identity", "held"]] {
        let counts = count_in(&view, &Question::everything(), &by(names), None).expect("counts");
        let names = counts.rows.iter().map(|row| (row.values[1].clone(), row.values[0].clone()));
        let names: BTreeMap<_, _> = names.collect();
        assert_eq!(names[&None], None);
        assert_eq!(names[&Some("prod/a".to_owned())].as_deref(), Some("new"));
    }
}

/// An answer's groups by hand: for each value of the fields, the events that have it.
fn groups<'a>(
    answer: &[&'a AuditEvent],
    names: &[&str],
) -> BTreeMap<Vec<Option<String>>, Vec<&'a AuditEvent>> {
    let mut groups: BTreeMap<Vec<Option<String>>, Vec<&AuditEvent>> = BTreeMap::new();
    for event in answer {
        let mut keys = vec![Vec::new()];
        for name in names {
            let values = values(event, name);
            let with = |key: Vec<Option<String>>| {
                values.iter().map(move |value| [key.clone(), vec![value.clone()]].concat())
            };
            keys = keys.into_iter().flat_map(with).collect();
        }
        for key in keys {
            groups.entry(key).or_default().push(event);
        }
    }
    groups
}

/// What is measured of events, by hand: a percentile is the least value that so many do not exceed.
fn measured(events: &[&AuditEvent]) -> Measured {
    let times: Vec<i64> =
        events.iter().filter_map(|event| Some(event.time.as_ref()?.unix_ns)).collect();
    let latencies: Vec<i64> = events.iter().filter_map(|event| event.latency_us).collect();
    let percentile = |percent: usize| {
        let enough = |value: &&i64| {
            latencies.iter().filter(|other| other <= value).count() * 100
                >= percent * latencies.len()
        };
        *latencies.iter().filter(enough).min().expect("the greatest is one")
    };
    Measured {
        seen: times.iter().min().copied().zip(times.iter().max().copied()),
        latency: (!latencies.is_empty()).then(|| Latency {
            events: latencies.len() as u64,
            p50: percentile(50),
            p90: percentile(90),
            p95: percentile(95),
            p99: percentile(99),
            max: percentile(100),
        }),
    }
}

/// A row's values without the name that stands before an identity's key.
fn keys(columns: &[&str], row: &CountRow) -> Vec<Option<String>> {
    let kept = columns.iter().zip(&row.values).filter(|(column, _)| **column != "identity");
    kept.map(|(_, value)| value.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_aggregation_is_what_it_is_by_hand(
        mut events in any_events(40),
        question in any_question(),
        segment in 4..40_usize,
        names in proptest::sample::subsequence(vec!["identity", "path", "node", "decision", "held", "is"], 0..=3).prop_shuffle(),
        field in proptest::sample::select(vec!["ip", "identity", "held"]),
        latencies in proptest::collection::vec(proptest::option::of(-5..50_i64), 40),
    ) {
        for (event, latency) in events.iter_mut().zip(latencies) {
            event.latency_us = latency;
        }
        let view = view_of(&events, segment);
        let (_, answer) = fitting(&question, &events, &NoSets);
        let expected = groups(&answer, &names);

        let measures = Measures { seen: true, latency: true };
        let counts = measure_in(&view, &question, &by(&names), None, measures).expect("counts");
        let mut found = BTreeMap::new();
        for row in &counts.rows {
            found.insert(keys(&counts.columns, row), (row.count, row.measured.clone()));
        }
        let by_hand = |events: &Vec<&AuditEvent>| (events.len() as u64, measured(events));
        let wanted: BTreeMap<_, _> = expected.iter().map(|(key, of)| (key.clone(), by_hand(of))).collect();
        prop_assert_eq!(&found, &wanted);
        prop_assert_eq!(&counts.measured, &measured(&answer));

        let largest = counts.clone().top(2);
        let others = largest.others.map_or((0, 0), |others| (others.groups, others.events));
        prop_assert_eq!(others.0, expected.len().saturating_sub(2) as u64);
        let shown: u64 = largest.rows.iter().map(|row| row.count).sum();
        prop_assert_eq!(shown + others.1, expected.values().map(|of| of.len() as u64).sum::<u64>());

        let fields = by(&names);
        let each = count_each_in(&view, &question, &fields).expect("counts");
        for (each, field) in each.iter().zip(&fields) {
            prop_assert_eq!(each, &count_in(&view, &question, &[*field], None).expect("counts"));
        }

        if !names.contains(&field) {
            let distinct = distinct_in(&view, &question, by(&[field])[0], &fields, None).expect("a count");
            let of = |events: &[&AuditEvent]| {
                let all = events.iter().flat_map(|event| values(event, field));
                all.flatten().collect::<BTreeSet<String>>().len() as u64
            };
            prop_assert_eq!(distinct.distinct, of(&answer));
            let found: BTreeMap<_, _> = distinct.rows.iter().map(|row| (keys(&distinct.columns, row), row.count)).collect();
            let wanted: BTreeMap<_, _> = expected.iter().map(|(key, events)| (key.clone(), of(events))).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}

#[test]
fn what_is_kept_of_one_interval_leaves_the_others_alone() {
    let view = view_of(&[on(1, "a", 1.0), on(2, "a", 7200.0)], 9);
    let question = Question::everything();
    let intervals = ["1h", "1d"].map(|text| Interval::parse(text, &TimeZone::UTC).expect(text));
    for interval in &intervals {
        count_in(&view, &question, &[], Some(interval)).expect("counts");
    }
    let selection = Selection::new(&view, &question).expect("a selection");
    for part in selection.parts().expect("parts") {
        for interval in &intervals {
            let (measures, interval) = (Measures::default(), Some(interval));
            let grouping = Grouping { by: &[], interval, measures, tells_places: false };
            let key = (part.part.key, part.question().expect("of this part"), grouping.name());
            assert!(view.kept().get(&key, interval).is_some(), "{interval:?}");
        }
    }
}

#[test]
fn what_is_kept_of_a_part_is_never_told_of_what_became_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = IndexWriter::open(folder.path(), "V", "keytrail/prod").expect("a writer");
    let mut covered = 0;
    let mut commit = |writer: &mut IndexWriter| {
        covered += 1;
        let nothing = CommitPayload::nothing("V", "keytrail/prod");
        writer.commit(CommitPayload { covered, ..nothing }).expect("a commit");
    };
    let snapshot = || EventIndex::open(folder.path()).expect("an index").snapshot();
    let ask = |view: &View| {
        let counts = |all| {
            let question = Question { all, ..Question::everything() };
            count_in(view, &question, &by(&["identity", "path"]), Some(&hours())).expect("counts")
        };
        (counts(false), counts(true))
    };
    let check = |view: &View| {
        let afresh = ask(&View::new(view.snapshot().clone()));
        assert_eq!(ask(view), afresh);
        assert_eq!(ask(view), afresh, "asked again");
        afresh.0.total
    };
    let add = |writer: &mut IndexWriter, event: &AuditEvent, replaces| {
        writer.add(event, State::Answered, &[], replaces).expect("added");
    };
    for number in 1..=5 {
        add(&mut writer, &on(number, "a", f64::from(number)), false);
    }
    commit(&mut writer);
    let mut view = View::new(snapshot());
    assert_eq!(check(&view), 5);
    // An event is replaced by what its response made of it, and another turns out to be a copy.
    let mut replaced = on(2, "a", 2.0);
    replaced.path = Some("another".to_owned());
    add(&mut writer, &replaced, true);
    let copy = AuditEvent { flags: vec![Flag::Copy], ..on(3, "a", 3.0) };
    add(&mut writer, &copy, true);
    commit(&mut writer);
    let before = view.clone();
    view = view.next(snapshot());
    assert_eq!(check(&view), 4);
    assert_eq!(check(&before), 5, "a view stays what it is");
    // Retention, and segments that are merged.
    writer.remove_below(LeafIndex(2)).expect("removed");
    commit(&mut writer);
    for number in 10..40 {
        add(&mut writer, &on(number, "b", f64::from(number)), false);
        commit(&mut writer);
        view = view.next(snapshot());
        check(&view);
    }
    let segments = view.searcher().segment_readers().len();
    assert!(segments < 30, "{segments} segments: nothing was merged");
}

#[test]
fn a_span_back_is_asked_anew_each_time() {
    let events: Vec<AuditEvent> =
        (1..=6).map(|number| on(number, "a", f64::from(number) * 1800.0)).collect();
    let view = view_of(&events, 3);
    let total = |now: &str| {
        let now = now.parse().expect("a time");
        let filter = Filter::parse("after:-1h", now).expect("a filter");
        let question = Question { filter, ..Question::everything() };
        count_in(&view, &question, &by(&["node"]), None).expect("counts").total
    };
    // The same text at another time is another question.
    assert_eq!(total("2026-11-24T12:00:00Z"), 6);
    assert_eq!(total("2026-11-24T13:30:00Z"), 4);
    assert_eq!(total("2026-11-24T15:30:00Z"), 0);
}

#[test]
fn two_hundred_thousand_groups_are_counted_one_by_one() {
    // As many addresses, each refused without an identity once, some twice.
    let count = 200_000_u32;
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = IndexWriter::open(folder.path(), "V", "keytrail/prod").expect("a writer");
    let mut event = on(1, "a", 1.0);
    event.identity.key = None;
    event.identity.name = None;
    event.identity.names.clear();
    event.decision = Decision::Denied;
    for number in 0..count + 1_000 {
        event.uid = Uid(u128::from(number).to_be_bytes());
        event.issued = Issued(LeafIndex(number.into()), 0);
        event.remote_address = Some(std::net::Ipv4Addr::from(number % count).to_string());
        writer.add(&event, State::Answered, &[], false).expect("added");
        if number % 60_000 == 0 {
            writer.commit(CommitPayload::nothing("V", "keytrail/prod")).expect("a commit");
        }
    }
    writer.commit(CommitPayload::nothing("V", "keytrail/prod")).expect("a commit");
    let view = View::new(EventIndex::open(folder.path()).expect("an index").snapshot());
    let question = Question::everything();
    let counts = count_in(&view, &question, &by(&["identity", "ip", "decision"]), None);
    let counts = counts.expect("counts");
    assert_eq!((counts.total, counts.rows.len()), (201_000, 200_000));
    assert_eq!(counts.rows.iter().filter(|row| row.count == 2).count(), 1_000);
    assert!(counts.rows.iter().all(|row| row.values[..2] == [None, None]));
    let distinct = distinct_in(&view, &question, by(&["ip"])[0], &by(&["decision"]), None);
    let distinct = distinct.expect("a count");
    assert_eq!((distinct.distinct, distinct.rows[0].count), (200_000, 200_000));
    let largest = counts.top(1_000);
    assert_eq!(largest.others, Some(Others { groups: 199_000, events: 199_000 }));
}
