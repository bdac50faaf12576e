//! Requests that end many leases and tokens at once, and revocations of which no line tells the lease.

use super::life::Revoked;
use super::{Asked, done_ns, question};
use crate::column::FirstValues;
use crate::error::QueryError;
use crate::period::rfc3339;
use crate::row::EventRow;
use crate::scan::Address;
use crate::select::Selection;
use crate::texts::Texts;

/// The most requests of each sort that are taken into account.
const MAX: usize = 100_000;

/// What ends many leases and tokens at once.
pub(super) struct Endings {
    many: Vec<Many>,
    /// Revocations whose own lines do not tell the lease's id; by time, ascending.
    unnamed: Vec<Unnamed>,
    /// How many salts the lines were written under.
    salts: usize,
}

/// A revocation of a lease by the hash of its id.
struct Unnamed {
    at: i64,
    event: Address,
    /// Whether other lines tell the id; found out once it is asked for, since most never are.
    is_told: Option<bool>,
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
        let unnamed = self.revocations_by_hash()?;
        Ok(Endings { many, unnamed, salts: self.devices()?.len() })
    }

    /// Finds the revocations whose own lines do not tell the lease's id, by time.
    fn revocations_by_hash(&self) -> Result<Vec<Unnamed>, QueryError> {
        let question = question("action:lease.revoke outcome:success -lease:*");
        let mut unnamed = Vec::new();
        let (mut reader, mut completed) = (FirstValues::default(), Vec::new());
        for part in Selection::new(&self.view, &question)?.parts()? {
            let answered = part.segment.fast_fields().column_opt::<i64>("completed")?;
            part.blocks(|documents| {
                match &answered {
                    Some(answered) => reader.read(answered, documents, &mut completed),
                    None => completed.clear(),
                }
                completed.resize(documents.len(), None);
                let places = part.places()?;
                let times = completed.iter().zip(documents).filter_map(|(answered, &document)| {
                    let at = answered.or_else(|| places.time(document))?;
                    let event = Address { segment: part.number, document };
                    Some(Unnamed { at, event, is_told: None })
                });
                unnamed.extend(times);
                within_limit(unnamed.len() as u64, "revocations of single leases")
            })?;
        }
        unnamed.sort_unstable_by_key(|revocation| (revocation.at, revocation.event));
        Ok(unnamed)
    }

    /// Tells whether lines tell the id of the lease that a revocation names by its hash.
    fn is_told(&self, event: Address) -> Result<bool, QueryError> {
        let segment = self.view.searcher().segment_reader(event.segment);
        let mut hashes = Texts::open(segment, "lease_hash")?;
        let hash = hashes.first(event.document).map_err(tantivy::TantivyError::from)?;
        hash.map_or(Ok(false), |hash| Ok(!self.view.texts_of(&hash)?.is_empty()))
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
    pub(super) fn doubt(
        &mut self,
        asked: &Asked<'_>,
        given: i64,
        until: i64,
        hashes: usize,
    ) -> Result<Option<(i64, String)>, QueryError> {
        if hashes >= self.salts.max(1) {
            return Ok(None);
        }
        let from = self.unnamed.partition_point(|revocation| revocation.at < given);
        let to = self.unnamed.partition_point(|revocation| revocation.at <= until);
        let (mut first, mut count) = (None, 0_u64);
        for revocation in self.unnamed.get_mut(from..to).unwrap_or_default() {
            let is_told = match revocation.is_told {
                Some(is_told) => is_told,
                None => *revocation.is_told.insert(asked.is_told(revocation.event)?),
            };
            if !is_told {
                first.get_or_insert(revocation.at);
                count += 1;
            }
        }
        let Some(first) = first else { return Ok(None) };
        let since = rfc3339(first);
        let words = match count {
            1 => format!(
                "the revocation at {since} may be of it: no line tells which lease it names"
            ),
            count => format!(
                "one of {count} revocations since {since} may be of it: no line tells which leases they name"
            ),
        };
        Ok(Some((first, words)))
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
