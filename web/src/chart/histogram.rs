//! The histogram: requests by decision over time, as numbers that a template can draw.
//!
//! What was denied stands at the foot, where heights can be compared from bar to bar; a count that is
//! not nothing is always seen, however small beside the others. Bars are links, so a stretch of time
//! can be chosen without a pointer, and the numbers stand beneath as a table too.

use super::unit;
use crate::text::grouped;

/// The drawing's own units; the page stretches it.
const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 152.0;
/// The least height of a part that is not nothing.
const PART_HEIGHT_MIN: f64 = 3.0;

/// A drawing, finished but for its markup.
#[derive(Debug, Default)]
pub(crate) struct Chart {
    pub(crate) width: String,
    pub(crate) height: String,
    pub(crate) label: String,
    pub(crate) step: String,
    pub(crate) peak: Option<String>,
    pub(crate) lines: Vec<String>,
    pub(crate) bars: Vec<Bar>,
    /// Whether nothing is known of some bars.
    pub(crate) outside: bool,
    pub(crate) ticks: Vec<String>,
}

/// One stretch of time.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) href: String,
    pub(crate) label: String,
    pub(crate) from: String,
    pub(crate) allowed: String,
    pub(crate) denied: String,
    pub(crate) unknown: String,
    /// Whether nothing is known of this time, which is drawn and said, and is not none.
    pub(crate) outside: bool,
    pub(crate) hit: Hit,
    pub(crate) parts: Vec<Part>,
}

/// Where a pointer meets the bar: its whole column.
#[derive(Debug)]
pub(crate) struct Hit {
    pub(crate) x: String,
    pub(crate) width: String,
}

/// One decision's share of a bar.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) class: &'static str,
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) width: String,
    pub(crate) height: String,
}

/// The counts of one stretch of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bucket {
    /// As people read its beginning.
    pub(crate) from: String,
    /// Short, for the axis.
    pub(crate) tick: String,
    /// Where it leads.
    pub(crate) href: String,
    /// Whether nothing is known of this time.
    pub(crate) outside: bool,
    pub(crate) allowed: u64,
    pub(crate) denied: u64,
    pub(crate) unknown: u64,
}

impl Bucket {
    fn total(&self) -> u64 {
        self.allowed + self.denied + self.unknown
    }
}

/// Draws the buckets; `step` is the length of each, in words.
pub(crate) fn histogram(buckets: &[Bucket], step: &str) -> Chart {
    let peak = buckets.iter().max_by_key(|bucket| bucket.total());
    let most = peak.map_or(1, Bucket::total).max(1);
    let column = WIDTH / buckets.len().max(1) as f64;
    let gap = (column * 0.22).min(6.0);
    // What was counted is known.
    let is_outside = |bucket: &Bucket| bucket.outside && bucket.total() == 0;
    let bars = buckets.iter().enumerate().map(|(at, bucket)| {
        let x = at as f64 * column;
        let mut y = HEIGHT;
        let counts =
            [("denied", bucket.denied), ("unknown", bucket.unknown), ("allowed", bucket.allowed)];
        let parts = counts.into_iter().filter(|&(_, count)| count > 0).map(|(class, count)| {
            // What lifts a small part into sight is taken from nowhere: 2 % of the height is kept free.
            let height = (count as f64 / most as f64 * HEIGHT * 0.94).max(PART_HEIGHT_MIN);
            y -= height;
            Part {
                class,
                x: unit(x + gap / 2.0),
                y: unit(y),
                width: unit(column - gap),
                height: unit(height),
            }
        });
        Bar {
            parts: parts.collect(),
            href: bucket.href.clone(),
            label: match is_outside(bucket) {
                true => format!("{}: no data", bucket.from),
                false => format!(
                    "{}: {} allowed, {} denied, {} unknown",
                    bucket.from,
                    grouped(bucket.allowed),
                    grouped(bucket.denied),
                    grouped(bucket.unknown)
                ),
            },
            outside: is_outside(bucket),
            from: bucket.from.clone(),
            allowed: grouped(bucket.allowed),
            denied: grouped(bucket.denied),
            unknown: grouped(bucket.unknown),
            hit: Hit { x: unit(x), width: unit(column) },
        }
    });
    Chart {
        width: unit(WIDTH),
        height: unit(HEIGHT),
        label: format!("Requests by decision, {step} each"),
        step: step.to_owned(),
        peak: peak
            .filter(|bucket| bucket.total() > 0)
            .map(|bucket| format!("peak {} at {}", grouped(bucket.total()), bucket.from)),
        lines: [0.5, HEIGHT / 2.0, HEIGHT].map(unit).to_vec(),
        bars: bars.collect(),
        outside: buckets.iter().any(is_outside),
        ticks: ticks(buckets),
    }
}

/// Returns the beginnings of at most five buckets, evenly apart, the first and the last among them.
fn ticks(buckets: &[Bucket]) -> Vec<String> {
    let last = buckets.len().saturating_sub(1);
    let count = buckets.len().min(5);
    (0..count)
        .map(|at| buckets[if count > 1 { at * last / (count - 1) } else { 0 }].tick.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(allowed: u64, denied: u64, unknown: u64) -> Bucket {
        Bucket { from: "t".into(), allowed, denied, unknown, ..Bucket::default() }
    }

    #[test]
    fn a_single_denied_request_is_seen_among_a_million() {
        let chart = histogram(&[bucket(1_000_000, 1, 0), bucket(0, 0, 0)], "1 hour");
        let parts: Vec<_> =
            chart.bars[0].parts.iter().map(|part| (part.class, &*part.height)).collect();
        assert_eq!(parts, [("denied", "3"), ("allowed", "142.9")]);
        assert!(chart.bars[1].parts.is_empty());
        assert_eq!(chart.peak.as_deref(), Some("peak 1,000,001 at t"));
    }

    #[test]
    fn no_data_is_not_none() {
        let outside = |allowed| Bucket { outside: true, ..bucket(allowed, 0, 0) };
        let chart = histogram(&[outside(0), bucket(0, 0, 0), outside(2)], "1 hour");
        let said: Vec<(bool, &str)> =
            chart.bars.iter().map(|bar| (bar.outside, &*bar.label)).collect();
        assert_eq!(
            said,
            [
                (true, "t: no data"),
                (false, "t: 0 allowed, 0 denied, 0 unknown"),
                (false, "t: 2 allowed, 0 denied, 0 unknown")
            ]
        );
        assert!(chart.outside);
    }

    #[test]
    fn nothing_can_be_drawn() {
        let chart = histogram(&[], "1 hour");
        assert!(chart.bars.is_empty() && chart.ticks.is_empty() && chart.peak.is_none());
        assert_eq!(histogram(&[bucket(0, 0, 0)], "1 hour").ticks.len(), 1);
    }
}
