//! Controls: what the trail is asked for a framework's sake, and what is an exception. Data in (catalogue, registers,
//! period, parameters), data out ([`Evaluation`]).
//!
//! ```text
//! catalogue ──▶ control ──▶ rules ──▶ events off columns ──▶ exceptions ──▶ verdict
//!                             ▲
//! registers ──────────────────╯ what a rule needs, and what excuses an event
//! ```
//! A verdict says what was found, never that somebody complies. What a rule needs and has not makes the verdict
//! "no data", unless another rule of the control found something. Meaning: `docs/controls.md`.

use std::sync::Arc;

use jiff::Timestamp;

use crate::count::{Measures, measure_in};
use crate::coverage::Coverage;
use crate::error::QueryError;
use crate::filter::Filter;
use crate::history::View;
use crate::period::{Period, rfc3339, zone_name};
use crate::question::Question;
use crate::registers::Registers;
use crate::report::catalogue::Catalogue;
use crate::rows::Rows;
use crate::trail::Trail;

mod control;
mod draft;
mod each;
mod excuse;
mod field;
mod finding;
mod hits;
mod load;
mod param;
mod rules;
mod run;
mod table;
mod within;

pub use self::control::{Control, Disposition, Kind, Outside, Rule, Severity};
pub use self::draft::UIDS_MAX;
pub use self::field::Field;
pub use self::finding::{Evaluated, Evaluation, Exception, Finding, Verdict};
pub use self::load::CatalogueError;
pub use self::param::{Given, Param, ParamUsed};

pub(crate) use self::load::{built_in, override_by};

use self::run::{Run, Span};

/// What controls are asked.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// The controls.
    pub catalogue: &'a Catalogue,
    /// What the operator knows.
    pub registers: &'a Registers,
    /// Over what period.
    pub period: &'a Period,
    /// Only what was issued below this leaf.
    pub at: Option<u64>,
    /// Values of parameters that are not the catalogue's.
    pub params: &'a Given,
    /// Ids of the controls that are meant; none: all.
    pub only: &'a [String],
    /// When it is asked.
    pub now: Timestamp,
}

/// What there is to look at.
struct Log {
    /// From the first event of the whole log to its last.
    log: Span,
    /// The period, cut where the log ends.
    span: Span,
    coverage: Arc<Coverage>,
    /// What keeps every control from saying that nothing was found.
    missing: Vec<String>,
}

/// Evaluates controls over an opened data folder.
///
/// # Errors
/// The turn is over; a leaf that is not reached yet; an index or a ledger that cannot be read; a parameter that cannot be
/// read. What is too much for one control is its verdict "not run", and the others are answered.
pub fn evaluate(trail: &Trail, asking: &Asking<'_>) -> Result<Evaluation, EvaluationError> {
    let view = trail.view();
    let params = params(asking)?;
    let Period { from, to, .. } = *asking.period;
    let seen = Measures { seen: true, latency: false };
    let everything =
        |from, to, all| Question { filter: Filter::everything(), from, to, all, at: asking.at };
    let counted = measure_in(&view, &everything(from, to, false), &[], None, seen)?;
    // The log begins with the probe of its device, which no count has.
    let whole = measure_in(&view, &everything(None, None, true), &[], None, seen)?;
    let coverage = view.coverage(from, to, asking.now)?;
    let horizon = view.retention();
    let log = match (whole.measured.seen, counted.measured.seen) {
        (Some((log_from, log_last)), Some(_)) => {
            let until = horizon.until.and_then(|until| i64::try_from(until.as_nanosecond()).ok());
            let log = Span { from: log_from, to: log_last.saturating_add(1) };
            let span =
                Span { from: from.unwrap_or(log.from), to: to.map_or(log.to, |to| to.min(log.to)) };
            let is_cut = until.filter(|until| *until >= span.from);
            let missing = is_cut.map(|until| {
                format!(
                    "retention removed lines that arrived up to {}, within the period",
                    rfc3339(until)
                )
            });
            Some(Log {
                log,
                span,
                coverage: coverage.clone(),
                missing: missing.into_iter().collect(),
            })
        }
        _ => None,
    };
    let asked = |id: &String| asking.only.is_empty() || asking.only.contains(id);
    let mut findings = Vec::new();
    let controls = asking.catalogue.controls.iter().zip(&params);
    for (control, params) in controls.filter(|(control, _)| asked(&control.id)) {
        findings.push(finding(trail, &view, asking, log.as_ref(), control, params)?);
    }
    Ok(Evaluation {
        origin: trail.ledger().origin().to_owned(),
        cluster: trail.ledger().cluster().to_owned(),
        leaf: asking.at.unwrap_or(view.leaf()),
        period: asking.period.label.clone(),
        from,
        to,
        zone: zone_name(&asking.period.zone).to_owned(),
        first: counted.measured.seen.map(|(first, _)| first),
        last: counted.measured.seen.map(|(_, last)| last),
        events: counted.total,
        left_out: counted.left_out,
        coverage: coverage.sentence(),
        horizon: horizon.sentence(),
        catalogue: asking.catalogue.sha256(),
        registers: asking.registers.told(),
        findings,
    })
}

