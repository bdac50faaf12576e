//! What the trail answers: rows, how many there are, and what is not among them.

use query::page::PageToken;
use query::question::Question;
use query::search::search_in;

use super::facets::{Facet, facets};
use super::over_time::{OverTime, over_time};
use crate::app::Seen;
use crate::error::PageError;
use crate::link;
use crate::row::Row;
use crate::text::{counted, grouped};
use crate::time::typed;

/// The answer.
pub(super) struct Answer {
    pub(super) total: String,
    pub(super) at: String,
    /// The same answer for ever: absolute times, and the leaf as of which it is answered.
    pub(super) frozen: String,
    pub(super) csv: String,
    pub(super) files: Vec<(&'static str, String)>,
    pub(super) chart: Option<OverTime>,
    pub(super) earlier: Option<String>,
    pub(super) later: Option<String>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) include: String,
    pub(super) rows: Vec<Row>,
    pub(super) empty: &'static str,
    pub(super) wider: Option<Wider>,
    pub(super) shown: String,
    pub(super) first: Option<String>,
    pub(super) next: Option<String>,
    pub(super) facets: Vec<Facet>,
}

/// How many the count leaves out, by word.
pub(super) struct LeftOut {
    pub(super) count: String,
    pub(super) word: &'static str,
    pub(super) href: Option<String>,
}

/// A question that has more to it.
pub(super) struct Wider {
    pub(super) text: &'static str,
    pub(super) href: String,
}

/// In which forms an answer can be taken along.
const FILES: [(&str, &str); 3] =
    [("JSON", "/explore.json"), ("XLSX", "/explore.xlsx"), ("Arrow", "/explore.arrow")];

/// Rows of a page.
const ROWS: usize = 100;

pub(super) fn answer(
    trail: &Seen,
    question: &Question,
    link: &link::Question,
    after: Option<&PageToken>,
) -> Result<Answer, PageError> {
    let view = trail.view();
    let page = search_in(&view, question, ROWS, after)?;
    // The next page belongs to this very question: "-24h" would be another by then.
    let fixed = link::Question {
        from: question.from.map(typed).unwrap_or_default(),
        to: question.to.map(typed).unwrap_or_default(),
        ..link.clone()
    };
    let left_out = page.left_out.0.iter().map(|(&word, &count)| LeftOut {
        count: grouped(count),
        word,
        href: fixed.with("is", word).map(|with| with.href("/explore")),
    });
    let frozen = link::Question { at: page.leaf.to_string(), ..fixed.clone() };
    let newest = page.items.first().and_then(|row| row.time_unix_ns);
    let chart = match after {
        None if page.matched > 0 => over_time(trail, &view, question, &fixed, newest)?,
        _ => None,
    };
    let beside = |sign: i64| {
        beside(question, sign).map(|(from, to)| {
            link::Question { from: typed(from), to: typed(to), ..fixed.clone() }.href("/explore")
        })
    };
    let (earlier, later) = (beside(-1), beside(1));
    let rows: Vec<Row> =
        page.items.into_iter().map(|row| Row::of(row, &fixed, trail.zone())).collect();
    let shown = match after {
        None => format!("The newest {} of {}", grouped(rows.len() as u64), grouped(page.matched)),
        Some(_) => {
            format!("{} of {}, older ones", grouped(rows.len() as u64), grouped(page.matched))
        }
    };
    Ok(Answer {
        total: counted(page.matched, "event", "events"),
        at: match view.retention().sentence() {
            None => format!("answered at leaf {}", grouped(page.leaf)),
            Some(horizon) => format!("answered at leaf {}; {horizon}", grouped(page.leaf)),
        },
        frozen: frozen.href("/explore"),
        // What is exported is what is shown, though more has come since.
        csv: frozen.href("/explore.csv"),
        files: FILES.map(|(name, page)| (name, frozen.href(page))).into(),
        chart,
        earlier,
        later,
        left_out: left_out.collect(),
        include: link::Question { all: true, ..link.clone() }.href("/explore"),
        empty: match page.matched {
            0 => "No event fits this question.",
            _ => "There are no older events.",
        },
        wider: wider(link),
        shown,
        first: after.map(|_| fixed.href("/explore")),
        next: page.next.map(|token| fixed.href_with("/explore", &[("page", &token.to_string())])),
        facets: facets(&view, question, link)?,
        rows,
    })
}

/// Returns the stretch of the same length before or after; nothing where an end is open.
fn beside(question: &Question, sign: i64) -> Option<(i64, i64)> {
    let (from, to) = (question.from?, question.to?);
    let by = to.checked_sub(from)?.checked_mul(sign)?;
    Some((from.checked_add(by)?, to.checked_add(by)?))
}

fn wider(link: &link::Question) -> Option<Wider> {
    let has_time = !(link.from.is_empty() && link.to.is_empty());
    let (text, q) = match (has_time, link.q.is_empty()) {
        (true, _) => ("Ask the same of all time", link.q.clone()),
        (false, false) => ("Show every event", String::new()),
        (false, true) => return None,
    };
    Some(Wider { text, href: link::Question { q, ..link::Question::default() }.href("/explore") })
}
