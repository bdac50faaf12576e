//! Whether a device hashes what it writes.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

use super::{Decoded, decode, is_hmac, looks_hashed};

/// Tells whether the device that wrote this line hashes nothing (`log_raw`): a token in clear, or on the
/// request line of a login, which has no token, the credential itself.
pub fn logs_clear_tokens(line: &[u8]) -> bool {
    may_log_clear_tokens(line) && reads_clear_tokens(line)
}

/// Tells whether a line has to be read for that; false of nearly all. Every line that arrives passes here, on the
/// thread that writes evidence, and reading it in full takes twenty times as long.
fn may_log_clear_tokens(line: &[u8]) -> bool {
    static LOGIN: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("/login"));
    static WRAPPED: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("\"wrap_info\""));
    static TOKEN: LazyLock<Key> = LazyLock::new(|| Key::new("client_token"));
    static CREDENTIALS: LazyLock<[Key; CREDENTIAL_KEYS.len()]> =
        LazyLock::new(|| CREDENTIAL_KEYS.map(Key::new));
    // An escape may spell any of these otherwise.
    memchr(b'\\', line).is_some()
        || WRAPPED.find(line).is_some()
        || !TOKEN.values(line).all(|token| token.is_some_and(looks_hashed))
        || (LOGIN.find(line).is_some()
            && !CREDENTIALS
                .iter()
                .flat_map(|key| key.values(line))
                .all(|secret| secret.is_some_and(is_hmac)))
}

/// A key whose value may be a secret.
struct Key {
    /// The key as it stands in a line, with its quotes.
    name: Finder<'static>,
}

impl Key {
    fn new(name: &str) -> Key {
        Key { name: Finder::new(&format!("\"{name}\"")).into_owned() }
    }

    /// Returns what stands after this in a line without escapes, wherever it does; `None` for what is no string.
    fn values<'l>(&self, line: &'l [u8]) -> impl Iterator<Item = Option<&'l str>> {
        self.name.find_iter(line).map(|at| {
            let text = line[at + self.name.needle().len()..].strip_prefix(b":\"")?;
            str::from_utf8(&text[..memchr(b'"', text)?]).ok()
        })
    }
}

/// Reads the line, and tells.
fn reads_clear_tokens(line: &[u8]) -> bool {
    let Decoded::Entry(entry) = decode(line) else { return false };
    if entry.tokens().any(|token| !looks_hashed(token)) {
        return true;
    }
    let is_login = entry
        .request
        .path
        .as_ref()
        .is_some_and(|path| path.starts_with("auth/") && path.contains("/login"));
    is_login
        && entry
            .request
            .data
            .facts()
            .clear_strings
            .iter()
            .any(|key| CREDENTIAL_KEYS.contains(&key.as_str()))
}

/// Keys of login bodies whose strings no server leaves in clear unless it hashes nothing.
const CREDENTIAL_KEYS: [&str; 7] =
    ["password", "jwt", "secret_id", "token", "passcode", "pkcs7", "signature"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_logs_no_clear_tokens() {
        let hashed = r#"{"type":"request","auth":{"client_token":"hmac-sha256:ab"},"request":{"path":"kv/a","client_token":"hmac-sha256:cd"}}"#;
        let jwt = format!("hmac-sha256:{}", "0a".repeat(32));
        let login = hashed
            .replace("kv/a", "auth/jwt/login")
            .replace("}}", &format!(r#","data":{{"jwt":"{jwt}","role":"r"}}}}}}"#));
        for usual in [hashed, &login] {
            assert!(!may_log_clear_tokens(usual.as_bytes()), "the usual line is read after all");
        }
        for clear in [
            hashed.replace("hmac-sha256:cd", "hvs.cd"),
            hashed.replace(":\"hmac-sha256:cd", ": \"hvs.cd"),
            hashed.replace("client_token\":\"hmac-sha256:cd", "client\\u005ftoken\":\"hvs.cd"),
            hashed.replace("}}", r#"},"response":{"auth":{"client_token":"s.ab"}}}"#),
            hashed.replace("}}", r#"},"response":{"wrap_info":{"token":"s.ab"}}}"#),
            login.replace(&jwt, "hmac-sha256:e"),
            login.replace("\"hmac-sha256:0a", " \"eyJh"),
            hashed.replace("kv/a", "auth/jwt/login").replace("}}", r#","data":{"jwt":"e"}}}"#),
            format!("{{\"time\":\"x{}", hashed.replace("hmac-sha256:ab", "s.ab")),
        ] {
            assert!(reads_clear_tokens(clear.as_bytes()), "{clear}");
            assert!(logs_clear_tokens(clear.as_bytes()), "{clear}");
        }
    }
}
