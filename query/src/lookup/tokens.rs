//! The tokens that a log shows being given out, and which of them were in force at an instant.

use ingest::event::Uid;

use super::judge::Judge;
use super::list::{GivenOut, Listed};
use super::{Asked, Standing, done_ns};
use crate::error::QueryError;
use crate::full;
use crate::history::View;
use crate::page::PageToken;
use crate::table::{Cell, Column, Kind};
use crate::trail::Trail;

/// Requests whose answer holds a new token.
const ISSUING: &str = "action:auth.login,token.create outcome:success -is:copy";

/// A token in a list.
#[derive(Clone, Debug)]
pub struct TokenRow {
    /// Its hash; absent if no line shows it: it was given out wrapped, or by a login that carried another token, and
    /// never used.
    pub token: Option<String>,
    /// Hash of its accessor.
    pub accessor: Option<String>,
    /// When it was given out, in nanoseconds since 1970.
    pub issued_unix_ns: Option<i64>,
    /// Who holds it, by the name to show.
    pub identity: Option<String>,
    /// The same for everything that the holder does.
    pub identity_key: Option<String>,
    /// From where it was asked for.
    pub remote_address: Option<String>,
    /// The namespace; absent for the root.
    pub namespace: Option<String>,
    /// The path that was asked.
    pub path: Option<String>,
    /// How it stood at the instant.
    pub standing: Standing,
    /// Lifetime given, in seconds.
    pub ttl_s: Option<u64>,
    /// How often it was renewed, in the whole log.
    pub renewals: u64,
    /// When it was renewed last, in nanoseconds since 1970.
    pub renewed_unix_ns: Option<i64>,
    /// When it was revoked, if a request shows that.
    pub revoked_unix_ns: Option<i64>,
    /// When it was first refused as no valid token.
    pub refused_unix_ns: Option<i64>,
    /// Its policies.
    pub policies: Vec<String>,
    /// The token that made it.
    pub made_with: Option<String>,
    /// How many tokens were made with it.
    pub children: u64,
    /// How many leases were given to it.
    pub leases: u64,
    /// The event.
    pub uid: Uid,
}

/// The columns of a list of tokens.
pub const TOKEN_COLUMNS: &[Column] = &[
    Column::new("issued", Kind::Time),
    Column::new("identity", Kind::Text),
    Column::new("path", Kind::Text),
    Column::new("state", Kind::Text),
    Column::new("known_by", Kind::Text),
    Column::new("ends", Kind::Time),
    Column::new("why", Kind::Text),
    Column::new("renewals", Kind::Number),
    Column::new("ttl_s", Kind::Number),
    Column::new("renewed", Kind::Time),
    Column::new("revoked", Kind::Time),
    Column::new("refused", Kind::Time),
    Column::new("policies", Kind::List),
    Column::new("children", Kind::Number),
    Column::new("leases", Kind::Number),
    Column::new("namespace", Kind::Text),
    Column::new("remote_address", Kind::Text),
    Column::new("identity_key", Kind::Text),
    Column::new("token", Kind::Text),
    Column::new("accessor", Kind::Text),
    Column::new("made_with", Kind::Text),
    Column::new("uid", Kind::Text),
];

/// Gives the tokens that a filter's requests gave out, the newest first, until `limit` (0: all) are shown.
///
/// # Errors
/// As [`super::leases()`].
pub fn tokens<E: From<QueryError>>(
    trail: &Trail,
    view: &View,
    given: &GivenOut,
    limit: usize,
    after: Option<&PageToken>,
    each: &mut dyn FnMut(TokenRow) -> Result<(), E>,
) -> Result<Listed, E> {
    let asked = Asked { trail, view: view.clone() };
    let (at, _) = asked.instant(given)?;
    let mut judge = Judge::new(&asked, at)?;
    asked.list(given, ISSUING, limit, after, &mut |row| {
        let issued_unix_ns = done_ns(&row);
        let (issued, ..) = full::read_back(trail, &asked.view, &row)?;
        let given_token = issued.issued_token.clone();
        let hash = asked.given_token(&issued)?;
        let made_with = issued.identity.token.clone().filter(|_| issued.action == "token.create");
        let mut token = TokenRow {
            accessor: given_token.as_ref().and_then(|given| given.accessor.clone()),
            issued_unix_ns,
            identity: row.identity,
            identity_key: row.identity_key,
            remote_address: row.ip,
            namespace: row.ns,
            path: row.path,
            standing: Standing::unknown(match given_token {
                Some(_) => {
                    "its login carried another token, and it was never used: no line shows its hash"
                        .to_owned()
                }
                None => "given out wrapped: no line shows its hash".to_owned(),
            }),
            ttl_s: given_token.as_ref().and_then(|given| given.ttl_s),
            renewals: 0,
            renewed_unix_ns: None,
            revoked_unix_ns: None,
            refused_unix_ns: None,
            policies: given_token.map(|given| given.policies).unwrap_or_default(),
            made_with,
            children: 0,
            leases: 0,
            uid: row.uid,
            token: hash,
        };
        if let Some(hash) = token.token.clone() {
            let about = asked.token_rows(&hash, Some(issued), at)?;
            token.standing = judge.token(&about)?;
            let holder = asked.holder_of(&about, None)?;
            token.identity = holder.as_ref().and_then(|holder| holder.name.clone());
            token.identity_key = holder.and_then(|holder| holder.key);
            token.renewals = about.renewals;
            token.renewed_unix_ns = about.renewed;
            token.revoked_unix_ns = about.revoked.as_ref().and_then(done_ns);
            token.refused_unix_ns = about.refused;
            token.children =
                asked.count(&format!("token:{hash} action:token.create outcome:success"))?;
            token.leases =
                asked.count(&format!("token:{hash} has:lease -action:lease.* outcome:success"))?;
        }
        let state = token.standing.state;
        if given.shows(state) {
            each(token)?;
        }
        Ok(state)
    })
}

impl TokenRow {
    /// Returns the cells of [`TOKEN_COLUMNS`].
    pub fn cells(&self) -> Vec<Cell> {
        let standing = &self.standing;
        vec![
            Cell::time(self.issued_unix_ns),
            Cell::text(self.identity.clone()),
            Cell::text(self.path.clone()),
            Cell::text(Some(standing.state.as_str())),
            Cell::text(standing.known_by.map(|known_by| known_by.as_str())),
            Cell::time(standing.ends_unix_ns),
            Cell::Text(standing.why.clone()),
            Cell::count(self.renewals),
            self.ttl_s.map_or(Cell::Absent, Cell::count),
            Cell::time(self.renewed_unix_ns),
            Cell::time(self.revoked_unix_ns),
            Cell::time(self.refused_unix_ns),
            Cell::List(self.policies.clone()),
            Cell::count(self.children),
            Cell::count(self.leases),
            Cell::text(self.namespace.clone()),
            Cell::text(self.remote_address.clone()),
            Cell::text(self.identity_key.clone()),
            Cell::text(self.token.clone()),
            Cell::text(self.accessor.clone()),
            Cell::text(self.made_with.clone()),
            Cell::Text(self.uid.to_string()),
        ]
    }
}
