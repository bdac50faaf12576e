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

/// Returns a secret as a page may show it, another text each time: compressed beside what an attacker has put into the
/// page's address, the same text would betray itself by the answer's length (BREACH).
///
/// # Errors
/// The operating system has no randomness to give.
pub(crate) fn masked(secret: &str) -> Result<String, getrandom::Error> {
    let mut bytes = vec![0; secret.len()];
    getrandom::fill(&mut bytes)?;
    for (at, byte) in secret.bytes().enumerate() {
        bytes.push(bytes[at] ^ byte);
    }
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Returns the secret that was masked; of what was not, some other text.
pub(crate) fn unmasked(masked: &str) -> String {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(masked).unwrap_or_default();
    let (mask, hidden) = bytes.split_at(bytes.len() / 2);
    let secret = mask.iter().zip(hidden).map(|(mask, hidden)| mask ^ hidden).collect();
    String::from_utf8(secret).unwrap_or_default()
}

/// Tells whether two texts are the same, in a time that does not tell where they differ.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    hash(one) == hash(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_secret_is_another_text_each_time_and_the_same_secret() {
        let secret = secret().expect("chance");
        let masks: Vec<String> = (0..2).map(|_| masked(&secret).expect("chance")).collect();
        assert_ne!(masks[0], masks[1]);
        assert!(masks.iter().all(|mask| unmasked(mask) == secret && !mask.contains(&secret)));
        for nonsense in ["", "x", &secret, "é"] {
            assert_ne!(unmasked(nonsense), secret);
        }
    }
}
