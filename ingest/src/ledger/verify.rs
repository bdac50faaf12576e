//! Is the ledger what was signed? Every line is read and hashed; nothing of what the writer believed counts.
//!
//! What stands in the folder can be made anew by whoever holds its signing key. So whoever verifies may bring
//! what the folder cannot change: the key that was known before, and checkpoints that were kept elsewhere.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use super::Stream;
use super::batch::BatchHeader;
use super::error::LedgerError;
use super::folder::Folder;
use super::hashes::CheckedTiles;
use super::hashing::{HashedStream, Hashers};
use super::keys::{KeyChain, KnownKey};
use super::note::Checkpoint;
use super::segment::list_segments;
use super::tiles::TileFiles;
use super::tree::{Hash, Tree};
use crate::source::LeafIndex;

/// What whoever verifies has from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// The signer's key.
    pub key: Option<KnownKey>,
    /// Checkpoints of this ledger that were kept outside.
    pub against: Vec<Checkpoint>,
    /// What the ledger's tombstones say was removed.
    pub removed: Vec<Removed>,
    /// How many threads unpack and hash; as many as there are cores if not said.
    pub threads: Option<NonZeroUsize>,
}

/// Lines that a tombstone says were removed: those of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The leaf of the tombstone.
    pub tombstone: LeafIndex,
    /// The segment's first leaf.
    pub first_leaf: LeafIndex,
    /// The leaf after its last batch.
    pub end: u64,
}

/// What came of verifying a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Every leaf up to the checkpoint is there and makes the root that was signed.
    pub intact: bool,
    /// Whether the key that was given, or one to which it handed over, signed the checkpoint; absent if none was
    /// given, for then nobody but the folder itself says whose key it is.
    pub signer_known: Option<bool>,
    /// Leaves gone through, batch headers included.
    pub leaves: u64,
    /// Lines among them whose hash alone is there, as tombstones say: they are asserted, not recomputed.
    pub removed_lines: u64,
    /// The tombstones that say so.
    pub tombstones: u64,
    /// The leaf after the last such line.
    pub recomputed_from: u64,
    /// Lines recomputed.
    pub lines: u64,
    /// Bytes of these lines.
    pub bytes: u64,
    /// The first leaf that is not what was written, if that can be told.
    pub first_wrong_leaf: Option<LeafIndex>,
    /// What is wrong, and where.
    pub problem: Option<String>,
    /// Leaves whose hash tile is missing or wrong. No fault of the evidence: tiles are made from the lines.
    pub leaves_without_tile: u64,
    /// Sealed segments whose footer is not what their frames make. No fault of the evidence either.
    pub wrong_footers: Vec<PathBuf>,
    /// The checkpoint, if it could be read.
    pub checkpoint: Option<Checkpoint>,
    /// The keys of the folder, if they could be read.
    pub keys: Option<KeyChain>,
    /// How the ledger stands to each checkpoint from outside, the smallest first.
    pub outside: Vec<Outside>,
}

/// How the ledger stands to a checkpoint that was kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// What came of it.
    pub standing: Standing,
}

/// How the ledger stands to a checkpoint that was kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The ledger begins with exactly these leaves.
    Extends,
    /// The ledger has fewer leaves: it was cut back, or an older copy was put in its place.
    RolledBack,
    /// The ledger's leaves are others.
    OtherHistory,
    /// The checkpoint is signed by none of the ledger's keys.
    OtherSigner,
    /// The leaves could not be read so far.
    Unknown,
}

impl Verification {
    /// Returns the leaves among which is the first that differs from what the checkpoints from outside were made
    /// of: at least the first number, less than the second. `None` if none differs.
    pub fn differs_within(&self) -> Option<(u64, u64)> {
        let size = |standing| {
            move |outside: &&Outside| outside.standing == standing && outside.checkpoint.size > 0
        };
        let wrong = self.outside.iter().find(size(Standing::OtherHistory))?.checkpoint.size;
        let right = self.outside.iter().rfind(size(Standing::Extends));
        Some((right.map_or(0, |outside| outside.checkpoint.size), wrong))
    }
}

