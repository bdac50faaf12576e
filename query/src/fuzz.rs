//! What must hold for any filter: a body for a fuzzer, and for the ordinary test below. `tests/fuzz` calls it under
//! cargo-fuzz (feature `fuzzing`).

use std::sync::OnceLock;

use ingest::index::schema::Fields;
use jiff::Timestamp;

use crate::filter::{Filter, NoSets};

/// A filter as somebody may type it: it is read, or there is an error at a place in it.
pub fn filter(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let now = Timestamp::UNIX_EPOCH;
    match Filter::parse(&text, now) {
        Ok(filter) => {
            let canonical = filter.to_string();
            // What is left out around a term may be put back as a space, so the canonical text can be longer than a
            // filter may be; it is then no filter, and nothing is said of it.
            if let Ok(again) = Filter::parse(&canonical, now) {
                assert_eq!(again, filter, "{text:?} is read another way as {canonical:?}");
            } else {
                assert!(canonical.len() > text.len(), "{canonical:?} is no filter");
            }
            filter.query(fields(), &NoSets);
            for part in filter.parts() {
                assert!(!part.is_everything(), "{text:?} has a part that says nothing");
            }
        }
        Err(error) => {
            let span = error.span.clone();
            assert_eq!(error.filter, text, "the error is of this filter");
            assert!(span.start <= span.end, "{text:?}: {span:?} ends before it begins");
            assert!(text.get(span.clone()).is_some(), "{text:?}: {span:?} is no part of it");
            assert!(!error.caret().is_empty() && !error.to_string().is_empty());
            if let Some(meant) = &error.suggestion {
                let mut corrected = error.filter.clone();
                corrected.replace_range(span, meant);
                let _ = Filter::parse(&corrected, now);
            }
        }
    }
}

fn fields() -> &'static Fields {
    static FIELDS: OnceLock<Fields> = OnceLock::new();
    FIELDS.get_or_init(|| Fields::schema().1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pieces that filters are made of, and what breaks them.
    const PIECES: [&str; 44] = [
        "decision:",
        "denied",
        "path:",
        "secret/**",
        "ip:",
        "10.0.0.0/8",
        "ttl:",
        ">=",
        "1h..24h",
        "after:",
        "-24h",
        "2026-Q3",
        "on:",
        "..",
        "is:",
        "root",
        "no_twin",
        "identity:",
        "\"",
        "\\",
        "(",
        ")",
        "-",
        "NOT ",
        "OR ",
        "AND ",
        " ",
        ",",
        ":",
        "*",
        "**",
        "é",
        "🔑",
        "\u{202e}",
        "\0",
        "decison:",
        "hash:hmac-sha256:00",
        "header:x=",
        "role:",
        "op:write",
        "word",
        "9999999999999999999d",
        "::1/129",
        "\u{1f}",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn any_text_is_a_filter_or_an_error_at_its_place(
            pieces in proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..14),
        ) {
            filter(pieces.concat().as_bytes());
        }

        #[test]
        fn any_bytes_are_a_filter_or_an_error_at_its_place(
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            filter(&bytes);
        }
    }

    #[test]
    fn what_is_too_long_or_too_deep_is_an_error_at_its_place() {
        for text in [
            "(".repeat(9_000),
            "-".repeat(500),
            "é".repeat(5_000),
            "a ".repeat(2_000),
            "((".repeat(60) + "a",
        ] {
            filter(text.as_bytes());
        }
    }
}
