//! A token from the log alone: where it came from, what was done with it, what came of it.

use std::collections::BTreeMap;

use ingest::event::{AuditEvent, Decision, IdentityKind, Uid};
use serde::Serialize;
use utoipa::ToSchema;

use super::judge::Judge;
use super::life::Standing;
use super::token_rows::TokenRows;
use super::{Asked, Holder, Mention, mention};
use crate::count::count_in;
use crate::error::QueryError;
use crate::filter::CountField;
use crate::full;
use crate::period::rfc3339;
use crate::row::EventRow;

/// The most children of one token that are read.
const CHILDREN_MAX: usize = 1_000;

/// What is known of a token.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Token {
    /// Its hash.
    pub hash: String,
    /// Hash of its accessor.
    pub accessor: Option<String>,
    /// Who holds it.
    pub holder: Option<Holder>,
    /// The login, or the creation, that gave it out.
    pub issued: Option<Mention>,
    /// When it was made, as every line of it says.
    pub made: Option<String>,
    /// Lifetime given at its creation, in seconds.
    pub ttl_s: Option<u64>,
    /// How often it was renewed.
    pub renewals: u64,
    /// When it was renewed last.
    pub renewed: Option<String>,
    /// The request that revoked it.
    pub revoked: Option<Mention>,
    /// The first request with it that was refused because it was no token any more.
    pub refused: Option<String>,
    /// Whether it was in force when the log ends, and why that is said.
    pub end: Standing,
    /// Everything that was done with it.
    pub used: Use,
    /// Tokens that were made with it.
    pub children: Vec<Child>,
}

/// What was done with a token.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Use {
    /// The filter that finds all of it.
    pub filter: String,
    /// How many requests.
    pub requests: u64,
    /// The first one's time.
    pub first: Option<String>,
    /// The last one's.
    pub last: Option<String>,
    /// Requests by decision.
    pub by_decision: BTreeMap<String, u64>,
    /// Requests by action and path, the most frequent first.
    pub by_path: Vec<(String, String, u64)>,
}

/// A token that was made with another one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Child {
    /// The event that made it.
    pub uid: Uid,
    /// When.
    pub time: Option<String>,
    /// Its hash.
    pub token: Option<String>,
    /// Hash of its accessor.
    pub accessor: Option<String>,
    /// Its policies.
    pub policies: Vec<String>,
    /// Lifetime given, in seconds.
    pub ttl_s: Option<u64>,
}

impl Asked<'_> {
    /// Follows a token. `user` is an event of which it is the token, or that gave it out.
    pub(super) fn token(
        &self,
        hash: &str,
        user: Option<&AuditEvent>,
    ) -> Result<Option<Token>, QueryError> {
        let at = self.last_ns()?;
        let rows = self.token_rows(hash, None, at)?;
        let is_its = |event: &&AuditEvent| event.identity.token.as_deref() == Some(hash);
        let user = user.filter(is_its);
        let holder = self.holder_of(&rows, user)?;
        let end = Judge::new(self, at)?.token(&rows)?;
        let revoked = match &rows.revoked {
            Some(row) => full::event_in(self.trail, &self.view, row.uid)?.map(|found| {
                let by_accessor = rows
                    .accessor
                    .as_ref()
                    .filter(|accessor| found.event.hmacs.values().any(|named| named == *accessor));
                mention(&found.event, by_accessor.map_or(hash, String::as_str))
            }),
            None => None,
        };
        let named = rows.used.as_ref().or(user);
        let made = named.and_then(|event| event.identity.token_issued.as_ref());
        Ok(Some(Token {
            hash: hash.to_owned(),
            holder,
            issued: rows.issued.as_ref().map(|event| mention(event, hash)),
            made: made.map(|time| time.text.clone()),
            ttl_s: rows.ttl_s,
            renewals: rows.renewals,
            renewed: rows.renewed.map(rfc3339),
            revoked,
            refused: rows.refused.map(rfc3339),
            end,
            used: self.used(hash)?,
            children: self.children(hash)?,
            accessor: rows.accessor,
        }))
    }

    /// Returns who holds a token: who uses it, else whom it was given to. `user` is an event of which it is the token.
    pub(super) fn holder_of(
        &self,
        rows: &TokenRows,
        user: Option<&AuditEvent>,
    ) -> Result<Option<Holder>, QueryError> {
        Ok(match (rows.used.as_ref().or(user), &rows.issued) {
            (Some(event), _) if event.identity.key.is_some() => Some(Holder::of(event)),
            (_, Some(issued)) if issued.action == "auth.login" => Some(Holder::of(issued)),
            (_, Some(issued)) => self.given_to(issued)?,
            (Some(event), None) => Some(Holder::of(event)),
            (None, None) => None,
        })
    }

    /// Returns who a token was made for, as the answer to its creation tells: it may never have been used.
    fn given_to(&self, issued: &AuditEvent) -> Result<Option<Holder>, QueryError> {
        let Some(response) = issued.leaves.last() else { return Ok(None) };
        let entry = self.entry(*response)?;
        let told = |name: &str| {
            let text = entry.pointer(&format!("/response/auth/{name}"))?.as_str()?;
            Some(text.to_owned()).filter(|text| !text.is_empty())
        };
        let policies = issued.issued_token.as_ref().map(|given| given.policies.clone());
        Ok(told("display_name").map(|name| Holder {
            key: told("entity_id"),
            name: Some(name),
            kind: IdentityKind::Token.as_str().to_owned(),
            method: None,
            role: None,
            metadata: BTreeMap::new(),
            policies: policies.unwrap_or_default(),
            granting: Vec::new(),
            remote_address: None,
        }))
    }

    fn used(&self, hash: &str) -> Result<Use, QueryError> {
        let filter = format!("token:{hash}");
        let question = super::question(&filter);
        let field = |name| CountField::parse(name, self.view.fields()).expect("a column");
        let by_decision = count_in(&self.view, &question, &[field("decision")], None)?;
        let decision = |row: &crate::count::CountRow| {
            let unknown = || Decision::Unknown.as_str().to_owned();
            (row.values[0].clone().unwrap_or_else(unknown), row.count)
        };
        let by_path = count_in(&self.view, &question, &[field("action"), field("path")], None)?;
        let path = |row: &crate::count::CountRow| {
            let [action, path] = [0, 1].map(|at: usize| row.values[at].clone().unwrap_or_default());
            (action, path, row.count)
        };
        let time = |event: Option<EventRow>| event?.time;
        Ok(Use {
            requests: by_decision.total,
            first: time(self.oldest_row(&filter)?),
            last: time(self.rows(&filter, None, 1)?.1.pop()),
            by_decision: by_decision.rows.iter().map(decision).collect(),
            by_path: by_path.rows.iter().map(path).collect(),
            filter,
        })
    }

    fn children(&self, hash: &str) -> Result<Vec<Child>, QueryError> {
        let filter = format!("token:{hash} action:token.create outcome:success");
        let (_, events) = self.events(&filter, CHILDREN_MAX)?;
        let child = |event: AuditEvent| {
            let issued = event.issued_token?;
            Some(Child {
                uid: event.uid,
                time: event.time.map(|time| time.text),
                token: issued.token,
                accessor: issued.accessor,
                policies: issued.policies,
                ttl_s: issued.ttl_s,
            })
        };
        Ok(events.into_iter().filter_map(child).collect())
    }
}
