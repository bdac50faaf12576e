//! The counts behind the histogram.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;
use query::count::count_in;
use query::filter::CountField;
use query::history::View;
use query::interval::Interval;
use query::question::Question;

use crate::chart::Bucket;
use crate::error::PageError;
use crate::link;
use crate::pages::scope::Scope;
use crate::time::{Step, typed};
use crate::zone::Zone;

/// A stretch of time in steps, and what is asked of each.
pub(crate) struct Bars<'a> {
    pub(crate) view: &'a View,
    pub(crate) question: &'a Question,
    /// For links: the same question.
    pub(crate) link: &'a link::Question,
    pub(crate) zone: &'a Zone,
    pub(crate) step: Step,
    pub(crate) interval: &'a Interval,
    /// Its ends are those of steps.
    pub(crate) shown: Range<i64>,
    /// Of which part of it anything is known.
    pub(crate) known: &'a Range<i64>,
}

/// Returns every step of a page's stretch with its counts, also those of nothing.
pub(crate) fn buckets(scope: &Scope<'_>) -> Result<Vec<Bucket>, PageError> {
    Bars {
        view: scope.view,
        question: &scope.question("")?,
        link: &scope.link,
        zone: scope.zone,
        step: scope.step,
        interval: &scope.interval,
        shown: scope.from..scope.to,
        known: &scope.known,
    }
    .buckets()
}

impl Bars<'_> {
    /// Returns every step with its counts, also those of nothing.
    pub(crate) fn buckets(&self) -> Result<Vec<Bucket>, PageError> {
        let by = CountField::parse("decision", self.view.fields()).expect("a field of the grammar");
        let counts = count_in(self.view, self.question, &[by], Some(self.interval))?;
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
        let mut from = self.shown.start;
        while from < self.shown.end {
            let (_, to) = self.interval.bucket(from);
            let ends = link::Question { from: typed(from), to: typed(to), ..self.link.clone() };
            buckets.push(Bucket {
                from: self.zone.says_time(self.step, from),
                tick: self.zone.tick(from, self.step.ns),
                href: ends.href("/explore"),
                outside: to <= self.known.start || from >= self.known.end,
                ..found.remove(&from).unwrap_or_default()
            });
            from = to;
        }
        Ok(buckets)
    }
}

/// Returns a time of a count.
pub(super) fn nanoseconds(rfc3339: &str) -> Option<i64> {
    i64::try_from(rfc3339.parse::<Timestamp>().ok()?.as_nanosecond()).ok()
}
