//! The frames read last, decompressed: lines shown together mostly stand together.

use std::sync::Arc;

use super::batch::BatchHeader;

/// A frame's batches and their lines back to back.
pub(super) struct ReadFrame {
    pub(super) headers: Vec<BatchHeader>,
    pub(super) content: Vec<u8>,
}

impl ReadFrame {
    /// Returns the batch that holds a leaf, and where its lines begin.
    pub(super) fn find(&self, leaf: u64) -> Option<(&BatchHeader, usize)> {
        let at =
            self.headers.partition_point(|header| header.first_leaf.0 <= leaf).checked_sub(1)?;
        let header = &self.headers[at];
        let start: u64 = self.headers[..at].iter().map(BatchHeader::bytes).sum();
        (leaf < header.end()).then_some((header, start as usize))
    }

    fn bytes(&self) -> usize {
        let lengths: usize = self.headers.iter().map(|header| 160 + 4 * header.lengths.len()).sum();
        self.content.len() + lengths
    }
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
    use crate::source::{Generation, LeafIndex, Reader};

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
        Arc::new(ReadFrame { headers: vec![header], content: vec![0; 900] })
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
