//! Proofs as files that are checked offline, in the text forms of C2SP.
//!
//! ```text
//!   inclusion: tlog-proof                        consistency: a tlog-witness request
//!   c2sp.org/tlog-proof@v1                       old 120394
//!   extra <base64 of the ledger's keys>          PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
//!   index 120                                    …
//!   PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
//!   …                                            <checkpoint>
//!
//!   <checkpoint>
//! ```

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::batch::{BatchHeader, Sources};
use super::keys::KeyChain;
use super::note::Checkpoint;
use super::proof::{is_consistent, roots};
use super::tree::{Hash, leaf_hash};
use crate::source::LeafIndex;

/// No path is longer: a tree has fewer than 2^63 leaves.
const HASHES_MAX: usize = 63;
const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// Shows that a leaf is in the tree of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// Which leaf.
    pub leaf: LeafIndex,
    /// From the leaf's sibling up.
    pub hashes: Vec<Hash>,
    /// The tree.
    pub checkpoint: Checkpoint,
    /// Keys that may have signed the checkpoint: they count only by a fingerprint had from elsewhere.
    pub keys: Option<KeyChain>,
}

impl InclusionProof {
    /// Tells whether the leaf has these data: a line with its `\n`, or an encoded batch header. Says nothing of
    /// the checkpoint's signature.
    pub fn proves(&self, data: &[u8]) -> bool {
        self.roots(data).is_some_and(|(root, _)| root == self.checkpoint.root)
    }

    /// Reads the data of a leaf that is a batch header, and checks that it is one: its own number and the root over
    /// all leaves before it stand in it, and nobody who writes a line knows that root. `None` for a line.
    pub fn header(&self, data: &[u8]) -> Option<BatchHeader> {
        let (_, before) = self.roots(data).filter(|(root, _)| *root == self.checkpoint.root)?;
        let header = BatchHeader::decode(data, &mut Sources::default()).ok()?;
        (header.first_leaf == self.leaf && header.root_before == before).then_some(header)
    }

    /// Returns the root of the tree and the one over the leaves before this one, if the leaf has these data.
    fn roots(&self, data: &[u8]) -> Option<(Hash, Hash)> {
        roots(self.leaf.0, self.checkpoint.size, leaf_hash(data), &self.hashes)
    }
}

impl fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}")?;
        if let Some(keys) = &self.keys {
            writeln!(f, "extra {}", BASE64_STANDARD.encode(keys.to_string()))?;
        }
        writeln!(f, "index {}", self.leaf)?;
        write_hashes(&self.hashes, f)?;
        write!(f, "\n{}", self.checkpoint.note)
    }
}

impl FromStr for InclusionProof {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<InclusionProof, &'static str> {
        let (proof, note) = text.split_once("\n\n").ok_or("a proof without a checkpoint")?;
        let mut lines = proof.lines().peekable();
        if lines.next() != Some(MAGIC) {
            return Err("no tlog-proof");
        }
        let keys = match lines.next_if(|line| line.starts_with("extra ")) {
            None => None,
            Some(extra) => BASE64_STANDARD
                .decode(&extra[6..])
                .ok()
                .and_then(|extra| String::from_utf8(extra).ok()?.parse().ok()),
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let leaf = index.and_then(decimal).ok_or("a proof without an index")?;
        let hashes = read_hashes(lines)?;
        Ok(InclusionProof {
            leaf: LeafIndex(leaf),
            hashes,
            checkpoint: Checkpoint::parse(note)?,
            keys,
        })
    }
}

/// Shows that the tree of a checkpoint begins with an older tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// Leaves of the older tree.
    pub older: u64,
    /// The proof's hashes, in the order of RFC 6962.
    pub hashes: Vec<Hash>,
    /// The tree.
    pub checkpoint: Checkpoint,
}

impl ConsistencyProof {
    /// Tells whether the tree begins with this older one. Says nothing of signatures.
    pub fn proves(&self, older: &Checkpoint) -> bool {
        let new = &self.checkpoint;
        self.older == older.size
            && is_consistent((older.size, &older.root), (new.size, &new.root), &self.hashes)
    }
}

impl fmt::Display for ConsistencyProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.older)?;
        write_hashes(&self.hashes, f)?;
        write!(f, "\n{}", self.checkpoint.note)
    }
}

impl FromStr for ConsistencyProof {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ConsistencyProof, &'static str> {
        let (proof, note) = text.split_once("\n\n").ok_or("a proof without a checkpoint")?;
        let mut lines = proof.lines();
        let older = lines.next().and_then(|line| line.strip_prefix("old "));
        let older = older.and_then(decimal).ok_or("a proof without an older size")?;
        let hashes = read_hashes(lines)?;
        Ok(ConsistencyProof { older, hashes, checkpoint: Checkpoint::parse(note)? })
    }
}

fn write_hashes(hashes: &[Hash], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    hashes.iter().try_for_each(|hash| writeln!(f, "{}", BASE64_STANDARD.encode(hash)))
}

fn read_hashes<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Hash>, &'static str> {
    let hashes: Option<Vec<Hash>> = lines
        .take(HASHES_MAX + 1)
        .map(|line| BASE64_STANDARD.decode(line).ok()?.try_into().ok())
        .collect();
    hashes
        .filter(|hashes| hashes.len() <= HASHES_MAX)
        .ok_or("a proof with lines that are no hashes, or too many")
}

/// Reads a number as C2SP writes it: digits, no sign, no leading zero.
pub(super) fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}
