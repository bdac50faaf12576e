//! How a decision is shown: icon, word and colour, and always with its reason.

use ingest::event::{Decision, Outcome, Reason};

/// A decision and what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Names the icon and the colour.
    pub(crate) class: &'static str,
    /// `allowed`, `denied`, `unknown`.
    pub(crate) decision: &'static str,
    /// Why; and what came of it, where the decision alone does not tell.
    pub(crate) because: String,
}

impl Verdict {
    /// Puts the three words of an event together.
    pub(crate) fn new(decision: Decision, reason: Reason, outcome: Outcome) -> Verdict {
        let reason = words(reason.as_str());
        let because = match (decision, outcome) {
            (Decision::Allowed, outcome) => format!("{reason}, {}", words(outcome.as_str())),
            // Refused and throttled are what denied means; unknown says itself.
            (Decision::Denied | Decision::Unknown, _) => reason,
        };
        Verdict { class: decision.as_str(), decision: decision.as_str(), because }
    }

    /// Puts together words that were read from the index, where they stand as text.
    pub(crate) fn of_words(decision: &str, reason: &str, outcome: &str) -> Verdict {
        Verdict::new(
            decision.parse().unwrap_or(Decision::Unknown),
            reason.parse().unwrap_or(Reason::NotRecorded),
            outcome.parse().unwrap_or(Outcome::Unknown),
        )
    }
}

/// Returns a word of ours as people write it: `not_found` is "not found".
pub(crate) fn words(word: &str) -> String {
    word.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_never_stands_without_its_reason() {
        for &decision in Decision::ALL {
            for &reason in Reason::ALL {
                for &outcome in Outcome::ALL {
                    let verdict = Verdict::new(decision, reason, outcome);
                    assert!(verdict.because.starts_with(&words(reason.as_str())), "{verdict:?}");
                }
            }
        }
        let verdict = Verdict::new(Decision::Allowed, Reason::Policy, Outcome::NotFound);
        assert_eq!(verdict.because, "policy, not found");
        let verdict = Verdict::new(Decision::Denied, Reason::NotRecorded, Outcome::Refused);
        assert_eq!(verdict.because, "not recorded");
    }
}
