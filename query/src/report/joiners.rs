//! R07: who came, who left and is still there, whose rights changed.

use std::collections::{BTreeMap, BTreeSet};

use super::ReportError;
use super::document::{Document, Section};
use super::findings::Findings;
use super::making::{Making, ROWS_MAX, Summed, columns, ours};
use crate::controls::Field;
use crate::count::CountRow;
use crate::entitlements::Entitlements;
use crate::filter::{Filter, quoted};
use crate::period::rfc3339;
use crate::question::Question;
use crate::search::earliest;
use crate::table::{Cell, Kind, Table};

/// What makes an account that can log in later.
const CREATING: &str = "action:user.write,role.write,entity.write outcome:success";

/// Makes the report.
pub(super) fn joiners_leavers(making: &Making<'_>) -> Result<Document, ReportError> {
    let log_from =
        earliest(&making.view, &Question { at: Some(making.leaf()), ..Question::everything() })?;
    let (joiners, summed) = joiners(making, log_from)?;
    let mut sections = vec![joiners, leavers(making)?, movers(making, log_from)?];
    sections.extend(Findings::of(making)?.sections());
    let notes = vec![
        "an identity that never logged in is in no log; approval, and what happens outside the server, are not shown".to_owned(),
    ];
    making.document(summed, Vec::new(), notes, sections)
}

/// Identities whose first request of all is in the period.
fn joiners(making: &Making<'_>, log_from: Option<i64>) -> Result<(Section, Summed), ReportError> {
    let within = making.counts("", &["identity"])?;
    let ever = Question { filter: Filter::everything(), from: None, ..making.question("") };
    let ever = making.counted(&ever, &["identity"])?;
    let first: BTreeMap<&str, i64> = ever.rows.iter().filter_map(first_of).collect();
    let is_new = |key: &str| {
        let first = first.get(key).copied();
        first.is_some_and(|first| making.has_time(first))
    };
    let kinds = making.counts("", &["identity", "kind"])?;
    let creations = Creations::of(making)?;
    let columns = columns(&[&[
        ("identity", Kind::Text),
        ("identity_key", Kind::Text),
        ("kind", Kind::Text),
        ("first_seen", Kind::Time),
        ("last_seen", Kind::Time),
        ("requests", Kind::Number),
        ("created", Kind::Time),
        ("created_by", Kind::Text),
        ("created_as", Kind::Text),
        ("filter", Kind::Text),
    ]]);
    let (mut rows, mut new, mut known, mut nobody) = (Vec::new(), 0, 0, 0);
    for row in &within.rows {
        let [name, Some(key)] = &row.values[..] else {
            nobody += row.count;
            continue;
        };
        if !is_new(key) {
            known += row.count;
            continue;
        }
        new += row.count;
        let kind = kinds.rows.iter().find(|kind| kind.values.get(1) == Some(&Some(key.clone())));
        let first_seen = first.get(key.as_str()).copied();
        let by = creations.of_identity(key, name.as_deref(), first_seen);
        rows.push(vec![
            Cell::text(name.clone()),
            Cell::Text(key.clone()),
            Cell::text(kind.and_then(|kind| kind.values.get(2)).cloned().flatten()),
            Cell::time(first_seen),
            Cell::time(row.measured.seen.map(|(_, last)| last)),
            Cell::count(row.count),
            Cell::time(by.map(|by| by.time)),
            Cell::text(by.and_then(|by| by.who.clone())),
            Cell::text(by.map(|by| by.path.clone())),
            making.opens("", &[(Field::Identity, Some(key))]),
        ]);
    }
    rows.sort_by_key(|row| match row[3] {
        Cell::Time(first) => first,
        _ => i64::MAX,
    });
    let mut words = vec![
        "Identities whose first request in the whole log lies in the period. Who created them is told where a user, a role or an entity of that name was written before.".to_owned(),
    ];
    if let Some(no_data) = reaches_back(making, log_from) {
        words.insert(0, format!("no data on who was there before: {no_data}, so everybody of whom the log tells may look new"));
    }
    if rows.is_empty() {
        words.insert(0, "None, as far as the log tells.".to_owned());
    }
    let section = Section::new("joiners", "Joiners", words, Table { columns, rows });
    let rows = vec![
        ("of identities first seen in the period", new),
        ("of identities known before", known),
        ("of nobody that the log names", nobody),
    ];
    Ok((section, Summed { tally: making.tally("")?, rows }))
}

/// Returns an identity's key and its first time.
fn first_of(row: &CountRow) -> Option<(&str, i64)> {
    let key = row.values.get(1)?.as_deref()?;
    Some((key, row.measured.seen?.0))
}

