//! Control files: read, checked against what the engine knows, or refused at their place.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use thiserror::Error;

use super::control::{Control, Form, Rule};
use super::field::Field;
use crate::filter::{Filter, nearest};
use crate::period;
use crate::registers;

/// Why a control file cannot be used.
#[derive(Debug, Error)]
pub enum CatalogueError {
    /// It cannot be read.
    #[error("{} cannot be read: {problem}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        problem: std::io::Error,
    },
    /// It is no control file.
    #[error("{file}: {problem}")]
    Form {
        /// Which.
        file: String,
        /// What is wrong, where.
        problem: String,
    },
    /// A control in it means nothing.
    #[error("{file}: {control}: {problem}")]
    Control {
        /// The file.
        file: String,
        /// The control.
        control: String,
        /// What is wrong with it, and the remedy.
        problem: String,
    },
}

/// Declares the files of controls that are part of the program.
macro_rules! built_in {
    ($($name:literal)+) => {
        /// The files of controls that are part of the program: name and text.
        pub(crate) const BUILT_IN: &[(&str, &str)] = &[$((
            concat!("controls/", $name, ".toml"),
            include_str!(concat!("../../../assets/catalogue/controls/", $name, ".toml")),
        ),)+];
    };
}

built_in! { "root" "seal" "log" "auth" "token" "lease" "secret" "entitlement" "change" }

/// Every key that a control file may have, for suggestions.
const KEYS: &[&str] = &[
    "control",
    "id",
    "version",
    "title",
    "kind",
    "severity",
    "question",
    "why",
    "remedy",
    "false_positives",
    "disposition_codes",
    "params",
    "rule",
    "form",
    "query",
    "by",
    "window",
    "at_least",
    "distinct",
    "then",
    "needs",
    "excused_by",
    "source",
    "words",
    "type",
    "default",
    "strictest",
    "looser",
    "within",
    "same",
];

/// Reads the controls that are part of the program.
///
/// # Errors
/// A file of ours is wrong; a test reads them all.
pub(crate) fn built_in() -> Result<Vec<Control>, CatalogueError> {
    let mut controls = Vec::new();
    for (file, text) in BUILT_IN {
        controls.extend(parse(file, text)?);
    }
    unique(&controls)?;
    Ok(controls)
}

/// Puts the controls of an operator's folder over others: the same id replaces the whole control, another is added.
///
/// # Errors
/// A file that cannot be read or used; the message names file, control and place.
pub(crate) fn override_by(
    controls: &mut Vec<Control>,
    folder: &Path,
) -> Result<(), CatalogueError> {
    let unreadable =
        |path: &Path, problem| CatalogueError::Unreadable { path: path.into(), problem };
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, error))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> =
        paths.collect::<Result<_, _>>().map_err(|error| unreadable(folder, error))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let mut own = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
        own.extend(parse(&path.display().to_string(), &text)?);
    }
    unique(&own)?;
    for control in own {
        match controls.iter_mut().find(|known| known.id == control.id) {
            Some(known) => *known = control,
            None => controls.push(control),
        }
    }
    Ok(())
}

fn unique(controls: &[Control]) -> Result<(), CatalogueError> {
    let mut ids = BTreeSet::new();
    match controls.iter().find(|control| !ids.insert(&control.id)) {
        None => Ok(()),
        Some(twice) => Err(CatalogueError::Control {
            file: "the catalogue".to_owned(),
            control: twice.id.clone(),
            problem: "the id is there twice: keep one of them".to_owned(),
        }),
    }
}

pub(super) fn parse(file: &str, text: &str) -> Result<Vec<Control>, CatalogueError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        control: Vec<Control>,
    }
    let File { control: controls } = toml::from_str(text).map_err(|error| {
        let problem = explain(&error.to_string());
        CatalogueError::Form { file: file.to_owned(), problem }
    })?;
    for control in &controls {
        check(control).map_err(|problem| CatalogueError::Control {
            file: file.to_owned(),
            control: control.id.clone(),
            problem,
        })?;
    }
    Ok(controls)
}

/// Adds to the reader's message what an unknown key may have been meant to be.
fn explain(message: &str) -> String {
    let unknown = message.split("unknown field `").nth(1).and_then(|rest| rest.split('`').next());
    match unknown.and_then(|unknown| nearest(unknown, KEYS.iter().copied())) {
        Some(meant) => format!("{message}\ndid you mean `{meant}`?"),
        None => message.to_owned(),
    }
}

