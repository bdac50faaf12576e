//! What controls found, and what reviewers said of it, as sections of a report.

use jiff::Timestamp;

use super::ReportError;
use super::document::{Bars, Document, Section};
use super::making::{Making, Summed, columns};
use crate::controls::{self, Evaluation, Exception, Given, evaluate};
use crate::dispositions::{Dispositions, Excepted, Standing};
use crate::table::{Cell, Kind, Table};

/// What controls found.
pub(super) struct Findings {
    evaluation: Evaluation,
    dispositions: Dispositions,
    now: Timestamp,
    /// The report is as of an earlier leaf than the trail's.
    is_earlier: bool,
}

/// R10: what is looked for, what was found, and whether somebody looked at it.
pub(super) fn detections(making: &Making<'_>) -> Result<Document, ReportError> {
    let findings = Findings::of(making)?;
    let summed = Summed {
        tally: making.tally("")?,
        rows: vec![("events that controls could look at", findings.evaluation.events)],
    };
    let notes = vec![
        "what an exception means is for a person to say; that one was looked at is shown, that it was looked at well is not".to_owned(),
        "a control that is not in the catalogue looks for nothing: the catalogue's hash stands above".to_owned(),
    ];
    making.document(summed, Vec::new(), notes, findings.sections())
}

impl Findings {
    /// Asks the report's controls over its period, as of its leaf; all of them where it names none.
    pub(super) fn of(making: &Making<'_>) -> Result<Findings, ReportError> {
        let asking = making.asking;
        let mut evaluation = evaluate(
            making.trail,
            &controls::Asking {
                catalogue: asking.catalogue,
                registers: asking.registers,
                period: asking.period,
                at: asking.at,
                params: &Given::new(),
                only: &making.entry.controls,
                now: asking.now,
            },
        )?;
        let dispositions = Dispositions::below(making.trail, making.leaf())?;
        dispositions.settle(&mut evaluation, asking.now);
        let is_earlier = making.leaf() < making.view.leaf();
        Ok(Findings { evaluation, dispositions, now: asking.now, is_earlier })
    }

    /// Returns two sections: the controls with their verdicts, and their exceptions.
    pub(super) fn sections(&self) -> Vec<Section> {
        vec![self.controls(), self.exceptions()]
    }

    /// Returns a row for each control.
    fn controls(&self) -> Section {
        let columns = columns(&[&[
            ("control", Kind::Text),
            ("version", Kind::Number),
            ("kind", Kind::Text),
            ("severity", Kind::Text),
            ("title", Kind::Text),
            ("verdict", Kind::Text),
            ("from", Kind::Time),
            ("to", Kind::Time),
            ("events_looked_at", Kind::Number),
            ("exceptions", Kind::Number),
            ("open", Kind::Number),
            ("dispositioned", Kind::Number),
            ("median_hours_to_review", Kind::Number),
            ("missing", Kind::List),
            ("notes", Kind::List),
        ]]);
        let rows = self.evaluation.findings.iter().map(|finding| {
            let stands = finding.exceptions.iter().filter(|it| self.standing(it).is_decided());
            let (exceptions, decided) = (finding.exceptions.len() as u64, stands.count() as u64);
            let looked_at = finding.evaluated.events.values().copied().max();
            let median = self.median_hours(&finding.exceptions);
            vec![
                Cell::Text(finding.control.clone()),
                Cell::count(finding.version.into()),
                Cell::text(Some(finding.kind.as_str())),
                Cell::text(Some(finding.severity.as_str())),
                Cell::Text(finding.title.clone()),
                Cell::Text(finding.verdict.to_string()),
                Cell::time(finding.evaluated.from),
                Cell::time(finding.evaluated.to),
                looked_at.map_or(Cell::Absent, Cell::count),
                Cell::count(exceptions),
                Cell::count(exceptions - decided),
                Cell::count(decided),
                median.map_or(Cell::Absent, Cell::Number),
                Cell::List(finding.missing.clone()),
                Cell::List(finding.notes.clone()),
            ]
        });
        let mut words = vec![
            "What each control says of the whole log in the period, whatever the scope. A verdict says what was found, never that somebody complies; \"no data\" says that something a control needs is not there, so that nothing found means nothing.".to_owned(),
            "events_looked_at is of the rule that looked at most. The time to review goes from an exception's last event to the first review of it, in whole hours.".to_owned(),
        ];
        if self.is_earlier {
            words.push("Controls of kind meta look at sources, gaps and clocks as of now, whatever the leaf of this report.".to_owned());
        }
        let table = Table { columns, rows: rows.collect() };
        let mut section = Section::new("controls", "Controls", words, table);
        let found = self.evaluation.findings.iter();
        let found = found.map(|it| (it.control.clone(), it.exceptions.len() as u64));
        section.chart = Bars::of("exceptions by control", found);
        section
    }

