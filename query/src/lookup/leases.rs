//! The leases that a log shows, and which of them were in force at an instant.

use std::collections::BTreeSet;

use ingest::event::Uid;

use super::judge::Judge;
use super::list::{GivenOut, Listed};
use super::{Asked, Standing, done_ns};
use crate::error::QueryError;
use crate::history::View;
use crate::page::PageToken;
use crate::table::{Cell, Column, Kind};
use crate::trail::Trail;

/// Requests whose answer holds a new lease.
const ISSUING: &str = "has:lease -action:lease.* outcome:success -is:copy";

/// A lease in a list.
#[derive(Clone, Debug)]
pub struct LeaseRow {
    /// Its id.
    pub lease: String,
    /// When it was given out, in nanoseconds since 1970.
    pub issued_unix_ns: Option<i64>,
    /// Who asked for it, by the name to show.
    pub identity: Option<String>,
    /// The same for everything that the holder does.
    pub identity_key: Option<String>,
    /// From where.
    pub remote_address: Option<String>,
    /// The namespace; absent for the root.
    pub namespace: Option<String>,
    /// The path that was asked.
    pub path: Option<String>,
    /// How it stood at the instant.
    pub standing: Standing,
    /// How often it was renewed, in the whole log.
    pub renewals: u64,
    /// When it was renewed last, in nanoseconds since 1970.
    pub renewed_unix_ns: Option<i64>,
    /// When it was revoked, if a request shows that.
    pub revoked_unix_ns: Option<i64>,
    /// The token that asked for it, and that it ends with.
    pub token: Option<String>,
    /// The event.
    pub uid: Uid,
}

/// The columns of a list of leases.
pub const LEASE_COLUMNS: &[Column] = &[
    Column::new("issued", Kind::Time),
    Column::new("identity", Kind::Text),
    Column::new("lease", Kind::Text),
    Column::new("state", Kind::Text),
    Column::new("known_by", Kind::Text),
    Column::new("ends", Kind::Time),
    Column::new("why", Kind::Text),
    Column::new("renewals", Kind::Number),
    Column::new("renewed", Kind::Time),
    Column::new("revoked", Kind::Time),
    Column::new("namespace", Kind::Text),
    Column::new("path", Kind::Text),
    Column::new("remote_address", Kind::Text),
    Column::new("identity_key", Kind::Text),
    Column::new("token", Kind::Text),
    Column::new("uid", Kind::Text),
];

/// How many of [`LEASE_COLUMNS`] and [`super::TOKEN_COLUMNS`] a person at a terminal has room for.
pub const TERMINAL_COLUMNS: usize = 8;

/// Gives the leases that a filter's requests gave out, the newest first, until `limit` (0: all) are shown.
///
/// # Errors
/// A token of another question; more requests that end leases than are taken into account; an index or a ledger
/// that cannot be read; what `each` returns.
pub fn leases<E: From<QueryError>>(
    trail: &Trail,
    view: &View,
    given: &GivenOut,
    limit: usize,
    after: Option<&PageToken>,
    each: &mut dyn FnMut(LeaseRow) -> Result<(), E>,
) -> Result<Listed, E> {
    let asked = Asked { trail, view: view.clone() };
    let (at, _) = asked.instant(given)?;
    let mut judge = Judge::new(&asked, at)?;
    asked.list(given, ISSUING, limit, after, &mut |row| {
        let lease = row.lease.clone().unwrap_or_default();
        let about = asked.lease_rows(Some(&lease), BTreeSet::new(), at)?;
        let standing = judge.lease(&row, &about)?;
        let state = standing.state;
        if given.shows(state) {
            each(LeaseRow {
                lease,
                issued_unix_ns: done_ns(&row),
                standing,
                renewals: about.renewals,
                renewed_unix_ns: about.renewed,
                revoked_unix_ns: about.revoked.as_ref().and_then(done_ns),
                identity: row.identity,
                identity_key: row.identity_key,
                remote_address: row.ip,
                namespace: row.ns,
                path: row.path,
                token: row.token,
                uid: row.uid,
            })?;
        }
        Ok(state)
    })
}

impl LeaseRow {
    /// Returns the cells of [`LEASE_COLUMNS`].
    pub fn cells(&self) -> Vec<Cell> {
        let standing = &self.standing;
        vec![
            Cell::time(self.issued_unix_ns),
            Cell::text(self.identity.clone()),
            Cell::Text(self.lease.clone()),
            Cell::text(Some(standing.state.as_str())),
            Cell::text(standing.known_by.map(|known_by| known_by.as_str())),
            Cell::time(standing.ends_unix_ns),
            Cell::Text(standing.why.clone()),
            Cell::count(self.renewals),
            Cell::time(self.renewed_unix_ns),
            Cell::time(self.revoked_unix_ns),
            Cell::text(self.namespace.clone()),
            Cell::text(self.path.clone()),
            Cell::text(self.remote_address.clone()),
            Cell::text(self.identity_key.clone()),
            Cell::text(self.token.clone()),
            Cell::Text(self.uid.to_string()),
        ]
    }
}
