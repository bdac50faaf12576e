//! Sealing: a segment that is over is written again, in frames of about 4 MiB in place of one frame a batch, and
//! replaces the old one after every leaf in it has been compared with the tree.
//!
//! ```text
//!   lines/0000….zst          header│line│ header│line line│ header│line│ …      as they arrived
//!        │ read
//!   lines/0000….zst.tmp      headers ……│ lines ……………………│ headers ……│ lines ………│ footer
//!        │ fsync, read back, compare each leaf with the signed tree, rename, fsync the folder
//!   lines/0000….zst          either the old one or the new one, whole, whenever the power fails
//! ```
//!
//! Who has the old file open reads on in it. A frame that is large already is taken as it is: recompressing
//! what an import wrote would gain little and cost as much as the import. A segment that an earlier keytrail sealed
//! without a footer, or whose footer is damaged, is copied frame by frame and gets one.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Stream;
use super::batch::BatchHeader;
use super::disk::{Disk, DiskFile};
use super::error::{At, LedgerError};
use super::footer::{Ending, Footer};
use super::frame::{Batched, Content, FrameEncoder, FrameFault};
use super::reader::LedgerReader;
use super::segment::{Frame, SegmentFile, ending, list_segments, segment_path, stream_folder};
use super::tiles::TileFiles;
use super::tree::{FullTile, Hash, TILE_WIDTH, complete_root};
use crate::source::LeafIndex;

/// About so many bytes of lines make a sealed frame: with 1 MiB it takes a fifth more, and one line is read 2 ms sooner.
const FRAME_BYTES: usize = 4 << 20;
/// A frame with so many bytes of lines is large enough to stay as it is.
const LARGE_FRAME_BYTES: u32 = 1 << 19;

/// Which segment of each stream is being written; `u64::MAX` for none.
pub(super) type OpenSegments = Arc<[AtomicU64; 2]>;

/// Seals segments beside the writer, without its help and without holding it up.
pub struct Sealer {
    disk: Disk,
    ledger: PathBuf,
    reader: LedgerReader,
    open: OpenSegments,
    /// Segments that have their footer: they keep it, and are not looked at again.
    sealed: Mutex<HashSet<(u64, Stream)>>,
}

/// A segment that was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its first leaf.
    pub first_leaf: LeafIndex,
    /// Its bytes before.
    pub bytes_before: u64,
    /// Its bytes now.
    pub bytes: u64,
}

impl Sealer {
    pub(super) fn new(
        disk: Disk,
        ledger: &Path,
        reader: LedgerReader,
        open: OpenSegments,
    ) -> Sealer {
        Sealer { disk, ledger: ledger.to_owned(), reader, open, sealed: Mutex::default() }
    }

    /// Returns the bytes of the segments that can be sealed now.
    ///
    /// # Errors
    /// The segments cannot be read.
    pub fn bytes_to_seal(&self) -> Result<u64, LedgerError> {
        let (_, segments) = self.unsealed()?;
        let bytes = segments.into_iter().map(|(first, stream)| {
            let path = segment_path(&self.ledger, stream, first);
            Ok(fs::metadata(&path).at("read", &path)?.len())
        });
        bytes.sum()
    }

    /// Seals the oldest segment that is over, signed and not sealed yet; `None` if there is none.
    ///
    /// # Errors
    /// The segment is damaged, in which case it stays as it is; the disk refuses. Nothing is lost then, and this may
    /// be called again.
    pub fn seal_next(&self) -> Result<Option<Sealed>, LedgerError> {
        let (signed, segments) = self.unsealed()?;
        match segments.first() {
            Some(&(first, stream)) => self.seal(stream, first, signed),
            None => Ok(None),
        }
    }

