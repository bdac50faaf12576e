//! Leases of which no renewal and no revocation was seen. That a lease ends by itself never stands in the log, and how
//! long it lives stands there seldom: so it is never said that one expired.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::revoked::Revocations;
use crate::controls::control::Rule;
use crate::controls::draft::{Draft, Outcome};
use crate::controls::field::Field;
use crate::controls::hits::{Words, count, scan};
use crate::controls::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::{Filter, quoted};
use crate::row::{EventRow, Rows};
use crate::scan::Address;

/// The most leases of a period.
const LEASES_MAX: usize = 500_000;

/// A lease as it was given out.
struct Given {
    lease: String,
    token: Option<String>,
    time: i64,
    leaf: u64,
    address: Address,
}

pub(super) fn lease_ends(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let (share, min_leases) = (run.param("share"), run.param("min_leases") as u64);
    // A lease that was given out just now may be renewed yet.
    let due = Span { from: run.span.from, to: run.span.to.saturating_sub(run.param_ns("due")) };
    if due.from >= due.to {
        return Ok(Outcome::lacking(
            "the period is shorter than the time in which a renewal is due".to_owned(),
        ));
    }
    let mut outcome = Outcome::default();
    let mut groups: BTreeMap<(Option<String>, Option<String>), Vec<Given>> = BTreeMap::new();
    let mut rows = Rows::new(run.view);
    let mut addresses: Vec<(i64, u64, Address)> = Vec::new();
    scan(run, &run.filter(&rule.query), due, &[], &mut Words::default(), &mut |hit, _| {
        addresses.push((hit.time, hit.leaf, hit.address));
        match addresses.len() > LEASES_MAX {
            true => Err(QueryError::TooMany { what: "leases", limit: LEASES_MAX }),
            false => Ok(()),
        }
    })?;
    outcome.events = addresses.len() as u64;
    for some in addresses.chunks(1_024) {
        let of: Vec<Address> = some.iter().map(|(_, _, address)| *address).collect();
        for (row, &(time, leaf, address)) in rows.rows(&of)?.into_iter().zip(some) {
            let EventRow { lease: Some(lease), identity_key, token, .. } = row else { continue };
            let prefix = lease.rsplit_once('/').map(|(prefix, _)| prefix.to_owned());
            let given = Given { lease, token, time, leaf, address };
            groups.entry((identity_key, prefix)).or_default().push(given);
        }
    }
    let mut seen = Seen::read(run)?;
    for ((identity, prefix), leases) in groups {
        let given_out = leases.len() as u64;
        if given_out < min_leases {
            continue;
        }
        let mut draft = Draft {
            subject: vec![(Field::Identity, identity), (Field::LeasePrefix, prefix)],
            ..Draft::default()
        };
        let mut named = Vec::new();
        for given in &leases {
            match seen.has(run, given)? {
                true => named.push(given),
                false => draft.add_sample((given.time, given.leaf, given.address)),
            }
        }
        if draft.count * 100 <= given_out * share as u64 {
            continue;
        }
        // Some may be among those that the holder gave back by a hash that no line shows in clear.
        let unnamed = seen.unnamed(run, draft.subject[0].1.as_deref(), &named)?;
        let left = draft.count.saturating_sub(unnamed);
        if left * 100 > given_out * share as u64 {
            draft.said.insert("leases", given_out.to_string());
            draft.said.insert("left", left.to_string());
            draft.said.insert("share_found", (left * 100 / given_out).to_string());
            outcome.drafts.push(draft);
        }
    }
    outcome.notes.push(
        "a lease that ends by itself leaves no line: said is only that no renewal and no revocation was seen".to_owned(),
    );
    outcome.notes.extend(run.salts_within(Span { from: run.span.from, to: run.span.to })?);
    Ok(outcome)
}

/// Renewals and revocations.
struct Seen<'a> {
    /// Leases that a request names in clear.
    leases: HashSet<String>,
    /// Beginnings of leases that were revoked together, and when.
    prefixes: Vec<(i64, String)>,
    /// How many revocations name their lease by a hash, by who asked for them.
    hashed: HashMap<Option<String>, u64>,
    revocations: Revocations<'a>,
    tokens: HashMap<String, Option<i64>>,
}

