//! The heat map: requests by weekday and hour of the day, as the clocks of a zone showed them.

use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::scale::{Scale, Shade};
use super::unit;
use crate::text::{counted, grouped};
use crate::time::{DAY, HOUR};

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const HOURS: usize = 24;
/// A cell, in the drawing's own units.
const CELL: f64 = 20.0;
const GAP: f64 = 2.0;
/// Every weekday and hour lies within so many days, whatever the zone does meanwhile.
const PERIOD: i64 = 15 * DAY;

/// A drawing, finished but for its markup.
#[derive(Debug)]
pub(crate) struct HeatMap {
    pub(crate) width: String,
    pub(crate) height: String,
    pub(crate) zone: String,
    pub(crate) summary: String,
    /// Whether any cell is a link.
    pub(crate) linked: bool,
    /// Whether any cell lies outside of the time shown.
    pub(crate) outside: bool,
    /// Monday first.
    pub(crate) days: Vec<HeatDay>,
    pub(crate) legend: Vec<Shade>,
}

/// A weekday.
#[derive(Debug)]
pub(crate) struct HeatDay {
    pub(crate) name: &'static str,
    pub(crate) cells: Vec<HeatCell>,
}

/// An hour of a weekday.
#[derive(Debug)]
pub(crate) struct HeatCell {
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) size: String,
    pub(crate) class: String,
    pub(crate) title: String,
    /// Nothing where the time shown holds no such hour.
    pub(crate) count: Option<String>,
    /// Where the time shown holds this hour once: more than one stretch is no filter.
    pub(crate) href: Option<String>,
}

/// One hour of the week.
#[derive(Clone, Default)]
struct Cell {
    count: u64,
    /// The stretches of the time shown that it is, as far as they are told apart: none, one, more.
    stretches: Vec<Range<i64>>,
}

/// Draws counts, each of the `step_ns` nanoseconds that begin at its instant, as the clocks of `zone` show them. Only
/// within `shown` is anything known. `href` leads to a stretch.
///
/// Steps must be so short that none lies in two hours of the zone: an hour in UTC, 15 minutes in any zone of today.
pub(crate) fn heat_map(
    counts: &[(i64, u64)],
    step_ns: i64,
    shown: Range<i64>,
    zone: &TimeZone,
    href: impl Fn(&Range<i64>) -> String,
) -> HeatMap {
    let mut cells = vec![Cell::default(); WEEKDAYS.len() * HOURS];
    for &(at, count) in counts {
        cells[place(at, zone)].count += count;
    }
    let mut at = shown.start;
    while at < shown.end.min(shown.start.saturating_add(PERIOD)) {
        let end = at.saturating_add(step_ns).min(shown.end);
        let stretches = &mut cells[place(at, zone)].stretches;
        match stretches.last_mut() {
            Some(last) if last.end == at => last.end = end,
            _ => stretches.push(at..end),
        }
        at = end;
    }
    let is_known = |cell: &Cell| cell.count > 0 || !cell.stretches.is_empty();
    let most = cells.iter().map(|cell| cell.count).max().unwrap_or(0);
    let scale = Scale::up_to(most);
    // Of a longer time only its beginning was walked: what is once there comes again.
    let whole = shown.end.saturating_sub(shown.start) <= PERIOD;
    let draw = |place: usize, cell: &Cell| {
        let (day, hour) = (place / HOURS, place % HOURS);
        let name = format!("{} {hour:02}:00", WEEKDAYS[day]);
        let stretch = match &cell.stretches[..] {
            [only] if whole => Some(only),
            _ => None,
        };
        HeatCell {
            x: unit(hour as f64 * CELL + GAP / 2.0),
            y: unit(day as f64 * CELL + GAP / 2.0),
            size: unit(CELL - GAP),
            class: if is_known(cell) { scale.class(cell.count) } else { "none".to_owned() },
            title: match is_known(cell) {
                true => format!("{name}: {}", counted(cell.count, "request", "requests")),
                false => format!("{name}: outside of the time shown"),
            },
            count: is_known(cell).then(|| grouped(cell.count)),
            href: stretch.map(&href),
        }
    };
    let days = WEEKDAYS.iter().enumerate().map(|(day, name)| {
        let places = day * HOURS..(day + 1) * HOURS;
        let cells = places.map(|place| draw(place, &cells[place])).collect();
        HeatDay { name, cells }
    });
    let days: Vec<HeatDay> = days.collect();
    HeatMap {
        width: unit(HOURS as f64 * CELL),
        height: unit(WEEKDAYS.len() as f64 * CELL),
        zone: zone.iana_name().unwrap_or("a fixed offset").to_owned(),
        summary: summary(&cells, is_known),
        linked: days.iter().flat_map(|day| &day.cells).any(|cell| cell.href.is_some()),
        outside: !cells.iter().all(is_known),
        days,
        legend: if most > 0 { scale.legend() } else { Vec::new() },
    }
}

/// Returns where in the week an instant is.
fn place(unix_ns: i64, zone: &TimeZone) -> usize {
    let time =
        Timestamp::from_nanosecond(i128::from(unix_ns)).expect("64 bits lie within jiff's range");
    let local = zone.to_datetime(time);
    let day = usize::from(local.weekday().to_monday_zero_offset().unsigned_abs());
    day * HOURS + usize::from(local.hour().unsigned_abs())
}

