//! Reports that somebody stands up for: issued, and superseded by a later one that says what is different.
//!
//! Nothing of a report is kept but how it was asked and the SHA-256 of what it said. Made again at the same leaf it says the
//! same; if it does not (other rules, another catalogue, other registers, retention), whoever asks for it is told.

use std::collections::{BTreeMap, HashMap};

use ingest::own::{Fact, OwnLine};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::access::{By, access};
use super::document::{Document, Section};
use super::{Asking, ReportError, State, make};
use crate::error::QueryError;
use crate::own_trail::each_own_line;
use crate::table::{Cell, Column, Kind, Table};
use crate::trail::Trail;

/// The most rows of a list of differences.
const DIFFERENCES_MAX: usize = 10_000;
/// The least that is said why a report stands in another's place, in characters.
pub const BECAUSE_CHARS_MIN: usize = 15;

/// A report that somebody stands up for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issued {
    /// Its name: twelve hexadecimal digits.
    pub id: String,
    /// The leaf of the line that says so.
    pub leaf: u64,
    /// When.
    pub issued: Timestamp,
    /// Who.
    pub by: String,
    /// Which report.
    pub report: String,
    /// Of the access report: what a row is.
    pub rows: Option<String>,
    /// The filter.
    pub scope: String,
    /// The period as it was asked for, and its zone.
    pub period: String,
    /// Its first instant.
    pub from: Option<Timestamp>,
    /// Its end.
    pub to: Option<Timestamp>,
    /// The zone in which dates were meant.
    pub zone: String,
    /// As of this leaf.
    pub at: u64,
    /// SHA-256 of what it says.
    pub sha256: String,
    /// The report in whose place it stands.
    pub supersedes: Option<String>,
    /// Why.
    pub because: String,
}

/// Every report that was issued, as far as the ledger was read.
#[derive(Clone, Debug, Default)]
pub struct IssuedReports {
    /// The oldest first.
    all: Vec<Issued>,
    /// The leaves below this one were read.
    read: u64,
}

impl IssuedReports {
    /// Reads what came since.
    ///
    /// # Errors
    /// The ledger cannot be read; the turn is over.
    pub fn read_on(&mut self, trail: &Trail) -> Result<(), QueryError> {
        self.read = each_own_line(trail, self.read, &mut |leaf, line| self.add(leaf, line))?;
        Ok(())
    }

    fn add(&mut self, leaf: u64, line: OwnLine) {
        let Fact::ReportIssued {
            by,
            address: _,
            id,
            report,
            rows,
            scope,
            period,
            from,
            to,
            zone,
            at,
            sha256,
            supersedes,
            because,
        } = line.fact
        else {
            return;
        };
        if self.named(&id).is_none() {
            self.all.push(Issued {
                id,
                leaf,
                issued: line.time,
                by,
                report,
                rows,
                scope,
                period,
                from,
                to,
                zone,
                at,
                sha256,
                supersedes,
                because,
            });
        }
    }

    /// Returns all of them, the oldest first.
    pub fn all(&self) -> &[Issued] {
        &self.all
    }

    /// Returns the one of this name.
    pub fn named(&self, id: &str) -> Option<&Issued> {
        self.all.iter().find(|issued| issued.id == id)
    }

    /// Returns the one that stands in this one's place.
    pub fn successor(&self, id: &str) -> Option<&Issued> {
        self.all.iter().find(|issued| issued.supersedes.as_deref() == Some(id))
    }

    /// Tells whether a report still stands.
    pub fn state(&self, issued: &Issued) -> State {
        match self.successor(&issued.id) {
            None => State::Issued,
            Some(_) => State::Superseded,
        }
    }

    /// Tells whether a report may be issued in another's place.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self, supersedes: Option<&str>, because: &str) -> Result<(), String> {
        let Some(id) = supersedes else { return Ok(()) };
        if self.named(id).is_none() {
            return Err(format!("no report {id} was issued"));
        }
        if let Some(successor) = self.successor(id) {
            return Err(format!("{id} is superseded by {} already", successor.id));
        }
        match because.trim().chars().count() {
            BECAUSE_CHARS_MIN.. => Ok(()),
            _ => Err(format!(
                "say in at least {BECAUSE_CHARS_MIN} characters why it stands in the place of {id}"
            )),
        }
    }
}

impl Issued {
    /// Makes it again, as it was asked.
    ///
    /// # Errors
    /// As [`make`].
    pub fn again(&self, trail: &Trail, asking: &Asking<'_>) -> Result<Document, ReportError> {
        made(trail, &self.report, self.rows.as_deref(), asking)
    }
}

