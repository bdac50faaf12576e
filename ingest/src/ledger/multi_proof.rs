//! One proof for many leaves: a tree's root is made again from those leaves and the hashes of what lies between.
//!
//! ```text
//!   leaves  0   1   2   3   4   5   6         shown: 2, 3, 4
//!           └─┬─┘   └─┬─┘   └─┬─┘   │
//!             a       ·       ·     │         given: a = 0 and 1, b = 5, c = 6
//!             └───┬───┘       └──┬──┘
//!
//!   keytrail multi-proof 1
//!   leaves 2 5                                from 2 up to 5, itself not included; one line a stretch
//!   0 2 PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=      first leaf, how many, their hash
//!   5 1 …
//!   6 1 …
//!
//!   <checkpoint>
//! ```
//!
//! Which hashes are given follows from the leaves and the size of the tree alone, by the split of RFC 6962: the largest
//! parts of it that hold no leaf of the set. A proof with any others is refused.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::note::Checkpoint;
use super::proof::split;
use super::proof_text::decimal;
use super::tree::{Hash, empty_root, node_hash};
use crate::source::LeafIndex;

const MAGIC: &str = "keytrail multi-proof 1";

/// Shows that a set of leaves is in the tree of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiProof {
    /// The leaves, as stretches that ascend and do not touch.
    pub leaves: Vec<Range<u64>>,
    /// What lies between them.
    pub hashes: Vec<Subtree>,
    /// The tree. Its note may be unsigned: then something else ties it to a signed one.
    pub checkpoint: Checkpoint,
}

/// The hash over a stretch of leaves, which is a part of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subtree {
    /// The first leaf.
    pub first: LeafIndex,
    /// How many.
    pub leaves: u64,
    /// Their hash.
    pub hash: Hash,
}

/// Joins leaves to the stretches that a proof names: ascending, none empty, no two that touch.
pub fn stretches(leaves: impl IntoIterator<Item = LeafIndex>) -> Vec<Range<u64>> {
    let mut numbers: Vec<u64> = leaves.into_iter().map(|leaf| leaf.0).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let parts = numbers.chunk_by(|one, next| one + 1 == *next);
    parts.map(|part| part[0]..part[part.len() - 1] + 1).collect()
}

/// Returns the largest parts of a tree of `size` leaves that hold none of these, in the order of their leaves; `None`
/// if they are no ascending stretches below its size.
pub(super) fn between(leaves: &[Range<u64>], size: u64) -> Option<Vec<Range<u64>>> {
    let ascend = leaves.windows(2).all(|two| two[0].end < two[1].start);
    let within = leaves.last().is_none_or(|last| last.end <= size);
    if !ascend || !within || leaves.iter().any(Range::is_empty) {
        return None;
    }
    let mut parts = Vec::new();
    // The right-hand part lies deeper on the stack, so that parts come in order.
    let mut open: Vec<Range<u64>> = std::iter::once(0..size).collect();
    while let Some(part) = open.pop() {
        let after = leaves.partition_point(|stretch| stretch.end <= part.start);
        match leaves.get(after).filter(|stretch| stretch.start < part.end) {
            None if part.is_empty() => {}
            None => parts.push(part),
            Some(stretch) if stretch.start <= part.start && part.end <= stretch.end => {}
            Some(_) => {
                let middle = part.start + split(part.end - part.start);
                open.extend([middle..part.end, part.start..middle]);
            }
        }
    }
    Some(parts)
}

impl MultiProof {
    /// Begins a check. `None` if the proof does not hold the hashes that it must.
    pub fn check(&self) -> Option<MultiCheck<'_>> {
        let parts = between(&self.leaves, self.checkpoint.size)?;
        let given = self.hashes.iter().map(|of| (of.first.0, of.leaves));
        if !parts.iter().map(|part| (part.start, part.end - part.start)).eq(given) {
            return None;
        }
        let leaves = self.leaves.iter().cloned().flatten();
        let mut check = MultiCheck {
            proof: self,
            leaves: Box::new(leaves),
            next: None,
            given: 0,
            peaks: Vec::new(),
        };
        check.go_on();
        Some(check)
    }
}

/// A check under way: takes the leaves' hashes in order, however many there are, and keeps few of them.
pub struct MultiCheck<'a> {
    proof: &'a MultiProof,
    leaves: Box<dyn Iterator<Item = u64> + 'a>,
    next: Option<u64>,
    given: usize,
    /// How many leaves, and their hash: the complete parts of the tree so far, the largest first.
    peaks: Vec<(u64, Hash)>,
}

