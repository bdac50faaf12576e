//! Stretches of time: what `--period`, `--from`, `--to` and the filter's time keys are given.
//!
//! A stretch is [from, to): its first nanosecond belongs to it, its last does not, so that
//! neighbouring periods share no event and lose none.

use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use thiserror::Error;

/// A stretch of time and how people call it.
#[derive(Clone, Debug, PartialEq)]
pub struct Period {
    /// Its first nanosecond since 1970; absent: from the first event.
    pub from: Option<i64>,
    /// The nanosecond after its last; absent: to the last event.
    pub to: Option<i64>,
    /// The zone in which dates were meant, and in which a report shows times.
    pub zone: TimeZone,
    /// What was asked for, and the zone: `2026-Q3, Europe/Berlin`.
    pub label: String,
}

/// Why a stretch of time cannot be understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PeriodError {
    /// Not a time.
    #[error(
        "{0:?} is no time: write 2026, 2026-Q3, 2026-10, 2026-W42, 2026-10-12, 2026-10-12T08:00:00Z, or -24h and -7d for so long ago"
    )]
    Form(String),
    /// Outside the years that nanoseconds in 64 bits can hold.
    #[error("{0:?} is outside the years 1678 to 2261")]
    Range(String),
    /// An instant in place of a period.
    #[error(
        "{0:?} is an instant, no period: write 2026, 2026-Q3, 2026-10, 2026-W42, 2026-10-12, last-quarter, last-month, last-week or yesterday, or use --from and --to"
    )]
    NoPeriod(String),
    /// Both ways at once.
    #[error("--period goes without --from and --to: it sets both")]
    Both,
    /// Nothing in between.
    #[error("--from {from} is not before --to {to}: the end itself does not belong to the period")]
    Order {
        /// As given.
        from: String,
        /// As given.
        to: String,
    },
    /// No such zone.
    #[error("{0:?} is no time zone: write a name such as Europe/Berlin, or UTC")]
    Zone(String),
}

impl Period {
    /// Reads the four options as they were typed. A date given to `to` means that day's beginning.
    ///
    /// # Errors
    /// A text that is no time, an empty stretch, an unknown zone, or a period beside its ends.
    pub fn new(
        period: Option<&str>,
        from: Option<&str>,
        to: Option<&str>,
        zone: Option<&str>,
        now: Timestamp,
    ) -> Result<Period, PeriodError> {
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => time_zone(name)?,
        };
        if let Some(text) = period {
            if from.is_some() || to.is_some() {
                return Err(PeriodError::Both);
            }
            let before = before_now(text, now, &zone);
            let text = before.as_deref().unwrap_or(text);
            let Moment::Period { from, to } = moment(text, now, &zone)? else {
                return Err(PeriodError::NoPeriod(text.to_owned()));
            };
            let label = format!("{text}, {}", zone_name(&zone));
            return Ok(Period { from: Some(from), to: Some(to), zone, label });
        }
        let start = |text: &str| moment(text, now, &zone).map(|moment| moment.start());
        let (from_ns, to_ns) = (from.map(start).transpose()?, to.map(start).transpose()?);
        if let (Some(from), Some(to), Some(from_ns), Some(to_ns)) = (from, to, from_ns, to_ns)
            && from_ns >= to_ns
        {
            return Err(PeriodError::Order { from: from.to_owned(), to: to.to_owned() });
        }
        let stretch = match (from, to) {
            (None, None) => "everything".to_owned(),
            (Some(from), None) => format!("from {from}"),
            (None, Some(to)) => format!("until {to}"),
            (Some(from), Some(to)) => format!("from {from} until {to}"),
        };
        let label = format!("{stretch}, {}", zone_name(&zone));
        Ok(Period { from: from_ns, to: to_ns, zone, label })
    }
}

/// Returns the zone of this name.
///
/// # Errors
/// No zone has this name.
pub fn time_zone(name: &str) -> Result<TimeZone, PeriodError> {
    TimeZone::get(name).map_err(|_| PeriodError::Zone(name.to_owned()))
}

/// Returns the name under which people know a zone.
pub fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

/// Returns the time as RFC 3339 in UTC, trailing zeros of the fraction cut.
pub fn rfc3339(unix_ns: i64) -> String {
    timestamp(unix_ns).to_string()
}

/// Returns the time as RFC 3339 with the offset of the zone.
pub fn rfc3339_in(unix_ns: i64, zone: &TimeZone) -> String {
    let time = timestamp(unix_ns);
    time.display_with_offset(zone.to_offset(time)).to_string()
}

fn timestamp(unix_ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(unix_ns.into())
        .expect("64 bits of nanoseconds are within jiff's years")
}

/// What one word about time names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// An instant, in nanoseconds.
    Instant(i64),
    /// A day, month, quarter or year: [from, to).
    Period { from: i64, to: i64 },
}

impl Moment {
    pub(crate) fn start(self) -> i64 {
        match self {
            Moment::Instant(at) | Moment::Period { from: at, .. } => at,
        }
    }