    /// Returns how many leaves are signed, and the segments that are over, begin below that and lack a footer. The
    /// oldest first, whatever its stream: opening passes over what both streams have sealed.
    fn unsealed(&self) -> Result<(u64, Vec<(u64, Stream)>), LedgerError> {
        self.reader.refresh()?;
        let signed = self.reader.checkpoint()?.size;
        // Looked at after the checkpoint: a segment that begins below it and is not open now is over.
        let open = self.open.each_ref().map(|open| open.load(Ordering::Acquire));
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut segments = Vec::new();
        for stream in Stream::ALL {
            for first in list_segments(&self.ledger, stream)? {
                if first >= open[stream as usize].min(signed) || sealed.contains(&(first, stream)) {
                    continue;
                }
                match ending(&segment_path(&self.ledger, stream, first))? {
                    Ending::Sealed(_) => drop(sealed.insert((first, stream))),
                    _ => segments.push((first, stream)),
                }
            }
        }
        segments.sort_unstable();
        Ok((signed, segments))
    }

    /// Seals one segment; `None` if it has leaves that are not signed yet.
    fn seal(&self, stream: Stream, first: u64, signed: u64) -> Result<Option<Sealed>, LedgerError> {
        let path = segment_path(&self.ledger, stream, first);
        let unfinished = path.with_added_extension("tmp");
        let mut writer = Writer {
            encoder: FrameEncoder::sealing().at("start to compress for", &path)?,
            file: self.disk.create_anew(&unfinished)?,
            headers: Vec::new(),
            content: Vec::new(),
            frame: Vec::new(),
            footer: Footer::default(),
        };
        let mut segment = SegmentFile::open(path.clone(), 0).at("open", &path)?;
        let sealed = segment.ending().at("read", &path)?.is_sealed();
        while let Some(frame) = next(&mut segment)? {
            if frame.table.headers.last().is_some_and(|header| header.end() > signed) {
                return Ok(None);
            }
            if sealed {
                let bytes = segment.whole(&frame).at("read", &path)?;
                writer.write(&frame.table.headers, &bytes)?;
            } else if frame.table.content_bytes >= LARGE_FRAME_BYTES {
                writer.end_frame()?;
                let data = segment.data(&frame).at("read", &path)?;
                writer.take(&frame, &data)?;
            } else {
                let content =
                    segment.content(&frame).map_err(|fault| segment.fault(frame.offset, fault))?;
                // What retention emptied is sealed as it is.
                let Content::Lines(content) = content else {
                    return Err(LedgerError::Refused(
                        "lines that were removed are not sealed".into(),
                    ));
                };
                writer.add(frame.table.headers, &content)?;
            }
        }
        let bytes_before = segment.offset();
        writer.end_frame()?;
        let ends = writer.footer.encode();
        writer.file.write_all(&ends)?;
        writer.file.sync()?;
        let bytes = writer.footer.frames_bytes + ends.len() as u64;
        drop(writer);
        self.compare(&path, &unfinished)?;
        if !segment.is_at(&path) {
            // Retention was here meanwhile. What it wrote has a footer.
            self.disk.remove(&unfinished)?;
            return Ok(None);
        }
        self.disk.rename(&unfinished, &path)?;
        self.disk.sync_folder(&stream_folder(&self.ledger, stream))?;
        Ok(Some(Sealed { first_leaf: LeafIndex(first), bytes_before, bytes }))
    }

    /// Returns a leaf's hash as the signed tree has it: from its tile. Where a power failure took that, it is made
    /// again from the lines, and believed if it has the root that the tile above says.
    fn signed_leaf_hash(&self, leaf: u64) -> Result<Option<Hash>, LedgerError> {
        if let Some(hash) = self.reader.signed_leaf_hash(LeafIndex(leaf)) {
            return Ok(Some(hash));
        }
        let index = leaf / TILE_WIDTH as u64;
        let first = index * TILE_WIDTH as u64;
        let Some(root) = self.reader.signed_tile_root(index) else { return Ok(None) };
        let hashes = (first..first + TILE_WIDTH as u64)
            .map(|leaf| self.reader.leaf_hash(LeafIndex(leaf)))
            .collect::<Result<Vec<Hash>, _>>()?;
        if complete_root(&hashes) != root {
            return Ok(None);
        }
        let hash = hashes[(leaf - first) as usize];
        let tiles = TileFiles::on(&self.disk, &self.ledger);
        tiles.write_full(&FullTile { level: 0, index, hashes })?;
        Ok(Some(hash))
    }

