//! What a string of the log is: a hash, a time, or clear text.

/// Tells whether this is a hash as the server writes it: `hmac-sha256:` and 64 lower-case hex digits.
pub fn is_hmac(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Tells whether a token or accessor stands as a hash. Their form is the server's, never a client's, so
/// the prefix is enough; samples with shortened hashes stay readable.
pub fn looks_hashed(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Tells whether this is an RFC 3339 time, which newer servers leave in clear within data.
pub fn is_rfc3339(text: &str) -> bool {
    super::parse_time(text).is_some()
}

const PREFIX: &str = "hmac-sha256:";
