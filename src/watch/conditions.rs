//! What is the case, read off the status.

use std::time::Duration;

use forward::standing::Standing;
use jiff::Timestamp;
use query::coverage::{Day, Source};
use query::status::Status;

use crate::alarm::{Condition, On};
use crate::metrics::Seen;

const DAY_NS: i64 = 24 * 3_600_000_000_000;
/// A gap is told while it is no older than this: after a restart it is told again, later it is history.
const GAP_NEWS_NS: i64 = DAY_NS;
/// A heartbeat may be so late.
const HEARTBEAT_LATE_NS: i64 = 60_000_000_000;

/// Returns everything that holds.
pub(super) fn conditions(
    status: &Status,
    seen: &Seen,
    lag: Option<Duration>,
    verify: Option<&str>,
    now: i64,
) -> Vec<Condition> {
    let mut all = Vec::new();
    for source in &status.coverage.sources {
        all.extend(gaps(source, now));
        all.extend(silence(source, status, now));
        all.extend(clock(source));
    }
    let mut push = |on, subject: &str, which: &str, told: Option<(Option<i64>, String)>| {
        let Some((since, text)) = told else { return };
        let (subject, which) = (subject.to_owned(), which.to_owned());
        all.push(Condition { on, subject, which, text, since, measure: None });
    };
    if let Some(lag) = lag {
        let leaves = status.signed_leaves.saturating_sub(status.indexed_leaves);
        let unread: u64 = seen.unread.iter().map(|(_, bytes)| bytes).sum();
        let seconds = lag.as_secs();
        let text =
            format!("behind for {seconds} s: {unread} bytes not read, {leaves} leaves not indexed");
        push(On::Lag, "trail", "", Some((None, text)));
    }
    for (name, sink) in &seen.sinks {
        push(On::Sink, name, "", sink_stands(sink));
        let refused = (sink.dead > 0).then(|| {
            let dead = sink.dead;
            format!("its receiver refused {dead} events, which are kept: `keytrail forward status`")
        });
        push(On::Sink, name, "refused", refused.map(|text| (None, text)));
        let unnamed = (sink.unnamed > 0).then(|| {
            let unnamed = sink.unnamed;
            format!(
                "its receiver refused {unnamed} events without saying which: `keytrail forward reconcile {name}` tells"
            )
        });
        push(On::Sink, name, "unnamed", unnamed.map(|text| (None, text)));
    }
    if let Some(tight) = &seen.tight {
        push(On::Disk, "data", "", Some((None, tight.clone())));
    }
    if let Some(problem) = verify {
        let text = format!("the ledger is not what was signed: {problem}");
        push(On::Verify, "ledger", "", Some((None, text)));
    }
    all
}

/// Tells since when a sink stands still, and why.
fn sink_stands(sink: &Standing) -> Option<(Option<i64>, String)> {
    let (since, why) = sink.problem.as_ref()?;
    let waiting = sink.waiting;
    let text = match sink.stopped {
        true => format!(
            "stopped until keytrail restarts or gets SIGHUP; {waiting} events wait at most: {why}"
        ),
        false => format!("{waiting} events wait at most: {why}"),
    };
    Some((i64::try_from(since.as_nanosecond()).ok(), text))
}

/// What is or may be missing: each incident by itself, and requests that lack a line a day together.
fn gaps(source: &Source, now: i64) -> impl Iterator<Item = Condition> {
    let condition = |which, text| Condition {
        on: On::Gap,
        subject: source.source.clone(),
        which,
        text,
        since: None,
        measure: None,
    };
    let is_news = move |until: i64| now - until <= GAP_NEWS_NS;
    let incidents = source.incidents.iter().filter(move |incident| is_news(incident.to_unix_ns));
    let incidents = incidents
        .map(move |incident| condition(incident.to_unix_ns.to_string(), incident.text.clone()));
    let begins = |day: &Day| format!("{}T00:00:00Z", day.day).parse::<Timestamp>().ok();
    let is_of_news = move |day: &&Day| {
        let begins = begins(day).and_then(|at| i64::try_from(at.as_nanosecond()).ok());
        day.halves > 0 && begins.is_some_and(|begins| is_news(begins.saturating_add(DAY_NS)))
    };
    let halves = source.days.iter().filter(is_of_news).map(move |day| {
        let (requests, lack) = match day.halves {
            1 => ("request", "lacks"),
            _ => ("requests", "lack"),
        };
        let text = format!("{} {requests} of {} {lack} one line of two", day.halves, day.day);
        condition(format!("halves of {}", day.day), text)
    });
    incidents.chain(halves)
}

/// Sharp by a heartbeat; else by the time since the last line of a source that is followed, which each alert
/// compares with its own bound.
fn silence(source: &Source, status: &Status, now: i64) -> Option<Condition> {
    let condition = |text: String, measure| Condition {
        on: On::Silence,
        subject: source.source.clone(),
        which: String::new(),
        text,
        since: None,
        measure,
    };
    let unix_ns =
        |time: &str| i64::try_from(time.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok();
    let waiting = source.heartbeat_missing_since.as_deref();
    if let Some(since) = waiting.and_then(unix_ns).filter(|since| now - since > HEARTBEAT_LATE_NS) {
        let since = query::period::rfc3339(since);
        return Some(condition(format!("a heartbeat sent at {since} is not in its log"), None));
    }
    if !source.followed {
        return None;
    }
    let last = status.sources.iter().find(|of| of.source == source.source)?.last_arrival.clone()?;
    let quiet = Duration::from_nanos(u64::try_from(now - unix_ns(&last)?).ok()?);
    Some(condition(format!("no line since {last}"), Some(quiet)))
}

/// A line that was written after it arrived, or all of an hour long before they did.
fn clock(source: &Source) -> Option<Condition> {
    let arrival = source.newest_hour?;
    let (skew_ms, text) = match arrival.min_ms {
        ahead if ahead < 0 => (-ahead, "ahead of"),
        behind => (behind, "behind"),
    };
    Some(Condition {
        on: On::Clock,
        subject: source.source.clone(),
        which: String::new(),
        text: format!(
            "the server's clock is at least {skew_ms} ms {text} ours, or its lines come late"
        ),
        since: None,
        measure: Some(Duration::from_millis(u64::try_from(skew_ms).ok()?)),
    })
}
