//! `ocsf`: OCSF 1.8.0 with the profile security_control, as API Activity (6003), Authentication (3002) or Entity
//! Management (3004). What OCSF has no field for stands in `unmapped`.

use ingest::event::{AuditEvent, Decision, IdentityKind, Outcome, Reason};
use serde_json::{Value, json};

use super::facts::{Area, Facts, Severity, Verb, ms};
use super::lines::{self, Original};
use super::{Options, json};
use crate::outgoing::Outgoing;

const VERSION: &str = "1.8.0";

/// A class, and what of it happened.
struct Class {
    uid: u32,
    name: &'static str,
    category: (u32, &'static str),
    activity: (u32, &'static str),
}

pub(super) fn encode(item: &Outgoing, options: &Options) -> Vec<u8> {
    let facts = Facts::of(item);
    let class = class(&facts);
    let mut event = base(&facts, &class, options);
    match class.uid {
        3002 => authentication(&facts, &mut event),
        3004 => entity(&facts, &mut event),
        _ => api_activity(&facts, &mut event),
    }
    json::bytes(event)
}

fn class(facts: &Facts<'_>) -> Class {
    let iam = |uid, name, activity| Class {
        uid,
        name,
        category: (3, "Identity & Access Management"),
        activity,
    };
    let authentication = |activity| iam(3002, "Authentication", activity);
    match &*facts.event.action {
        "auth.login" => return authentication((1, "Logon")),
        "auth.start" => return authentication((6, "Preauth")),
        "token.create" => return authentication((3, "Authentication Ticket")),
        "token.renew" => return authentication((5, "Service Ticket Renew")),
        "token.revoke" => return authentication((2, "Logoff")),
        _ => {}
    }
    match managed(facts) {
        Some(activity) => iam(3004, "Entity Management", activity),
        None => Class {
            uid: 6003,
            name: "API Activity",
            category: (6, "Application Activity"),
            activity: match facts.verb() {
                Verb::Create => (1, "Create"),
                Verb::Read => (2, "Read"),
                Verb::Update => (3, "Update"),
                Verb::Delete => (4, "Delete"),
                Verb::Other => (99, "Other"),
            },
        },
    }
}

/// Changes of policies, mounts, audit devices and identities.
fn managed(facts: &Facts<'_>) -> Option<(u32, &'static str)> {
    const NOUNS: &[&str] = &[
        "audit",
        "authmount",
        "entity",
        "group",
        "mfa",
        "mount",
        "namespace",
        "passwordpolicy",
        "policy",
    ];
    let (noun, verb) = facts.event.action.split_once('.')?;
    if !NOUNS.contains(&noun) {
        return None;
    }
    match verb {
        "enable" => Some((8, "Enable")),
        "disable" => Some((9, "Disable")),
        "move" => Some((5, "Move")),
        "delete" | "alias_delete" => Some((4, "Delete")),
        "write" if facts.event.operation.as_deref() == Some("create") => Some((1, "Create")),
        "write" | "alias" | "tune" | "config" | "merge" => Some((3, "Update")),
        _ => None,
    }
}

fn base(facts: &Facts<'_>, class: &Class, options: &Options) -> Value {
    let event = facts.event;
    let ((action_id, action), (disposition_id, disposition)) = decided(facts);
    let (status_id, status) = match facts.succeeded() {
        Some(true) => (1, "Success"),
        Some(false) => (2, "Failure"),
        None => (0, "Unknown"),
    };
    let (severity_id, severity) = match facts.severity() {
        Severity::Normal => (1, "Informational"),
        Severity::Denied => (2, "Low"),
        Severity::High => (4, "High"),
    };
    let original = lines::original(facts.item, options);
    let hash = (original.bytes > 0).then(|| {
        json!({"algorithm_id": 3, "algorithm": "SHA-256", "value": lines::sha256_of_all(facts.item)})
    });
    json!({
        "class_uid": class.uid,
        "class_name": class.name,
        "category_uid": class.category.0,
        "category_name": class.category.1,
        "activity_id": class.activity.0,
        "activity_name": class.activity.1,
        "type_uid": class.uid * 100 + class.activity.0,
        "type_name": format!("{}: {}", class.name, class.activity.1),
        "time": facts.time_unix_ns().div_euclid(1_000_000),
        "start_time": event.time.as_ref().map(ms),
        "end_time": event.completed.as_ref().map(ms),
        "duration": event.latency_us.filter(|&us| us >= 0).map(|us| us / 1000),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "status_code": event.outcome,
        "status_detail": event.error.as_deref().unwrap_or(event.reason.as_str()),
        "action_id": action_id,
        "action": action,
        "disposition_id": disposition_id,
        "disposition": disposition,
        "message": facts.sentence(),
        "metadata": metadata(facts, &original),
        "raw_data": Some(original.text).filter(|text| !text.is_empty()),
        "raw_data_size": Some(original.bytes).filter(|&bytes| bytes > 0),
        "raw_data_hash": hash,
        "src_endpoint": source(facts),
        "unmapped": unmapped(facts),
    })
}

fn metadata(facts: &Facts<'_>, original: &Original) -> Value {
    let event = facts.event;
    let product = facts.product();
    json!({
        "version": VERSION,
        "profiles": ["security_control"],
        "product": {
            "name": product.name,
            "vendor_name": product.vendor,
            "version": product.version,
            "feature": {"name": "audit"},
        },
        "uid": event.uid,
        "correlation_uid": event.request_id,
        "sequence": event.issued.0,
        "original_time": event.time.as_ref().or(event.completed.as_ref()),
        "logged_time": facts.arrived_unix_ns().div_euclid(1_000_000),
        "log_name": event.device,
        "log_provider": "keytrail",
        "event_code": event.action,
        "tenant_uid": event.namespace.as_deref().unwrap_or("root"),
        "is_truncated": original.is_cut.then_some(true),
        "untruncated_size": original.is_cut.then_some(original.bytes),
        "loggers": [{
            "name": event.device,
            "uid": event.source,
            "device": {"hostname": event.node, "type_id": 1, "type": "Server"},
        }],
    })
}

/// Was it allowed, and what became of it: action and disposition.
fn decided(facts: &Facts<'_>) -> ((u32, &'static str), (u32, &'static str)) {
    let action = match (facts.event.decision, facts.event.reason) {
        (Decision::Allowed, _) => (1, "Allowed"),
        (Decision::Denied, _) => (2, "Denied"),
        (Decision::Unknown, Reason::Forwarded | Reason::System) => (3, "Observed"),
        (Decision::Unknown, _) => (0, "Unknown"),
    };
    let disposition = match (facts.event.decision, facts.event.outcome) {
        (_, Outcome::NotFound | Outcome::ClientError | Outcome::ServerError) => (27, "Error"),
        (Decision::Denied, Outcome::Throttled) => (2, "Blocked"),
        (Decision::Denied, _) => (26, "Unauthorized"),
        (Decision::Allowed, Outcome::Success) => (1, "Allowed"),
        (_, Outcome::Forwarded | Outcome::System) => (17, "Logged"),
        _ => (0, "Unknown"),
    };
    (action, disposition)
}

fn source(facts: &Facts<'_>) -> Value {
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

fn destination(facts: &Facts<'_>) -> Value {
    json!({
        "hostname": facts.event.node,
        "svc_name": facts.product().name,
        "type_id": 1,
        "type": "Server",
    })
}

fn user(facts: &Facts<'_>) -> Value {
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

fn actor(facts: &Facts<'_>) -> Value {
    let event = facts.event;
    let policy = |name: &String, decision: Option<&str>| json!({"decision": decision, "policy": {"name": name, "type": "acl"}});
    let granting = event.granting.iter().map(|name| policy(name, Some("allowed")));
    let others = event.policies.iter().filter(|name| !event.granting.contains(name));
    let authorizations: Vec<Value> =
        granting.chain(others.map(|name| policy(name, None))).collect();
    json!({"user": user(facts), "session": session(facts), "authorizations": authorizations})
}

fn service(facts: &Facts<'_>) -> Option<Value> {
    let event = facts.event;
    let name = event.mount_type.as_deref().or(event.mount.as_deref())?;
    Some(json!({"name": name, "uid": facts.mount_accessor(), "version": event.server_version}))
}

fn api(facts: &Facts<'_>) -> Value {
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

fn api_activity(facts: &Facts<'_>, event: &mut Value) {
    event["actor"] = actor(facts);
    event["api"] = api(facts);
    event["dst_endpoint"] = destination(facts);
    if let Some(path) = &facts.event.path {
        event["resources"] = json!([{
            "uid": path,
            "name": facts.event.object.as_ref().unwrap_or(path),
            "type": facts.noun(),
            "namespace": facts.event.namespace.as_deref().unwrap_or("root"),
        }]);
    }
}

fn authentication(facts: &Facts<'_>, event: &mut Value) {
    let identity = &facts.event.identity;
    event["user"] = user(facts);
    event["actor"] = actor(facts);
    event["dst_endpoint"] = destination(facts);
    event["service"] = json!(service(facts));
    event["is_remote"] = json!(true);
    if facts.area() == Area::Login {
        let method = identity.method.as_deref().or(facts.event.mount_type.as_deref());
        event["logon_type_id"] = json!(3);
        event["logon_type"] = json!("Network");
        event["auth_protocol_id"] = json!(match method {
            Some("kerberos") => 2,
            Some("jwt" | "oidc") => 4,
            Some("saml") => 5,
            Some("radius") => 10,
            Some("userpass") => 11,
            Some("ldap") => 12,
            Some(_) => 99,
            None => 0,
        });
        event["auth_protocol"] = json!(method);
    }
    if let Some(token) = &facts.event.issued_token {
        event["session"] = json!({"uid": token.accessor, "issuer": identity.mount});
        event["authentication_token"] =
            json!({"uid": token.token, "type_id": 7, "type": "API Token"});
    }
    api_unmapped(facts, event);
}

fn entity(facts: &Facts<'_>, event: &mut Value) {
    let path = facts.path();
    let name = facts.event.object.as_deref().unwrap_or(path);
    let (type_id, kind) = match facts.noun() {
        "group" => (3, "Group"),
        "policy" | "passwordpolicy" => (5, "Policy"),
        noun => (99, noun),
    };
    event["actor"] = actor(facts);
    event["entity"] = json!({"name": name, "uid": path, "type_id": type_id, "type": kind});
    api_unmapped(facts, event);
}

/// Where the class has no `api`.
fn api_unmapped(facts: &Facts<'_>, event: &mut Value) {
    event["unmapped"]["api"] = api(facts);
    event["unmapped"]["path"] = json!(facts.event.path);
}

/// What OCSF has no field for, by the names that AuditEvent has.
fn unmapped(facts: &Facts<'_>) -> Value {
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
