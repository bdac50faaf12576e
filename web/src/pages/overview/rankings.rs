//! Who was denied most, and what was.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use query::count::numbered_in;

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

/// One value.
#[derive(Default)]
struct Denied<'a> {
    value: Option<&'a str>,
    /// Its number among the groups.
    number: u32,
    /// The newest name of an identity.
    name: Option<&'a str>,
    total: u64,
    /// How many by reason.
    reasons: BTreeMap<&'a str, u64>,
}

fn ranking(
    scope: &Scope<'_>,
    key: &'static str,
    title: &'static str,
) -> Result<Ranking, PageError> {
    let by = fields(scope, &[key, "reason"]);
    let groups = numbered_in(scope.view, &scope.question(DENIED)?, &by, None)?;
    let of_value =
        |(number, value)| Denied { value, number, name: groups.name(number), ..Denied::default() };
    let mut shown: Vec<Denied<'_>> = (0..).zip(groups.values(0)).map(of_value).collect();
    for group in groups.numbered() {
        shown[group.values[0] as usize].total += group.count;
    }
    shown.retain(|denied| denied.total > 0);
    shown.sort_unstable_by_key(|denied| (Reverse(denied.total), denied.value));
    let more = shown.len().saturating_sub(SHOWN);
    shown.truncate(SHOWN);
    let reasons = groups.values(1);
    for group in groups.numbered() {
        let [number, reason] = [0, 1].map(|field| group.values[field]);
        if let Some(denied) = shown.iter_mut().find(|denied| denied.number == number) {
            let reason = reasons[reason as usize].unwrap_or_default();
            *denied.reasons.entry(reason).or_default() += group.count;
        }
    }
    let most = shown.first().map_or(1, |denied| denied.total);
    let over_time = over_time(scope, key, &shown)?;
    let rows = shown.iter().zip(over_time).map(|(denied, over_time)| Ranked {
        spark: sparkline(&steps(scope, &over_time), scope.step.says),
        link: link(scope, key, denied.value, denied.name),
        count: grouped(denied.total),
        share: share(denied.total, most),
        because: say(denied.reasons.iter().map(|(reason, count)| (*reason, *count))),
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

/// Returns what was denied of each of these values over time, in their order.
fn over_time(scope: &Scope<'_>, key: &str, shown: &[Denied<'_>]) -> Result<Vec<Steps>, PageError> {
    let (question, by) = (scope.question(DENIED)?, fields(scope, &[key]));
    let groups = numbered_in(scope.view, &question, &by, Some(&scope.interval))?;
    let place = |value| shown.iter().position(|denied| denied.value == value);
    let places: Vec<Option<usize>> = groups.values(0).into_iter().map(place).collect();
    let mut of_shown = vec![Steps::new(); shown.len()];
    for group in groups.numbered() {
        if let (Some(place), Some((from, _))) = (places[group.values[0] as usize], group.stretch) {
            *of_shown[place].entry(from).or_default() += group.count;
        }
    }
    Ok(of_shown)
}

/// Returns each step of the stretch; nothing where nothing is known.
fn steps(scope: &Scope<'_>, found: &Steps) -> Vec<Option<u64>> {
    let mut steps = Vec::new();
    let mut from = scope.from;
    while from < scope.to {
        let (_, to) = scope.interval.bucket(from);
        let known = from < scope.known.end && to > scope.known.start;
        let count = found.get(&from).copied();
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
