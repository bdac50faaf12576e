//! Opening a ledger: what is there, what of it counts, and what a crash left over.
//!
//! Sealed segments tell by their footers what they hold. From there up to the checkpoint the tables of the frames
//! are read, and the right edge of the tree is taken from the tiles; whether these make the signed root decides if
//! that is believed, else every line is hashed again.
//! After the checkpoint every frame is read and hashed. The ledger ends at the first leaf with which no whole
//! batch begins. What stands after that is cut off if it can be the rest of a write that a crash cut short:
//!
//! ```text
//!   good  good  torn ▒▒▒              cut: the crash hit the last write
//!   good  good  bad ▒▒▒ good          cut if neither had been flushed: each frame tells how far the ledger was
//!                                     durable when it was written; else not cut, this is damage
//!   good  bad ▒▒ │checkpoint          not cut: it was durable before it was signed
//! ```

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::Stream;
use super::batch::{BatchHeader, Sources};
use super::error::{At, LedgerError};
use super::folder::Folder;
use super::frame::{FrameDecoder, FrameFault, TABLE_MAGIC, read_table};
use super::generations::Generations;
use super::note::Checkpoint;
use super::sealed_part::SealedPart;
use super::segment::{list_segments, segment_path, stream_folder};
use super::tiles::TileFiles;
use super::tree::{Hash, TILE_WIDTH, Tree};
use super::walk::{Cursor, Walk};

/// A ledger as found on disk, with nothing after its end.
pub(super) struct Recovered {
    pub(super) tree: Tree,
    pub(super) generations: Generations,
    /// Per stream, the segment to go on with.
    pub(super) ends: [Option<End>; 2],
}

/// The last segment of a stream.
pub(super) struct End {
    pub(super) first_leaf: u64,
    /// How long it is.
    pub(super) bytes: u64,
    /// Where in it the first frame stands that the checkpoint does not cover; `bytes` if there is none.
    pub(super) unsigned_from: u64,
}

/// Finds the end of the ledger, and cuts off what a crash left after it.
pub(super) fn recover(
    folder: &Folder,
    checkpoint: Option<&Checkpoint>,
) -> Result<Recovered, LedgerError> {
    let ledger = &folder.ledger;
    let [lines, own] = Stream::ALL.map(|stream| list_segments(ledger, stream));
    let segments = [lines?, own?];
    let tiles = TileFiles::new(ledger);
    let believed = checkpoint.filter(|checkpoint| checkpoint.size > 0);
    if let Some(checkpoint) = believed
        && let Some(edges) = tiles.read_edges(checkpoint.size, 1)
        && let Some(pass) = Pass::new(folder, &segments, Some(checkpoint)).run(Some(edges))?
    {
        return pass.finish(true);
    }
    if checkpoint.is_none() && segments.iter().any(|segments| !segments.is_empty()) {
        tracing::warn!(
            "{} is missing: hashing the whole ledger again",
            folder.checkpoint_path().display()
        );
    } else if believed.is_some() {
        tracing::warn!(
            "the tiles of {} do not make the checkpoint's root: hashing the whole ledger again",
            ledger.display()
        );
    }
    let pass = Pass::new(folder, &segments, checkpoint).run(None)?;
    pass.expect("only edges can fail to fit").finish(checkpoint.is_some())
}

/// One way through the ledger.
struct Pass<'a> {
    folder: &'a Folder,
    tiles: TileFiles,
    checkpoint: Option<&'a Checkpoint>,
    walk: Walk,
    tree: Tree,
    generations: Generations,
    /// Per stream, the segment and offset of the first frame beyond the checkpoint.
    unsigned: [Option<(u64, u64)>; 2],
}

