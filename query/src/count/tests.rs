use std::collections::{BTreeMap, BTreeSet};

use ingest::event::AuditEvent;
use ingest::index::schema::Fields;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::filter::NoSets;
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
    assert_eq!(whole.rows, [CountRow { values: Vec::new(), count: 6 }]);
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
        let counts = count_in(&view, &question, &by(&names), interval.as_ref()).expect("counts");

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
    }
}
