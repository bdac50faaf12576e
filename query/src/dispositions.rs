//! What reviewers decided about exceptions: own lines of the ledger, read in their order.
//!
//! ```text
//!             ╭──▶ in_review ──╮
//!   open ─────┤                ├──▶ expected, false_positive, accepted_risk, remediated, incident
//!     ▲       ╰────────────────╯        │
//!     ╰──── reopened, expired, new events
//! ```
//! keytrail's own finding is never changed by it. A decision covers the events that were before the reviewer: what the
//! same subject does later opens the exception again. A grave one counts once a second person has decided the same.

use std::collections::HashMap;

use ingest::own::{Fact, OwnLine};
use jiff::Timestamp;
use serde::Serialize;

use crate::controls::{Evaluation, Exception, Severity};
use crate::error::QueryError;
use crate::own_trail::each_own_line;
use crate::trail::Trail;

/// What a reviewer decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Review {
    /// The leaf of the line that says so.
    pub leaf: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What.
    pub state: State,
    /// Why, in his words.
    pub reason: String,
    /// Where it is followed up.
    pub ticket: Option<String>,
    /// Until when it holds.
    pub expires: Option<Timestamp>,
    /// The events that were before him: the first's and the last's time, in nanoseconds since 1970.
    pub seen: (i64, i64),
    /// How many they were.
    pub events: u64,
}

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident $word:literal,)+) => {
        /// What a reviewer says of an exception.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        pub enum State { $($(#[$doc])* #[serde(rename = $word)] $name,)+ }

        impl State {
            /// Every state.
            pub const ALL: &[State] = &[$(State::$name,)+];

            /// Returns the word.
            pub fn as_str(self) -> &'static str {
                match self { $(State::$name => $word,)+ }
            }

            /// Reads the word.
            pub fn parse(word: &str) -> Option<State> {
                match word { $($word => Some(State::$name),)+ _ => None }
            }
        }
    };
}

states! {
    /// Somebody looks into it.
    InReview "in_review",
    /// It was meant to be.
    Expected "expected",
    /// It is none.
    FalsePositive "false_positive",
    /// Somebody takes the risk, for a time.
    AcceptedRisk "accepted_risk",
    /// It was mended.
    Remediated "remediated",
    /// It is followed as an incident.
    Incident "incident",
    /// What was decided holds no more.
    Reopened "reopened",
}

impl State {
    /// Tells whether nothing more is to be decided.
    pub fn is_final(self) -> bool {
        !matches!(self, State::InReview | State::Reopened)
    }
}

/// What is to be known of an exception to say how it stands.
#[derive(Clone, Copy, Debug)]
pub struct Excepted<'a> {
    /// Its hash.
    pub hash: &'a str,
    /// The times of its first and last event, in nanoseconds since 1970.
    pub seen: Option<(i64, i64)>,
    /// How many events it has.
    pub events: u64,
    /// Whether it takes two to decide.
    pub is_grave: bool,
}

impl<'a> Excepted<'a> {
    /// Returns what is to be known of an exception.
    pub fn of(exception: &'a Exception) -> Excepted<'a> {
        Excepted {
            hash: &exception.hash,
            seen: exception.first.zip(exception.last),
            events: exception.count,
            is_grave: exception.severity >= Severity::High,
        }
    }
}

/// How an exception stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Nobody has decided, or what was decided holds no more: why.
    Open(Option<&'static str>),
    /// Somebody looks into it.
    InReview(&'a Review),
    /// One has decided, and a second one is needed.
    Awaiting(&'a Review),
    /// Decided; and who confirmed it, if it takes two.
    Decided(&'a Review, Option<&'a Review>),
}

impl Standing<'_> {
    /// Tells whether nothing more is to be decided.
    pub fn is_decided(&self) -> bool {
        matches!(self, Standing::Decided(..))
    }
}

/// Why a review is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The reason says nothing.
    #[error("say why, in at least {REASON_CHARS_MIN} characters")]
    Reason,
    /// Too long.
    #[error("the reason has more than {REASON_CHARS_MAX} characters")]
    Long,
    /// A risk is taken for a time.
    #[error("an accepted risk ends: say when, at most {RISK_DAYS_MAX} days from now")]
    Expires,
    /// Nobody reviews himself.
    #[error("{0} is the subject of the exception, and cannot review it")]
    Subject(String),
    /// Nothing is there to reopen.
    #[error("nothing was decided that could be opened again")]
    NothingDecided,
}

/// The least and the most that a reason may say.
pub const REASON_CHARS_MIN: usize = 15;
/// See there.
pub const REASON_CHARS_MAX: usize = 4_000;
/// So long may a risk be accepted, in days.
pub const RISK_DAYS_MAX: i64 = 180;

/// Everything that reviewers decided, as far as the ledger was read.
#[derive(Clone, Debug, Default)]
pub struct Dispositions {
    by_exception: HashMap<String, Vec<Review>>,
    /// The leaves below this one were read.
    read: u64,
}

impl Dispositions {
    /// Reads what came since.
    ///
    /// # Errors
    /// The ledger cannot be read; the turn is over.
    pub fn read_on(&mut self, trail: &Trail) -> Result<(), QueryError> {
        self.read = each_own_line(trail, self.read, &mut |leaf, line| self.take(leaf, line))?;
        Ok(())
    }

