//! From arguments to a question, and what is told beside its answer.

use jiff::Timestamp;
use query::filter::Filter;
use query::history::View;
use query::period::Period;
use query::question::{LeftOut, Question};

use crate::args::QuestionArgs;
use crate::failure::Failure;

impl QuestionArgs {
    /// Returns the question as a running keytrail is asked it.
    pub(crate) fn parameters(&self) -> [(&'static str, String); 6] {
        [
            ("q", self.filter.clone()),
            ("from", self.from.clone().unwrap_or_default()),
            ("to", self.to.clone().unwrap_or_default()),
            ("tz", self.tz.clone()),
            ("all", if self.all { "true".to_owned() } else { String::new() }),
            ("at", self.at.map(|at| at.to_string()).unwrap_or_default()),
        ]
    }

    /// Returns the question meant, and the period in words.
    pub(crate) fn question(&self) -> Result<(Question, Period), Failure> {
        let period = period(None, self.from.as_deref(), self.to.as_deref(), &self.tz)?;
        let question = Question {
            filter: filter(&self.filter)?,
            from: period.from,
            to: period.to,
            all: self.all,
            at: self.at,
        };
        Ok((question, period))
    }
}

/// Reads a filter; a mistake is shown at its place.
pub(crate) fn filter(text: &str) -> Result<Filter, Failure> {
    Filter::parse(text, Timestamp::now())
        .map_err(|error| Failure::Usage(format!("in the filter:\n{}", error.caret())))
}

/// Reads a period.
pub(crate) fn period(
    period: Option<&str>,
    from: Option<&str>,
    to: Option<&str>,
    tz: &str,
) -> Result<Period, Failure> {
    Period::new(period, from, to, Some(tz), Timestamp::now())
        .map_err(|error| Failure::Usage(error.to_string()))
}

/// Says on standard error what an answer covers and what it left out.
pub(crate) fn tell_coverage(matched: u64, shown: Option<u64>, left_out: &LeftOut, view: &View) {
    let left_out = left_out.0.iter().map(|(word, count)| (word.to_string(), *count));
    let horizon = view.retention().sentence();
    tell(&Told { matched, left_out: left_out.collect(), leaf: view.leaf(), horizon }, shown);
}

/// What an answer says of itself.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) matched: u64,
    pub(crate) left_out: Vec<(String, u64)>,
    pub(crate) leaf: u64,
    /// What retention has removed, in a sentence.
    pub(crate) horizon: Option<String>,
}

/// Says it on standard error. `shown`: how many events at most are in the answer.
pub(crate) fn tell(told: &Told, shown: Option<u64>) {
    let Told { matched, left_out, leaf, horizon } = told;
    let shown = match shown {
        Some(shown) if shown < *matched => format!(", the newest {shown} shown (--limit)"),
        _ => String::new(),
    };
    let left: Vec<String> = left_out
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let left = if left.is_empty() {
        "nothing left out".to_owned()
    } else {
        format!("left out: {} (--all adds them)", left.join(", "))
    };
    eprintln!("{matched} events match, exact{shown}; {left}; answered at leaf {leaf}");
    if let Some(horizon) = horizon {
        eprintln!("{horizon}");
    }
}
