//! The counts behind the histogram.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use query::count::count_in;
use query::filter::CountField;
use query::history::View;
use query::interval::Interval;
use query::question::Question;

use crate::chart::Bucket;
use crate::error::PageError;
use crate::link;
use crate::pages::scope::Scope;
use crate::time::{tick, typed};

/// Returns every step of the stretch with its counts, also those of nothing.
pub(crate) fn buckets(scope: &Scope<'_>) -> Result<Vec<Bucket>, PageError> {
    let by = CountField::parse("decision", scope.view.fields()).expect("a field of the grammar");
    let interval = Interval::parse(scope.step.word, &TimeZone::UTC)?;
    let counts = count_in(scope.view, &scope.question("")?, &[by], Some(&interval))?;
    let mut found: BTreeMap<i64, Bucket> = BTreeMap::new();
    for row in counts.rows {
        let [Some(from), _, Some(decision)] = &row.values[..] else { continue };
        let Some(from) = nanoseconds(from) else { continue };
        let bucket = found.entry(from).or_default();
        match &**decision {
            "allowed" => bucket.allowed += row.count,
            "denied" => bucket.denied += row.count,
            _ => bucket.unknown += row.count,
        }
    }
    let mut buckets = Vec::new();
    let mut from = scope.from;
    while from < scope.to {
        let to = from.saturating_add(scope.step.ns);
        let ends = link::Question { from: typed(from), to: typed(to), ..scope.link.clone() };
        buckets.push(Bucket {
            from: scope.step.says_time(from),
            tick: tick(from, scope.step.ns),
            href: ends.href("/explore"),
            outside: to <= scope.known.start || from >= scope.known.end,
            ..found.remove(&from).unwrap_or_default()
        });
        from = to;
    }
    Ok(buckets)
}

/// Returns when the first event of a question was: the beginning of its second.
///
/// Answers come newest first, so the first is found by counting ever finer what lies in the first step.
pub(crate) fn earliest(view: &View, question: &Question) -> Result<Option<i64>, PageError> {
    let mut question = question.clone();
    let mut earliest = None;
    for step in ["52w", "1w", "1d", "1h", "5m", "1s"] {
        let interval = Interval::parse(step, &TimeZone::UTC)?;
        let counts = count_in(view, &question, &[], Some(&interval))?;
        let Some(first) = counts.rows.first() else { break };
        let [Some(from), Some(to)] = &first.values[..] else { break };
        question.from = nanoseconds(from);
        question.to = nanoseconds(to);
        earliest = question.from;
    }
    Ok(earliest)
}

/// Returns a time of a count.
pub(super) fn nanoseconds(rfc3339: &str) -> Option<i64> {
    i64::try_from(rfc3339.parse::<Timestamp>().ok()?.as_nanosecond()).ok()
}
