//! R05: who used power. Root tokens one by one, everybody else's privileged requests by what was done.

use std::collections::{BTreeMap, BTreeSet};

use super::ReportError;
use super::document::{Bars, Document, Section};
use super::findings::Findings;
use super::making::{Making, Summed, TALLIED, columns, lists, sums, tallied};
use crate::controls::Field;
use crate::filter::Filter;
use crate::full::find;
use crate::lookup::look_up;
use crate::question::Question;
use crate::registers::Approval;
use crate::rows::Rows;
use crate::table::{Cell, Kind, Table};

/// The most root tokens of a period: each is looked up.
const TOKENS_MAX: usize = 1_000;

/// Makes the report.
pub(super) fn privileged(making: &Making<'_>) -> Result<Document, ReportError> {
    let (uses, summed) = uses(making)?;
    let mut sections = vec![uses, root_tokens(making)?];
    sections.extend(Findings::of(making)?.sections());
    let notes = vec![
        "privileged is what the catalogue of actions marks so: administration, and paths that the server protects by root".to_owned(),
    ];
    making.document(summed, Vec::new(), notes, sections)
}

/// Privileged requests by identity and action.
fn uses(making: &Making<'_>) -> Result<(Section, Summed), ReportError> {
    let rows = tallied(&making.counts("", &["identity", "action", "decision", "outcome"])?);
    let addresses = lists(&making.counts("", &["identity", "action", "ip"])?.rows);
    let kinds = lists(&making.counts("", &["identity", "kind"])?.rows);
    let columns = columns(&[
        &[
            ("identity", Kind::Text),
            ("identity_key", Kind::Text),
            ("kind", Kind::List),
            ("action", Kind::Text),
        ],
        &TALLIED,
        &[("addresses", Kind::List), ("filter", Kind::Text)],
    ]);
    let mut table = Table { columns, rows: Vec::new() };
    for (key, row) in &rows {
        let [identity, action] = &key[..] else { continue };
        let by_name = |more: &[&Option<String>]| -> Vec<Option<String>> {
            let mut group = vec![row.name.clone(), identity.clone()];
            group.extend(more.iter().map(|value| (*value).clone()));
            group
        };
        let mut cells = vec![
            Cell::text(row.name.clone()),
            Cell::text(identity.clone()),
            Cell::List(kinds.get(&by_name(&[])).cloned().unwrap_or_default()),
            Cell::text(action.clone()),
        ];
        cells.extend(row.cells());
        cells.push(Cell::List(addresses.get(&by_name(&[action])).cloned().unwrap_or_default()));
        let having = [(Field::Identity, identity.as_deref()), (Field::Action, action.as_deref())];
        cells.push(making.opens("", &having));
        table.rows.push(cells);
    }
    let words = vec![
        "Every request with a root token, and every privileged request of others, by who asked and for what. Who asked without a token, such as a holder of a key share, has an address only.".to_owned(),
    ];
    let mut section = Section::new("use", "Privileged requests", words, table);
    let by_action = making.counts("", &["action"])?;
    section.chart = Bars::of(
        "privileged requests by action",
        by_action.rows.iter().map(|row| {
            let action = row.values.first().cloned().flatten();
            (action.unwrap_or_else(|| "unknown".to_owned()), row.count)
        }),
    );
    let summed = Summed { tally: making.tally("")?, rows: sums(rows.values()) };
    Ok((section, summed))
}

