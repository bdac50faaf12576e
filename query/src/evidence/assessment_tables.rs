//! An assessment as tables.

use std::collections::BTreeMap;

use ingest::event::Uid;
use ingest::ledger::LedgerReader;

use super::assessment::Assessment;
use super::{COLUMNS, ROWS, cells};
use crate::controls::Verdict;
use crate::dispositions::Review;
use crate::error::QueryError;
use crate::period::rfc3339;
use crate::row::EventRow;
use crate::table::{Cell, Column, Kind, Table};

impl Assessment {
    /// Returns a row for each control, with room for what an auditor concludes.
    pub fn findings(&self) -> Table {
        let columns = columns(&[
            ("control", Kind::Text),
            ("version", Kind::Number),
            ("title", Kind::Text),
            ("severity", Kind::Text),
            ("finding_of_keytrail", Kind::Text),
            ("exceptions_open", Kind::Number),
            ("exceptions_dispositioned", Kind::Number),
            ("looked_at_from", Kind::Text),
            ("looked_at_to", Kind::Text),
            ("looked_at_events", Kind::List),
            ("parameters", Kind::List),
            ("missing", Kind::List),
            ("notes", Kind::List),
            ("conclusion_of_auditor", Kind::Text),
            ("auditor", Kind::Text),
            ("concluded_on", Kind::Text),
        ]);
        let rows = self.evaluation.findings.iter().map(|finding| {
            let (open, dispositioned) = match finding.verdict {
                Verdict::Exceptions { open, dispositioned } => (open, dispositioned),
                _ => (0, 0),
            };
            let events = finding.evaluated.events.iter();
            let params = finding.params.iter().map(|param| {
                let weakened = if param.is_weakened { " (weakened)" } else { "" };
                format!("{}={}{weakened}", param.name, param.value)
            });
            vec![
                Cell::Text(finding.control.clone()),
                Cell::count(finding.version.into()),
                Cell::Text(finding.title.clone()),
                Cell::text(Some(finding.severity.as_str())),
                Cell::Text(match &finding.verdict {
                    Verdict::NotRun { why } => format!("not run: {why}"),
                    verdict => verdict.to_string(),
                }),
                Cell::count(open),
                Cell::count(dispositioned),
                Cell::text(finding.evaluated.from.map(rfc3339)),
                Cell::text(finding.evaluated.to.map(rfc3339)),
                Cell::List(events.map(|(rule, count)| format!("{rule}={count}")).collect()),
                Cell::List(params.collect()),
                Cell::List(finding.missing.clone()),
                Cell::List(finding.notes.clone()),
                Cell::Absent,
                Cell::Absent,
                Cell::Absent,
            ]
        });
        Table { columns, rows: rows.collect() }
    }

    /// Returns a row for each exception: what it is, and how it stands.
    pub fn exceptions(&self) -> Table {
        let columns = columns(&[
            ("control", Kind::Text),
            ("exception", Kind::Text),
            ("rule", Kind::Text),
            ("severity", Kind::Text),
            ("what", Kind::Text),
            ("subject", Kind::List),
            ("events", Kind::Number),
            ("events_listed", Kind::Number),
            ("first", Kind::Text),
            ("last", Kind::Text),
            ("filter", Kind::Text),
            ("standing", Kind::Text),
            ("decided_by", Kind::Text),
            ("second_reviewer", Kind::Text),
            ("conclusion_of_auditor", Kind::Text),
        ]);
        let exceptions = self.evaluation.findings.iter().flat_map(|finding| {
            finding.exceptions.iter().map(move |exception| (&finding.control, exception))
        });
        let rows = exceptions.zip(&self.exceptions).map(|((control, exception), standing)| {
            let subject = exception.subject.iter();
            let subject = subject.filter_map(|(name, value)| Some((name, value.as_ref()?)));
            vec![
                Cell::Text(control.clone()),
                Cell::Text(exception.hash.clone()),
                Cell::Text(exception.rule.clone()),
                Cell::text(Some(exception.severity.as_str())),
                Cell::Text(exception.words.clone()),
                Cell::List(subject.map(|(name, value)| format!("{name}={value}")).collect()),
                Cell::count(exception.count),
                Cell::count(exception.uids.len() as u64),
                Cell::text(exception.first.map(rfc3339)),
                Cell::text(exception.last.map(rfc3339)),
                Cell::text(exception.filter.clone()),
                Cell::Text(match standing.why {
                    Some(why) => format!("{}: {why}", standing.standing),
                    None => standing.standing.to_owned(),
                }),
                Cell::text(standing.by.clone()),
                Cell::text(standing.second.clone()),
                Cell::Absent,
            ]
        });
        Table { columns, rows: rows.collect() }
    }

