//! The records of coverage: what documents hold, and readers put together.

use serde::{Deserialize, Serialize};

use super::Hour;

/// One record. Records of a source have no order: they add up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// What came in of an hour.
    Hour(Hour),
    /// A time over which all lines are proven to be there, unless an [`Incident`] falls into it.
    Stretch(Stretch),
    /// Something is, or may be, missing.
    Incident(Incident),
    /// A heartbeat that an incident calls missing was found after all.
    FoundAfterAll {
        /// Its run.
        run: String,
        /// Its number.
        number: u64,
    },
    /// A process began to follow the source.
    Followed {
        /// When.
        at: i64,
    },
    /// A process stopped as asked; nothing was followed until the next one began.
    Stopped {
        /// When.
        at: i64,
    },
    /// Which nodes the cluster has from then on, as declared; absent: nothing is declared.
    Declared {
        /// When.
        at: i64,
        /// Their names.
        nodes: Option<Vec<String>>,
    },
}

/// How a stretch is proven.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProvenBy)]
pub enum By {
    /// Numbered reads, each found in its order.
    Heartbeat,
    /// The server's own count of its lines.
    Counters,
}

/// A proven time, in nanoseconds since 1970 by keytrail's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// How.
    pub by: By,
    /// The first heartbeat, or reading of the counters.
    pub from: i64,
    /// The last.
    pub to: i64,
    /// How many of them.
    pub times: u64,
}

/// What may be missing, and when it was written, in nanoseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Not before this: the last entry that had been read; none: unknown.
    pub from: Option<i64>,
    /// Not after this.
    pub to: i64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// Kinds of incidents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// Bytes are missing.
    Gap {
        /// At least so many; none: unknown.
        at_least: Option<u64>,
        /// In words.
        why: String,
    },
    /// Nobody can say whether something stood between two files.
    Continuity {
        /// In words.
        why: String,
    },
    /// The source logged tokens in clear and was refused.
    RefusedRaw,
    /// Heartbeats that the server answered are not in its log, though later lines are.
    Heartbeats {
        /// Their run.
        run: String,
        /// Their numbers.
        numbers: Vec<u64>,
    },
    /// Two heartbeats stand in the log in another order than they were sent.
    Order {
        /// The later one's number.
        number: u64,
    },
    /// The server counted other lines than came in.
    Counters {
        /// Request and response lines that the server counted.
        server: u64,
        /// At least so many of them came in.
        least: u64,
        /// At most so many: lines written while the counters were read may belong to either side.
        most: u64,
    },
}

impl What {
    /// Returns the kind's word, as in a record.
    pub fn kind(&self) -> &'static str {
        match self {
            What::Gap { .. } => "gap",
            What::Continuity { .. } => "continuity",
            What::RefusedRaw => "refused_raw",
            What::Heartbeats { .. } => "heartbeats",
            What::Order { .. } => "order",
            What::Counters { .. } => "counters",
        }
    }

    /// Returns what happened, in a sentence's middle.
    pub fn words(&self) -> String {
        match self {
            What::Gap { at_least: Some(bytes), why } => {
                format!("at least {bytes} bytes are missing: {why}")
            }
            What::Gap { at_least: None, why } => format!("bytes are missing: {why}"),
            What::Continuity { why } => format!("continuity not proven: {why}"),
            What::RefusedRaw => "refused, since it logs tokens in clear".to_owned(),
            What::Heartbeats { numbers, .. } => {
                format!("{} of keytrail's heartbeats are not in the log", numbers.len())
            }
            What::Order { number } => {
                format!("heartbeat {number} stands in the log before an earlier one")
            }
            What::Counters { server, least, most } if least == most => {
                format!("the server counted {server} lines, {least} came in")
            }
            What::Counters { server, least, most } => {
                format!("the server counted {server} lines, {least} to {most} came in")
            }
        }
    }
}
