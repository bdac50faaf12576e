//! The one or two lines of an event, side by side.

use crate::decode::{AuditEntry, Auth, DataFacts};
use crate::pairing::State;

/// What an event is made from, read.
pub(super) struct Lines<'a> {
    pub(super) request: Option<Box<AuditEntry<'a>>>,
    pub(super) response: Option<Box<AuditEntry<'a>>>,
    pub(super) state: State,
    /// The request's data; the response line repeats it.
    pub(super) asked: DataFacts<'a>,
    /// The response's data.
    pub(super) answered: DataFacts<'a>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(
        request: Option<Box<AuditEntry<'a>>>,
        response: Option<Box<AuditEntry<'a>>>,
        state: State,
    ) -> Lines<'a> {
        let asked = request
            .as_ref()
            .or(response.as_ref())
            .map(|entry| entry.request.data.facts())
            .unwrap_or_default();
        let answered =
            response.as_ref().map(|entry| entry.response.data.facts()).unwrap_or_default();
        Lines { request, response, state, asked, answered }
    }

    /// Returns the entries that there are, the request's first.
    pub(super) fn entries(&self) -> impl Iterator<Item = &AuditEntry<'a>> {
        [&self.request, &self.response].into_iter().flatten().map(Box::as_ref)
    }

    /// Returns the first value that one of the lines has, the request's first.
    pub(super) fn first<'s, T: 's + ?Sized>(
        &'s self,
        field: impl Fn(&'s AuditEntry<'a>) -> Option<&'s T>,
    ) -> Option<&'s T> {
        let request = self.request.as_deref().and_then(&field);
        request.or_else(|| self.response.as_deref().and_then(field))
    }

    pub(super) fn path(&self) -> Option<&str> {
        self.first(|entry| entry.request.path.as_deref())
    }

    pub(super) fn operation(&self) -> Option<&str> {
        self.first(|entry| entry.request.operation.as_deref())
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        self.first(|entry| {
            entry.request.namespace.as_ref().and_then(|namespace| namespace.path.as_deref())
        })
    }

    pub(super) fn mount(&self) -> Option<&str> {
        let request = self.first(|entry| entry.request.mount_point.as_deref());
        request.or_else(|| self.first(|entry| entry.response.mount_point.as_deref()))
    }

    pub(super) fn mount_type(&self) -> Option<&str> {
        let request = self.first(|entry| entry.request.mount_type.as_deref());
        request.or_else(|| self.first(|entry| entry.response.mount_type.as_deref()))
    }

    /// Returns the path within the mount, if the line names the mount. A mount's path includes the
    /// namespace, a request's does not.
    pub(super) fn within_mount(&self) -> Option<&str> {
        let mount = self.mount()?;
        let mount =
            self.namespace().and_then(|namespace| mount.strip_prefix(namespace)).unwrap_or(mount);
        self.path()?.strip_prefix(mount)
    }

    /// Returns the token that asked.
    pub(super) fn auth(&self) -> Option<&Auth<'a>> {
        self.first(|entry| entry.auth.as_deref())
    }

    /// Returns the token that was given out.
    pub(super) fn given(&self) -> Option<&Auth<'a>> {
        self.response.as_ref()?.response.auth.as_deref()
    }

    /// Returns the token hash that was sent.
    pub(super) fn token_sent(&self) -> Option<&str> {
        let request = self.first(|entry| entry.request.client_token.as_deref());
        request.or_else(|| self.auth()?.client_token.as_deref())
    }

    /// Returns what the policies said, on any line.
    pub(super) fn allowed(&self) -> Option<bool> {
        let said = |entry: &AuditEntry<'_>| entry.auth.as_ref()?.policy_results.as_ref()?.allowed;
        self.entries().filter_map(said).reduce(|one, other| one && other)
    }

    /// Tells whether the log shows that policies were asked.
    pub(super) fn has_policy_results(&self) -> bool {
        self.entries()
            .any(|entry| entry.auth.as_ref().is_some_and(|auth| auth.policy_results.is_some()))
    }

    /// Returns the policies that granted the request.
    pub(super) fn granting(&self) -> impl Iterator<Item = &str> {
        let results =
            self.entries().filter_map(|entry| entry.auth.as_ref()?.policy_results.as_ref());
        let granting =
            results.map(|results| &results.granting_policies).find(|granting| !granting.is_empty());
        granting.into_iter().flatten().filter_map(|policy| policy.name.as_deref())
    }
}
