//! Alarms: which conditions hold, and who is to be told of them now.
//!
//! Pure: a look at the trail gives [`Condition`]s, [`Alarms`] remembers what was told, and gives out the
//! [`Message`]s that are due. Sending them is for [`crate::outside::alert`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::AlertConfig;

/// What an alarm is raised on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum On {
    /// Something is missing, or may be.
    Gap,
    /// A source gives no lines, or not those of heartbeats.
    Silence,
    /// Lines are read, or indexed, later than they should.
    Lag,
    /// The data folder's volume is nearly full.
    Disk,
    /// The ledger is not what was signed.
    Verify,
    /// A server's clock is not ours.
    Clock,
    /// A sink stands still, or its receiver refuses events.
    Sink,
}

impl On {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            On::Gap => "gap",
            On::Silence => "silence",
            On::Lag => "lag",
            On::Disk => "disk",
            On::Verify => "verify",
            On::Clock => "clock",
            On::Sink => "sink",
        }
    }

    /// How long it has to hold when the configuration does not say: what is lost does not come back.
    fn after(self) -> Duration {
        match self {
            On::Gap | On::Verify => Duration::ZERO,
            On::Silence | On::Lag | On::Disk | On::Clock | On::Sink => Duration::from_secs(60),
        }
    }
}

/// Something that is the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) on: On,
    /// A source, a sink, or `ledger`, `index`, `data`.
    pub(crate) subject: String,
    /// Tells apart what is of one kind and subject: the time of a gap.
    pub(crate) which: String,
    /// In words.
    pub(crate) text: String,
    /// Since when, in nanoseconds since 1970, if that is known better than by looking.
    pub(crate) since: Option<i64>,
    /// A measure that each alert compares with its own bound; none: it holds for all.
    pub(crate) measure: Option<Duration>,
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Which alert of the configuration, by number.
    pub(crate) alert: usize,
    pub(crate) condition: Condition,
    pub(crate) state: State,
    /// Since when it holds, in nanoseconds since 1970.
    pub(crate) since: i64,
}

/// What is told of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It holds, for the first time.
    Firing,
    /// It still holds.
    Repeated,
    /// It holds no more.
    Resolved,
}

/// Conditions held at once: an attacker may make many gaps, and each is a message.
const HELD_MAX: usize = 1000;

/// What was told to whom.
#[derive(Default)]
pub(crate) struct Alarms {
    held: BTreeMap<Key, Held>,
}

/// The alert's name, so that another configuration goes on with what was told; what, of what, which.
type Key = (String, On, String, String);

struct Held {
    condition: Condition,
    since: i64,
    told: Option<i64>,
}

impl Alarms {
    /// Takes in all conditions that hold now, and returns what is to be told.
    pub(crate) fn look(
        &mut self,
        alerts: &[AlertConfig],
        conditions: &[Condition],
        now: i64,
    ) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut holding = std::collections::BTreeSet::new();
        for (alert, config) in alerts.iter().enumerate() {
            for condition in conditions.iter().filter(|condition| applies(config, condition)) {
                let Condition { on, subject, which, .. } = condition.clone();
                let key = (config.name.clone(), on, subject, which);
                holding.insert(key.clone());
                if self.held.len() >= HELD_MAX && !self.held.contains_key(&key) {
                    continue;
                }
                let held = self.held.entry(key).or_insert_with(|| Held {
                    condition: condition.clone(),
                    since: condition.since.unwrap_or(now),
                    told: None,
                });
                held.condition.text.clone_from(&condition.text);
                let state = match held.told {
                    None if now - held.since
                        >= ns(config.after.unwrap_or(condition.on.after())) =>
                    {
                        State::Firing
                    }
                    Some(told) if config.repeat.is_some_and(|repeat| now - told >= ns(repeat)) => {
                        State::Repeated
                    }
                    _ => continue,
                };
                held.told = Some(now);
                let condition = held.condition.clone();
                messages.push(Message { alert, condition, state, since: held.since });
            }
        }
        self.held.retain(|key, held| {
            let holds = holding.contains(key);
            // Whom the configuration does not name any more is told nothing.
            let alert = alerts.iter().position(|config| config.name == key.0);
            if let (false, Some(_), Some(alert)) = (holds, held.told, alert) {
                let condition = held.condition.clone();
                let since = held.since;
                messages.push(Message { alert, condition, state: State::Resolved, since });
            }
            holds
        });
        messages
    }

    /// Returns how many conditions of this kind have been told and hold.
    pub(crate) fn firing(&self, alert: &str, on: On) -> usize {
        self.held
            .iter()
            .filter(|(key, held)| key.0 == alert && key.1 == on && held.told.is_some())
            .count()
    }
}

