//! Reviews of access: campaigns in which people decide about each policy that an identity holds.
//!
//! A campaign is a frozen list of pairs (identity, policy), named by the question and the leaf that it was computed at, and
//! own lines of the ledger say what was decided. Nothing else is kept: how a campaign stands is a function of these lines.
//!
//! ```text
//!   undecided ──▶ keep | revoke | modify          of a privileged pair once a second person says the same
//!       ▲            │
//!       ╰─ not_mine ─╯
//! ```

mod table;

use std::collections::HashMap;

use ingest::own::{Fact, Held, OwnLine};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::entitlements::{Entitlement, Entitlements};
use crate::error::QueryError;
use crate::filter::Filter;
use crate::history::View;
use crate::own_trail::each_own_line;
use crate::question::Question;
use crate::select::selected;
use crate::trail::Trail;

pub use self::table::access_review;

/// The least that a reason says, in characters.
pub const REASON_CHARS_MIN: usize = 15;
/// The most.
pub const REASON_CHARS_MAX: usize = 4_000;
/// The most pairs that are decided at once.
pub const AT_ONCE_MAX: usize = 200;
/// So long after a decision what was taken away may still be seen: a working week.
pub const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is decided about a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The identity goes on holding the policy.
    Keep,
    /// It is taken away.
    Revoke,
    /// It is replaced by a lesser one.
    Modify,
    /// Somebody else has to decide.
    NotMine,
}

/// What one reviewer decided at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// The leaf of the line that says so.
    pub leaf: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What.
    pub decision: Decision,
    /// Why; "" where nothing had to be said.
    pub reason: String,
    /// About how many pairs at once.
    pub at_once: usize,
}

/// A review of access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Campaign {
    /// Its name.
    pub name: String,
    /// The leaf of the line that opened it.
    pub leaf: u64,
    /// When it was opened.
    pub opened: Timestamp,
    /// By whom.
    pub by: String,
    /// The filter whose events tell who holds what.
    pub scope: String,
    /// The beginning of their period.
    pub from: Option<Timestamp>,
    /// Its end.
    pub to: Option<Timestamp>,
    /// As of this leaf.
    pub at: u64,
    /// When everything has to be decided.
    pub due: Timestamp,
    /// Who decides; none: every reviewer.
    pub reviewers: Vec<String>,
    /// How many pairs there are.
    pub items: u64,
    /// SHA-256 of the pairs.
    pub items_sha256: String,
    /// How it ended.
    pub closed: Option<Closed>,
    #[serde(skip)]
    closed_leaf: u64,
    #[serde(skip)]
    decided: HashMap<Held, Vec<Decided>>,
}

/// How a campaign ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Pairs that nobody had decided about.
    pub undecided: u64,
    /// Why it ended so.
    pub reason: String,
}

/// How a pair stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Nobody has decided; or who said that it is not his to decide.
    Undecided(Option<&'a Decided>),
    /// One has decided, and a second person has to say the same.
    Awaiting(&'a Decided),
    /// Decided; and who confirmed it, if it takes two.
    Decided(&'a Decided, Option<&'a Decided>),
}

/// Whether what was decided has come about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// It is kept, or undecided: nothing has to change.
    None,
    /// The time to take it away is not over, or nothing is known of what came after.
    NotDue,
    /// Seen held after that time, so many times.
    StillHeld {
        /// Requests at which it was held.
        requests: u64,
    },
    /// Not seen held after that time.
    NotSeen,
}

/// Why a decision is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is over.
    #[error("the campaign {0:?} is closed")]
    Closed(String),
    /// Somebody else decides.
    #[error("{who} decides nothing in this campaign: its reviewers are {reviewers}")]
    NotReviewer {
        /// Who tried.
        who: String,
        /// Who may.
        reviewers: String,
    },
    /// Nothing was chosen.
    #[error("choose at least one row, and at most {AT_ONCE_MAX} at once")]
    Number,
    /// No such pair.
    #[error("{identity} with {policy} is not in this campaign")]
    NotThere {
        /// The identity.
        identity: String,
        /// The policy.
        policy: String,
    },
    /// Nobody reviews himself.
    #[error("{0} cannot decide about what {0} holds")]
    Subject(String),
    /// The reason says nothing.
    #[error(
        "say why, in at least {REASON_CHARS_MIN} and at most {REASON_CHARS_MAX} characters: only one unprivileged row that is kept goes without"
    )]
    Reason,
}

