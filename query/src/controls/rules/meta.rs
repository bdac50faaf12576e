//! The log about itself: what coverage knows of each source over the period.

use ingest::coverage::By;
use ingest::own::{Fact, OwnLine};

use crate::controls::draft::{Draft, Outcome};
use crate::controls::run::Run;
use crate::coverage::Source;
use crate::error::QueryError;
use crate::made::Made;
use crate::own_trail::each_own_line;
use crate::period::rfc3339;

/// Makes an exception of each incident of these kinds.
fn incidents(run: &Run<'_>, kinds: &[&str], outcome: &mut Outcome) {
    for source in &run.coverage.sources {
        for missing in source.all_missing.iter().filter(|missing| kinds.contains(&missing.kind)) {
            let mut draft = of(source, &missing.text);
            draft.apart.push(("until", rfc3339(missing.to_unix_ns)));
            draft.apart.push(("kind", missing.kind.to_owned()));
            draft.span =
                Some((missing.from_unix_ns.unwrap_or(missing.to_unix_ns), missing.to_unix_ns));
            outcome.drafts.push(draft);
        }
    }
}

fn of(source: &Source, what: &str) -> Draft {
    let mut draft =
        Draft { apart: vec![("source", source.source.clone())], count: 1, ..Draft::default() };
    draft.said.insert("what", what.to_owned());
    draft
}

/// Heartbeats that a server answered and that its log lacks.
pub(super) fn heartbeats(run: &Run<'_>) -> Result<Outcome, QueryError> {
    let mut outcome = Outcome { events: lines(run), ..Outcome::default() };
    incidents(run, &["heartbeats", "order"], &mut outcome);
    for source in &run.coverage.sources {
        if let Some(since) = &source.heartbeat_missing_since {
            outcome.drafts.push(of(
                source,
                &format!("a heartbeat that was answered is missing since {since}"),
            ));
        }
        if !source.proven.iter().any(|proven| proven.by == By::Heartbeat) {
            outcome.missing.push(format!("{}: no heartbeats over the period", source.source));
        }
    }
    Ok(outcome)
}

/// Counts that do not agree: the server's own, and ours of lines and of what was made of them.
pub(super) fn ties(run: &Run<'_>) -> Result<Outcome, QueryError> {
    let mut outcome = Outcome { events: lines(run), ..Outcome::default() };
    incidents(run, &["counters"], &mut outcome);
    for source in &run.coverage.sources {
        if !source.proven.iter().any(|proven| proven.by == By::Counters) {
            outcome.missing.push(format!(
                "{}: the server's own count of its lines was not compared over the period",
                source.source
            ));
        }
    }
    if run.view.retention().until.is_none() && run.view.bounds().is_none() {
        let (read, made) =
            (run.view.coverage(None, None, run.now)?, Made::below(run.view, run.view.leaf())?);
        let read: u64 = read.sources.iter().map(|source| source.lines).sum();
        let made = made.lines();
        if read != made {
            let mut draft = Draft { count: read.abs_diff(made), ..Draft::default() };
            draft.apart = vec![("source", "all sources".to_owned())];
            draft.said.insert(
                "what",
                format!(
                    "{read} lines were read, and events and undecodable lines were made of {made}"
                ),
            );
            outcome.drafts.push(draft);
        }
    }
    Ok(outcome)
}

/// Bytes that are missing of followed files, files that did not go on where they were left, and what a verification of the
/// ledger raised its alarm about.
pub(super) fn altered(run: &Run<'_>) -> Result<Outcome, QueryError> {
    let mut outcome = Outcome { events: lines(run), ..Outcome::default() };
    incidents(run, &["gap", "refused_raw"], &mut outcome);
    each_own_line(run.trail, 0, &mut |leaf, OwnLine { time, fact }| {
        let Fact::Alarm { on, subject, resolved: false, text, .. } = fact else { return };
        let at = i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX);
        if on == "verify" && run.span.has(at) && run.at.is_none_or(|end| leaf < end) {
            let mut draft = Draft { count: 1, span: Some((at, at)), ..Draft::default() };
            draft.apart = vec![("source", subject), ("at", rfc3339(at))];
            draft.said.insert("what", text);
            outcome.drafts.push(draft);
        }
    })?;
    for source in run.coverage.sources.iter().filter(|source| source.live_lines < source.lines) {
        outcome.missing.push(format!(
            "{}: {} lines were imported, so nobody saw the file while it was written",
            source.source,
            source.lines - source.live_lines
        ));
    }
    Ok(outcome)
}

/// Clocks of servers that go ahead of keytrail's.
pub(super) fn clock(run: &Run<'_>) -> Result<Outcome, QueryError> {
    let skew_ms = run.param("skew").saturating_mul(1_000);
    let mut outcome = Outcome { events: lines(run), ..Outcome::default() };
    for source in &run.coverage.sources {
        match source.arrival {
            Some(arrival) if arrival.min_ms < -skew_ms => {
                let ahead = -arrival.min_ms;
                outcome
                    .drafts
                    .push(of(source, &format!("its clock was {ahead} ms ahead of keytrail's")));
            }
            Some(_) => {}
            None => outcome.missing.push(format!(
                "{}: no line arrived while it was written, so clocks cannot be compared",
                source.source
            )),
        }
    }
    Ok(outcome)
}

fn lines(run: &Run<'_>) -> u64 {
    run.coverage.sources.iter().map(|source| source.lines).sum()
}
