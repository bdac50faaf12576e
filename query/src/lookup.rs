//! Whose is this? A value that was found somewhere, given as its hash: what it is, who was given it, by which
//! request, and what was done with it.
//!
//! ```text
//! hash ──▶ events that mention it ──▶ the one that gave it out ──▶ holder, lease ──▶ renewed, revoked
//!      ╰─▶ events whose token or accessor it is ────────────────▶ token: all that it did, its children
//! ```
//! A hash is of one device and one salt: the same value has another one on each device, and after a device was
//! enabled anew. So that nothing was found says nothing unless the hash was made by a device whose log is here:
//! [`LookUp::devices`].

use std::collections::{BTreeMap, BTreeSet};

use ingest::event::{AuditEvent, Uid};
use ingest::source::{LeafIndex, SourceId};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::QueryError;
use crate::filter::Filter;
use crate::full;
use crate::history::View;
use crate::question::Question;
use crate::row::EventRow;
use crate::search;
use crate::trail::Trail;

mod endings;
mod holder;
mod judge;
mod lease;
mod leases;
mod life;
mod list;
mod mention;
mod text;
mod token;
mod token_rows;
mod tokens;

pub use holder::Holder;
pub use lease::Lease;
pub use leases::{LEASE_COLUMNS, LeaseRow, TERMINAL_COLUMNS, leases};
pub use life::{KnownBy, Standing, State};
pub use list::{GivenOut, Listed};
pub use mention::Mention;
use mention::{gives, issues, mention, places_of};
pub use token::{Child, Token, Use};
pub use tokens::{TOKEN_COLUMNS, TokenRow, tokens};

/// The most events that mention one hash and are read; more are counted only. A token's own requests are not
/// among them.
const MENTIONS_MAX: usize = 1_000;

/// Requests overlap: the newest by the time at which it was asked need not be the one that was answered last. That
/// is looked for among so many.
const OVERLAPPING: usize = 64;

/// What is known of a hash.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LookUp {
    /// `hmac-sha256:…`
    pub hash: String,
    /// What it is of.
    pub what: What,
    /// The text, where a line shows it in clear.
    pub texts: BTreeSet<String>,
    /// How often it stands where: `token`, `accessor`, `response.username` …
    pub places: BTreeMap<String, u64>,
    /// Events that mention it otherwise than as their own token or accessor.
    pub mentions: u64,
    /// Not all of these were read: what follows may lack something.
    pub is_cut: bool,
    /// The request that gave it out.
    pub given: Option<Mention>,
    /// Who it was given to; else who showed it first.
    pub holder: Option<Holder>,
    /// The lease that came with it, or that it is the id of.
    pub lease: Option<Lease>,
    /// The token that it is, or is the accessor of, or that asked for it.
    pub token: Option<Token>,
    /// Every request that mentions it, the oldest first.
    pub seen: Vec<Mention>,
    /// The devices whose lines are here, each with its salts: `prod/file/1`. Hashes of others are not found.
    pub devices: Vec<String>,
    /// How complete that is.
    pub coverage: String,
    /// The answer holds for the leaves below this one.
    pub leaf: u64,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A token.
    Token,
    /// A token's accessor.
    Accessor,
    /// Something that the server gave out with a lease: a database user, its password.
    Credential,
    /// The id of a lease.
    Lease,
    /// Something else that stands in the data of a request or response: a secret id, a serial.
    Value,
    /// No line has it.
    NotFound,
}

