//! Intervals of counts over time: hours and days as people in a time zone know them.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::error::QueryError;

/// The length of the buckets of a count over time, and the zone whose days they follow.
///
/// Seconds, minutes and hours divide the day and begin at its midnight; where clocks change, the day has an hour
/// more or less. Days are counted from 1970-01-01, weeks begin on Monday, months are the calendar's.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    length: Length,
    zone: TimeZone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// Divides a day.
    Seconds(i64),
    Days(i64),
    Months(i32),
}

/// Stretches of time, `[from, to)` in nanoseconds since 1970, made and numbered as times ask for them: a line may say
/// any time, so what lies between the first and the last is never filled up.
pub(crate) struct Buckets<'a> {
    interval: &'a Interval,
    /// By beginning, the number of the stretch.
    known: BTreeMap<i64, u32>,
    stretches: Vec<(i64, i64)>,
    last: (i64, i64),
    last_number: u32,
}

const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;
const SECOND_NS: i64 = 1_000_000_000;

impl Interval {
    /// Reads `30s`, `15m`, `1h`, `6h`, `1d`, `1w`, `1mo`.
    ///
    /// # Errors
    /// Another form, or seconds, minutes or hours that do not divide a day.
    pub fn parse(text: &str, zone: &TimeZone) -> Result<Interval, QueryError> {
        let wrong = || QueryError::Interval(text.to_owned());
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(digits);
        let number: i64 = number.parse().map_err(|_| wrong())?;
        if !(1..=1_000).contains(&number) {
            return Err(wrong());
        }
        let length = match unit {
            "s" => Length::Seconds(number),
            "m" => Length::Seconds(60 * number),
            "h" => Length::Seconds(60 * 60 * number),
            "d" => Length::Days(number),
            "w" => Length::Days(7 * number),
            "mo" => Length::Months(i32::try_from(number).map_err(|_| wrong())?),
            _ => return Err(wrong()),
        };
        match length {
            Length::Seconds(seconds) if SECONDS_OF_A_DAY % seconds != 0 => Err(wrong()),
            length => Ok(Interval { length, zone: zone.clone() }),
        }
    }

    /// Says the interval for a key: equal ones have the same words, and few others have them too.
    pub(crate) fn words(&self) -> String {
        format!("{:?} {}", self.length, self.zone.iana_name().unwrap_or_default())
    }

    /// Returns the zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Returns the bucket of a time: its first nanosecond since 1970, and that of the next one. One that reaches beyond what 64 bits of nanoseconds hold (the years
    /// 1677 and 2262) ends there.
    pub fn bucket(&self, time: i64) -> (i64, i64) {
        let stamp =
            Timestamp::from_nanosecond(i128::from(time)).expect("64 bits lie within jiff's range");
        let date = self.zone.to_datetime(stamp).date();
        let date_start = |date: Date| match date.to_zoned_datetime(self.zone.clone()) {
            Ok(start) => saturate(start.timestamp().as_nanosecond()),
            Err(_) => i64::MAX,
        };
        match self.length {
            Length::Seconds(seconds) => {
                let next_day = date.tomorrow().map_or(i64::MAX, date_start);
                let day = date_start(date);
                let length = seconds * SECOND_NS;
                let from =
                    day.saturating_add((time.saturating_sub(day)).div_euclid(length) * length);
                (from, from.saturating_add(length).min(next_day))
            }
            Length::Days(days) => {
                // 1970-01-05 is the first Monday.
                let first = if days % 7 == 0 {
                    jiff::civil::date(1970, 1, 5)
                } else {
                    jiff::civil::date(1970, 1, 1)
                };
                let since = first.duration_until(date).as_hours().div_euclid(24).div_euclid(days);
                let day = |number: i64| {
                    let after = first.checked_add(days.saturating_mul(number).days());
                    after.ok().map(date_start)
                };
                (day(since).unwrap_or(i64::MIN), day(since + 1).unwrap_or(i64::MAX))
            }
            Length::Months(months) => {
                let since = (i32::from(date.year()) - 1970) * 12 + i32::from(date.month()) - 1;
                let first = since.div_euclid(months) * months;
                let month = |number: i32| {
                    let year = i16::try_from(1970 + number.div_euclid(12)).ok()?;
                    let month = i8::try_from(number.rem_euclid(12) + 1).ok()?;
                    Date::new(year, month, 1).ok().map(date_start)
                };
                (month(first).unwrap_or(i64::MIN), month(first + months).unwrap_or(i64::MAX))
            }
        }
    }
}

