//! What stands after a key, once understood.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::error::{Wrong, nearest};
use super::glob::{GLOB_BYTES_MAX, Glob};
use super::key::{Key, NOT_YET, OPERATIONS, Takes};
use super::lex::Raw;
use crate::period::{self, Moment};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `*` alone: any value at all, slashes or not.
    Any,
    /// Exactly this text.
    Text(String),
    /// A text of this form.
    Glob(Glob),
    /// Addresses from first to last, both included; IPv4 is mapped into IPv6.
    Network { text: String, first: Ipv6Addr, last: Ipv6Addr },
    /// Times in [from, to), in nanoseconds; an absent end is open.
    Time { text: String, from: Option<i64>, to: Option<i64> },
    /// Whole seconds from low to high, both included; an absent end is open.
    Seconds { text: String, low: Option<i64>, high: Option<i64> },
}

impl Value {
    /// Reads what was typed after `key:`.
    pub(super) fn parse(key: Key, raw: &Raw, now: Timestamp) -> Result<Value, Wrong> {
        let Raw { text, quoted, span } = raw;
        if text.is_empty() {
            // Absent is absent: no event has an empty value.
            return Err(Wrong::new(
                span.clone(),
                format!("{0}: needs a value; for events without one write -{0}:*", key.name()),
            ));
        }
        match key.takes() {
            Takes::Time => return time(key, text, span, now),
            Takes::Seconds => return seconds(key, text, span),
            Takes::Network if !quoted => return network(key, text, span),
            Takes::Word | Takes::WordOnly => return word(key, text, *quoted, span),
            _ if *quoted => return Ok(Value::Text(text.clone())),
            Takes::Operation => operation(text, span)?,
            Takes::Text | Takes::Slashed | Takes::AuthMount | Takes::Header | Takes::Network => {}
        }
        if text.starts_with(['<', '>']) {
            return Err(Wrong::new(
                span.clone(),
                format!(
                    "{} cannot be compared, only ttl and token_age can; to search for the sign itself, quote the value",
                    key.name()
                ),
            ));
        }
        if key == Key::Ns && matches!(&text[..], "root" | "root/") {
            return Err(Wrong::new(
                span.clone(),
                "the root namespace has no name; for events in it write -ns:*",
            ));
        }
        let text = completed(key, text);
        match text.as_str() {
            "*" => Ok(Value::Any),
            text if text.contains('*') => glob(text, span).map(Value::Glob),
            _ => Ok(Value::Text(text)),
        }
    }

    /// Writes the value so that it is read again as itself.
    pub(super) fn write(&self, key: Key, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Any => f.write_str("*"),
            Value::Glob(glob) => f.write_str(glob.as_str()),
            Value::Network { text, .. }
            | Value::Time { text, .. }
            | Value::Seconds { text, .. } => {
                if text.contains(ends_bare) {
                    write_quoted(text, f)
                } else {
                    f.write_str(text)
                }
            }
            Value::Text(text) => {
                let raw = Raw { text: text.clone(), quoted: false, span: 0..0 };
                let plain = !text.contains(ends_bare)
                    && Value::parse(key, &raw, Timestamp::UNIX_EPOCH)
                        .is_ok_and(|value| value == *self);
                if plain { f.write_str(text) } else { write_quoted(text, f) }
            }
        }
    }
}

/// Tells whether the lexer ends a bare value here.
fn ends_bare(c: char) -> bool {
    c.is_whitespace() || "(),\"".contains(c)
}

/// Writes a text in quotes, as the lexer reads it.
pub(super) fn write_quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Adds what may be left out at the ends of mounts and namespaces, lowers a header's name.
fn completed(key: Key, text: &str) -> String {
    let slashed = |text: &str| match text {
        "*" => text.to_owned(),
        text if text.ends_with('/') || text.ends_with("**") => text.to_owned(),
        text => format!("{text}/"),
    };
    match key.takes() {
        Takes::Slashed => slashed(text),
        Takes::AuthMount => match text.trim_end_matches('/') {
            name if name.contains('/') || name == "*" || name.contains("**") => slashed(text),
            name => format!("auth/{name}/"),
        },
        Takes::Header => match text.split_once('=') {
            Some((name, value)) => format!("{}={value}", name.to_lowercase()),
            None => text.to_lowercase(),
        },
        _ => text.to_owned(),
    }
}

fn glob(text: &str, span: &Range<usize>) -> Result<Glob, Wrong> {
    Glob::new(text).ok_or_else(|| {
        Wrong::new(span.clone(), format!("a pattern may have at most {GLOB_BYTES_MAX} bytes"))
    })
}

