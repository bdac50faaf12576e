//! R06: every change of the server that the log tells, one by one, with who did it and the ticket that covers it.

use std::collections::{BTreeMap, HashSet};

use ingest::event::Uid;

use super::ReportError;
use super::document::{Bars, Document, Section};
use super::findings::Findings;
use super::making::{Making, ROWS_MAX, Summed, TALLIED, columns, sums, tallied};
use crate::controls::Field;
use crate::filter::Filter;
use crate::question::Question;
use crate::registers::Approval;
use crate::row::EventRow;
use crate::search::each_row;
use crate::table::{Cell, Kind, Table};

/// Makes the report.
pub(super) fn changes(making: &Making<'_>) -> Result<Document, ReportError> {
    let tally = making.tally("")?;
    if tally.matched > ROWS_MAX as u64 {
        return Err(making.too_many("changes"));
    }
    let tickets = Tickets::of(making)?;
    let mut covers: BTreeMap<usize, u64> = BTreeMap::new();
    let changes = register(making, &tickets, &mut covers)?;
    let (kinds, summed) = kinds(making, tally)?;
    let mut sections = vec![changes, kinds, tickets.section(making, &covers)];
    sections.extend(Findings::of(making)?.sections());
    let notes = vec![
        "changes that are made in the server's files or at its host are in no audit log, nor is what a policy said before and after".to_owned(),
    ];
    making.document(summed, Vec::new(), notes, sections)
}

/// The register: one row a request, the oldest first.
fn register(
    making: &Making<'_>,
    tickets: &Tickets<'_>,
    covers: &mut BTreeMap<usize, u64>,
) -> Result<Section, ReportError> {
    let columns = columns(&[&[
        ("time", Kind::Time),
        ("actor", Kind::Text),
        ("actor_key", Kind::Text),
        ("kind", Kind::Text),
        ("action", Kind::Text),
        ("operation", Kind::Text),
        ("namespace", Kind::Text),
        ("path", Kind::Text),
        ("decision", Kind::Text),
        ("outcome", Kind::Text),
        ("error", Kind::Text),
        ("address", Kind::Text),
        ("tickets", Kind::List),
        ("request_id", Kind::Text),
        ("uid", Kind::Text),
        ("filter", Kind::Text),
    ]]);
    let mut rows = Vec::new();
    each_row(&making.view, &making.question(""), 0, None, &mut |row| {
        let names: Vec<String> = tickets
            .covering(&row)
            .map(|(at, approval)| {
                if !approval.is_self_approved {
                    *covers.entry(at).or_default() += 1;
                }
                match approval.is_self_approved {
                    true => format!("{} (approved by who asked for it)", approval.ticket),
                    false => approval.ticket.clone(),
                }
            })
            .collect();
        let request = row.request_id.as_deref();
        let opens = request.and_then(|id| Filter::exactly("request", id));
        let opens = opens.map(|filter| filter.to_string());
        rows.push(vec![
            Cell::time(row.time_unix_ns),
            Cell::text(row.identity),
            Cell::text(row.identity_key),
            Cell::text(row.kind),
            Cell::text(row.action),
            Cell::text(row.op),
            Cell::text(row.ns),
            Cell::text(row.path),
            Cell::text(row.decision),
            Cell::text(row.outcome),
            Cell::text(row.error),
            Cell::text(row.ip),
            Cell::List(names),
            Cell::text(row.request_id),
            Cell::Text(row.uid.to_string()),
            Cell::text(opens),
        ]);
        Ok::<(), ReportError>(())
    })?;
    // The oldest first, as a register is read.
    rows.reverse();
    let mut words = vec![
        "Every request that changed or was to change policies, mounts, auth methods, roles, users, entities, plugins, quotas, namespaces, keys or audit devices; refused ones too.".to_owned(),
    ];
    words.push(match making.asking.registers.lacks("tickets") {
        Some(lacks) => format!("no data on tickets: {lacks}"),
        None => "A ticket stands at a change that it covers by time, actor and filter.".to_owned(),
    });
    if rows.is_empty() {
        words.insert(0, "No such request in the period, as far as the log tells.".to_owned());
    }
    Ok(Section::new("changes", "Change register", words, Table { columns, rows }))
}

