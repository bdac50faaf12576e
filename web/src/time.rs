//! Times as pages show them, in UTC, and the stretches of time that pages offer.

use jiff::Timestamp;
use jiff::civil::DateTime;
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

/// Returns `2026-11-24 10:43:07.201`: to the millisecond, so that rows stand in line.
pub(crate) fn to_the_millisecond(unix_ns: i64) -> String {
    at(unix_ns).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// Returns `2026-11-24 10:43:07`.
pub(crate) fn to_the_second(unix_ns: i64) -> String {
    at(unix_ns).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Returns `2026-11-24 10:43`.
pub(crate) fn to_the_minute(unix_ns: i64) -> String {
    at(unix_ns).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Returns `10:43:07`, `24 Nov 10:43`, `24 Nov` or `Nov 2026`: as short as a step of this length allows.
pub(crate) fn tick(unix_ns: i64, step_ns: i64) -> String {
    let form = match step_ns {
        step if step < MINUTE => "%H:%M:%S",
        step if step < 12 * HOUR => "%-d %b %H:%M",
        step if step < 28 * DAY => "%-d %b",
        _ => "%b %Y",
    };
    at(unix_ns).strftime(form).to_string()
}

fn at(unix_ns: i64) -> DateTime {
    let time =
        Timestamp::from_nanosecond(i128::from(unix_ns)).expect("64 bits lie within jiff's range");
    TimeZone::UTC.to_datetime(time)
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

    /// Returns the beginning of the step in which a time lies. As in the count: steps of hours begin at
    /// midnight, days at 1970-01-01, weeks on a Monday.
    pub(crate) fn floor(self, time: i64) -> i64 {
        let first = if self.ns % (7 * DAY) == 0 { 4 * DAY } else { 0 };
        time.saturating_sub(time.saturating_sub(first).rem_euclid(self.ns))
    }

    /// Returns the time as exactly as steps of this length need.
    pub(crate) fn says_time(self, time: i64) -> String {
        if self.ns < MINUTE { to_the_second(time) } else { to_the_minute(time) }
    }

    /// Returns the end of the step in which the moment before a time lies.
    pub(crate) fn ceil(self, time: i64) -> i64 {
        match self.floor(time) {
            floor if floor == time => time,
            floor => floor.saturating_add(self.ns),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> i64 {
        i64::try_from(text.parse::<Timestamp>().expect(text).as_nanosecond()).expect(text)
    }

    #[test]
    fn steps_begin_where_the_counts_do() {
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
            assert_eq!(
                (step.word, typed(step.floor(time(from)))),
                (word, floor.to_owned()),
                "{from}"
            );
            assert_eq!(step.ceil(step.floor(time(from))), step.floor(time(from)));
        }
        let all = Step::of(i64::MIN, i64::MAX);
        assert_eq!(all.word, "1000w");
    }

    #[test]
    fn times_are_as_short_as_their_use_allows() {
        let at = time("2026-11-24T09:07:05.0204Z");
        assert_eq!(to_the_millisecond(at), "2026-11-24 09:07:05.020");
        assert_eq!(to_the_second(at), "2026-11-24 09:07:05");
        assert_eq!(tick(at, HOUR), "24 Nov 09:07");
        assert_eq!(tick(at, DAY), "24 Nov");
        assert_eq!(tick(at, 91 * DAY), "Nov 2026");
        assert_eq!(Stretch::holding(at, at + 2 * DAY).word(), "7d");
        assert_eq!(Stretch::holding(at, at + 200 * DAY).word(), "all");
    }
}