impl<'a> Pass<'a> {
    fn new(
        folder: &'a Folder,
        segments: &[Vec<u64>; 2],
        checkpoint: Option<&'a Checkpoint>,
    ) -> Pass<'a> {
        Pass {
            folder,
            tiles: TileFiles::on(&folder.disk, &folder.ledger),
            checkpoint,
            walk: Walk::from_start(&folder.ledger, segments.clone()),
            tree: Tree::default(),
            generations: Generations::default(),
            unsigned: [None; 2],
        }
    }

    /// Goes to the end. With `edges` (of level 1 on), hashing begins at the checkpoint; `None` if they do not
    /// make its root. Without, everything is hashed.
    fn run(mut self, mut edges: Option<Vec<Vec<Hash>>>) -> Result<Option<Pass<'a>>, LedgerError> {
        let signed = self.checkpoint.map_or(0, |checkpoint| checkpoint.size);
        // The unfinished tile of level 0 is not fsynced: it is made again from at most 255 leaves.
        let edge_from = signed - signed % TILE_WIDTH as u64;
        if edges.is_some() {
            self.pass_sealed(edge_from)?;
        }
        let mut edge = Vec::new();
        loop {
            let next = self.walk.next;
            if let Some(checkpoint) = self.checkpoint.filter(|checkpoint| checkpoint.size == next) {
                if let Some(mut edges) = edges.take() {
                    edges[0] = std::mem::take(&mut edge);
                    match Tree::from_edges(signed, edges)
                        .filter(|tree| tree.root() == checkpoint.root)
                    {
                        Some(tree) => self.tree = tree,
                        None => return Ok(None),
                    }
                } else if self.tree.root() != checkpoint.root {
                    return Err(self.wrong_root());
                }
            }
            let Some(cursor) = self.walk.turn()? else { break };
            let (path, offset) = (cursor.path(), cursor.offset());
            let corrupt =
                |problem: String| LedgerError::Corrupt { path: path.clone(), offset, problem };
            let end = cursor.peek()?.map_or(next, BatchHeader::end);
            if next >= signed {
                self.unsigned[cursor.stream as usize].get_or_insert((first_leaf(&path), offset));
            }
            if next < signed && end > signed {
                return Err(corrupt(format!(
                    "the checkpoint's size {signed} is within this batch"
                )));
            }
            let header = if edges.is_none() || end > edge_from {
                let (header, content) = match cursor.take() {
                    Ok(batch) => batch,
                    Err(fault) if next < signed => return Err(fault.at(path, offset)),
                    Err(fault) => {
                        cursor.fault = Some(fault);
                        break;
                    }
                };
                if edges.is_some() {
                    edge.extend(
                        content
                            .leaves(&header)
                            .into_iter()
                            .skip(edge_from.saturating_sub(next) as usize),
                    );
                } else if header.root_before != self.tree.root() {
                    return Err(corrupt(
                        "a leaf before this batch is not the one that was written".into(),
                    ));
                } else {
                    content.leaves(&header).into_iter().for_each(|leaf| self.tree.push(leaf));
                    for tile in self.tree.take_full() {
                        self.tiles.write_full(&tile)?;
                    }
                }
                header
            } else {
                cursor.pass()
            };
            self.generations.add(&header).map_err(corrupt)?;
            self.walk.next = end;
        }
        if self.walk.next < signed { Err(self.walk.stuck()) } else { Ok(Some(self)) }
    }

    /// Passes over what the footers of sealed segments tell of, as far as it lies below a leaf.
    fn pass_sealed(&mut self, below: u64) -> Result<(), LedgerError> {
        let ledger = &self.folder.ledger;
        let segments =
            self.walk.cursors.each_ref().map(|cursor| Vec::from(cursor.segments.clone()));
        let SealedPart { end, generations } = SealedPart::read(ledger, &segments, below)?;
        self.generations = generations;
        self.walk.pass_segments_below(end);
        Ok(())
    }

    fn wrong_root(&self) -> LedgerError {
        let problem = "the leaves do not make the root that was signed".to_owned();
        LedgerError::Corrupt { path: self.folder.checkpoint_path(), offset: 0, problem }
    }

    /// Cuts off what stands after the end. `signed` tells whether there is a checkpoint: without one, a batch
    /// missing between others may be anything, and nothing whole is cut.
    fn finish(self, signed: bool) -> Result<Recovered, LedgerError> {
        let Pass { folder, walk, tree, generations, unsigned, .. } = self;
        let mut ends = [None, None];
        for (mut cursor, end) in walk.cursors.into_iter().zip(&mut ends) {
            let unsigned = unsigned[cursor.stream as usize];
            let Some((first_leaf, bytes)) = cut(folder, &mut cursor, walk.next, signed)? else {
                continue;
            };
            let unsigned_from = match unsigned {
                Some((segment, offset)) if segment == first_leaf => offset,
                Some((segment, _)) if segment < first_leaf => 0,
                _ => bytes,
            };
            *end = Some(End { first_leaf, bytes, unsigned_from });
        }
        Ok(Recovered { tree, generations, ends })
    }
}