/// Tells whether a text is a hash as a server writes it.
pub fn is_hash(text: &str) -> bool {
    let digits = text.strip_prefix("hmac-sha256:").unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// Looks a hash up.
///
/// # Errors
/// The index or the ledger cannot be read.
pub fn look_up(trail: &Trail, hash: &str) -> Result<LookUp, QueryError> {
    let asked = Asked { trail, view: trail.view() };
    let view = &asked.view;
    let mentioned = format!("hash:{hash} -token:{hash} -accessor:{hash}");
    let (mentions, seen) = asked.events(&mentioned, MENTIONS_MAX)?;
    let mut places = BTreeMap::new();
    for event in &seen {
        for place in places_of(event, hash) {
            *places.entry(place).or_default() += 1;
        }
    }
    for own in ["token", "accessor"] {
        let count = asked.count(&format!("{own}:{hash}"))?;
        if count > 0 {
            places.insert(own.to_owned(), count);
        }
    }
    // A login is the first request of the token that it gives out, so it is not among the mentions.
    let login = asked.login_of(&format!("hash:{hash}"), hash)?;
    let given = login.as_ref().or_else(|| seen.iter().find(|event| gives(event, hash)));
    let what = what(&places, given);
    let first_user = asked.oldest(&format!("token:{hash} OR accessor:{hash}"))?;
    let first = given.or(first_user.as_ref()).or(seen.first());
    let token = match what {
        What::Token => asked.token(hash, first_user.as_ref().or(given))?,
        What::NotFound => None,
        What::Accessor => match token_of(hash, first_user.as_ref(), given) {
            Some(token) => asked.token(&token, first_user.as_ref().or(given))?,
            None => None,
        },
        What::Credential | What::Lease | What::Value => {
            match first
                .and_then(|event| event.identity.token.as_deref().map(|token| (event, token)))
            {
                Some((event, token)) => asked.token(token, Some(event))?,
                None => None,
            }
        }
    };
    let texts = view.texts_of(hash)?;
    let lease_id = match what {
        What::Lease => texts.first().cloned(),
        _ => given.and_then(|event| event.lease_id.clone()),
    };
    let lease = match (what, lease_id) {
        (_, Some(id)) => Some(asked.lease(Some(id), BTreeSet::new())?),
        (What::Lease, None) => Some(asked.lease(None, BTreeSet::from([hash.to_owned()]))?),
        _ => None,
    };
    // Of a lease the holder is who was given it, if that is known.
    let holder = match lease.as_ref().and_then(|lease| lease.issued.as_ref()) {
        Some(issued) if what == What::Lease => {
            full::event_in(trail, view, issued.uid)?.map(|found| Holder::of(&found.event))
        }
        _ => token
            .as_ref()
            .and_then(|token| token.holder.clone())
            .filter(|_| matches!(what, What::Token | What::Accessor))
            .or_else(|| first.map(Holder::of)),
    };
    Ok(LookUp {
        hash: hash.to_owned(),
        what,
        texts,
        places,
        mentions,
        is_cut: mentions > seen.len() as u64,
        given: given.map(|event| mention(event, hash)),
        holder,
        lease,
        token,
        seen: seen.iter().map(|event| mention(event, hash)).collect(),
        devices: asked.devices()?,
        coverage: asked.view.coverage(None, None, Timestamp::now())?.sentence(),
        leaf: asked.view.leaf(),
    })
}

/// What is known of something that the server gave out, in short.
#[derive(Clone, Debug)]
pub struct Given {
    /// Who it was given to.
    pub holder: Holder,
    /// The lease that came with it.
    pub lease: Option<String>,
    /// The event.
    pub uid: Uid,
}

/// Finds the request that gave out what this is the hash of; `None` if no line shows that.
///
/// # Errors
/// As [`look_up`].
pub fn given(trail: &Trail, hash: &str) -> Result<Option<Given>, QueryError> {
    let asked = Asked { trail, view: trail.view() };
    let (_, seen) = asked.events(&format!("hash:{hash}"), MENTIONS_MAX)?;
    let given = seen.into_iter().find(|event| gives(event, hash));
    Ok(given.map(|event| Given {
        holder: Holder::of(&event),
        uid: event.uid,
        lease: event.lease_id,
    }))
}

/// A trail and the one view in which everything is asked.
struct Asked<'a> {
    trail: &'a Trail,
    view: View,
}

