//! RFC 3339 as servers write it: 0 to 9 digits of the second, mostly `Z`, `token_issue_time` with the
//! server's own offset.

use crate::event::Time;

/// Reads a time. `None` if it is none, or lies outside the years 1678 to 2261.
pub fn parse_time(text: &str) -> Option<Time> {
    let bytes = text.as_bytes();
    if !(20..=64).contains(&bytes.len()) {
        return None;
    }
    let (unix_ns, is_utc) = nanoseconds(bytes)?;
    // The server's own text is kept wherever it is already what we promise: UTC without trailing zeros.
    let cut = is_utc && !(text.contains('.') && text.ends_with("0Z"));
    let text = if cut { text.to_owned() } else { written(unix_ns) };
    Some(Time { text, unix_ns })
}

/// Reads a time as a number alone: all that pairing needs.
pub(super) fn unix_ns(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if (20..=64).contains(&bytes.len()) {
        nanoseconds(bytes).map(|(unix_ns, _)| unix_ns)
    } else {
        None
    }
}

/// Writes a time as we promise it.
pub(super) fn written(unix_ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(unix_ns))
        .expect("64 bits of nanoseconds are within jiff's range")
        .to_string()
}

/// Returns nanoseconds since 1970, and whether the zone is written `Z`.
fn nanoseconds(bytes: &[u8]) -> Option<(i64, bool)> {
    let number = |from: usize, to: usize| digits(&bytes[from..to]);
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| bytes[at] != byte) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month)
        || !(1..=days_in(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let mut at = 19;
    let mut fraction = 0;
    if bytes[at] == b'.' {
        let end = at + 1 + bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = end - at - 1;
        if !(1..=9).contains(&length) {
            return None;
        }
        fraction = number(at + 1, end)? * 10_i64.pow(9 - u32::try_from(length).expect("at most 9"));
        at = end;
    }
    let (offset_s, is_utc) = match &bytes[at..] {
        b"Z" => (0, true),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            (if *sign == b'+' { seconds } else { -seconds }, false)
        }
        _ => return None,
    };
    let seconds =
        days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset_s;
    Some((seconds.checked_mul(1_000_000_000)?.checked_add(fraction)?, is_utc))
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes
        .iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Howard Hinnant's days_from_civil: years begin in March, so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn times_keep_their_digits_and_order() {
        for (text, expected) in [
            ("2026-11-24T14:16:15.952757814Z", "2026-11-24T14:16:15.952757814Z"),
            ("2026-11-24T14:11:05.21880601Z", "2026-11-24T14:11:05.21880601Z"),
            ("2026-11-24T14:11:05Z", "2026-11-24T14:11:05Z"),
            ("2026-11-24T14:11:05.500Z", "2026-11-24T14:11:05.5Z"),
            ("2026-11-24T14:11:05.000Z", "2026-11-24T14:11:05Z"),
            ("2026-11-24T16:11:05+02:00", "2026-11-24T14:11:05Z"),
            ("2024-02-29T23:59:59-00:30", "2024-03-01T00:29:59Z"),
        ] {
            assert_eq!(parse_time(text).unwrap().text, expected, "{text}");
        }
        for text in [
            "",
            "2026-11-24",
            "2026-11-24T14:11:05",
            "2026-02-30T00:00:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T14:11:05.Z",
            "2026-11-24T14:11:05.1234567890Z",
            "2026-11-24 14:11:05Z",
            "9999-01-01T00:00:00Z",
            "2026-11-24T14:11:05+2:00",
            "+026-11-24T14:11:05Z",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_jiff(unix_ns in proptest::num::i64::ANY) {
            let text = written(unix_ns);
            let time = parse_time(&text).unwrap();
            proptest::prop_assert_eq!(time.unix_ns, unix_ns);
            proptest::prop_assert_eq!(time.text, text);
        }
    }
}
