//! Random secrets, and what is kept of them: their hash.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Bytes of chance in a secret. Nobody guesses one, so its hash needs no salt and no work.
const BYTES: usize = 32;

/// The hash of a secret, by which it is found.
pub(crate) type SecretHash = [u8; 32];

/// Returns a new secret as text: 43 characters that stand in cookies, forms and headers as they are.
///
/// # Errors
/// The operating system has no randomness to give.
pub(crate) fn secret() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Returns a secret's hash.
pub(crate) fn hash(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}

/// Returns a hash as 64 hexadecimal digits.
pub(crate) fn hex(hash: &SecretHash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Tells whether two texts are the same, in a time that does not tell where they differ.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    hash(one) == hash(other)
}
