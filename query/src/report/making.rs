//! What the reports that are made of counts have in common: what is asked, of which events, and how a row is opened.

use std::collections::BTreeMap;

use ingest::ledger::Stream;
use ingest::source::LeafIndex;

use super::catalogue::ReportEntry;
use super::document::{Document, Section};
use super::heading::{Heading, Population};
use super::scope::{Asking, Ground};
use super::{Parameter, ReportError, Scope};
use crate::controls::Field;
use crate::count::{CountRow, Counts, Measures, measure_in};
use crate::error::QueryError;
use crate::filter::{CountField, Filter};
use crate::history::View;
use crate::question::Question;
use crate::select::{Tally, selected};
use crate::table::{Cell, Column, Kind};
use crate::trail::Trail;

/// The most rows of a section: more are refused, never cut.
pub(super) const ROWS_MAX: usize = 100_000;

/// A report in the making.
pub(super) struct Making<'a> {
    pub(super) trail: &'a Trail,
    pub(super) view: View,
    pub(super) asking: &'a Asking<'a>,
    pub(super) entry: &'a ReportEntry,
    /// The events that it counts: the scope, and what the report asks for.
    pub(super) filter: Filter,
    ground: Ground,
}

/// What a report counted, and what its rows sum up to.
pub(super) struct Summed {
    /// What was counted, and what was left out.
    pub(super) tally: Tally,
    /// What each number counts, and the number.
    pub(super) rows: Vec<(&'static str, u64)>,
}

impl<'a> Making<'a> {
    /// Begins a report.
    ///
    /// # Errors
    /// No such report; a leaf that is not reached yet; the trail cannot be read.
    pub(super) fn begin(
        trail: &'a Trail,
        name: &str,
        asking: &'a Asking<'a>,
    ) -> Result<Making<'a>, ReportError> {
        let entry = asking.catalogue.report(name);
        let entry = entry.ok_or_else(|| ReportError::Unknown { name: name.to_owned() })?;
        if entry.whole_log && !asking.filter.is_everything() {
            return Err(ReportError::Scope(entry.id.clone()));
        }
        let view = trail.view();
        if let Some(bounds) = view.bounds() {
            let (report, bounds) = (entry.id.clone(), bounds.sentence());
            return Err(ReportError::Bound { report, bounds });
        }
        let ground = Ground::read(trail, &view, asking)?;
        let filter = Filter::all_of([asking.filter.clone(), ours(&entry.query)]);
        Ok(Making { trail, view, asking, entry, filter, ground })
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        self.ground.scope(self.asking)
    }

    /// Returns the leaf that the answer holds up to.
    pub(super) fn leaf(&self) -> u64 {
        self.scope().leaf(&self.view)
    }

    /// Returns how many of keytrail's own lines there are up to the leaf, by the headers of their batches.
    pub(super) fn own_lines_by_headers(&self) -> Result<u64, ReportError> {
        let lines = self.trail.ledger().lines_below(Stream::Own, LeafIndex(self.leaf()));
        Ok(lines.map_err(QueryError::from)?)
    }

    /// Tells whether an instant lies in the period.
    pub(super) fn has_time(&self, at: i64) -> bool {
        let period = self.asking.period;
        period.from.is_none_or(|from| from <= at) && period.to.is_none_or(|to| at < to)
    }

    /// Returns the question for these events of the report.
    pub(super) fn question(&self, more: &str) -> Question {
        let filter = Filter::all_of([self.filter.clone(), ours(more)]);
        Question { filter, ..self.scope().question() }
    }

    /// Counts those events by fields, and when the first and the last of each group was.
    pub(super) fn counts(&self, more: &str, by: &[&str]) -> Result<Counts, ReportError> {
        self.counted(&self.question(more), by)
    }

    /// Counts the events of a question by fields. `identity` gives two values: the newest name, and the key.
    pub(super) fn counted(&self, question: &Question, by: &[&str]) -> Result<Counts, ReportError> {
        let field = |name: &&str| CountField::parse(name, self.view.fields());
        let by: Result<Vec<CountField>, _> = by.iter().map(field).collect();
        let by = by.expect("keys of the grammar that are columns");
        let seen = Measures { seen: true, latency: false };
        let counts = measure_in(&self.view, question, &by, None, seen)?;
        if counts.rows.len() > ROWS_MAX {
            return Err(self.too_many("rows"));
        }
        Ok(counts)
    }

    /// Returns how many of these events there are, and how many are left out.
    pub(super) fn tally(&self, more: &str) -> Result<Tally, ReportError> {
        Ok(selected(&self.view, &self.question(more))?)
    }

    /// Returns the text of the filter for the report's events with these values; nothing if the grammar cannot say it.
    pub(super) fn opens(&self, more: &str, having: &[(Field, Option<&str>)]) -> Cell {
        let mut filters = vec![self.filter.clone(), ours(more)];
        for (field, value) in having {
            let Some(filter) = field.filter(*value) else { return Cell::Absent };
            filters.push(filter);
        }
        Cell::Text(Filter::all_of(filters).to_string())
    }

    /// The same of the scope's events, where these values say already what the report asks for.
    pub(super) fn opens_in_scope(&self, having: &[(Field, Option<&str>)]) -> Cell {
        let mut filters = vec![self.asking.filter.clone()];
        for (field, value) in having {
            let Some(filter) = field.filter(*value) else { return Cell::Absent };
            filters.push(filter);
        }
        Cell::Text(Filter::all_of(filters).to_string())
    }

