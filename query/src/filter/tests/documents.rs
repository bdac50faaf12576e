//! A small index in memory, filled as the schema says.

use std::net::IpAddr;

use ingest::event::{AuditEvent, Reason};
use ingest::index::schema::Fields;
use tantivy::schema::Field;
use tantivy::{Index, Searcher, TantivyDocument};

use crate::filter::text_values;
use crate::filter::value::mapped;

/// Returns a searcher over the events, in as many segments as there are slices.
pub(crate) fn searcher(segments: &[&[AuditEvent]]) -> (Searcher, Fields) {
    let (schema, fields) = Fields::schema();
    let index = Index::create_in_ram(schema);
    let mut writer = index.writer_with_num_threads(1, 15_000_000).expect("memory suffices");
    writer.set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
    for events in segments {
        for event in *events {
            writer.add_document(document(&fields, event)).expect("room");
        }
        writer.commit().expect("room");
    }
    (index.reader().expect("readable").searcher(), fields)
}

fn document(fields: &Fields, event: &AuditEvent) -> TantivyDocument {
    let mut document = TantivyDocument::new();
    let mut add = |field: Field, text: &str| document.add_text(field, text);
    let identity = &event.identity;
    add(fields.doc, "event");
    add(fields.uid, &event.uid.to_string());
    for (field, text) in [
        (fields.identity_key, &identity.key),
        (fields.identity_name, &identity.name),
        (fields.identity, &identity.key),
        (fields.identity, &identity.name),
        (fields.identity, &identity.entity_id),
        (fields.entity, &identity.entity_id),
        (fields.role, &identity.role),
        (fields.method, &identity.method),
        (fields.auth, &identity.mount),
        (fields.display_name, &identity.display_name),
        (fields.claimed, &identity.claimed),
        (fields.op, &event.operation),
        (fields.path, &event.path),
        (fields.object, &event.object),
        (fields.mount, &event.mount),
        (fields.engine, &event.mount_type),
        (fields.ns, &event.namespace),
        (fields.error, &event.error),
        (fields.ip, &event.remote_address),
        (fields.accessor, &identity.accessor),
        (fields.token, &identity.token),
        (fields.lease, &event.lease_id),
        (fields.request, &event.request_id),
        (fields.hash, &identity.token),
        (fields.hash, &identity.accessor),
    ] {
        if let Some(text) = text {
            add(field, text);
        }
    }
    for (field, text) in [
        (fields.kind, identity.kind.as_str()),
        (fields.action, &event.action),
        (fields.decision, event.decision.as_str()),
        (fields.reason, event.reason.as_str()),
        (fields.outcome, event.outcome.as_str()),
        (fields.source, &event.source.to_string()),
        (fields.cluster, &event.cluster),
        (fields.node, &event.node),
        (fields.device, &event.device),
    ] {
        add(field, text);
    }
    identity.names.iter().for_each(|name| add(fields.identity, name));
    event.policies.iter().for_each(|policy| add(fields.held, policy));
    event.granting.iter().for_each(|policy| add(fields.policy, policy));
    event.data_keys.iter().for_each(|name| add(fields.data_key, name));
    event.hmacs.values().for_each(|hash| add(fields.hash, hash));
    if let Some(hash) = event.hmacs.get("request.role") {
        add(fields.role_hash, hash);
    }
    for hash in
        event.issued_token.iter().flat_map(|issued| [&issued.token, &issued.accessor]).flatten()
    {
        add(fields.hash, hash);
    }
    if let Some((prefix, _)) = event.lease_id.as_deref().and_then(|lease| lease.rsplit_once('/')) {
        add(fields.lease_prefix, prefix);
    }
    for (name, values) in &event.headers {
        add(fields.header, name);
        values.iter().for_each(|value| add(fields.header, &format!("{name}={value}")));
    }
    event.flags.iter().for_each(|flag| add(fields.is, flag.as_str()));
    if matches!(
        event.reason,
        Reason::Root | Reason::Forwarded | Reason::Pending | Reason::Unanswered
    ) {
        add(fields.is, event.reason.as_str());
    }
    for (set, word) in [
        (event.error.is_some(), "error"),
        (event.lease_id.is_some(), "lease"),
        (event.wrap_ttl_s.is_some(), "wrap"),
    ] {
        if set {
            add(fields.has, word);
        }
    }
    text_values(event).for_each(|value| add(fields.text, value));
    numbers(&mut document, fields, event);
    document
}

fn numbers(document: &mut TantivyDocument, fields: &Fields, event: &AuditEvent) {
    if let Some(time) = &event.time {
        document.add_i64(fields.time, time.unix_ns);
        if let Some(issued) = &event.identity.token_issued {
            let age = (time.unix_ns - issued.unix_ns).div_euclid(1_000_000_000);
            document.add_i64(fields.token_age, age);
        }
    }
    if let Some(ttl) = event.identity.token_ttl_s {
        document.add_u64(fields.ttl, ttl);
    }
    if let Some(Ok(address)) = event.remote_address.as_deref().map(str::parse::<IpAddr>) {
        document.add_ip_addr(fields.ip_addr, mapped(address));
    }
}
