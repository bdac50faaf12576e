//! `[[alert]]` and `[verify]`: who is told of what, and how.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::duration::TypedDuration;
use crate::alarm::On;

/// Repeats more often than this only teach people to look away.
const REPEAT_MIN: Duration = Duration::from_secs(1);

/// `[[alert]]` as typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileAlert {
    name: String,
    on: Vec<On>,
    webhook: Option<String>,
    secret_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    command: Option<Vec<String>>,
    after: Option<TypedDuration>,
    repeat: Option<TypedDuration>,
    silence: Option<TypedDuration>,
    skew: Option<TypedDuration>,
}

/// `[verify]` as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileVerify {
    every: Option<TypedDuration>,
}

impl FileVerify {
    pub(super) fn every(&self) -> Result<Option<Duration>, String> {
        match self.every.map(|TypedDuration(every)| every) {
            Some(every) if every < Duration::from_secs(60) => {
                Err("[verify] every: at least 1m; 24h is usual".to_owned())
            }
            every => Ok(every),
        }
    }
}

/// Who is told of what.
#[derive(Clone, Debug)]
pub(crate) struct AlertConfig {
    /// Its name, unique.
    pub(crate) name: String,
    /// The conditions.
    pub(crate) on: Vec<On>,
    /// Where to.
    pub(crate) to: Target,
    /// How long a condition holds before it is told; none: at once for what cannot pass, a minute for the rest.
    pub(crate) after: Option<Duration>,
    /// After how long it is told again while it holds.
    pub(crate) repeat: Option<Duration>,
    /// A source that gives no line for so long is silent; none: heartbeats alone tell.
    pub(crate) silence: Option<Duration>,
    /// How far a server's clock may be from ours.
    pub(crate) skew: Duration,
}

/// Where an alarm goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// An address that takes JSON by POST.
    Webhook {
        url: String,
        /// Holds the key of the signature.
        secret_file: Option<PathBuf>,
        ca_file: Option<PathBuf>,
    },
    /// A program and its arguments; it reads the JSON from standard input.
    Command(Vec<String>),
}

/// Checks what was typed.
pub(super) fn alerts(typed: Vec<FileAlert>) -> Result<Vec<AlertConfig>, String> {
    let mut alerts: Vec<AlertConfig> = Vec::new();
    for alert in typed {
        let name = alert.name.clone();
        let alert = mean(alert).map_err(|problem| format!("[[alert]] {name:?}: {problem}"))?;
        if alerts.iter().any(|earlier| earlier.name == name) {
            return Err(format!("[[alert]] {name:?} is there twice: give each its own name"));
        }
        alerts.push(alert);
    }
    Ok(alerts)
}

fn mean(typed: FileAlert) -> Result<AlertConfig, String> {
    let FileAlert {
        name,
        on,
        webhook,
        secret_file,
        ca_file,
        command,
        after,
        repeat,
        silence,
        skew,
    } = typed;
    if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
        return Err("the name must have 1 to 100 bytes and no control character".to_owned());
    }
    if on.is_empty() {
        return Err("on = [] is never told; name conditions, as [\"gap\", \"silence\"]".to_owned());
    }
    let to = match (webhook, command) {
        (Some(url), None) => {
            if !url.starts_with("https://") && !url.starts_with("http://") {
                return Err(format!("webhook {url:?} must begin with https:// or http://"));
            }
            Target::Webhook { url, secret_file, ca_file }
        }
        (None, Some(command)) if command.first().is_some_and(|program| !program.is_empty()) => {
            if secret_file.is_some() || ca_file.is_some() {
                return Err("secret_file and ca_file belong to a webhook".to_owned());
            }
            Target::Command(command)
        }
        (None, Some(_)) => return Err("command = [] names no program".to_owned()),
        _ => return Err("give it either a webhook or a command".to_owned()),
    };
    let repeat = repeat.map(|TypedDuration(repeat)| repeat);
    if repeat.is_some_and(|repeat| repeat < REPEAT_MIN) {
        return Err("repeat must be 1s or more; 4h is usual".to_owned());
    }
    Ok(AlertConfig {
        name,
        on,
        to,
        after: after.map(|TypedDuration(after)| after),
        repeat,
        silence: silence.map(|TypedDuration(silence)| silence),
        skew: skew.map_or(Duration::from_secs(5), |TypedDuration(skew)| skew),
    })
}
