//! A lease from the log alone: when it was given, looked at, renewed, given back. That it ended by itself never
//! stands in the log.

use std::collections::BTreeSet;

use ingest::event::{AuditEvent, Outcome};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Asked, Mention, mention};
use crate::error::QueryError;

/// The most events of one lease that are read.
const EVENTS_MAX: usize = 1_000;

/// What became of a lease.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Lease {
    /// Its id, in clear where a line shows it.
    pub id: Option<String>,
    /// Its id's hashes, as far as lines show which they are: renewals, look-ups and revocations name it by these.
    pub hashes: BTreeSet<String>,
    /// The request that gave it out.
    pub issued: Option<Mention>,
    /// How often it was renewed, and the last time.
    pub renewals: u64,
    /// When it was renewed last.
    pub renewed: Option<String>,
    /// The request that gave it back.
    pub revoked: Option<Mention>,
    /// When it ends, as the server said when it was looked up; later renewals move it.
    pub expires: Option<String>,
    /// In words: what is known of its end.
    pub end: String,
}

impl Asked<'_> {
    /// Follows a lease by its id, by hashes of it, or both.
    pub(super) fn lease(
        &self,
        id: Option<String>,
        mut hashes: BTreeSet<String>,
    ) -> Result<Lease, QueryError> {
        if let Some(id) = &id {
            hashes.extend(self.view.hashes_of(id)?);
        }
        let mut terms: Vec<String> = hashes.iter().map(|hash| format!("hash:{hash}")).collect();
        terms.extend(id.as_ref().map(|id| format!("lease:{}", crate::filter::quoted(id))));
        let (_, events) = self.events(&terms.join(" OR "), EVENTS_MAX)?;
        let did = |event: &&AuditEvent, action: &str| {
            event.action == action && event.outcome == Outcome::Success
        };
        let renewals: Vec<_> = events.iter().filter(|event| did(event, "lease.renew")).collect();
        let by_hash = |event: &AuditEvent| {
            let hash = hashes.iter().find(|hash| event.hmacs.values().any(|of| of == *hash));
            mention(event, hash.map_or("", String::as_str))
        };
        let issued = events.iter().find(|event| {
            event.outcome == Outcome::Success
                && !event.action.starts_with("lease.")
                && event.lease_id == id
                && id.is_some()
        });
        let revoked = events.iter().find(|event| did(event, "lease.revoke"));
        let looked_up = events.iter().rfind(|event| did(event, "lease.lookup"));
        let expires = match looked_up {
            Some(event) => self.told_end(event)?,
            None => None,
        };
        let renewed =
            renewals.last().and_then(|event| event.completed.clone()).map(|time| time.text);
        let end = match (revoked, &expires) {
            (Some(_), _) => "revoked".to_owned(),
            (None, Some(expires)) => {
                format!("no revocation seen; when it was looked up last it was to end at {expires}")
            }
            (None, None) if hashes.is_empty() => {
                "no revocation seen, and none could be: no line shows the hash by which a revocation names it; its lifetime is not in the log".to_owned()
            }
            (None, None) => "no revocation seen; its lifetime is not in the log".to_owned(),
        };
        Ok(Lease {
            issued: issued.map(by_hash),
            renewals: renewals.len() as u64,
            renewed,
            revoked: revoked.map(by_hash),
            expires,
            end,
            id,
            hashes,
        })
    }

    /// Returns the end of a lease or token as the answer to a look-up tells it: times stand in clear.
    pub(super) fn told_end(&self, event: &AuditEvent) -> Result<Option<String>, QueryError> {
        let Some(response) = event.leaves.last() else { return Ok(None) };
        let line = self.trail.ledger().line(*response)?;
        let entry: serde_json::Value = serde_json::from_slice(&line.bytes).unwrap_or_default();
        let time = entry.pointer("/response/data/expire_time").and_then(|time| time.as_str());
        let time = time.and_then(|time| time.parse::<jiff::Timestamp>().ok());
        Ok(time.map(|time| time.to_string()))
    }
}