/// Every campaign, as far as the ledger was read.
#[derive(Clone, Debug, Default)]
pub struct Campaigns {
    /// The oldest first.
    all: Vec<Campaign>,
    /// The leaves below this one were read.
    read: u64,
}

impl Decision {
    /// Every decision.
    pub const ALL: [Decision; 4] =
        [Decision::Keep, Decision::Revoke, Decision::Modify, Decision::NotMine];

    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Keep => "keep",
            Decision::Revoke => "revoke",
            Decision::Modify => "modify",
            Decision::NotMine => "not_mine",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Decision> {
        Decision::ALL.into_iter().find(|decision| decision.as_str() == word)
    }
}

impl Campaigns {
    /// Reads what came since.
    ///
    /// # Errors
    /// The ledger cannot be read; the turn is over.
    pub fn read_on(&mut self, trail: &Trail) -> Result<(), QueryError> {
        self.read = each_own_line(trail, self.read, &mut |leaf, line| self.add(leaf, line))?;
        Ok(())
    }

    /// Returns all of them, the oldest first.
    pub fn all(&self) -> &[Campaign] {
        &self.all
    }

    /// Returns the one of this name.
    pub fn named(&self, name: &str) -> Option<&Campaign> {
        self.all.iter().find(|campaign| campaign.name == name)
    }

    /// Returns them as they stood when the ledger ended before this leaf.
    pub fn as_of(&self, at: u64) -> Campaigns {
        let mut all: Vec<Campaign> =
            self.all.iter().filter(|campaign| campaign.leaf < at).cloned().collect();
        for campaign in &mut all {
            campaign.decided.values_mut().for_each(|said| said.retain(|said| said.leaf < at));
            if campaign.closed_leaf >= at {
                campaign.closed = None;
            }
        }
        Campaigns { all, read: at }
    }

    fn add(&mut self, leaf: u64, line: OwnLine) {
        let time = line.time;
        match line.fact {
            Fact::CampaignOpened {
                by,
                address: _,
                campaign: name,
                scope,
                from,
                to,
                at,
                due,
                reviewers,
                items,
                items_sha256,
            } if self.named(&name).is_none() => self.all.push(Campaign {
                name,
                leaf,
                opened: time,
                by,
                scope,
                from,
                to,
                at,
                due,
                reviewers,
                items,
                items_sha256,
                closed: None,
                closed_leaf: 0,
                decided: HashMap::new(),
            }),
            Fact::CampaignDecided { by, campaign, items, decision, reason, .. } => {
                let Some(decision) = Decision::parse(&decision) else { return };
                let Some(known) = self.open_one(&campaign) else { return };
                let at_once = items.len();
                let said = Decided { leaf, at: time, by, decision, reason, at_once };
                for item in items {
                    known.decided.entry(item).or_default().push(said.clone());
                }
            }
            Fact::CampaignClosed { by, campaign, undecided, reason, .. } => {
                let Some(known) = self.open_one(&campaign) else { return };
                known.closed = Some(Closed { at: time, by, undecided, reason });
                known.closed_leaf = leaf;
            }
            _ => {}
        }
    }

    /// What is said of a campaign after its end does not count.
    fn open_one(&mut self, name: &str) -> Option<&mut Campaign> {
        self.all.iter_mut().find(|campaign| campaign.name == name && campaign.closed.is_none())
    }
}

