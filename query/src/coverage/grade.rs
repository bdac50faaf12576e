//! The grade of one source over a span of time.

use ingest::coverage::Incident;

use super::Grade;
use super::records::Records;
use crate::period::rfc3339;

/// A heartbeat proves the lines before it, never those after it: without an end in the past the span ends
/// with the last one, if that is no older than this.
const FRESH_NS: i64 = 300_000_000_000;

/// A stretch of time, in nanoseconds since 1970: [from, to).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// None: from the first entry.
    pub(super) from: Option<i64>,
    /// None: up to the newest.
    pub(super) to: Option<i64>,
}

pub(super) struct Judged {
    pub(super) grade: Grade,
    pub(super) why: Vec<String>,
    /// What falls into the span.
    pub(super) incidents: Vec<Incident>,
}

/// Judges a source.
pub(super) fn judge(records: &Records, span: Span) -> Judged {
    let first_entry = records.hours.iter().filter_map(|hour| hour.first).min();
    let last_entry = records.hours.iter().filter_map(|hour| hour.last).max();
    let followed = records.followed.iter().copied().min();
    let Some(known_from) = [first_entry, followed].into_iter().flatten().min() else {
        return Judged {
            grade: Grade::Incomplete,
            why: vec!["nothing is known of it".to_owned()],
            incidents: Vec::new(),
        };
    };
    let proven_to = records.stretches.iter().map(|stretch| stretch.to).max();
    let newest = [last_entry, proven_to].into_iter().flatten().max().unwrap_or(known_from);
    let start = span.from.or(first_entry).unwrap_or(known_from);
    let end = span.to.unwrap_or_else(|| {
        proven_to.filter(|to| newest.saturating_sub(*to) <= FRESH_NS).unwrap_or(newest)
    });

    let mut incidents = records.open_incidents();
    incidents.retain(|incident| {
        incident.to >= start && incident.from.is_none_or(|from| from < end || span.to.is_none())
    });
    let mut why: Vec<String> = incidents.iter().map(told).collect();
    if known_from > start {
        why.push(format!("nothing is known of it before {}", rfc3339(known_from)));
    }
    // Nobody follows it since; what was imported later counts.
    let stopped = records.stopped.iter().copied().max();
    let gone = stopped.filter(|at| records.followed.iter().all(|followed| followed < at));
    let ends = match (gone, followed) {
        (Some(at), _) => Some(at.max(newest)),
        (None, Some(_)) => None,
        (None, None) => Some(newest),
    };
    if let (Some(ends), Some(to)) = (ends, span.to)
        && ends < to
    {
        why.push(format!("nothing is known of it after {}", rfc3339(ends)));
    }
    let grade = if !why.is_empty() {
        Grade::Incomplete
    } else if is_proven(records, start, end) {
        Grade::Proven
    } else {
        why.push(not_proven(records));
        Grade::NoGapSeen
    };
    Judged { grade, why, incidents }
}

pub(super) fn told(incident: &Incident) -> String {
    let from = incident.from.map_or("the beginning".to_owned(), rfc3339);
    format!("{}, between {from} and {}", incident.what.words(), rfc3339(incident.to))
}

fn not_proven(records: &Records) -> String {
    if records.stretches.is_empty() {
        return "neither heartbeats nor the server's counters were compared".to_owned();
    }
    "heartbeats or counters cover a part of the time only".to_owned()
}

/// Tells whether stretches, one after the other, reach from start to end.
fn is_proven(records: &Records, start: i64, end: i64) -> bool {
    let mut stretches: Vec<(i64, i64)> =
        records.stretches.iter().map(|stretch| (stretch.from, stretch.to)).collect();
    stretches.sort_unstable();
    let mut reached = start;
    for (from, to) in stretches {
        if from <= reached {
            reached = reached.max(to);
        }
    }
    !records.stretches.is_empty() && reached >= end && reached > start
}
