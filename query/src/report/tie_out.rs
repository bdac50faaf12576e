//! The tie-out: equations between numbers that were counted apart, from the lines in the ledger to the rows of a report.
//!
//! ```text
//!   lines in the ledger, by headers ═ decoded + undecodable + removed          ledger against index
//!   decoded lines                   ═ of pairs + of requests + of responses    each line once
//!   events of them                  ═ issued + waiting                         none lost, none double
//!   events                          ═ in the period + outside + without time
//!   in the period                   ═ fit the scope + do not
//!   fit                             ═ reported + left out by reason
//!   reported                        ═ sum over the rows
//! ```
//! Lines can go missing or turn up twice by a damaged or foreign index, so the first equations may fail, and the report then
//! says *incomplete*. That the last one fails only a bug can cause: then there is no report.

use ingest::ledger::Stream;
use ingest::source::LeafIndex;
use serde::Serialize;

use super::{ReportError, Scope};
use crate::filter::Filter;
use crate::history::View;
use crate::made::Made;
use crate::question::Question;
use crate::select::selected;
use crate::trail::Trail;

/// An equation between numbers that were counted apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Equation {
    /// What the left number counts.
    pub words: String,
    /// The left number.
    pub left: u64,
    /// What it should be the sum of: what each number counts, and the number.
    pub right: Vec<(String, u64)>,
}

impl Equation {
    /// Returns an equation.
    pub(crate) fn new<const N: usize>(words: &str, left: u64, right: [(&str, u64); N]) -> Equation {
        let right = right.map(|(words, number)| (words.to_owned(), number)).into();
        Equation { words: words.to_owned(), left, right }
    }

    /// Tells whether it holds.
    pub fn holds(&self) -> bool {
        self.left == self.right.iter().map(|(_, number)| number).sum::<u64>()
    }

    /// Returns it as one line: `12 lines read = 11 decoded + 1 undecodable`.
    pub fn sentence(&self) -> String {
        let right: Vec<String> =
            self.right.iter().map(|(words, number)| format!("{number} {words}")).collect();
        let sign = if self.holds() { "=" } else { "is NOT" };
        format!("{} {} {sign} {}", self.left, self.words, right.join(" + "))
    }
}

/// What the ledger itself says of its first leaves, read from the headers of batches and from hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Lines of servers.
    pub(crate) lines: u64,
    /// Those of them that retention removed.
    pub(crate) removed: u64,
    /// The root of the tree over these leaves, in hexadecimal digits.
    pub(crate) root: String,
}

impl Recorded {
    /// Reads the ledger's first `leaf` leaves.
    pub(crate) fn below(trail: &Trail, view: &View, leaf: u64) -> Result<Recorded, ReportError> {
        let ledger = trail.ledger();
        let read = |leaf: u64| ledger.lines_below(Stream::Lines, LeafIndex(leaf));
        let lines = read(leaf).map_err(crate::error::QueryError::from)?;
        let removed = read(view.retention().least_leaf.min(leaf));
        let removed = removed.map_err(crate::error::QueryError::from)?;
        let root = ledger.tree(leaf).map_err(crate::error::QueryError::from)?.root;
        let root = root.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Recorded { lines, removed, root })
    }
}

/// Returns the equations from the ledger's lines to events, of the whole log, and the pieces that could not be decoded.
pub(super) fn of_lines(
    view: &View,
    leaf: u64,
    recorded: &Recorded,
) -> Result<(Vec<Equation>, u64), ReportError> {
    let whole = view.whole();
    let made = Made::below(&whole, leaf)?;
    let issued = Question { all: true, at: Some(leaf), ..Question::everything() };
    let issued = selected(&whole, &issued)?.matched;
    let equations = vec![
        Equation::new(
            "lines of servers in the ledger, by the headers of its batches",
            recorded.lines,
            [
                ("decoded", made.decoded),
                ("not decodable", made.undecodable),
                ("removed by retention", recorded.removed),
            ],
        ),
        Equation::new(
            "decoded lines",
            made.decoded,
            [
                ("of requests with their responses", 2 * made.pairs),
                ("of requests alone", made.requests),
                ("of responses alone", made.responses),
            ],
        ),
        Equation::new(
            "requests that these lines tell of",
            made.events(),
            [("issued as events", issued), ("without a response so far", made.waiting)],
        ),
    ];
    Ok((equations, made.pieces))
}

/// Returns the equations from events to those that the report counts. `counted` are those, `left_out` the others by word,
/// `filter` is what the report asks for beside its scope.
pub(super) fn of_events(
    view: &View,
    scope: &Scope<'_>,
    filter: &Filter,
    counted: u64,
    left_out: &[(&str, u64)],
) -> Result<Vec<Equation>, ReportError> {
    let (from, to) = (scope.period.from, scope.period.to);
    let count = |filter: &Filter, from, to| -> Result<u64, ReportError> {
        let question = Question { filter: filter.clone(), from, to, all: true, at: scope.at };
        Ok(selected(view, &question)?.matched)
    };
    let everything = Filter::everything();
    let mut equations = Vec::new();
    let in_period = count(&everything, from, to)?;
    if from.is_some() || to.is_some() {
        let before = match from {
            Some(from) => count(&everything, None, Some(from))?,
            None => 0,
        };
        let after = match to {
            Some(to) => count(&everything, Some(to), None)?,
            None => 0,
        };
        let timeless = scope.without_time(view, &everything)?;
        equations.push(Equation::new(
            if view.bounds().is_some() {
                "events within what the reader is bound to"
            } else {
                "events of the whole log"
            },
            count(&everything, None, None)?,
            [
                ("in the period", in_period),
                ("before it", before),
                ("after it", after),
                ("without a readable time", timeless),
            ],
        ));
    }
    let fit = count(filter, from, to)?;
    if !filter.is_everything() {
        let not = filter.negated();
        equations.push(Equation::new(
            "events in the period",
            in_period,
            [("that fit", fit), ("that do not", count(&not, from, to)?)],
        ));
    }
    let left_out = left_out.iter().map(|(word, number)| (format!("left out: {word}"), *number));
    equations.push(Equation {
        words: "events that fit".to_owned(),
        left: fit,
        right: std::iter::once(("reported".to_owned(), counted)).chain(left_out).collect(),
    });
    Ok(equations)
}