/// Reads and hashes every leaf up to the checkpoint. `progress` is told leaves done and leaves in
/// all. A damaged ledger is a result, not an error.
///
/// # Errors
/// There is no ledger, it is of an unknown format, or the operating system refuses.
pub fn verify(
    data: &Path,
    options: &VerifyOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verification, LedgerError> {
    let folder = Folder::open(data)?;
    let mut outside: Vec<Outside> = options
        .against
        .iter()
        .map(|checkpoint| Outside { checkpoint: checkpoint.clone(), standing: Standing::Unknown })
        .collect();
    outside.sort_by_key(|outside| outside.checkpoint.size);
    let mut result = Verification {
        intact: false,
        signer_known: options.key.as_ref().map(|_| false),
        leaves: 0,
        removed_lines: 0,
        tombstones: 0,
        recomputed_from: 0,
        lines: 0,
        bytes: 0,
        first_wrong_leaf: None,
        problem: None,
        leaves_without_tile: 0,
        wrong_footers: Vec::new(),
        checkpoint: None,
        keys: KeyChain::of_folder(data).ok(),
        outside,
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
    result.checkpoint = Some(checkpoint.clone());
    let keys = result.keys.as_ref();
    let signed = |checkpoint: &Checkpoint| {
        keys.is_some_and(|keys| keys.signer_of(checkpoint).is_some())
            || options.key.as_ref().is_some_and(|key| key.vouches_for(checkpoint, keys))
    };
    let is_signed = signed(&checkpoint);
    for outside in &mut result.outside {
        // A key that has handed over meanwhile may have signed it, also in a history that was rolled back.
        let ours = keys.is_some_and(|keys| keys.ever_signed(&outside.checkpoint));
        if !ours && !signed(&outside.checkpoint) {
            outside.standing = Standing::OtherSigner;
        } else if outside.checkpoint.size > checkpoint.size {
            outside.standing = Standing::RolledBack;
        }
    }
    result.signer_known = options.key.as_ref().map(|key| key.vouches_for(&checkpoint, keys));
    match recompute(&folder, &checkpoint, options, &mut result, progress) {
        Ok(()) => {}
        Err(error @ LedgerError::Corrupt { .. }) => {
            result.problem = Some(error.to_string());
        }
        Err(error) => return Err(error),
    }
    if !is_signed && result.problem.is_none() {
        result.problem = Some("the checkpoint is not signed by the key of this folder".to_owned());
    }
    result.intact = result.problem.is_none();
    Ok(result)
}

/// A root that some signed note states for a size.
struct Stated {
    size: u64,
    root: Hash,
    /// Which of the checkpoints from outside; else a handover of keys.
    outside: Option<usize>,
}

fn stated(result: &Verification) -> Vec<Stated> {
    let handovers = result.keys.iter().flat_map(KeyChain::handovers);
    let mut stated: Vec<Stated> = handovers
        .map(|handover| Stated { size: handover.size, root: handover.root, outside: None })
        .collect();
    let open = result.outside.iter().enumerate();
    stated.extend(open.filter(|(_, outside)| outside.standing == Standing::Unknown).map(
        |(at, Outside { checkpoint, .. })| Stated {
            size: checkpoint.size,
            root: checkpoint.root,
            outside: Some(at),
        },
    ));
    // The next one last.
    stated.sort_by_key(|stated| std::cmp::Reverse(stated.size));
    stated
}

fn recompute(
    folder: &Folder,
    checkpoint: &Checkpoint,
    options: &VerifyOptions,
    result: &mut Verification,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), LedgerError> {
    let [lines, own] = Stream::ALL.map(|stream| list_segments(&folder.ledger, stream));
    let segments = [lines?, own?];
    let tiles =
        CheckedTiles::open(TileFiles::new(&folder.ledger), checkpoint.size, &checkpoint.root);
    let mut pass = Pass {
        checkpoint,
        tiles,
        tree: Tree::default(),
        stated: stated(result),
        first_unsure: None,
        removed: &options.removed,
        vouching: BTreeSet::new(),
        result,
    };
    pass.compare_stated(folder)?;
    thread::scope(|scope| {
        let hashers = Hashers::start(scope, options.threads);
        let [lines, own] = segments;
        let mut streams = [(Stream::Lines, lines), (Stream::Own, own)].map(|(stream, segments)| {
            HashedStream::new(&hashers, &folder.ledger, stream, segments, checkpoint.size)
        });
        drop(hashers);
        while pass.result.leaves < checkpoint.size {
            pass.batch(folder, &mut streams)?;
            progress(pass.result.leaves.min(checkpoint.size), checkpoint.size);
        }
        for stream in &mut streams {
            // What was not asked for yet is the end of the last segment.
            stream.peek()?;
            pass.result.wrong_footers.extend(stream.wrong_footers());
        }
        Ok(())
    })?;
    pass.finish(folder)
}

/// One way through the ledger.
struct Pass<'a> {
    checkpoint: &'a Checkpoint,
    tiles: Option<CheckedTiles>,
    tree: Tree,
    stated: Vec<Stated>,
    /// Where a tile cannot be believed, a wrong leaf under it is only known by its range.
    first_unsure: Option<LeafIndex>,
    /// What tombstones say was removed.
    removed: &'a [Removed],
    /// The tombstones by which something is missing.
    vouching: BTreeSet<LeafIndex>,
    result: &'a mut Verification,
}

impl Pass<'_> {
    /// Takes the next batch of the two streams into the tree.
    fn batch(
        &mut self,
        folder: &Folder,
        streams: &mut [HashedStream; 2],
    ) -> Result<(), LedgerError> {
        let next = self.result.leaves;
        let mut turn = None;
        for (at, stream) in streams.iter_mut().enumerate() {
            if stream.peek()? == Some(next) {
                turn.get_or_insert(at);
            }
        }
        let Some(turn) = turn else {
            self.result.first_wrong_leaf = Some(LeafIndex(next));
            let faulty = streams.iter().position(HashedStream::is_faulty);
            return Err(streams[faulty.unwrap_or(0)].stuck(next));
        };
        let batch = streams[turn].take();
        let Some(leaves) = batch.leaves else {
            self.result.first_wrong_leaf = self.first_unsure.or(Some(LeafIndex(next)));
            let fault = batch.fault.expect("lines that could not be had have a fault");
            return Err(fault.at(batch.path.to_path_buf(), batch.offset));
        };
        let corrupt = |problem: String| LedgerError::Corrupt {
            path: batch.path.to_path_buf(),
            offset: batch.offset,
            problem,
        };
        let before = self.tree.root();
        for (leaf, hash) in (next..).zip(leaves) {
            match self.tiles.as_ref().and_then(|tiles| tiles.leaf(leaf)) {
                Some(expected) if expected != hash => {
                    self.result.first_wrong_leaf = Some(LeafIndex(leaf));
                    return Err(corrupt(format!("leaf {leaf} is not the one that was signed")));
                }
                Some(_) => {}
                None => {
                    self.result.leaves_without_tile += 1;
                    self.first_unsure.get_or_insert(LeafIndex(leaf));
                }
            }
            self.tree.push(hash);
            self.compare_stated(folder)?;
        }
        self.tree.take_full();
        if let Some(fault) = batch.fault {
            self.result.first_wrong_leaf = self.first_unsure.or(Some(LeafIndex(next)));
            return Err(fault.at(batch.path.to_path_buf(), batch.offset));
        }
        if batch.header.root_before != before {
            self.result.first_wrong_leaf = self.first_unsure;
            return Err(corrupt(format!(
                "a leaf before leaf {next} is not the one that was written"
            )));
        }
        self.result.leaves = batch.header.end();
        if batch.emptied {
            return self.removed(&batch.header, next).map_err(corrupt);
        }
        self.result.lines += batch.header.lengths.len() as u64;
        self.result.bytes += batch.header.bytes();
        Ok(())
    }

    /// Looks for the tombstone of a batch whose lines are gone.
    fn removed(&mut self, header: &BatchHeader, leaf: u64) -> Result<(), String> {
        let vouches = |removed: &&Removed| {
            let tombstone = removed.tombstone.0;
            removed.first_leaf.0 <= leaf
                && header.end() <= removed.end
                && tombstone >= removed.end
                && tombstone < self.checkpoint.size
        };
        let Some(removed) = self.removed.iter().find(vouches) else {
            self.result.first_wrong_leaf = Some(LeafIndex(leaf));
            return Err(format!(
                "the lines of leaves {leaf} to {} are gone, and no tombstone says that retention removed them",
                header.end() - 1
            ));
        };
        self.vouching.insert(removed.tombstone);
        self.result.tombstones = self.vouching.len() as u64;
        self.result.removed_lines += header.lengths.len() as u64;
        self.result.recomputed_from = header.end();
        Ok(())
    }

    /// Compares the root with what is stated for a tree of this size.
    fn compare_stated(&mut self, folder: &Folder) -> Result<(), LedgerError> {
        while let Some(stated) = self.stated.pop_if(|stated| stated.size == self.tree.size()) {
            let same = stated.root == self.tree.root();
            match stated.outside {
                Some(at) => {
                    self.result.outside[at].standing =
                        if same { Standing::Extends } else { Standing::OtherHistory };
                }
                None if same => {}
                None => {
                    let path = folder.data.join("keys/handovers");
                    let problem = format!(
                        "the handover of keys at {} leaves speaks of other leaves",
                        stated.size
                    );
                    return Err(LedgerError::Corrupt { path, offset: 0, problem });
                }
            }
        }
        Ok(())
    }

    fn finish(self, folder: &Folder) -> Result<(), LedgerError> {
        if self.tree.root() != self.checkpoint.root || self.tree.size() != self.checkpoint.size {
            self.result.first_wrong_leaf = self.first_unsure;
            let problem = "the leaves do not make the root that was signed".to_owned();
            return Err(LedgerError::Corrupt {
                path: folder.checkpoint_path(),
                offset: 0,
                problem,
            });
        }
        Ok(())
    }
}
