//! A token from the log alone: where it came from, what was done with it, what came of it.

use std::collections::BTreeMap;

use ingest::event::{AuditEvent, Decision, IdentityKind, Outcome, Uid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Asked, Holder, Mention, issues, mention};
use crate::count::count_in;
use crate::error::QueryError;
use crate::filter::CountField;

/// The most events about one token that are read; its own requests are counted only.
const EVENTS_MAX: usize = 1_000;

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
    /// In words: what is known of its end.
    pub end: String,
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

/// What a response line tells of the token that it gives out. The server writes none of this as a hash.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    response: Given,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Given {
    auth: GivenAuth,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GivenAuth {
    display_name: String,
    entity_id: String,
    policies: Vec<String>,
}

impl Asked<'_> {
    /// Follows a token. `user` is an event of which it is the token, or that gave it out.
    pub(super) fn token(
        &self,
        hash: &str,
        user: Option<&AuditEvent>,
    ) -> Result<Option<Token>, QueryError> {
        let (_, about) = self.events(&format!("hash:{hash} -token:{hash}"), EVENTS_MAX)?;
        // A login is the first request of the token that it gives out.
        let login = self.oldest(&format!("token:{hash}"))?.filter(|event| issues(event, hash));
        let issued = login.as_ref().or_else(|| about.iter().find(|event| issues(event, hash)));
        let is_its = |event: &&AuditEvent| event.identity.token.as_deref() == Some(hash);
        let user = user.filter(is_its).cloned();
        // A refused request shows the token and not who holds it.
        let named = self.newest(&format!("token:{hash} -reason:token"))?.or(user.clone());
        let given = issued.and_then(|event| event.issued_token.as_ref());
        let accessor = named.as_ref().and_then(|event| event.identity.accessor.clone());
        let accessor = accessor.or_else(|| given?.accessor.clone());
        let holder = match (&named, issued) {
            (Some(event), _) if event.identity.key.is_some() => Some(Holder::of(event)),
            (_, Some(issued)) if issued.action == "auth.login" => Some(Holder::of(issued)),
            (_, Some(issued)) => self.given_to(issued)?,
            (Some(event), None) => Some(Holder::of(event)),
            (None, None) => None,
        };
        let identity = named.as_ref().map(|event| &event.identity);
        let ttl_s = identity.and_then(|of| of.token_ttl_s).or(given.and_then(|of| of.ttl_s));
        let made = identity.and_then(|of| of.token_issued.as_ref()).map(|time| time.text.clone());

        let renewed =
            |event: &AuditEvent| event.action == "token.renew" && event.outcome == Outcome::Success;
        let (own_renewals, own) =
            self.events(&format!("token:{hash} path:auth/token/renew-self outcome:success"), 1)?;
        let others: Vec<_> = about.iter().filter(|event| renewed(event)).collect();
        let last = own.last().into_iter().chain(others.last().copied());
        let last =
            last.filter_map(|event| event.completed.as_ref()).max_by_key(|time| time.unix_ns);
        let renewals = own_renewals + others.len() as u64;

        let revoked = self.revocation(hash, accessor.as_deref(), &about)?;
        let refused = self.oldest(&format!("token:{hash} reason:token"))?;
        let refused = refused.and_then(|event| event.time).map(|time| time.text);
        let looked_up = about
            .iter()
            .rfind(|event| event.action == "token.lookup" && event.outcome == Outcome::Success);
        let told = match looked_up {
            Some(event) => self.told_end(event)?,
            None => None,
        };
        let end = match (&revoked, ttl_s, told) {
            (Some(_), ..) => "revoked".to_owned(),
            (None, _, Some(told)) => {
                format!("no revocation seen; when it was looked up last it was to end at {told}")
            }
            (None, Some(ttl), None) if renewals == 0 => {
                format!(
                    "no revocation seen; it was given {ttl} s and never renewed, so it ended by itself if those are over (inferred)"
                )
            }
            (None, Some(ttl), None) => {
                format!(
                    "no revocation seen; it was given {ttl} s at first, and {renewals} renewals moved its end"
                )
            }
            (None, None, None) => {
                "no revocation seen; its lifetime is not known, or it has none".to_owned()
            }
        };
        Ok(Some(Token {
            hash: hash.to_owned(),
            accessor,
            holder,
            issued: issued.map(|event| mention(event, hash)),
            made,
            ttl_s,
            renewals,
            renewed: last.map(|time| time.text.clone()),
            revoked,
            refused,
            end,
            used: self.used(hash)?,
            children: self.children(hash)?,
        }))
    }

    /// Returns who a token was made for, as the answer to its creation tells: it may never have been used.
    fn given_to(&self, issued: &AuditEvent) -> Result<Option<Holder>, QueryError> {
        let Some(response) = issued.leaves.last() else { return Ok(None) };
        let line = self.trail.ledger().line(*response)?;
        let entry: Answer = serde_json::from_slice(&line.bytes).unwrap_or_default();
        let auth = entry.response.auth;
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        Ok(filled(auth.display_name).map(|name| Holder {
            key: filled(auth.entity_id),
            name: Some(name),
            kind: IdentityKind::Token.as_str().to_owned(),
            method: None,
            role: None,
            metadata: BTreeMap::new(),
            policies: auth.policies,
            granting: Vec::new(),
            remote_address: None,
        }))
    }

    fn revocation(
        &self,
        hash: &str,
        accessor: Option<&str>,
        about: &[AuditEvent],
    ) -> Result<Option<Mention>, QueryError> {
        let revokes = |event: &&AuditEvent| {
            event.action == "token.revoke" && event.outcome == Outcome::Success
        };
        if let Some(event) = about.iter().find(revokes) {
            return Ok(Some(mention(event, hash)));
        }
        let own = format!("token:{hash} path:auth/token/revoke-self outcome:success");
        if let Some(event) = self.oldest(&own)? {
            return Ok(Some(mention(&event, hash)));
        }
        let Some(accessor) = accessor else { return Ok(None) };
        let by_accessor =
            format!("hash:{accessor} -accessor:{accessor} action:token.revoke outcome:success");
        Ok(self.oldest(&by_accessor)?.map(|event| mention(&event, accessor)))
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
        let time = |event: Option<AuditEvent>| event?.time.map(|time| time.text);
        Ok(Use {
            requests: by_decision.total,
            first: time(self.oldest(&filter)?),
            last: time(self.newest(&filter)?),
            by_decision: by_decision.rows.iter().map(decision).collect(),
            by_path: by_path.rows.iter().map(path).collect(),
            filter,
        })
    }

    fn children(&self, hash: &str) -> Result<Vec<Child>, QueryError> {
        let filter = format!("token:{hash} action:token.create outcome:success");
        let (_, events) = self.events(&filter, EVENTS_MAX)?;
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
