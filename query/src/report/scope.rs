//! Over what a report is made, and what it says of that.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{ReportError, SourceCoverage};
use crate::count::groups_in;
use crate::coverage::Coverage;
use crate::error::QueryError;
use crate::filter::{CountField, Filter};
use crate::history::View;
use crate::period::{Period, rfc3339};
use crate::question::{LEFT_OUT, LeftOut, Question};
use crate::select::{Selection, selected};

/// Over what a report is made.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Which events.
    pub filter: &'a Filter,
    /// When.
    pub period: &'a Period,
    /// As of which leaf; none: as of now.
    pub at: Option<u64>,
    /// Whether to count also what is left out unless asked for.
    pub all: bool,
    /// The ledger.
    pub origin: &'a str,
    /// How complete the trail is over the period.
    pub coverage: &'a Coverage,
    /// From where the trail begins, if retention removed what was before.
    pub horizon: Option<&'a str>,
    /// When the report is made.
    pub now: Timestamp,
}

impl Scope<'_> {
    /// Returns the question for the events that the report counts.
    pub(super) fn question(&self) -> Question {
        let Period { from, to, .. } = *self.period;
        Question { filter: self.filter.clone(), from, to, all: self.all, at: self.at }
    }

    /// Returns how many events are left out, by each word that the filter does not ask for.
    pub(super) fn left_out(&self, found: &LeftOut) -> BTreeMap<&'static str, u64> {
        let words = LEFT_OUT.into_iter();
        let words = words.filter(|word| !self.all && !self.filter.asks_for(word));
        words.map(|word| (word, found.0.get(word).copied().unwrap_or(0))).collect()
    }

    /// Returns what each source brought of the events that fit, left out or not.
    pub(super) fn sources(&self, view: &View) -> Result<Vec<SourceCoverage>, QueryError> {
        let by = [CountField { name: "source", many: false, field: view.fields().source }];
        let question = Question { all: true, ..self.question() };
        let (ways, ..) = groups_in(view, &question, &[(&by, true)])?;
        let sources = ways.iter().flat_map(|sources| sources.iter());
        let mut sources: Vec<SourceCoverage> = sources
            .map(|source| SourceCoverage {
                source: source.values[0].unwrap_or_default().to_owned(),
                events: source.count,
                first: source.seen.map(|(first, _)| rfc3339(first)),
                last: source.seen.map(|(_, last)| rfc3339(last)),
            })
            .collect();
        sources.sort_by(|one, other| one.source.cmp(&other.source));
        Ok(sources)
    }

    /// Counts those events that are forwarded and have no twin, left out or not.
    pub(super) fn no_twin(&self, view: &View) -> Result<u64, ReportError> {
        if view.without_twin()?.is_empty() {
            return Ok(0);
        }
        let no_twin = Filter::parse("is:no_twin", self.now).expect("a filter of ours");
        let filter = Filter::all_of([self.filter.clone(), no_twin]);
        Ok(selected(view, &Question { filter, all: true, ..self.question() })?.matched)
    }

    /// Counts those events that no period can hold, whatever this one is.
    pub(super) fn without_time(&self, view: &View) -> Result<u64, QueryError> {
        let question = Question { from: None, to: None, all: true, ..self.question() };
        let mut count = 0;
        for part in Selection::new(view, &question)?.parts()? {
            if part.part.is_timeless {
                let places = &part.part.places;
                part.blocks(|documents| {
                    let timeless = documents.iter().filter(|&&document| !places.has_time(document));
                    count += timeless.count() as u64;
                    Ok(())
                })?;
            }
        }
        Ok(count)
    }
}
