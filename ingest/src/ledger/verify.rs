//! Is the ledger what was signed? Every line is read and hashed; nothing of what the writer believed counts.

use std::path::Path;

use super::Stream;
use super::error::LedgerError;
use super::folder::Folder;
use super::hashes::CheckedTiles;
use super::note::{Checkpoint, VerifierKey};
use super::recover::leaves;
use super::segment::list_segments;
use super::tiles::TileFiles;
use super::tree::{Hash, Tree};
use super::walk::Walk;
use crate::source::LeafIndex;

/// What came of verifying a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Every leaf up to the checkpoint is there and makes the root that was signed.
    pub intact: bool,
    /// Whether the key that was given signed the checkpoint; absent if none was given, for then nobody but the
    /// folder itself says whose key it is.
    pub signer_known: Option<bool>,
    /// Leaves recomputed, batch headers included.
    pub leaves: u64,
    /// Lines among them.
    pub lines: u64,
    /// Bytes of these lines.
    pub bytes: u64,
    /// The first leaf that is not what was written, if that can be told.
    pub first_wrong_leaf: Option<LeafIndex>,
    /// What is wrong, and where.
    pub problem: Option<String>,
    /// Leaves whose hash tile is missing or wrong. No fault of the evidence: tiles are made from the lines.
    pub leaves_without_tile: u64,
    /// The checkpoint, if it could be read.
    pub checkpoint: Option<Checkpoint>,
}

/// Reads and hashes every leaf up to the checkpoint. `progress` is told leaves done and leaves in all.
/// A damaged ledger is a result, not an error.
///
/// # Errors
/// There is no ledger, it is of an unknown format, or the operating system refuses.
pub fn verify(
    data: &Path,
    key: Option<&VerifierKey>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verification, LedgerError> {
    let folder = Folder::open(data)?;
    let mut result = Verification {
        intact: false,
        signer_known: key.map(|_| false),
        leaves: 0,
        lines: 0,
        bytes: 0,
        first_wrong_leaf: None,
        problem: None,
        leaves_without_tile: 0,
        checkpoint: None,
    };
    let checkpoint = match folder.checkpoint() {
        Ok(Some(checkpoint)) => checkpoint,
        Ok(None) => {
            result.problem = Some(format!("{} is missing", folder.checkpoint_path().display()));
            return Ok(result);
        }
        Err(LedgerError::Corrupt { path, problem, .. }) => {
            result.problem = Some(format!("{}: {problem}", path.display()));
            return Ok(result);
        }
        Err(error) => return Err(error),
    };
    result.signer_known = key.map(|key| key.verifies(&checkpoint.note));
    let signed = match VerifierKey::of_folder(data) {
        Ok(own) => own.verifies(&checkpoint.note),
        Err(_) => false,
    } || result.signer_known == Some(true);
    result.checkpoint = Some(checkpoint.clone());
    match recompute(&folder, &checkpoint, &mut result, progress) {
        Ok(()) => {}
        Err(error @ LedgerError::Corrupt { .. }) => {
            result.problem = Some(error.to_string());
        }
        Err(error) => return Err(error),
    }
    if !signed && result.problem.is_none() {
        result.problem = Some("the checkpoint is not signed by the key of this folder".to_owned());
    }
    result.intact = result.problem.is_none();
    Ok(result)
}

fn recompute(
    folder: &Folder,
    checkpoint: &Checkpoint,
    result: &mut Verification,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), LedgerError> {
    let [lines, own] = Stream::ALL.map(|stream| list_segments(&folder.ledger, stream));
    let mut walk = Walk::from_start(&folder.ledger, [lines?, own?]);
    let tiles =
        CheckedTiles::open(TileFiles::new(&folder.ledger), checkpoint.size, &checkpoint.root);
    let signed = |leaf| tiles.as_ref().and_then(|tiles| tiles.leaf(leaf));
    let mut tree = Tree::default();
    // Where a tile cannot be believed, a wrong leaf under it is only known by its range.
    let mut first_unsure = None;
    while walk.next < checkpoint.size {
        let next = walk.next;
        let Some(cursor) = walk.turn()? else {
            result.first_wrong_leaf = Some(LeafIndex(next));
            return Err(walk.stuck());
        };
        let (path, offset) = (cursor.path(), cursor.offset());
        let fault = cursor.content().err();
        let whole = fault.is_none() || cursor.salvage().is_some();
        let batch = if whole { cursor.take().ok() } else { None };
        let Some((header, content)) = batch else {
            result.first_wrong_leaf = first_unsure.or(Some(LeafIndex(next)));
            return Err(fault.map_or_else(|| walk.stuck(), |fault| fault.at(path, offset)));
        };
        let corrupt =
            |problem: String| LedgerError::Corrupt { path: path.clone(), offset, problem };
        let before = tree.root();
        for (leaf, hash) in (next..).zip(leaves(&header, &content)) {
            match signed(leaf) {
                Some(expected) if expected != hash => {
                    result.first_wrong_leaf = Some(LeafIndex(leaf));
                    return Err(corrupt(format!("leaf {leaf} is not the one that was signed")));
                }
                Some(_) => {}
                None => {
                    result.leaves_without_tile += 1;
                    first_unsure.get_or_insert(LeafIndex(leaf));
                }
            }
            tree.push(hash);
        }
        tree.take_full();
        if let Some(fault) = fault {
            result.first_wrong_leaf = first_unsure.or(Some(LeafIndex(next)));
            return Err(fault.at(path, offset));
        }
        if header.root_before != before {
            result.first_wrong_leaf = first_unsure;
            return Err(corrupt(format!(
                "a leaf before leaf {next} is not the one that was written"
            )));
        }
        walk.next = header.end();
        result.leaves = walk.next;
        result.lines += header.lengths.len() as u64;
        result.bytes += content.len() as u64;
        progress(walk.next.min(checkpoint.size), checkpoint.size);
    }
    let root: Hash = tree.root();
    if root != checkpoint.root || tree.size() != checkpoint.size {
        result.first_wrong_leaf = first_unsure;
        let problem = "the leaves do not make the root that was signed".to_owned();
        return Err(LedgerError::Corrupt { path: folder.checkpoint_path(), offset: 0, problem });
    }
    Ok(())
}
