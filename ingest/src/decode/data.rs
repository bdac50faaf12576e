//! The `data` of a request or response: client and engine values, of which we keep hashes and key names.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::json::{items, members, string};
use super::{is_hmac, is_rfc3339};

/// Most hashes of one `data` that are kept; further ones are counted.
pub const HMACS_MAX: usize = 1000;

/// Most key names of one `data` that are kept; further ones are counted.
pub const KEYS_MAX: usize = 200;

/// Nesting below which nothing is looked at. Servers refuse deeper bodies long before.
const DEPTH_MAX: usize = 32;

/// Longest path of keys that is kept.
const PATH_BYTES_MAX: usize = 512;

/// A `data` object, unread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Data<'a>(pub Option<&'a RawValue>);

impl<'a> Data<'a> {
    /// Tells whether there is nothing: absent, null or empty.
    pub fn is_absent(&self) -> bool {
        self.0.is_none_or(|json| members(json).is_none_or(|members| members.is_empty()))
    }

    /// Returns the string under a key of the top level.
    pub fn string(&self, key: &str) -> Option<Cow<'a, str>> {
        members(self.0?)?
            .into_iter()
            .find(|(name, _)| name == key)
            .and_then(|(_, value)| string(value))
    }

    /// Walks everything once and returns what may be kept of it.
    pub fn facts(&self) -> DataFacts<'a> {
        let mut facts = DataFacts::default();
        let Some(json) = self.0 else { return facts };
        let Some(top) = members(json) else {
            facts.odd = true;
            return facts;
        };
        facts.present = !top.is_empty();
        let mut path = String::new();
        for (key, value) in top {
            match key.as_ref() {
                "error" => facts.has_error = value.get() != "null",
                "http_status_code" => facts.http_status_code = value.get().parse().ok(),
                "keys" => facts.list_keys = list_keys(value),
                _ => {}
            }
            facts.member(key, value, &mut path, 0);
        }
        facts
    }
}

/// Whether a list response has keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// No `keys`.
    #[default]
    Absent,
    /// None in it; or, with `elide_list_responses`, the number 0.
    Empty,
    /// Some.
    Present,
}

/// What one `data` shows without its values.
#[derive(Clone, Debug, Default)]
pub struct DataFacts<'a> {
    /// Hashes by path: `role`, `keys[0]`, `data.password`.
    pub hmacs: Vec<(String, Cow<'a, str>)>,
    /// Hashes beyond [`HMACS_MAX`].
    pub hmacs_more: usize,
    /// Key names by path, list positions left out, each once.
    pub keys: Vec<String>,
    /// Key names beyond [`KEYS_MAX`].
    pub keys_more: usize,
    /// The nearest key of each string that is neither hash nor time, each once, at most [`KEYS_MAX`].
    pub clear_strings: Vec<String>,
    /// There is at least one key.
    pub present: bool,
    /// There is a top-level key `error`: how a back end words a refusal.
    pub has_error: bool,
    /// The engine's own HTTP status.
    pub http_status_code: Option<u16>,
    /// The `keys` of a list.
    pub list_keys: Keys,
    /// Not an object, deeper than is looked at, or not readable.
    pub odd: bool,
}

impl<'a> DataFacts<'a> {
    fn member(&mut self, key: Cow<'a, str>, value: &'a RawValue, path: &mut String, depth: usize) {
        let length = path.len();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&key);
        self.key(path);
        self.value(&key, value, path, depth);
        path.truncate(length);
    }

    fn value(&mut self, key: &str, value: &'a RawValue, path: &mut String, depth: usize) {
        match value.get().as_bytes()[0] {
            b'"' => self.text(key, value, path),
            b'{' | b'[' if depth >= DEPTH_MAX || path.len() > PATH_BYTES_MAX => self.odd = true,
            b'{' => match members(value) {
                Some(members) => members
                    .into_iter()
                    .for_each(|(key, value)| self.member(key, value, path, depth + 1)),
                None => self.odd = true,
            },
            b'[' => match items(value) {
                Some(items) => self.items(key, &items, path, depth),
                None => self.odd = true,
            },
            _ => {}
        }
    }

    fn items(&mut self, key: &str, items: &[&'a RawValue], path: &mut String, depth: usize) {
        let length = path.len();
        for (position, item) in items.iter().enumerate() {
            if matches!(item.get().as_bytes()[0], b'"' | b'{' | b'[') {
                path.push('[');
                path.push_str(itoa(position, &mut [0; 20]));
                path.push(']');
                self.value(key, item, path, depth + 1);
                path.truncate(length);
            }
        }
    }

    fn text(&mut self, key: &str, value: &'a RawValue, path: &str) {
        let Some(text) = string(value) else {
            self.odd = true;
            return;
        };
        if is_hmac(&text) {
            if self.hmacs.len() < HMACS_MAX && path.len() <= PATH_BYTES_MAX {
                self.hmacs.push((path.to_owned(), text));
            } else {
                self.hmacs_more += 1;
            }
        } else if !text.is_empty()
            && !is_rfc3339(&text)
            && self.clear_strings.len() < KEYS_MAX
            && !self.clear_strings.iter().any(|known| known == key)
        {
            self.clear_strings.push(key.to_owned());
        }
    }

    fn key(&mut self, path: &str) {
        let path = without_positions(path);
        if self.keys.iter().any(|key| *key == path) {
            return;
        }
        if self.keys.len() < KEYS_MAX && path.len() <= PATH_BYTES_MAX {
            self.keys.push(path.into_owned());
        } else {
            self.keys_more += 1;
        }
    }
}

fn list_keys(value: &RawValue) -> Keys {
    match value.get() {
        "null" => Keys::Absent,
        "0" => Keys::Empty,
        _ if items(value).is_some_and(|items| items.is_empty()) => Keys::Empty,
        _ => Keys::Present,
    }
}

/// `a[0].b[12]` is `a.b`; a key may hold brackets of its own, which stay.
fn without_positions(path: &str) -> Cow<'_, str> {
    if !path.contains('[') {
        return Cow::Borrowed(path);
    }
    let mut kept = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('[') {
        kept.push_str(before);
        match after.split_once(']') {
            Some((digits, behind))
                if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                rest = behind
            }
            _ => {
                kept.push('[');
                rest = after;
            }
        }
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// Lists hold thousands of keys; `format!` would cost more than all the rest.
fn itoa(mut number: usize, digits: &mut [u8; 20]) -> &str {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
        if number == 0 {
            return std::str::from_utf8(&digits[at..]).expect("digits are ASCII");
        }
    }
}
