//! Leases of which no renewal and no revocation was seen. That a lease ends by itself never stands in the log, and how
//! long it lives stands there seldom: so it is never said that one expired.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::revoked::Revocations;
use crate::controls::control::Rule;
use crate::controls::draft::{Draft, Outcome, Sample};
use crate::controls::field::Field;
use crate::controls::hits::{Word, Words, count, scan};
use crate::controls::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::{Filter, quoted};

/// The most leases of a period, and the most that are renewed or revoked.
const LEASES_MAX: usize = 1_000_000;

/// What is read of a request that gave out a lease.
const GIVEN: [Field; 5] =
    [Field::Identity, Field::LeasePrefix, Field::Lease, Field::Token, Field::Accessor];

/// A lease as it was given out.
#[derive(Clone, Copy)]
struct Given {
    lease: Word,
    token: Word,
    accessor: Word,
    sample: Sample,
}

pub(super) fn lease_ends(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let (share, min_leases) = (run.param("share") as u64, run.param("min_leases") as u64);
    // A lease that was given out just now may be renewed yet.
    let due = Span { from: run.span.from, to: run.span.to.saturating_sub(run.param_ns("due")) };
    if due.from >= due.to {
        return Ok(Outcome::lacking(
            "the period is shorter than the time in which a renewal is due".to_owned(),
        ));
    }
    let mut outcome = Outcome::default();
    let mut groups: BTreeMap<[Word; 2], Vec<Given>> = BTreeMap::new();
    let mut words = Words::default();
    scan(run, &run.filter(&rule.query), due, &GIVEN, &mut words, &mut |hit, _| {
        let [identity, prefix, lease, token, accessor] =
            hit.values.try_into().expect("five fields were asked for");
        let given = Given { lease, token, accessor, sample: hit.sample() };
        groups.entry([identity, prefix]).or_default().push(given);
        outcome.events += 1;
        match outcome.events > LEASES_MAX as u64 {
            true => Err(QueryError::TooMany { what: "leases", limit: LEASES_MAX }),
            false => Ok(()),
        }
    })?;
    groups.retain(|_, leases| leases.len() as u64 >= min_leases);
    let given_out = groups.values().flatten().filter_map(|given| words.text(given.lease));
    let mut seen = Seen::read(run, &given_out.collect())?;
    for (key, leases) in groups {
        let [identity, prefix] = key.map(|word| words.text(word).map(str::to_owned));
        let mut draft = Draft {
            subject: vec![(Field::Identity, identity), (Field::LeasePrefix, prefix)],
            ..Draft::default()
        };
        let mut named = Vec::new();
        for given in &leases {
            match seen.has(given, &words)? {
                true => named.extend(words.text(given.lease)),
                false => draft.add_sample(given.sample),
            }
        }
        let given_out = leases.len() as u64;
        if draft.count * 100 <= given_out * share {
            continue;
        }
        // Some may be among those that the holder gave back by a hash that no line shows in clear. Which of its hashes are
        // known is looked up only where that decides.
        let holder = draft.subject[0].1.as_deref();
        let mut left = draft.count.saturating_sub(seen.hashed(holder));
        if left * 100 <= given_out * share {
            left = draft.count.saturating_sub(seen.unnamed(holder, &named)?);
        }
        if left * 100 > given_out * share {
            draft.said.insert("leases", given_out.to_string());
            draft.said.insert("left", left.to_string());
            draft.said.insert("share_found", (left * 100 / given_out).to_string());
            outcome.drafts.push(draft);
        }
    }
    outcome.notes.push(
        "a lease that ends by itself leaves no line: said is only that no renewal and no revocation was seen".to_owned(),
    );
    outcome.notes.extend(run.salts_within(run.span)?);
    Ok(outcome)
}

/// Renewals and revocations.
struct Seen<'a> {
    run: &'a Run<'a>,
    /// Leases that a request names in clear.
    leases: HashSet<String>,
    /// The hashes by which requests may name a lease.
    hashes: HashMap<String, BTreeSet<String>>,
    /// Beginnings of leases that were revoked together, and when.
    prefixes: Vec<(i64, String)>,
    /// How many renewals and revocations name their lease by a hash, by who asked for them.
    hashed: HashMap<Option<String>, u64>,
    revocations: Revocations<'a>,
}

