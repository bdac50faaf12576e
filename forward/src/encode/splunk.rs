//! `splunk`: flat JSON by the names of Splunk's Common Information Model: Authentication for logins and tokens, Change for
//! the server and its identities, Data Access for secrets. `cim` says which.

use serde_json::{Value, json};

use super::facts::{Area, Facts, Severity, Verb};
use super::{json, lines};
use crate::outgoing::Outgoing;

pub(super) fn encode(item: &Outgoing) -> Vec<u8> {
    let facts = Facts::of(item);
    let event = facts.event;
    let identity = &event.identity;
    let model = match facts.area() {
        Area::Login | Area::Token => "authentication",
        Area::Identity | Area::Configuration => "change",
        Area::Secret => "data_access",
    };
    let product = facts.product();
    let mut sent = json!({
        "time": event.time.as_ref().or(event.completed.as_ref()),
        "cim": model,
        "vendor_product": match product.vendor == product.name {
            true => product.name.to_owned(),
            false => format!("{} {}", product.vendor, product.name),
        },
        "product_version": product.version,
        "event_id": event.uid,
        "keytrail_seq": event.issued.0,
        "request_id": event.request_id,
        "dvc": event.node,
        "dest": event.node,
        "cluster": event.cluster,
        "namespace": event.namespace.as_deref().unwrap_or("root"),
        "app": product.name.to_lowercase(),
        "user": facts.user(),
        "user_id": identity.entity_id,
        "user_key": identity.key,
        "user_type": identity.kind,
        "user_role": identity.role,
        "authentication_method": identity.method,
        "auth_mount": identity.mount,
        "src": event.remote_address,
        "src_ip": facts.ip().map(|ip| ip.to_string()),
        "src_port": event.remote_port,
        "severity": match facts.severity() {
            Severity::Normal => "informational",
            Severity::Denied => "low",
            Severity::High => "high",
        },
        "signature": event.action,
        "signature_id": event.action,
        "reason": event.error.as_deref().unwrap_or(event.reason.as_str()),
        "duration": event.latency_us.filter(|&us| us >= 0).map(|us| us as f64 / 1e6),
        "command": event.operation,
        "object": event.object.as_ref().or(event.path.as_ref()),
        "object_path": event.path,
        "object_category": event.mount_type,
        "mount": event.mount,
        "decision": event.decision,
        "decision_reason": event.reason,
        "outcome": event.outcome,
    });
    let Value::Object(more) = more(&facts, model) else { unreachable!("an object was made") };
    sent.as_object_mut().expect("an object was made").extend(more);
    json::bytes(sent)
}

fn more(facts: &Facts<'_>, model: &str) -> Value {
    let event = facts.event;
    let status = match facts.succeeded() {
        Some(true) => "success",
        Some(false) => "failure",
        None => "unknown",
    };
    let action = match (model, facts.verb()) {
        // The model has two words for how a login ended.
        ("authentication", _) => status,
        (_, Verb::Create) => "created",
        (_, Verb::Read) => "read",
        (_, Verb::Update) => "modified",
        (_, Verb::Delete) => "deleted",
        (_, Verb::Other) => "unknown",
    };
    let change = (model == "change").then(|| match facts.area() {
        Area::Identity => "AAA",
        _ => "config",
    });
    json!({
        "action": action,
        "status": status,
        "result": facts.error_line().unwrap_or_else(|| status.to_owned()),
        "change_type": change,
        "object_attrs": event.data_keys,
        "policies": event.policies,
        "granting": event.granting,
        "token_accessor": event.identity.accessor,
        "token_type": event.identity.token_type,
        "issued_accessor": event.issued_token.as_ref().and_then(|token| token.accessor.as_ref()),
        "issued_ttl": event.issued_token.as_ref().and_then(|token| token.ttl_s),
        "claimed": event.identity.claimed,
        "former_name": event.identity.former_name,
        "lease_id": event.lease_id,
        "wrapped": event.wrap_ttl_s.map(|_| true),
        "hmac": event.hmacs.values().collect::<Vec<_>>(),
        "flags": event.flags,
        "source_device": event.source,
        "origin": event.origin,
        "leaves": event.leaves,
        "line_sha256": lines::of(facts.item).map(lines::sha256).collect::<Vec<_>>(),
        "supersedes": lines::supersedes(event),
        "keytrail_version": super::VERSION,
    })
}
