//! Passwords: argon2id, 19 MiB, two passes, one lane, as OWASP recommends.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

/// The shortest password that is taken, in characters.
pub(crate) const PASSWORD_MIN: usize = 12;
/// The longest, in bytes.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1 << 10;

/// Memory in KiB, passes, lanes.
const COST: (u32, u32, u32) = (19 << 10, 2, 1);

fn argon2() -> Argon2<'static> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).expect("these are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Returns what is kept of a password, with a salt of its own: `$argon2id$v=19$m=19456,t=2,p=1$…`.
///
/// # Errors
/// There is no randomness for a salt; or the password is too short or too long, in words.
pub(crate) fn kept(password: &str) -> Result<String, String> {
    if password.chars().count() < PASSWORD_MIN || password.len() > PASSWORD_BYTES_MAX {
        return Err(format!(
            "a password has at least {PASSWORD_MIN} characters, and at most {PASSWORD_BYTES_MAX} bytes"
        ));
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| format!("no randomness: {error}"))?;
    let kept = argon2().hash_password_with_salt(password.as_bytes(), &salt);
    Ok(kept.map_err(|error| format!("the password cannot be hashed: {error}"))?.to_string())
}

/// Tells whether this is the password. Without a user it is hashed all the same, so that the time does not tell
/// whether there is one.
pub(crate) fn is_right(password: &str, kept: Option<&str>) -> bool {
    /// Of no password.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    #[cfg(test)]
    HASHED.with(|hashed| hashed.set(hashed.get() + 1));
    let is_right = PasswordHash::new(kept.unwrap_or(NOBODY)).is_ok_and(|kept| {
        // The parameters are those with which it was kept.
        argon2().verify_password(password.as_bytes(), &kept).is_ok()
    });
    is_right && kept.is_some()
}

#[cfg(test)]
thread_local! {
    /// How many passwords this thread has hashed to compare them.
    pub(crate) static HASHED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_is_not_kept() {
        let password = "correct horse battery";
        let kept = super::kept(password).expect("kept");
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert_ne!(kept, super::kept(password).expect("kept"), "each has a salt of its own");
        assert!(is_right(password, Some(&kept)));
        assert!(!is_right("correct horse batteri", Some(&kept)));
        assert!(!is_right(password, Some("nonsense")) && !is_right(password, None));
        assert!(super::kept("short").is_err() && super::kept(&"x".repeat(1_025)).is_err());
    }

    #[test]
    fn who_is_unknown_takes_the_same_work() {
        let kept = super::kept("correct horse battery").expect("kept");
        let work = |kept| {
            let before = HASHED.get();
            assert!(!is_right("wrong horse battery", kept));
            HASHED.get() - before
        };
        assert_eq!((work(Some(&*kept)), work(None)), (1, 1));
        // With the same cost: what is verified for nobody is well-formed.
        let nobody = PasswordHash::new(&kept).expect("well-formed").params;
        let cost = Params::try_from(&nobody).expect("argon2's").m_cost();
        assert_eq!(cost, COST.0);
    }
}