fn check(control: &Control) -> Result<(), String> {
    for (name, param) in &control.params {
        param.check().map_err(|problem| format!("parameter {name}: {problem}"))?;
    }
    if control.rules.is_empty() {
        return Err("it has no rule: write [[control.rule]]".to_owned());
    }
    let mut ids = BTreeSet::new();
    for rule in &control.rules {
        if !ids.insert(&rule.id) {
            return Err(format!("the rule {} is there twice", rule.id));
        }
        check_rule(control, rule).map_err(|problem| format!("rule {}: {problem}", rule.id))?;
    }
    if control.disposition_codes.is_empty() {
        return Err("it has no disposition_codes".to_owned());
    }
    Ok(())
}

fn check_rule(control: &Control, rule: &Rule) -> Result<(), String> {
    let params = Defaults(control);
    let filter = |what: &str, query: &str| {
        let query = params.fill(query).map_err(|problem| format!("{what}: {problem}"))?;
        let filter = Filter::parse(&query, Timestamp::UNIX_EPOCH);
        filter.map(drop).map_err(|error| format!("{what}:\n{}", error.caret()))
    };
    filter("query", &rule.query)?;
    let seconds = |what: &str, text: &str| {
        let text = params.fill(text).map_err(|problem| format!("{what}: {problem}"))?;
        let problem =
            || format!("{what}: {text:?} is no length of time: write 5m, 1h, 90d or $name");
        period::seconds(&text).filter(|&seconds| seconds > 0).map(drop).ok_or_else(problem)
    };
    rule.window.iter().try_for_each(|window| seconds("window", window))?;
    if let Some(at_least) = &rule.at_least {
        let text = params.fill(&at_least.text())?;
        let count = text.parse::<u64>().ok().filter(|count| *count > 0);
        count.ok_or_else(|| format!("at_least: {text:?} is no number from 1 on"))?;
    }
    if let Some(then) = &rule.then {
        filter("then", &then.query)?;
        seconds("then", &then.within)?;
        if let Some(other) = then.same.iter().find(|field| !rule.by.contains(field)) {
            return Err(format!("then: same has {}, which is not in by", other.name()));
        }
    }
    for name in rule.needs.iter().chain(&rule.excused_by) {
        if !registers::names().contains(&name.as_str()) {
            let meant = nearest(name, registers::names());
            let meant = meant.map(|meant| format!(", did you mean {meant}?")).unwrap_or_default();
            return Err(format!("there is no register {name}{meant}"));
        }
    }
    let not_there = |what: &str| format!("the form {} needs {what}", form_name(rule.form));
    match rule.form {
        Form::Each if rule.by.is_empty() => return Err(not_there("by")),
        Form::Within if rule.window.is_none() => return Err(not_there("window")),
        Form::Within if rule.at_least.is_none() => return Err(not_there("at_least")),
        Form::Outside if rule.source.is_none() => return Err(not_there("source")),
        Form::FirstSeen if rule.window.is_none() => return Err(not_there("window")),
        _ => {}
    }
    let derived = [Field::Range, Field::Nat, Field::Area];
    if let Some(field) = rule.by.iter().find(|field| derived.contains(field)) {
        return Err(format!("{} is for distinct alone: no filter finds its events", field.name()));
    }
    let burst = (rule.form == Form::FirstSeen && rule.at_least.is_some()).then_some(&"burst");
    for name in super::rules::params(rule.form).iter().chain(burst) {
        if !control.params.contains_key(*name) {
            return Err(not_there(&format!("the parameter {name}: add [control.params.{name}]")));
        }
    }
    let known = Field::expanded(&rule.by);
    let said: BTreeSet<&str> = ["count", "distinct", "first", "last", "name"]
        .into_iter()
        .chain(known.iter().map(|field| field.name()))
        .chain(control.params.keys().map(String::as_str))
        .chain(super::rules::said(rule.form).iter().copied())
        .collect();
    for name in placeholders(&rule.words) {
        if !said.contains(name) {
            return Err(format!("words: there is no {{{name}}}"));
        }
    }
    Ok(())
}

fn form_name(form: Form) -> String {
    serde_json::to_value(form)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Returns the names between braces.
fn placeholders(words: &str) -> impl Iterator<Item = &str> {
    words.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

/// A control's parameters with their defaults.
struct Defaults<'a>(&'a Control);

impl Defaults<'_> {
    fn fill(&self, text: &str) -> Result<String, String> {
        fill(text, |name| self.0.params.get(name).map(|param| param.default.text()))
    }
}

/// Puts the values of parameters in the place of `$name`.
pub(super) fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = &rest[..end];
        let value = value(name).ok_or_else(|| format!("there is no parameter ${name}"))?;
        filled.push_str(&value);
        rest = &rest[end..];
    }
    filled.push_str(rest);
    Ok(filled)
}
