//! What the controls of a framework found, requirement by requirement, and what reviewers say of each exception: as of a
//! leaf, so the same whenever it is asked.
//!
//! keytrail's finding, a reviewer's decision and an auditor's conclusion are three things. The first two are here.

use serde::Serialize;

use crate::as_of::AsOf;
use crate::controls::{Asking, Evaluation, EvaluationError, Finding, Given, Verdict, evaluate};
use crate::dispositions::{Dispositions, Excepted, Review, Standing};
use crate::period::Period;
use crate::registers::Registers;
use crate::report::catalogue::{Catalogue, Fit, Framework};

/// The answers of a framework's controls.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Assessment {
    /// The framework's short name.
    pub framework: String,
    /// Its name and edition.
    pub framework_name: String,
    /// What each of its controls found, in the catalogue's order.
    pub evaluation: Evaluation,
    /// What that says of each of its requirements.
    pub requirements: Vec<RequirementAnswer>,
    /// How each exception stands, in the order of the findings.
    pub exceptions: Vec<ExceptionStanding>,
}

/// What controls say of a requirement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequirementAnswer {
    /// Its number in the standard.
    pub id: String,
    /// What it is about, in our own words.
    pub words: String,
    /// How much its controls show of it.
    pub fit: Fit,
    /// What they do not show.
    pub limits: String,
    /// The number was compared with the standard's text.
    pub checked: bool,
    /// Each control and its verdict.
    pub controls: Vec<(String, String)>,
    /// The gravest of them.
    pub verdict: String,
}

/// How an exception stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExceptionStanding {
    /// The control.
    pub control: String,
    /// The exception's hash.
    pub exception: String,
    /// `open`, `in_review`, `awaiting_second`, or what was decided.
    pub standing: &'static str,
    /// Nobody has to decide any more.
    pub is_decided: bool,
    /// Why what was decided does not hold.
    pub why: Option<&'static str>,
    /// Who decided, or looks into it.
    pub by: Option<String>,
    /// Who confirmed it, where it takes two.
    pub second: Option<String>,
    /// All that was ever said of it, the oldest first.
    pub reviews: Vec<Review>,
}

impl Assessment {
    /// Evaluates a framework's controls over a period, by the registers given. `None` if the catalogue has no such
    /// framework.
    ///
    /// # Errors
    /// As [`evaluate`].
    pub fn of(
        as_of: &AsOf,
        catalogue: &Catalogue,
        registers: &Registers,
        framework: &str,
        period: &Period,
    ) -> Result<Option<Assessment>, EvaluationError> {
        let Some(framework) = catalogue.frameworks.iter().find(|known| known.id == framework)
        else {
            return Ok(None);
        };
        let only = catalogue.controls_for(&framework.id).unwrap_or_default();
        let now = as_of.time()?;
        let (at, params) = (Some(as_of.at()), Given::default());
        let asking = Asking { catalogue, registers, period, at, params: &params, only: &only, now };
        let mut evaluation = evaluate(as_of.trail(), &asking)?;
        let mut dispositions = Dispositions::default();
        dispositions.read_on(as_of.trail())?;
        dispositions.settle(&mut evaluation, now);
        let exceptions = evaluation.findings.iter().flat_map(|finding| {
            finding.exceptions.iter().map(|exception| {
                let standing = dispositions.standing(Excepted::of(exception), now);
                ExceptionStanding::of(
                    finding,
                    &exception.hash,
                    standing,
                    dispositions.of(&exception.hash),
                )
            })
        });
        Ok(Some(Assessment {
            framework: framework.id.clone(),
            framework_name: format!("{}, {}", framework.name, framework.version),
            requirements: requirements(framework, &evaluation.findings),
            exceptions: exceptions.collect(),
            evaluation,
        }))
    }
}

