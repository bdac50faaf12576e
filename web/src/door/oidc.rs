//! Sign-in by an OpenID Connect provider: authorization code with PKCE; `docs/sign-in.md`.
//!
//! ```text
//!   /sign-in/oidc           state, nonce and verifier are kept, bound to this browser by a cookie;
//!                           the browser is sent to the provider
//!   /sign-in/oidc/callback  what was kept is taken, once; the code becomes an ID token, which is verified;
//!                           the first row whose group it names tells the role; a session begins
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::accounts::Standing;

mod handlers;
mod pending;
mod person;
mod provider;

pub(crate) use self::handlers::{begin, callback};

use self::pending::Pending;
pub(crate) use self::pending::WAITS_S;
use self::provider::Provider;

/// Questions to the provider at once: each holds a thread until it answers.
const ASKING_MAX: usize = 4;

/// How people sign in by a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// The provider's name, an address below which its discovery document is.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// Where our secret is, read anew each time; none: a public client.
    pub client_secret_file: Option<PathBuf>,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that is the person's name here.
    pub name_claim: String,
    /// The claim with his groups; `a.b` is also `b` within `a`.
    pub groups_claim: String,
    /// What members of a group are; the first row that fits counts.
    pub roles: Vec<GroupRole>,
}

/// What members of a group are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRole {
    /// The group, as the claim writes it.
    pub group: String,
    /// The role, and of an auditor what he is bound to.
    pub standing: Standing,
}

/// What the door keeps of it.
pub(crate) struct ByProvider {
    pub(crate) config: Oidc,
    provider: Provider,
    pending: Pending,
    asking: Arc<Semaphore>,
}

impl ByProvider {
    pub(crate) fn new(config: Oidc) -> ByProvider {
        ByProvider {
            config,
            provider: Provider::default(),
            pending: Pending::default(),
            asking: Arc::new(Semaphore::new(ASKING_MAX)),
        }
    }

    /// Returns the host that people are sent to, for the sign-in page.
    pub(crate) fn host(&self) -> &str {
        let rest = self.config.issuer.split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', ':']).next().unwrap_or(rest)
    }
}
