//! Lengths of time: the steps of histograms, and the stretches that pages offer.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use query::period::rfc3339;

/// Nanoseconds of a second, a minute, an hour, a day.
pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Returns now, in nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(Timestamp::now().as_nanosecond()).expect("the clock shows a year before 2262")
}

/// A length of the histogram's steps, as the count takes it and as people say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) ns: i64,
    pub(crate) word: &'static str,
    pub(crate) says: &'static str,
}

const STEPS: [Step; 17] = [
    Step { ns: SECOND, word: "1s", says: "1 second" },
    Step { ns: 5 * SECOND, word: "5s", says: "5 seconds" },
    Step { ns: 15 * SECOND, word: "15s", says: "15 seconds" },
    Step { ns: 30 * SECOND, word: "30s", says: "30 seconds" },
    Step { ns: MINUTE, word: "1m", says: "1 minute" },
    Step { ns: 5 * MINUTE, word: "5m", says: "5 minutes" },
    Step { ns: 15 * MINUTE, word: "15m", says: "15 minutes" },
    Step { ns: 30 * MINUTE, word: "30m", says: "30 minutes" },
    Step { ns: HOUR, word: "1h", says: "1 hour" },
    Step { ns: 3 * HOUR, word: "3h", says: "3 hours" },
    Step { ns: 12 * HOUR, word: "12h", says: "12 hours" },
    Step { ns: DAY, word: "1d", says: "1 day" },
    Step { ns: 7 * DAY, word: "1w", says: "1 week" },
    Step { ns: 28 * DAY, word: "4w", says: "4 weeks" },
    Step { ns: 91 * DAY, word: "13w", says: "13 weeks" },
    Step { ns: 364 * DAY, word: "52w", says: "52 weeks" },
    Step { ns: 7_000 * DAY, word: "1000w", says: "1,000 weeks" },
];

/// The most bars of a histogram.
const BARS_MAX: i64 = 72;

impl Step {
    /// Returns the finest step that parts the stretch into few enough bars.
    pub(crate) fn of(from: i64, to: i64) -> Step {
        let length = to.saturating_sub(from);
        let fits = |step: &Step| length / step.ns < BARS_MAX;
        STEPS.into_iter().find(fits).unwrap_or(STEPS[STEPS.len() - 1])
    }
}

/// A stretch of time that a page offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stretch {
    Day,
    Week,
    Month,
    All,
}

impl Stretch {
    pub(crate) const ALL: [Stretch; 4] =
        [Stretch::Day, Stretch::Week, Stretch::Month, Stretch::All];

    /// Returns its word in an address.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Stretch::Day => "24h",
            Stretch::Week => "7d",
            Stretch::Month => "30d",
            Stretch::All => "all",
        }
    }

    /// Returns its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Stretch::Day => "24 hours",
            Stretch::Week => "7 days",
            Stretch::Month => "30 days",
            Stretch::All => "All",
        }
    }

    /// Returns its length; all time has none.
    pub(crate) fn length(self) -> Option<i64> {
        match self {
            Stretch::Day => Some(DAY),
            Stretch::Week => Some(7 * DAY),
            Stretch::Month => Some(30 * DAY),
            Stretch::All => None,
        }
    }

    /// Returns the shortest stretch up to now that holds a time.
    pub(crate) fn holding(time: i64, now: i64) -> Stretch {
        let holds = |stretch: &Stretch| {
            stretch.length().is_none_or(|length| now.saturating_sub(time) < length)
        };
        Stretch::ALL.into_iter().find(holds).unwrap_or(Stretch::All)
    }
}

/// Returns the time as an address takes it.
pub(crate) fn typed(unix_ns: i64) -> String {
    rfc3339(unix_ns)
}

/// Returns the end of a day, UTC.
///
/// # Errors
/// It is no day.
pub(crate) fn end_of_day(day: &str) -> Result<Timestamp, String> {
    let end = || {
        let next = day.parse::<Date>().ok()?.tomorrow().ok()?;
        Some(next.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp())
    };
    end().ok_or_else(|| format!("{day:?} is no day: write 2026-12-31"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::Zone;

    fn time(text: &str) -> i64 {
        i64::try_from(text.parse::<Timestamp>().expect(text).as_nanosecond()).expect(text)
    }

    #[test]
    fn steps_are_few_enough_and_begin_where_the_counts_do() {
        let utc = Zone::default();
        for (from, to, word, floor) in [
            ("2026-11-24T09:00:07Z", "2026-11-24T09:05:00Z", "5s", "2026-11-24T09:00:05Z"),
            ("2026-11-24T09:00:07Z", "2026-11-24T10:00:00Z", "1m", "2026-11-24T09:00:00Z"),
            ("2026-11-24T09:17:00Z", "2026-11-25T09:17:00Z", "30m", "2026-11-24T09:00:00Z"),
            ("2026-11-18T10:17:00Z", "2026-11-25T09:17:00Z", "3h", "2026-11-18T09:00:00Z"),
            ("2026-09-25T10:17:00Z", "2026-11-25T09:17:00Z", "1d", "2026-09-25T00:00:00Z"),
            ("2025-11-26T10:17:00Z", "2026-11-25T09:17:00Z", "1w", "2025-11-24T00:00:00Z"),
            ("1969-12-30T00:00:00Z", "1970-12-30T00:00:00Z", "1w", "1969-12-29T00:00:00Z"),
        ] {
            let step = Step::of(time(from), time(to));
            let start = utc.interval(step).bucket(time(from)).0;
            assert_eq!((step.word, typed(start)), (word, floor.to_owned()), "{from}");
        }
        assert_eq!(Step::of(i64::MIN, i64::MAX).word, "1000w");
        for step in STEPS {
            assert!(utc.interval(step).bucket(0).0 <= 0, "{}", step.word);
        }
    }

    #[test]
    fn the_shortest_stretch_that_holds_a_time() {
        let at = time("2026-11-24T09:07:05.0204Z");
        assert_eq!(Stretch::holding(at, at + 2 * DAY).word(), "7d");
        assert_eq!(Stretch::holding(at, at + 200 * DAY).word(), "all");
    }
}
