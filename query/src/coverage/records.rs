//! The records of one source, put together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ingest::coverage::{Delays, HOUR_NS, Hour, Incident, Record, Stretch, What};

use super::grade::{Judged, Span, judge, told};
use super::{Arrival, DAYS_MAX, Day, Missing, Proven, Source, WHY_MAX};
use crate::period::rfc3339;

/// What the index holds of one source; the order in which it came has no meaning.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    /// Shared between a part and the views that have it.
    pub(super) hours: Vec<Arc<Hour>>,
    pub(super) stretches: Vec<Stretch>,
    pub(super) incidents: Vec<Incident>,
    after_all: BTreeSet<(String, u64)>,
    pub(super) followed: Vec<i64>,
    pub(super) stopped: Vec<i64>,
}

impl Records {
    pub(super) fn add(&mut self, record: Record) {
        match record {
            Record::Hour(hour) => self.hours.push(Arc::new(hour)),
            Record::Stretch(stretch) => self.stretches.push(stretch),
            Record::Incident(incident) => self.incidents.push(incident),
            Record::FoundAfterAll { run, number } => {
                self.after_all.insert((run, number));
            }
            Record::Followed { at } => self.followed.push(at),
            Record::Stopped { at } => self.stopped.push(at),
            // Of the cluster, not of a source.
            Record::Declared { .. } => {}
        }
    }

    pub(super) fn add_all(&mut self, other: &Records) {
        self.hours.extend_from_slice(&other.hours);
        self.stretches.extend_from_slice(&other.stretches);
        self.incidents.extend_from_slice(&other.incidents);
        self.after_all.extend(other.after_all.iter().cloned());
        self.followed.extend_from_slice(&other.followed);
        self.stopped.extend_from_slice(&other.stopped);
    }

    /// Returns the incidents, less heartbeats that were found after all.
    pub(super) fn open_incidents(&self) -> Vec<Incident> {
        let mut open: Vec<Incident> = self.incidents.clone();
        for incident in &mut open {
            if let What::Heartbeats { run, numbers } = &mut incident.what {
                numbers.retain(|number| !self.after_all.contains(&(run.clone(), *number)));
            }
        }
        open.retain(|incident| {
            !matches!(&incident.what, What::Heartbeats { numbers, .. } if numbers.is_empty())
        });
        open.sort_by_key(|incident| (incident.to, incident.from));
        open
    }

    /// Returns what is known of the source over a span.
    pub(super) fn over(&self, name: &str, span: Span) -> Source {
        let mut all = Hour::default();
        let mut live = Delays::default();
        let mut live_lines = 0;
        let mut days: BTreeMap<i64, (u64, u64, Delays)> = BTreeMap::new();
        for hour in self.hours.iter().filter(|hour| touches(hour, span)) {
            all.add_counts(hour);
            if hour.live {
                live.merge(&hour.delays);
                live_lines += hour.lines;
            }
            let Some(number) = hour.hour else { continue };
            let of_day = days.entry(number.div_euclid(24)).or_default();
            of_day.0 += hour.lines;
            of_day.1 += if hour.live { hour.lines } else { 0 };
            of_day.2.merge(&hour.delays);
        }
        let Judged { grade, mut why, incidents } = judge(self, span);
        let more_why = why.len().saturating_sub(WHY_MAX) as u64;
        why.truncate(WHY_MAX);
        let gaps = incidents.iter().filter(|incident| matches!(incident.what, What::Gap { .. }));
        let gap_bytes = gaps.clone().map(|incident| match incident.what {
            What::Gap { at_least, .. } => at_least.unwrap_or(0),
            _ => 0,
        });
        let skipped = days.len().saturating_sub(DAYS_MAX);
        let all_missing: Vec<Missing> = incidents
            .iter()
            .map(|incident| Missing {
                kind: incident.what.kind(),
                from_unix_ns: incident.from,
                to_unix_ns: incident.to,
                text: told(incident),
            })
            .collect();
        Source {
            source: name.to_owned(),
            grade,
            why,
            more_why,
            incidents: all_missing[all_missing.len().saturating_sub(WHY_MAX)..].to_vec(),
            all_missing,
            followed: self.followed.iter().max() > self.stopped.iter().max(),
            proven: self.proven(span),
            lines: all.lines,
            bytes: all.bytes,
            live_lines,
            undecodable: all.undecodable,
            requests: (all.requests, all.request_ids),
            pending: 0,
            without_response: 0,
            without_request: 0,
            gaps: gaps.clone().count() as u64,
            gap_bytes: gap_bytes.sum(),
            first: all.first.map(rfc3339),
            last: all.last.map(rfc3339),
            arrival: arrival(&live),
            newest_hour: self.newest_hour(),
            days: days
                .into_iter()
                .skip(skipped)
                .map(|(number, (lines, live_lines, delays))| Day {
                    day: day(number),
                    lines,
                    live_lines,
                    halves: 0,
                    arrival: arrival(&delays),
                })
                .collect(),
            heartbeat_missing_since: None,
        }
    }

    fn newest_hour(&self) -> Option<Arrival> {
        let live = || self.hours.iter().filter(|hour| hour.live);
        let newest = live().filter_map(|hour| hour.hour).max()?;
        let mut delays = Delays::default();
        let of_newest = live().filter(|hour| hour.hour == Some(newest));
        of_newest.for_each(|hour| delays.merge(&hour.delays));
        arrival(&delays)
    }

    fn proven(&self, span: Span) -> Vec<Proven> {
        let mut proven: Vec<&Stretch> = self
            .stretches
            .iter()
            .filter(|stretch| span.from.is_none_or(|from| stretch.to > from))
            .filter(|stretch| span.to.is_none_or(|to| stretch.from < to))
            .collect();
        proven.sort_by_key(|stretch| (stretch.by, stretch.from));
        // The newest say most of how things are now.
        let skipped = proven.len().saturating_sub(WHY_MAX);
        let told = |stretch: &&Stretch| Proven {
            by: stretch.by,
            from: rfc3339(stretch.from),
            to: rfc3339(stretch.to),
        };
        proven.iter().skip(skipped).map(told).collect()
    }
}

fn touches(hour: &Hour, span: Span) -> bool {
    let Some(number) = hour.hour else { return span.from.is_none() && span.to.is_none() };
    let begins = number.saturating_mul(HOUR_NS);
    span.to.is_none_or(|to| begins < to)
        && span.from.is_none_or(|from| begins.saturating_add(HOUR_NS) > from)
}

/// Returns how a day is written, counted from the first of 1970.
pub(super) fn day(number: i64) -> String {
    let begins = number.saturating_mul(24 * HOUR_NS);
    rfc3339(begins).split('T').next().unwrap_or_default().to_owned()
}

fn arrival(delays: &Delays) -> Option<Arrival> {
    let median_ms = delays.median_ms()?;
    let ms = |ns: i64| ns / 1_000_000;
    Some(Arrival { median_ms, max_ms: ms(delays.max_ns), min_ms: ms(delays.min_ns) })
}
