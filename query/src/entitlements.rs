//! Who holds which policy, and which of them he used: from the log alone.
//!
//! A token's policies stand in every line of it, and the policies that granted a request stand beside them (F7 of the
//! log's facts). What an identity could have held and never came with is in no log.

use std::collections::{BTreeMap, HashMap};

use ingest::own::Held;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::count::{CountRow, Measures, measure_in};
use crate::error::QueryError;
use crate::filter::{CountField, Filter};
use crate::history::View;
use crate::period::rfc3339;
use crate::question::Question;

/// The most entitlements of an answer.
pub const ENTITLEMENTS_MAX: usize = 100_000;

/// Every token has it unless it was made without, so that nobody reviews it.
pub const NOT_LISTED: &str = "default";

/// That an identity holds a policy, and what it did with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entitlement {
    /// Identity and policy.
    #[serde(flatten)]
    pub held: Held,
    /// The identity's newest name.
    pub name: Option<String>,
    /// human, workload, root, token.
    pub kind: Option<String>,
    /// It is the policy `root`, or granted something that only administrators do.
    pub is_privileged: bool,
    /// Requests at which it was held.
    pub requests: u64,
    /// Requests that it granted.
    pub granted: u64,
    /// When it was first held, in nanoseconds since 1970.
    #[serde(serialize_with = "time")]
    pub first: Option<i64>,
    /// When it was last held.
    #[serde(serialize_with = "time")]
    pub last: Option<i64>,
    /// When it last granted something.
    #[serde(serialize_with = "time")]
    pub last_granted: Option<i64>,
}

/// Who holds what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entitlements {
    /// By identity, then policy.
    pub rows: Vec<Entitlement>,
    /// Events that were looked at.
    pub events: u64,
    /// Those of them that nobody can be named for: failed logins, refused tokens.
    pub without_identity: u64,
}

fn time<S: Serializer>(time: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(rfc3339).serialize(serializer)
}

impl Entitlements {
    /// Finds who holds what by the events of a question.
    ///
    /// # Errors
    /// The index cannot be read; there are more than [`ENTITLEMENTS_MAX`].
    pub fn of(view: &View, question: &Question) -> Result<Entitlements, QueryError> {
        let field = |name| CountField::parse(name, view.fields()).expect("a field of the grammar");
        let grouped = |question: &Question, fields: &[&'static str]| {
            let by: Vec<CountField> = fields.iter().map(|name| field(name)).collect();
            measure_in(view, question, &by, None, Measures { seen: true, latency: false })
        };
        let held = grouped(question, &["identity", "kind", "held"])?;
        let granting = by_pair(grouped(question, &["identity", "policy"])?.rows);
        let privileged = Filter::parse("is:privileged", jiff::Timestamp::UNIX_EPOCH);
        let privileged = [question.filter.clone(), privileged.expect("a filter of ours")];
        let asked = Question { filter: Filter::all_of(privileged), ..question.clone() };
        let privileged = by_pair(grouped(&asked, &["identity", "policy"])?.rows);
        let by_identity = grouped(question, &["identity"])?;
        let nobody = by_identity.rows.iter().filter(|row| row.values.get(1) == Some(&None));
        let without_identity = nobody.map(|row| row.count).sum();
        let mut rows: BTreeMap<Held, Entitlement> = BTreeMap::new();
        for row in held.rows {
            let mut values = row.values.into_iter();
            let (name, key, kind, policy) =
                (values.next().flatten(), values.next(), values.next(), values.next());
            let (Some(Some(identity)), Some(Some(policy))) = (key, policy) else { continue };
            if policy == NOT_LISTED {
                continue;
            }
            let held = Held { identity, policy };
            let (first, last) = row.measured.seen.unzip();
            let (granted, last_granted) = granting.get(&held).copied().unwrap_or_default();
            let found = Entitlement {
                is_privileged: held.policy == "root" || privileged.contains_key(&held),
                held: held.clone(),
                name,
                kind: kind.flatten(),
                requests: row.count,
                granted,
                first,
                last,
                last_granted,
            };
            rows.entry(held).and_modify(|known| known.merge(&found)).or_insert(found);
            if rows.len() > ENTITLEMENTS_MAX {
                return Err(QueryError::TooMany { what: "entitlements", limit: ENTITLEMENTS_MAX });
            }
        }
        Ok(Entitlements {
            rows: rows.into_values().collect(),
            events: held.total,
            without_identity,
        })
    }

    /// Returns SHA-256 of the pairs of identity and policy: of the same events always the same.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for row in &self.rows {
            // Neither has a line feed in it that JSON would not write out.
            let pair = serde_json::to_string(&row.held).expect("two texts");
            hash.update(pair);
            hash.update(b"\n");
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Entitlement {
    /// Returns what names the pair in a form: sixteen hexadecimal digits.
    pub fn id(&self) -> String {
        let pair = serde_json::to_string(&self.held).expect("two texts");
        Sha256::digest(pair).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// An identity whose kind an operator has changed comes in two groups.
    fn merge(&mut self, other: &Entitlement) {
        self.requests += other.requests;
        if other.last > self.last {
            self.kind.clone_from(&other.kind);
        }
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.max(other.last);
    }
}

/// Of each pair how many events, and when the last was.
fn by_pair(rows: Vec<CountRow>) -> HashMap<Held, (u64, Option<i64>)> {
    let pair = |row: CountRow| {
        // The identity's name and key, then the policy.
        let mut values = row.values.into_iter().skip(1);
        let held = Held { identity: values.next()??, policy: values.next()?? };
        Some((held, (row.count, row.measured.seen.map(|(_, last)| last))))
    };
    rows.into_iter().filter_map(pair).collect()
}
