//! The objects that several classes have, and what OCSF has no field for.

use ingest::event::{AuditEvent, IdentityKind};
use serde_json::{Value, json};

use super::super::facts::{Facts, ms};
use super::super::{VERSION, lines};

pub(super) fn source(facts: &Facts<'_>) -> Value {
    let event = facts.event;
    let ip = facts.ip().map(|ip| ip.to_string());
    // The class asks for some name of the client.
    let name = match (&ip, &event.remote_address) {
        (Some(_), _) => None,
        (None, Some(address)) => Some(address.as_str()),
        (None, None) => Some("not recorded"),
    };
    json!({"ip": ip, "name": name, "port": event.remote_port})
}

pub(super) fn destination(facts: &Facts<'_>) -> Value {
    json!({
        "hostname": facts.event.node,
        "svc_name": facts.product().name,
        "type_id": 1,
        "type": "Server",
    })
}

pub(super) fn user(facts: &Facts<'_>) -> Value {
    let identity = &facts.event.identity;
    let account = facts.service_account();
    let (type_id, kind) = match identity.kind {
        IdentityKind::Human => (1, "User"),
        IdentityKind::Root => (2, "Admin"),
        IdentityKind::Workload => (4, "Service"),
        IdentityKind::Token => (99, "Token"),
        IdentityKind::Anonymous => (0, "Unknown"),
    };
    json!({
        "name": facts.user(),
        "uid": identity.entity_id,
        "uid_alt": account.as_ref().and_then(|account| account.uid),
        "domain": account.as_ref().map(|account| account.namespace),
        "display_name": identity.display_name,
        "credential_uid": identity.accessor,
        "type_id": type_id,
        "type": kind,
    })
}

fn session(facts: &Facts<'_>) -> Value {
    let identity = &facts.event.identity;
    let expires =
        identity.token_issued.as_ref().zip(identity.token_ttl_s).and_then(|(issued, ttl)| {
            ms(issued).checked_add(i64::try_from(ttl).ok()?.checked_mul(1000)?)
        });
    json!({
        "uid": identity.accessor,
        "issuer": identity.mount,
        "created_time": identity.token_issued.as_ref().map(ms),
        // 0 is a token without an end.
        "expiration_time": expires.filter(|_| identity.token_ttl_s != Some(0)),
    })
}

pub(super) fn actor(facts: &Facts<'_>) -> Value {
    let event = facts.event;
    let policy = |name: &String, decision: Option<&str>| json!({"decision": decision, "policy": {"name": name, "type": "acl"}});
    let granting = event.granting.iter().map(|name| policy(name, Some("allowed")));
    let others = event.policies.iter().filter(|name| !event.granting.contains(name));
    let authorizations: Vec<Value> =
        granting.chain(others.map(|name| policy(name, None))).collect();
    json!({"user": user(facts), "session": session(facts), "authorizations": authorizations})
}

pub(super) fn service(facts: &Facts<'_>) -> Option<Value> {
    let event = facts.event;
    let name = event.mount_type.as_deref().or(event.mount.as_deref())?;
    Some(json!({"name": name, "uid": facts.mount_accessor(), "version": event.server_version}))
}

pub(super) fn api(facts: &Facts<'_>) -> Value {
    let event = facts.event;
    let error =
        event.error.as_ref().map(|error| json!({"error": event.outcome, "error_message": error}));
    let flags = event.wrap_ttl_s.map(|_| json!(["wrapped"]));
    let mut response = error.unwrap_or_else(|| json!({}));
    response["flags"] = json!(flags);
    json!({
        "operation": event.operation.as_deref().unwrap_or("unknown"),
        "service": service(facts),
        "request": event.request_id.as_ref().map(|id| json!({"uid": id})),
        "response": response,
    })
}

/// What OCSF has no field for, by the names that AuditEvent has.
pub(super) fn unmapped(facts: &Facts<'_>) -> Value {
    let event = facts.event;
    json!({
        "cluster": event.cluster,
        "source": event.source,
        "origin": event.origin,
        "leaves": event.leaves,
        "issued": event.issued,
        "line_sha256": lines::of(facts.item).map(lines::sha256).collect::<Vec<_>>(),
        "supersedes": lines::supersedes(event),
        "action": event.action,
        "operation": event.operation,
        "path": event.path,
        "mount_type": event.mount_type,
        "decision": event.decision,
        "reason": event.reason,
        "outcome": event.outcome,
        "flags": event.flags,
        "identity": identity(event),
        "issued_token": event.issued_token,
        "lease_id": event.lease_id,
        "wrap_ttl_s": event.wrap_ttl_s,
        "hmacs": event.hmacs,
        "salt": event.salt,
        "headers": event.headers,
        "data_keys": event.data_keys,
        "forwarded_from": facts.forwarded_from(),
        "rules": event.rules,
        "keytrail_version": VERSION,
    })
}

fn identity(event: &AuditEvent) -> Value {
    let identity = &event.identity;
    json!({
        "key": identity.key,
        "kind": identity.kind,
        "names": identity.names,
        "method": identity.method,
        "role": identity.role,
        "metadata": identity.metadata,
        "claimed": identity.claimed,
        "former_name": identity.former_name,
        "token": identity.token,
        "token_type": identity.token_type,
    })
}
