//! A probe of an audit device: the line that a device writes when it starts. An enabling of a device by a request writes
//! one too; every other says that the device was restarted, or enabled by the server's configuration.

use crate::controls::control::Rule;
use crate::controls::draft::Outcome;
use crate::controls::each::each_of;
use crate::controls::hits::{Words, scan};
use crate::controls::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::Filter;

/// The probe stands just before or after the enabling's own lines.
const NEAR_NS: i64 = 60_000_000_000;

pub(super) fn device_start(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let enabled = Filter::parse("action:audit.enable outcome:success", run.now);
    let enabled = enabled.expect("a filter of ours");
    let span = Span {
        from: run.span.from.saturating_sub(NEAR_NS),
        to: run.span.to.saturating_add(NEAR_NS),
    };
    let mut times = Vec::new();
    scan(run, &enabled, span, &[], &mut Words::default(), &mut |hit, _| {
        times.push(hit.time);
        Ok(())
    })?;
    times.sort_unstable();
    each_of(run, rule, &run.filter(&rule.query), run.span, &mut |hit, _| {
        let at = times.partition_point(|time| *time < hit.time - NEAR_NS);
        Ok(times.get(at).is_none_or(|time| *time > hit.time + NEAR_NS))
    })
}
