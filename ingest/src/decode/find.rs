//! Finding the entry in a line.
//!
//! Before the entry may stand a prefix, or the torn piece of another entry: `{"time":…,"ty{"time":…}`.
//! The piece may end anywhere, within a string, a number or a character, so the glue is found by trying:
//! the last start of an entry from which the rest of the line parses is the entry.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::de::Deserializer;

use super::field::{Field, Name, Odd, ReadInto};
use super::{Kind, Peek, time};

/// An entry within its line.
pub(super) struct Found<'a> {
    pub(super) before: &'a [u8],
    pub(super) json: &'a str,
    pub(super) peek: Peek<'a>,
}

/// How an entry may begin: struct order, and the alphabetical order of recent Vault.
const STARTS: [&[u8]; 5] =
    [b"{\"time\":\"", b"{\"type\":\"", b"{\"auth\":", b"{\"error\":", b"{\"request\":"];

/// Finds the entry.
pub(super) fn entry(line: &[u8]) -> Result<Found<'_>, &'static str> {
    let line = line.trim_ascii_end();
    if line.is_empty() {
        return Err("empty line");
    }
    let Some(first) = line.iter().position(|&byte| byte == b'{') else {
        return Err("no JSON object in it");
    };
    // A torn piece may end within a character; what follows the last such break is text.
    let (text_from, text) = valid_tail(line, first);
    let (reason, _) = match entry_at(line, text_from, text, first, false) {
        Ok(found) => return Ok(found),
        Err(error) => error,
    };
    // Each try costs what it read; client data may imitate any number of starts, so the sum is bounded.
    let mut budget = 8 * line.len() + 1024;
    let mut end = line.len();
    while let Some(start) =
        line[first + 1..end].windows(2).rposition(|pair| pair == b"{\"").map(|at| first + 1 + at)
    {
        end = start + 1;
        if STARTS.iter().any(|&prefix| line[start..].starts_with(prefix)) {
            match entry_at(line, text_from, text, start, true) {
                Ok(found) => return Ok(found),
                Err((_, read)) if read < budget => budget -= read,
                Err(_) => break,
            }
        }
    }
    Err(reason)
}

/// Returns what stands from the first `{` on: the entry, unless there is a torn piece.
pub(super) fn first_object(line: &[u8]) -> Option<&str> {
    let line = line.trim_ascii_end();
    let first = line.iter().position(|&byte| byte == b'{')?;
    std::str::from_utf8(&line[first..]).ok()
}

/// Returns what the `type` of a line says.
pub(super) fn kind_of(text: &str) -> Option<Kind> {
    match text {
        "request" => Some(Kind::Request),
        "response" => Some(Kind::Response),
        text if text.ends_with("-request") => Some(Kind::Plugin { response: false }),
        text if text.ends_with("-response") => Some(Kind::Plugin { response: true }),
        _ => None,
    }
}

/// Returns the longest end of the line, from `first` on, that is UTF-8, and where it begins.
fn valid_tail(line: &[u8], first: usize) -> (usize, &str) {
    let mut from = first;
    loop {
        match std::str::from_utf8(&line[from..]) {
            Ok(text) => return (from, text),
            Err(error) => from += error.valid_up_to() + error.error_len().unwrap_or(line.len()),
        }
        from = from.min(line.len());
    }
}

/// Reads an entry that begins at `start` and ends with the line. An error says how many bytes were read.
fn entry_at<'a>(
    line: &'a [u8],
    text_from: usize,
    text: &'a str,
    start: usize,
    torn_prefix: bool,
) -> Result<Found<'a>, (&'static str, usize)> {
    let before = &line[..start];
    let Some(json) = start.checked_sub(text_from).map(|at| &text[at..]) else {
        return Err(("not UTF-8", 1));
    };
    let mut deserializer = Deserializer::from_str(json);
    let mut head = Head::default();
    let read =
        deserializer.deserialize_map(HeadVisitor(&mut head)).and_then(|()| deserializer.end());
    read.map_err(|error| {
        let reason = if error.is_eof() { "cut short" } else { "not one JSON object" };
        // Columns count from the last line break, which valid entries do not have; then the whole was read.
        (reason, if error.line() == 1 { error.column() } else { json.len() })
    })?;
    let Head { time, kind, request_id } = head;
    let Some(kind) = kind.as_deref().and_then(kind_of) else {
        return Err(("a JSON object, but no audit entry", json.len()));
    };
    let time_unix_ns = time.and_then(|text| time::unix_ns(&text));
    Ok(Found { before, json, peek: Peek { kind, request_id, time_unix_ns, torn_prefix } })
}

#[derive(Default)]
struct Head<'a> {
    time: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    request_id: Option<Cow<'a, str>>,
}

struct HeadVisitor<'h, 'a>(&'h mut Head<'a>);

impl<'a> Visitor<'a> for HeadVisitor<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an audit entry")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut odd = Odd::default();
        while let Some(key) = map.next_key::<Name<'a>>()? {
            match key.0.as_ref() {
                "time" => map.next_value_seed(ReadInto(&mut self.0.time, &mut odd))?,
                "type" => map.next_value_seed(ReadInto(&mut self.0.kind, &mut odd))?,
                "request" => {
                    map.next_value_seed(ReadInto(&mut RequestId(&mut self.0.request_id), &mut odd))?
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Reads `id` alone out of the request.
struct RequestId<'h, 'a>(&'h mut Option<Cow<'a, str>>);

impl<'a> Field<'a> for RequestId<'_, 'a> {
    fn map<A: MapAccess<'a>>(&mut self, mut map: A, odd: &mut Odd) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Name<'a>>()? {
            if key.0 == "id" {
                map.next_value_seed(ReadInto(self.0, odd))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}