/// Says why the log does not tell of the time before the period, if it does not.
fn reaches_back(making: &Making<'_>, log_from: Option<i64>) -> Option<String> {
    if let Some(horizon) = making.view.retention().sentence() {
        return Some(horizon);
    }
    match (making.asking.period.from, log_from) {
        (None, _) => Some("the period has no beginning".to_owned()),
        (Some(_), None) => Some("the log has no event".to_owned()),
        (Some(from), Some(log)) if from <= log => {
            Some(format!("the log begins with {}, within the period", rfc3339(log)))
        }
        _ => None,
    }
}

/// The first request that wrote an account's path.
struct Made {
    path: String,
    time: i64,
    who: Option<String>,
}

/// The requests that made accounts, and by which auth method and role each identity logged in.
struct Creations {
    made: Vec<Made>,
    mounts: BTreeMap<String, BTreeSet<String>>,
    roles: BTreeMap<String, BTreeSet<String>>,
}

impl Creations {
    fn of(making: &Making<'_>) -> Result<Creations, ReportError> {
        let everything =
            Question { filter: Filter::everything(), from: None, ..making.question("") };
        let creating = Question { filter: ours(CREATING), ..everything.clone() };
        let mut by_path: BTreeMap<String, Made> = BTreeMap::new();
        for row in making.counted(&creating, &["path", "identity"])?.rows {
            let ([Some(path), name, key], Some((time, _))) = (&row.values[..], row.measured.seen)
            else {
                continue;
            };
            let who = name.clone().or_else(|| key.clone());
            let made = Made { path: path.clone(), time, who };
            match by_path.get_mut(path) {
                Some(known) if known.time <= time => {}
                Some(known) => *known = made,
                None => drop(by_path.insert(path.clone(), made)),
            }
        }
        let sets =
            |field: &'static str| -> Result<BTreeMap<String, BTreeSet<String>>, ReportError> {
                let mut sets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
                for row in making.counted(&everything, &["identity", field])?.rows {
                    if let [_, Some(key), Some(value)] = &row.values[..] {
                        sets.entry(key.clone()).or_default().insert(value.clone());
                    }
                }
                Ok(sets)
            };
        Ok(Creations {
            made: by_path.into_values().collect(),
            mounts: sets("auth")?,
            roles: sets("role")?,
        })
    }

    /// Returns the first request that wrote the account of an identity, before it was first seen: a path of its auth
    /// method, or of entities, that ends with its role or its name.
    fn of_identity(&self, key: &str, name: Option<&str>, first_seen: Option<i64>) -> Option<&Made> {
        let mounts = self.mounts.get(key);
        let is_called = |last: &str| {
            name == Some(last) || self.roles.get(key).is_some_and(|roles| roles.contains(last))
        };
        let is_its = |made: &&Made| {
            let last = made.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let is_there = made.path.starts_with("identity/entity/")
                || mounts.is_some_and(|all| all.iter().any(|mount| made.path.starts_with(mount)));
            is_there && is_called(last) && first_seen.is_none_or(|first| made.time <= first)
        };
        self.made.iter().filter(is_its).min_by_key(|made| made.time)
    }
}

/// Those who left, by the register, and what the log tells of them since.
fn leavers(making: &Making<'_>) -> Result<Section, ReportError> {
    let columns = columns(&[&[
        ("leaver", Kind::Text),
        ("names", Kind::List),
        ("left", Kind::Time),
        ("last_access", Kind::Time),
        ("hours_after_leaving", Kind::Number),
        ("requests_after_leaving", Kind::Number),
        ("access_after_leaving", Kind::Number),
        ("last_refused", Kind::Time),
        ("filter", Kind::Text),
    ]]);
    let register = &making.asking.registers.leavers;
    if let Some(lacks) = making.asking.registers.lacks("leavers") {
        let words =
            vec![format!("no data: {lacks}, so nobody can say who left and is still there")];
        return Ok(Section::new("leavers", "Leavers", words, Table { columns, rows: Vec::new() }));
    }
    let mut rows = Vec::new();
    for leaver in &register.rows {
        let names: Vec<String> = leaver.names.iter().map(|name| quoted(name)).collect();
        let his = ours(&format!("identity:{}", names.join(",")));
        let (period, log) = (making.question(""), making.leaf());
        // When he was there last is asked of the log up to the period's end; what he did since, of the period.
        let ever = Question { filter: his.clone(), from: None, at: Some(log), ..period.clone() };
        let last_of = |more: &str| -> Result<Option<i64>, ReportError> {
            let filter = Filter::all_of([his.clone(), ours(more)]);
            let asked = Question { filter, ..ever.clone() };
            let found = making.counted(&asked, &[])?;
            Ok(found.measured.seen.map(|(_, last)| last))
        };
        let last_access = last_of("decision:allowed outcome:success")?;
        let last_refused = last_of("decision:denied")?;
        let from = period.from.map_or(leaver.left, |from| from.max(leaver.left));
        let is_over = period.to.is_some_and(|to| to <= from);
        let opens = Filter::all_of([his.clone(), ours(&format!("after:{}", rfc3339(leaver.left)))]);
        let since = |more: &str| -> Result<u64, ReportError> {
            let filter = Filter::all_of([his.clone(), ours(more)]);
            let asked = Question { filter, from: Some(from), ..period.clone() };
            Ok(if is_over { 0 } else { making.counted(&asked, &[])?.total })
        };
        let late = last_access.map(|last| (last - leaver.left) / 3_600_000_000_000);
        rows.push(vec![
            Cell::Text(leaver.names[0].clone()),
            Cell::List(leaver.names[1..].to_vec()),
            Cell::Time(leaver.left),
            Cell::time(last_access),
            last_access
                .filter(|last| *last >= leaver.left)
                .and(late)
                .map_or(Cell::Absent, Cell::Number),
            Cell::count(since("")?),
            Cell::count(since("decision:allowed outcome:success")?),
            Cell::time(last_refused),
            Cell::Text(opens.to_string()),
        ]);
    }
    let words = vec![
        "Everybody in the register of leavers, by any of the names it gives, whatever the scope. Access is allowed and successful; last_access looks at the whole log up to the end of the period, the numbers after leaving at the period.".to_owned(),
    ];
    Ok(Section::new("leavers", "Leavers", words, Table { columns, rows }))
}

