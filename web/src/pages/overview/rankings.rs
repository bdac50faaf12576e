//! Who was denied most, and what was.

use std::collections::{BTreeMap, HashMap};

use query::count::count_in;

use super::buckets::nanoseconds;
use super::tiles::{fields, say};
use crate::chart::{Sparkline, share, sparkline};
use crate::error::PageError;
use crate::link::{self, Link};
use crate::pages::scope::Scope;
use crate::text::{Text, grouped};

/// Who or what has the most.
pub(super) struct Ranking {
    pub(super) title: &'static str,
    pub(super) empty: &'static str,
    pub(super) rows: Vec<Ranked>,
    pub(super) more: Option<Link>,
}

/// One of a ranking.
pub(super) struct Ranked {
    pub(super) link: Link,
    pub(super) count: String,
    pub(super) share: u64,
    pub(super) spark: Sparkline,
    pub(super) because: String,
}

/// How many of a ranking are shown.
const SHOWN: usize = 6;

const DENIED: &str = "decision:denied";

pub(super) fn rankings(scope: &Scope<'_>) -> Result<[Ranking; 2], PageError> {
    Ok([
        ranking(scope, "identity", "Denied, by identity")?,
        ranking(scope, "path", "Denied, by path")?,
    ])
}

/// One value with its counts by reason.
#[derive(Default)]
struct Denied {
    name: Option<String>,
    total: u64,
    reasons: BTreeMap<String, u64>,
}

fn ranking(
    scope: &Scope<'_>,
    key: &'static str,
    title: &'static str,
) -> Result<Ranking, PageError> {
    let counts =
        count_in(scope.view, &scope.question(DENIED)?, &fields(scope, &[key, "reason"]), None)?;
    let mut by_value: HashMap<Option<String>, Denied> = HashMap::new();
    for row in counts.rows {
        let mut values = row.values;
        let reason = values.pop().flatten().unwrap_or_default();
        let value = values.pop().flatten();
        let denied = by_value.entry(value).or_default();
        // Of an identity, its newest name stands before its key.
        denied.name = denied.name.take().or(values.pop().flatten());
        denied.total += row.count;
        *denied.reasons.entry(reason).or_default() += row.count;
    }
    let mut shown: Vec<(Option<String>, Denied)> = by_value.into_iter().collect();
    shown.sort_unstable_by(|(one_value, one), (other_value, other)| {
        other.total.cmp(&one.total).then_with(|| one_value.cmp(other_value))
    });
    let more = shown.len().saturating_sub(SHOWN);
    shown.truncate(SHOWN);
    let most = shown.first().map_or(1, |(_, denied)| denied.total);
    let over_time = over_time(scope, key, shown.iter().map(|(value, _)| value))?;
    let rows = shown.iter().map(|(value, denied)| Ranked {
        spark: sparkline(&steps(scope, over_time.get(value)), scope.step.says),
        link: link(scope, key, value.as_deref(), denied.name.as_deref()),
        count: grouped(denied.total),
        share: share(denied.total, most),
        because: say(denied.reasons.iter().map(|(reason, count)| (&**reason, *count))),
    });
    Ok(Ranking {
        title,
        empty: "Nothing was denied in this time.",
        rows: rows.collect(),
        more: (more > 0).then(|| Link {
            text: Text::new(&format!("and {} more", grouped(more as u64))),
            href: Some(scope.link_with(DENIED).href(match key {
                "identity" => "/identities",
                _ => "/paths",
            })),
        }),
    })
}

/// Counts what was denied in each step, by its beginning.
type Steps = BTreeMap<i64, u64>;

/// Returns what was denied of each of these values over time.
fn over_time<'a>(
    scope: &Scope<'_>,
    key: &str,
    values: impl Iterator<Item = &'a Option<String>>,
) -> Result<HashMap<&'a Option<String>, Steps>, PageError> {
    let by = fields(scope, &[key]);
    let counts = count_in(scope.view, &scope.question(DENIED)?, &by, Some(&scope.interval))?;
    let mut of_values: HashMap<&Option<String>, Steps> =
        values.map(|value| (value, Steps::new())).collect();
    for row in counts.rows {
        let Some(steps) = row.values.last().and_then(|value| of_values.get_mut(value)) else {
            continue;
        };
        if let Some(from) = row.values.first().and_then(|from| nanoseconds(from.as_deref()?)) {
            *steps.entry(from).or_default() += row.count;
        }
    }
    Ok(of_values)
}

/// Returns each step of the stretch; nothing where nothing is known.
fn steps(scope: &Scope<'_>, found: Option<&Steps>) -> Vec<Option<u64>> {
    let mut steps = Vec::new();
    let mut from = scope.from;
    while from < scope.to {
        let (_, to) = scope.interval.bucket(from);
        let known = from < scope.known.end && to > scope.known.start;
        let count = found.and_then(|found| found.get(&from)).copied();
        steps.push(count.or(known.then_some(0)));
        from = to;
    }
    steps
}

fn link(scope: &Scope<'_>, key: &str, value: Option<&str>, name: Option<&str>) -> Link {
    match value {
        Some(value) => Link {
            text: Text::new(name.unwrap_or(value)),
            href: link::term(key, value).map(|term| scope.href(&format!("{DENIED} {term}"))),
        },
        // A failed login and a refused token have no identity.
        None => Link { text: Text::new("nobody known"), href: None },
    }
}
