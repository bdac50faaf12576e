//! Whether a device hashes what it writes.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

use super::{Decoded, decode, looks_hashed};

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
    static TOKEN: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("\"client_token\""));
    // An escape may spell any of these otherwise.
    memchr(b'\\', line).is_some()
        || LOGIN.find(line).is_some()
        || WRAPPED.find(line).is_some()
        || TOKEN.find_iter(line).any(|at| !line[at..].starts_with(HASHED_TOKEN))
}

/// How a key of a hashed token goes on, see [`looks_hashed`].
const HASHED_TOKEN: &[u8] = b"\"client_token\":\"hmac-sha256:";

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
const CREDENTIAL_KEYS: &[&str] =
    &["password", "jwt", "secret_id", "token", "passcode", "pkcs7", "signature"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_logs_no_clear_tokens() {
        let hashed = r#"{"type":"request","auth":{"client_token":"hmac-sha256:ab"},"request":{"path":"kv/a","client_token":"hmac-sha256:cd"}}"#;
        assert!(!may_log_clear_tokens(hashed.as_bytes()), "the usual line is read after all");
        for clear in [
            hashed.replace("hmac-sha256:cd", "hvs.cd"),
            hashed.replace(":\"hmac-sha256:cd", ": \"hvs.cd"),
            hashed.replace("client_token\":\"hmac-sha256:cd", "client\\u005ftoken\":\"hvs.cd"),
            hashed.replace("}}", r#"},"response":{"auth":{"client_token":"s.ab"}}}"#),
            hashed.replace("}}", r#"},"response":{"wrap_info":{"token":"s.ab"}}}"#),
            hashed.replace("kv/a", "auth/jwt/login").replace("}}", r#","data":{"jwt":"e"}}}"#),
            format!("{{\"time\":\"x{}", hashed.replace("hmac-sha256:ab", "s.ab")),
        ] {
            assert!(reads_clear_tokens(clear.as_bytes()), "{clear}");
            assert!(logs_clear_tokens(clear.as_bytes()), "{clear}");
        }
    }
}
