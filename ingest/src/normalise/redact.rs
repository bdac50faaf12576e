//! A raw line as a page may show it.
//!
//! Key names, hashes and structure stay; what could be a secret is replaced by `‹redacted›`:
//!
//! - in `data`, every string that is no hash, but those under clear keys; of a device that hashes nothing
//!   (`log_raw`) those too, since error texts repeat what the client sent;
//! - below a KV secret's own data, in wrapping, and where the engine is not known, numbers and booleans too,
//!   and there no clear key counts: a PIN stands in clear in the log;
//! - tokens and accessors in clear, credential headers, queries of URIs, literals in SQL errors.
//!
//! The line is taken apart level by level with values left as text, so that nothing in it (a number that fits
//! no type, deep nesting) can change or fail on its way to the page.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Rules;
use super::error_text::{REDACTED, without_sql_literals};
use crate::decode::{Decoded, Split, decode, is_hmac, items, looks_hashed, members, split};

/// Nesting below which nothing is shown.
const DEPTH_MAX: usize = 64;

/// Returns the line as JSON with its secrets withheld. Of an undecodable line only the length is told.
pub fn redact_line(line: &[u8], rules: &Rules) -> String {
    let Ok(Split { before, torn, json }) = split(line) else {
        return format!("‹undecodable line, {} bytes, not shown›", line.len());
    };
    let mut out = String::with_capacity(json.len() + 64);
    if torn {
        out.push_str(&format!("‹torn piece, {} bytes, not shown›", before.len()));
    } else if is_plain_prefix(before) {
        out.push_str(&String::from_utf8_lossy(before));
    } else {
        out.push_str(&format!("‹prefix, {} bytes, not shown›", before.len()));
    }
    let Ok(root) = serde_json::from_str::<&RawValue>(json) else { return out };
    let entry = decode(line);
    let mut redactor =
        Redactor { rules, engine: Engine::of(&entry), is_hashed: is_hashed(&entry), out };
    redactor.value(root, Place::Root, "", 0);
    redactor.out
}

/// A prefix that the device was told to write, or a syslog header: no quotes, so no piece of an entry.
fn is_plain_prefix(before: &[u8]) -> bool {
    before.len() <= 200
        && before.iter().all(|&byte| {
            (byte == b' ' || byte.is_ascii_graphic()) && !matches!(byte, b'"' | b'{' | b'}' | b'\\')
        })
}

/// Tells whether a header's value is a credential, however the server was told to log it.
pub(super) fn is_credential_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(
        name.as_str(),
        "authorization"
            | "proxy-authorization"
            | "cookie"
            | "set-cookie"
            | "x-vault-token"
            | "x-bao-token"
    )
}

/// Tells whether the device hashes: no token in clear, and some hash on the line to show for it.
fn is_hashed(entry: &Decoded<'_>) -> bool {
    let Decoded::Entry(entry) = entry else { return false };
    let has_hash = || {
        !entry.request.data.facts().hmacs.is_empty()
            || !entry.response.data.facts().hmacs.is_empty()
    };
    let mut tokens = entry.tokens().peekable();
    if tokens.peek().is_some() { tokens.all(looks_hashed) } else { has_hash() }
}

/// How far the data's numbers and booleans can be trusted to be settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    /// KV version 2: the secret is what lies below the key `data`.
    KvVersion2,
    /// All data is the secret, or might be: KV version 1, cubbyhole, wrapping, an unknown engine.
    Secret,
    /// Strings alone are secrets.
    Settings,
}

impl Engine {
    fn of(entry: &Decoded<'_>) -> Engine {
        let Decoded::Entry(entry) = entry else { return Engine::Secret };
        let path = entry.request.path.as_deref().unwrap_or("");
        let mount_type =
            entry.request.mount_type.as_deref().or(entry.response.mount_type.as_deref());
        match mount_type {
            _ if path.starts_with("sys/wrapping/") || path.starts_with("cubbyhole/") => {
                Engine::Secret
            }
            _ if ["sys/", "auth/", "identity/"].iter().any(|prefix| path.starts_with(prefix)) => {
                Engine::Settings
            }
            Some("kv" | "generic") | None => {
                let mount = entry
                    .request
                    .mount_point
                    .as_deref()
                    .or(entry.response.mount_point.as_deref())
                    .unwrap_or("");
                let namespace = entry
                    .request
                    .namespace
                    .as_ref()
                    .and_then(|namespace| namespace.path.as_deref())
                    .unwrap_or("");
                let mount = mount.strip_prefix(namespace).unwrap_or(mount);
                let route = path.strip_prefix(mount).filter(|_| !mount.is_empty());
                let version_2 = [
                    "data/",
                    "metadata/",
                    "delete/",
                    "undelete/",
                    "destroy/",
                    "subkeys/",
                    "config",
                ];
                match route {
                    Some(route) if version_2.iter().any(|part| route.starts_with(part)) => {
                        Engine::KvVersion2
                    }
                    _ => Engine::Secret,
                }
            }
            Some(_) => Engine::Settings,
        }
    }
}