    /// Returns a row for each exception.
    fn exceptions(&self) -> Section {
        let columns = columns(&[&[
            ("control", Kind::Text),
            ("severity", Kind::Text),
            ("rule", Kind::Text),
            ("what", Kind::Text),
            ("first", Kind::Time),
            ("last", Kind::Time),
            ("events", Kind::Number),
            ("state", Kind::Text),
            ("reviewer", Kind::Text),
            ("second_reviewer", Kind::Text),
            ("reviewed", Kind::Time),
            ("hours_to_review", Kind::Number),
            ("reason", Kind::Text),
            ("ticket", Kind::Text),
            ("exception", Kind::Text),
            ("filter", Kind::Text),
        ]]);
        let mut rows = Vec::new();
        for finding in &self.evaluation.findings {
            for exception in &finding.exceptions {
                let mut cells = vec![
                    Cell::Text(finding.control.clone()),
                    Cell::text(Some(exception.severity.as_str())),
                    Cell::Text(exception.rule.clone()),
                    Cell::Text(exception.words.clone()),
                    Cell::time(exception.first),
                    Cell::time(exception.last),
                    Cell::count(exception.count),
                ];
                cells.extend(self.review(exception));
                cells.push(Cell::Text(exception.hash.clone()));
                cells.push(Cell::text(exception.filter.clone()));
                rows.push(cells);
            }
        }
        let words = match rows.is_empty() {
            true => vec!["None: the verdicts above say whether that means that nothing was found, or that nothing is known.".to_owned()],
            false => vec!["keytrail's own findings. What a reviewer said stands beside them and changes none; what an auditor concludes stands nowhere here.".to_owned()],
        };
        Section::new("exceptions", "Exceptions", words, Table { columns, rows })
    }

    /// Returns the cells from `state` to `ticket`.
    fn review(&self, exception: &Exception) -> [Cell; 7] {
        let (state, review, second) = match self.standing(exception) {
            Standing::Open(why) => {
                let state = why.map_or("open".to_owned(), |why| format!("open: {why}"));
                (state, None, None)
            }
            Standing::InReview(review) => ("in review".to_owned(), Some(review), None),
            Standing::Awaiting(review) => {
                (format!("{}, awaits a second reviewer", review.state.as_str()), Some(review), None)
            }
            Standing::Decided(review, second) => {
                (review.state.as_str().to_owned(), Some(review), second)
            }
        };
        let at = review.and_then(|review| i64::try_from(review.at.as_nanosecond()).ok());
        [
            Cell::Text(state),
            Cell::text(review.map(|review| review.by.clone())),
            Cell::text(second.map(|review| review.by.clone())),
            Cell::time(at),
            self.hours(exception).map_or(Cell::Absent, Cell::Number),
            Cell::text(review.map(|review| review.reason.clone())),
            Cell::text(review.and_then(|review| review.ticket.clone())),
        ]
    }

    fn standing(&self, exception: &Exception) -> Standing<'_> {
        self.dispositions.standing(Excepted::of(exception), self.now)
    }

    /// Returns the hours from an exception's last event to the first review of it.
    fn hours(&self, exception: &Exception) -> Option<i64> {
        let first = self.dispositions.of(&exception.hash).first()?;
        let at = i64::try_from(first.at.as_nanosecond()).ok()?;
        Some(at.saturating_sub(exception.last?) / 3_600_000_000_000)
    }

    fn median_hours(&self, exceptions: &[Exception]) -> Option<i64> {
        let mut hours: Vec<i64> = exceptions.iter().filter_map(|it| self.hours(it)).collect();
        hours.sort_unstable();
        hours.get(hours.len().checked_sub(1)? / 2).copied()
    }
}
