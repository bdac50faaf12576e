//! The reading over the index: which documents pass?

use std::ops::Bound;

use ingest::index::KeyQuery;
use ingest::index::schema::Fields;
use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, EmptyQuery, ExistsQuery, PhraseQuery, Query, RangeQuery, TermSetQuery,
};
use tantivy::schema::Field;

use super::Sets;
use super::all_of::AllOf;
use super::exclude::not;
use super::glob::{Glob, GlobQuery};
use super::key::{Key, WRITES};
use super::node::Node;
use super::one_term::OneTerm;
use super::request::{RequestGlobQuery, RequestQuery};
use super::value::Value;

/// Returns the query whose documents are the events that pass.
pub(super) fn query(node: &Node, fields: &Fields, sets: &dyn Sets) -> Box<dyn Query> {
    match node {
        Node::All => Box::new(AllQuery),
        Node::And(parts) => {
            let mut parts: Vec<&Node> = parts.iter().collect();
            parts.sort_by_key(|part| !is_rare(part));
            all(parts.into_iter().map(|part| query(part, fields, sets)).collect())
        }
        Node::Or(parts) => any(parts.iter().map(|part| query(part, fields, sets)).collect()),
        Node::Not(part) => not(query(part, fields, sets)),
        Node::Phrase(phrase) => {
            let terms = phrase.words.iter().map(|word| Term::from_field_text(fields.text, word));
            match terms.collect::<Vec<_>>() {
                terms if terms.len() == 1 => exact(fields.text, &phrase.words[0]),
                terms => Box::new(PhraseQuery::new(terms)),
            }
        }
        Node::Term(key, values) => term(*key, values, fields, sets),
    }
}

/// So many values of a term are looked up each by itself.
const APART_MAX: usize = 8;

/// Tells whether a part names what only few events have.
fn is_rare(node: &Node) -> bool {
    let is_text = |value: &Value| matches!(value, Value::Text(_));
    match node {
        Node::Term(key, values) => key.is_rare() && values.iter().all(is_text),
        Node::And(parts) => parts.iter().any(is_rare),
        Node::Or(parts) => parts.iter().all(is_rare),
        Node::All | Node::Not(_) | Node::Phrase(_) => false,
    }
}

fn term(key: Key, values: &[Value], fields: &Fields, sets: &dyn Sets) -> Box<dyn Query> {
    if key == Key::Hash {
        // The event's own token and accessor are hashes too; they stand in fields of their own.
        let places = [fields.hash, fields.token, fields.accessor];
        return any(places.map(|field| term_in(field, key, values, fields, sets)).into());
    }
    if key == Key::Request {
        return any(values.iter().map(request).collect());
    }
    term_in(key.field(fields), key, values, fields, sets)
}

fn request(value: &Value) -> Box<dyn Query> {
    match value {
        Value::Text(id) => Box::new(RequestQuery::new(id)),
        Value::Glob(glob) => Box::new(RequestGlobQuery(glob.clone())),
        Value::Any | Value::Network { .. } | Value::Time { .. } | Value::Seconds { .. } => {
            exists(Key::Request)
        }
    }
}

fn term_in(
    field: Field,
    key: Key,
    values: &[Value],
    fields: &Fields,
    sets: &dyn Sets,
) -> Box<dyn Query> {
    // Exact texts are gathered, so that a list of a thousand is one pass over the dictionary.
    let mut texts = Vec::new();
    let mut others = Vec::new();
    for value in values {
        match value {
            // Of these there is no column.
            Value::Any if matches!(key, Key::Hash | Key::Identity) => {
                others.push(glob(field, "**"))
            }
            Value::Any => others.push(exists(key)),
            Value::Text(word) if key == Key::Is => others.push(is(word, fields, sets)),
            Value::Text(word) if key == Key::Op && word == "write" => {
                texts.extend(WRITES.iter().copied())
            }
            Value::Text(text) => texts.push(text.as_str()),
            Value::Glob(glob) => others.push(Box::new(GlobQuery { field, glob: glob.clone() })),
            Value::Network { first, last, .. } => {
                let bound =
                    |address| Bound::Included(Term::from_field_ip_addr(fields.ip_addr, address));
                others.push(Box::new(RangeQuery::new(bound(*first), bound(*last))));
            }
            Value::Time { from, to, .. } => {
                let term = |time| Term::from_field_i64(field, time);
                let from = from
                    .map_or(Bound::Included(term(i64::MIN)), |from| Bound::Included(term(from)));
                let to = to.map_or(Bound::Unbounded, |to| Bound::Excluded(term(to)));
                others.push(Box::new(RangeQuery::new(from, to)));
            }
            Value::Seconds { low, high, .. } => others.push(seconds(key, field, *low, *high)),
        }
        if key == Key::Role {
            others.push(match value {
                Value::Any => glob(fields.role_hash, "**"),
                value => one_of(fields.role_hash, super::role_hashes(value, sets)),
            });
        }
    }
    match texts[..] {
        [] => {}
        // A set looks at every document that has one of its words, before anything else narrows them down.
        [..] if texts.len() <= APART_MAX => {
            others.extend(texts.iter().map(|text| exact(field, text)));
        }
        _ => others.push(one_of(field, texts)),
    }
    any(others)
}

fn is(word: &str, fields: &Fields, sets: &dyn Sets) -> Box<dyn Query> {
    match word {
        "root" => any(vec![exact(fields.kind, "root"), exact(fields.reason, "root")]),
        "forwarded" | "system" | "pending" | "unanswered" => exact(fields.reason, word),
        "no_twin" => Box::new(KeyQuery::of_uids(sets.no_twin())),
        flag => exact(fields.is, flag),
    }
}

fn seconds(key: Key, field: Field, low: Option<i64>, high: Option<i64>) -> Box<dyn Query> {
    let term = |seconds: i64| match key {
        // A lifetime is never negative; a bound below zero is one at zero, save an upper one.
        Key::Ttl => Term::from_field_u64(field, seconds.max(0).unsigned_abs()),
        _ => Term::from_field_i64(field, seconds),
    };
    match high {
        Some(high) if key == Key::Ttl && high < 0 => Box::new(EmptyQuery),
        high => Box::new(RangeQuery::new(
            Bound::Included(term(low.unwrap_or(i64::MIN))),
            high.map_or(Bound::Unbounded, |high| Bound::Included(term(high))),
        )),
    }
}

fn exact(field: Field, text: &str) -> Box<dyn Query> {
    Box::new(OneTerm(Term::from_field_text(field, text)))
}

fn one_of(field: Field, texts: impl IntoIterator<Item = impl AsRef<str>>) -> Box<dyn Query> {
    let terms = texts.into_iter().map(|text| Term::from_field_text(field, text.as_ref()));
    Box::new(TermSetQuery::new(terms))
}

fn glob(field: Field, text: &str) -> Box<dyn Query> {
    Box::new(GlobQuery { field, glob: Glob::new(text).expect("a short glob") })
}

/// Documents with any value; the column knows that without a walk through the dictionary. A column
/// has the name of its key.
fn exists(key: Key) -> Box<dyn Query> {
    Box::new(ExistsQuery::new(key.name().to_owned(), false))
}

/// Documents that pass each query.
pub(crate) fn all(queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    Box::new(AllOf(queries))
}

/// Documents that pass one of the queries.
fn any(mut queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    if queries.len() == 1 { queries.remove(0) } else { Box::new(BooleanQuery::union(queries)) }
}
