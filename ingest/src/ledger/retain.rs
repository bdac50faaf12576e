//! Retention: old segments lose their lines, and keep headers and leaf hashes.
//!
//! ```text
//!   table, lines    table, lines        as it was written
//!   table, hashes   table, hashes       emptied: the tree, places in files and proofs stay what they were
//! ```
//!
//! What may go, and who said so, is for the caller to know: to the ledger a tombstone is a line like another.

use std::path::{Path, PathBuf};

use super::Stream;
use super::disk::Disk;
use super::error::{At, LedgerError};
use super::footer::Footer;
use super::frame::{Batched, emptied_frame};
use super::reader::LedgerReader;
use super::segment::{SegmentFile, list_segments, segment_path, stream_folder};
use crate::source::LeafIndex;

/// A segment of `lines/` as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its first leaf, which is its name.
    pub first_leaf: LeafIndex,
    /// The leaf after its last batch.
    pub end: u64,
    /// How many leaves it has: headers and lines.
    pub leaves: u64,
    /// Bytes of its lines, uncompressed.
    pub bytes: u64,
    /// When the last of its batches arrived, in nanoseconds since 1970.
    pub arrived_unix_ns: i64,
    /// It is sealed and has its footer. While a sealer runs, no other may be emptied: the two would write it at once.
    pub sealed: bool,
}

impl SegmentInfo {
    /// Returns the name of the file within `ledger/`.
    pub fn file(&self) -> String {
        format!("lines/{:020}.zst", self.first_leaf.0)
    }
}

impl LedgerReader {
    /// Returns the oldest segments of `lines/` from a leaf on whose every batch arrived before a time, as far
    /// as they follow each other.
    ///
    /// # Errors
    /// The ledger is damaged or unreadable.
    pub fn segments_before(
        &self,
        from: LeafIndex,
        before_unix_ns: i64,
    ) -> Result<Vec<SegmentInfo>, LedgerError> {
        let mut old = Vec::new();
        for first in over(&self.ledger_folder())?.into_iter().filter(|&first| first >= from.0) {
            match self.segment_before(first, before_unix_ns)? {
                Some(info) => old.push(info),
                None => break,
            }
        }
        Ok(old)
    }

    fn segment_before(&self, first: u64, before: i64) -> Result<Option<SegmentInfo>, LedgerError> {
        let path = segment_path(&self.ledger_folder(), Stream::Lines, first);
        let mut file = SegmentFile::open(path.clone(), 0).at("open", &path)?;
        let footer = file.ending().at("read", &path)?.footer();
        let sealed = footer.is_some();
        let footer = match footer {
            Some(footer) => footer,
            None => file.footer_below(u64::MAX)?,
        };
        let old = footer.leaves > 0 && footer.arrived_unix_ns < before && footer.end <= self.size();
        Ok(old.then_some(SegmentInfo {
            first_leaf: LeafIndex(first),
            end: footer.end,
            leaves: footer.leaves,
            bytes: footer.bytes,
            arrived_unix_ns: footer.arrived_unix_ns,
            sealed,
        }))
    }

    /// Removes the lines of a segment of `lines/` and keeps their leaf hashes; readers see the old file or the
    /// new one. Tells whether there was anything to remove. The caller holds the writer's lock.
    ///
    /// # Errors
    /// The segment is still written to or damaged: then it stays as it is; the disk refuses.
    pub fn empty_segment(&self, first_leaf: LeafIndex) -> Result<bool, LedgerError> {
        let ledger = self.ledger_folder();
        if !over(&ledger)?.contains(&first_leaf.0) {
            return Err(LedgerError::Refused(format!(
                "segment {first_leaf} of lines/ is still written to, so its lines stay"
            )));
        }
        let path = segment_path(&ledger, Stream::Lines, first_leaf.0);
        let mut file = SegmentFile::open(path.clone(), 0).at("open", &path)?;
        let (mut emptied, mut footer) = (Vec::new(), Footer::default());
        while let Some(frame) = file.frame().map_err(|fault| file.fault(file.offset(), fault))? {
            if frame.table.emptied {
                // A segment is emptied as a whole. Each start asks for all that tombstones name.
                return Ok(false);
            }
            let content = file.content(&frame).map_err(|fault| file.fault(frame.offset, fault))?;
            let mut hashes = Vec::new();
            let mut batched = Batched::new(content);
            for header in &frame.table.headers {
                let leaves = batched.next(header).leaves(header);
                for (leaf, hash) in (header.first_leaf.0..).zip(&leaves) {
                    // What is wrong now could not be told from what was removed.
                    if self.tile_hash(leaf).is_some_and(|signed| signed != *hash) {
                        let problem = format!("leaf {leaf} is not the one that was signed");
                        return Err(LedgerError::Corrupt { path, offset: frame.offset, problem });
                    }
                }
                hashes.extend_from_slice(&leaves[1..]);
            }
            let offset = emptied.len() as u64;
            emptied.extend(emptied_frame(&frame.table.headers, &hashes).at("compress", &path)?);
            footer.add(&frame.table.headers, offset, emptied.len() as u64);
        }
        if footer.leaves == 0 {
            return Ok(false);
        }
        emptied.extend(footer.encode());
        let disk = Disk::default();
        disk.replace(&path, &emptied, true)?;
        disk.sync_folder(&stream_folder(&ledger, Stream::Lines))?;
        Ok(true)
    }

    fn ledger_folder(&self) -> PathBuf {
        self.data().join("ledger")
    }
}

/// Returns the first leaves of the segments of `lines/` that nobody writes to any more, ascending.
fn over(ledger: &Path) -> Result<Vec<u64>, LedgerError> {
    let mut segments = list_segments(ledger, Stream::Lines)?;
    segments.pop();
    Ok(segments)
}
