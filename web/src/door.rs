//! The door: who asks, and what he may.
//!
//! ```text
//!   request ── identify ── the reader, known to the door         (one middleware before every handler)
//!                             │
//!                         May<Right>   a handler's first argument: without it nothing can be asked of the trail
//!                             │
//!                         Seen         the trail as far as this reader sees it
//! ```
//! What is not granted is 401 to a stranger and 403 to a reader. A test asks every route of the router's own list as
//! every role. `docs/sign-in.md` tells what people need to know of it.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::HeaderValue;
use jiff::Timestamp;
use tokio::sync::Semaphore;

mod accounts;
mod deeds;
mod identify;
mod limits;
mod may;
mod oidc;
mod password;
mod reach;
mod reader;
mod role;
mod secret;
mod sessions;
mod sign_in;
mod watched;

pub use self::accounts::{Accounts, AccountsError, Standing, Token, User, new_password};
pub(crate) use self::identify::{Peer, identify};
pub(crate) use self::may::{
    Controls, Export, ExportControls, Grant, Look, LookUp, May, Metrics, RawLine, Review, Right,
    SaveViews, Settings,
};
pub use self::oidc::{GroupRole, Oidc};
pub(crate) use self::oidc::{begin as to_provider, callback as from_provider};
pub(crate) use self::reach::Reach;
pub(crate) use self::reader::Reader;
pub use self::role::Role;
pub(crate) use self::sign_in::{fields, sign_in, sign_in_page, sign_out};

use self::deeds::Deeds;
use self::limits::Limits;
use self::oidc::ByProvider;
use self::sessions::Sessions;
pub use self::sessions::SignedIn;
use self::watched::Watched;

/// Passwords that are compared at once.
const HASHING_MAX: usize = 2;

/// Tells the time; a test has one of its own.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What the door keeps.
pub(crate) struct Door {
    accounts: Watched,
    sessions: Arc<Sessions>,
    limits: Limits,
    /// Whom people sign in by, beside passwords.
    by_provider: Option<ByProvider>,
    pub(crate) deeds: Deeds,
    hashing: Arc<Semaphore>,
    reach: Arc<Reach>,
    clock: Clock,
}

impl Door {
    /// Makes the door of a data folder, for those who are signed in already and those who come.
    pub(crate) fn new(
        data: PathBuf,
        reach: Reach,
        oidc: Option<Oidc>,
        signed_in: &SignedIn,
        clock: Clock,
    ) -> Door {
        Door {
            accounts: Watched::new(data),
            sessions: signed_in.under(oidc.as_ref()),
            limits: Limits::default(),
            by_provider: oidc.map(ByProvider::new),
            deeds: Deeds::default(),
            hashing: Arc::new(Semaphore::new(HASHING_MAX)),
            reach: Arc::new(reach),
            clock,
        }
    }

    /// Returns users and tokens as they are now.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) fn accounts(&self) -> Result<Arc<Accounts>, String> {
        self.accounts.now()
    }

    /// Returns the provider that people sign in by.
    pub(crate) fn oidc(&self) -> Option<&Oidc> {
        self.by_provider.as_ref().map(|by| &by.config)
    }

    /// Ends every session of somebody, by what the ledger calls him.
    pub(crate) fn end_sessions(&self, by: &str) {
        self.sessions.end_all_of(by);
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Returns how this process is reached.
    pub(crate) fn reach(&self) -> Arc<Reach> {
        Arc::clone(&self.reach)
    }

    /// Tells whether whoever reaches the socket is at this machine.
    fn is_local(&self) -> bool {
        self.reach.is_local()
    }

    /// Returns from where a request comes.
    fn address(&self, request: &Request) -> String {
        let address = self.reach.address(request.headers(), request.extensions());
        address.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
    }

    /// By TLS a browser takes a cookie of this name from this very host only.
    fn cookie_name(&self) -> &'static str {
        if self.reach.is_https() { "__Host-keytrail" } else { "keytrail" }
    }

    /// Ties a sign-in by the provider to the browser that began it.
    fn oidc_cookie_name(&self) -> &'static str {
        if self.reach.is_https() { "__Host-keytrail-oidc" } else { "keytrail-oidc" }
    }

    /// Returns the header that gives a browser its session's id. It lives as long as the browser does.
    fn set_cookie(&self, id: &str) -> HeaderValue {
        self.cookie_header(self.cookie_name(), id, "")
    }

    /// Returns the header that takes it away.
    fn forget_cookie(&self) -> HeaderValue {
        self.cookie_header(self.cookie_name(), "", "; Max-Age=0")
    }

    fn set_oidc_cookie(&self, browser: &str) -> HeaderValue {
        let more = format!("; Max-Age={}", oidc::WAITS_S);
        self.cookie_header(self.oidc_cookie_name(), browser, &more)
    }

    fn forget_oidc_cookie(&self) -> HeaderValue {
        self.cookie_header(self.oidc_cookie_name(), "", "; Max-Age=0")
    }

    fn cookie_header(&self, name: &str, value: &str, more: &str) -> HeaderValue {
        let secure = if self.reach.is_https() { "; Secure" } else { "" };
        let header = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{more}");
        HeaderValue::from_str(&header).expect("names and base64 are plain")
    }
}

#[cfg(test)]
mod tests;
