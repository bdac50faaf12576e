//! The catalogue: every query reads, every action is one of ours, and mistakes are refused at their place.

use std::collections::BTreeSet;

use super::*;
use crate::controls::load::{BUILT_IN, built_in, parse};
use crate::controls::rules::params;

const ACTIONS: &str = include_str!("../../../../assets/catalogue/actions.toml");

#[test]
fn every_built_in_control_can_be_run() {
    let controls = built_in().expect("the catalogue's files read, their queries too");
    assert_eq!(controls.len(), 36);
    for control in &controls {
        let id = &control.id;
        for (what, text) in [
            ("question", &control.question),
            ("why", &control.why),
            ("remedy", &control.remedy),
            ("false_positives", &control.false_positives),
        ] {
            assert!(text.ends_with(['.', '?']), "{id} {what} is a sentence: {text}");
        }
        for (name, param) in &control.params {
            let used = param.used(name, None).expect("a default that can be read");
            assert!(used.is_default && !used.is_weakened, "{id} {name}");
        }
        // A parameter that nothing asks for would promise what it does not do.
        let text = format!("{:?}", control.rules);
        let forms = control.rules.iter().map(|rule| rule.form);
        let by_name: Vec<&str> = forms.flat_map(|form| params(form).iter().copied()).collect();
        for name in control.params.keys() {
            let is_used = text.contains(&format!("${name}"))
                || by_name.contains(&name.as_str())
                || name == "burst";
            assert!(is_used, "{id}: nothing asks for {name}");
        }
    }
}

#[test]
fn every_action_that_a_query_names_is_one_of_ours() {
    let actions: BTreeSet<&str> =
        ACTIONS.split("action = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let mut named = 0;
    for (file, text) in BUILT_IN {
        for rest in text.split("action:").skip(1) {
            let end = rest.find([' ', '"', ')']).expect("an end");
            for action in rest[..end].split(',') {
                named += 1;
                let known = match action.strip_suffix(".*") {
                    Some(group) => {
                        actions.iter().any(|known| known.starts_with(&format!("{group}.")))
                    }
                    // Logins are known by the decision's rules.
                    None => action == "auth.login" || actions.contains(action),
                };
                assert!(known, "{file}: {action}");
            }
        }
    }
    assert!(named > 50, "{named}");
}

const CONTROL: &str = r#"
[[control]]
id = "OWN-01"
version = 1
title = "Own"
kind = "event"
severity = "low"
question = "Is it?"
why = "It is."
remedy = "Do."
false_positives = "None."
disposition_codes = ["expected"]
[control.params.window]
type = "duration"
default = "5m"
strictest = "1m"
looser = "less"
[[control.rule]]
id = "it"
form = "within"
query = "action:secret.read"
by = ["identity"]
window = "$window"
at_least = 3
words = "{count} by {identity} within {window}"
"#;

#[test]
fn mistakes_are_named_with_file_control_and_place() {
    assert!(parse("own.toml", CONTROL).is_ok());
    for (from, to, expected) in [
        (
            "action:",
            "acton:",
            "own.toml: OWN-01: rule it: query:\nacton:secret.read\n^^^^^\n\"acton\" is no key, did you mean \"action\"?",
        ),
        ("title", "titel", "unknown field `titel`"),
        ("title", "titel", "did you mean `title`?"),
        ("at_least = 3", "at_lest = 3", "did you mean `at_least`?"),
        ("\"identity\"", "\"identty\"", "unknown variant `identty`"),
        (
            "$window\"",
            "$windw\"",
            "own.toml: OWN-01: rule it: window: there is no parameter $windw",
        ),
        (
            "\"5m\"",
            "\"30s\"",
            "own.toml: OWN-01: parameter window: the default is looser than the strictest value",
        ),
        ("\"5m\"", "\"soon\"", "own.toml: OWN-01: parameter window: \"soon\" is no length of time"),
        ("{identity}", "{idntity}", "own.toml: OWN-01: rule it: words: there is no {idntity}"),
        (
            "at_least = 3",
            "at_least = 0",
            "own.toml: OWN-01: rule it: at_least: \"0\" is no number from 1 on",
        ),
        ("at_least = 3", "", "own.toml: OWN-01: rule it: the form within needs at_least"),
        (
            "at_least = 3",
            "at_least = 3\nneeds = [\"ticket\"]",
            "own.toml: OWN-01: rule it: there is no register ticket, did you mean tickets?",
        ),
        (
            "form = \"within\"",
            "form = \"root_life\"",
            "own.toml: OWN-01: rule it: the form root_life needs the parameter lifetime",
        ),
        (
            "by = [\"identity\"]",
            "by = [\"range\"]",
            "own.toml: OWN-01: rule it: range is for distinct alone",
        ),
    ] {
        assert!(CONTROL.contains(from), "{from}");
        let error = parse("own.toml", &CONTROL.replace(from, to)).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}\n{expected}");
    }
}

#[test]
fn an_operators_control_replaces_ours_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = CONTROL.replace("OWN-01", "KT-ROOT-01");
    fs::write(folder.path().join("own.toml"), own + CONTROL).expect("written");
    let built_in = Catalogue::built_in();
    let catalogue = built_in.clone().overridden_by(folder.path()).expect("a catalogue");
    assert_eq!(catalogue.controls.len(), built_in.controls.len() + 1);
    let root = catalogue.controls.iter().find(|control| control.id == "KT-ROOT-01");
    assert_eq!(root.expect("there").title, "Own");
    assert_ne!(catalogue.sha256(), built_in.sha256());
    fs::write(folder.path().join("twice.toml"), CONTROL).expect("written");
    let twice = built_in.overridden_by(folder.path()).expect_err("the same id twice");
    assert!(twice.to_string().contains("OWN-01: the id is there twice"), "{twice}");
}
