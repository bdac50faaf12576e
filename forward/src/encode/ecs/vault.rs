//! The tree `hashicorp_vault.audit`: the server's own fields, those that Elastic's integration maps and no others, each
//! with the type that it has there. One document holds both lines of a request: what the response repeats is the
//! response's.

use serde_json::{Map, Value};

use super::super::{Options, lines};
use crate::outgoing::Outgoing;

/// Elastic's field type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Keyword,
    Long,
    Boolean,
    Date,
    Ip,
    /// Any JSON below.
    Flattened,
}

use Type::{Boolean, Date, Flattened, Ip, Keyword, Long};

/// Of a token; below `auth` and `response.auth`.
const AUTH: &[(&str, Type)] = &[
    ("accessor", Keyword),
    ("client_token", Keyword),
    ("display_name", Keyword),
    ("entity_id", Keyword),
    ("external_namespace_policies", Flattened),
    ("identity_policies", Keyword),
    ("metadata", Flattened),
    ("no_default_policy", Boolean),
    ("policies", Keyword),
    ("token_issue_time", Date),
    ("token_policies", Keyword),
    ("token_ttl", Long),
    ("token_type", Keyword),
];

/// Of the token that asked.
const AUTH_MORE: &[(&str, Type)] = &[
    ("policy_results.allowed", Boolean),
    ("policy_results.granting_policies.name", Keyword),
    ("policy_results.granting_policies.namespace_id", Keyword),
    ("policy_results.granting_policies.type", Keyword),
    ("remaining_uses", Long),
];

const TOP: &[(&str, Type)] = &[("entity_created", Boolean), ("error", Keyword), ("type", Keyword)];

const REQUEST: &[(&str, Type)] = &[
    ("client_certificate_serial_number", Keyword),
    ("client_id", Keyword),
    ("client_token", Keyword),
    ("client_token_accessor", Keyword),
    ("data", Flattened),
    ("headers", Flattened),
    ("id", Keyword),
    ("mount_accessor", Keyword),
    ("mount_class", Keyword),
    ("mount_point", Keyword),
    ("mount_running_version", Keyword),
    ("mount_type", Keyword),
    ("namespace.id", Keyword),
    ("namespace.path", Keyword),
    ("operation", Keyword),
    ("path", Keyword),
    ("policy_override", Boolean),
    ("remote_address", Ip),
    ("remote_port", Long),
    ("replication_cluster", Keyword),
    ("wrap_ttl", Long),
];

const RESPONSE: &[(&str, Type)] = &[
    ("auth.num_uses", Long),
    ("data", Flattened),
    ("headers", Flattened),
    ("mount_accessor", Keyword),
    ("mount_class", Keyword),
    ("mount_point", Keyword),
    ("mount_running_plugin_version", Keyword),
    ("mount_type", Keyword),
    ("redirect", Keyword),
    ("warnings", Keyword),
    ("wrap_info.accessor", Keyword),
    ("wrap_info.creation_path", Keyword),
    ("wrap_info.creation_time", Date),
    ("wrap_info.token", Keyword),
    ("wrap_info.ttl", Long),
    ("wrap_info.wrapped_accessor", Keyword),
];

/// The most bytes of a text: Lucene refuses a document with a term of 32,766 bytes and more.
const TEXT_MAX: usize = 8 << 10;

/// Nesting below which a flattened field shows nothing: Elasticsearch refuses 20.
const DEPTH_MAX: usize = 16;

/// Returns the tree; null if no line can be read.
pub(super) fn tree(item: &Outgoing, options: &Options) -> Value {
    let mut tree = Value::Null;
    for line in lines::of(item) {
        let shown = lines::shown(line, options);
        // What stands before the entry holds no brace.
        let Some(start) = shown.find('{') else { continue };
        let Ok(entry) = serde_json::from_str::<Value>(&shown[start..]) else { continue };
        let mut taken = Value::Object(Map::new());
        for (below, names) in [
            ("", TOP),
            ("auth.", AUTH),
            ("auth.", AUTH_MORE),
            ("request.", REQUEST),
            ("response.", RESPONSE),
            ("response.auth.", AUTH),
        ] {
            for (name, kind) in names {
                let path = format!("{below}{name}");
                let path: Vec<&str> = path.split('.').collect();
                if let Some(value) = take(&entry, &path, *kind) {
                    put(&mut taken, &path, value);
                }
            }
        }
        lay_over(&mut tree, taken);
    }
    tree
}

/// Returns what stands at a path, if it has the type. Of a list, the members of its objects.
fn take(value: &Value, path: &[&str], kind: Type) -> Option<Value> {
    match (path, value) {
        ([], _) => typed(value, kind),
        (_, Value::Array(items)) => {
            let taken: Vec<Value> =
                items.iter().filter_map(|item| take(item, path, kind)).collect();
            (!taken.is_empty()).then_some(Value::Array(taken))
        }
        ([name, below @ ..], _) => take(value.get(name)?, below, kind),
    }
}

fn typed(value: &Value, kind: Type) -> Option<Value> {
    match (kind, value) {
        (Keyword, Value::Array(items)) => {
            let texts: Vec<Value> = items.iter().filter_map(|item| typed(item, Keyword)).collect();
            (!texts.is_empty()).then_some(Value::Array(texts))
        }
        // The server writes an empty error, namespace or redirect where there is none.
        (Keyword, Value::String(text)) => {
            (!text.is_empty()).then(|| lines::cut(text, TEXT_MAX).into())
        }
        (Long, Value::Number(number)) => number.as_i64().map(Value::from),
        (Boolean, Value::Bool(is)) => Some((*is).into()),
        (Date, Value::String(text)) => ingest::decode::is_rfc3339(text).then(|| value.clone()),
        (Ip, Value::String(text)) => {
            text.parse::<std::net::IpAddr>().ok().map(|ip| ip.to_string().into())
        }
        (Flattened, Value::Object(_)) => Some(bounded(value, 0)),
        _ => None,
    }
}

/// The same in texts and depths that Elasticsearch takes.
fn bounded(value: &Value, depth: usize) -> Value {
    match value {
        Value::Object(_) | Value::Array(_) if depth > DEPTH_MAX => "‹too deep›".into(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (lines::cut(name, TEXT_MAX).to_owned(), bounded(value, depth + 1)))
            .collect(),
        Value::Array(items) => items.iter().map(|item| bounded(item, depth + 1)).collect(),
        Value::String(text) => lines::cut(text, TEXT_MAX).into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn put(tree: &mut Value, path: &[&str], value: Value) {
    let at = path.iter().fold(tree, |at, name| &mut at[*name]);
    *at = value;
}

/// Lays objects over each other.
fn lay_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                lay_over(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}