fn word(key: Key, text: &str, quoted: bool, span: &Range<usize>) -> Result<Value, Wrong> {
    let words = key.words();
    if words.contains(&text) {
        return Ok(Value::Text(text.to_owned()));
    }
    if key == Key::Is && NOT_YET.contains(&text) {
        return Err(Wrong::new(span.clone(), format!("is:{text} is not available yet")));
    }
    if !quoted && key.takes() == Takes::Word {
        if text == "*" {
            return Ok(Value::Any);
        }
        if text.contains('*') {
            let glob = glob(text, span)?;
            if words.iter().any(|word| glob.matches(word)) {
                return Ok(Value::Glob(glob));
            }
        }
    }
    let message = format!("{} is never {text:?}, only {}", key.name(), words.join(", "));
    let message = match key {
        Key::Has => format!("has: takes {}, not {text:?}", words.join(", ")),
        Key::Is => format!("is: takes {}, not {text:?}", words.join(", ")),
        _ => message,
    };
    Err(Wrong::new(span.clone(), message).meant(nearest(text, words)))
}

fn operation(text: &str, span: &Range<usize>) -> Result<(), Wrong> {
    match nearest(text, OPERATIONS.iter().copied()) {
        Some(word) if word != text && !text.contains('*') => Err(Wrong::new(
            span.clone(),
            format!("{text:?} is no known operation (if it is one, quote it)"),
        )
        .meant(Some(word))),
        _ => Ok(()),
    }
}

fn network(key: Key, text: &str, span: &Range<usize>) -> Result<Value, Wrong> {
    if text == "*" {
        return Ok(Value::Any);
    }
    let wrong = |message: &str| {
        Wrong::new(
            span.clone(),
            format!(
                "{text:?} is no {}: {message}",
                match key {
                    Key::Ip => "address or network",
                    _ => "value",
                }
            ),
        )
    };
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let form =
        "write 10.0.1.7, 10.0.0.0/8 or 2001:db8::/32; to search for the text as written, quote it";
    let address: IpAddr = address.parse().map_err(|_| wrong(form))?;
    let bits_max: u32 = if address.is_ipv4() { 32 } else { 128 };
    let bits = match length {
        None => bits_max,
        Some(length) => match length.parse() {
            Ok(bits) if bits <= bits_max && !length.starts_with('+') => bits,
            _ => return Err(wrong(&format!("the length of its prefix is 0 to {bits_max}"))),
        },
    };
    // An IPv4 prefix lies behind the 96 bits of its mapping.
    let host_bits = bits_max - bits;
    let hosts = if host_bits == 128 { u128::MAX } else { (1 << host_bits) - 1 };
    let number = mapped(address).to_bits();
    Ok(Value::Network {
        text: text.to_owned(),
        first: Ipv6Addr::from_bits(number & !hosts),
        last: Ipv6Addr::from_bits(number | hosts),
    })
}

/// Returns the address as the index holds it: IPv4 mapped into IPv6.
pub(super) fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn time(key: Key, text: &str, span: &Range<usize>, now: Timestamp) -> Result<Value, Wrong> {
    let moment = |text: &str| {
        period::moment(text, now, &TimeZone::UTC)
            .map_err(|error| Wrong::new(span.clone(), error.to_string()))
    };
    let (from, to) = match key {
        Key::After => (Some(moment(text)?.start()), None),
        Key::Before => (None, Some(moment(text)?.start())),
        _ => match text.split_once("..") {
            Some((first, last)) => {
                let (from, to) = (moment(first)?.start(), moment(last)?.end());
                if from >= to {
                    return Err(Wrong::new(span.clone(), format!("{text} ends before it begins")));
                }
                (Some(from), Some(to))
            }
            None => match moment(text)? {
                Moment::Period { from, to } => (Some(from), Some(to)),
                Moment::Instant(_) => {
                    return Err(Wrong::new(
                        span.clone(),
                        format!(
                            "on: takes a day, month, quarter or year, such as 2026-10-12, and {text} is an instant; use after: and before:"
                        ),
                    ));
                }
            },
        },
    };
    Ok(Value::Time { text: text.to_owned(), from, to })
}

fn seconds(key: Key, text: &str, span: &Range<usize>) -> Result<Value, Wrong> {
    let one = |text: &str| {
        period::seconds(text).ok_or_else(|| {
            Wrong::new(
                span.clone(),
                format!(
                    "{text:?} is no length of time for {}: write 30s, 5m, 1h, 30d or 4w",
                    key.name()
                ),
            )
        })
    };
    let (low, high) = if let Some(rest) = text.strip_prefix(">=") {
        (Some(one(rest)?), None)
    } else if let Some(rest) = text.strip_prefix("<=") {
        (None, Some(one(rest)?))
    } else if let Some(rest) = text.strip_prefix('>') {
        (Some(one(rest)? + 1), None)
    } else if let Some(rest) = text.strip_prefix('<') {
        (None, Some(one(rest)? - 1))
    } else if let Some((low, high)) = text.split_once("..") {
        let (low, high) = (one(low)?, one(high)?);
        if low > high {
            return Err(Wrong::new(span.clone(), format!("{text} ends before it begins")));
        }
        (Some(low), Some(high))
    } else if text == "*" {
        (None, None)
    } else {
        let exact = one(text)?;
        (Some(exact), Some(exact))
    };
    Ok(Value::Seconds { text: text.to_owned(), low, high })
}
