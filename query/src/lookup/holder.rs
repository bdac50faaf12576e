//! Who has a value.

use std::collections::BTreeMap;

use ingest::event::AuditEvent;
use serde::Serialize;
use utoipa::ToSchema;

/// Who has a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Holder {
    /// The same for everything that the holder does.
    pub key: Option<String>,
    /// The name to show: of a pod, its namespace and service account.
    pub name: Option<String>,
    /// human, workload …
    pub kind: String,
    /// The auth method's type.
    pub method: Option<String>,
    /// The login role.
    pub role: Option<String>,
    /// What the auth method put on the token.
    pub metadata: BTreeMap<String, String>,
    /// Every policy held.
    pub policies: Vec<String>,
    /// Those that granted this request.
    pub granting: Vec<String>,
    /// From where it was asked for.
    pub remote_address: Option<String>,
}

impl Holder {
    pub(super) fn of(event: &AuditEvent) -> Holder {
        let identity = &event.identity;
        Holder {
            key: identity.key.clone(),
            name: identity.name.clone(),
            kind: identity.kind.as_str().to_owned(),
            method: identity.method.clone(),
            role: identity.role.clone(),
            metadata: identity.metadata.clone(),
            policies: event.policies.clone(),
            granting: event.granting.clone(),
            remote_address: event.remote_address.clone(),
        }
    }
}
