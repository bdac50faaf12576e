//! What is seen rather than read: when requests come, where they flow, and who reaches what.

use query::count::{CountRow, NumberedGroup, count_in, numbered_in};
use query::interval::Interval;

use super::buckets::nanoseconds;
use super::tiles::fields;
use crate::chart::{
    Flow, HeatMap, Matrix, Pair, Reached, Sankey, Who, heat_map, heat_step, matrix, sankey,
};
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
    let groups = numbered_in(scope.view, &scope.question("")?, &by, None)?;
    let who = |(number, key): (u32, Option<&str>)| Who {
        key: key.map(str::to_owned),
        name: groups.name(number).or(key).unwrap_or("nobody known").to_owned(),
    };
    let (paths, path_of) = paths(&groups.values(1));
    let is_denied: Vec<bool> =
        groups.values(2).into_iter().map(|decision| decision == Some("denied")).collect();
    let pair = |group: NumberedGroup<'_>| {
        let [who, path, decision] = [0, 1, 2].map(|field| group.values[field] as usize);
        let denied = if is_denied[decision] { group.count } else { 0 };
        Pair { who, path: path_of[path], count: group.count, denied }
    };
    let reached = Reached {
        whos: (0..).zip(groups.values(0)).map(who).collect(),
        paths,
        pairs: groups.numbered().map(pair).collect(),
    };
    Ok(matrix(&reached, AT_MOST, |who, path| {
        let key = match who {
            Some(Who { key: Some(key), .. }) => Some(&**key),
            // No filter means "no identity" without meaning others too.
            Some(Who { key: None, .. }) => return None,
            None => None,
        };
        asked(scope, &[("identity", key), ("path", path)])
    }))
}

/// Returns the words of paths, and which of them each stands for: a path may be called as what stands for none, and two of the
/// same words would be one cell.
fn paths(values: &[Option<&str>]) -> (Vec<String>, Vec<usize>) {
    let words = values.iter().map(|path| path.unwrap_or(NONE).to_owned()).collect();
    let place = |(at, path): (usize, &Option<&str>)| if *path == Some(NONE) { 0 } else { at };
    (words, values.iter().enumerate().map(place).collect())
}

/// Returns where the events of all these values are; nothing if one of them cannot be asked for.
fn asked(scope: &Scope<'_>, wanted: &[(&str, Option<&str>)]) -> Option<String> {
    let terms = wanted.iter().filter_map(|(key, value)| value.map(|value| (*key, value)));
    let terms: Option<Vec<String>> = terms
        .map(|(key, value)| if value == NONE { None } else { link::term(key, value) })
        .collect();
    Some(scope.href(&terms?.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_called_as_none_is_counted_with_none() {
        let (paths, path_of) = paths(&[None, Some("kv/a"), Some(NONE)]);
        let pair = |(number, count)| Pair { who: 0, path: path_of[number], count, denied: 0 };
        let pairs = [(0, 1), (1, 2), (2, 4)].map(pair).into();
        let reached = Reached { whos: vec![Who::default()], paths, pairs };
        let drawn = matrix(&reached, AT_MOST, |_, _| None);
        let mut counts: Vec<&str> = drawn.cells.iter().map(|cell| &*cell.count).collect();
        counts.sort_unstable();
        assert_eq!(counts, ["2", "5"]);
    }
}