fn saturate(ns: i128) -> i64 {
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

impl<'a> Buckets<'a> {
    pub(crate) fn new(interval: &'a Interval) -> Buckets<'a> {
        // The empty stretch holds no time.
        let (known, stretches) = (BTreeMap::new(), Vec::new());
        Buckets { interval, known, stretches, last: (0, 0), last_number: 0 }
    }

    /// Returns the number of a time's stretch, from 1 on.
    pub(crate) fn number(&mut self, time: i64) -> u32 {
        if self.last.0 <= time && time < self.last.1 {
            return self.last_number;
        }
        let known = self.known.range(..=time).next_back().map(|(_, &number)| number);
        let known = known.filter(|&number| time < self.stretches[number as usize - 1].1);
        let number = known.unwrap_or_else(|| {
            let stretch = self.interval.bucket(time);
            self.stretches.push(stretch);
            let number = u32::try_from(self.stretches.len()).expect("less than groups may be");
            self.known.insert(stretch.0, number);
            number
        });
        self.last = self.stretches[number as usize - 1];
        self.last_number = number;
        number
    }

    /// Returns the stretch of a number; of 0 none.
    pub(crate) fn stretch(&self, number: u32) -> Option<(i64, i64)> {
        Some(self.stretches[(number as usize).checked_sub(1)?])
    }

    /// Returns how many stretches times have asked for.
    pub(crate) fn len(&self) -> usize {
        self.stretches.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> i64 {
        i64::try_from(text.parse::<Timestamp>().expect("a time").as_nanosecond()).expect("this era")
    }

    fn bucket(interval: &str, zone: &str, at: &str) -> String {
        let zone = TimeZone::get(zone).expect("a zone");
        let interval = Interval::parse(interval, &zone).expect("an interval");
        let mut buckets = Buckets::new(&interval);
        let number = buckets.number(time(at));
        let (from, to) = buckets.stretch(number).expect("a stretch");
        assert!(from <= time(at) && time(at) < to);
        format!(
            "{} {}",
            crate::period::rfc3339_in(from, &zone),
            crate::period::rfc3339_in(to, &zone)
        )
    }

    #[test]
    fn a_time_is_in_one_bucket() {
        for (interval, zone, at, expected) in [
            (
                "15s",
                "UTC",
                "2026-11-24T09:59:59.9Z",
                "2026-11-24T09:59:45+00:00 2026-11-24T10:00:00+00:00",
            ),
            (
                "1h",
                "UTC",
                "2026-11-24T09:59:59.9Z",
                "2026-11-24T09:00:00+00:00 2026-11-24T10:00:00+00:00",
            ),
            (
                "1h",
                "Asia/Kolkata",
                "2026-11-24T09:59:59Z",
                "2026-11-24T15:00:00+05:30 2026-11-24T16:00:00+05:30",
            ),
            (
                "6h",
                "Europe/Berlin",
                "2026-11-24T23:00:00Z",
                "2026-11-25T00:00:00+01:00 2026-11-25T06:00:00+01:00",
            ),
            (
                "1d",
                "Europe/Berlin",
                "2026-10-25T12:00:00Z",
                "2026-10-25T00:00:00+02:00 2026-10-26T00:00:00+01:00",
            ),
            // The 25th hour of that day is a bucket of its own.
            (
                "12h",
                "Europe/Berlin",
                "2026-10-25T22:30:00Z",
                "2026-10-25T23:00:00+01:00 2026-10-26T00:00:00+01:00",
            ),
            (
                "1w",
                "UTC",
                "2026-11-29T23:59:59Z",
                "2026-11-23T00:00:00+00:00 2026-11-30T00:00:00+00:00",
            ),
            (
                "1w",
                "UTC",
                "1969-12-31T00:00:00Z",
                "1969-12-29T00:00:00+00:00 1970-01-05T00:00:00+00:00",
            ),
            (
                "2d",
                "UTC",
                "1970-01-04T00:00:00Z",
                "1970-01-03T00:00:00+00:00 1970-01-05T00:00:00+00:00",
            ),
            (
                "1mo",
                "UTC",
                "2026-12-31T23:59:59Z",
                "2026-12-01T00:00:00+00:00 2027-01-01T00:00:00+00:00",
            ),
            (
                "3mo",
                "UTC",
                "2026-08-31T00:00:00Z",
                "2026-07-01T00:00:00+00:00 2026-10-01T00:00:00+00:00",
            ),
        ] {
            assert_eq!(bucket(interval, zone, at), expected, "{interval} {zone} {at}");
        }
    }

    #[test]
    fn the_ends_of_time_have_buckets_too() {
        for length in ["1m", "24h", "1d", "1w", "1000w", "1mo", "1000mo"] {
            let interval = Interval::parse(length, &TimeZone::UTC).expect("an interval");
            let mut buckets = Buckets::new(&interval);
            for time in [i64::MIN, i64::MAX - 1, 0, i64::MIN + 1, -1, 0] {
                let number = buckets.number(time);
                let (from, to) = buckets.stretch(number).expect("a stretch");
                assert!(from <= time && time < to, "{length} {time}");
            }
        }
    }

    #[test]
    fn what_is_no_interval_is_an_error() {
        for wrong in ["", "1", "d", "7h", "7s", "0d", "-1d", "1y", "1 d", "99999999999999999999d"] {
            assert!(Interval::parse(wrong, &TimeZone::UTC).is_err(), "{wrong}");
        }
    }
}