/// The same events by what was changed.
fn kinds(
    making: &Making<'_>,
    tally: crate::select::Tally,
) -> Result<(Section, Summed), ReportError> {
    let rows = tallied(&making.counts("", &["action", "decision", "outcome"])?);
    let columns = columns(&[&[("action", Kind::Text)], &TALLIED, &[("filter", Kind::Text)]]);
    let mut table = Table { columns, rows: Vec::new() };
    for (key, row) in &rows {
        let mut cells = vec![Cell::text(key[0].clone())];
        cells.extend(row.cells());
        // The action is one of those that the report asks for.
        cells.push(making.opens_in_scope(&[(Field::Action, key[0].as_deref())]));
        table.rows.push(cells);
    }
    let mut section = Section::new("kinds", "Changes by kind", Vec::new(), table);
    let bars = rows.iter().map(|(key, row)| (key[0].clone().unwrap_or_default(), row.requests));
    section.chart = Bars::of("changes by action", bars);
    Ok((section, Summed { tally, rows: sums(rows.values()) }))
}

/// The register of tickets, and which of the report's events each covers.
struct Tickets<'a> {
    approvals: Vec<(&'a Approval, Option<HashSet<Uid>>)>,
}

impl<'a> Tickets<'a> {
    fn of(making: &Making<'a>) -> Result<Tickets<'a>, ReportError> {
        let question = making.question("");
        let mut approvals = Vec::new();
        for approval in &making.asking.registers.tickets.rows {
            let from = question.from.map_or(approval.from, |from| from.max(approval.from));
            let to = question.to.map_or(approval.to, |to| to.min(approval.to));
            if from >= to {
                continue;
            }
            let covered = match &approval.filter {
                None => None,
                Some(filter) => {
                    let filter = Filter::all_of([question.filter.clone(), filter.clone()]);
                    let asked =
                        Question { filter, from: Some(from), to: Some(to), ..question.clone() };
                    let mut covered = HashSet::new();
                    each_row(&making.view, &asked, 0, None, &mut |row| {
                        covered.insert(row.uid);
                        Ok::<(), ReportError>(())
                    })?;
                    Some(covered)
                }
            };
            approvals.push((approval, covered));
        }
        Ok(Tickets { approvals })
    }

    /// Gives the tickets that cover an event, with their places.
    fn covering<'b>(
        &'b self,
        row: &'b EventRow,
    ) -> impl Iterator<Item = (usize, &'a Approval)> + 'b {
        let names = [&row.identity_key, &row.identity, &row.entity, &row.display_name];
        let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
        let covers = move |(approval, covered): &(&Approval, Option<HashSet<Uid>>)| {
            row.time_unix_ns.is_some_and(|time| approval.may_cover(time, &names))
                && covered.as_ref().is_none_or(|covered| covered.contains(&row.uid))
        };
        let all = self.approvals.iter().enumerate();
        all.filter(move |(_, it)| covers(it)).map(|(at, (approval, _))| (at, *approval))
    }

    /// The tickets of the period, and how many changes each covers: one without a change is a question too.
    fn section(&self, making: &Making<'_>, covers: &BTreeMap<usize, u64>) -> Section {
        let columns = columns(&[&[
            ("ticket", Kind::Text),
            ("actor", Kind::Text),
            ("covers", Kind::Text),
            ("from", Kind::Time),
            ("to", Kind::Time),
            ("changes", Kind::Number),
            ("is_self_approved", Kind::Text),
        ]]);
        let rows = self.approvals.iter().enumerate().map(|(at, (approval, _))| {
            vec![
                Cell::Text(approval.ticket.clone()),
                Cell::text(approval.actor.clone()),
                Cell::text(approval.filter.as_ref().map(ToString::to_string)),
                Cell::Time(approval.from),
                Cell::Time(approval.to),
                Cell::count(covers.get(&at).copied().unwrap_or(0)),
                Cell::text(Some(if approval.is_self_approved { "yes" } else { "no" })),
            ]
        });
        let words = match making.asking.registers.lacks("tickets") {
            Some(lacks) => vec![format!("no data: {lacks}")],
            None => vec!["Tickets that were in force in the period. What was approved by who asked for it covers nothing.".to_owned()],
        };
        Section::new("tickets", "Tickets", words, Table { columns, rows: rows.collect() })
    }
}