impl ExceptionStanding {
    fn of(
        finding: &Finding,
        hash: &str,
        standing: Standing<'_>,
        reviews: &[Review],
    ) -> ExceptionStanding {
        let (word, why, by, second) = match standing {
            Standing::Open(why) => ("open", why, None, None),
            Standing::InReview(review) => ("in_review", None, Some(&review.by), None),
            Standing::Awaiting(review) => ("awaiting_second", None, Some(&review.by), None),
            Standing::Decided(review, second) => {
                (review.state.as_str(), None, Some(&review.by), second.map(|second| &second.by))
            }
        };
        ExceptionStanding {
            control: finding.control.clone(),
            exception: hash.to_owned(),
            standing: word,
            is_decided: standing.is_decided(),
            why,
            by: by.cloned(),
            second: second.cloned(),
            reviews: reviews.to_vec(),
        }
    }
}

fn requirements(framework: &Framework, findings: &[Finding]) -> Vec<RequirementAnswer> {
    let answer = |requirement: &crate::report::catalogue::Requirement| {
        let found = |id: &String| findings.iter().find(|finding| finding.control == *id);
        let verdicts: Vec<(&String, &Verdict)> = requirement
            .controls
            .iter()
            .filter_map(|id| found(id).map(|finding| (id, &finding.verdict)))
            .collect();
        RequirementAnswer {
            id: requirement.id.clone(),
            words: requirement.words.clone(),
            fit: requirement.fit,
            limits: requirement.limits.clone(),
            checked: requirement.checked,
            verdict: gravest(verdicts.iter().map(|(_, verdict)| *verdict)),
            controls: verdicts
                .iter()
                .map(|(id, verdict)| ((*id).clone(), verdict.to_string()))
                .collect(),
        }
    };
    framework.requirements.iter().map(answer).collect()
}

/// Returns the verdict of several: exceptions that are open come before what is not known, and that before what was
/// disposed of, so that nothing looks better than its worst part.
fn gravest<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> String {
    let rank = |verdict: &Verdict| match verdict {
        Verdict::Exceptions { open, .. } if *open > 0 => 6,
        Verdict::NoData => 5,
        Verdict::NotRun { .. } => 4,
        Verdict::Weakened => 3,
        Verdict::Exceptions { .. } => 2,
        Verdict::NoExceptionsFound => 1,
        Verdict::NotApplicable { .. } => 0,
    };
    let (mut open, mut dispositioned) = (0, 0);
    let mut gravest: Option<&Verdict> = None;
    for verdict in verdicts {
        if let Verdict::Exceptions { open: more, dispositioned: disposed } = verdict {
            open += more;
            dispositioned += disposed;
        }
        if gravest.is_none_or(|known| rank(known) < rank(verdict)) {
            gravest = Some(verdict);
        }
    }
    match gravest {
        None => "no data".to_owned(),
        Some(Verdict::Exceptions { .. }) => Verdict::Exceptions { open, dispositioned }.to_string(),
        Some(verdict) => verdict.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_is_as_good_as_its_worst_control() {
        let exceptions = |open, dispositioned| Verdict::Exceptions { open, dispositioned };
        let of = |verdicts: &[Verdict]| gravest(verdicts.iter());
        assert_eq!(of(&[]), "no data");
        assert_eq!(of(&[Verdict::NoExceptionsFound]), "no exceptions found");
        assert_eq!(of(&[Verdict::NoExceptionsFound, Verdict::NoData]), "no data");
        assert_eq!(of(&[exceptions(0, 2), Verdict::NoData]), "no data");
        assert_eq!(of(&[exceptions(0, 2), Verdict::Weakened]), "weakened");
        let sum = "exceptions (1 open, 3 dispositioned)";
        assert_eq!(of(&[exceptions(0, 2), Verdict::NoData, exceptions(1, 1)]), sum);
        let not = Verdict::NotApplicable { reason: "none".to_owned(), by: "ann".to_owned() };
        assert_eq!(of(&[not.clone(), Verdict::NoExceptionsFound]), "no exceptions found");
        assert_eq!(of(&[not]), "not applicable (none, says ann)");
    }
}