impl Asked<'_> {
    /// Returns how many events pass, what counts leave out included but for copies, and the newest of them,
    /// the oldest first.
    fn events(&self, filter: &str, limit: usize) -> Result<(u64, Vec<AuditEvent>), QueryError> {
        let mut events = Vec::new();
        let page = full::events_in(
            self.trail,
            &self.view,
            &question(filter),
            limit,
            None,
            &mut |event| {
                events.push(event);
                Ok::<(), QueryError>(())
            },
        )?;
        events.reverse();
        Ok((page.matched, events))
    }

    fn count(&self, filter: &str) -> Result<u64, QueryError> {
        Ok(self.rows(filter, None, 1)?.0)
    }

    /// Gives the rows of events that pass and were asked before `to`, the newest first, at most `limit` (0: all);
    /// returns how many pass.
    fn each_row(
        &self,
        filter: &str,
        to: Option<i64>,
        limit: usize,
        each: &mut dyn FnMut(EventRow) -> Result<(), QueryError>,
    ) -> Result<u64, QueryError> {
        let question = Question { to, ..question(filter) };
        Ok(search::each_row(&self.view, &question, limit, None, each)?.matched)
    }

    /// Returns how many events pass and were asked before `to`, and the rows of the newest of them, newest first.
    fn rows(
        &self,
        filter: &str,
        to: Option<i64>,
        limit: usize,
    ) -> Result<(u64, Vec<EventRow>), QueryError> {
        let mut rows = Vec::new();
        let matched = self.each_row(filter, to, limit, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        Ok((matched, rows))
    }

    /// Returns the oldest event that passes.
    fn oldest(&self, filter: &str) -> Result<Option<AuditEvent>, QueryError> {
        let Some(row) = self.oldest_row(filter)? else { return Ok(None) };
        Ok(full::event_in(self.trail, &self.view, row.uid)?.map(|found| found.event))
    }

    fn oldest_row(&self, filter: &str) -> Result<Option<EventRow>, QueryError> {
        search::oldest(&self.view, &question(filter))
    }

    /// Returns when the log ends, in nanoseconds since 1970: after that nothing is known.
    fn last_ns(&self) -> Result<i64, QueryError> {
        let (_, newest) = self.rows("", None, OVERLAPPING)?;
        Ok(newest.iter().filter_map(done_ns).max().unwrap_or(i64::MIN))
    }

    /// Returns a line of the servers as JSON; null if it is none.
    fn entry(&self, leaf: LeafIndex) -> Result<serde_json::Value, QueryError> {
        let line = self.trail.ledger().line(leaf)?;
        Ok(serde_json::from_slice(&line.bytes).unwrap_or_default())
    }

    /// Returns the salts of every device that gave lines.
    fn devices(&self) -> Result<Vec<String>, QueryError> {
        let mut devices = BTreeSet::new();
        for generation in self.trail.ledger().generations()? {
            if let Ok(source) = generation.source.parse::<SourceId>() {
                devices.insert((source.cluster, source.device));
            }
        }
        let salts = devices.iter().map(|(cluster, device)| self.view.salts(cluster, device));
        Ok(salts.collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn newest(&self, filter: &str) -> Result<Option<AuditEvent>, QueryError> {
        Ok(self.events(filter, 1)?.1.pop())
    }
}

/// Returns when a request was answered, else asked, in nanoseconds since 1970.
fn done_ns(row: &EventRow) -> Option<i64> {
    let answered = row.completed.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
    let answered = answered.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    answered.or(row.time_unix_ns)
}

/// The same of a whole event.
fn answered_ns(event: &AuditEvent) -> Option<i64> {
    event.completed.as_ref().or(event.time.as_ref()).map(|time| time.unix_ns)
}

/// Filters here are ours, made of hashes and words; copies of other devices have hashes of their own and say
/// nothing new.
fn question(filter: &str) -> Question {
    let filter =
        Filter::parse(filter, Timestamp::UNIX_EPOCH).expect("filters made here are filters");
    Question { filter, all: true, ..Question::everything() }
}

fn what(places: &BTreeMap<String, u64>, given: Option<&AuditEvent>) -> What {
    let stands = |place: &str| places.contains_key(place);
    if stands("token") || stands("issued_token.token") {
        What::Token
    } else if stands("accessor") || stands("issued_token.accessor") {
        What::Accessor
    } else if given.is_some_and(|event| event.lease_id.is_some()) {
        What::Credential
    } else if stands("request.lease_id") {
        What::Lease
    } else if places.is_empty() {
        What::NotFound
    } else {
        What::Value
    }
}

/// Returns the token of an accessor.
fn token_of(
    accessor: &str,
    user: Option<&AuditEvent>,
    given: Option<&AuditEvent>,
) -> Option<String> {
    let used = user.filter(|event| event.identity.accessor.as_deref() == Some(accessor));
    let used = used.and_then(|event| event.identity.token.clone());
    used.or_else(|| given?.issued_token.as_ref()?.token.clone())
}

#[cfg(test)]
mod tests;
