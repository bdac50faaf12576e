//! Requests of which one line of two came: what was taken out of a log, or never came into it, shows here.

use std::collections::{BTreeMap, HashMap};

use ingest::coverage::HOUR_NS;
use ingest::event::Reason;
use ingest::index::document::state_word;
use ingest::pairing::State;
use tantivy::query::{BooleanQuery, Occur, Query};

use super::records::day;
use super::{Grade, Source};
use crate::error::QueryError;
use crate::history::View;
use crate::period::rfc3339;
use crate::question::{exact, within};
use crate::scan::{InSegment, Scan};

/// Events that lack a line, by the source of the line that came.
type BySource = HashMap<String, Halves>;

/// Events of one source that lack a line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Halves {
    number: u64,
    /// The times of the first and the last, in nanoseconds since 1970.
    between: Option<(i64, i64)>,
    /// How many there are of each day (UTC), counted from the first of 1970.
    days: BTreeMap<i64, u64>,
}

/// What the sources lack a line of. Requests that the server writes one line of by design (a refusal by a quota, sealing,
/// what a standby hands on) are not meant.
pub(super) struct LackingLines {
    responses: BySource,
    unanswered: BySource,
    pending: BySource,
}

impl LackingLines {
    /// Reads them over [from, to), in nanoseconds since 1970.
    pub(super) fn read(
        view: &View,
        from: Option<i64>,
        to: Option<i64>,
    ) -> Result<LackingLines, QueryError> {
        let fields = view.fields();
        let reason = |occur, reason: Reason| (occur, exact(fields.reason, reason.as_str()));
        let halves = |mut clauses: Vec<(Occur, Box<dyn Query>)>| {
            clauses.extend(within(fields.time, from, to).map(|query| (Occur::Must, query)));
            by_source(view, &BooleanQuery::new(clauses))
        };
        Ok(LackingLines {
            responses: halves(vec![
                (Occur::Must, exact(fields.state, state_word(State::ResponseOnly))),
                reason(Occur::MustNot, Reason::Forwarded),
                reason(Occur::MustNot, Reason::System),
            ])?,
            unanswered: halves(vec![reason(Occur::Must, Reason::Unanswered)])?,
            pending: halves(vec![reason(Occur::Must, Reason::Pending)])?,
        })
    }

    /// Adds to a source what it lacks a line of.
    pub(super) fn tell(&self, source: &mut Source) {
        let none = Halves::default();
        let [responses, unanswered, pending] = [&self.responses, &self.unanswered, &self.pending]
            .map(|halves| halves.get(&source.source).unwrap_or(&none));
        source.without_request = responses.number;
        source.without_response = unanswered.number;
        source.pending = pending.number;
        let told = [
            responses.told("response line", "without a request line, which is missing"),
            unanswered.told(
                "request line",
                "without a response line, which is missing or which the server ended before",
            ),
        ];
        let mut of_days: HashMap<String, u64> = HashMap::new();
        for (&number, halves) in responses.days.iter().chain(&unanswered.days) {
            *of_days.entry(day(number)).or_default() += halves;
        }
        for day in &mut source.days {
            day.halves = of_days.get(&day.day).copied().unwrap_or_default();
        }
        for why in told.into_iter().flatten() {
            source.grade = Grade::Incomplete;
            source.why.push(why);
        }
        // Their time is not over yet: nothing is said against the log.
        source.why.extend(pending.told("request line", "whose response line had not come yet"));
    }
}

/// Reads the events of a query for all sources at once: most parts of an index have none, and every answer asks.
fn by_source(view: &View, query: &BooleanQuery) -> Result<BySource, QueryError> {
    let mut by_source = BySource::new();
    for in_segment in Scan::new(view, query)?.segments() {
        if !in_segment.is_empty()? {
            add_part(view, &in_segment, &mut by_source)?;
        }
    }
    Ok(by_source)
}

fn add_part(
    view: &View,
    in_segment: &InSegment<'_>,
    by_source: &mut BySource,
) -> Result<(), QueryError> {
    let part = view.part(in_segment.number)?;
    let Some(sources) = part.sources(in_segment.segment)? else { return Ok(()) };
    let places = part.places(in_segment.segment)?;
    let mut by_ordinal = HashMap::new();
    in_segment.each(|document| {
        for ordinal in sources.term_ords(document) {
            let halves: &mut Halves = by_ordinal.entry(ordinal).or_default();
            halves.add(places.time(document));
        }
    })?;
    for (ordinal, halves) in by_ordinal {
        let mut source = String::new();
        sources.ord_to_str(ordinal, &mut source).map_err(tantivy::TantivyError::from)?;
        by_source.entry(source).or_default().merge(&halves);
    }
    Ok(())
}

