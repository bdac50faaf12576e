//! What must hold for any input: bodies for a fuzzer, and for the ordinary tests beside it.
//!
//! Each takes bytes of an attacker and panics where something does not hold: a panic inside, a byte lost, two
//! readings that differ. `tests/fuzz` calls them under cargo-fuzz (feature `fuzzing`).

use crate::decode::{Decoded, Peeked, decode, logs_clear_tokens, peek, split};
use crate::event::Issued;
use crate::normalise::{Parts, Rules, event};
use crate::own::OwnLine;
use crate::pairing::State;
use crate::source::{LeafIndex, SourceId};

pub use crate::ledger::fuzz::{header, recovery, segment, signed_text};

#[cfg(test)]
mod mutate;
#[cfg(test)]
mod tests;

/// A line of an audit file: looked at, read in full, and made an event of.
pub fn line(line: &[u8]) {
    let peeked = peek(line);
    match (&peeked, decode(line), split(line)) {
        (Peeked::Entry(peek), Decoded::Entry(entry), Ok(split)) => {
            assert_eq!(*peek, entry.peek(), "peek and decode read two things");
            assert_eq!(peek.torn_prefix, split.torn, "peek and split see two tears");
            // What stands before the entry, the entry, and nothing else: no byte is lost.
            let rest = line.strip_prefix(split.before).expect("it stands before");
            let at = rest.windows(split.json.len()).position(|part| part == split.json.as_bytes());
            assert!(at.is_some(), "the entry is no part of its line");
        }
        (Peeked::Undecodable(one), Decoded::Undecodable(other), Err(third)) => {
            assert!(*one == other && other == third, "{one}, {other}, {third}");
        }
        (peeked, ..) => panic!("peek, decode and split differ: {peeked:?}"),
    }
    logs_clear_tokens(line);
    let _ = OwnLine::parse(line);
    let source = SourceId::new("prod", "bao-0", "file").expect("a name");
    for (request, response, state) in [
        (Some(line), None, State::Pending),
        (None, Some(line), State::Late),
        (Some(line), Some(line), State::Answered),
    ] {
        let parts = Parts {
            source: &source,
            origin: "keytrail/prod",
            request: request.map(|line| (LeafIndex(3), line)),
            response: response.map(|line| (LeafIndex(5), line)),
            state,
            issued: Issued(LeafIndex(5), 0),
        };
        let made = event(&parts, Rules::builtin());
        assert_eq!(made, event(&parts, Rules::builtin()), "an event is a function of its lines");
    }
}
