//! Where a leaf's frame stands. Learned from the footers of the segments that are asked for, or from their tables
//! where there is none, and kept.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::Stream;
use super::error::{At, LedgerError};
use super::frame::FrameFault;
use super::segment::{SegmentFile, list_segments, segment_path};
use super::walk::Cursor;

/// Of how many segments places are kept: at 64 MiB a segment, and 16 bytes for each of at most some
/// hundred thousand frames, this stays below 100 MB in the worst case and 1 MB in the usual one.
const SEGMENTS_MAX: usize = 32;

/// The places of one stream's frames.
pub(super) struct Places {
    ledger: PathBuf,
    stream: Stream,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    segments: Vec<u64>,
    /// Every segment with a leaf below this is in `segments`.
    listed_to: u64,
    frames: HashMap<u64, SegmentPlaces>,
    clock: u64,
}

#[derive(Default)]
struct SegmentPlaces {
    /// Sealing replaces the file by another one of the same name.
    inode: u64,
    scanned: u64,
    /// First leaf and offset of each frame.
    frames: Vec<(u64, u64)>,
    last_used: u64,
}

impl Places {
    pub(super) fn new(ledger: &Path, stream: Stream) -> Places {
        Places { ledger: ledger.to_owned(), stream, known: Mutex::default() }
    }

    /// Returns a cursor at the last frame that begins at or before a leaf, or at the stream's beginning.
    /// `size` is how many leaves the ledger had when the caller looked.
    pub(super) fn cursor(&self, leaf: u64, size: u64) -> Result<Cursor, LedgerError> {
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if size > known.listed_to {
            known.segments = list_segments(&self.ledger, self.stream)?;
            known.listed_to = size;
        }
        let after = known.segments.partition_point(|&first| first <= leaf);
        let from = after.saturating_sub(1);
        let mut segments = known.segments[from.min(known.segments.len())..].to_vec();
        let file = match after {
            0 => None,
            _ => Some(self.open_at(&mut known, segments.remove(0), leaf, size)?),
        };
        Ok(Cursor::in_file(&self.ledger, self.stream, segments, file))
    }

    /// Opens a segment at the last frame that begins at or before a leaf. The place belongs to the file that was
    /// opened: another may take its name at any time.
    fn open_at(
        &self,
        known: &mut Known,
        segment: u64,
        leaf: u64,
        size: u64,
    ) -> Result<SegmentFile, LedgerError> {
        known.clock += 1;
        if known.frames.len() >= SEGMENTS_MAX && !known.frames.contains_key(&segment) {
            let oldest = known
                .frames
                .iter()
                .min_by_key(|(_, places)| places.last_used)
                .map(|(&first, _)| first);
            oldest.map(|oldest| known.frames.remove(&oldest));
        }
        let places = known.frames.entry(segment).or_default();
        places.last_used = known.clock;
        let path = segment_path(&self.ledger, self.stream, segment);
        let mut file = SegmentFile::open(path.clone(), 0).at("open", &path)?;
        let inode = file.inode().at("read", &path)?;
        if places.inode != inode {
            *places = SegmentPlaces { inode, last_used: known.clock, ..SegmentPlaces::default() };
            let footer = file.ending().at("read", &path)?.footer();
            if let Some(footer) = footer.filter(|footer| footer.starts_with(segment)) {
                (places.frames, places.scanned) = (footer.frames, file.length());
            }
        }
        let may_be_newer = places.frames.last().is_none_or(|&(first, _)| first <= leaf);
        if may_be_newer && places.scanned < file.length() {
            file.seek(places.scanned).at("read", &path)?;
            scan(&mut file, places, size)?;
        }
        let after = places.frames.partition_point(|&(first, _)| first <= leaf);
        let offset = after.checked_sub(1).map_or(0, |frame| places.frames[frame].1);
        file.seek(offset).at("read", &path)?;
        Ok(file)
    }
}

/// Notes the frames from where the last scan ended, as far as the ledger had leaves when the caller looked:
/// what comes after may be taken away again and give room to something else. A damaged frame ends the scan:
/// whoever needs what should stand there will meet the fault.
fn scan(file: &mut SegmentFile, places: &mut SegmentPlaces, size: u64) -> Result<(), LedgerError> {
    loop {
        match file.frame() {
            Ok(Some(frame)) if frame.table.headers[0].first_leaf.0 >= size => return Ok(()),
            Ok(Some(frame)) => {
                file.skip_content(&frame).at("read", &file.path)?;
                places.frames.push((frame.table.headers[0].first_leaf.0, frame.offset));
                places.scanned = frame.end();
            }
            Err(FrameFault::Io(error)) => return Err(error).at("read", &file.path),
            Ok(None) | Err(FrameFault::Torn { .. } | FrameFault::Bad(_)) => return Ok(()),
        }
    }
}
