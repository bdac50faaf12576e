//! Who asks.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use query::bounds::Bounds;

use super::may::Right;
use super::role::Role;
use crate::error::PageError;

/// Who asks, as the door knows him. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Reader(Arc<Known>);

#[derive(Debug)]
struct Known {
    name: String,
    /// None: the person at this machine, before there are users.
    role: Option<Role>,
    bounds: Option<Arc<Bounds>>,
}

impl Reader {
    /// Returns the person at this machine, before there are users: he may do everything.
    pub(crate) fn local() -> Reader {
        Reader(Arc::new(Known { name: "web, not signed in".to_owned(), role: None, bounds: None }))
    }

    /// Returns a reader with a role; an auditor has bounds.
    #[cfg(test)]
    pub(crate) fn new(name: &str, role: Role, bounds: Option<Arc<Bounds>>) -> Reader {
        Reader(Arc::new(Known { name: name.to_owned(), role: Some(role), bounds }))
    }

    /// Returns what he is called.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns his role; none: the person at this machine.
    pub(crate) fn role(&self) -> Option<Role> {
        self.0.role
    }

    /// Returns what he is bound to.
    pub(crate) fn bounds(&self) -> Option<Arc<Bounds>> {
        self.0.bounds.clone()
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

/// Finds out who asks, before any handler is called.
pub(crate) async fn identify(mut request: Request, next: Next) -> Response {
    if request.extensions().get::<Reader>().is_none() {
        request.extensions_mut().insert(Reader::local());
    }
    next.run(request).await
}