/// Policies that somebody gained or lost against the period before, as long as this one.
fn movers(making: &Making<'_>, log_from: Option<i64>) -> Result<Section, ReportError> {
    let columns = columns(&[&[
        ("identity", Kind::Text),
        ("identity_key", Kind::Text),
        ("change", Kind::Text),
        ("policy", Kind::Text),
        ("privileged", Kind::Text),
        ("requests", Kind::Number),
        ("first_held", Kind::Time),
        ("last_held", Kind::Time),
        ("filter", Kind::Text),
    ]]);
    let question = making.question("");
    let none = |words: String| {
        Section::new(
            "movers",
            "Movers",
            vec![words],
            Table { columns: columns.clone(), rows: Vec::new() },
        )
    };
    let (Some(from), Some(to)) = (question.from, question.to) else {
        return Ok(none(
            "no data: a period with both ends has one before it to be compared with".to_owned(),
        ));
    };
    let before_from = from.saturating_sub(to - from);
    if log_from.is_none_or(|log| before_from < log) || making.view.retention().until.is_some() {
        let begins = log_from
            .map_or("it is empty".to_owned(), |log| format!("it begins with {}", rfc3339(log)));
        return Ok(none(format!(
            "no data: the log does not have the whole period before, from {} to {}: {begins}",
            rfc3339(before_from),
            rfc3339(from)
        )));
    }
    let before = Question { from: Some(before_from), to: Some(from), ..question.clone() };
    let (before, now) =
        (Entitlements::of(&making.view, &before)?, Entitlements::of(&making.view, &question)?);
    let held = |of: &Entitlements| -> BTreeSet<(String, String)> {
        of.rows.iter().map(|row| (row.held.identity.clone(), row.held.policy.clone())).collect()
    };
    let known = |of: &Entitlements| -> BTreeSet<String> {
        of.rows.iter().map(|row| row.held.identity.clone()).collect()
    };
    let (held_before, held_now) = (held(&before), held(&now));
    let both: BTreeSet<String> = known(&before).intersection(&known(&now)).cloned().collect();
    let mut rows = Vec::new();
    for (of, others, change) in [(&now, &held_before, "gained"), (&before, &held_now, "lost")] {
        for row in &of.rows {
            let pair = (row.held.identity.clone(), row.held.policy.clone());
            if !both.contains(&pair.0) || others.contains(&pair) {
                continue;
            }
            let has = [("identity", &pair.0), ("held", &pair.1)];
            let has = has.map(|(key, value)| Filter::exactly(key, value).expect("keys of ours"));
            // What was lost is seen in the period before.
            let times = match change {
                "lost" => format!("after:{} before:{}", rfc3339(before_from), rfc3339(from)),
                _ => String::new(),
            };
            let opens = [making.filter.clone(), ours(&times)].into_iter().chain(has);
            rows.push(vec![
                Cell::text(row.name.clone()),
                Cell::Text(row.held.identity.clone()),
                Cell::text(Some(change)),
                Cell::Text(row.held.policy.clone()),
                Cell::text(Some(if row.is_privileged { "yes" } else { "no" })),
                Cell::count(row.requests),
                Cell::time(row.first),
                Cell::time(row.last),
                Cell::Text(Filter::all_of(opens).to_string()),
            ]);
        }
    }
    if rows.len() > ROWS_MAX {
        return Err(making.too_many("changes of rights"));
    }
    let mut words = vec![format!(
        "Policies on tokens of identities that made requests both in the period and in the one before, from {} to {}: held in one and not in the other. What somebody could have held and never came with is in no log.",
        rfc3339(before_from),
        rfc3339(from)
    )];
    if rows.is_empty() {
        words.insert(0, "None, as far as the log tells.".to_owned());
    }
    Ok(Section::new("movers", "Movers", words, Table { columns, rows }))
}
