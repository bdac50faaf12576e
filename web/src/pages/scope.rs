//! What a page of figures is about: some events, over a stretch of time that it chooses or is told.

use std::ops::Range;

use query::filter::Filter;
use query::history::View;
use query::interval::Interval;
use query::question::Question;
use query::search::{earliest, search_in};
use serde::Deserialize;

use super::overview::coverage::coverage;
use crate::error::PageError;
use crate::link;
use crate::time::{DAY, Step, Stretch, now, typed};
use crate::zone::Zone;

/// The fewest bars of a histogram over all time: a trail of two minutes is no two walls.
const BARS_MIN: i64 = 30;

/// Which stretch of time is shown, as an address has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Shown {
    span: String,
    /// Whether a person's hours are shown, who is not looked at by the clock unless asked.
    hours: String,
}

impl Shown {
    /// Tells whether a person's hours are asked for.
    pub(crate) fn hours(&self) -> bool {
        !self.hours.is_empty()
    }

    /// Returns the stretch; `None`: the page chooses.
    pub(crate) fn stretch(&self) -> Result<Option<Stretch>, PageError> {
        match &*self.span {
            "" => Ok(None),
            span => {
                let known = Stretch::ALL.into_iter().find(|stretch| stretch.word() == span);
                known.map(Some).ok_or_else(|| {
                    PageError::Question(format!(
                        "{span:?} is no stretch of time: there are 24h, 7d, 30d and all"
                    ))
                })
            }
        }
    }
}

/// A choice of time.
pub(crate) struct Span {
    pub(crate) name: &'static str,
    pub(crate) href: String,
    pub(crate) current: bool,
}

/// What is asked of the trail, and how links say it.
pub(crate) struct Scope<'a> {
    pub(crate) view: &'a View,
    /// The stretch that is shown; its ends are those of the histogram's bars.
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) step: Step,
    /// The steps, and the zone in which times are shown.
    pub(crate) interval: Interval,
    pub(crate) zone: &'a Zone,
    /// Of which part of it something is known.
    pub(crate) known: Range<i64>,
    pub(crate) stretch: Stretch,
    /// Why this stretch, if that is not plain.
    pub(crate) note: Option<String>,
    /// For links: which events, and the ends, or nothing for all time.
    pub(crate) link: link::Question,
    /// Whether events without a time belong to it.
    all: bool,
}

impl Scope<'_> {
    /// Chooses the stretch: what is asked for, or the shortest that holds the newest of the events that pass `base`. `None` if there
    /// is no such event.
    pub(crate) fn of<'a>(
        view: &'a View,
        zone: &'a Zone,
        base: &str,
        asked: Option<Stretch>,
    ) -> Result<Option<Scope<'a>>, PageError> {
        let everything = Question { all: true, filter: parse(base)?, ..Question::everything() };
        let newest = search_in(view, &everything, 1, None)?;
        if newest.matched == 0 {
            return Ok(None);
        }
        let counting = Question { all: false, ..everything };
        let now = now();
        let last = newest.items.first().and_then(|row| row.time_unix_ns).unwrap_or(now);
        let first = earliest(view, &counting)?.unwrap_or(last).min(last);
        let held = Stretch::holding(last, now);
        let stretch = match asked {
            Some(asked) => asked,
            // A trail that is younger than its newest day is seen best from its first event on.
            None if held == Stretch::Day && now - first < DAY => Stretch::All,
            None => held,
        };
        let note = (stretch == held && held != Stretch::Day && asked.is_none()).then(|| {
            format!("The newest event is of {}, more than a day ago; shown is the shortest stretch that holds it.", zone.to_the_minute(last))
        });
        let known = known(view, now)?;
        let link = link::Question { q: base.to_owned(), ..link::Question::default() };
        let (first, last) = match stretch.length() {
            Some(length) => (now - length, now.saturating_sub(1)),
            None => (first, last),
        };
        let step = Step::of(first, last);
        let interval = zone.interval(step);
        let to = interval.bucket(last).1;
        let is_all = stretch == Stretch::All;
        let begun = if is_all { first.min(to.saturating_sub(BARS_MIN * step.ns)) } else { first };
        let from = interval.bucket(begun).0;
        let link = match is_all {
            true => link,
            false => link::Question { from: typed(from), to: typed(to), ..link },
        };
        let known = known.start.max(from)..known.end.min(to);
        Ok(Some(Scope {
            view,
            from,
            to,
            step,
            interval,
            zone,
            known,
            stretch,
            note,
            link,
            all: is_all,
        }))
    }

    /// Returns the question for the events of the stretch that pass the filter too.
    pub(crate) fn question(&self, filter: &str) -> Result<Question, PageError> {
        let ends = (!self.all).then_some((self.from, self.to));
        Ok(Question {
            filter: Filter::all_of([parse(&self.link.q)?, parse(filter)?]),
            from: ends.map(|ends| ends.0),
            to: ends.map(|ends| ends.1),
            ..Question::everything()
        })
    }

    /// Returns the address under which the explorer asks the same.
    pub(crate) fn href(&self, filter: &str) -> String {
        self.link_with(filter).href("/explore")
    }

    /// Returns the same question for links, of the events that pass the filter too.
    pub(crate) fn link_with(&self, filter: &str) -> link::Question {
        self.link.with_typed(filter).unwrap_or_else(|| self.link.clone())
    }

    /// Says the stretch.
    pub(crate) fn words(&self) -> String {
        let says = |time| self.zone.says_time(self.step, time);
        format!("{} to {}, {}", says(self.from), says(self.to), self.zone.name())
    }

    /// Returns where programs get the counts of the page: by decision, reason and outcome.
    pub(crate) fn data(&self) -> Vec<(&'static str, String)> {
        let by = [("by", "decision,reason,outcome")];
        [("CSV", "/api/v1/count.csv"), ("JSON", "/api/v1/count.json")]
            .map(|(name, page)| (name, self.link.href_with(page, &by)))
            .into()
    }

    /// Returns the choices of time of a page.
    pub(crate) fn spans(&self, page: &str) -> Vec<Span> {
        let span = |offered: Stretch| Span {
            name: offered.name(),
            href: link::address(page, [("span", offered.word())]),
            current: offered == self.stretch,
        };
        Stretch::ALL.map(span).into()
    }
}

/// Returns of which time the trail tells anything: from its first event up to now, or up to its last if no source is followed. Before and after, nothing is not the same as none.
pub(crate) fn known(view: &View, now: i64) -> Result<Range<i64>, PageError> {
    let everything = Question::everything();
    let newest = search_in(view, &everything, 1, None)?;
    let last = newest.items.first().and_then(|row| row.time_unix_ns).unwrap_or(now);
    let first = earliest(view, &everything)?.unwrap_or(last).min(last);
    let is_followed = coverage(view)?.sources.iter().any(|source| source.followed);
    let until = if is_followed { now.max(last) } else { last };
    Ok(first..until.saturating_add(1))
}

fn parse(filter: &str) -> Result<Filter, PageError> {
    Filter::parse(filter, jiff::Timestamp::now())
        .map_err(|error| PageError::Question(error.caret()))
}
