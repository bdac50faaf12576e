//! What is seen rather than read: when requests come, where they flow, and who reaches what.

use query::count::{CountRow, count_in};
use query::interval::Interval;

use super::buckets::nanoseconds;
use super::tiles::fields;
use crate::chart::{Flow, HeatMap, Matrix, Pair, Sankey, Who, heat_map, heat_step, matrix, sankey};
use crate::error::PageError;
use crate::link;
use crate::pages::scope::Scope;
use crate::time::typed;

/// Identities and paths of the matrix: more are a page of their own.
const AT_MOST: usize = 12;

/// Returns requests by weekday and hour.
pub(crate) fn heat(scope: &Scope<'_>) -> Result<HeatMap, PageError> {
    let zone = scope.zone.time_zone();
    let (word, step_ns) = heat_step(zone);
    let interval = Interval::parse(word, zone)?;
    let counts = count_in(scope.view, &scope.question("")?, &[], Some(&interval))?;
    let at = |row: &CountRow| Some((nanoseconds(row.values[0].as_deref()?)?, row.count));
    let counts: Vec<(i64, u64)> = counts.rows.iter().filter_map(at).collect();
    // A step of which anything is known is drawn.
    let from = scope.known.start - scope.known.start.rem_euclid(step_ns);
    let to = scope.known.end.saturating_add((-scope.known.end).rem_euclid(step_ns));
    Ok(heat_map(&counts, step_ns, from..to, zone, |stretch| {
        let ends = link::Question {
            from: typed(stretch.start),
            to: typed(stretch.end),
            ..scope.link.clone()
        };
        ends.href("/explore")
    }))
}

/// Returns how requests flow from kinds of identities through mounts to decisions.
pub(super) fn flows(scope: &Scope<'_>) -> Result<Sankey, PageError> {
    let by = fields(scope, &["kind", "mount", "decision"]);
    let counts = count_in(scope.view, &scope.question("")?, &by, None)?;
    let flows: Vec<Flow> = counts
        .rows
        .into_iter()
        .map(|row| {
            let word = |at: usize, none: &str| {
                row.values[at].as_deref().filter(|word| !word.is_empty()).unwrap_or(none).to_owned()
            };
            Flow {
                group: word(0, NONE),
                mount: word(1, NONE),
                decision: word(2, "unknown"),
                count: row.count,
            }
        })
        .collect();
    Ok(sankey(&flows, |group, mount, decision| {
        asked(scope, &[("kind", group), ("mount", mount), ("decision", decision)])
    }))
}

/// Stands where an event names no kind or mount; nothing asks for that.
const NONE: &str = "none named";

/// Returns how often identities reached paths.
pub(super) fn reached(scope: &Scope<'_>) -> Result<Matrix, PageError> {
    let by = fields(scope, &["identity", "path", "decision"]);
    let counts = count_in(scope.view, &scope.question("")?, &by, None)?;
    let pair = |row: CountRow| {
        // Of an identity, its newest name stands before its key.
        let [name, key, path, decision] = <[_; 4]>::try_from(row.values).ok()?;
        let name = name.or_else(|| key.clone()).unwrap_or_else(|| "nobody known".to_owned());
        let denied = if decision.as_deref() == Some("denied") { row.count } else { 0 };
        let path = path.unwrap_or_else(|| NONE.to_owned());
        Some(Pair { who: Who { key, name }, path, count: row.count, denied })
    };
    let pairs: Vec<Pair> = counts.rows.into_iter().filter_map(pair).collect();
    Ok(matrix(&pairs, AT_MOST, |who, path| {
        let key = match who {
            Some(Who { key: Some(key), .. }) => Some(&**key),
            // No filter means "no identity" without meaning others too.
            Some(Who { key: None, .. }) => return None,
            None => None,
        };
        asked(scope, &[("identity", key), ("path", path)])
    }))
}

/// Returns where the events of all these values are; nothing if one of them cannot be asked for.
fn asked(scope: &Scope<'_>, wanted: &[(&str, Option<&str>)]) -> Option<String> {
    let terms = wanted.iter().filter_map(|(key, value)| value.map(|value| (*key, value)));
    let terms: Option<Vec<String>> = terms
        .map(|(key, value)| if value == NONE { None } else { link::term(key, value) })
        .collect();
    Some(scope.href(&terms?.join(" ")))
}
