//! Over what a report is made, and what it says of that.

use std::collections::BTreeMap;
use std::sync::Arc;

use ingest::index::class::LEFT_OUT;
use jiff::Timestamp;

use super::catalogue::Catalogue;
use super::tie_out::Recorded;
use super::{ReportError, SourceCoverage};
use crate::count::groups_in;
use crate::coverage::Coverage;
use crate::error::QueryError;
use crate::filter::{CountField, Filter};
use crate::history::View;
use crate::period::{Period, rfc3339};
use crate::question::{LeftOut, Question};
use crate::registers::Registers;
use crate::select::{Selection, selected};
use crate::trail::Trail;

/// What a report is asked.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// Which report it is, and for what it is evidence.
    pub catalogue: &'a Catalogue,
    /// What the operator knows.
    pub registers: &'a Registers,
    /// Which events.
    pub filter: &'a Filter,
    /// When; it also says in which zone dates are meant.
    pub period: &'a Period,
    /// As of which leaf; none: as of now.
    pub at: Option<u64>,
    /// Who asks, as own lines call him.
    pub by: &'a str,
    /// When it is asked.
    pub now: Timestamp,
}

/// Over what a report is made: what is asked, and what the ledger and coverage say of it.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// Which report it is, and for what it is evidence.
    pub(super) catalogue: &'a Catalogue,
    /// Which events.
    pub(super) filter: &'a Filter,
    /// When.
    pub(super) period: &'a Period,
    /// As of which leaf; none: as of now.
    pub(super) at: Option<u64>,
    /// Whether to count also what is left out unless asked for.
    pub(super) all: bool,
    /// The ledger.
    pub(super) origin: &'a str,
    /// What the ledger says of its lines up to the leaf of the answer.
    pub(super) recorded: &'a Recorded,
    /// How complete the trail is over the period.
    pub(super) coverage: &'a Coverage,
    /// From where the trail begins, if retention removed what was before.
    pub(super) horizon: Option<&'a str>,
    /// Who asks.
    pub(super) by: &'a str,
    /// When the report is made.
    pub(super) now: Timestamp,
}

/// What a scope borrows of a trail.
pub(super) struct Ground {
    recorded: Recorded,
    coverage: Arc<Coverage>,
    horizon: Option<String>,
    origin: String,
}

impl Ground {
    /// Reads it.
    pub(super) fn read(
        trail: &Trail,
        view: &View,
        asking: &Asking<'_>,
    ) -> Result<Ground, ReportError> {
        let Period { from, to, .. } = *asking.period;
        let leaf = match asking.at {
            Some(at) if at > view.leaf() => {
                return Err(QueryError::NotYet { at, leaf: view.leaf() }.into());
            }
            Some(at) => at,
            None => view.leaf(),
        };
        Ok(Ground {
            recorded: Recorded::below(trail, view, leaf)?,
            coverage: view.coverage(from, to, asking.now)?,
            horizon: view.retention().sentence(),
            origin: trail.ledger().origin().to_owned(),
        })
    }

    /// Returns the scope of what is asked.
    pub(super) fn scope<'a>(&'a self, asking: &Asking<'a>) -> Scope<'a> {
        Scope {
            catalogue: asking.catalogue,
            filter: asking.filter,
            period: asking.period,
            at: asking.at,
            all: false,
            origin: &self.origin,
            recorded: &self.recorded,
            coverage: &self.coverage,
            horizon: self.horizon.as_deref(),
            by: asking.by,
            now: asking.now,
        }
    }
}

impl Scope<'_> {
    /// Returns the question for the events that the report counts.
    pub(super) fn question(&self) -> Question {
        let Period { from, to, .. } = *self.period;
        Question { filter: self.filter.clone(), from, to, all: self.all, at: self.at }
    }

    /// Returns up to which leaf the answer holds.
    pub(super) fn leaf(&self, view: &View) -> u64 {
        self.question().answered_at(view)
    }

    /// Returns how many events are left out, by each word that the filter does not ask for.
    pub(super) fn left_out(&self, found: &LeftOut) -> BTreeMap<&'static str, u64> {
        self.left_out_of(self.filter, found)
    }

    /// The same of another filter than the scope's.
    pub(super) fn left_out_of(
        &self,
        filter: &Filter,
        found: &LeftOut,
    ) -> BTreeMap<&'static str, u64> {
        let words = LEFT_OUT.into_iter();
        let words = words.filter(|word| !self.all && !filter.asks_for(word));
        words.map(|word| (word, found.0.get(word).copied().unwrap_or(0))).collect()
    }

    /// Returns what each source brought of the events that fit, left out or not.
    pub(super) fn sources(
        &self,
        view: &View,
        filter: &Filter,
    ) -> Result<Vec<SourceCoverage>, QueryError> {
        let by = [CountField { name: "source", many: false, field: view.fields().source }];
        let question = Question { filter: filter.clone(), all: true, ..self.question() };
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
    pub(super) fn no_twin(&self, view: &View, filter: &Filter) -> Result<u64, ReportError> {
        if view.without_twin()?.is_empty() {
            return Ok(0);
        }
        let no_twin = Filter::parse("is:no_twin", self.now).expect("a filter of ours");
        let filter = Filter::all_of([filter.clone(), no_twin]);
        Ok(selected(view, &Question { filter, all: true, ..self.question() })?.matched)
    }

    /// Counts those events that no period can hold, whatever this one is.
    pub(super) fn without_time(&self, view: &View, filter: &Filter) -> Result<u64, QueryError> {
        let filter = filter.clone();
        let question = Question { filter, from: None, to: None, all: true, at: self.at };
        let mut count = 0;
        for part in Selection::new(view, &question)?.parts()? {
            if part.part.is_timeless() {
                part.blocks(|documents| {
                    let timeless = documents.iter().filter(|&&at| part.part.lacks_time(at));
                    count += timeless.count() as u64;
                    Ok(())
                })?;
            }
        }
        Ok(count)
    }
}
