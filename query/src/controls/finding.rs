//! What a control found: as data, from which pages, tables and packs are written.

use std::collections::BTreeMap;
use std::fmt;

use ingest::event::Uid;
use serde::{Serialize, Serializer};

use super::control::{Kind, Severity};
use super::param::ParamUsed;
use crate::period::rfc3339;
use crate::question::LeftOut;
use crate::registers::RegisterTold;

/// The answers of controls over a period.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The ledger.
    pub origin: String,
    /// The cluster.
    pub cluster: String,
    /// Leaves of the ledger that the answer covers: 0 up to this number, itself not included.
    pub leaf: u64,
    /// The period as it was asked for.
    pub period: String,
    /// Its first moment, in nanoseconds since 1970; null: from the first event.
    #[serde(serialize_with = "time")]
    pub from: Option<i64>,
    /// Its end, which does not belong to it; null: to the last event.
    #[serde(serialize_with = "time")]
    pub to: Option<i64>,
    /// The zone in which dates were meant.
    pub zone: String,
    /// The first event of the period.
    #[serde(serialize_with = "time")]
    pub first: Option<i64>,
    /// The last event of the period. After it nothing is known.
    #[serde(serialize_with = "time")]
    pub last: Option<i64>,
    /// Events of the period that count.
    pub events: u64,
    /// Events of the period that do not.
    pub left_out: LeftOut,
    /// How complete the log is over the period.
    pub coverage: String,
    /// From where the trail begins, if retention removed what was before.
    pub horizon: Option<String>,
    /// SHA-256 of the catalogue as it was run.
    pub catalogue: String,
    /// The registers as they were.
    pub registers: Vec<RegisterTold>,
    /// One for each control that was asked, in the catalogue's order.
    pub findings: Vec<Finding>,
}

/// The answer of a control.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Its id.
    pub control: String,
    /// The version of the control.
    pub version: u32,
    /// Its title.
    pub title: String,
    /// From what it is answered.
    pub kind: Kind,
    /// How grave an exception is.
    pub severity: Severity,
    /// The answer.
    pub verdict: Verdict,
    /// What it rests on. The gravest first, then the oldest.
    pub exceptions: Vec<Exception>,
    /// What was looked at.
    pub evaluated: Evaluated,
    /// The parameters with which it was run.
    pub params: Vec<ParamUsed>,
    /// What is not there, so that nothing found means nothing.
    pub missing: Vec<String>,
    /// What has to be known to read it rightly.
    pub notes: Vec<String>,
}

/// What a control looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evaluated {
    /// From when, in nanoseconds since 1970.
    #[serde(serialize_with = "time")]
    pub from: Option<i64>,
    /// Until when: the period's end, or the end of the log if that is earlier.
    #[serde(serialize_with = "time")]
    pub to: Option<i64>,
    /// Events (of what is asked of the log itself: lines) that each of its rules looked at.
    pub events: BTreeMap<String, u64>,
}

/// What a control says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that it needs was there, and nothing was found.
    NoExceptionsFound,
    /// So many were found.
    Exceptions {
        /// Of which nobody has disposed.
        open: u64,
        /// The others.
        dispositioned: u64,
    },
    /// Something that it needs is not there.
    NoData,
    /// A register says that it does not apply.
    NotApplicable {
        /// Why.
        reason: String,
        /// Who says so.
        by: String,
    },
    /// Nothing was found with a parameter that is too loose to mean something.
    Weakened,
    /// It could not be run.
    NotRun {
        /// Why.
        why: String,
    },
}

/// An exception to a control.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Exception {
    /// Control, cluster, rule and subject: the same whenever and wherever it is found.
    pub key: String,
    /// SHA-256 of the key.
    pub hash: String,
    /// The rule of the control.
    pub rule: String,
    /// How grave it is.
    pub severity: Severity,
    /// What its events have in common; null where they have no such value.
    pub subject: BTreeMap<String, Option<String>>,
    /// The time of its first event, in nanoseconds since 1970.
    #[serde(serialize_with = "time")]
    pub first: Option<i64>,
    /// The time of its last event.
    #[serde(serialize_with = "time")]
    pub last: Option<i64>,
    /// How many events it has.
    pub count: u64,
    /// The first of them, at most [`super::UIDS_MAX`].
    pub uids: Vec<Uid>,
    /// A filter for exactly these events; null: the grammar cannot tell them from others.
    pub filter: Option<String>,
    /// What happened.
    pub words: String,
}

fn time<S: Serializer>(time: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(rfc3339).serialize(serializer)
}

impl Finding {
    /// Counts which of the exceptions somebody has disposed of.
    pub fn settle(&mut self, is_disposed: impl Fn(&Exception) -> bool) {
        if let Verdict::Exceptions { open, dispositioned } = &mut self.verdict {
            let disposed = self.exceptions.iter().filter(|it| is_disposed(it)).count() as u64;
            (*open, *dispositioned) = (self.exceptions.len() as u64 - disposed, disposed);
        }
    }
}

/// The words for people.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::NoExceptionsFound => f.pad("no exceptions found"),
            Verdict::Exceptions { open, dispositioned } => {
                f.pad(&format!("exceptions ({open} open, {dispositioned} dispositioned)"))
            }
            Verdict::NoData => f.pad("no data"),
            Verdict::NotApplicable { reason, by } => {
                f.pad(&format!("not applicable ({reason}, says {by})"))
            }
            Verdict::Weakened => f.pad("weakened"),
            Verdict::NotRun { .. } => f.pad("not run"),
        }
    }
}
