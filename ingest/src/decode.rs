//! Decode: from the bytes of a line to the server's own words.
//!
//! A line may carry a prefix (`@cee: `, a syslog header), or be the torn piece of one entry with the
//! next one glued to it, as a crash or a full disk leaves it. [`peek`] and [`decode`] find the entry in
//! the same way and therefore agree on what is decodable; `peek` reads only what pairing needs.
//!
//! Decoding is lenient, since the line is evidence whatever it looks like: keys come in any order, `""`,
//! `null` and `{}` are absent, an unknown field is passed over, and a field of an unexpected type is
//! passed over and remembered. Nothing here panics or recurses without bound.

mod clear;
mod data;
mod entry;
mod field;
mod find;
mod json;
mod text;
mod time;

use std::borrow::Cow;

pub use clear::logs_clear_tokens;
pub use data::{Data, DataFacts, HMACS_MAX, KEYS_MAX, Keys};
pub use entry::{
    AuditEntry, Auth, GrantingPolicy, Lease, Namespace, PolicyResults, Request, Response, WrapInfo,
};
pub use json::{items, members};
pub use text::{is_hmac, is_rfc3339, looks_hashed};
pub use time::parse_time;

use find::Found;

/// Which of an entry's lines this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Written before the server acts.
    Request,
    /// Written before the server answers.
    Response,
    /// Written by a plugin through the server's audit broker (`kmip-request`): nobody's request to an API path.
    Plugin {
        /// The plugin's response line.
        response: bool,
    },
}

/// What pairing has to know of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek<'a> {
    /// Request, response or a plugin's line.
    pub kind: Kind,
    /// The server's id of the request.
    pub request_id: Option<Cow<'a, str>>,
    /// When the line was formatted, in nanoseconds since 1970.
    pub time_unix_ns: Option<i64>,
    /// The torn piece of another entry stands before this one.
    pub torn_prefix: bool,
}

/// The first look at a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peeked<'a> {
    /// It holds an entry.
    Entry(Peek<'a>),
    /// It does not, and why.
    Undecodable(&'static str),
}

/// A line, read in full.
#[derive(Clone, Debug)]
pub enum Decoded<'a> {
    /// It holds an entry.
    Entry(Box<AuditEntry<'a>>),
    /// It does not, and why.
    Undecodable(&'static str),
}

/// Looks at a line, with or without its `\n`, as far as pairing needs.
pub fn peek(line: &[u8]) -> Peeked<'_> {
    match find::entry(line) {
        Ok(Found { peek, .. }) => Peeked::Entry(peek),
        Err(reason) => Peeked::Undecodable(reason),
    }
}

/// Reads a line in full. Decodable is what [`peek`] says is decodable.
pub fn decode(line: &[u8]) -> Decoded<'_> {
    // Nearly every line is one whole entry: read it at once, without looking first.
    if let Some(entry) = find::first_object(line).and_then(AuditEntry::read_whole) {
        return Decoded::Entry(Box::new(entry));
    }
    match find::entry(line) {
        Ok(found) => Decoded::Entry(Box::new(AuditEntry::read(found.json, &found.peek))),
        Err(reason) => Decoded::Undecodable(reason),
    }
}

/// The parts of a line around its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// What stands before the entry.
    pub before: &'a [u8],
    /// That is the torn piece of another entry, not a prefix which the device was told to write.
    pub torn: bool,
    /// The entry: valid JSON, nothing around it.
    pub json: &'a str,
}

/// Parts a line into its entry and what stands before it.
///
/// # Errors
/// Why the line holds no entry.
pub fn split(line: &[u8]) -> Result<Split<'_>, &'static str> {
    let found = find::entry(line)?;
    Ok(Split { before: found.before, torn: found.peek.torn_prefix, json: found.json })
}

#[cfg(test)]
mod tests;