fn applies(config: &AlertConfig, condition: &Condition) -> bool {
    let exceeds = |bound: Option<Duration>| match (condition.measure, bound) {
        (None, _) => true,
        (Some(measure), Some(bound)) => measure > bound,
        (Some(_), None) => false,
    };
    config.on.contains(&condition.on)
        && match condition.on {
            On::Silence => exceeds(config.silence),
            On::Clock => exceeds(Some(config.skew)),
            On::Gap | On::Lag | On::Disk | On::Verify | On::Sink => true,
        }
}

fn ns(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Target;

    const SECOND: i64 = 1_000_000_000;

    fn alert(on: &[On], after: Option<u64>, repeat: Option<u64>) -> AlertConfig {
        AlertConfig {
            name: "on-call".into(),
            on: on.to_vec(),
            to: Target::Command(vec!["true".into()]),
            after: after.map(Duration::from_secs),
            repeat: repeat.map(Duration::from_secs),
            silence: Some(Duration::from_secs(300)),
            skew: Duration::from_secs(5),
        }
    }

    fn condition(on: On, which: &str, measure: Option<u64>) -> Condition {
        Condition {
            on,
            subject: "c/n/file".into(),
            which: which.into(),
            text: "words".into(),
            since: None,
            measure: measure.map(Duration::from_secs),
        }
    }

    /// What is told at each second, given which conditions hold then.
    fn told(alerts: &[AlertConfig], seconds: &[(i64, &[Condition])]) -> Vec<String> {
        let mut alarms = Alarms::default();
        let mut told = Vec::new();
        for (second, conditions) in seconds {
            for message in alarms.look(alerts, conditions, second * SECOND) {
                let Message { condition, state, since, .. } = message;
                let (on, which, since) = (condition.on.as_str(), condition.which, since / SECOND);
                told.push(format!("{second}: {on}{which} {state:?} since {since}"));
            }
        }
        told
    }

    #[test]
    fn a_condition_is_told_once_and_again_when_it_is_over() {
        let gap = [condition(On::Gap, "1", None)];
        let alerts = [alert(&[On::Gap], None, None)];
        let seen = told(&alerts, &[(1, &gap), (2, &gap), (90, &gap), (91, &[]), (92, &[])]);
        assert_eq!(seen, ["1: gap1 Firing since 1", "91: gap1 Resolved since 1"]);
    }

    #[test]
    fn two_gaps_are_two_alarms() {
        let (one, two) = (condition(On::Gap, "1", None), condition(On::Gap, "2", None));
        let alerts = [alert(&[On::Gap], None, None)];
        let seen =
            told(&alerts, &[(1, std::slice::from_ref(&one)), (2, &[one.clone(), two.clone()])]);
        assert_eq!(seen, ["1: gap1 Firing since 1", "2: gap2 Firing since 2"]);
    }

    #[test]
    fn what_passes_before_its_time_is_never_told() {
        let lag = [condition(On::Lag, "", None)];
        let alerts = [alert(&[On::Lag], Some(10), None)];
        assert_eq!(
            told(&alerts, &[(1, &lag), (5, &[]), (6, &lag), (15, &lag)]),
            Vec::<String>::new()
        );
        assert_eq!(told(&alerts, &[(1, &lag), (11, &lag)]), ["11: lag Firing since 1"]);
    }

    #[test]
    fn it_is_repeated_as_often_as_asked() {
        let disk = [condition(On::Disk, "", None)];
        let alerts = [alert(&[On::Disk], Some(0), Some(60))];
        let seen =
            told(&alerts, &[(0, &disk), (59, &disk), (60, &disk), (100, &disk), (120, &disk)]);
        assert_eq!(
            seen,
            ["0: disk Firing since 0", "60: disk Repeated since 0", "120: disk Repeated since 0"]
        );
    }

    #[test]
    fn each_alert_has_its_own_bounds_and_kinds() {
        let quiet = [condition(On::Silence, "", Some(301)), condition(On::Clock, "", Some(4))];
        let mut strict = alert(&[On::Silence, On::Clock], Some(0), None);
        strict.skew = Duration::from_secs(3);
        strict.silence = None;
        let seen = told(&[alert(&[On::Silence, On::Clock], Some(0), None), strict], &[(1, &quiet)]);
        assert_eq!(seen, ["1: silence Firing since 1", "1: clock Firing since 1"]);
        assert!(told(&[alert(&[On::Gap], Some(0), None)], &[(1, &quiet)]).is_empty());
    }
}
