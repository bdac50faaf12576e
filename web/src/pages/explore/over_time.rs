//! The answer over time: a histogram of all that fits, whatever of it the page shows.

use query::history::View;
use query::question::Question;
use query::search::earliest;

use crate::app::Seen;
use crate::chart::{Chart, histogram};
use crate::error::PageError;
use crate::link;
use crate::pages::overview::buckets::Bars;
use crate::pages::scope::known;
use crate::time::{Step, now};

/// The histogram, and what it is of.
pub(super) struct OverTime {
    pub(super) chart: Chart,
    /// From when to when, and how long a bar is.
    pub(super) words: String,
}

/// Draws the answer over its time; nothing if none of its events has a time. `newest` is the time of its newest event.
pub(super) fn over_time(
    trail: &Seen,
    view: &View,
    question: &Question,
    link: &link::Question,
    newest: Option<i64>,
) -> Result<Option<OverTime>, PageError> {
    let Some(newest) = newest else { return Ok(None) };
    let now = now();
    let zone = trail.zone();
    let first = match question.from {
        Some(from) => from,
        None => earliest(view, question)?.unwrap_or(newest).min(newest),
    };
    let last = match (question.to, question.from) {
        (Some(to), _) => to.saturating_sub(1),
        // Who asks for the last day asks up to now, though nothing came lately.
        (None, Some(_)) => newest.max(now),
        (None, None) => newest,
    };
    let step = Step::of(first, last.max(first));
    let interval = zone.interval(step);
    let shown = interval.bucket(first).0..interval.bucket(last.max(first)).1;
    let words = format!(
        "{} to {}, {}, {} each",
        zone.says_time(step, shown.start),
        zone.says_time(step, shown.end),
        zone.name(),
        step.says
    );
    let known = known(view, now)?;
    let bars = Bars { view, question, link, zone, step, interval: &interval, shown, known: &known };
    Ok(Some(OverTime { chart: histogram(&bars.buckets()?, step.says), words }))
}
