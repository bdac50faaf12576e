//! A token from the log alone: where it came from, what was done with it, what came of it.

use std::collections::BTreeMap;

use ingest::event::{AuditEvent, Decision, IdentityKind, Uid};
use ingest::source::LeafIndex;
use serde::Serialize;

use super::judge::Judge;
use super::life::{KnownBy, Life, NEVER, Promise, Revoked, Standing};
use super::{Asked, Holder, Mention, answered_ns, done_ns, issues, mention};
use crate::count::count_in;
use crate::error::QueryError;
use crate::filter::CountField;
use crate::full;
use crate::period::rfc3339;
use crate::row::EventRow;

/// The most children of one token that are read.
const CHILDREN_MAX: usize = 1_000;
const SECOND: i64 = 1_000_000_000;

/// What is known of a token.
#[derive(Clone, Debug, Serialize)]
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
#[derive(Clone, Debug, Serialize)]
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
#[derive(Clone, Debug, Serialize)]
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

/// What lines tell of one token's life.
#[derive(Default)]
pub(super) struct TokenRows {
    pub(super) accessor: Option<String>,
    /// The request that gave it out.
    pub(super) issued: Option<AuditEvent>,
    /// The newest request in which the server accepted it.
    pub(super) used: Option<AuditEvent>,
    pub(super) made: Option<i64>,
    pub(super) ttl_s: Option<u64>,
    pub(super) renewals: u64,
    pub(super) renewed: Option<i64>,
    pub(super) revoked: Option<EventRow>,
    pub(super) refused: Option<i64>,
    /// Batch tokens cannot be revoked.
    pub(super) is_batch: bool,
    pub(super) parent: Parent,
    pub(super) life: Life,
}

