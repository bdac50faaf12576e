//! Each rule finds its positive lines and not its negative ones, in every format, by rsigma-eval; and in the recordings
//! what was counted without it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::*;
use crate::encode::Wrap;
use crate::encode::recorded::{events, of_lines, recordings};
use crate::encode::{Options, control, encode};
use crate::encoding::Encoding;
use crate::format::Format;
use crate::outgoing::Outgoing;
use crate::totals::testing;

/// What is given to the program that evaluates rules: runs of events, each with a name.
type Runs = Vec<(String, Vec<Outgoing>)>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/rules")
}

/// Evaluates all rules: how many events of a run each of them fired on. `None` without the program.
fn found(runs: &Runs, format: Format) -> Option<BTreeMap<(String, String), usize>> {
    let mut asked = Vec::new();
    for (run, items) in runs {
        for item in items {
            let time = item.event.time.as_ref().or(item.event.completed.as_ref());
            let at = time.map_or(0, |time| time.unix_ns / 1_000_000_000);
            let event: Value =
                serde_json::from_slice(&encode(format, item, &Options::default())).unwrap();
            writeln!(asked, "{}", json!({"run": run, "at": at, "event": event})).unwrap();
        }
    }
    evaluated(asked, format)
}

fn evaluated(asked: Vec<u8>, format: Format) -> Option<BTreeMap<(String, String), usize>> {
    let Some(program) = std::env::var_os("KEYTRAIL_SIGMA_PEER") else {
        let required = std::env::var_os("KEYTRAIL_TOOLS").is_some_and(|value| value == "required");
        assert!(!required, "KEYTRAIL_SIGMA_PEER names no program: run cargo xtask test");
        eprintln!(
            "nothing was checked here, since KEYTRAIL_SIGMA_PEER is not set: see cargo xtask test"
        );
        return None;
    };
    let mut command = Command::new(program);
    command.arg(folder()).stdin(Stdio::piped()).stdout(Stdio::piped());
    if format != Format::Event {
        command.arg(folder().join("pipelines").join(format!("{format}.yml")));
    }
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(&asked).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    let mut found = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let word = |key: &str| line[key].as_str().unwrap().to_owned();
        if let Some(name) = name_of(&word("title")) {
            *found.entry((word("run"), name)).or_default() += 1;
        }
    }
    Some(found)
}

/// A rule's name; none of one that only stands in a file to be counted.
fn name_of(title: &str) -> Option<String> {
    let counted = format!("---\ntitle: {title}\n");
    match RULES.iter().find(|rule| rule.title() == title) {
        Some(rule) => Some(rule.name.to_owned()),
        None if RULES.iter().any(|rule| rule.text.contains(&counted)) => None,
        None => panic!("no rule is called {title}"),
    }
}

fn counts(rule: &PackFile) -> bool {
    rule.text.contains("\ncorrelation:\n")
}

/// The sample lines of a rule: those that it finds, each alone unless the rule counts, and the others.
fn samples(rule: &PackFile) -> Runs {
    let path = folder().join(format!("samples/{}.jsonl", rule.name));
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut runs: Runs = Vec::new();
    for item in of_lines(text.split_inclusive(|&byte| byte == b'\n')) {
        let id = item.event.request_id.clone().unwrap();
        let run = if counts(rule) { id.split('-').next().unwrap().to_owned() } else { id };
        let run = format!("{}/{run}", rule.name);
        match runs.iter_mut().find(|(name, _)| *name == run) {
            Some((_, items)) => items.push(item),
            None => runs.push((run, vec![item])),
        }
    }
    runs
}

