//! A request id in 16 bytes.

use sha2::{Digest, Sha256};

/// The id itself where it is a UUID as servers write it, else 128 bits of its SHA-256: ids in forged lines
/// are the attacker's choice, and must not meet another one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RequestKey(u128);

impl RequestKey {
    pub(super) fn of(id: &str) -> RequestKey {
        RequestKey(uuid(id.as_bytes()).unwrap_or_else(|| {
            let hash = Sha256::digest(id.as_bytes());
            u128::from_be_bytes(hash[..16].try_into().expect("a SHA-256 has 32 bytes"))
        }))
    }
}

fn uuid(id: &[u8]) -> Option<u128> {
    if id.len() != 36 {
        return None;
    }
    let mut number = 0;
    for (at, &byte) in id.iter().enumerate() {
        let digit = match (at, byte) {
            (8 | 13 | 18 | 23, b'-') => continue,
            (8 | 13 | 18 | 23, _) => return None,
            (_, b'0'..=b'9') => byte - b'0',
            (_, b'a'..=b'f') => byte - b'a' + 10,
            _ => return None,
        };
        number = number << 4 | u128::from(digit);
    }
    Some(number)
}