/// Cuts one stream where the ledger ends, and returns the segment to go on with.
fn cut(
    folder: &Folder,
    cursor: &mut Cursor,
    next: u64,
    signed: bool,
) -> Result<Option<(u64, u64)>, LedgerError> {
    let after = cursor.peek()?.map(|header| header.first_leaf.0);
    let (path, offset) = (cursor.path(), cursor.offset());
    let corrupt =
        |problem: String| Err(LedgerError::Corrupt { path: path.clone(), offset, problem });
    let Some(file) = &mut cursor.file else { return Ok(None) };
    if let Some(fault) = cursor.fault.take() {
        if let Some(good) = claim(&file.path, offset, next)? {
            return corrupt(format!(
                "{fault}; batches written after it was durable follow at byte {good}"
            ));
        }
    } else if let Some(first) = after {
        let whole = first < next || cursor.within_frame() || !signed;
        if whole || claim(&path, offset, next)?.is_some() {
            return corrupt(format!("a batch of leaf {first}, where leaf {next} should be"));
        }
    } else if offset > 0 {
        return Ok(Some((first_leaf(&path), offset)));
    }
    for later in &cursor.segments {
        let later = segment_path(&folder.ledger, cursor.stream, *later);
        if claim(&later, 0, next)?.is_some() {
            return corrupt(format!("the ledger ends here, but {} follows", later.display()));
        }
        folder.disk.remove(&later)?;
    }
    let length = fs::metadata(&path).at("read", &path)?.len();
    if length > offset {
        tracing::warn!(
            "cut {} bytes off {} that a crash left unfinished",
            length - offset,
            path.display()
        );
    }
    folder.disk.open(&path, offset)?.cut(offset)?;
    if offset == 0 {
        folder.disk.remove(&path)?;
    }
    folder.disk.sync_folder(&stream_folder(&folder.ledger, cursor.stream))?;
    Ok((offset > 0).then(|| (first_leaf(&path), offset)))
}

fn first_leaf(path: &Path) -> u64 {
    let name = path.file_stem().and_then(|name| name.to_str());
    name.and_then(|digits| digits.parse().ok()).expect("segments are listed by such names")
}

/// Returns where, from a place on, a whole frame stands that was written when more than `next` leaves were
/// durable. Until a flush, a power cut may take any part of what was written, also an earlier frame and not
/// a later one; what a flush had made durable it does not take. Within the lines of a frame whose table is right
/// nothing is sought: lines can hold anything, also what looks like a frame.
fn claim(path: &Path, from: u64, next: u64) -> Result<Option<u64>, LedgerError> {
    let mut rest = Vec::new();
    let mut file = File::open(path).at("open", path)?;
    file.seek(SeekFrom::Start(from)).and_then(|_| file.read_to_end(&mut rest)).at("read", path)?;
    let mut at = 0;
    while at < rest.len() {
        let mut bytes = std::io::Cursor::new(&rest[at..]);
        let (mut passed, mut sources) = (0, Sources::default());
        match read_table(&mut bytes, (rest.len() - at) as u64, &mut passed, &mut sources) {
            Ok(Some(table)) => {
                let whole = FrameDecoder::default().content(&mut bytes, &table).is_ok();
                if whole && table.durable_before() > next {
                    return Ok(Some(from + at as u64 + passed));
                }
                at += (passed + table.table_bytes) as usize + table.data_bytes as usize;
            }
            Ok(None) | Err(FrameFault::Torn { table: true }) => return Ok(None),
            Err(FrameFault::Torn { table: false } | FrameFault::Bad(_) | FrameFault::Io(_)) => {
                let magic = TABLE_MAGIC.to_le_bytes();
                let found = rest[at + 1..].windows(4).position(|window| window == magic);
                at = found.map_or(rest.len(), |found| at + 1 + found);
            }
        }
    }
    Ok(None)
}
