//! What lines tell of one token's life: who gave it out, how it was renewed, looked up, revoked, refused.

use ingest::event::{AuditEvent, IdentityKind};
use ingest::source::LeafIndex;

use super::life::{KnownBy, Life, NEVER, Promise, Revoked};
use super::{Asked, OVERLAPPING, answered_ns, done_ns, issues};
use crate::error::QueryError;
use crate::period::rfc3339;
use crate::row::EventRow;

const SECOND: i64 = 1_000_000_000;

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
        let (_, rows) = self.rows(filter, Some(at.saturating_add(1)), OVERLAPPING)?;
        let answered = rows.iter().filter_map(|row| Some((done_ns(row)?, row.response_leaf?)));
        Ok(answered.filter(|(time, _)| *time <= at).max())
    }
}

fn after(at: i64, seconds: u64) -> i64 {
    let span = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(SECOND);
    at.saturating_add(span)
}