impl<'a> Seen<'a> {
    fn read(run: &'a Run<'a>, given_out: &HashSet<&str>) -> Result<Seen<'a>, QueryError> {
        let mut leases = HashSet::new();
        let (mut prefixes, mut hashed) = (Vec::new(), HashMap::new());
        let filter = "action:lease.renew,lease.revoke,lease.revoke_prefix,lease.revoke_force outcome:success";
        let filter = Filter::parse(filter, run.now).expect("a filter of ours");
        let fields = [Field::Action, Field::Lease, Field::Object, Field::Identity];
        let after = Span { from: run.span.from, to: run.log_to };
        scan(run, &filter, after, &fields, &mut Words::default(), &mut |hit, words| {
            let [action, lease, object, identity] =
                [0, 1, 2, 3].map(|at| words.text(hit.values[at]));
            let is_of_many = matches!(action, Some("lease.revoke_prefix" | "lease.revoke_force"));
            match (is_of_many, lease.or(object)) {
                (true, Some(prefix)) => prefixes.push((hit.time, prefix.to_owned())),
                (false, Some(lease)) if given_out.contains(lease) => {
                    leases.insert(lease.to_owned());
                }
                (false, Some(_)) => {}
                (_, None) => *hashed.entry(identity.map(str::to_owned)).or_default() += 1,
            }
            match leases.len() + prefixes.len() > LEASES_MAX {
                true => {
                    Err(QueryError::TooMany { what: "renewals and revocations", limit: LEASES_MAX })
                }
                false => Ok(()),
            }
        })?;
        let hashes = match hashed.is_empty() {
            true => HashMap::new(),
            false => run.view.hashes_of_these(given_out)?,
        };
        let revocations = Revocations::read(run)?;
        Ok(Seen { run, leases, hashes, prefixes, hashed, revocations })
    }

    /// Tells whether a renewal or revocation of a lease was seen.
    fn has(&mut self, given: &Given, words: &Words) -> Result<bool, QueryError> {
        let lease = words.text(given.lease).unwrap_or_default();
        let begins = |prefix: &str| {
            lease
                .strip_prefix(prefix.trim_end_matches('/'))
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let given_at = given.sample.0;
        if self.leases.contains(lease)
            || self.prefixes.iter().any(|(time, prefix)| *time >= given_at && begins(prefix))
            || self.named_by_hash("lease.renew,lease.revoke", lease)? > 0
        {
            return Ok(true);
        }
        // A lease ends with the token that asked for it.
        let Some(token) = words.text(given.token) else { return Ok(false) };
        let revoked = self.revocations.of(token, words.text(given.accessor))?;
        Ok(revoked.is_some_and(|at| at >= given_at))
    }

    /// Returns how many renewals and revocations of an identity name their lease by a hash.
    fn hashed(&self, identity: Option<&str>) -> u64 {
        self.hashed.get(&identity.map(str::to_owned)).copied().unwrap_or(0)
    }

    /// Returns how many of them name none of these leases.
    fn unnamed(&self, identity: Option<&str>, named: &[&str]) -> Result<u64, QueryError> {
        let all = self.hashed(identity);
        let mut known = 0;
        if all > 0 {
            for lease in named {
                known += self.named_by_hash("lease.revoke", lease)?;
            }
        }
        Ok(all.saturating_sub(known))
    }

    fn named_by_hash(&self, actions: &str, lease: &str) -> Result<u64, QueryError> {
        let Some(hashes) = self.hashes.get(lease) else { return Ok(0) };
        let hashes: Vec<String> = hashes.iter().map(|hash| quoted(hash)).collect();
        let text = format!("action:{actions} outcome:success hash:{}", hashes.join(","));
        let filter = Filter::parse(&text, self.run.now).expect("a filter of ours");
        count(self.run, &filter, Span { from: self.run.span.from, to: self.run.log_to })
    }
}