/// Returns when the last report of each schedule was due that was made, or could not be.
///
/// # Errors
/// The ledger cannot be read.
pub fn schedules_made(trail: &Trail) -> Result<HashMap<String, Timestamp>, QueryError> {
    let mut last = HashMap::new();
    each_own_line(trail, 0, &mut |_, line| {
        if let Fact::ReportMade { schedule, due, .. } = line.fact {
            last.insert(schedule, due);
        }
    })?;
    Ok(last)
}

/// Makes a report; `rows` is what a row of the access report is.
///
/// # Errors
/// As [`make`].
pub fn made(
    trail: &Trail,
    report: &str,
    rows: Option<&str>,
    asking: &Asking<'_>,
) -> Result<Document, ReportError> {
    match (report, rows.map(str::parse::<By>)) {
        ("access", Some(Ok(by))) => Ok(access(trail, asking, by)?.document()),
        _ => make(trail, report, asking),
    }
}

/// Returns SHA-256 of what a report says: its definition, what was asked, the leaf and the tree's root there, its numbers and
/// rows. When and by whom it was made, its state, and what is said of coverage as of now do not belong to it.
pub fn sha256(document: &Document) -> String {
    let heading = &document.heading;
    let said = serde_json::json!({
        "report": heading.report,
        "definition": heading.definition,
        "from": heading.from,
        "to": heading.to,
        "zone": heading.zone,
        "filter": heading.filter,
        "origin": heading.origin,
        "leaf": heading.leaf,
        "root": heading.root,
        "matched": heading.matched,
        "counted": heading.counted,
        "left_out": heading.left_out,
        "sections": document.sections,
    });
    let digest = Sha256::digest(said.to_string());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the name of a report that is issued now.
pub fn id_of(sha256: &str, by: &str, now: Timestamp) -> String {
    let digest = Sha256::digest(format!("{sha256}\n{by}\n{now}"));
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Returns what a report says that the one in whose place it stands does not, and the other way round: numbers of the
/// heading, and rows by section.
///
/// # Errors
/// More than can be listed.
pub fn differences(former: &Document, later: &Document) -> Result<Section, ReportError> {
    let columns = [("section", Kind::Text), ("in", Kind::Text), ("row", Kind::Text)];
    let mut rows = Vec::new();
    let mut add = |section: &str, which: &str, row: String| {
        rows.push(vec![
            Cell::Text(section.to_owned()),
            Cell::Text(which.to_owned()),
            Cell::Text(row),
        ]);
    };
    for (name, value) in [
        ("leaf", [former.heading.leaf, later.heading.leaf]),
        ("events counted", [former.heading.counted, later.heading.counted]),
    ] {
        if value[0] != value[1] {
            add("heading", "former", format!("{name}: {}", value[0]));
            add("heading", "later", format!("{name}: {}", value[1]));
        }
    }
    let ids = former.sections.iter().chain(&later.sections).map(|section| section.id);
    let ids: std::collections::BTreeSet<&str> = ids.collect();
    for id in ids {
        let (former, later) = (said(former, id), said(later, id));
        for (row, count) in &former {
            let more = count.saturating_sub(later.get(row).copied().unwrap_or(0));
            (0..more).for_each(|_| add(id, "former", row.clone()));
        }
        for (row, count) in &later {
            let more = count.saturating_sub(former.get(row).copied().unwrap_or(0));
            (0..more).for_each(|_| add(id, "later", row.clone()));
        }
    }
    if rows.len() > DIFFERENCES_MAX {
        return Err(QueryError::TooMany { what: "differences", limit: DIFFERENCES_MAX }.into());
    }
    let words = match rows.len() {
        0 => "It says what the former one said.".to_owned(),
        _ => "Rows of the former report that the later one does not have, and the other way round; a row that changed is both.".to_owned(),
    };
    let table = Table { columns: columns.map(|(name, kind)| Column::new(name, kind)).into(), rows };
    Ok(Section::new(
        "differences",
        "Differences from the report in whose place it stands",
        vec![words],
        table,
    ))
}

/// The rows of a section as texts, and how often each comes.
fn said(document: &Document, id: &str) -> BTreeMap<String, usize> {
    let mut rows = BTreeMap::new();
    for section in document.sections.iter().filter(|section| section.id == id) {
        let names: Vec<&str> = section.table.columns.iter().map(|column| column.name).collect();
        for row in &section.table.rows {
            let cells = names.iter().zip(row).filter_map(|(name, cell)| {
                let text = match cell {
                    Cell::Absent => return None,
                    Cell::Text(text) => text.clone(),
                    Cell::Number(number) => number.to_string(),
                    Cell::Time(time) => crate::period::rfc3339(*time),
                    Cell::List(texts) => texts.join(", "),
                };
                Some(format!("{name}={text}"))
            });
            *rows.entry(cells.collect::<Vec<_>>().join("; ")).or_default() += 1;
        }
    }
    rows
}