impl MultiCheck<'_> {
    /// Returns the leaf whose hash comes next; `None` after the last.
    pub fn next(&self) -> Option<LeafIndex> {
        self.next.map(LeafIndex)
    }

    /// Returns the root over all leaves before the next one, which a batch header at that place must hold.
    pub fn root_before(&self) -> Hash {
        root(&self.peaks)
    }

    /// Takes the hash of the next leaf; false if there is none.
    pub fn leaf(&mut self, hash: Hash) -> bool {
        let is_wanted = self.next.is_some();
        if is_wanted {
            push(&mut self.peaks, 1, hash);
            self.go_on();
        }
        is_wanted
    }

    /// Tells whether every leaf was given and all together make the checkpoint's root. Says nothing of its signature.
    pub fn is_proven(&self) -> bool {
        self.next.is_none() && self.root_before() == self.proof.checkpoint.root
    }

    /// Passes over what is given up to the next leaf.
    fn go_on(&mut self) {
        self.next = self.leaves.next();
        let end = self.next.unwrap_or(self.proof.checkpoint.size);
        while let Some(part) = self.proof.hashes.get(self.given).filter(|part| part.first.0 < end) {
            push(&mut self.peaks, part.leaves, part.hash);
            self.given += 1;
        }
    }
}

/// Adds the next part of a tree. Only the last part of a tree may be no complete one, and then nothing comes after it.
fn push(peaks: &mut Vec<(u64, Hash)>, mut leaves: u64, mut hash: Hash) {
    while let Some((_, left)) = peaks.pop_if(|(before, _)| *before == leaves) {
        (leaves, hash) = (2 * leaves, node_hash(&left, &hash));
    }
    peaks.push((leaves, hash));
}

fn root(peaks: &[(u64, Hash)]) -> Hash {
    let mut peaks = peaks.iter().rev();
    let Some(&(_, last)) = peaks.next() else { return empty_root() };
    peaks.fold(last, |right, (_, left)| node_hash(left, &right))
}

impl fmt::Display for MultiProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}")?;
        for stretch in &self.leaves {
            writeln!(f, "leaves {} {}", stretch.start, stretch.end)?;
        }
        for Subtree { first, leaves, hash } in &self.hashes {
            writeln!(f, "{first} {leaves} {}", BASE64_STANDARD.encode(hash))?;
        }
        write!(f, "\n{}", self.checkpoint.note)
    }
}

impl FromStr for MultiProof {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<MultiProof, &'static str> {
        let (proof, note) = text.split_once("\n\n").ok_or("a proof without a checkpoint")?;
        let mut lines = proof.lines().peekable();
        if lines.next() != Some(MAGIC) {
            return Err("no multi-proof of keytrail");
        }
        let mut leaves = Vec::new();
        while let Some(line) = lines.next_if(|line| line.starts_with("leaves ")) {
            let (start, end) = line[7..].split_once(' ').ok_or("a stretch without an end")?;
            let numbers = decimal(start).zip(decimal(end));
            let (start, end) = numbers.ok_or("a stretch that is no two numbers")?;
            leaves.push(start..end);
        }
        let hashes: Option<Vec<Subtree>> = lines.map(subtree).collect();
        let hashes = hashes.ok_or("a proof with lines that are no hashes")?;
        Ok(MultiProof { leaves, hashes, checkpoint: Checkpoint::parse(note)? })
    }
}