    /// Reads what had been decided when the ledger had so many leaves.
    ///
    /// # Errors
    /// The ledger cannot be read; the turn is over.
    pub fn below(trail: &Trail, leaf: u64) -> Result<Dispositions, QueryError> {
        let mut known = Dispositions { read: leaf, ..Dispositions::default() };
        each_own_line(trail, 0, &mut |at, line| {
            if at < leaf {
                known.take(at, line);
            }
        })?;
        Ok(known)
    }

    /// Takes a line, if it is one that says what a reviewer decided.
    pub fn take(&mut self, leaf: u64, line: OwnLine) {
        let Fact::ExceptionReviewed {
            by,
            exception,
            from_unix_ns,
            to_unix_ns,
            events,
            state,
            reason,
            ticket,
            expires,
            ..
        } = line.fact
        else {
            return;
        };
        let Some(state) = State::parse(&state) else { return };
        let (at, seen) = (line.time, (from_unix_ns, to_unix_ns));
        let review = Review { leaf, at, by, state, reason, ticket, expires, seen, events };
        self.by_exception.entry(exception).or_default().push(review);
    }

    /// Returns what was decided about an exception, the oldest first.
    pub fn of(&self, hash: &str) -> &[Review] {
        self.by_exception.get(hash).map_or(&[], Vec::as_slice)
    }