/// Where in the line a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The line itself.
    Root,
    /// Outside data.
    Outside,
    /// Audited headers.
    Headers,
    /// At the top of some data.
    Data,
    /// Further down in data that holds settings.
    Settings,
    /// In what is, or might be, a secret's own data.
    Secret,
}

struct Redactor<'r> {
    rules: &'r Rules,
    engine: Engine,
    /// The line's device hashes, so clear strings are clear by intention.
    is_hashed: bool,
    out: String,
}

impl Redactor<'_> {
    fn value(&mut self, json: &RawValue, place: Place, key: &str, depth: usize) {
        if depth > DEPTH_MAX {
            return self.redacted();
        }
        match json.get().as_bytes()[0] {
            b'{' => match members(json) {
                Some(members) => self.object(&members, place, depth),
                None => self.redacted(),
            },
            b'[' => match items(json) {
                Some(items) => self.list(&items, place, key, depth),
                None => self.redacted(),
            },
            b'"' => self.string(json, place, key),
            b'n' => self.out.push_str("null"),
            _ if place == Place::Secret => self.redacted(),
            _ if place == Place::Data && self.engine != Engine::Settings && !self.is_clear(key) => {
                self.redacted()
            }
            _ => self.out.push_str(json.get()),
        }
    }

    fn object(&mut self, members: &[(Cow<'_, str>, &RawValue)], place: Place, depth: usize) {
        self.out.push('{');
        for (at, (key, value)) in members.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.quoted(key);
            self.out.push(':');
            self.value(value, self.below(place, key), key, depth + 1);
        }
        self.out.push('}');
    }

    fn list(&mut self, items: &[&RawValue], place: Place, key: &str, depth: usize) {
        self.out.push('[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.value(item, place, key, depth + 1);
        }
        self.out.push(']');
    }

    /// Where a member of an object stands.
    fn below(&self, place: Place, key: &str) -> Place {
        match (place, key) {
            (Place::Root | Place::Outside, "data" | "supplemental_audit_data") => match self.engine
            {
                Engine::Secret => Place::Secret,
                Engine::KvVersion2 | Engine::Settings => Place::Data,
            },
            (Place::Outside, "headers") => Place::Headers,
            (Place::Root | Place::Outside, _) => Place::Outside,
            (Place::Headers, _) => Place::Headers,
            (Place::Data, "data") if self.engine == Engine::KvVersion2 => Place::Secret,
            // Custom metadata is the client's own, too.
            (Place::Data | Place::Settings, "custom_metadata") => Place::Secret,
            (Place::Data, "metadata" | "options" | "versions") | (Place::Settings, _) => {
                Place::Settings
            }
            (Place::Data, _) => Place::Data,
            (Place::Secret, _) => Place::Secret,
        }
    }

    fn string(&mut self, json: &RawValue, place: Place, key: &str) {
        let Ok(text) = serde_json::from_str::<Cow<'_, str>>(json.get()) else {
            return self.redacted();
        };
        let is_shown = match place {
            _ if text.is_empty() || is_hmac(&text) => true,
            Place::Root => true,
            Place::Outside => match key {
                "client_token"
                | "accessor"
                | "client_token_accessor"
                | "token"
                | "wrapped_accessor" => looks_hashed(&text),
                "error" => match without_sql_literals(&text) {
                    // The page shows the line as the server wrote it, wrapping and all.
                    Cow::Borrowed(_) => true,
                    Cow::Owned(error) => return self.quoted(&error),
                },
                "request_uri" => {
                    let (uri, query) =
                        text.split_once('?').map_or((&*text, ""), |(uri, _)| (uri, REDACTED));
                    let uri =
                        if query.is_empty() { uri.to_owned() } else { format!("{uri}?{query}") };
                    return self.quoted(&uri);
                }
                _ => true,
            },
            Place::Headers => !is_credential_header(key),
            Place::Data | Place::Settings => self.is_hashed && self.is_clear(key),
            Place::Secret => false,
        };
        if is_shown { self.out.push_str(json.get()) } else { self.redacted() }
    }

    fn is_clear(&self, key: &str) -> bool {
        self.rules.is_clear_key(key)
    }

    fn redacted(&mut self) {
        self.out.push('"');
        self.out.push_str(REDACTED);
        self.out.push('"');
    }

    fn quoted(&mut self, text: &str) {
        self.out.push_str(&serde_json::to_string(text).expect("a string is JSON"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str =
        "hmac-sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn check(request: &str, expected: &str) {
        let line = format!(r#"{{"type":"request","request":{request}}}"#).replace("HASH", HASH);
        let expected = format!(r#"{{"type":"request","request":{expected}}}"#)
            .replace("HASH", HASH)
            .replace('‹', "‹redacted›");
        assert_eq!(redact_line(line.as_bytes(), Rules::builtin()), expected);
    }

    #[test]
    fn data_shows_hashes_and_settings_only() {
        // KV version 2: the secret's own numbers go, the version stays; a secret's field may be called "ttl".
        check(
            r#"{"path":"secret/data/a","mount_type":"kv","mount_point":"secret/","data":{"data":{"pin":1234,"ok":true,"ttl":5,"p":"HASH","q":"clear","n":null},"options":{"cas":3}}}"#,
            r#"{"path":"secret/data/a","mount_type":"kv","mount_point":"secret/","data":{"data":{"pin":"‹","ok":"‹","ttl":"‹","p":"HASH","q":"‹","n":null},"options":{"cas":3}}}"#,
        );
        check(
            r#"{"path":"secret/data/a","mount_type":"kv","mount_point":"secret/","data":{"pin":1,"version":2}}"#,
            r#"{"path":"secret/data/a","mount_type":"kv","mount_point":"secret/","data":{"pin":"‹","version":2}}"#,
        );
        // KV version 1, and an engine that the line does not name.
        check(
            r#"{"path":"kv1/a","mount_type":"kv","mount_point":"kv1/","data":{"pin":1234,"version":[1,"x"]}}"#,
            r#"{"path":"kv1/a","mount_type":"kv","mount_point":"kv1/","data":{"pin":"‹","version":["‹","‹"]}}"#,
        );
        check(
            r#"{"path":"nomount/a","data":{"pin":1e999}}"#,
            r#"{"path":"nomount/a","data":{"pin":"‹"}}"#,
        );
        check(
            r#"{"path":"sys/wrapping/wrap","data":{"pin":1}}"#,
            r#"{"path":"sys/wrapping/wrap","data":{"pin":"‹"}}"#,
        );
        // Settings.
        check(
            r#"{"client_token":"HASH","path":"sys/mounts/x","mount_type":"system","data":{"ttl":"1h","x":"clear","n":5,"list":["a",{"b":"c"}]}}"#,
            r#"{"client_token":"HASH","path":"sys/mounts/x","mount_type":"system","data":{"ttl":"1h","x":"‹","n":5,"list":["‹",{"b":"‹"}]}}"#,
        );
        check(
            r#"{"client_token":"s.a","data":{"ttl":"1h","error":"x"}}"#,
            r#"{"client_token":"‹","data":{"ttl":"‹","error":"‹"}}"#,
        );
    }

    #[test]
    fn tokens_headers_and_errors_are_withheld() {
        check(
            r#"{"client_token":"s.abc","client_token_accessor":"xyz","headers":{"authorization":["Bearer x"],"user-agent":["bao"]},"request_uri":"/v1/a?p=1"}"#,
            r#"{"client_token":"‹","client_token_accessor":"‹","headers":{"authorization":["‹"],"user-agent":["bao"]},"request_uri":"/v1/a?‹"}"#,
        );
        let line = br#"{"type":"response","error":"ERROR: near \"pw\" (SQLSTATE 1)","response":{"wrap_info":{"token":"s.x"}}}"#;
        assert_eq!(
            redact_line(line, Rules::builtin()),
            r#"{"type":"response","error":"ERROR: near \"‹redacted›\" (SQLSTATE 1)","response":{"wrap_info":{"token":"‹redacted›"}}}"#
        );
    }

    #[test]
    fn what_is_no_entry_is_not_shown() {
        let entry = r#"{"type":"request","time":"2026-01-01T00:00:00Z"}"#;
        for (line, expected) in [
            ("secret".to_owned(), "‹undecodable line, 6 bytes, not shown›".to_owned()),
            (format!("@cee: {entry}\n"), format!("@cee: {entry}")),
            (format!("se\"cret{entry}"), format!("‹prefix, 7 bytes, not shown›{entry}")),
            (
                format!(r#"{{"time":"x","type":"request","request":{{"data":{{"p":"sec{}"#, r#"{"time":"2026-01-01T00:00:00Z","type":"request"}"#),
                r#"‹torn piece, 56 bytes, not shown›{"time":"2026-01-01T00:00:00Z","type":"request"}"#.to_owned(),
            ),
        ] {
            assert_eq!(redact_line(line.as_bytes(), Rules::builtin()), expected);
        }
        let deep = format!(
            r#"{{"type":"request","request":{{"data":{}1{}}}}}"#,
            r#"{"a":"#.repeat(5000),
            "}".repeat(5000)
        );
        assert!(redact_line(deep.as_bytes(), Rules::builtin()).len() < 1000);
    }
}