fn subtree(line: &str) -> Option<Subtree> {
    let mut words = line.split(' ');
    let (first, leaves) = (decimal(words.next()?)?, decimal(words.next()?)?);
    let hash = BASE64_STANDARD.decode(words.next()?).ok()?.try_into().ok()?;
    words.next().is_none().then_some(Subtree { first: LeafIndex(first), leaves, hash })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::single_range_in_vec_init, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::super::proof::{inclusion, range_hash, roots};
    use super::*;
    use crate::ledger::leaf_hash;

    fn leaf(number: u64) -> Hash {
        leaf_hash(&number.to_be_bytes())
    }

    fn node(level: u32, index: u64) -> Result<Hash, ()> {
        if level == 0 {
            return Ok(leaf(index));
        }
        Ok(node_hash(&node(level - 1, 2 * index)?, &node(level - 1, 2 * index + 1)?))
    }

    fn proof(size: u64, leaves: Vec<Range<u64>>) -> MultiProof {
        let parts = between(&leaves, size).unwrap();
        let hashes = parts.into_iter().map(|part| Subtree {
            first: LeafIndex(part.start),
            leaves: part.end - part.start,
            hash: range_hash(part.start, part.end, &mut node).unwrap(),
        });
        let root = range_hash(0, size, &mut node).unwrap();
        let note =
            format!("keytrail/a\n{size}\n{}\n\n— keytrail/a AAAA\n", BASE64_STANDARD.encode(root));
        MultiProof {
            hashes: hashes.collect(),
            leaves,
            checkpoint: Checkpoint::parse(&note).unwrap(),
        }
    }

    /// Whether the proof holds for leaves with these hashes.
    fn holds(proof: &MultiProof, hash: impl Fn(u64) -> Hash) -> bool {
        let Some(mut check) = proof.check() else { return false };
        while let Some(next) = check.next() {
            assert!(check.leaf(hash(next.0)));
        }
        assert!(!check.leaf(hash(0)), "there is no leaf after the last");
        check.is_proven()
    }

    fn a_set() -> impl Strategy<Value = (u64, Vec<u64>)> {
        (1_u64..200).prop_flat_map(|size| (Just(size), prop::collection::vec(0..size, 0..12)))
    }

    proptest! {
        #[test]
        fn holds_for_any_set_and_for_no_other_leaf((size, set) in a_set(), wrong in any::<prop::sample::Index>()) {
            let proof = proof(size, stretches(set.iter().copied().map(LeafIndex)));
            prop_assert!(holds(&proof, leaf));
            prop_assert_eq!(proof.to_string().parse::<MultiProof>().unwrap(), proof.clone());
            if !set.is_empty() {
                let wrong = set[wrong.index(set.len())];
                let other = holds(&proof, |number| leaf(if number == wrong { size } else { number }));
                prop_assert!(!other);
            }
            for at in 0..proof.hashes.len() {
                let change = |how: &dyn Fn(&mut Subtree)| {
                    let mut changed = proof.clone();
                    how(&mut changed.hashes[at]);
                    changed
                };
                prop_assert!(!holds(&change(&|part| part.hash[7] ^= 1), leaf));
                prop_assert!(!holds(&change(&|part| part.first.0 += 1), leaf));
                prop_assert!(!holds(&change(&|part| part.leaves += 1), leaf));
                let mut fewer = proof.clone();
                fewer.hashes.remove(at);
                prop_assert!(!holds(&fewer, leaf));
            }
            let mut larger = proof.clone();
            larger.checkpoint.size += 1;
            prop_assert!(!holds(&larger, leaf));
        }

        #[test]
        fn a_single_leaf_is_shown_as_by_an_inclusion_proof((size, set) in a_set()) {
            for number in set {
                let one = proof(size, stretches([LeafIndex(number)]));
                let path = inclusion(number, size, &mut node).unwrap();
                let mut given: Vec<Hash> = one.hashes.iter().map(|part| part.hash).collect();
                let mut path_hashes = path.clone();
                given.sort_unstable();
                path_hashes.sort_unstable();
                prop_assert_eq!(given, path_hashes);
                let (root, before) = roots(number, size, leaf(number), &path).unwrap();
                let mut check = one.check().unwrap();
                prop_assert_eq!(check.root_before(), before);
                check.leaf(leaf(number));
                prop_assert!(check.is_proven() && root == one.checkpoint.root);
            }
        }

        #[test]
        fn another_number_of_a_leaf_is_refused((size, set) in a_set(), by in 1_u64..9) {
            prop_assume!(!set.is_empty());
            let honest = proof(size, stretches(set.iter().copied().map(LeafIndex)));
            let mut moved = honest.clone();
            for stretch in &mut moved.leaves {
                *stretch = stretch.start + by..stretch.end + by;
            }
            // The leaves' own hashes stay, so that only their numbers are claimed otherwise.
            let other = holds(&moved, |number| leaf(number.wrapping_sub(by)));
            prop_assert!(!other);
        }
    }

    #[test]
    fn stretches_that_overlap_or_leave_the_tree_are_refused() {
        for leaves in [vec![3..3], vec![2..4, 3..5], vec![2..4, 4..5], vec![5..9], vec![4..5, 1..2]]
        {
            assert_eq!(between(&leaves, 8), None, "{leaves:?}");
        }
        assert_eq!(between(&[], 0), Some(vec![]));
        assert_eq!(between(&[2..5], 7), Some(vec![0..2, 5..6, 6..7]));
    }
}
