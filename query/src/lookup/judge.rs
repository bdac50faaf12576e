//! Says of leases and tokens whether they were in force at one instant: with what ended many at once, and with the
//! tokens that they were made with.

use std::collections::HashMap;

use super::endings::{Endings, Named};
use super::lease::LeaseRows;
use super::life::{Standing, State};
use super::token_rows::{Parent, TokenRows};
use super::{Asked, answered_ns, done_ns};
use crate::error::QueryError;
use crate::period::rfc3339;
use crate::row::EventRow;

/// The most tokens that are followed upwards, each made with the next one.
const DEPTH_MAX: usize = 16;
/// The most tokens of which is remembered how they stood: many leases are of few tokens.
const KNOWN_MAX: usize = 100_000;

/// Says what was in force at one instant.
pub(super) struct Judge<'a> {
    asked: &'a Asked<'a>,
    at: i64,
    endings: Endings,
    known: HashMap<String, Standing>,
    depth: usize,
}

impl<'a> Judge<'a> {
    /// Prepares for an instant, in nanoseconds since 1970.
    pub(super) fn new(asked: &'a Asked<'a>, at: i64) -> Result<Judge<'a>, QueryError> {
        let endings = asked.endings()?;
        Ok(Judge { asked, at, endings, known: HashMap::new(), depth: 0 })
    }

    /// Says whether a lease was in force.
    pub(super) fn lease(
        &mut self,
        issued: &EventRow,
        rows: &LeaseRows,
    ) -> Result<Standing, QueryError> {
        let given = done_ns(issued).unwrap_or(i64::MIN);
        if given > self.at {
            let why = format!("asked for by then, and given out at {}", rfc3339(given));
            return Ok(Standing::unknown(why));
        }
        let mut life = rows.life.clone();
        life.revoked.extend(self.endings.of(&Named {
            cluster: issued.cluster.as_deref().unwrap_or_default(),
            namespace: issued.ns.as_deref().unwrap_or_default(),
            name: issued.lease.as_deref().unwrap_or_default(),
            given,
        }));
        let hashes = rows.hashes.len();
        life.doubts.extend(self.endings.doubt(self.asked, given, self.at, hashes)?);
        let origin = match &issued.token {
            Some(token) => Some(self.token_of(token)?),
            None => None,
        };
        Ok(life.standing(self.at, origin.as_ref()))
    }

    /// Says whether a token was in force.
    pub(super) fn token(&mut self, rows: &TokenRows) -> Result<Standing, QueryError> {
        let given = rows.issued.as_ref().and_then(answered_ns).unwrap_or(i64::MIN);
        if given > self.at {
            let why = format!("asked for by then, and given out at {}", rfc3339(given));
            return Ok(Standing::unknown(why));
        }
        let mut life = rows.life.clone();
        if let Some(issued) = rows.issued.as_ref().filter(|_| !rows.is_batch) {
            life.revoked.extend(self.endings.of(&Named {
                cluster: &issued.cluster,
                namespace: issued.namespace.as_deref().unwrap_or_default(),
                name: issued.path.as_deref().unwrap_or_default(),
                given,
            }));
        }
        let origin = match &rows.parent {
            Parent::None => None,
            Parent::Token(parent) => {
                Some(self.token_of(parent)?).filter(|standing| !standing.spares_children)
            }
            // Whether it was made an orphan stands in the role, which no line need show.
            Parent::Maybe(parent) => {
                let standing = self.token_of(parent)?;
                if standing.state != State::Open && !standing.spares_children {
                    let words = "the token that made it may have taken it along: no line tells whether it was an orphan";
                    life.doubts.push((self.at, words.to_owned()));
                }
                None
            }
        };
        Ok(life.standing(self.at, origin.as_ref()))
    }

    fn token_of(&mut self, hash: &str) -> Result<Standing, QueryError> {
        if let Some(known) = self.known.get(hash) {
            return Ok(known.clone());
        }
        if self.depth == DEPTH_MAX {
            return Ok(Standing::unknown(format!("more than {DEPTH_MAX} tokens stand above it")));
        }
        self.depth += 1;
        let rows = self.asked.token_rows(hash, None, self.at)?;
        let standing = self.token(&rows);
        self.depth -= 1;
        let standing = standing?;
        if self.known.len() == KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(hash.to_owned(), standing.clone());
        Ok(standing)
    }
}