#[test]
fn the_pack_is_what_is_in_the_folder() {
    let names = |folder: PathBuf| -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| {
                entry.unwrap().file_name().to_str()?.strip_suffix(".yml").map(str::to_owned)
            })
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(folder()), RULES.iter().map(|rule| rule.name).collect::<Vec<_>>());
    assert_eq!(
        names(folder().join("pipelines")),
        PIPELINES.iter().map(|it| it.name).collect::<Vec<_>>()
    );
    let titles: BTreeSet<&str> = RULES.iter().map(PackFile::title).collect();
    assert_eq!(titles.len(), RULES.len());
    for rule in RULES {
        assert!(["low", "medium", "high", "critical"].contains(&rule.level()), "{}", rule.name);
        assert!(!rule.techniques().is_empty(), "{}", rule.name);
        assert!(rule.text.contains("\nrunbook: >-\n    "), "{}", rule.name);
        assert!(rule.text.contains("\nfalsepositives:\n"), "{}", rule.name);
    }
}

/// A runbook's questions are questions that keytrail reads.
#[test]
fn the_filters_of_runbooks_are_read() {
    let mut count = 0;
    for rule in RULES {
        let text = rule.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for command in ["keytrail search '", "keytrail count '"] {
            for rest in text.split(command).skip(1) {
                let filter = rest.split('\'').next().unwrap();
                let read = query::filter::Filter::parse(filter, jiff::Timestamp::now());
                assert!(read.is_ok(), "{}: {filter}: {:?}", rule.name, read.err());
                count += 1;
            }
        }
    }
    assert!(count > 15, "{count} filters");
}

#[test]
fn each_rule_finds_its_positives_and_not_its_negatives_in_every_format() {
    let runs: Runs = RULES.iter().flat_map(samples).collect();
    let mut wrong = Vec::new();
    for format in [Format::Event, Format::Ecs, Format::Ocsf, Format::Splunk] {
        let Some(found) = found(&runs, format) else { return };
        for rule in RULES {
            let own = runs.iter().filter(|(run, _)| run.starts_with(&format!("{}/", rule.name)));
            let mut kinds = BTreeSet::new();
            for (run, _) in own {
                let is_positive = run.contains("/match");
                kinds.insert(is_positive);
                let fired = found.contains_key(&(run.clone(), rule.name.to_owned()));
                if fired != is_positive {
                    wrong.push(format!(
                        "{format} {run}: {}",
                        if fired { "found" } else { "missed" }
                    ));
                }
            }
            assert_eq!(kinds.len(), 2, "{} has positive and negative lines", rule.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_rule_takes_a_control_total_for_an_access() {
    for format in [Format::Event, Format::Ecs, Format::Ocsf, Format::Splunk] {
        let encoding = Encoding { format, options: Options::default(), wrap: Wrap::Nothing };
        let total: Value =
            serde_json::from_slice(&control::encode(&testing::total(), &encoding).0).unwrap();
        let mut asked = Vec::new();
        // As many as rules that count ask for.
        for at in 0..200 {
            writeln!(asked, "{}", json!({"run": "totals", "at": at, "event": total})).unwrap();
        }
        let Some(found) = evaluated(asked, format) else { return };
        assert!(found.is_empty(), "{format}: {found:?}");
    }
}

/// A recording, a rule, how many events it fires on, parted by tabs; `+` of rules that count.
const EXPECTED: &str = include_str!("../../../fixtures/expected/detections.tsv");

#[test]
fn the_recordings_hold_what_was_counted_by_hand() {
    let runs: Runs = recordings().into_iter().map(|name| (name.clone(), events(&name))).collect();
    let Some(found) = found(&runs, Format::Event) else { return };
    let counting: BTreeSet<&str> =
        RULES.iter().filter(|rule| counts(rule)).map(|rule| rule.name).collect();
    let told: BTreeSet<String> = found
        .into_iter()
        .map(|((run, rule), count)| match counting.contains(&*rule) {
            true => format!("{run}\t{rule}\t+"),
            false => format!("{run}\t{rule}\t{count}"),
        })
        .collect();
    let expected: BTreeSet<String> = EXPECTED.lines().map(str::to_owned).collect();
    let more: Vec<_> = told.difference(&expected).collect();
    let less: Vec<_> = expected.difference(&told).collect();
    assert!(more.is_empty() && less.is_empty(), "found only: {more:#?}\nexpected only: {less:#?}");
}