    /// Compares every leaf of the new file, as it is on disk, with the tree, and the batches with the old file's.
    fn compare(&self, old: &Path, new: &Path) -> Result<(), LedgerError> {
        let mut old_file = SegmentFile::open(old.to_owned(), 0).at("open", old)?;
        let mut old_firsts = Vec::new();
        while let Some(frame) = next(&mut old_file)? {
            old_file.skip_content(&frame).at("read", old)?;
            old_firsts.extend(frame.table.headers.iter().map(|header| header.first_leaf));
        }
        let mut file = SegmentFile::open(new.to_owned(), 0).at("open", new)?;
        let mut footer = Footer::default();
        let mut firsts = old_firsts.into_iter();
        while let Some(frame) = next(&mut file)? {
            footer.add(&frame.table.headers, frame.offset, frame.end());
            let content = file.content(&frame).map_err(|fault| file.fault(frame.offset, fault))?;
            let mut batched = Batched::new(content);
            for header in &frame.table.headers {
                let leaves = batched.next(header).leaves(header);
                let differs = |leaf| LedgerError::Corrupt {
                    path: old.to_owned(),
                    offset: 0,
                    problem: format!("leaf {leaf} of this segment is not the one that was signed"),
                };
                if firsts.next() != Some(header.first_leaf) {
                    return Err(differs(header.first_leaf.0));
                }
                for (leaf, hash) in (header.first_leaf.0..).zip(leaves) {
                    // From its tile, which makes the signed root; not from the lines.
                    if self.signed_leaf_hash(leaf)? != Some(hash) {
                        return Err(differs(leaf));
                    }
                }
            }
        }
        let problem = match firsts.next() {
            Some(leaf) => format!("leaf {leaf} is missing"),
            None if file.ending().at("read", new)? != Ending::Sealed(footer) => {
                "its footer is not what was written".to_owned()
            }
            None => return Ok(()),
        };
        Err(LedgerError::Corrupt { path: new.to_owned(), offset: file.offset(), problem })
    }
}

/// Writes the frames of a sealed segment.
struct Writer {
    encoder: FrameEncoder,
    file: DiskFile,
    /// Batches of the next frame.
    headers: Vec<BatchHeader>,
    content: Vec<u8>,
    frame: Vec<u8>,
    footer: Footer,
}

impl Writer {
    fn add(&mut self, headers: Vec<BatchHeader>, mut content: &[u8]) -> Result<(), LedgerError> {
        for header in headers {
            let (lines, after) = content.split_at(header.bytes() as usize);
            content = after;
            self.headers.push(header);
            self.content.extend_from_slice(lines);
            if self.content.len() >= FRAME_BYTES {
                self.end_frame()?;
            }
        }
        Ok(())
    }

    fn end_frame(&mut self) -> Result<(), LedgerError> {
        if self.headers.is_empty() {
            return Ok(());
        }
        let encoded = self.encoder.encode(&self.headers, &self.content, 0, &mut self.frame);
        encoded.at("compress for", &self.file.path)?;
        let headers = std::mem::take(&mut self.headers);
        self.content.clear();
        let frame = std::mem::take(&mut self.frame);
        self.write(&headers, &frame)?;
        self.frame = frame;
        Ok(())
    }

    /// Writes a frame whose lines are compressed already.
    fn take(&mut self, frame: &Frame, data: &[u8]) -> Result<(), LedgerError> {
        let content_bytes = frame.table.content_bytes as usize;
        let mut taken = std::mem::take(&mut self.frame);
        let encoded =
            self.encoder.encode_data(&frame.table.headers, data, content_bytes, &mut taken);
        encoded.at("compress for", &self.file.path)?;
        self.write(&frame.table.headers, &taken)?;
        self.frame = taken;
        Ok(())
    }

    fn write(&mut self, headers: &[BatchHeader], frame: &[u8]) -> Result<(), LedgerError> {
        let offset = self.footer.frames_bytes;
        self.footer.add(headers, offset, offset + frame.len() as u64);
        self.file.write_all(frame)
    }
}

fn next(file: &mut SegmentFile) -> Result<Option<Frame>, LedgerError> {
    let offset = file.offset();
    file.frame().map_err(|fault: FrameFault| file.fault(offset, fault))
}
