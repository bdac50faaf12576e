//! Proofs out of a ledger: from the hash tiles, and from the lines where a tile is missing or wrong.

use std::ops::Range;

use super::error::LedgerError;
use super::keys::KeyChain;
use super::multi_proof::{MultiProof, Subtree, between};
use super::note::Checkpoint;
use super::proof::{consistency, inclusion, range_hash};
use super::proof_text::{ConsistencyProof, InclusionProof};
use super::reader::{LedgerReader, Seen};
use super::tree::{Hash, node_hash};
use crate::source::LeafIndex;

impl LedgerReader {
    /// Proves that a leaf is in the tree of the last checkpoint, and returns its data: a line with its `\n`, or
    /// an encoded batch header.
    ///
    /// # Errors
    /// The leaf is not below the checkpoint's size; the ledger is damaged or unreadable.
    pub fn prove_inclusion(
        &self,
        leaf: LeafIndex,
    ) -> Result<(InclusionProof, Vec<u8>), LedgerError> {
        self.refresh()?;
        let seen = self.seen();
        let checkpoint = seen.checkpoint.clone();
        if leaf.0 >= checkpoint.size {
            return Err(LedgerError::OutOfRange { leaf, size: checkpoint.size });
        }
        let hashes =
            inclusion(leaf.0, checkpoint.size, &mut |level, index| self.node(&seen, level, index))?;
        let keys = KeyChain::of_folder(self.data()).ok();
        let proof = InclusionProof { leaf, hashes, checkpoint, keys };
        let data = self.leaf_data(leaf)?;
        if proof.proves(&data) {
            Ok((proof, data))
        } else {
            Err(self.not_signed(&format!(
                "leaf {leaf}, or one beside it, is not the one that was signed"
            )))
        }
    }

    /// Returns the tree of the first `size` leaves, unsigned: [`LedgerReader::prove_consistency`] ties it to a
    /// checkpoint that is signed.
    ///
    /// # Errors
    /// There are not so many leaves; the ledger is damaged or unreadable.
    pub fn tree(&self, size: u64) -> Result<Checkpoint, LedgerError> {
        let seen = self.seen();
        if size > seen.checkpoint.size {
            return Err(LedgerError::OutOfRange {
                leaf: LeafIndex(size - 1),
                size: seen.checkpoint.size,
            });
        }
        let root = range_hash(0, size, &mut |level, index| self.node(&seen, level, index))?;
        Ok(Checkpoint::unsigned(&seen.checkpoint.origin, size, root))
    }

    /// Proves that these leaves, given as stretches that ascend and do not touch, are in the tree of a checkpoint of
    /// this ledger, which may not be the last any more. Does not read the leaves themselves: who checks the proof does.
    ///
    /// # Errors
    /// They are no such stretches, or not all below the checkpoint's size; the ledger is damaged or unreadable.
    pub fn prove_leaves(
        &self,
        leaves: Vec<Range<u64>>,
        checkpoint: Checkpoint,
    ) -> Result<MultiProof, LedgerError> {
        let seen = self.seen();
        let size = checkpoint.size;
        if size > seen.checkpoint.size {
            return Err(LedgerError::OutOfRange {
                leaf: LeafIndex(size - 1),
                size: seen.checkpoint.size,
            });
        }
        let Some(parts) = between(&leaves, size) else {
            let leaf = LeafIndex(leaves.iter().map(|stretch| stretch.end).max().unwrap_or(0));
            return Err(LedgerError::OutOfRange { leaf, size });
        };
        let mut node = |level, index| self.node(&seen, level, index);
        let hashes = parts.into_iter().map(|part| {
            let hash = range_hash(part.start, part.end, &mut node)?;
            Ok(Subtree { first: LeafIndex(part.start), leaves: part.end - part.start, hash })
        });
        let hashes = hashes.collect::<Result<Vec<_>, LedgerError>>()?;
        Ok(MultiProof { leaves, hashes, checkpoint })
    }

    /// Proves that the tree of the last checkpoint begins with the tree that this ledger had when it had `older`
    /// leaves.
    ///
    /// # Errors
    /// The ledger has, or had then, not so many leaves; it is damaged or unreadable.
    pub fn prove_consistency(&self, older: u64) -> Result<ConsistencyProof, LedgerError> {
        self.refresh()?;
        self.prove_extension(older, self.seen().checkpoint.clone())
    }

    /// Like [`LedgerReader::prove_consistency`], for a checkpoint of this ledger that may not be the last any more.
    ///
    /// # Errors
    /// See there; the checkpoint is not this ledger's.
    pub fn prove_extension(
        &self,
        older: u64,
        checkpoint: Checkpoint,
    ) -> Result<ConsistencyProof, LedgerError> {
        let seen = self.seen();
        let size = checkpoint.size;
        for asked in [older, size] {
            if asked > seen.checkpoint.size.min(size) {
                return Err(LedgerError::OutOfRange { leaf: LeafIndex(asked - 1), size });
            }
        }
        let mut node = |level, index| self.node(&seen, level, index);
        let hashes = consistency(older, size, &mut node)?;
        let root = range_hash(0, older, &mut node)?;
        let proof = ConsistencyProof { older, hashes, checkpoint };
        let then = Checkpoint { origin: String::new(), size: older, root, note: String::new() };
        if proof.proves(&then) {
            Ok(proof)
        } else {
            Err(self.not_signed("the leaves do not make the root that was signed"))
        }
    }

    /// The hash of a complete subtree under the checkpoint.
    fn node(&self, seen: &Seen, level: u32, index: u64) -> Result<Hash, LedgerError> {
        if let Some(hash) = seen.tiles.as_ref().and_then(|tiles| tiles.node(level, index)) {
            return Ok(hash);
        }
        if level == 0 {
            return self.leaf_hash(LeafIndex(index));
        }
        let left = self.node(seen, level - 1, 2 * index)?;
        Ok(node_hash(&left, &self.node(seen, level - 1, 2 * index + 1)?))
    }

    fn not_signed(&self, problem: &str) -> LedgerError {
        let path = self.data().join("ledger/checkpoint");
        LedgerError::Corrupt { path, offset: 0, problem: problem.to_owned() }
    }
}