/// Root tokens that were used in the period.
fn root_tokens(making: &Making<'_>) -> Result<Section, ReportError> {
    let rows = tallied(&making.counts("is:root", &["token", "decision", "outcome"])?);
    if rows.len() > TOKENS_MAX {
        let limit = TOKENS_MAX;
        return Err(crate::error::QueryError::TooMany { what: "root tokens", limit }.into());
    }
    let actions = lists(&making.counts("is:root", &["token", "action"])?.rows);
    let addresses = lists(&making.counts("is:root", &["token", "ip"])?.rows);
    let ever = Question { from: None, to: None, ..making.question("is:root") };
    let ever = making.counted(&ever, &["token"])?.rows;
    let covered = covered(making)?;
    let columns = columns(&[
        &[("token", Kind::Text)],
        &TALLIED,
        &[
            ("in_break_glass_window", Kind::Number),
            ("outside_any_window", Kind::Number),
            ("actions", Kind::List),
            ("addresses", Kind::List),
            ("made", Kind::Time),
            ("made_by", Kind::Text),
            ("first_use_in_log", Kind::Time),
            ("revoked", Kind::Time),
            ("life_hours", Kind::Number),
            ("filter", Kind::Text),
        ],
    ]);
    let mut table = Table { columns, rows: Vec::new() };
    let lacks = making.asking.registers.lacks("break_glass");
    for (key, row) in &rows {
        let token = key[0].as_deref();
        let first_use = ever.iter().find(|ever| ever.values == *key);
        let first_use = first_use.and_then(|ever| ever.measured.seen).map(|(first, _)| first);
        let life = match token {
            Some(token) => Life::of(making, token)?,
            None => Life::default(),
        };
        let begun = life.made.or(first_use);
        let hours = life.revoked.zip(begun).map(|(end, begun)| (end - begun) / 3_600_000_000_000);
        let mut cells = vec![Cell::text(key[0].clone())];
        cells.extend(row.cells());
        match &lacks {
            Some(_) => cells.extend([Cell::Absent, Cell::Absent]),
            None => {
                let within = covered.get(key).copied().unwrap_or(0);
                cells.extend([Cell::count(within), Cell::count(row.requests - within)]);
            }
        }
        cells.extend([
            Cell::List(actions.get(key).cloned().unwrap_or_default()),
            Cell::List(addresses.get(key).cloned().unwrap_or_default()),
            Cell::time(life.made),
            Cell::text(life.made_by),
            Cell::time(first_use),
            Cell::time(life.revoked),
            hours.map_or(Cell::Absent, Cell::Number),
            making.opens("is:root", &[(Field::Token, token)]),
        ]);
        table.rows.push(cells);
    }
    let mut words = vec![
        "made is the time that the server's lines tell; made_by is told of tokens that another token or key shares gave out, and of the first one of a cluster nothing is. life_hours goes from there, or from the first use in the log, to the revocation; none: no revocation was seen.".to_owned(),
    ];
    words.push(match lacks {
        Some(lacks) => format!("no data on break-glass windows: {lacks}"),
        None => "Windows are those of the register break_glass; one that its requester approved covers nothing.".to_owned(),
    });
    if table.rows.is_empty() {
        words
            .insert(0, "No root token was used in the period, as far as the log tells.".to_owned());
    }
    Ok(Section::new("root-tokens", "Root tokens", words, table))
}

/// Where a root token came from and how it ended.
#[derive(Default)]
struct Life {
    made: Option<i64>,
    made_by: Option<String>,
    revoked: Option<i64>,
}

impl Life {
    fn of(making: &Making<'_>, token: &str) -> Result<Life, ReportError> {
        let Some(told) = look_up(making.trail, token)?.token else { return Ok(Life::default()) };
        let ns = |time: &Option<String>| {
            let time: jiff::Timestamp = time.as_deref()?.parse().ok()?;
            i64::try_from(time.as_nanosecond()).ok()
        };
        let mut life = Life { made: ns(&told.made), made_by: None, revoked: None };
        // What came after the leaf is not known yet.
        let is_known = |uid| -> Result<bool, ReportError> {
            let Some(address) = find(&making.view, uid)? else { return Ok(false) };
            Ok(Rows::new(&making.view).row(address)?.issued.0.0 < making.leaf())
        };
        if let Some(issued) = &told.issued
            && is_known(issued.uid)?
        {
            let who = issued.identity.as_deref().unwrap_or("nobody known");
            life.made_by = Some(format!("{who} by {}", issued.action));
        }
        if let Some(revoked) = &told.revoked
            && is_known(revoked.uid)?
        {
            life.revoked = ns(&revoked.time);
        }
        Ok(life)
    }
}

/// Counts by token the requests that a break-glass window covers: each once, however many windows cover it. Between the
/// ends of windows the same ones are in force, so each such stretch is one question.
fn covered(making: &Making<'_>) -> Result<BTreeMap<Vec<Option<String>>, u64>, ReportError> {
    let mut covered = BTreeMap::new();
    let windows = making.asking.registers.break_glass.rows.iter();
    let windows: Vec<&Approval> = windows.filter(|window| !window.is_self_approved).collect();
    let ends: BTreeSet<i64> = windows.iter().flat_map(|window| [window.from, window.to]).collect();
    let ends: Vec<i64> = ends.into_iter().collect();
    for stretch in ends.windows(2) {
        let (from, to) = (stretch[0], stretch[1]);
        let period = making.asking.period;
        let from = period.from.map_or(from, |begin| begin.max(from));
        let to = period.to.map_or(to, |end| end.min(to));
        let in_force = windows.iter().filter(|window| window.from <= from && to <= window.to);
        let in_force: Vec<Filter> =
            in_force.map(|window| window.filter.clone().unwrap_or(Filter::everything())).collect();
        if from >= to || in_force.is_empty() {
            continue;
        }
        let root = making.question("is:root");
        let filter = Filter::all_of([root.filter.clone(), Filter::any_of(in_force)]);
        let question = Question { filter, from: Some(from), to: Some(to), ..root };
        for row in making.counted(&question, &["token"])?.rows {
            *covered.entry(row.values).or_default() += row.count;
        }
    }
    Ok(covered)
}
