//! `ecs`: Elastic Common Schema 8.16, with the tree `hashicorp_vault.audit` that Elastic's integration makes, so that
//! its dashboards work, and `keytrail` for what ECS has no field for.
//!
//! Where Elastic's pipeline calls every event an authentication, a read a start, and an empty error a failure, this
//! says what happened.

mod vault;

use ingest::event::Decision;
use serde_json::{Value, json};

use super::facts::{Area, Facts, Severity, Verb};
use super::{Options, json, lines};
use crate::outgoing::Outgoing;

pub(super) const VERSION: &str = "8.16.0";

pub(super) fn encode(item: &Outgoing, options: &Options) -> Vec<u8> {
    let facts = Facts::of(item);
    let event = facts.event;
    let original = lines::original(item, options);
    let ip = facts.ip().map(|ip| ip.to_string());
    let client = json!({"address": event.remote_address, "ip": ip, "port": event.remote_port});
    let product = facts.product();
    let user = facts.user();
    let mut document = json!({
        "@timestamp": timestamp(&facts),
        "ecs": {"version": VERSION},
        "message": facts.sentence(),
        "event": about(&facts, &original),
        "error": {"message": event.error},
        "user": {"name": user, "id": event.identity.entity_id},
        "related": {"ip": [ip], "user": related(&facts), "hosts": [event.node]},
        "source": client,
        "client": client,
        "host": {"name": event.node},
        "server": {"address": event.node},
        "service": {
            "name": product.name,
            "type": product.name.to_lowercase(),
            "version": product.version,
            "node": {"name": event.node},
        },
        "observer": {"product": "keytrail", "type": "audit", "vendor": "keytrail", "version": super::VERSION},
        "url": {"path": event.path},
        "http": {"request": {"id": event.request_id}},
        "log": {"level": match facts.severity() {
            Severity::Normal => "info",
            Severity::Denied => "warning",
            Severity::High => "alert",
        }},
        "hashicorp_vault": {"audit": vault::tree(item, options)},
        "keytrail": own(&facts, original.is_cut),
    });
    if let Some(account) = facts.service_account() {
        document["orchestrator"] = json!({
            "type": "kubernetes",
            "namespace": account.namespace,
            "resource": {"type": "serviceaccount", "name": account.name, "id": account.uid},
        });
    }
    json::bytes(document)
}

/// As the server wrote it, to the nanosecond.
fn timestamp(facts: &Facts<'_>) -> Value {
    match facts.event.time.as_ref().or(facts.event.completed.as_ref()) {
        Some(time) => json!(time),
        None => json!(
            jiff::Timestamp::from_nanosecond(i128::from(facts.time_unix_ns()))
                .expect("64 bits of nanoseconds are a time")
                .to_string()
        ),
    }
}

fn about(facts: &Facts<'_>, original: &lines::Original) -> Value {
    let event = facts.event;
    let (category, kinds) = categories(facts);
    json!({
        "kind": "event",
        "category": category,
        "type": kinds,
        "action": event.operation,
        "code": event.action,
        "outcome": match facts.succeeded() {
            Some(true) => "success",
            Some(false) => "failure",
            None => "unknown",
        },
        "reason": event.reason,
        "id": event.uid,
        "sequence": event.issued.0,
        "created": jiff::Timestamp::from_nanosecond(i128::from(facts.arrived_unix_ns()))
            .expect("64 bits of nanoseconds are a time")
            .to_string(),
        "start": event.time,
        "end": event.completed,
        "duration": event.latency_us.filter(|&us| us >= 0).and_then(|us| us.checked_mul(1000)),
        "severity": match facts.severity() {
            Severity::Normal => 3,
            Severity::Denied => 5,
            Severity::High => 8,
        },
        "module": "hashicorp_vault",
        "dataset": "hashicorp_vault.audit",
        "provider": "keytrail",
        "original": Some(&original.text).filter(|text| !text.is_empty()),
        "hash": (original.bytes > 0).then(|| lines::sha256_of_all(facts.item)),
    })
}

/// Category and type. `api` stands beside each category but that of logins, since its types alone tell whether it was allowed.
fn categories(facts: &Facts<'_>) -> (Vec<&'static str>, Vec<&'static str>) {
    let verb = match facts.verb() {
        Verb::Create => "creation",
        Verb::Read => "access",
        Verb::Update => "change",
        Verb::Delete => "deletion",
        Verb::Other => "info",
    };
    let (categories, mut kinds) = match facts.area() {
        Area::Login => (vec!["authentication", "api"], vec!["start"]),
        Area::Token => match &*facts.event.action {
            "token.create" => (vec!["authentication", "api"], vec!["start", "creation"]),
            "token.revoke" => (vec!["authentication", "api"], vec!["end", "deletion"]),
            _ => (vec!["authentication", "api"], vec!["info"]),
        },
        Area::Identity => {
            let whom = match facts.noun() {
                "group" => "group",
                "entity" | "user" => "user",
                _ => "admin",
            };
            (vec!["iam", "api"], vec![whom, verb])
        }
        Area::Configuration => (vec!["configuration", "api"], vec![verb]),
        Area::Secret => (vec!["api"], vec![verb]),
    };
    match facts.event.decision {
        Decision::Allowed => kinds.push("allowed"),
        Decision::Denied => kinds.push("denied"),
        Decision::Unknown => {}
    }
    (categories, kinds)
}

fn related<'a>(facts: &Facts<'a>) -> Vec<&'a str> {
    let identity = &facts.event.identity;
    let names = identity.names.iter().map(String::as_str);
    let mut related: Vec<&str> = vec![facts.user()];
    related.extend(names.chain(identity.entity_id.as_deref()));
    related.sort_unstable();
    related.dedup();
    related
}

/// What ECS has no field for.
fn own(facts: &Facts<'_>, is_cut: bool) -> Value {
    let event = facts.event;
    let identity = &event.identity;
    json!({
        "time": event.time,
        "cluster": event.cluster,
        "device": event.device,
        "source": event.source,
        "origin": event.origin,
        "leaves": event.leaves,
        "issued": event.issued,
        "line_sha256": lines::of(facts.item).map(lines::sha256).collect::<Vec<_>>(),
        "supersedes": lines::supersedes(event),
        "original_is_cut": is_cut.then_some(true),
        "namespace": {"path": event.namespace.as_deref().unwrap_or("root")},
        "action": event.action,
        "object": event.object,
        "decision": event.decision,
        "reason": event.reason,
        "outcome": event.outcome,
        "flags": event.flags,
        "policies": event.policies,
        "granting": event.granting,
        "identity": {
            "key": identity.key,
            "kind": identity.kind,
            "role": identity.role,
            "claimed": identity.claimed,
            "former_name": identity.former_name,
        },
        "auth": {"method": identity.method, "mount": identity.mount},
        "mount": {"path": event.mount, "type": event.mount_type},
        "token": {
            "accessor": identity.accessor,
            "hash": identity.token,
            "type": identity.token_type,
            "issued": identity.token_issued,
            "ttl": identity.token_ttl_s,
        },
        "issued_token": event.issued_token,
        "lease_id": event.lease_id,
        "wrapped": event.wrap_ttl_s.map(|_| true),
        "wrap_ttl": event.wrap_ttl_s,
        "hmacs": event.hmacs.values().collect::<Vec<_>>(),
        "salt": event.salt,
        "data_keys": event.data_keys,
        "forwarded_from": facts.forwarded_from(),
        "rules": event.rules,
    })
}