fn summary(cells: &[Cell], is_known: impl Fn(&Cell) -> bool) -> String {
    let Some((place, busiest)) = cells
        .iter()
        .enumerate()
        .rev()
        .max_by_key(|(_, cell)| cell.count)
        .filter(|of| of.1.count > 0)
    else {
        return "No requests in this time.".to_owned();
    };
    let quiet = cells.iter().filter(|cell| is_known(cell) && cell.count == 0).count();
    format!(
        "Busiest: {} {:02}:00 with {}; {} of the week without any.",
        WEEKDAYS[place / HOURS],
        place % HOURS,
        counted(busiest.count, "request", "requests"),
        counted(quiet as u64, "hour", "hours")
    )
}

/// The step that counts for a zone need: see [`heat_map`].
pub(crate) fn heat_step(zone: &TimeZone) -> (&'static str, i64) {
    if *zone == TimeZone::UTC { ("1h", HOUR) } else { ("15m", HOUR / 4) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> i64 {
        i64::try_from(text.parse::<Timestamp>().expect(text).as_nanosecond()).expect(text)
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect(name)
    }

    fn link(stretch: &Range<i64>) -> String {
        format!("{}..{}", stretch.start / HOUR, stretch.end / HOUR)
    }

    /// Returns the cells that are not nothing, as `Sun 02 5`.
    fn marks(map: &HeatMap) -> Vec<String> {
        let cells = map.days.iter().flat_map(|day| {
            day.cells.iter().enumerate().map(move |(hour, cell)| (day.name, hour, cell))
        });
        cells
            .filter_map(|(day, hour, cell)| {
                let count = cell.count.as_deref().filter(|count| *count != "0")?;
                Some(format!("{day} {hour:02} {count}"))
            })
            .collect()
    }

    #[test]
    fn the_hour_that_comes_twice_is_one_cell_and_the_one_that_is_skipped_is_none() {
        let berlin = zone("Europe/Berlin");
        // Clocks go back at 01:00 UTC: 02:00 comes twice.
        let back = time("2026-10-25T00:00:00Z");
        let counts = [(back, 3), (back + HOUR, 2), (back + 2 * HOUR, 7)];
        let map = heat_map(&counts, HOUR, back..back + 3 * HOUR, &berlin, link);
        assert_eq!(marks(&map), ["Sun 02 5", "Sun 03 7"]);
        let cell = &map.days[6].cells[2];
        assert_eq!(cell.href, Some(link(&(back..back + 2 * HOUR))));
        // And forward, from 02:00 to 03:00.
        let forward = time("2026-03-29T00:00:00Z");
        let map = heat_map(&[(forward + HOUR, 4)], HOUR, forward..forward + DAY, &berlin, link);
        assert_eq!(marks(&map), ["Sun 03 4"]);
        assert_eq!(map.days[6].cells[2].count, None, "that hour was not");
    }

    #[test]
    fn quarters_of_an_hour_fall_where_the_clock_of_kathmandu_was() {
        let zone = zone("Asia/Kathmandu");
        let (word, step) = heat_step(&zone);
        assert_eq!((word, step), ("15m", 15 * 60_000_000_000));
        let at = time("2026-11-23T04:00:00Z");
        let map = heat_map(&[(at, 1), (at + step, 2)], step, at..at + HOUR, &zone, link);
        // 09:45 and 10:00.
        assert_eq!(marks(&map), ["Mon 09 1", "Mon 10 2"]);
    }

    #[test]
    fn nothing_is_not_the_same_as_not_known() {
        let from = time("2026-11-23T00:00:00Z");
        let map = heat_map(&[(from, 9)], HOUR, from..from + 2 * HOUR, &TimeZone::UTC, link);
        let classes: Vec<&str> = map.days[0].cells[..3].iter().map(|cell| &*cell.class).collect();
        assert_eq!(classes, ["shade-6", "shade-0", "none"]);
        assert!(map.outside && map.linked);
        assert_eq!(
            map.summary,
            "Busiest: Mon 00:00 with 9 requests; 1 hour of the week without any."
        );
        let empty = heat_map(&[], HOUR, from..from + DAY, &TimeZone::UTC, link);
        assert_eq!((empty.summary.as_str(), empty.legend.len()), ("No requests in this time.", 0));
    }

    #[test]
    fn an_hour_that_comes_in_several_weeks_is_no_link() {
        let from = time("2026-11-02T00:00:00Z");
        let map = heat_map(&[(from, 9)], HOUR, from..from + 30 * DAY, &TimeZone::UTC, link);
        assert!(!map.linked && !map.outside);
    }

    proptest! {
        #[test]
        fn every_request_is_in_one_cell(
            counts in prop::collection::vec((0_i64..2_000, 0_u64..1_000), 0..80),
            zone in prop::sample::select(vec![
                "UTC", "America/St_Johns", "Pacific/Kiritimati", "Europe/Berlin", "Asia/Kathmandu"
            ]),
        ) {
            let zone = TimeZone::get(zone).expect("a zone");
            let from = time("2026-10-01T00:00:00Z");
            let counts: Vec<(i64, u64)> =
                counts.into_iter().map(|(at, count)| (from + at * HOUR / 4, count)).collect();
            let map = heat_map(&counts, HOUR / 4, from..from + 500 * HOUR, &zone, link);
            let cells = map.days.iter().flat_map(|day| &day.cells);
            let drawn: u64 = cells
                .filter_map(|cell| cell.count.as_ref()?.replace(',', "").parse::<u64>().ok())
                .sum();
            prop_assert_eq!(drawn, counts.iter().map(|(_, count)| count).sum::<u64>());
        }
    }
}
