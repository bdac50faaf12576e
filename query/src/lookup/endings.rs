//! Requests that end many leases and tokens at once, and revocations of which no line tells the lease.

use super::life::Revoked;
use super::{Asked, answered_ns, done_ns};
use crate::error::QueryError;
use crate::period::rfc3339;
use crate::row::EventRow;

/// The most requests of each sort that are taken into account.
const MAX: usize = 100_000;

/// What ends many leases and tokens at once.
pub(super) struct Endings {
    many: Vec<Many>,
    /// When a lease was revoked of which no line tells the id; ascending.
    unnamed: Vec<i64>,
    /// How many salts the lines were written under.
    salts: usize,
}

/// One request that ends everything below a path or in a namespace.
struct Many {
    at: i64,
    cluster: String,
    namespace: String,
    what: Below,
    words: String,
}

enum Below {
    /// Leases and tokens whose name begins with this path.
    Path(String),
    /// Everything in this namespace and below.
    Namespace(String),
}

/// A lease or token as requests that end many know it.
pub(super) struct Named<'a> {
    pub(super) cluster: &'a str,
    pub(super) namespace: &'a str,
    /// A lease's id; of a token the path of the request that made it, and a slash.
    pub(super) name: &'a str,
    /// When it was given out.
    pub(super) given: i64,
}

impl Asked<'_> {
    /// Reads what ended many.
    pub(super) fn endings(&self) -> Result<Endings, QueryError> {
        let (matched, rows) = self.rows(
            "action:lease.revoke_prefix,lease.revoke_force,mount.disable,authmount.disable,namespace.delete outcome:success",
            None,
            MAX,
        )?;
        within_limit(matched, "requests that end many leases at once")?;
        let many = rows.iter().filter_map(Many::of).collect();
        let (matched, revocations) =
            self.events("action:lease.revoke outcome:success -lease:*", MAX)?;
        within_limit(matched, "revocations of single leases")?;
        let mut unnamed = Vec::new();
        for event in &revocations {
            let named = match event.hmacs.get("request.lease_id") {
                Some(hash) => !self.view.texts_of(hash)?.is_empty(),
                None => false,
            };
            if !named {
                unnamed.extend(answered_ns(event));
            }
        }
        unnamed.sort_unstable();
        Ok(Endings { many, unnamed, salts: self.devices()?.len() })
    }
}

fn within_limit(matched: u64, what: &'static str) -> Result<(), QueryError> {
    match matched > MAX as u64 {
        true => Err(QueryError::TooMany { what, limit: MAX }),
        false => Ok(()),
    }
}

impl Endings {
    /// Returns the requests that ended this together with others.
    pub(super) fn of(&self, named: &Named<'_>) -> impl Iterator<Item = Revoked> {
        let ended = self.many.iter().filter(|many| many.at >= named.given && many.ends(named));
        ended.map(|many| Revoked { at: many.at, words: many.words.clone(), spares_children: false })
    }

    /// Returns whether, from when and why a lease may have been revoked without a line that says so. `hashes` is
    /// how many hashes of its id are known.
    pub(super) fn doubt(&self, given: i64, until: i64, hashes: usize) -> Option<(i64, String)> {
        if hashes >= self.salts.max(1) {
            return None;
        }
        let from = self.unnamed.partition_point(|at| *at < given);
        let to = self.unnamed.partition_point(|at| *at <= until);
        let since = self.unnamed.get(from..to).filter(|since| !since.is_empty())?;
        let words = match since.len() {
            1 => format!(
                "the revocation at {} may be of it: no line tells which lease it names",
                rfc3339(since[0])
            ),
            count => format!(
                "one of {count} revocations since {} may be of it: no line tells which leases they name",
                rfc3339(since[0])
            ),
        };
        Some((since[0], words))
    }
}

impl Many {
    fn of(row: &EventRow) -> Option<Many> {
        let object = row.object.as_deref()?.trim_end_matches('/');
        let namespace = row.ns.clone().unwrap_or_default();
        let at = done_ns(row)?;
        let (what, words) = match row.action.as_deref()? {
            "lease.revoke_prefix" | "lease.revoke_force" => {
                (Below::Path(object.to_owned()), format!("revoked with all below {object}"))
            }
            "mount.disable" => {
                (Below::Path(object.to_owned()), format!("the mount {object}/ was disabled"))
            }
            "authmount.disable" => {
                let mount = format!("auth/{object}");
                let words = format!("the auth method {mount}/ was disabled");
                (Below::Path(mount), words)
            }
            "namespace.delete" => {
                let deleted = format!("{namespace}{object}/");
                let words = format!("the namespace {deleted} was deleted");
                (Below::Namespace(deleted), words)
            }
            _ => return None,
        };
        let words = format!("{words} at {}", rfc3339(at));
        Some(Many { at, cluster: row.cluster.clone()?, namespace, what, words })
    }

    fn ends(&self, named: &Named<'_>) -> bool {
        self.cluster == named.cluster
            && match &self.what {
                // The server takes a prefix segment by segment.
                Below::Path(prefix) => {
                    let rest = named.name.strip_prefix(prefix.as_str());
                    self.namespace == named.namespace
                        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                }
                Below::Namespace(deleted) => named.namespace.starts_with(deleted.as_str()),
            }
    }
}