impl Campaign {
    /// Returns the question for the events that tell who held what.
    ///
    /// # Errors
    /// The scope cannot be read, which only another version's can.
    pub fn question(&self) -> Result<Question, QueryError> {
        let filter = Filter::parse(&self.scope, self.opened)
            .map_err(|wrong| QueryError::Scope { of: self.name.clone(), why: wrong.to_string() })?;
        let ns = |time: Timestamp| i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX);
        Ok(Question {
            filter,
            from: self.from.map(ns),
            to: self.to.map(ns),
            all: false,
            at: Some(self.at),
        })
    }

    /// Finds the pairs again. Compare [`Entitlements::sha256`] with the campaign's: other rules, or retention, may have
    /// changed what the log tells.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn entitlements(&self, view: &View) -> Result<Entitlements, QueryError> {
        Entitlements::of(view, &self.question()?)
    }

    /// Returns what was said about a pair, the oldest first.
    pub fn said(&self, held: &Held) -> &[Decided] {
        self.decided.get(held).map_or(&[], Vec::as_slice)
    }

    /// Says how a pair stands.
    pub fn standing(&self, entitlement: &Entitlement) -> Standing<'_> {
        self.standing_by(entitlement, Timestamp::MAX)
    }

    /// Says how it stood at an instant.
    fn standing_by(&self, entitlement: &Entitlement, until: Timestamp) -> Standing<'_> {
        let said = self.said(&entitlement.held);
        let said = &said[..said.partition_point(|said| said.at <= until)];
        let Some(last) = said.last() else { return Standing::Undecided(None) };
        if last.decision == Decision::NotMine {
            return Standing::Undecided(Some(last));
        }
        if !entitlement.is_privileged {
            return Standing::Decided(last, None);
        }
        let mut same = said.iter().rev().take_while(|one| one.decision == last.decision);
        let other = same.find(|one| one.by != last.by);
        other.map_or(Standing::Awaiting(last), |other| Standing::Decided(other, Some(last)))
    }

    /// Returns how many of the pairs were not decided by an instant.
    pub fn undecided(&self, entitlements: &Entitlements, by: Timestamp) -> u64 {
        let is_open =
            |row: &&Entitlement| !matches!(self.standing_by(row, by), Standing::Decided(..));
        entitlements.rows.iter().filter(is_open).count() as u64
    }

    /// Says whether what was decided about a pair has come about, by the log as far as it goes.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn effect(&self, view: &View, entitlement: &Entitlement) -> Result<Effect, QueryError> {
        let Some((from, filter)) = self.to_be_gone(entitlement) else { return Ok(Effect::None) };
        let held = |filter, from| {
            let question = Question { filter, from: Some(from), ..Question::everything() };
            selected(view, &question).map(|tally| tally.matched)
        };
        Ok(match held(filter, from)? {
            0 if held(Filter::everything(), from)? == 0 => Effect::NotDue,
            0 => Effect::NotSeen,
            requests => Effect::StillHeld { requests },
        })
    }

    /// Of a pair that is to change: from when on it must not be seen, in nanoseconds since 1970, and the filter that would
    /// show it.
    pub(crate) fn to_be_gone(&self, entitlement: &Entitlement) -> Option<(i64, Filter)> {
        let Standing::Decided(first, second) = self.standing(entitlement) else { return None };
        if !matches!(first.decision, Decision::Revoke | Decision::Modify) {
            return None;
        }
        let at = second.unwrap_or(first).at.checked_add(GRACE).ok()?;
        let from = i64::try_from(at.as_nanosecond()).ok()?;
        let Held { identity, policy } = &entitlement.held;
        let filter = [Filter::exactly("identity", identity)?, Filter::exactly("held", policy)?];
        Some((from, Filter::all_of(filter)))
    }

    /// Tells whether a decision may be written down.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(
        &self,
        entitlements: &Entitlements,
        items: &[Held],
        by: &str,
        decision: Decision,
        reason: &str,
    ) -> Result<(), Refused> {
        if self.closed.is_some() {
            return Err(Refused::Closed(self.name.clone()));
        }
        if !self.reviewers.is_empty() && !self.reviewers.iter().any(|name| name == by) {
            let reviewers = self.reviewers.join(", ");
            return Err(Refused::NotReviewer { who: by.to_owned(), reviewers });
        }
        if items.is_empty() || items.len() > AT_ONCE_MAX {
            return Err(Refused::Number);
        }
        let name = by.split_once(':').map_or(by, |(_, name)| name);
        let mut is_privileged = false;
        for item in items {
            let found = entitlements.rows.binary_search_by(|row| row.held.cmp(item));
            let row = found.map(|at| &entitlements.rows[at]).map_err(|_| Refused::NotThere {
                identity: item.identity.clone(),
                policy: item.policy.clone(),
            })?;
            is_privileged |= row.is_privileged;
            let of_key = item.identity.rsplit('/').next();
            let names = row.name.as_deref().into_iter().chain(of_key).chain([&*item.identity]);
            if names.into_iter().any(|known| known.eq_ignore_ascii_case(name)) {
                return Err(Refused::Subject(name.to_owned()));
            }
        }
        let length = reason.trim().chars().count();
        let needs_none = decision == Decision::Keep && items.len() == 1 && !is_privileged;
        if length > REASON_CHARS_MAX || length < REASON_CHARS_MIN && !(needs_none && length == 0) {
            return Err(Refused::Reason);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