    pub(crate) fn end(self) -> i64 {
        match self {
            Moment::Instant(at) | Moment::Period { to: at, .. } => at,
        }
    }
}

/// Reads one word about time; dates are meant in the zone.
pub(crate) fn moment(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Moment, PeriodError> {
    let form = || PeriodError::Form(text.to_owned());
    let nanoseconds = |time: Timestamp| {
        i64::try_from(time.as_nanosecond()).map_err(|_| PeriodError::Range(text.to_owned()))
    };
    if let Some(ago) = text.strip_prefix('-') {
        if ago.ends_with(|c: char| c.is_ascii_digit()) {
            return Err(form()); // five what?
        }
        let ago = SignedDuration::from_secs(seconds(ago).ok_or_else(form)?);
        let at = now.checked_sub(ago).map_err(|_| PeriodError::Range(text.to_owned()))?;
        return Ok(Moment::Instant(nanoseconds(at)?));
    }
    if text.contains(['T', 't', ' ']) {
        return Ok(Moment::Instant(nanoseconds(text.parse().map_err(|_| form())?)?));
    }
    let (first, months, days) = dates(text).ok_or_else(form)?;
    let after = jiff::Span::new().months(months).days(days);
    let after = first.checked_add(after).map_err(|_| PeriodError::Range(text.to_owned()))?;
    let start = |date: Date| {
        let midnight = zone.to_zoned_datetime(date.at(0, 0, 0, 0));
        midnight
            .map_err(|_| PeriodError::Range(text.to_owned()))
            .and_then(|z| nanoseconds(z.timestamp()))
    };
    Ok(Moment::Period { from: start(first)?, to: start(after)? })
}

/// Returns what `last-year`, `last-quarter`, `last-month`, `last-week` and `yesterday` are at an instant: the period of the
/// calendar that ended last.
fn before_now(text: &str, now: Timestamp, zone: &TimeZone) -> Option<String> {
    let today = zone.to_datetime(now).date();
    let (year, month) = (today.year(), today.month());
    let yesterday = today.yesterday().ok()?;
    Some(match text {
        "last-year" => (year - 1).to_string(),
        "last-quarter" if month <= 3 => format!("{}-Q4", year - 1),
        "last-quarter" => format!("{year}-Q{}", (month - 1) / 3),
        "last-month" => {
            let last = today.first_of_month().yesterday().ok()?;
            format!("{:04}-{:02}", last.year(), last.month())
        }
        "last-week" => {
            let week = today.checked_sub(7.days()).ok()?.iso_week_date();
            format!("{:04}-W{:02}", week.year(), week.week())
        }
        "yesterday" => yesterday.to_string(),
        _ => return None,
    })
}

/// Reads `2026`, `2026-Q3`, `2026-10`, `2026-W42` and `2026-10-12`: the first day, and how many months and days
/// it lasts.
fn dates(text: &str) -> Option<(Date, i64, i64)> {
    let digits = |text: &str, count: usize| {
        (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<i16>().ok())
            .flatten()
    };
    let two = |text: &str| digits(text, 2).and_then(|number| i8::try_from(number).ok());
    let mut parts = text.splitn(3, '-');
    let year = digits(parts.next()?, 4)?;
    let (month, day, months, days) = match (parts.next(), parts.next()) {
        (None, _) => (1, 1, 12, 0),
        (Some(part), None) if part.starts_with(['Q', 'q']) => {
            let quarter =
                part[1..].parse::<i8>().ok().filter(|quarter| (1..=4).contains(quarter))?;
            (3 * quarter - 2, 1, 3, 0)
        }
        (Some(part), None) if part.starts_with(['W', 'w']) => {
            let week = ISOWeekDate::new(year, two(&part[1..])?, Weekday::Monday).ok()?;
            return Some((week.date(), 0, 7));
        }
        (Some(month), None) => (two(month)?, 1, 1, 0),
        (Some(month), Some(day)) => (two(month)?, two(day)?, 0, 1),
    };
    Some((Date::new(year, month, day).ok()?, months, days))
}

/// Reads a length of time in whole seconds: `30s`, `5m`, `1h`, `30d`, `4w`, or a bare number of
/// seconds. At most 1,000 years.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let (number, unit) = match text.chars().last()? {
        's' => (&text[..text.len() - 1], 1),
        'm' => (&text[..text.len() - 1], 60),
        'h' => (&text[..text.len() - 1], 3_600),
        'd' => (&text[..text.len() - 1], 86_400),
        'w' => (&text[..text.len() - 1], 604_800),
        _ => (text, 1),
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = number.parse::<i64>().ok()?.checked_mul(unit)?;
    (seconds <= 1_000 * 366 * 86_400).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().expect("a time")
    }

    fn period(
        period: Option<&str>,
        from: Option<&str>,
        to: Option<&str>,
        zone: Option<&str>,
    ) -> String {
        match Period::new(period, from, to, zone, now()) {
            Err(error) => error.to_string(),
            Ok(period) => {
                let end = |end: Option<i64>| end.map_or("-".to_owned(), rfc3339);
                format!("{} | {} | {}", end(period.from), end(period.to), period.label)
            }
        }
    }

    #[test]
    fn periods() {
        for (text, zone, expected) in [
            ("2026", None, "2026-01-01T00:00:00Z | 2027-01-01T00:00:00Z | 2026, UTC"),
            ("2026-Q4", None, "2026-10-01T00:00:00Z | 2027-01-01T00:00:00Z | 2026-Q4, UTC"),
            ("2024-02", None, "2024-02-01T00:00:00Z | 2024-03-01T00:00:00Z | 2024-02, UTC"),
            (
                "2026-10-25",
                Some("Europe/Berlin"),
                "2026-10-24T22:00:00Z | 2026-10-25T23:00:00Z | 2026-10-25, Europe/Berlin",
            ),
            (
                "2026-Q3",
                Some("America/New_York"),
                "2026-07-01T04:00:00Z | 2026-10-01T04:00:00Z | 2026-Q3, America/New_York",
            ),
            (
                "2026-Q5",
                None,
                "\"2026-Q5\" is no time: write 2026, 2026-Q3, 2026-10, 2026-W42, 2026-10-12, 2026-10-12T08:00:00Z, or -24h and -7d for so long ago",
            ),
            (
                "-24h",
                None,
                "\"-24h\" is an instant, no period: write 2026, 2026-Q3, 2026-10, 2026-W42, 2026-10-12, last-quarter, last-month, last-week or yesterday, or use --from and --to",
            ),
            ("2300", None, "\"2300\" is outside the years 1678 to 2261"),
            (
                "2026",
                Some("Berlin"),
                "\"Berlin\" is no time zone: write a name such as Europe/Berlin, or UTC",
            ),
        ] {
            assert_eq!(period(Some(text), None, None, zone), expected);
        }
    }

    #[test]
    fn ends() {
        for (from, to, expected) in [
            (None, None, "- | - | everything, UTC"),
            (Some("-7d"), None, "2026-11-17T12:00:00Z | - | from -7d, UTC"),
            (
                Some("2026-07"),
                Some("2026-10-01T02:00:00+02:00"),
                "2026-07-01T00:00:00Z | 2026-10-01T00:00:00Z | from 2026-07 until 2026-10-01T02:00:00+02:00, UTC",
            ),
            (
                Some("2026-10-01"),
                Some("2026-10-01"),
                "--from 2026-10-01 is not before --to 2026-10-01: the end itself does not belong to the period",
            ),
        ] {
            assert_eq!(period(None, from, to, None), expected);
        }
        assert_eq!(
            period(Some("2026"), Some("2026"), None, None),
            "--period goes without --from and --to: it sets both"
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "-",
            "20261",
            "2026-1",
            "2026-13",
            "2026-02-30",
            "2026-Q",
            "2026-Qé",
            "yesterday",
            "-5",
            "-9999999999999w",
            "2026-10-12T08:00:00",
            "é",
        ] {
            let read = moment(text, now(), &TimeZone::UTC);
            assert!(read.is_err(), "{text:?}: {read:?}");
        }
    }

    #[test]
    fn weeks_and_what_ended_last() {
        let period = |text: &str, now: &str, zone: &str| {
            let now = now.parse().expect("a time");
            let period = Period::new(Some(text), None, None, Some(zone), now).expect(text);
            let end = |at: Option<i64>| rfc3339(at.expect("an end"));
            (period.label.clone(), end(period.from), end(period.to))
        };
        let is = |text, now, label: &str, from: &str, to: &str| {
            let expected = (format!("{label}, UTC"), from.to_owned(), to.to_owned());
            assert_eq!(period(text, now, "UTC"), expected);
        };
        let now = "2026-01-01T12:00:00Z";
        is("2026-W01", now, "2026-W01", "2025-12-29T00:00:00Z", "2026-01-05T00:00:00Z");
        is("last-week", now, "2025-W52", "2025-12-22T00:00:00Z", "2025-12-29T00:00:00Z");
        is("last-month", now, "2025-12", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z");
        is("last-quarter", now, "2025-Q4", "2025-10-01T00:00:00Z", "2026-01-01T00:00:00Z");
        is("last-year", now, "2025", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        is("yesterday", now, "2025-12-31", "2025-12-31T00:00:00Z", "2026-01-01T00:00:00Z");
        let july = "2026-07-01T00:00:00Z";
        is("last-quarter", july, "2026-Q2", "2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z");
        // In Kiritimati it is the next day already.
        let (label, ..) = period("yesterday", "2026-07-01T12:00:00Z", "Pacific/Kiritimati");
        assert_eq!(label, "2026-07-01, Pacific/Kiritimati");
        assert!(Period::new(Some("2026-W54"), None, None, None, Timestamp::UNIX_EPOCH).is_err());
    }
}
