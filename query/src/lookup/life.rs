//! Was a lease or a token in force at an instant? What lines tell of its life, and what follows from that.
//!
//! The first rule that fits decides:
//!
//! | rule | state | known by |
//! |---|---|---|
//! | the server accepted it later than that | open | seen |
//! | a revocation of it stands in the log, before or at that instant | ended | seen |
//! | what it was made with had ended by then, and took it along | ended | as that |
//! | the end that was told or follows from its lifetime is not later, and came before that | ended | inferred |
//! | it had been used as often as it could be | ended | inferred |
//! | the server had refused it as unknown, and accepted it no more | ended | inferred |
//! | it was renewed, and no line tells for how long | unknown | |
//! | that end is later, and something may have ended it before | unknown | |
//! | that end is later | open | told, inferred |
//! | no line tells its lifetime | unknown | |
//!
//! That something ended by itself never stands in the log, so *ended* is seen or inferred and never told.

use std::fmt;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::period::rfc3339;

/// The end of what ends only by being revoked.
pub(super) const NEVER: i64 = i64::MAX;

/// Whether something that the server gave out was in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was.
    Open,
    /// It was not any more.
    Ended,
    /// The lines do not tell.
    Unknown,
}

/// How a state is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KnownBy {
    /// A request shows it.
    Seen,
    /// The server said in an answer when it was to end.
    Told,
    /// It follows from the lifetime given, or from what else lines show.
    Inferred,
}

/// Whether something was in force at an instant, and why that is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Standing {
    /// Whether it was.
    pub state: State,
    /// How that is known; absent if it is not.
    pub known_by: Option<KnownBy>,
    /// When it ended or was to end, in nanoseconds since 1970 (in JSON `ends`, RFC 3339), as far as that is known.
    #[serde(rename = "ends", serialize_with = "as_text")]
    #[schema(value_type = Option<String>, example = "2026-10-05T12:00:00Z")]
    pub ends_unix_ns: Option<i64>,
    /// In words.
    pub why: String,
    /// It ended, and what was made with it did not end with it.
    #[serde(skip)]
    pub(super) spares_children: bool,
}

impl Standing {
    pub(super) fn unknown(why: String) -> Standing {
        Standing {
            state: State::Unknown,
            known_by: None,
            ends_unix_ns: None,
            why,
            spares_children: false,
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known_by = self.known_by.map_or(String::new(), |by| format!(" ({})", by.as_str()));
        write!(f, "{}{known_by}: {}", self.state.as_str(), self.why)
    }
}

fn as_text<S: Serializer>(unix_ns: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    unix_ns.map(rfc3339).serialize(serializer)
}

impl State {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Ended => "ended",
            State::Unknown => "unknown",
        }
    }
}

impl KnownBy {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            KnownBy::Seen => "seen",
            KnownBy::Told => "told",
            KnownBy::Inferred => "inferred",
        }
    }
}

/// What lines tell of one life. All times are nanoseconds since 1970.
#[derive(Clone, Debug, Default)]
pub(super) struct Life {
    /// When the server accepted it, and how that shows: `used`, `renewed`.
    pub(super) accepted: Vec<(i64, &'static str)>,
    /// Ends that were told or follow from a lifetime.
    pub(super) promises: Vec<Promise>,
    /// Renewals of which no line tells for how long.
    pub(super) renewed: Vec<i64>,
    /// Revocations of it.
    pub(super) revoked: Vec<Revoked>,
    /// The first time the server refused it as unknown after it had accepted it last.
    pub(super) refused: Option<i64>,
    /// Set if it was used as often as it could be: in words.
    pub(super) spent: Option<String>,
    /// What may have ended it, and when, without a line that says so.
    pub(super) doubts: Vec<(i64, String)>,
}

/// An end that a line told.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    /// When it was told.
    pub(super) at: i64,
    /// The end.
    pub(super) until: i64,
    /// Told as an instant, or inferred from a lifetime.
    pub(super) known_by: KnownBy,
    /// `it was given 3600 s at …`
    pub(super) words: String,
}

/// A request that ended it.
#[derive(Clone, Debug)]
pub(super) struct Revoked {
    pub(super) at: i64,
    /// `revoked at …`, `revoked with everything below …`.
    pub(super) words: String,
    /// Its children live on.
    pub(super) spares_children: bool,
}