impl Halves {
    fn add(&mut self, time: Option<i64>) {
        self.number += 1;
        if let Some(time) = time {
            self.reach(time, time);
            *self.days.entry(time.div_euclid(24 * HOUR_NS)).or_default() += 1;
        }
    }

    fn merge(&mut self, other: &Halves) {
        self.number += other.number;
        if let Some((first, last)) = other.between {
            self.reach(first, last);
        }
        for (day, number) in &other.days {
            *self.days.entry(*day).or_default() += number;
        }
    }

    fn reach(&mut self, first: i64, last: i64) {
        let (earliest, latest) = self.between.unwrap_or((first, last));
        self.between = Some((earliest.min(first), latest.max(last)));
    }

    fn told(&self, line: &str, lacks: &str) -> Option<String> {
        let Halves { number, between, .. } = *self;
        if number == 0 {
            return None;
        }
        let lines = if number == 1 { line.to_owned() } else { format!("{line}s") };
        let between = match between {
            Some((first, last)) if first == last => format!(" at {}", rfc3339(first)),
            Some((first, last)) => format!(" between {} and {}", rfc3339(first), rfc3339(last)),
            None => String::new(),
        };
        Some(format!("{number} {lines}{between} {lacks}"))
    }
}

#[cfg(test)]
mod tests {
    use ingest::event::AuditEvent;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::filter::tests::events::ELEVEN_NS;
    use crate::testing::{Taught, any_events, view_taught};

    /// The halves of some of these events as they would be computed without an index.
    fn computed<'a>(events: impl Iterator<Item = &'a AuditEvent>) -> BySource {
        let mut of_sources: HashMap<String, Vec<Option<i64>>> = HashMap::new();
        for event in events {
            let time = event.time.as_ref().map(|time| time.unix_ns);
            of_sources.entry(event.source.to_string()).or_default().push(time);
        }
        let halves = |(source, mut times): (String, Vec<Option<i64>>)| {
            let number = times.len() as u64;
            times.retain(Option::is_some);
            times.sort_unstable();
            let ends = (times.first().copied().flatten(), times.last().copied().flatten());
            let mut days = BTreeMap::new();
            for time in times.into_iter().flatten() {
                *days.entry(time.div_euclid(86_400_000_000_000)).or_default() += 1;
            }
            (source, Halves { number, between: ends.0.zip(ends.1), days })
        };
        of_sources.into_iter().map(halves).collect()
    }

    proptest! {
        // Each writes an index.
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_lacks_a_line_is_told_of_its_source_and_time(
            events in any_events(20),
            are_responses in vec(any::<bool>(), 20),
            seconds in (option::of(0..4_i64), option::of(0..4_i64)),
            segment in 4..12_usize,
        ) {
            let taught = |is_response| Taught { is_response, ..Taught::default() };
            let taught: Vec<_> =
                events.iter().cloned().zip(are_responses.into_iter().map(taught)).collect();
            let view = view_taught(&taught, segment);
            let at = |seconds: i64| ELEVEN_NS + seconds * 1_000_000_000;
            let (from, to) = (seconds.0.map(at), seconds.1.map(at));
            let within = |event: &AuditEvent| match event.time.as_ref().map(|time| time.unix_ns) {
                Some(time) => {
                    from.is_none_or(|from| from <= time) && to.is_none_or(|to| time < to)
                }
                None => from.is_none() && to.is_none(),
            };
            let of = |reason| {
                computed(events.iter().filter(|event| event.reason == reason && within(event)))
            };
            let responses = taught.iter().filter(|(event, taught)| {
                let by_design = [Reason::Pending, Reason::Forwarded, Reason::System];
                taught.is_response && !by_design.contains(&event.reason) && within(event)
            });
            let read = LackingLines::read(&view, from, to).expect("read");
            prop_assert_eq!(read.pending, of(Reason::Pending));
            prop_assert_eq!(read.unanswered, of(Reason::Unanswered));
            prop_assert_eq!(read.responses, computed(responses.map(|(event, _)| event)));
        }
    }
}