    /// Says how an exception stands.
    pub fn standing(&self, excepted: Excepted<'_>, now: Timestamp) -> Standing<'_> {
        let reviews = self.of(excepted.hash);
        let Some(last) = reviews.last() else { return Standing::Open(None) };
        let covers = |review: &Review| {
            // More events within the same time came later all the same.
            excepted.events <= review.events
                && excepted
                    .seen
                    .is_none_or(|(first, last)| review.seen.0 <= first && last <= review.seen.1)
        };
        if !covers(last) {
            return Standing::Open(Some("there are events that no reviewer has seen"));
        }
        match last.state {
            State::Reopened => return Standing::Open(Some("it was opened again")),
            State::InReview => return Standing::InReview(last),
            _ if last.expires.is_some_and(|expires| expires <= now) => {
                return Standing::Open(Some("what was decided has expired"));
            }
            _ => {}
        }
        if !excepted.is_grave {
            return Standing::Decided(last, None);
        }
        // A second one decides the same of the same events, with nothing else said in between.
        let same = reviews.iter().rev().take_while(|review| review.state == last.state);
        let holds = |review: &Review| review.expires.is_none_or(|expires| now < expires);
        let mut same = same.filter(|review| covers(review) && holds(review));
        let other = same.find(|review| review.by != last.by);
        other.map_or(Standing::Awaiting(last), |other| Standing::Decided(other, Some(last)))
    }

    /// Says of each finding how many of its exceptions are decided.
    pub fn settle(&self, evaluation: &mut Evaluation, now: Timestamp) {
        for finding in &mut evaluation.findings {
            finding.settle(|exception| self.standing(Excepted::of(exception), now).is_decided());
        }
    }

    /// Tells whether a review may be written down: of a subject with these names, by `by`.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(
        &self,
        hash: &str,
        review: &Review,
        subject: &[&str],
        now: Timestamp,
    ) -> Result<(), Refused> {
        let length = review.reason.trim().chars().count();
        let name = review.by.split_once(':').map_or(&*review.by, |(_, name)| name);
        let latest = now.saturating_add(jiff::SignedDuration::from_hours(24 * RISK_DAYS_MAX));
        let ends_in_time =
            || review.expires.zip(latest.ok()).is_some_and(|(at, latest)| now < at && at <= latest);
        if length < REASON_CHARS_MIN {
            Err(Refused::Reason)
        } else if length > REASON_CHARS_MAX {
            Err(Refused::Long)
        } else if subject.iter().any(|subject| subject.eq_ignore_ascii_case(name)) {
            Err(Refused::Subject(name.to_owned()))
        } else if review.state == State::AcceptedRisk && !ends_in_time() {
            Err(Refused::Expires)
        } else if review.state == State::Reopened && self.of(hash).is_empty() {
            Err(Refused::NothingDecided)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-29T12:00:00Z".parse().expect("a time")
    }

    fn review(by: &str, state: State, seen: (i64, i64)) -> Review {
        Review {
            leaf: 0,
            at: now(),
            by: by.to_owned(),
            state,
            reason: "a change of the night before".to_owned(),
            ticket: None,
            expires: None,
            seen,
            events: 1,
        }
    }

    fn decided(reviews: &[Review]) -> Dispositions {
        let by_exception = HashMap::from([("e".to_owned(), reviews.to_vec())]);
        Dispositions { by_exception, read: 0 }
    }

    fn is_decided(reviews: &[Review], seen: (i64, i64), is_grave: bool) -> bool {
        let excepted = Excepted { hash: "e", seen: Some(seen), events: 1, is_grave };
        decided(reviews).standing(excepted, now()).is_decided()
    }

    #[test]
    fn a_decision_covers_what_was_before_the_reviewer() {
        let one = [review("user:ann", State::Expected, (10, 20))];
        assert!(is_decided(&one, (10, 20), false) && is_decided(&one, (12, 15), false));
        assert!(!is_decided(&one, (10, 21), false) && !is_decided(&one, (9, 20), false));
        assert!(!is_decided(&[], (10, 20), false));
        // One that has no times, as of counts that do not tie, is told by how many they are.
        let stands = |events| {
            let excepted = Excepted { hash: "e", seen: None, events, is_grave: false };
            decided(&one).standing(excepted, now()).is_decided()
        };
        assert!(stands(1) && !stands(2));
    }

    #[test]
    fn a_grave_one_takes_two_who_say_the_same() {
        let [ann, bob] = ["user:ann", "user:bob"].map(|by| review(by, State::Expected, (10, 20)));
        assert!(!is_decided(&[ann.clone(), ann.clone()], (10, 20), true));
        assert!(is_decided(&[ann.clone(), bob.clone()], (10, 20), true));
        let other = review("user:bob", State::Incident, (10, 20));
        assert!(!is_decided(&[ann.clone(), other], (10, 20), true));
        let again = review("user:bob", State::Reopened, (10, 20));
        assert!(!is_decided(&[ann.clone(), again, bob.clone()], (10, 20), true));
        // What one of them said once, and no longer does, is no second voice.
        let over =
            Review { expires: Some(now()), ..review("user:ann", State::AcceptedRisk, (10, 20)) };
        let anew = Review {
            expires: Some(Timestamp::MAX),
            ..review("user:bob", State::AcceptedRisk, (10, 20))
        };
        assert!(!is_decided(&[over, anew], (10, 20), true));
        let narrow = review("user:ann", State::Expected, (10, 15));
        assert!(!is_decided(&[narrow, bob], (10, 20), true), "ann has not seen all of it");
    }

    #[test]
    fn what_expires_or_is_opened_again_is_open() {
        let soon =
            Review { expires: Some(now()), ..review("user:ann", State::AcceptedRisk, (10, 20)) };
        assert!(!is_decided(&[soon], (10, 20), false));
        let one = review("user:ann", State::Expected, (10, 20));
        let again = review("user:ann", State::Reopened, (10, 20));
        assert!(!is_decided(&[one, again], (10, 20), false));
    }

    #[test]
    fn what_may_not_be_written_down() {
        let none = Dispositions::default();
        let fine = review("user:ann", State::Expected, (10, 20));
        assert_eq!(none.check("e", &fine, &["bob"], now()), Ok(()));
        assert_eq!(
            none.check("e", &fine, &["bob", "Ann"], now()),
            Err(Refused::Subject("ann".to_owned()))
        );
        let short = Review { reason: "   fine   ".to_owned(), ..fine.clone() };
        assert_eq!(none.check("e", &short, &[], now()), Err(Refused::Reason));
        let again = Review { state: State::Reopened, ..fine.clone() };
        assert_eq!(none.check("e", &again, &[], now()), Err(Refused::NothingDecided));
        assert_eq!(decided(&[fine]).check("e", &again, &[], now()), Ok(()));
        let day = jiff::SignedDuration::from_hours(24);
        for (days, wanted) in [(-1, false), (180, true), (181, false)] {
            let expires = now().checked_add(day * days).ok();
            let risk = Review { expires, ..review("user:ann", State::AcceptedRisk, (10, 20)) };
            assert_eq!(none.check("e", &risk, &[], now()).is_ok(), wanted, "{days}");
        }
    }
}
