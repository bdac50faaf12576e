//! What a row counts.

use std::collections::{BTreeMap, BTreeSet};

use ingest::event::{Decision, Outcome, Reason};
use serde::Serialize;
use utoipa::ToSchema;

/// Requests by what came of them. `access`, `allowed_…`, `denied` and `unknown` are disjoint and sum
/// up to `requests`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AccessCounts)]
pub struct Counts {
    /// All of them.
    pub requests: u64,
    /// Allowed and successful.
    pub access: u64,
    /// Allowed, and nothing was there.
    pub allowed_not_found: u64,
    /// Allowed, and the request was wrong or the server failed.
    pub allowed_errors: u64,
    /// Allowed, and the log does not tell what came of it.
    pub allowed_other: u64,
    /// Denied, by reason.
    pub denied: BTreeMap<Reason, u64>,
    /// The log does not tell, by reason.
    pub unknown: BTreeMap<Reason, u64>,
    /// Of all requests, those whose response has not come yet.
    pub pending: u64,
    /// All of them by the server's operation; `-` where the line names none.
    pub operations: BTreeMap<String, u64>,
}

impl Counts {
    /// Counts so many requests of a decision by what came of them, but for denied and unknown ones, which
    /// [`Counts::add_reason`] counts.
    pub(super) fn add_outcome(&mut self, decision: Decision, outcome: Outcome, count: u64) {
        self.requests += count;
        match (decision, outcome) {
            (Decision::Allowed, Outcome::Success) => self.access += count,
            (Decision::Allowed, Outcome::NotFound) => self.allowed_not_found += count,
            (Decision::Allowed, Outcome::ClientError | Outcome::ServerError) => {
                self.allowed_errors += count;
            }
            (
                Decision::Allowed,
                Outcome::Refused
                | Outcome::Throttled
                | Outcome::Forwarded
                | Outcome::System
                | Outcome::Unknown,
            ) => self.allowed_other += count,
            (Decision::Denied | Decision::Unknown, _) => {}
        }
    }

    /// Counts the same requests by reason.
    pub(super) fn add_reason(&mut self, decision: Decision, reason: Reason, count: u64) {
        if reason == Reason::Pending {
            self.pending += count;
        }
        match decision {
            Decision::Allowed => {}
            Decision::Denied => *self.denied.entry(reason).or_default() += count,
            Decision::Unknown => *self.unknown.entry(reason).or_default() += count,
        }
    }

    /// Counts the same requests by the server's operation.
    pub(super) fn add_operation(&mut self, operation: Option<&str>, count: u64) {
        *self.operations.entry(operation.unwrap_or("-").to_owned()).or_default() += count;
    }

    /// Adds the counts of other requests.
    pub fn merge(&mut self, other: &Counts) {
        let Counts {
            requests,
            access,
            allowed_not_found,
            allowed_errors,
            allowed_other,
            denied,
            unknown,
            pending,
            operations,
        } = other;
        self.requests += requests;
        self.access += access;
        self.allowed_not_found += allowed_not_found;
        self.allowed_errors += allowed_errors;
        self.allowed_other += allowed_other;
        self.pending += pending;
        for (reason, count) in denied {
            *self.denied.entry(*reason).or_default() += count;
        }
        for (reason, count) in unknown {
            *self.unknown.entry(*reason).or_default() += count;
        }
        for (operation, count) in operations {
            *self.operations.entry(operation.clone()).or_default() += count;
        }
    }

    /// Returns the sum of the disjoint parts: equal to `requests`.
    pub fn sum_of_parts(&self) -> u64 {
        let allowed =
            self.access + self.allowed_not_found + self.allowed_errors + self.allowed_other;
        allowed + self.denied.values().sum::<u64>() + self.unknown.values().sum::<u64>()
    }
}

/// How many of a set are named.
pub const NAMED_MAX: usize = 20;

/// A set: its exact size and its first members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Distinct {
    /// How many there are.
    pub count: u64,
    /// In the order of the alphabet, at most [`NAMED_MAX`].
    pub named: Vec<String>,
}

impl Distinct {
    /// Returns the set's size and first members.
    pub fn of(set: &BTreeSet<String>) -> Distinct {
        Distinct { count: set.len() as u64, named: set.iter().take(NAMED_MAX).cloned().collect() }
    }
}