impl<'a> Seen<'a> {
    fn read(run: &'a Run<'a>) -> Result<Seen<'a>, QueryError> {
        let mut leases = HashSet::new();
        let (mut prefixes, mut hashed) = (Vec::new(), HashMap::new());
        let filter = "action:lease.renew,lease.revoke,lease.revoke_prefix,lease.revoke_force outcome:success";
        let filter = Filter::parse(filter, run.now).expect("a filter of ours");
        let mut addresses = Vec::new();
        scan(run, &filter, run.span, &[], &mut Words::default(), &mut |hit, _| {
            addresses.push(hit.address);
            match addresses.len() > 4 * LEASES_MAX {
                true => Err(QueryError::TooMany {
                    what: "renewals and revocations",
                    limit: 4 * LEASES_MAX,
                }),
                false => Ok(()),
            }
        })?;
        let mut rows = Rows::new(run.view);
        for some in addresses.chunks(1_024) {
            for row in rows.rows(some)? {
                let is_of_many = matches!(
                    row.action.as_deref(),
                    Some("lease.revoke_prefix" | "lease.revoke_force")
                );
                match (is_of_many, row.lease, row.object, row.time_unix_ns) {
                    (true, _, Some(prefix), Some(time)) => prefixes.push((time, prefix)),
                    (false, Some(lease), ..) | (false, None, Some(lease), _) => {
                        leases.insert(lease);
                    }
                    _ => *hashed.entry(row.identity_key).or_default() += 1,
                }
            }
        }
        let revocations = Revocations::new(run);
        Ok(Seen { leases, prefixes, hashed, revocations, tokens: HashMap::new() })
    }

    fn has(&mut self, run: &Run<'_>, given: &Given) -> Result<bool, QueryError> {
        let begins = |prefix: &str| {
            given
                .lease
                .strip_prefix(prefix.trim_end_matches('/'))
                .is_some_and(|rest| rest.starts_with('/'))
        };
        if self.leases.contains(&given.lease)
            || self.prefixes.iter().any(|(time, prefix)| *time >= given.time && begins(prefix))
        {
            return Ok(true);
        }
        if !self.hashed.is_empty() && self.is_named_by_hash(run, &given.lease)? {
            return Ok(true);
        }
        // A lease ends with the token that asked for it.
        let Some(token) = &given.token else { return Ok(false) };
        if !self.tokens.contains_key(token) {
            let accessor = Rows::new(run.view).row(given.address)?.accessor;
            let revoked = self.revocations.of(token, accessor.as_deref())?;
            self.tokens.insert(token.clone(), revoked);
        }
        Ok(self.tokens[token].is_some_and(|at| at >= given.time))
    }

    /// Returns how many revocations of an identity name a lease by a hash that is none of these leases'.
    fn unnamed(
        &self,
        run: &Run<'_>,
        identity: Option<&str>,
        named: &[&Given],
    ) -> Result<u64, QueryError> {
        let all = self.hashed.get(&identity.map(str::to_owned)).copied().unwrap_or(0);
        let mut known = 0;
        if all > 0 {
            for given in named {
                known += self.named_by_hash(run, "lease.revoke", &given.lease)?;
            }
        }
        Ok(all.saturating_sub(known))
    }

    fn is_named_by_hash(&self, run: &Run<'_>, lease: &str) -> Result<bool, QueryError> {
        Ok(self.named_by_hash(run, "lease.renew,lease.revoke", lease)? > 0)
    }

    fn named_by_hash(&self, run: &Run<'_>, actions: &str, lease: &str) -> Result<u64, QueryError> {
        let hashes = run.view.hashes_of(lease)?;
        if hashes.is_empty() {
            return Ok(0);
        }
        let hashes: Vec<String> = hashes.iter().map(|hash| quoted(hash)).collect();
        let text = format!("action:{actions} outcome:success hash:{}", hashes.join(","));
        let filter = Filter::parse(&text, run.now).expect("a filter of ours");
        count(run, &filter, run.span)
    }
}
