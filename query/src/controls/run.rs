//! One run of one control: the trail as it is asked, and the control's parameters with their values.

use std::net::IpAddr;

use jiff::Timestamp;

use super::control::Control;
use super::load::fill;
use super::param::{ParamUsed, Value};
use crate::coverage::Coverage;
use crate::error::QueryError;
use crate::filter::Filter;
use crate::history::View;
use crate::period::{rfc3339, seconds};
use crate::question::Question;
use crate::registers::Registers;
use crate::trail::Trail;

/// A stretch of time in nanoseconds since 1970: [from, to).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) to: i64,
}

/// What a control's rules are run with.
pub(super) struct Run<'a> {
    pub(super) trail: &'a Trail,
    pub(super) view: &'a View,
    pub(super) registers: &'a Registers,
    pub(super) coverage: &'a Coverage,
    pub(super) control: &'a Control,
    pub(super) params: &'a [ParamUsed],
    /// The period, cut where the log ends: nothing is known of what comes after.
    pub(super) span: Span,
    /// When the first event of the whole log was.
    pub(super) log_from: i64,
    /// The nanosecond after its last.
    pub(super) log_to: i64,
    pub(super) at: Option<u64>,
    pub(super) now: Timestamp,
}

impl Run<'_> {
    /// Returns the question for a filter's events within a stretch of time.
    pub(super) fn question(&self, filter: &Filter, span: Span) -> Question {
        Question {
            filter: filter.clone(),
            from: Some(span.from),
            to: Some(span.to),
            all: false,
            at: self.at,
        }
    }

    /// Reads a query of the catalogue with the values of this run.
    pub(super) fn filter(&self, query: &str) -> Filter {
        let query = self.filled(query);
        // Values of parameters are numbers and lengths of time, so what was read with others is read with these.
        Filter::parse(&query, self.now)
            .expect("the catalogue's queries were read when it was loaded")
    }

    /// Returns a length of time in nanoseconds.
    pub(super) fn length(&self, text: &str) -> i64 {
        let seconds = seconds(&self.filled(text)).expect("lengths were read when they were loaded");
        seconds.saturating_mul(1_000_000_000)
    }

    pub(super) fn number(&self, value: &Value) -> u64 {
        self.filled(&value.text()).parse().expect("numbers were read when they were loaded")
    }

    /// Returns a parameter that a rule of the engine asks for by its name: seconds, things or hundredths.
    pub(super) fn param(&self, name: &'static str) -> i64 {
        let found = self.params.iter().find(|param| param.name == name);
        found.expect("a rule's parameters were looked for when it was loaded").number
    }

    /// Returns the same as a length of time in nanoseconds.
    pub(super) fn param_ns(&self, name: &'static str) -> i64 {
        self.param(name).saturating_mul(1_000_000_000)
    }

    fn filled(&self, text: &str) -> String {
        let value = |name: &str| {
            let param = self.params.iter().find(|param| param.name == name);
            param.map(|param| param.value.clone())
        };
        fill(text, value).expect("parameters were looked up when the catalogue was loaded")
    }

    /// Returns the name of the range that an address belongs to; of those whose machines share addresses only, if asked.
    pub(super) fn range_of(&self, address: &str, is_nat: bool) -> Option<String> {
        let address: IpAddr = address.parse().ok()?;
        let ranges = &self.registers.address_ranges.rows;
        ranges
            .iter()
            .filter(|range| range.is_nat || !is_nat)
            .find(|range| range.has(address))
            .map(|range| range.name.clone())
    }

    /// Says that hashes before and after a new salt do not compare, if there was one within a stretch of time.
    pub(super) fn salts_within(&self, span: Span) -> Result<Option<String>, QueryError> {
        let probes = self.view.new_salts()?;
        let mut within = probes.into_iter().filter(|at| span.from < *at && *at < span.to);
        Ok(within.next().map(|first| {
            let more = within.count();
            let more = if more > 0 { format!(" and {more} times more") } else { String::new() };
            format!("an audit device was enabled anew at {}{more}: hashes of before and after do not compare", rfc3339(first))
        }))
    }
}
