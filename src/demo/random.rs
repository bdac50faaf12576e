//! Chance: a seeded generator where a run must be repeatable, the system's where a value must be secret.

use std::fmt::Write;

/// A small seeded generator (splitmix64). The same seed gives the same numbers on every machine.
/// Not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Returns the generator of this seed.
    pub(crate) fn seeded(seed: u64) -> Random {
        Random(seed)
    }

    /// Returns the next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`, which must not be 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "no number is below 0");
        self.bits() % end
    }

    /// Returns one of these, of which there must be at least one.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

/// Returns a new secret of 128 bits as 32 hex digits, from the system's own generator.
///
/// # Errors
/// The system has no generator.
pub(crate) fn secret() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    }))
}

/// Fills the bytes from the system's own generator.
///
/// # Errors
/// The system has no generator.
pub(crate) fn fill(bytes: &mut [u8]) -> anyhow::Result<()> {
    getrandom::fill(bytes)
        .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself() {
        // The first numbers of splitmix64 for seed 1234567, as published with the algorithm.
        let mut random = Random::seeded(1_234_567);
        assert_eq!(
            [random.bits(), random.bits()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
    }

    #[test]
    fn a_secret_is_new_each_time() {
        let (one, two) = (secret().expect("a generator"), secret().expect("a generator"));
        assert_eq!((one.len(), two.len()), (32, 32));
        assert_ne!(one, two);
    }
}
