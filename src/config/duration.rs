//! Lengths of time as people type them: `30s`, `5m`, `24h`, `7d`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A length of time that was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TypedDuration(pub(super) Duration);

impl<'de> Deserialize<'de> for TypedDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TypedDuration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map(TypedDuration).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is no length of time: write a whole number and ms, s, m, h or d, as \"30s\""
            ))
        })
    }
}

/// Reads a length of time from the command line.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    parse(text).ok_or_else(|| "write a whole number and ms, s, m, h or d, as 400d".to_owned())
}

fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(ms)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_a_number_and_a_unit() {
        for (text, ms) in [
            ("200ms", 200),
            ("30s", 30_000),
            ("5m", 300_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "30", "s", "-1s", "1.5h", "30 s", "1w", "99999999999999999d"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
