//! The filter: keytrail's one language for asking which events are meant.
//!
//! The same text serves pages, API, command line, sinks, report scopes and controls:
//!
//! ```text
//! decision:denied path:secret/data/prod/** -identity:ci-* after:-7d
//! ```
//!
//! - Terms side by side must all hold; `OR`, `( )`, and `-` or `NOT` before what is excluded. The
//!   same key twice is two terms: both must hold.
//! - `word` and `"some words"` look into path, names, policies and error, whatever the case.
//! - `key:value`; `key:a,b` for either; `*` within a path segment, `**` across; `key:*` for any
//!   value at all, so that `-ns:*` is the root namespace. A quoted value is meant literally.
//! - `ip:` takes addresses and networks; `ttl:` and `token_age:` take `30s`, `5m`, `1h`, `30d`, `4w`,
//!   with `>`, `>=`, `<`, `<=` or `1h..24h`, both ends included.
//! - `after:` includes its time, `before:` does not; `on:` takes a day, month, quarter or year, or
//!   `first..last`. Times are RFC 3339, `2026-10-12`, `2026-10`, `2026-Q3`, `2026`, `-24h`; dates are
//!   UTC.
//! - `mount:secret` is `mount:secret/`, `auth:kubernetes` is `auth:auth/kubernetes/`; `op:write` is
//!   create, update, patch and delete.
//!
//! A filter has two readings, over the index ([`Filter::query`]) and over the stream
//! ([`Filter::matches`]); a property test holds them equal. What is misspelt is an error at its
//! place with a suggestion, never an answer of no rows.

use std::fmt;

use ingest::event::{AuditEvent, Uid};
use ingest::index::schema::Fields;
use jiff::Timestamp;
use tantivy::query::Query;
use tantivy::schema::Field;

mod all_of;
mod documents;
mod error;
mod exclude;
mod field;
mod glob;
mod index;
mod key;
mod lex;
mod node;
mod one_term;
mod parse;
pub(crate) mod request;
mod stream;
mod value;
mod words;

#[cfg(test)]
pub(crate) mod tests;

pub use self::error::FilterError;
pub use self::field::CountField;
pub use self::glob::Glob;
pub use self::words::values as text_values;

pub(crate) use self::error::nearest;
pub(crate) use self::exclude::not;
pub(crate) use self::index::all;

use self::key::Key;
use self::node::Node;
use self::value::Value;

/// The longest filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 8 << 10;
/// The deepest nesting of parentheses and exclusions.
pub const DEPTH_MAX: usize = 64;
/// The most words and values in one filter.
pub const TERMS_MAX: usize = 1_000;

/// A question to the trail. Its text form is canonical: parsed again, it is the same filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    node: Node,
}

/// What a filter needs to know of the trail's history; applied when reading, since an event does
/// not change by what came after it.
pub trait Sets {
    /// Returns the hashes under which the role's name stands in the log.
    fn role_hashes(&self, role: &str) -> Vec<String>;

    /// Returns the hashes under which the names of such roles stand in the log.
    fn role_hashes_like(&self, roles: &Glob) -> Vec<String>;

    /// Returns the forwarded events of which no other node made an event.
    fn no_twin(&self) -> Vec<Uid>;
}

/// A trail without history.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSets;

impl Sets for NoSets {
    fn role_hashes(&self, _role: &str) -> Vec<String> {
        Vec::new()
    }

    fn role_hashes_like(&self, _roles: &Glob) -> Vec<String> {
        Vec::new()
    }

    fn no_twin(&self) -> Vec<Uid> {
        Vec::new()
    }
}

impl Filter {
    /// Returns the empty filter: everything.
    pub fn everything() -> Filter {
        Filter { node: Node::All }
    }

    /// Returns the filter for the events that have exactly this value; `None` if there is no such key.
    pub fn exactly(key: &str, value: &str) -> Option<Filter> {
        let key = Key::parse(key)?;
        Some(Filter { node: Node::Term(key, vec![Value::Text(value.to_owned())]) })
    }

    /// Reads a filter; `-24h` is meant before `now`.
    ///
    /// # Errors
    /// The first mistake, with its place and, for a typo, a suggestion.
    pub fn parse(text: &str, now: Timestamp) -> Result<Filter, FilterError> {
        let node = parse::parse(text, now).map_err(|wrong| wrong.of(text))?;
        Ok(Filter { node })
    }

