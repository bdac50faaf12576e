//! A lease from the log alone: when it was given, looked at, renewed, given back. That it ended by itself never
//! stands in the log.

use std::collections::BTreeSet;

use ingest::source::LeafIndex;
use serde::Serialize;
use utoipa::ToSchema;

use super::judge::Judge;
use super::life::{KnownBy, Life, Promise, Revoked, Standing};
use super::{Asked, Mention, done_ns, mention};
use crate::error::QueryError;
use crate::full;
use crate::period::rfc3339;
use crate::row::EventRow;

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
    /// Whether it was in force when the log ends, and why that is said.
    pub end: Standing,
}

/// The requests about one lease.
#[derive(Default)]
pub(super) struct LeaseRows {
    pub(super) hashes: BTreeSet<String>,
    pub(super) issued: Option<EventRow>,
    pub(super) renewals: u64,
    pub(super) renewed: Option<i64>,
    pub(super) revoked: Option<EventRow>,
    /// What a look-up told: when, and the end.
    pub(super) told: Option<(i64, i64)>,
    pub(super) life: Life,
}

impl Asked<'_> {
    /// Follows a lease by its id, by hashes of it, or both.
    pub(super) fn lease(
        &self,
        id: Option<String>,
        hashes: BTreeSet<String>,
    ) -> Result<Lease, QueryError> {
        let at = self.last_ns()?;
        let rows = self.lease_rows(id.as_deref(), hashes, at)?;
        let end = match &rows.issued {
            Some(issued) => Judge::new(self, at)?.lease(issued, &rows)?,
            None => rows.life.standing(at, None),
        };
        let mentioned = |row: &Option<EventRow>| -> Result<Option<Mention>, QueryError> {
            let Some(row) = row else { return Ok(None) };
            let Some(full) = full::event_in(self.trail, &self.view, row.uid)? else {
                return Ok(None);
            };
            let named = full.event.hmacs.values().find(|hash| rows.hashes.contains(*hash));
            Ok(Some(mention(&full.event, named.map_or("", String::as_str))))
        };
        Ok(Lease {
            issued: mentioned(&rows.issued)?,
            renewals: rows.renewals,
            renewed: rows.renewed.map(rfc3339),
            revoked: mentioned(&rows.revoked)?,
            expires: rows.told.map(|(_, until)| rfc3339(until)),
            end,
            id,
            hashes: rows.hashes,
        })
    }

    /// Reads the requests about a lease; of look-ups the newest one until `at` is asked what it told.
    pub(super) fn lease_rows(
        &self,
        id: Option<&str>,
        hashes: BTreeSet<String>,
        at: i64,
    ) -> Result<LeaseRows, QueryError> {
        let mut all = LeaseRows { hashes, ..LeaseRows::default() };
        if let Some(id) = id {
            all.hashes.extend(self.view.hashes_of(id)?);
        }
        let mut terms: Vec<String> = all.hashes.iter().map(|hash| format!("hash:{hash}")).collect();
        terms.extend(id.map(|id| format!("lease:{}", crate::filter::quoted(id))));
        let mut looked_up: Option<(i64, LeafIndex)> = None;
        let filter = format!("({}) outcome:success", terms.join(" OR "));
        self.each_row(&filter, None, 0, &mut |row| {
            let Some(time) = done_ns(&row) else { return Ok(()) };
            match row.action.as_deref() {
                Some("lease.renew") => {
                    all.renewals += 1;
                    all.renewed = all.renewed.max(Some(time));
                    all.life.accepted.push((time, "renewed"));
                    all.life.renewed.push(time);
                }
                Some("lease.lookup") => {
                    all.life.accepted.push((time, "looked up"));
                    if let Some(leaf) = row.response_leaf
                        && time <= at
                    {
                        looked_up = looked_up.max(Some((time, leaf)));
                    }
                }
                // The newest comes first: what stays is the oldest.
                Some("lease.revoke") => all.revoked = Some(row),
                Some(_) if id.is_some() && row.lease.as_deref() == id => all.issued = Some(row),
                _ => {}
            }
            Ok(())
        })?;
        if let Some((time, leaf)) = looked_up
            && let Some(until) = self.told_end(leaf)?
        {
            all.told = Some((time, until));
            let words = format!(
                "when it was looked up at {} it was to end at {}",
                rfc3339(time),
                rfc3339(until)
            );
            all.life.promises.push(Promise { at: time, until, known_by: KnownBy::Told, words });
        }
        if let Some(time) = all.revoked.as_ref().and_then(done_ns) {
            let words = format!("revoked at {}", rfc3339(time));
            all.life.revoked.push(Revoked { at: time, words, spares_children: false });
        }
        Ok(all)
    }

    /// Returns the end of a lease or token as the answer to a look-up tells it, in nanoseconds since 1970: times
    /// stand in clear.
    pub(super) fn told_end(&self, response: LeafIndex) -> Result<Option<i64>, QueryError> {
        let entry = self.entry(response)?;
        let time = entry.pointer("/response/data/expire_time").and_then(|time| time.as_str());
        let time = time.and_then(|time| time.parse::<jiff::Timestamp>().ok());
        Ok(time.and_then(|time| i64::try_from(time.as_nanosecond()).ok()))
    }
}