/// The token that a token was made with, and ends with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Parent {
    /// It has none: it came of a login, or was made an orphan.
    #[default]
    None,
    /// This one.
    Token(String),
    /// This one, unless the role that it was made by makes orphans.
    Maybe(String),
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

    /// Reads what lines tell of a token: of renewals and look-ups, what the newest one until `at` told. `issued` is
    /// the event that gave it out, if that is known.
    pub(super) fn token_rows(
        &self,
        hash: &str,
        issued: Option<AuditEvent>,
        at: i64,
    ) -> Result<TokenRows, QueryError> {
        // A request that a policy refused was made with a valid token. Logins do not look at the token they carry.
        let used = self.newest(&format!("token:{hash} reason:policy,root"))?;
        let issued = match issued {
            Some(issued) => Some(issued),
            None => {
                let accessor = used.as_ref().and_then(|event| event.identity.accessor.as_deref());
                self.issue_of(hash, accessor)?
            }
        };
        let mut all = TokenRows::default();
        if let Some(time) = used.as_ref().and_then(answered_ns) {
            all.life.accepted.push((time, "used"));
        }
        let given = issued.as_ref().and_then(|event| event.issued_token.as_ref());
        let identity = used.as_ref().map(|event| &event.identity);
        all.accessor = identity.and_then(|identity| identity.accessor.clone());
        all.accessor = all.accessor.or_else(|| given?.accessor.clone());
        all.ttl_s = given.and_then(|given| given.ttl_s);
        all.ttl_s = all.ttl_s.or_else(|| identity?.token_ttl_s);
        // The server writes whole seconds, rounded down.
        let made = identity.and_then(|identity| identity.token_issued.as_ref());
        all.made = issued.as_ref().and_then(answered_ns).or(made.map(|time| time.unix_ns + SECOND));
        let is_root = identity.is_some_and(|identity| identity.kind == IdentityKind::Root)
            || given.is_some_and(|given| given.policies.iter().any(|policy| policy == "root"));
        if let Some(at) = all.made {
            let words = match all.ttl_s {
                Some(ttl) => Some(format!("it was given {ttl} s at {}", rfc3339(at))),
                None if is_root => Some("a root token without a lifetime".to_owned()),
                None => None,
            };
            let until = all.ttl_s.map_or(NEVER, |ttl| after(at, ttl));
            let known_by = KnownBy::Inferred;
            all.life.promises.extend(words.map(|words| Promise { at, until, known_by, words }));
        }
        let told_orphan = self.lookups_and_renewals(hash, at, &mut all)?;
        self.ends_of(hash, &mut all)?;
        match &issued {
            Some(issued) => self.read_issue(hash, issued, told_orphan, at, &mut all)?,
            None if is_root || told_orphan == Some(true) => {}
            // Tokens of logins are orphans; those made with another token mostly are not.
            None if identity.is_some_and(|of| of.method.as_deref() != Some("token")) => {}
            None => {
                let words = "the request that made it is not in the log, so what it was made with is not known";
                all.life.doubts.push((i64::MIN, words.to_owned()));
            }
        }
        all.issued = issued;
        all.used = used;
        Ok(all)
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

    /// Returns the event that gave a token out.
    fn issue_of(
        &self,
        hash: &str,
        accessor: Option<&str>,
    ) -> Result<Option<AuditEvent>, QueryError> {
        if let Some(accessor) = accessor {
            let made = format!(
                "(accessor:{accessor} action:auth.login OR hash:{accessor} action:token.create) outcome:success"
            );
            let made = self.oldest(&made)?.filter(|event| issues(event, accessor));
            if made.is_some() {
                return Ok(made);
            }
        }
        if let Some(login) = self.login_of(&format!("token:{hash}"), hash)? {
            return Ok(Some(login));
        }
        let created = format!("hash:{hash} action:token.create outcome:success");
        Ok(self.oldest(&created)?.filter(|event| issues(event, hash)))
    }

    /// Returns the oldest event that passes, if it is the login that gave out this token or the token of this
    /// accessor: it is the first request of a token.
    pub(super) fn login_of(
        &self,
        filter: &str,
        hash: &str,
    ) -> Result<Option<AuditEvent>, QueryError> {
        let Some(login) = self.oldest(filter)?.filter(|event| issues(event, hash)) else {
            return Ok(None);
        };
        let is_its = self.given_token(&login)?.as_deref() == Some(hash)
            || login.identity.accessor.as_deref() == Some(hash);
        Ok(Some(login).filter(|_| is_its))
    }

    /// Returns the hash of the token that a request gave out.
    ///
    /// Of a login that carried a token the server writes the carried one's hash in place of the new one's, also in
    /// the answer (seen with OpenBao 2.7.2 and clients that keep a token). The accessor is the new one's, and leads to
    /// the token once that is used.
    pub(super) fn given_token(&self, event: &AuditEvent) -> Result<Option<String>, QueryError> {
        let Some(given) = &event.issued_token else { return Ok(None) };
        if event.action != "auth.login" {
            return Ok(given.token.clone());
        }
        let Some(leaf) = event.leaves.last() else { return Ok(given.token.clone()) };
        let entry = self.entry(*leaf)?;
        let carried = entry.pointer("/request/client_token");
        if carried.is_none() || carried != entry.pointer("/response/auth/client_token") {
            return Ok(given.token.clone());
        }
        let Some(accessor) = &given.accessor else { return Ok(None) };
        let user = self.newest(&format!("accessor:{accessor} reason:policy,root"))?;
        Ok(user.and_then(|user| user.identity.token))
    }

    /// Returns the filter for requests about a token: its own on one path, and others' that name it or its accessor.
    fn about(hash: &str, accessor: Option<&str>, own_path: &str, action: &str) -> String {
        let by_accessor = accessor.map_or(String::new(), |accessor| {
            format!(" OR hash:{accessor} -accessor:{accessor} action:{action}")
        });
        format!(
            "(token:{hash} path:{own_path} OR hash:{hash} -token:{hash} action:{action}{by_accessor}) outcome:success"
        )
    }

    /// Takes up renewals and look-ups; returns whether the token is an orphan, if a look-up tells.
    fn lookups_and_renewals(
        &self,
        hash: &str,
        at: i64,
        all: &mut TokenRows,
    ) -> Result<Option<bool>, QueryError> {
        let accessor = all.accessor.clone();
        let renewals =
            Asked::about(hash, accessor.as_deref(), "auth/token/renew-self", "token.renew");
        let (matched, newest) = self.rows(&renewals, None, 1)?;
        all.renewals = matched;
        all.renewed = newest.first().and_then(done_ns);
        all.life.accepted.extend(all.renewed.map(|time| (time, "renewed")));
        if let Some((time, leaf)) = self.newest_until(&renewals, at)? {
            let entry = self.entry(leaf)?;
            match entry.pointer("/response/auth/token_ttl").and_then(|ttl| ttl.as_u64()) {
                Some(ttl) => all.life.promises.push(Promise {
                    at: time,
                    until: after(time, ttl),
                    known_by: KnownBy::Inferred,
                    words: format!("it was renewed at {} for {ttl} s", rfc3339(time)),
                }),
                None => all.life.renewed.push(time),
            }
        }
        let lookups =
            Asked::about(hash, accessor.as_deref(), "auth/token/lookup-self", "token.lookup");
        let Some((time, leaf)) = self.newest_until(&lookups, i64::MAX)? else { return Ok(None) };
        all.life.accepted.push((time, "looked up"));
        let orphan =
            self.entry(leaf)?.pointer("/response/data/orphan").and_then(|told| told.as_bool());
        if let Some((time, leaf)) = self.newest_until(&lookups, at)?
            && let Some(until) = self.told_end(leaf)?
        {
            let words = format!(
                "when it was looked up at {} it was to end at {}",
                rfc3339(time),
                rfc3339(until)
            );
            all.life.promises.push(Promise { at: time, until, known_by: KnownBy::Told, words });
        }
        Ok(orphan)
    }

    /// Takes up revocations of a token and refusals of it.
    fn ends_of(&self, hash: &str, all: &mut TokenRows) -> Result<(), QueryError> {
        let accessor = all.accessor.clone();
        let revocations =
            Asked::about(hash, accessor.as_deref(), "auth/token/revoke-self", "token.revoke");
        if let Some(row) = self.oldest_row(&revocations)?
            && let Some(time) = done_ns(&row)
        {
            let spares_children =
                row.path.as_deref().is_some_and(|path| path.ends_with("/revoke-orphan"));
            let words = format!("revoked at {}", rfc3339(time));
            all.life.revoked.push(Revoked { at: time, words, spares_children });
            all.revoked = Some(row);
        }
        let refusals = format!("token:{hash} reason:token");
        let Some(first) = self.oldest_row(&refusals)?.as_ref().and_then(done_ns) else {
            return Ok(());
        };
        all.refused = Some(first);
        let accepted = all.life.accepted.iter().map(|(time, _)| *time).max().unwrap_or(i64::MIN);
        let last = self.rows(&refusals, None, 1)?.1.first().and_then(done_ns);
        all.life.refused = [Some(first), last].into_iter().flatten().find(|time| *time > accepted);
        Ok(())
    }

    /// Takes up what the answer that gave a token out tells beside the event: uses, type, parent.
    fn read_issue(
        &self,
        hash: &str,
        issued: &AuditEvent,
        told_orphan: Option<bool>,
        at: i64,
        all: &mut TokenRows,
    ) -> Result<(), QueryError> {
        let Some(leaf) = issued.leaves.last() else { return Ok(()) };
        let entry = self.entry(*leaf)?;
        let kind = entry.pointer("/response/auth/token_type").and_then(|kind| kind.as_str());
        all.is_batch = kind == Some("batch");
        let uses = entry.pointer("/response/auth/num_uses").and_then(|uses| uses.as_u64());
        if let Some(uses) = uses.filter(|uses| *uses > 0) {
            // Each request counts, refused ones too; the login that gave it out does not.
            let used = format!("token:{hash} reason:policy,root");
            let (used, _) = self.rows(&used, Some(at.saturating_add(1)), 1)?;
            if used >= uses {
                all.life.spent = Some(format!("used {used} times, and good for {uses}"));
            }
        }
        if issued.action != "token.create" {
            return Ok(());
        }
        let path = issued.path.as_deref().unwrap_or_default();
        let no_parent = entry.pointer("/request/data/no_parent").and_then(|told| told.as_bool());
        let is_orphan = told_orphan == Some(true)
            || no_parent == Some(true)
            || path == "auth/token/create-orphan";
        all.parent = match issued.identity.token.clone() {
            Some(parent)
                if !is_orphan && (path == "auth/token/create" || told_orphan.is_some()) =>
            {
                Parent::Token(parent)
            }
            Some(parent) if !is_orphan => Parent::Maybe(parent),
            _ => Parent::None,
        };
        Ok(())
    }

    /// Returns when the newest of these requests that was answered by `at` was, and its response line.
    fn newest_until(&self, filter: &str, at: i64) -> Result<Option<(i64, LeafIndex)>, QueryError> {
        let (_, rows) = self.rows(filter, Some(at.saturating_add(1)), super::OVERLAPPING)?;
        let answered = rows.iter().filter_map(|row| Some((done_ns(row)?, row.response_leaf?)));
        Ok(answered.filter(|(time, _)| *time <= at).max())
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

fn after(at: i64, seconds: u64) -> i64 {
    let span = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(SECOND);
    at.saturating_add(span)
}
