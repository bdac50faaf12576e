//! The reading over the stream: does this event pass?

use std::net::{IpAddr, Ipv6Addr};

use ingest::event::{AuditEvent, IdentityKind, Reason};
use ingest::index::document::value as indexed;

use super::Sets;
use super::key::{Key, WRITES};
use super::node::Node;
use super::value::{Value, mapped};

/// Tells whether the event passes.
pub(super) fn matches(node: &Node, event: &AuditEvent, sets: &dyn Sets) -> bool {
    match node {
        Node::All => true,
        Node::And(parts) => parts.iter().all(|part| matches(part, event, sets)),
        Node::Or(parts) => parts.iter().any(|part| matches(part, event, sets)),
        Node::Not(part) => !matches(part, event, sets),
        Node::Phrase(phrase) => phrase.matches(event),
        Node::Term(key, values) => values.iter().any(|value| term(*key, value, event, sets)),
    }
}

fn term(key: Key, value: &Value, event: &AuditEvent, sets: &dyn Sets) -> bool {
    match (key, value) {
        (_, Value::Time { from, to, .. }) => match &event.time {
            Some(time) => between(time.unix_ns.into(), *from, to.map(|to| to - 1)),
            None => false,
        },
        (_, Value::Seconds { low, high, .. }) => {
            seconds(key, event).is_some_and(|seconds| between(seconds, *low, *high))
        }
        (_, Value::Network { first, last, .. }) => {
            address(event).is_some_and(|address| (*first..=*last).contains(&address))
        }
        (Key::Is, Value::Text(word)) => is(word, event, sets),
        (Key::Op, Value::Text(word)) if word == "write" => {
            event.operation.as_deref().is_some_and(|operation| WRITES.contains(&operation))
        }
        (Key::Role, value) => {
            let hashed = event.hmacs.get("request.role").is_some_and(|hash| match value {
                Value::Any => true,
                value => super::role_hashes(value, sets).contains(hash),
            });
            hashed || texts(key, event, &mut |text| holds(value, &indexed(text)))
        }
        // The index holds the beginning of a very long value; both readings must see the same.
        (key, value) => texts(key, event, &mut |text| holds(value, &indexed(text))),
    }
}

fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::Any => true,
        Value::Text(wanted) => wanted == text,
        Value::Glob(glob) => glob.matches(text),
        Value::Network { .. } | Value::Time { .. } | Value::Seconds { .. } => false,
    }
}

fn between(number: i128, low: Option<i64>, high: Option<i64>) -> bool {
    low.is_none_or(|low| number >= low.into()) && high.is_none_or(|high| number <= high.into())
}

fn is(word: &str, event: &AuditEvent, sets: &dyn Sets) -> bool {
    match word {
        "root" => event.identity.kind == IdentityKind::Root || event.reason == Reason::Root,
        "forwarded" => event.reason == Reason::Forwarded,
        "system" => event.reason == Reason::System,
        "pending" => event.reason == Reason::Pending,
        "unanswered" => event.reason == Reason::Unanswered,
        "no_twin" => sets.no_twin().contains(&event.uid),
        flag => event.flags.iter().any(|set| set.as_str() == flag),
    }
}

fn seconds(key: Key, event: &AuditEvent) -> Option<i128> {
    match key {
        Key::Ttl => event.identity.token_ttl_s.map(i128::from),
        _ => {
            let age_ns =
                event.time.as_ref()?.unix_ns - event.identity.token_issued.as_ref()?.unix_ns;
            Some(age_ns.div_euclid(1_000_000_000).into())
        }
    }
}

fn address(event: &AuditEvent) -> Option<Ipv6Addr> {
    event.remote_address.as_deref()?.parse::<IpAddr>().ok().map(mapped)
}

/// Tells whether one of the event's texts under this key passes the test.
fn texts(key: Key, event: &AuditEvent, test: &mut dyn FnMut(&str) -> bool) -> bool {
    let identity = &event.identity;
    let mut one = |text: &Option<String>| text.as_deref().is_some_and(&mut *test);
    match key {
        Key::Identity => {
            one(&identity.key)
                || one(&identity.name)
                || one(&identity.entity_id)
                || identity.names.iter().any(|name| test(name))
        }
        Key::Entity => one(&identity.entity_id),
        Key::Kind => test(identity.kind.as_str()),
        Key::Role => one(&identity.role),
        Key::Method => one(&identity.method),
        Key::Auth => one(&identity.mount),
        Key::Held => event.policies.iter().any(|policy| test(policy)),
        Key::Policy => event.granting.iter().any(|policy| test(policy)),
        Key::Op => one(&event.operation),
        Key::Action => test(&event.action),
        Key::Path => one(&event.path),
        Key::Object => one(&event.object),
        Key::Mount => one(&event.mount),
        Key::Engine => one(&event.mount_type),
        Key::Ns => one(&event.namespace),
        Key::Decision => test(event.decision.as_str()),
        Key::Reason => test(event.reason.as_str()),
        Key::Outcome => test(event.outcome.as_str()),
        Key::Error => one(&event.error),
        Key::Ip => one(&event.remote_address),
        Key::Accessor => one(&identity.accessor),
        Key::Token => one(&identity.token),
        Key::Lease => one(&event.lease_id),
        Key::LeasePrefix => {
            let prefix = event.lease_id.as_deref().and_then(|lease| lease.rsplit_once('/'));
            prefix.is_some_and(|(prefix, _)| test(prefix))
        }
        Key::Request => one(&event.request_id),
        Key::Hash => {
            let issued = event.issued_token.as_ref();
            one(&identity.token)
                || one(&identity.accessor)
                || issued.is_some_and(|issued| one(&issued.token) || one(&issued.accessor))
                || event.hmacs.values().any(|hash| test(hash))
        }
        Key::Header => event.headers.iter().any(|(name, values)| {
            test(name) || values.iter().any(|value| test(&format!("{name}={value}")))
        }),
        Key::Source => test(&event.source.to_string()),
        Key::Cluster => test(&event.cluster),
        Key::Node => test(&event.node),
        Key::Device => test(&event.device),
        Key::Data => event.data_keys.iter().any(|name| test(name)),
        Key::Has => {
            (event.error.is_some() && test("error"))
                || (event.lease_id.is_some() && test("lease"))
                || (event.wrap_ttl_s.is_some() && test("wrap"))
        }
        Key::After | Key::Before | Key::On | Key::Ttl | Key::TokenAge | Key::Is => false,
    }
}