    /// Ends the report.
    ///
    /// # Errors
    /// The index cannot be read; the rows do not sum up to what was counted.
    pub(super) fn document(
        &self,
        summed: Summed,
        parameters: Vec<Parameter>,
        notes: Vec<String>,
        sections: Vec<Section>,
    ) -> Result<Document, ReportError> {
        let scope = self.scope();
        if sections.iter().any(|section| section.table.rows.len() > ROWS_MAX) {
            return Err(self.too_many("rows"));
        }
        let population = Population {
            filter: &self.filter,
            counted: summed.tally.matched,
            left_out: scope.left_out_of(&self.filter, &summed.tally.left_out()),
            pending: self.tally("is:pending")?.matched,
            rows: summed.rows,
        };
        let mut heading = Heading::new(&self.view, &scope, self.entry, population, notes)?;
        heading.parameters.extend(self.registers());
        heading.parameters.extend(parameters);
        Ok(Document { heading, sections })
    }

    /// Returns the registers that were there, and which were not.
    fn registers(&self) -> Vec<Parameter> {
        let told = self.asking.registers.told();
        let absent: Vec<&str> =
            told.iter().filter(|told| told.sha256.is_none()).map(|told| told.name).collect();
        let there = told.iter().filter_map(|told| {
            let sha256 = told.sha256.as_ref()?;
            let value = format!("{} rows, SHA-256 {sha256}", told.rows);
            Some(Parameter { name: format!("register {}", told.name), value, is_default: false })
        });
        let absent = (!absent.is_empty()).then(|| Parameter {
            name: "registers that are absent".to_owned(),
            value: absent.join(", "),
            is_default: true,
        });
        there.chain(absent).collect()
    }

    pub(super) fn too_many(&self, what: &'static str) -> ReportError {
        QueryError::TooMany { what, limit: ROWS_MAX }.into()
    }
}

/// Reads a filter of the program's or of the catalogue, which a test reads too.
pub(super) fn ours(text: &str) -> Filter {
    Filter::parse(text, jiff::Timestamp::UNIX_EPOCH).expect("a filter of ours")
}

/// Returns the values that the events of each group have of one more field: the last value of each row, by those before it.
pub(super) fn lists(rows: &[CountRow]) -> BTreeMap<Vec<Option<String>>, Vec<String>> {
    let mut lists: BTreeMap<Vec<Option<String>>, Vec<String>> = BTreeMap::new();
    for row in rows {
        if let Some((Some(last), group)) = row.values.split_last() {
            lists.entry(group.to_vec()).or_default().push(last.clone());
        }
    }
    lists.values_mut().for_each(|list| list.sort());
    lists
}

/// What came of the requests of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tallied {
    /// The newest name, of groups by identity.
    pub(super) name: Option<String>,
    pub(super) requests: u64,
    /// Allowed and successful.
    pub(super) access: u64,
    pub(super) denied: u64,
    /// Allowed and not successful, and what the log does not tell.
    pub(super) other: u64,
    pub(super) seen: Option<(i64, i64)>,
}

/// Sums up groups whose last two fields are `decision` and `outcome`, by the fields before. The first of those may be
/// `identity`, of which the name goes into the sum.
pub(super) fn tallied(counts: &Counts) -> BTreeMap<Vec<Option<String>>, Tallied> {
    let mut sums: BTreeMap<Vec<Option<String>>, Tallied> = BTreeMap::new();
    let has_name = counts.columns.first() == Some(&"identity");
    for row in &counts.rows {
        let [key @ .., decision, outcome] = &row.values[..] else { continue };
        let (name, key) = match key {
            [name, key @ ..] if has_name => (name.clone(), key),
            key => (None, key),
        };
        let sum = sums.entry(key.to_vec()).or_default();
        sum.name = name.or(sum.name.take());
        sum.requests += row.count;
        *match (decision.as_deref(), outcome.as_deref()) {
            (Some("allowed"), Some("success")) => &mut sum.access,
            (Some("denied"), _) => &mut sum.denied,
            _ => &mut sum.other,
        } += row.count;
        sum.seen = match (sum.seen, row.measured.seen) {
            (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
            (one, other) => one.or(other),
        };
    }
    sums
}

/// What the rows of a report sum up to, by what came of the requests.
pub(super) fn sums<'a>(rows: impl Iterator<Item = &'a Tallied>) -> Vec<(&'static str, u64)> {
    let (mut access, mut denied, mut other) = (0, 0, 0);
    for row in rows {
        access += row.access;
        denied += row.denied;
        other += row.other;
    }
    vec![("allowed and successful", access), ("denied", denied), ("failed, or end unknown", other)]
}

/// The columns of [`Tallied`].
pub(super) const TALLIED: [(&str, Kind); 6] = [
    ("requests", Kind::Number),
    ("access", Kind::Number),
    ("denied", Kind::Number),
    ("other", Kind::Number),
    ("first", Kind::Time),
    ("last", Kind::Time),
];

impl Tallied {
    /// Returns the cells of [`TALLIED`].
    pub(super) fn cells(&self) -> [Cell; 6] {
        [
            Cell::count(self.requests),
            Cell::count(self.access),
            Cell::count(self.denied),
            Cell::count(self.other),
            Cell::time(self.seen.map(|(first, _)| first)),
            Cell::time(self.seen.map(|(_, last)| last)),
        ]
    }
}

/// Returns columns of these names and kinds.
pub(super) fn columns(columns: &[&[(&'static str, Kind)]]) -> Vec<Column> {
    columns
        .iter()
        .flat_map(|some| some.iter())
        .map(|&(name, kind)| Column::new(name, kind))
        .collect()
}