    /// Returns a row for each requirement: what its controls say together.
    pub fn requirements(&self) -> Table {
        let columns = columns(&[
            ("requirement", Kind::Text),
            ("in_our_words", Kind::Text),
            ("evidence", Kind::Text),
            ("verdict", Kind::Text),
            ("controls", Kind::List),
            ("not_shown", Kind::Text),
            ("number_checked", Kind::Text),
            ("conclusion_of_auditor", Kind::Text),
        ]);
        let rows = self.requirements.iter().map(|requirement| {
            let controls = requirement.controls.iter();
            vec![
                Cell::Text(requirement.id.clone()),
                Cell::Text(requirement.words.clone()),
                Cell::text(Some(requirement.fit.as_str())),
                Cell::Text(requirement.verdict.clone()),
                Cell::List(controls.map(|(id, verdict)| format!("{id}: {verdict}")).collect()),
                Cell::text(Some(requirement.limits.clone()).filter(|limits| !limits.is_empty())),
                Cell::text(Some(if requirement.checked { "yes" } else { "no: from memory" })),
                Cell::Absent,
            ]
        });
        Table { columns, rows: rows.collect() }
    }

    /// Returns a row for each thing that a reviewer said of one of the exceptions, with the leaf of the own line that says
    /// so.
    pub fn dispositions(&self) -> Table {
        let columns = columns(&[
            ("control", Kind::Text),
            ("exception", Kind::Text),
            ("state", Kind::Text),
            ("by", Kind::Text),
            ("at", Kind::Text),
            ("reason", Kind::Text),
            ("ticket", Kind::Text),
            ("expires", Kind::Text),
            ("events", Kind::Number),
            ("leaf", Kind::Number),
        ]);
        let said = self.exceptions.iter();
        let rows = said.flat_map(|of| {
            let row = |review| dispositions_row(&of.control, &of.exception, review);
            of.reviews.iter().map(row)
        });
        Table { columns, rows: rows.collect() }
    }
}

/// Returns a row of what a reviewer said of an exception.
pub fn dispositions_row(control: &str, exception: &str, review: &Review) -> Vec<Cell> {
    vec![
        Cell::Text(control.to_owned()),
        Cell::Text(exception.to_owned()),
        Cell::text(Some(review.state.as_str())),
        Cell::Text(review.by.clone()),
        Cell::Text(review.at.to_string()),
        Cell::Text(review.reason.clone()),
        Cell::text(review.ticket.clone()),
        Cell::text(review.expires.map(|expires| expires.to_string())),
        Cell::count(review.events),
        Cell::count(review.leaf),
    ]
}

/// How many columns stand before those of a population where the events of exceptions are listed.
pub const EXCEPTION_COLUMNS: usize = 2;

/// The columns of the events of exceptions: whose, and then those of a population.
pub fn exception_event_columns() -> Vec<Column> {
    let whose = [Column::new("control", Kind::Text), Column::new("exception", Kind::Text)];
    whose.into_iter().chain(COLUMNS.iter().copied()).collect()
}

/// Gives the rows of such a table: of each exception its events, newest first. An event without a row is left out.
///
/// # Errors
/// As [`cells`], and what `each` returns.
pub fn exception_events<E: From<QueryError>>(
    assessment: &Assessment,
    events: &BTreeMap<Uid, EventRow>,
    ledger: &LedgerReader,
    each: &mut dyn FnMut(&[Cell]) -> Result<(), E>,
) -> Result<(), E> {
    let mut of = Vec::new();
    let mut rows = Vec::new();
    for finding in &assessment.evaluation.findings {
        for exception in &finding.exceptions {
            let first = rows.len();
            rows.extend(exception.uids.iter().filter_map(|uid| events.get(uid)).cloned());
            rows[first..].sort_by_key(EventRow::newest_first);
            of.resize(rows.len(), (&finding.control, &exception.hash));
        }
    }
    for (of, rows) in of.chunks(ROWS).zip(rows.chunks(ROWS)) {
        for ((control, exception), cells) in of.iter().zip(cells(rows, ledger)?) {
            let whose = [control, exception].map(|text| Cell::Text((*text).clone()));
            each(&[&whose[..], &cells].concat())?;
        }
    }
    Ok(())
}

fn columns(columns: &[(&'static str, Kind)]) -> Vec<Column> {
    columns.iter().map(|(name, kind)| Column::new(name, *kind)).collect()
}
