//! `count` against a pass over all events of `search --all --format json`, by a reading of the filter that shares no
//! code with the program's: random filters over values that events have, grouped by random fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::util::main_recording;

const FILTERS: usize = 60;

/// A filter as a tree, with a text and a meaning.
enum Filter {
    Is { key: &'static str, value: String },
    Has(&'static str),
    Not(Box<Filter>),
    All(Vec<Filter>),
    Any(Vec<Filter>),
}

impl Filter {
    fn random(random: &mut Random, events: &[Value], depth: u32) -> Filter {
        let some = |random: &mut Random| {
            (0..=random.below(2) + 1).map(|_| Filter::random(random, events, depth - 1)).collect()
        };
        match random.below(if depth == 0 { 4 } else { 8 }) {
            0 => Filter::Has(random.pick(KEYS).0),
            1..=3 => loop {
                let &(key, values) = random.pick(KEYS);
                let event = random.pick(events);
                let values: Vec<String> = values(event).into_iter().collect();
                if !values.is_empty() {
                    break Filter::Is { key, value: random.pick(&values).clone() };
                }
            },
            4 => Filter::Not(Box::new(Filter::random(random, events, depth - 1))),
            5 | 6 => Filter::Any(some(random)),
            _ => Filter::All(some(random)),
        }
    }

    fn text(&self) -> String {
        let joined = |parts: &[Filter], by: &str| {
            let parts: Vec<String> = parts.iter().map(Filter::text).collect();
            format!("({})", parts.join(by))
        };
        match self {
            Filter::Is { key, value } => {
                format!("{key}:\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
            }
            Filter::Has(key) => format!("{key}:*"),
            Filter::Not(part) => format!("-({})", part.text()),
            Filter::All(parts) => joined(parts, " "),
            Filter::Any(parts) => joined(parts, " OR "),
        }
    }

    fn keeps(&self, event: &Value) -> bool {
        match self {
            Filter::Is { key, value } => values(key, event).contains(value),
            Filter::Has(key) => !values(key, event).is_empty(),
            Filter::Not(part) => !part.keeps(event),
            Filter::All(parts) => parts.iter().all(|part| part.keeps(event)),
            Filter::Any(parts) => parts.iter().any(|part| part.keeps(event)),
        }
    }
}

type Values = fn(&Value) -> BTreeSet<String>;

/// Keys of the grammar, and what an event's JSON has of each.
const KEYS: &[(&str, Values)] = &[
    ("identity", |event| {
        texts(event, &["/identity/key", "/identity/name", "/identity/names", "/identity/entity_id"])
    }),
    ("entity", |event| texts(event, &["/identity/entity_id"])),
    ("kind", |event| texts(event, &["/identity/kind"])),
    ("method", |event| texts(event, &["/identity/method"])),
    ("op", |event| texts(event, &["/operation"])),
    ("action", |event| texts(event, &["/action"])),
    ("path", |event| texts(event, &["/path"])),
    ("mount", |event| texts(event, &["/mount"])),
    ("engine", |event| texts(event, &["/mount_type"])),
    ("decision", |event| texts(event, &["/decision"])),
    ("outcome", |event| texts(event, &["/outcome"])),
    ("policy", |event| texts(event, &["/granting"])),
    ("held", |event| texts(event, &["/policies"])),
    ("ip", |event| texts(event, &["/remote_address"])),
    ("token", |event| texts(event, &["/identity/token"])),
    ("accessor", |event| texts(event, &["/identity/accessor"])),
    ("request", |event| texts(event, &["/request_id"])),
];

/// Keys that counts can be by.
const BY: &[&str] = &[
    "entity", "kind", "method", "op", "action", "path", "mount", "decision", "outcome", "policy",
    "held", "ip", "token",
];

fn texts(event: &Value, places: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for place in places {
        match event.pointer(place) {
            Some(Value::String(text)) => drop(found.insert(text.clone())),
            Some(Value::Array(texts)) => {
                found.extend(texts.iter().filter_map(|text| Some(text.as_str()?.to_owned())));
            }
            _ => {}
        }
    }
    found.remove("");
    found
}

fn values(key: &str, event: &Value) -> BTreeSet<String> {
    let (_, values) = KEYS.iter().find(|(name, _)| *name == key).unwrap();
    values(event)
}

/// What counts leave out: DESIGN's `forwarded`, `late` and `system`, and a second device's copies.
fn counts(event: &Value) -> bool {
    let flag = |name: &str| event["flags"].as_array().unwrap().iter().any(|flag| flag == name);
    !["forwarded", "system"].iter().any(|reason| event["reason"] == *reason)
        && !flag("late")
        && !flag("copy")
}

/// Groups by the fields' values, and by the minute: an event is once in the group of each value.
fn groups(events: &[&Value], by: &[&str], by_minute: bool) -> BTreeMap<Vec<Option<String>>, u64> {
    let mut groups = BTreeMap::new();
    for event in events {
        let minute = event["time"].as_str().map(|time| format!("{}:00+00:00", &time[..16]));
        let mut keys = vec![if by_minute { vec![minute] } else { Vec::new() }];
        for field in by {
            let values = values(field, event);
            let values: Vec<Option<String>> = match values.is_empty() {
                true => vec![None],
                false => values.into_iter().map(Some).collect(),
            };
            let with = |key: &Vec<Option<String>>| {
                let key = key.clone();
                values
                    .iter()
                    .map(move |value| [&key[..], std::slice::from_ref(value)].concat())
                    .collect::<Vec<_>>()
            };
            keys = keys.iter().flat_map(with).collect();
        }
        keys.into_iter().for_each(|key| *groups.entry(key).or_default() += 1);
    }
    groups
}

/// Numbers from a seed, the same each time (Knuth's linear congruence).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }
}

#[test]
fn every_count_is_what_a_pass_over_all_events_gives() {
    let data = main_recording();
    let events = data.run("search", ["", "--all", "--limit", "0", "--format", "json"]);
    let events = events.expect(0).json();
    let mut random = Random(1);
    let mut matching = 0;
    for _ in 0..FILTERS {
        let filter = Filter::random(&mut random, &events, 2);
        let by = [*random.pick(BY), *random.pick(BY)];
        let by = &by[..if by[0] == by[1] { 1 } else { 1 + random.below(2) }];
        let (all, by_minute) = (random.below(2) == 0, random.below(2) == 0);
        let kept: Vec<&Value> =
            events.iter().filter(|event| filter.keeps(event) && (all || counts(event))).collect();
        matching += usize::from(!kept.is_empty());

        let (text, fields) = (filter.text(), by.join(","));
        let mut arguments = vec![text.as_str(), "--by", &fields, "--format", "json"];
        if all {
            arguments.push("--all");
        }
        if by_minute {
            arguments.extend(["--interval", "1m"]);
        }
        let rows = data.run("count", &arguments).expect(0).json();
        let mut told: BTreeMap<Vec<Option<String>>, u64> = BTreeMap::new();
        for row in &rows {
            let columns = by_minute.then_some("from").into_iter().chain(by.iter().copied());
            let key = columns.map(|column| row[column].as_str().map(str::to_owned)).collect();
            let before = told.insert(key, row["count"].as_u64().unwrap());
            assert_eq!(before, None, "a group twice: {arguments:?}");
        }
        assert_eq!(told, groups(&kept, by, by_minute), "{arguments:?}");
    }
    assert!(matching > FILTERS / 2, "{matching} of {FILTERS} filters keep anything");
}
