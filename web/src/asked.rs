//! What is asked in an address: a filter and a stretch of time, as typed and as meant.

use jiff::Timestamp;
use query::filter::{Filter, FilterError};
use query::period::{Period, PeriodError};
use query::question::Question;
use serde::Deserialize;

use crate::link;

/// The parameters of the explorer and its exports.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    pub(crate) q: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) all: String,
    /// The leaf as of which it is answered.
    pub(crate) at: String,
    /// The zone in which dates are meant.
    pub(crate) tz: String,
    pub(crate) page: String,
}

/// Why it cannot be understood.
#[derive(Debug)]
pub(crate) enum NotUnderstood {
    Filter(FilterError),
    Time(PeriodError),
    Leaf(String),
}

impl Asked {
    /// Returns what is meant.
    pub(crate) fn question(&self) -> Result<Question, NotUnderstood> {
        let now = Timestamp::now();
        let filter = Filter::parse(&self.q, now).map_err(NotUnderstood::Filter)?;
        let period = Period::new(None, given(&self.from), given(&self.to), given(&self.tz), now)
            .map_err(NotUnderstood::Time)?;
        Ok(Question {
            filter,
            from: period.from,
            to: period.to,
            all: !self.all.is_empty(),
            at: given(&self.at)
                .map(|at| at.parse().map_err(|_| NotUnderstood::Leaf(at.to_owned())))
                .transpose()?,
        })
    }

    /// Returns the same for links, without the page.
    pub(crate) fn link(&self) -> link::Question {
        link::Question {
            q: self.q.trim().to_owned(),
            from: self.from.trim().to_owned(),
            to: self.to.trim().to_owned(),
            all: !self.all.is_empty(),
            at: self.at.trim().to_owned(),
        }
    }
}

/// Returns what was typed, if anything was.
pub(crate) fn given(typed: &str) -> Option<&str> {
    Some(typed.trim()).filter(|typed| !typed.is_empty())
}

impl std::fmt::Display for NotUnderstood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotUnderstood::Filter(error) => f.write_str(&error.caret()),
            NotUnderstood::Time(error) => error.fmt(f),
            NotUnderstood::Leaf(at) => {
                write!(f, "{at:?} is no leaf: at= takes the number of one, as a frozen link has it")
            }
        }
    }
}
