//! `ocsf`: OCSF 1.8.0 with the profile security_control, as API Activity (6003), Authentication (3002) or Entity
//! Management (3004). What OCSF has no field for stands in `unmapped`.

mod class;
mod objects;

use ingest::event::{Decision, Outcome, Reason};
use serde_json::{Value, json};

use super::facts::{Area, Facts, Severity, ms};
use super::lines::{self, Original};
use super::{Options, json};
use crate::outgoing::Outgoing;
use class::{Class, class};
use objects::{actor, api, destination, service, source, unmapped, user};

pub(super) const VERSION: &str = "1.8.0";

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
}
