//! The frames read last, decompressed: lines shown together mostly stand together.

use std::sync::Arc;

use super::batch::BatchHeader;
use super::frame::Content;
use super::tree::Hash;
use crate::source::LeafIndex;

/// A frame's batches and what is there of their lines, back to back.
pub(super) struct ReadFrame {
    pub(super) headers: Vec<BatchHeader>,
    pub(super) content: Content,
}

impl ReadFrame {
    /// Returns the batch that holds a leaf, and what the leaf is.
    pub(super) fn find(&self, leaf: u64) -> Option<(&BatchHeader, ReadLeaf<'_>)> {
        let at =
            self.headers.partition_point(|header| header.first_leaf.0 <= leaf).checked_sub(1)?;
        let header = &self.headers[at];
        if leaf >= header.end() {
            return None;
        }
        let Some(range) = header.line_range(LeafIndex(leaf)) else {
            return Some((header, ReadLeaf::Header));
        };
        let before = &self.headers[..at];
        Some((
            header,
            match &self.content {
                Content::Lines(lines) => {
                    let start = before.iter().map(BatchHeader::bytes).sum::<u64>() as usize;
                    ReadLeaf::Line { bytes: &lines[start..][range.clone()], within: range.start }
                }
                Content::Hashes(hashes) => {
                    let start: usize = before.iter().map(|header| header.lengths.len()).sum();
                    let line = (leaf - header.first_leaf.0 - 1) as usize;
                    ReadLeaf::Removed(hashes[start + line])
                }
            },
        ))
    }

    fn bytes(&self) -> usize {
        let lengths: usize = self.headers.iter().map(|header| 160 + 4 * header.lengths.len()).sum();
        let content = match &self.content {
            Content::Lines(lines) => lines.len(),
            Content::Hashes(hashes) => 32 * hashes.len(),
        };
        content + lengths
    }
}

/// What a leaf is.
pub(super) enum ReadLeaf<'a> {
    /// The header of its batch.
    Header,
    /// A line, and where it begins within the batch's bytes.
    Line { bytes: &'a [u8], within: usize },
    /// A line that retention removed: its hash is left.
    Removed(Hash),
}

/// Keeps frames up to a number of bytes, and drops the one that was not used longest.
pub(super) struct FrameCache {
    bytes_max: usize,
    bytes: usize,
    /// Used last at the end.
    frames: Vec<Arc<ReadFrame>>,
}

/// So many frames at most: looking one up goes through all.
const FRAMES_MAX: usize = 256;

impl FrameCache {
    pub(super) fn new(bytes_max: usize) -> FrameCache {
        FrameCache { bytes_max, bytes: 0, frames: Vec::new() }
    }

    pub(super) fn get(&mut self, leaf: u64) -> Option<Arc<ReadFrame>> {
        let at = self.frames.iter().rposition(|frame| frame.find(leaf).is_some())?;
        let frame = self.frames.remove(at);
        self.frames.push(frame.clone());
        Some(frame)
    }

    pub(super) fn put(&mut self, frame: Arc<ReadFrame>) {
        if frame.bytes() > self.bytes_max {
            return;
        }
        self.bytes += frame.bytes();
        self.frames.push(frame);
        while self.bytes > self.bytes_max || self.frames.len() > FRAMES_MAX {
            self.bytes -= self.frames.remove(0).bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Stream;
    use crate::source::{Generation, Reader};

    fn frame(first_leaf: u64) -> Arc<ReadFrame> {
        let header = BatchHeader {
            stream: Stream::Lines,
            first_leaf: LeafIndex(first_leaf),
            source: "a/b/c".into(),
            generation: Generation(0),
            parent: None,
            offset: 0,
            reader: Reader::Live,
            arrived_unix_ns: 0,
            continued: false,
            unterminated: false,
            root_before: [0; 32],
            lengths: vec![900],
        };
        Arc::new(ReadFrame { headers: vec![header], content: Content::Lines(vec![0; 900]) })
    }

    #[test]
    fn the_frame_not_used_longest_goes_first() {
        let mut cache = FrameCache::new(2500);
        cache.put(frame(0));
        cache.put(frame(2));
        assert!(cache.get(1).is_some());
        cache.put(frame(4));
        let found: Vec<_> = (0..6).map(|leaf| cache.get(leaf).is_some()).collect();
        assert_eq!(found, [true, true, false, false, true, true]);
    }
}