impl Life {
    /// Says whether this was in force at an instant. `origin` is how what it was made with stood then.
    pub(super) fn standing(&self, at: i64, origin: Option<&Standing>) -> Standing {
        let ended = |known_by, ends_unix_ns, why| Standing {
            state: State::Ended,
            known_by: Some(known_by),
            ends_unix_ns,
            why,
            spares_children: false,
        };
        if let Some((later, how)) = self.accepted.iter().filter(|(time, _)| *time > at).min() {
            let why = format!("it was {how} at {}", rfc3339(*later));
            let (state, known_by) = (State::Open, Some(KnownBy::Seen));
            return Standing { state, known_by, ends_unix_ns: None, why, spares_children: false };
        }
        let revoked = self.revoked.iter().filter(|revoked| revoked.at <= at);
        if let Some(revoked) = revoked.min_by_key(|revoked| revoked.at) {
            return Standing {
                spares_children: revoked.spares_children,
                ..ended(KnownBy::Seen, Some(revoked.at), revoked.words.clone())
            };
        }
        let promise = self.promises.iter().filter(|promise| promise.at <= at);
        let promise = promise.max_by_key(|promise| promise.at);
        let told_at = promise.map_or(i64::MIN, |promise| promise.at);
        let renewed = self.renewed.iter().filter(|renewed| (told_at..=at).contains(*renewed)).max();
        let over = promise.filter(|promise| promise.until <= at && renewed.is_none());
        let over = over.map(|promise| {
            let why = format!("{}; no renewal after that", promise.words);
            ended(KnownBy::Inferred, Some(promise.until), why)
        });
        let origin_ended = origin.filter(|origin| origin.state == State::Ended).map(|origin| {
            let known_by = origin.known_by.unwrap_or(KnownBy::Inferred);
            let why = format!("the token it was made with had ended: {}", origin.why);
            ended(known_by, origin.ends_unix_ns, why)
        });
        // Whichever came first.
        let first = over.into_iter().chain(origin_ended);
        if let Some(first) = first.min_by_key(|end| end.ends_unix_ns.unwrap_or(NEVER)) {
            return first;
        }
        if let Some(spent) = &self.spent {
            return ended(KnownBy::Inferred, None, spent.clone());
        }
        if let Some(refused) = self.refused.filter(|refused| *refused <= at) {
            let why = format!("refused as unknown at {}", rfc3339(refused));
            return ended(KnownBy::Inferred, None, why);
        }
        let doubt = self.doubts.iter().find(|(time, _)| *time <= at);
        let Some(promise) = promise.filter(|_| renewed.is_none()) else {
            let why = match renewed {
                Some(renewed) => {
                    format!("renewed at {}; no line tells for how long", rfc3339(*renewed))
                }
                None => "no line tells its lifetime".to_owned(),
            };
            let doubt = doubt.map_or(String::new(), |(_, doubt)| format!("; {doubt}"));
            return Standing::unknown(why + &doubt);
        };
        if let Some((_, doubt)) = doubt {
            return Standing::unknown(format!("{}, but {doubt}", promise.words));
        }
        if let Some(origin) = origin
            && origin.state == State::Unknown
        {
            let why = format!(
                "{}, but of the token it was made with is not known whether it had ended: {}",
                promise.words, origin.why
            );
            return Standing::unknown(why);
        }
        Standing {
            state: State::Open,
            known_by: Some(promise.known_by),
            ends_unix_ns: Some(promise.until).filter(|until| *until != NEVER),
            why: format!("{}; no revocation seen", promise.words),
            spares_children: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn given(seconds: i64) -> Life {
        let promise = Promise {
            at: 0,
            until: seconds * S,
            known_by: KnownBy::Inferred,
            words: format!("given {seconds} s"),
        };
        Life { promises: vec![promise], ..Life::default() }
    }

    fn revoked(seconds: i64) -> Revoked {
        Revoked { at: seconds * S, words: "revoked".to_owned(), spares_children: false }
    }

    fn state(life: &Life, seconds: i64) -> (State, Option<KnownBy>) {
        let standing = life.standing(seconds * S, None);
        (standing.state, standing.known_by)
    }

    #[test]
    fn a_lifetime_is_an_end_that_is_inferred() {
        let life = given(10);
        assert_eq!(state(&life, 9), (State::Open, Some(KnownBy::Inferred)));
        assert_eq!(state(&life, 10), (State::Ended, Some(KnownBy::Inferred)));
        assert_eq!(state(&Life::default(), 1), (State::Unknown, None));
    }

    #[test]
    fn a_renewal_moves_the_end_and_one_without_a_lifetime_leaves_it_open() {
        let mut life = given(10);
        life.renewed.push(5 * S);
        assert_eq!(state(&life, 4), (State::Open, Some(KnownBy::Inferred)));
        assert_eq!(state(&life, 20), (State::Unknown, None));
        let told =
            Promise { at: 6 * S, until: 30 * S, known_by: KnownBy::Told, words: String::new() };
        life.promises.push(told);
        assert_eq!(state(&life, 20), (State::Open, Some(KnownBy::Told)));
        assert_eq!(life.standing(20 * S, None).ends_unix_ns, Some(30 * S));
    }

    #[test]
    fn a_revocation_ends_it_unless_the_server_accepts_it_later() {
        let mut life = given(100);
        life.revoked.push(revoked(5));
        assert_eq!(state(&life, 4), (State::Open, Some(KnownBy::Inferred)));
        assert_eq!(state(&life, 5), (State::Ended, Some(KnownBy::Seen)));
        life.accepted.push((8 * S, "used"));
        assert_eq!(state(&life, 5), (State::Open, Some(KnownBy::Seen)));
        assert_eq!(state(&life, 8), (State::Ended, Some(KnownBy::Seen)));
    }

    #[test]
    fn what_it_was_made_with_takes_it_along_and_doubt_makes_it_unknown() {
        let life = given(100);
        let mut origin = given(100);
        origin.revoked.push(revoked(5));
        let of = |at: i64, origin: &Life| {
            life.standing(at * S, Some(&origin.standing(at * S, None))).state
        };
        assert_eq!((of(4, &origin), of(5, &origin)), (State::Open, State::Ended));
        assert_eq!(of(4, &Life::default()), State::Unknown);
        let doubtful = Life { doubts: vec![(7 * S, "who knows".to_owned())], ..life.clone() };
        assert_eq!(doubtful.standing(6 * S, None).state, State::Open);
        assert_eq!(doubtful.standing(7 * S, None).state, State::Unknown);
        assert_eq!(doubtful.standing(100 * S, None).state, State::Ended, "whatever the doubt");
    }

    #[test]
    fn a_refused_or_spent_one_has_ended_though_its_time_is_not_over() {
        let refused = Life { refused: Some(3 * S), ..given(100) };
        assert_eq!(state(&refused, 2), (State::Open, Some(KnownBy::Inferred)));
        assert_eq!(state(&refused, 3), (State::Ended, Some(KnownBy::Inferred)));
        let spent = Life { spent: Some("3 of 3 uses".to_owned()), ..given(100) };
        assert_eq!(state(&spent, 1), (State::Ended, Some(KnownBy::Inferred)));
    }
}