/// Why controls were not evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// A control that is asked for, or whose parameter is given, is not in the catalogue.
    #[error("there is no control {0}: `keytrail controls --list` names them")]
    NoControl(String),
    /// A parameter that the control has not, or a value that it cannot have.
    #[error("{control}: {problem}")]
    Param {
        /// The control.
        control: String,
        /// What is wrong, and what there is.
        problem: String,
    },
    /// The trail cannot be asked.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// Returns each control's parameters with the values of this run.
fn params(asking: &Asking<'_>) -> Result<Vec<Vec<ParamUsed>>, EvaluationError> {
    let controls = &asking.catalogue.controls;
    let known = |id: &str| controls.iter().find(|control| control.id == id);
    if let Some(id) = asking.only.iter().find(|id| known(id).is_none()) {
        return Err(EvaluationError::NoControl(id.clone()));
    }
    for (id, name) in asking.params.keys() {
        let control = known(id).ok_or_else(|| EvaluationError::NoControl(id.clone()))?;
        if !control.params.contains_key(name) {
            let names: Vec<&str> = control.params.keys().map(String::as_str).collect();
            let problem = match names.is_empty() {
                true => "it has no parameters".to_owned(),
                false => format!("it has no parameter {name:?}, only {}", names.join(", ")),
            };
            return Err(EvaluationError::Param { control: id.clone(), problem });
        }
    }
    let of = |control: &Control| {
        let used = control.params.iter().map(|(name, param)| {
            let given = asking.params.get(&(control.id.clone(), name.clone()));
            param.used(name, given.map(String::as_str)).map_err(|problem| EvaluationError::Param {
                control: control.id.clone(),
                problem: format!("{name}: {problem}"),
            })
        });
        used.collect()
    };
    controls.iter().map(of).collect()
}

/// Runs a control.
fn finding(
    trail: &Trail,
    view: &View,
    asking: &Asking<'_>,
    log: Option<&Log>,
    control: &Control,
    params: &[ParamUsed],
) -> Result<Finding, QueryError> {
    let mut finding = Finding {
        control: control.id.clone(),
        version: control.version,
        title: control.title.clone(),
        kind: control.kind,
        severity: control.severity,
        verdict: Verdict::NoData,
        exceptions: Vec::new(),
        evaluated: Evaluated::default(),
        params: params.to_vec(),
        missing: Vec::new(),
        notes: Vec::new(),
    };
    let mut statements = asking.registers.not_applicable.rows.iter();
    if let Some(statement) = statements.find(|statement| statement.control == control.id) {
        let (reason, by) = (statement.reason.clone(), statement.by.clone());
        finding.verdict = Verdict::NotApplicable { reason, by };
        return Ok(finding);
    }
    let Some(log) = log else {
        finding.missing.push("the log has no event of the period".to_owned());
        return Ok(finding);
    };
    let run = Run {
        trail,
        view,
        registers: asking.registers,
        coverage: &log.coverage,
        control,
        params,
        span: log.span,
        log_from: log.log.from,
        log_to: log.log.to,
        at: asking.at,
        now: asking.now,
    };
    finding.evaluated.from = Some(log.span.from);
    finding.evaluated.to = Some(log.span.to);
    finding.missing.extend(log.missing.iter().cloned());
    match rules_of(&run, &mut finding) {
        Ok(()) => {}
        Err(
            error @ (QueryError::TooMany { .. }
            | QueryError::Groups { .. }
            | QueryError::Memory { .. }),
        ) => {
            finding.exceptions.clear();
            finding.verdict = Verdict::NotRun { why: error.to_string() };
            return Ok(finding);
        }
        Err(error) => return Err(error),
    }
    let is_weakened = params.iter().any(|param| param.is_weakened);
    finding.verdict = match (finding.exceptions.len() as u64, finding.missing.is_empty()) {
        (0, true) if is_weakened => Verdict::Weakened,
        (0, true) => Verdict::NoExceptionsFound,
        (0, false) => Verdict::NoData,
        (open, _) => Verdict::Exceptions { open, dispositioned: 0 },
    };
    Ok(finding)
}

/// Runs a control's rules.
fn rules_of(run: &Run<'_>, finding: &mut Finding) -> Result<(), QueryError> {
    let mut rows = Rows::new(run.view);
    for rule in &run.control.rules {
        run.view.turn().check()?;
        let outcome = rules::run(run, rule)?;
        finding.evaluated.events.insert(rule.id.clone(), outcome.events);
        let of_rule = |text: String| format!("{}: {text}", rule.id);
        finding.missing.extend(outcome.missing.into_iter().map(of_rule));
        finding.notes.extend(outcome.notes.into_iter().map(of_rule));
        for draft in outcome.drafts {
            finding.exceptions.push(draft.told(
                run,
                rule,
                run.trail.ledger().cluster(),
                &mut rows,
            )?);
        }
        let exceptions = finding.exceptions.len();
        if exceptions > draft::EXCEPTIONS_MAX {
            let limit = draft::EXCEPTIONS_MAX;
            return Err(QueryError::TooMany { what: "exceptions to one control", limit });
        }
    }
    finding.exceptions.sort_by(|one, other| {
        let grave = other.severity.cmp(&one.severity);
        grave.then(one.first.cmp(&other.first)).then_with(|| one.key.cmp(&other.key))
    });
    Ok(())
}

#[cfg(test)]
mod tests;
