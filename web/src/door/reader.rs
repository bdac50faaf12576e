//! Who asks, as the door knows him.

use std::sync::Arc;

use query::bounds::Bounds;

use super::may::Right;
use super::role::Role;
use super::secret::{SecretHash, is_same};
use crate::error::PageError;

/// Who asks. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Reader(Arc<Known>);

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
        Reader(Arc::new(Known {
            credential,
            name,
            role: None,
            bounds: None,
            address: String::new(),
        }))
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
        Reader(Arc::new(Known { credential, name, role, bounds, address }))
    }

    /// Returns what he is called.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns what the ledger calls him.
    pub(crate) fn by(&self) -> String {
        match &self.0.credential {
            Credential::Local => "web, not signed in".to_owned(),
            Credential::Session { by, .. } => by.clone(),
            Credential::Token(_) => format!("token:{}", self.0.name),
        }
    }

    /// Returns from where he asks.
    pub(crate) fn address(&self) -> &str {
        &self.0.address
    }

    /// Returns by what he is known.
    pub(crate) fn credential(&self) -> &Credential {
        &self.0.credential
    }

    /// Returns his role; none: the person at this machine.
    pub(crate) fn role(&self) -> Option<Role> {
        self.0.role
    }

    /// Returns what he is bound to.
    pub(crate) fn bounds(&self) -> Option<Arc<Bounds>> {
        self.0.bounds.clone()
    }

    /// Returns what a form of his pages has to carry.
    pub(crate) fn form_token(&self) -> Option<&str> {
        match &self.0.credential {
            Credential::Session { form_token, .. } => Some(form_token),
            Credential::Local | Credential::Token(_) => None,
        }
    }

    /// Tells whether a form comes from one of his pages. Who has no session has no cookie that a foreign page could use.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn check_form(&self, sent: Option<&str>) -> Result<(), PageError> {
        match self.form_token() {
            Some(token) if !sent.is_some_and(|sent| is_same(sent, token)) => {
                Err(PageError::ForeignForm)
            }
            _ => Ok(()),
        }
    }

    /// Tells whether he has a right.
    pub(crate) fn may(&self, right: Right) -> bool {
        self.0.role.is_none_or(|role| role.may(right))
    }

    /// Tells whether he has a right.
    ///
    /// # Errors
    /// He has not; in words that name what he does have.
    pub(crate) fn check(&self, right: Right) -> Result<(), PageError> {
        match self.0.role {
            Some(role) if !role.may(right) => Err(PageError::Forbidden {
                role,
                right,
                bounds: self.0.bounds.as_ref().map(|bounds| bounds.sentence()),
            }),
            _ => Ok(()),
        }
    }
}
