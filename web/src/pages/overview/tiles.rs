//! The five numbers at the top. Each leads to the rows that it counts.

use std::collections::BTreeMap;

use query::count::{CountRow, count_in};
use query::filter::CountField;
use query::search::search_in;

use crate::error::PageError;
use crate::pages::scope::Scope;
use crate::text::{counted, grouped, percent};
use crate::verdict::words;

/// One number, and what it says.
pub(crate) struct Tile {
    pub(crate) label: &'static str,
    pub(crate) icon: Option<&'static str>,
    pub(crate) figure: String,
    pub(crate) sub: String,
    pub(crate) href: String,
}

const ACCESS: &str = "decision:allowed outcome:success";
const DENIED: &str = "decision:denied";
const FAILED_LOGINS: &str = "decision:denied reason:login";
const ROOT: &str = "is:root";

pub(super) fn tiles(scope: &Scope<'_>) -> Result<Vec<Tile>, PageError> {
    let counts = rows(scope, "", &["decision", "reason", "outcome"])?;
    let sum = |wanted: &dyn Fn(&str, &str, &str) -> bool| -> u64 {
        counts.iter().filter(|row| with_words(row, wanted)).map(|row| row.count).sum()
    };
    let total = sum(&|_, _, _| true);
    let access = sum(&|decision, _, outcome| decision == "allowed" && outcome == "success");
    let denied = sum(&|decision, _, _| decision == "denied");
    let failed_logins = sum(&|decision, reason, _| decision == "denied" && reason == "login");
    let unknown = sum(&|decision, _, _| decision == "unknown");
    let identities =
        rows(scope, "", &["identity"])?.iter().filter(|row| row.values[1].is_some()).count();
    let addresses = rows(scope, FAILED_LOGINS, &["ip"])?.len();
    let root = search_in(scope.view, &scope.question(ROOT)?, 1, None)?;
    let last_root = root.items.first().and_then(|row| row.time_unix_ns);
    Ok(vec![
        Tile {
            label: "Requests",
            icon: None,
            figure: grouped(total),
            sub: format!(
                "{}{}",
                counted(identities as u64, "identity", "identities"),
                if unknown > 0 {
                    format!(" · {} with unknown fate", grouped(unknown))
                } else {
                    String::new()
                }
            ),
            href: scope.href(""),
        },
        Tile {
            label: "Access",
            icon: Some("allowed"),
            figure: grouped(access),
            sub: format!("{} of requests: allowed and successful", percent(access, total)),
            href: scope.href(ACCESS),
        },
        Tile {
            label: "Denied",
            icon: Some("denied"),
            figure: grouped(denied),
            sub: if denied > 0 { by_reason(&counts) } else { "nothing was refused".to_owned() },
            href: scope.href(DENIED),
        },
        Tile {
            label: "Failed logins",
            icon: Some("denied"),
            figure: grouped(failed_logins),
            sub: match addresses {
                0 => "none".to_owned(),
                addresses => format!("from {}", counted(addresses as u64, "address", "addresses")),
            },
            href: scope.href(FAILED_LOGINS),
        },
        Tile {
            label: "Root token used",
            icon: None,
            figure: grouped(root.matched),
            sub: match last_root {
                Some(time) => format!("last {}", scope.zone.to_the_minute(time)),
                None => "not in this time".to_owned(),
            },
            href: scope.href(ROOT),
        },
    ])
}

pub(crate) fn rows(
    scope: &Scope<'_>,
    filter: &str,
    by: &[&str],
) -> Result<Vec<CountRow>, PageError> {
    Ok(count_in(scope.view, &scope.question(filter)?, &fields(scope, by), None)?.rows)
}

pub(crate) fn fields(scope: &Scope<'_>, by: &[&str]) -> Vec<CountField> {
    let field =
        |name: &&str| CountField::parse(name, scope.view.fields()).expect("a field of the grammar");
    by.iter().map(field).collect()
}

fn with_words(row: &CountRow, wanted: &dyn Fn(&str, &str, &str) -> bool) -> bool {
    let word = |at: usize| row.values[at].as_deref().unwrap_or("");
    wanted(word(0), word(1), word(2))
}

/// Says `policy 12 · login 3` of the denied rows; a denial never stands without its reason.
pub(crate) fn by_reason(rows: &[CountRow]) -> String {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows {
        if let [Some(decision), Some(reason), _] = &row.values[..]
            && decision == "denied"
        {
            *reasons.entry(reason).or_default() += row.count;
        }
    }
    say(reasons)
}

/// Says the counts of words, the largest first.
pub(crate) fn say<'a>(counts: impl IntoIterator<Item = (&'a str, u64)>) -> String {
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let each = counts.iter().map(|(word, count)| format!("{} {}", words(word), grouped(*count)));
    each.collect::<Vec<_>>().join(" · ")
}
