//! A control as data: what the catalogue says of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::field::Field;
use super::param::{Param, Value};

/// A control: a question to the trail, and what is an exception to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// `KT-ROOT-01`.
    pub id: String,
    /// Grows with each change of what it raises.
    pub version: u32,
    /// A few words.
    pub title: String,
    /// From what it is answered.
    pub kind: Kind,
    /// How grave an exception is, unless its rule says otherwise.
    pub severity: Severity,
    /// What it asks.
    pub question: String,
    /// Why an exception matters.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
    /// What raises it without being wrong.
    pub false_positives: String,
    /// How an exception may be disposed of.
    pub disposition_codes: Vec<Disposition>,
    /// Lengths of time, numbers and shares.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// What is an exception. One is enough.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
}

/// What is an exception to a control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A word for it, part of an exception's key.
    pub id: String,
    /// How events become exceptions.
    #[serde(default)]
    pub form: Form,
    /// Which events, in the grammar of filters; `$name` is a parameter.
    #[serde(default)]
    pub query: String,
    /// What the events of one exception have in common: its key.
    #[serde(default)]
    pub by: Vec<Field>,
    /// Of `within`, the length of the window; of other forms, what they say of it.
    #[serde(default)]
    pub window: Option<String>,
    /// Of `within`: so many events, or so many values of `distinct`, are an exception.
    #[serde(default)]
    pub at_least: Option<Value>,
    /// Of `within`: counted are the different values of this field.
    #[serde(default)]
    pub distinct: Option<Field>,
    /// Of `within`: what makes it graver.
    #[serde(default)]
    pub then: Option<Then>,
    /// Registers that it cannot do without.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Registers whose rows excuse an event.
    #[serde(default)]
    pub excused_by: Vec<String>,
    /// Of `outside`: where it would be seen.
    #[serde(default)]
    pub source: Option<Outside>,
    /// How grave it is; absent: as the control.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// The exception in words; `{name}` is a field, a parameter, or one of `count`, `distinct`, `first`, `last`.
    pub words: String,
}

/// What makes an exception graver: an event of another kind soon after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Then {
    /// Which events.
    pub query: String,
    /// At most so long after an event of the exception.
    pub within: String,
    /// What both have in common: fields of `by`.
    pub same: Vec<Field>,
    /// How grave it then is.
    pub severity: Severity,
    /// What is added to its words.
    pub words: String,
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident $word:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum $name { $($(#[$of])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Returns the word.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }
    )+};
}

words! {
    /// From what a control is answered.
    Kind {
        /// Each event is one.
        Event "event",
        /// Counts within windows.
        Agg "agg",
        /// One thing after another, or not.
        Seq "seq",
        /// What is new against what was before.
        Base "base",
        /// The log about itself.
        Meta "meta",
        /// What the server is configured to be.
        Snap "snap",
        /// What the server answers when it is asked.
        Probe "probe",
        /// What a person states.
        Attest "attest",
    }
    /// How grave an exception is, the gravest last.
    Severity {
        /// A month is time enough.
        Low "low",
        /// Ten days.
        Medium "medium",
        /// Three days.
        High "high",
        /// A day.
        Critical "critical",
    }
    /// What may become of an exception.
    Disposition {
        /// It was meant to be.
        Expected "expected",
        /// It is none.
        FalsePositive "false_positive",
        /// Somebody takes the risk, for a time.
        AcceptedRisk "accepted_risk",
        /// It was mended.
        Remediated "remediated",
        /// It is looked into as an incident.
        Incident "incident",
    }
    /// Where something is to be seen that no audit log has.
    Outside {
        /// The server's answer about its seal.
        Probe "probe",
        /// The server's configuration, read by its API.
        Snapshot "snapshot",
        /// What a person states, with a file.
        Attestation "attestation",
    }
}

/// How events become exceptions: a plain form, or a rule with a name of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// All events of one key are an exception.
    #[default]
    Each,
    /// So many within a window.
    Within,
    /// The log cannot tell; see `source`.
    Outside,
    /// A value or pair that was not seen before.
    FirstSeen,
    /// A probe of an audit device that no enabling explains.
    DeviceStart,
    /// A root token that another gave out.
    RootBorn,
    /// A root token that is not revoked in time.
    RootLife,
    /// Leases without renewal or revocation.
    LeaseEnds,
    /// A secret that is read and was not written for long.
    NotWritten,
    /// A sensitive path read by somebody who may not.
    SensitiveReader,
    /// An identity that came no more.
    Dormant,
    /// A policy that an identity holds and that granted nothing.
    UnusedPolicy,
    /// Duties that one identity should not have both of.
    SelfGranted,
    /// Refused, changed by the same identity, then allowed.
    SelfElevated,
    /// Whoever governs the audit devices reads secrets.
    AuditorReads,
    /// Tickets that their actor approved.
    SelfApproved,
    /// Somebody who has left still comes.
    LeaverActive,
    /// A login by a way that is not approved.
    LoginMethod,
    /// Heartbeats that the log lacks.
    Heartbeats,
    /// Counts that do not agree.
    Ties,
    /// Bytes that are missing from followed files.
    Altered,
    /// Clocks that differ.
    Clock,
    /// A clock that goes back from one line to the next.
    ClockBack,
    /// Nearly all of what was listed is read.
    Sweep,
    /// Reviews of access that are not held often enough.
    ReviewHeld,
    /// A review of access that was not decided in time.
    ReviewLate,
    /// What a review of access took away is still held.
    ReviewEffect,
}

impl Outside {
    /// Says what is missing.
    pub(crate) fn lacks(self) -> &'static str {
        match self {
            Outside::Probe => "no audit log tells it, and the server's seal status is not recorded",
            Outside::Snapshot => {
                "no audit log tells it, and there is no snapshot of the server's configuration"
            }
            Outside::Attestation => "no log tells it, and nobody has stated it",
        }
    }
}
