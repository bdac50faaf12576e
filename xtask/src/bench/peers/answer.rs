//! What was asked, what came back, and whether two answers are the same.
//!
//! Rows are brought into one form, whoever gave them, and sorted, so that "the same" is of every row and number, not
//! of how many there are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::super::median;
use crate::measure::Cost;

/// What every peer is asked, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Question {
    /// How often each identity reached each path, by decision: rows of entity, path, decision, count.
    Reached,
    /// How many requests were denied: one row, the number.
    Denied,
    /// The newest 50 requests of one identity: rows of request ids.
    Newest,
    /// One request by its id: one row of id and path.
    Request,
}

pub(super) const QUESTIONS: [Question; 4] =
    [Question::Reached, Question::Denied, Question::Newest, Question::Request];

impl Question {
    pub(super) fn name(self) -> &'static str {
        match self {
            Question::Reached => "who reached what",
            Question::Denied => "denied",
            Question::Newest => "newest 50 of an identity",
            Question::Request => "by request id",
        }
    }
}

/// How many the newest are.
pub(super) const NEWEST: usize = 50;

/// Whom and what the questions are about.
pub(super) struct Subject {
    /// An identity's entity id, of middling traffic.
    pub(super) entity: String,
    /// The id of a request of it.
    pub(super) request: String,
}

/// What came of a question.
pub(super) enum Answer {
    /// Rows in the form that [`Question`] says, sorted.
    Rows { cost: Cost, rows: Vec<String> },
    /// The nearest that could be asked: which, and what it leaves open.
    Another { cost: Cost, what: String },
    /// It cannot be asked: why.
    Nothing(&'static str),
}

impl Answer {
    /// Makes an answer of rows in any order.
    pub(super) fn rows((cost, mut rows): (Cost, Vec<String>)) -> Answer {
        rows.sort_unstable();
        Answer::Rows { cost, rows }
    }

    pub(super) fn cost(&self) -> Option<Cost> {
        match self {
            Answer::Rows { cost, .. } | Answer::Another { cost, .. } => Some(*cost),
            Answer::Nothing(_) => None,
        }
    }

    /// Says what came back, held against what keytrail answered; an error in the text's stead where both are rows
    /// and differ.
    pub(super) fn against(&self, keytrail: &Answer) -> Result<String, String> {
        match (self, keytrail) {
            (Answer::Rows { rows, .. }, Answer::Rows { rows: expected, .. }) => {
                if rows == expected {
                    return Ok(match rows.len() {
                        1 => "the same row".to_owned(),
                        count => format!("the same {count} rows"),
                    });
                }
                let other = rows.iter().find(|row| expected.binary_search(row).is_err());
                Err(format!(
                    "{} rows, keytrail {}; not in keytrail's: {}",
                    rows.len(),
                    expected.len(),
                    other.map_or("none", String::as_str).replace('\t', " ")
                ))
            }
            (Answer::Another { what, .. }, _) => Ok(format!("another question: {what}")),
            (Answer::Nothing(why), _) => Ok(format!("not asked: {why}")),
            (Answer::Rows { .. }, _) => Err("keytrail gave no rows".to_owned()),
        }
    }
}

/// Brings groups of entity, path, error and count into rows of entity, path, decision, count.
///
/// In a generated log every request that ends in an error was refused; keytrail's own decisions come of more than that.
pub(super) fn reached(
    groups: impl IntoIterator<Item = (String, String, String, u64)>,
) -> Vec<String> {
    let mut counts: BTreeMap<(String, String, &str), u64> = BTreeMap::new();
    for (entity, path, error, count) in groups {
        let decision = if error.is_empty() { "allowed" } else { "denied" };
        *counts.entry((entity, path, decision)).or_default() += count;
    }
    let row = |((entity, path, decision), count)| format!("{entity}\t{path}\t{decision}\t{count}");
    counts.into_iter().map(row).collect()
}

/// Returns id and path of the request of each line of an audit log, once, in the order of the lines.
pub(super) fn requests(lines: &str) -> Result<Vec<(String, String)>> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).context("a line of the answer is no JSON")?;
        let word = |name: &str| line["request"][name].as_str().unwrap_or_default().to_owned();
        let found = (word("id"), word("path"));
        if all.last() != Some(&found) {
            all.push(found);
        }
    }
    Ok(all)
}

/// Asks each question over and over, the first time of each not counted.
pub(super) fn each<T>(
    ask: impl Fn(Question) -> Result<(Cost, T)>,
    rows: impl Fn(Question, &T) -> Result<Vec<String>>,
) -> Result<[Answer; 4]> {
    let [reached, denied, newest, request] = QUESTIONS.map(|question| -> Result<Answer> {
        ask(question)?;
        let (cost, answer) = over_and_over(|| ask(question))?;
        Ok(Answer::rows((cost, rows(question, &answer)?)))
    });
    Ok([reached?, denied?, newest?, request?])
}

/// How often a question is asked at most, and for how long.
const ROUNDS: usize = 5;
const ROUNDS_CLOCK: Duration = Duration::from_secs(3);

/// Asks over and over; returns the median of each figure and the last answer.
pub(super) fn over_and_over<T>(mut ask: impl FnMut() -> Result<(Cost, T)>) -> Result<(Cost, T)> {
    let start = Instant::now();
    let mut costs = Vec::new();
    loop {
        let (cost, answer) = ask()?;
        costs.push(cost);
        if costs.len() == ROUNDS || start.elapsed() > ROUNDS_CLOCK {
            let cost = Cost {
                elapsed_s: median(&costs, |cost| cost.elapsed_s),
                cpu_s: median(&costs, |cost| cost.cpu_s),
                memory_bytes: costs.iter().map(|cost| cost.memory_bytes).max().unwrap_or(0),
            };
            return Ok((cost, answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Cost = Cost { elapsed_s: 1.0, cpu_s: 1.0, memory_bytes: 1 };

    #[test]
    fn errors_of_one_group_are_one_decision() {
        let of = |error: &str, count| ("e".to_owned(), "p".to_owned(), error.to_owned(), count);
        assert_eq!(
            reached([of("", 3), of("permission denied", 2), of("invalid credentials", 1)]),
            ["e\tp\tallowed\t3", "e\tp\tdenied\t3"]
        );
    }

    #[test]
    fn the_two_lines_of_a_request_are_one() {
        let line = |id: &str| format!("{{\"request\":{{\"id\":\"{id}\",\"path\":\"p\"}}}}\n");
        let lines = [line("a"), line("a"), line("b")].concat();
        let one = |id: &str| (id.to_owned(), "p".to_owned());
        assert_eq!(requests(&lines).expect("JSON"), [one("a"), one("b")]);
    }

    #[test]
    fn answers_are_the_same_row_by_row() {
        let rows =
            |rows: &[&str]| Answer::rows((COST, rows.iter().map(|&row| row.to_owned()).collect()));
        let keytrail = rows(&["a\t1", "b\t2"]);
        assert_eq!(rows(&["b\t2", "a\t1"]).against(&keytrail), Ok("the same 2 rows".to_owned()));
        assert_eq!(
            rows(&["a\t1", "b\t3"]).against(&keytrail),
            Err("2 rows, keytrail 2; not in keytrail's: b 3".to_owned())
        );
        assert_eq!(
            Answer::Nothing("it searches").against(&keytrail),
            Ok("not asked: it searches".to_owned())
        );
    }
}
