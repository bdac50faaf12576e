//! Who is signed in: in memory only, so a restart signs everybody out; a reload of the configuration does not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::accounts::Standing;
use super::oidc::Oidc;
use super::secret::{self, SecretHash};

/// A session ends when nothing was asked in it for so long, in seconds.
pub(crate) const IDLE_S: i64 = 60 * 60;
/// It ends so long after it began, in seconds.
pub(crate) const WHOLE_S: i64 = 12 * 60 * 60;
/// The most sessions in all, and of one user; the oldest makes room.
const SESSIONS_MAX: usize = 10_000;
const OF_USER_MAX: usize = 20;

/// What is known of a session. Its id is the cookie's, of which the hash alone is kept.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) holder: Holder,
    /// Stands in every form of a page, and comes back with it.
    pub(crate) form_token: String,
    began: i64,
    seen: i64,
}

/// Whose session it is.
#[derive(Clone, Debug)]
pub(crate) enum Holder {
    /// A user of ours.
    User {
        name: String,
        /// The user's when it began: with another one it is over.
        epoch: String,
    },
    /// Somebody whom the provider knows. He keeps what he was when he signed in.
    Provider { name: String, standing: Standing },
}

impl Holder {
    /// Returns what the ledger calls him.
    pub(crate) fn by(&self) -> String {
        match self {
            Holder::User { name, .. } => format!("user:{name}"),
            Holder::Provider { name, .. } => format!("oidc:{name}"),
        }
    }
}

/// All sessions.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<SecretHash, Session>>);

/// Who is signed in, for a process that serves anew with another configuration.
#[derive(Clone, Default)]
pub struct SignedIn {
    sessions: Arc<Sessions>,
    /// By which provider people signed in.
    by: Arc<Mutex<Option<Oidc>>>,
}

impl SignedIn {
    /// Returns the sessions that go on. What the provider's people may was said by the configuration of then: with another
    /// one their sessions are over.
    pub(super) fn under(&self, provider: Option<&Oidc>) -> Arc<Sessions> {
        let mut by = self.by.lock().unwrap_or_else(PoisonError::into_inner);
        if by.as_ref() != provider {
            self.sessions.end_all_by_provider();
            *by = provider.cloned();
        }
        Arc::clone(&self.sessions)
    }
}

impl Sessions {
    /// Begins a session, and returns its id. Times are seconds since 1970.
    ///
    /// # Errors
    /// There is no randomness.
    pub(crate) fn begin(&self, holder: Holder, now: i64) -> Result<String, getrandom::Error> {
        let (id, form_token) = (secret::secret()?, secret::secret()?);
        let by = holder.by();
        let session = Session { holder, form_token, began: now, seen: now };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, session| !session.is_over(now));
        make_room(&mut all, OF_USER_MAX, |session| session.holder.by() == by);
        make_room(&mut all, SESSIONS_MAX, |_| true);
        all.insert(secret::hash(&id), session);
        Ok(id)
    }

    /// Returns a session that is not over. `is_use`: something is asked in it, so that its idle time begins anew.
    pub(crate) fn get(&self, id: &SecretHash, now: i64, is_use: bool) -> Option<Session> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = all.get_mut(id)?;
        if session.is_over(now) {
            all.remove(id);
            return None;
        }
        if is_use {
            session.seen = now;
        }
        Some(session.clone())
    }

    /// Returns those that are not over.
    pub(crate) fn all(&self, now: i64) -> Vec<Session> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().filter(|session| !session.is_over(now)).cloned().collect()
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: &SecretHash) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Ends every session of somebody, by what the ledger calls him.
    pub(crate) fn end_all_of(&self, by: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, session| session.holder.by() != by);
    }

    fn end_all_by_provider(&self) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, session| matches!(session.holder, Holder::User { .. }));
    }
}

impl Session {
    /// Returns when it was used last, in seconds since 1970.
    pub(crate) fn seen(&self) -> i64 {
        self.seen
    }

    fn is_over(&self, now: i64) -> bool {
        now - self.seen >= IDLE_S || now - self.began >= WHOLE_S
    }
}

/// Ends the oldest of these until there is room for one more.
fn make_room(
    all: &mut HashMap<SecretHash, Session>,
    most: usize,
    is_one: impl Fn(&Session) -> bool,
) {
    while all.values().filter(|session| is_one(session)).count() >= most {
        let these = all.iter().filter(|(_, session)| is_one(session));
        let oldest = these.min_by_key(|(_, session)| session.seen).map(|(id, _)| *id);
        all.remove(&oldest.expect("there is one"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::role::Role;
    use super::*;

    fn user(name: &str) -> Holder {
        Holder::User { name: name.to_owned(), epoch: "e".to_owned() }
    }

    #[test]
    fn a_session_ends_by_idleness_by_age_and_by_word() {
        let sessions = Sessions::default();
        let begin =
            |user, now| secret::hash(&sessions.begin(self::user(user), now).expect("begun"));
        let idle = begin("ann", 0);
        assert!(sessions.get(&idle, IDLE_S - 1, false).is_some(), "a look is no use");
        assert!(sessions.get(&idle, IDLE_S, true).is_none());
        let busy = begin("ann", 0);
        let alive = (0..).map(|hour| hour * (IDLE_S - 1));
        let alive: Vec<i64> = alive.take_while(|now| *now < WHOLE_S).collect();
        assert!(alive.len() > 10);
        assert!(alive.into_iter().all(|now| sessions.get(&busy, now, true).is_some()));
        assert!(sessions.get(&busy, WHOLE_S, true).is_none());
        let (one, other, bob) = (begin("ann", 0), begin("ann", 0), begin("bob", 0));
        sessions.end(&one);
        assert!(sessions.get(&one, 0, true).is_none() && sessions.get(&other, 0, true).is_some());
        sessions.end_all_of("user:ann");
        assert!(sessions.get(&other, 0, true).is_none() && sessions.get(&bob, 0, true).is_some());
    }

    #[test]
    fn another_provider_ends_the_sessions_of_its_people_and_no_other() {
        let provider = |client: &str| Oidc {
            issuer: "https://idp.example".to_owned(),
            client_id: client.to_owned(),
            client_secret_file: None,
            scopes: Vec::new(),
            name_claim: "email".to_owned(),
            groups_claim: "groups".to_owned(),
            roles: Vec::new(),
        };
        let standing = Standing::new(Role::Admin, None, None, None).expect("bound to nothing");
        let of_provider = Holder::Provider { name: "eve".to_owned(), standing };
        let signed_in = SignedIn::default();
        let sessions = signed_in.under(Some(&provider("one")));
        let ids = [user("ann"), of_provider]
            .map(|holder| secret::hash(&sessions.begin(holder, 0).expect("begun")));
        let alive = |provider: Option<&Oidc>| {
            let sessions = signed_in.under(provider);
            ids.map(|id| sessions.get(&id, 1, false).is_some())
        };
        assert_eq!(alive(Some(&provider("one"))), [true, true]);
        assert_eq!(alive(Some(&provider("other"))), [true, false]);
        assert_eq!(alive(None), [true, false]);
    }

    #[test]
    fn sessions_are_bounded_and_the_oldest_makes_room() {
        let sessions = Sessions::default();
        let ids: Vec<_> = (0..=OF_USER_MAX as i64)
            .map(|now| secret::hash(&sessions.begin(user("ann"), now).expect("begun")))
            .collect();
        assert!(sessions.get(&ids[0], 30, false).is_none());
        assert!(ids[1..].iter().all(|id| sessions.get(id, 30, false).is_some()));
    }
}
