//! What may be said of each of a source's last days.

use jiff::Timestamp;
use query::coverage::{Source, WHY_MAX};

use crate::chart::{CoverageDay, DayState};
use crate::link;
use crate::time::{DAY, typed};

/// How many days are shown.
const SHOWN: i64 = 90;

/// Returns a source's last days (UTC), the oldest first: up to today of one that is followed, else up to its last line.
pub(super) fn days(source: &Source, now: i64) -> Vec<CoverageDay> {
    let Some(last) = source.last.as_deref().and_then(nanoseconds) else { return Vec::new() };
    let newest = floor(if source.followed { now.max(last) } else { last });
    (0..SHOWN).rev().map(|ago| day(source, newest - ago * DAY, last)).collect()
}

fn day(source: &Source, from: i64, last: i64) -> CoverageDay {
    let to = from + DAY;
    let name = Timestamp::from_nanosecond(i128::from(from)).map_or_else(
        |_| String::new(),
        |at| jiff::tz::TimeZone::UTC.to_datetime(at).strftime("%Y-%m-%d").to_string(),
    );
    let of_day = source.days.iter().find(|day| day.day == name);
    let lines = of_day.map_or(0, |day| day.lines);
    let has_halves = of_day.is_some_and(|day| day.halves > 0);
    // Of a beginning that is not known only the end is drawn: the days before are no more suspect than others.
    let is_missing = source.incidents.iter().any(|missing| {
        let since = missing.from_unix_ns.unwrap_or(missing.to_unix_ns);
        missing.kind != "continuity" && since < to && missing.to_unix_ns >= from
    });
    // A source proves its first and its last day as far as it goes.
    let first = source.first.as_deref().and_then(nanoseconds).unwrap_or(from);
    let is_proven = source.proven.iter().any(|proven| {
        let ends = nanoseconds(&proven.from).zip(nanoseconds(&proven.to));
        ends.is_some_and(|(since, until)| since <= first.max(from) && until >= last.min(to))
    });
    let state = match (is_missing || has_halves, is_proven, lines) {
        (true, _, _) => DayState::Gap,
        (false, true, 1..) => DayState::Proven,
        (false, false, 1..) => DayState::NotProven,
        (false, _, 0) => DayState::NoData,
    };
    // Of many incidents the oldest are not told: a day before those may have one.
    let told = source.incidents.len() < WHY_MAX
        || source.incidents.iter().any(|missing| missing.to_unix_ns < from);
    let state = match state {
        DayState::Proven if !told => DayState::NotProven,
        state => state,
    };
    let href = link::term("source", &source.source).filter(|_| lines > 0).map(|q| {
        let ends =
            link::Question { q, from: typed(from), to: typed(to), ..link::Question::default() };
        ends.href("/explore")
    });
    CoverageDay { day: name, state, lines, href }
}

fn floor(time: i64) -> i64 {
    time - time.rem_euclid(DAY)
}

fn nanoseconds(rfc3339: &str) -> Option<i64> {
    i64::try_from(rfc3339.parse::<Timestamp>().ok()?.as_nanosecond()).ok()
}
