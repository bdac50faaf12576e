//! Requests of which one line of two came: what was taken out of a log, or never came into it, shows here.

use ingest::event::Reason;
use ingest::index::document::state_word;
use ingest::pairing::State;
use tantivy::query::{BooleanQuery, Occur};

use super::{Grade, Source};
use crate::error::QueryError;
use crate::history::View;
use crate::period::rfc3339;
use crate::question::{exact, within};
use crate::scan::Scan;

/// Events of one source that lack a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Halves {
    number: u64,
    /// The times of the first and the last, in nanoseconds since 1970.
    between: Option<(i64, i64)>,
}

impl View {
    /// Adds to a source what it lacks a line of over [from, to), in nanoseconds since 1970. Requests that the server writes
    /// one line of by design (a refusal by a quota, sealing, what a standby hands on) are not meant.
    pub(super) fn add_halves(
        &self,
        source: &mut Source,
        from: Option<i64>,
        to: Option<i64>,
    ) -> Result<(), QueryError> {
        let fields = self.fields();
        let reason = |occur, reason: Reason| (occur, exact(fields.reason, reason.as_str()));
        let halves = |mut clauses: Vec<_>| {
            clauses.push((Occur::Must, exact(fields.source, &source.source)));
            clauses.extend(within(fields.time, from, to).map(|query| (Occur::Must, query)));
            self.halves(&BooleanQuery::new(clauses))
        };
        let responses = halves(vec![
            (Occur::Must, exact(fields.state, state_word(State::ResponseOnly))),
            reason(Occur::MustNot, Reason::Forwarded),
            reason(Occur::MustNot, Reason::System),
        ])?;
        let unanswered = halves(vec![reason(Occur::Must, Reason::Unanswered)])?;
        let pending = halves(vec![reason(Occur::Must, Reason::Pending)])?;
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
        for why in told.into_iter().flatten() {
            source.grade = Grade::Incomplete;
            source.why.push(why);
        }
        // Their time is not over yet: nothing is said against the log.
        source.why.extend(pending.told("request line", "whose response line had not come yet"));
        Ok(())
    }

    fn halves(&self, query: &BooleanQuery) -> Result<Halves, QueryError> {
        let mut halves = Halves::default();
        for in_segment in Scan::new(self, query)?.segments() {
            // Kept open: every answer asks this of each source three times.
            let places = self.part(in_segment.number)?.places(in_segment.segment)?;
            in_segment.each(|document| {
                halves.number += 1;
                if let Some(time) = places.time(document) {
                    let (first, last) = halves.between.unwrap_or((time, time));
                    halves.between = Some((first.min(time), last.max(time)));
                }
            })?;
        }
        Ok(halves)
    }
}

impl Halves {
    fn told(&self, line: &str, lacks: &str) -> Option<String> {
        let Halves { number, between } = *self;
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
