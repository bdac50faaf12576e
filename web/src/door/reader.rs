//! Who asks, as the door knows him.

use std::sync::Arc;

use query::bounds::Bounds;

use super::may::Right;
use super::role::Role;
use super::secret::{SecretHash, is_same, masked, unmasked};
use crate::error::PageError;
use crate::zone::Zone;

/// Who asks. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    known: Arc<Known>,
    /// In which he reads this page.
    zone: Zone,
}

#[derive(Debug)]
struct Known {
    credential: Credential,
    name: String,
    /// None: the person at this machine, before there are users.
    role: Option<Role>,
    bounds: Option<Arc<Bounds>>,
    address: String,
}

/// By what he is known.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// He reaches an address that only this machine has, and there are no users.
    Local,
    /// He has signed in.
    Session {
        /// The hash of the session's id.
        id: SecretHash,
        /// What the ledger calls him.
        by: String,
        /// What every form of his pages carries.
        form_token: String,
    },
    /// A program has sent a token.
    Token(SecretHash),
}

impl Reader {
    /// Returns the person at this machine, before there are users: he may do everything.
    pub(crate) fn local() -> Reader {
        let (credential, name) = (Credential::Local, String::new());
        Reader::of(Known { credential, name, role: None, bounds: None, address: String::new() })
    }

    /// Returns a reader with a role; an auditor has bounds.
    pub(crate) fn new(
        credential: Credential,
        name: &str,
        role: Role,
        bounds: Option<Arc<Bounds>>,
        address: String,
    ) -> Reader {
        let (name, role) = (name.to_owned(), Some(role));
        Reader::of(Known { credential, name, role, bounds, address })
    }

    fn of(known: Known) -> Reader {
        Reader { known: Arc::new(known), zone: Zone::default() }
    }

    /// Takes the zone in which he reads.
    pub(crate) fn reads_in(&mut self, zone: Zone) {
        self.zone = zone;
    }

    /// Returns the zone in which he reads.
    pub(crate) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Returns what he is called.
    pub(crate) fn name(&self) -> &str {
        &self.known.name
    }

    /// Returns what the ledger calls him.
    pub(crate) fn by(&self) -> String {
        match &self.known.credential {
            Credential::Local => "web, not signed in".to_owned(),
            Credential::Session { by, .. } => by.clone(),
            Credential::Token(_) => format!("token:{}", self.known.name),
        }
    }

    /// Returns from where he asks.
    pub(crate) fn address(&self) -> &str {
        &self.known.address
    }

    /// Returns by what he is known.
    pub(crate) fn credential(&self) -> &Credential {
        &self.known.credential
    }

    /// Returns his role; none: the person at this machine.
    pub(crate) fn role(&self) -> Option<Role> {
        self.known.role
    }

    /// Returns what he is bound to.
    pub(crate) fn bounds(&self) -> Option<Arc<Bounds>> {
        self.known.bounds.clone()
    }

    /// Tells whether forms of his pages have to carry a token.
    pub(crate) fn has_forms(&self) -> bool {
        matches!(self.known.credential, Credential::Session { .. })
    }

    /// Returns what a form of his pages has to carry: another text each time, and never wrong.
    pub(crate) fn form_token(&self) -> Option<String> {
        match &self.known.credential {
            // Without randomness there is no token, and the form is refused.
            Credential::Session { form_token, .. } => masked(form_token).ok(),
            Credential::Local | Credential::Token(_) => None,
        }
    }

    /// Tells whether a form comes from one of his pages. Who has no session has no cookie that a foreign page could use.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn check_form(&self, sent: Option<&str>) -> Result<(), PageError> {
        match &self.known.credential {
            Credential::Session { form_token, .. }
                if !sent.is_some_and(|sent| is_same(&unmasked(sent), form_token)) =>
            {
                Err(PageError::ForeignForm)
            }
            _ => Ok(()),
        }
    }

    /// Tells whether he has a right.
    pub(crate) fn may(&self, right: Right) -> bool {
        self.known.role.is_none_or(|role| role.may(right))
    }

    /// Tells whether he has a right.
    ///
    /// # Errors
    /// He has not; in words that name what he does have.
    pub(crate) fn check(&self, right: Right) -> Result<(), PageError> {
        match self.known.role {
            Some(role) if !role.may(right) => Err(PageError::Forbidden {
                role,
                right,
                bounds: self.known.bounds.as_ref().map(|bounds| bounds.sentence()),
            }),
            _ => Ok(()),
        }
    }
}
