//! A probe of an audit device: the line that a device writes when it starts. An enabling of a device by a request writes
//! one into that device's own file; every other says that the device was restarted, or enabled by the server's configuration.

use crate::controls::control::Rule;
use crate::controls::draft::Outcome;
use crate::controls::each::each_of;
use crate::controls::field::Field;
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
    let mut enablings: Vec<(String, i64)> = Vec::new();
    scan(run, &enabled, span, &[Field::Object], &mut Words::default(), &mut |hit, words| {
        let device = words.text(hit.values[0]).unwrap_or_default().trim_end_matches('/');
        enablings.push((device.to_owned(), hit.time));
        Ok(())
    })?;
    // The rule groups by node and device.
    each_of(run, rule, &run.filter(&rule.query), run.span, &mut |hit, words| {
        let device = words.text(hit.values[1]);
        Ok(!enablings.iter().any(|(enabled, time)| {
            Some(enabled.as_str()) == device && time.abs_diff(hit.time) <= NEAR_NS as u64
        }))
    })
}
