//! Recognises a file by its content; name, inode and compression are hints at most.
//!
//! The leaves of a file are compared, one by one, with those of every generation of its source that
//! starts with the same leaf, until none goes on alike. Nothing but hashes is compared and nothing is
//! kept: the stream stands afterwards at the first leaf that is not known.
//!
//! ```text
//!   file        a b c d        a b c d        a b c          a b c d
//!   generation  a b x y        a b            a b c d e      x y z
//!   they        part after b   the file       the file       have nothing
//!                              continues it   ends within    in common
//! ```

use std::io::Read;

use sha2::{Digest, Sha256};

use super::lines::{Batch, LeafStream};
use crate::source::Generation;

/// The SHA-256 of a leaf as the ledger's tree has it.
pub type LeafHash = [u8; 32];

/// Content known from before: what the ledger holds, everything flushed so far by this process too.
pub trait KnownContent {
    /// Returns the generations of this source whose content starts with a leaf of this hash. One that
    /// has a parent starts as its parent does.
    fn starting_with(&self, source: &str, first_line_hash: &LeafHash) -> Vec<Generation>;

    /// Returns the leaves of a generation from its content's first byte on, what it shares with its
    /// parent included: the offset after each, and its hash.
    fn lines(&self, generation: Generation) -> Box<dyn Iterator<Item = (u64, LeafHash)> + '_>;

    /// Returns the last leaf of a generation: the offset after it, and its hash.
    fn end(&self, generation: Generation) -> Option<(u64, LeafHash)>;

    /// Returns what was followed last of a source; none if nothing was.
    fn read_last(&self, source: &str) -> Option<LastRead>;
}

/// Where reading of a source ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRead {
    /// The contents that may not have been read to their end: the one that began last, and the one that
    /// grew last.
    pub contents: Vec<Generation>,
    /// When the last lines arrived, in nanoseconds since 1970.
    pub arrived_unix_ns: i64,
}

/// How a file compares with what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Likeness {
    /// Hash of the file's first leaf.
    pub(crate) first: LeafHash,
    /// Place up to which the file is known.
    pub(crate) known_to: u64,
    pub(crate) relation: Relation,
}

/// What the file is to the generation that is alike the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Nothing starts like it.
    New,
    /// Both go on after `known_to`, and differ.
    Parts(Generation),
    /// The generation ends at `known_to`; the file may go on.
    Continues(Generation),
    /// The file ends at `known_to` and gives nothing. If it grows, it must be compared again.
    Within(Generation),
}

/// Whether bytes without `\n` at the end of the file are a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing more will be written: they are.
    Closed,
    /// Somebody may be writing: they are the start of a line.
    Open,
}

/// Returns the hash of a leaf: SHA-256 of a zero byte and the leaf (RFC 6962).
pub(crate) fn leaf_hash(leaf: &[u8]) -> LeafHash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(leaf);
    hasher.finalize().into()
}

/// Compares a file with what is known of its source, or returns none while it has no whole leaf.
///
/// The stream must stand at its start, and stands afterwards at `known_to`. An error of its input
/// counts as its end; [`LeafStream::failure`] still tells.
pub(crate) fn compare<R: Read>(
    stream: &mut LeafStream<R>,
    end: End,
    source: &str,
    known: &dyn KnownContent,
) -> Option<Likeness> {
    let mut batch = next(stream, end)?;
    let first = leaf_hash(batch.lines.iter().next()?);
    let mut alike: Vec<Candidate<'_>> = known
        .starting_with(source, &first)
        .into_iter()
        .map(|generation| Candidate { generation, leaves: known.lines(generation) })
        .collect();
    if alike.is_empty() {
        stream.give_back(batch, 0);
        return Some(Likeness { first, known_to: 0, relation: Relation::New });
    }
    let known_to = loop {
        let mut place = batch.offset;
        let parting = batch.lines.iter().find_map(|line| {
            let leaf = (place + line.len() as u64, leaf_hash(line));
            let relation = step(&mut alike, leaf);
            place = if relation.is_some() { place } else { leaf.0 };
            relation
        });
        if let Some(relation) = parting {
            stream.give_back(batch, place);
            // A generation whose first leaf is another than was asked for would be a fault of the
            // caller's; having nothing in common is the safe reading of it.
            let relation = if place == 0 { Relation::New } else { relation };
            return Some(Likeness { first, known_to: place, relation });
        }
        match next(stream, end) {
            Some(more) => batch = more,
            None => break place,
        }
    };
    // The file has ended. Bytes of a line that is still being written say nothing yet.
    let relation = match alike.iter_mut().find_map(Candidate::ended) {
        Some(generation) => Relation::Continues(generation),
        None => Relation::Within(alike.first()?.generation),
    };
    Some(Likeness { first, known_to, relation })
}

/// Tells whether the ledger has this leaf of a content that starts with `first`.
pub(crate) fn is_known(
    known: &dyn KnownContent,
    source: &str,
    first: &LeafHash,
    leaf: (u64, LeafHash),
) -> bool {
    known.starting_with(source, first).into_iter().any(|generation| {
        known.lines(generation).take_while(|&(end, _)| end <= leaf.0).any(|known| known == leaf)
    })
}

struct Candidate<'a> {
    generation: Generation,
    leaves: Box<dyn Iterator<Item = (u64, LeafHash)> + 'a>,
}

impl Candidate<'_> {
    /// Returns the generation if it has no further leaf.
    fn ended(&mut self) -> Option<Generation> {
        self.leaves.next().is_none().then_some(self.generation)
    }
}

fn next<R: Read>(stream: &mut LeafStream<R>, end: End) -> Option<Batch> {
    match (stream.next(), end) {
        (None, End::Closed) => stream.finish(),
        (batch, _) => batch,
    }
}

/// Keeps the candidates that have this leaf next. If none has, says what the best of them was.
fn step(alike: &mut Vec<Candidate<'_>>, leaf: (u64, LeafHash)) -> Option<Relation> {
    let mut best = None;
    alike.retain_mut(|candidate| {
        let relation = match candidate.leaves.next() {
            Some(known) if known == leaf => return true,
            Some(_) => Relation::Parts(candidate.generation),
            None => Relation::Continues(candidate.generation),
        };
        if !matches!(best, Some(Relation::Continues(_))) {
            best = Some(match (best, relation) {
                (Some(first), Relation::Parts(_)) => first,
                (_, relation) => relation,
            });
        }
        false
    });
    if alike.is_empty() { best } else { None }
}