    /// Returns the query for the events that pass. It says nothing of documents that are no events
    /// (undecodable lines); whoever runs it asks for `doc:event` beside it.
    pub fn query(&self, fields: &Fields, sets: &dyn Sets) -> Box<dyn Query> {
        index::query(&self.node, fields, sets)
    }

    /// Tells whether the event passes.
    pub fn matches(&self, event: &AuditEvent, sets: &dyn Sets) -> bool {
        stream::matches(&self.node, event, sets)
    }

    /// Returns the filters that must all hold for this one to: one for each term side by side.
    pub fn parts(&self) -> Vec<Filter> {
        match &self.node {
            Node::All => Vec::new(),
            Node::And(parts) => parts.iter().map(|node| Filter { node: node.clone() }).collect(),
            Node::Or(_) | Node::Not(_) | Node::Term(..) | Node::Phrase(_) => vec![self.clone()],
        }
    }

    /// Returns the filter that asks for all of these, a repeated term once.
    pub fn all_of(filters: impl IntoIterator<Item = Filter>) -> Filter {
        let mut nodes: Vec<Node> = Vec::new();
        for part in filters.into_iter().flat_map(|filter| filter.parts()) {
            if !nodes.contains(&part.node) {
                nodes.push(part.node);
            }
        }
        let node = if nodes.is_empty() { Node::All } else { Node::and(nodes) };
        Filter { node }
    }

    /// Tells whether the filter names both ends of a stretch of time itself.
    pub fn has_stretch(&self) -> bool {
        let has = |wanted: Key| self.node.names(&|key, _| key == wanted);
        has(Key::After) && has(Key::Before)
    }

    /// Returns the filter that asks for any of these, of which there is at least one.
    pub(crate) fn any_of(filters: impl IntoIterator<Item = Filter>) -> Filter {
        let nodes: Vec<Node> = filters.into_iter().map(|filter| filter.node).collect();
        Filter { node: if nodes.contains(&Node::All) { Node::All } else { Node::or(nodes) } }
    }

    /// Returns the filter for all that this one does not let pass.
    pub(crate) fn negated(&self) -> Filter {
        Filter { node: Node::not(self.node.clone()) }
    }

    /// Tells whether the filter is the empty one.
    pub fn is_everything(&self) -> bool {
        self.node == Node::All
    }

    /// Tells whether what passes depends on other lines than the event's own: on hashes of role names, on twins.
    pub(crate) fn asks_history(&self) -> bool {
        let asks = |key, value: &Value| match (key, value) {
            (Key::Role, _) => true,
            (Key::Is, Value::Text(word)) => word == "no_twin",
            _ => false,
        };
        self.node.has(&asks)
    }

    /// Tells whether the filter names, and does not exclude, what counts leave out under this word
    /// (`copy`, `forwarded`, `late`, `system`); counts then do not leave it out.
    pub fn asks_for(&self, word: &str) -> bool {
        self.node.names(&|key, value| match (key, value) {
            // An event without a twin is a forwarded one.
            (Key::Is, Value::Text(named)) if named == "no_twin" => word == "forwarded",
            (Key::Is | Key::Reason | Key::Outcome, Value::Text(named)) => named == word,
            _ => false,
        })
    }
}

/// Returns the names of all keys.
pub(crate) fn keys() -> impl Iterator<Item = &'static str> {
    Key::ALL.iter().map(|key| key.name())
}

/// Returns a key's name, the field whose terms are its values, and our words for it, by its name as typed.
pub(crate) fn values_of(
    key: &str,
    fields: &Fields,
) -> Option<(&'static str, Option<Field>, Vec<&'static str>)> {
    let key = Key::parse(key)?;
    Some((key.name(), key.terms(fields), key.words()))
}

/// Returns a text as a value that stands for itself, whatever characters it has.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

/// Returns the hashes that a value of `role:` stands for.
fn role_hashes(value: &Value, sets: &dyn Sets) -> Vec<String> {
    match value {
        Value::Text(role) => sets.role_hashes(role),
        Value::Glob(roles) => sets.role_hashes_like(roles),
        Value::Any | Value::Network { .. } | Value::Time { .. } | Value::Seconds { .. } => {
            Vec::new()
        }
    }
}
