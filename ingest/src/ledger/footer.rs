//! The footer of a sealed segment: where its frames stand, and how far its batches bring each generation.
//!
//! ```text
//!   table, lines   table, lines   …   │ footer: frames, generations, length, "sealed 2" │
//!                                       read from the end of the file
//! ```
//!
//! Derived from the frames and no evidence: whoever opens a ledger or looks for a leaf is spared reading every
//! table. What it says is held against the frames when it is made and by `verify`; one that is missing or whose
//! checksum is wrong is done without, and the sealer makes it anew. It is a skippable frame to zstd.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::batch::{BatchHeader, take};
use super::generations::GenerationInfo;
use crate::source::{Generation, LeafIndex, Reader};

/// The magic of the last frame of a sealed segment.
const MAGIC: u32 = 0x184D_2A5C;
/// How a sealed segment without a footer ends: a skippable frame with this alone.
pub(super) const SEALED_1: [u8; 16] = *b"\x5c\x2a\x4d\x18\x08\x00\x00\x00sealed 1";
/// How one with a footer ends.
pub(super) const SEALED_2: [u8; 8] = *b"sealed 2";
/// Bytes of the frame's own length, before [`SEALED_2`].
const LENGTH_BYTES: usize = 4;
/// Magic, size and checksum.
const HEAD_BYTES: usize = 12;
/// A footer has 16 bytes a frame and some hundred a generation; a segment has 64 MiB.
const FOOTER_BYTES_MAX: u64 = 64 << 20;

const UNTERMINATED: u8 = 1;
const HAS_PARENT: u8 = 2;
const IMPORTED: u8 = 4;

/// What a sealed segment holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Footer {
    /// The leaf after the last batch.
    pub(super) end: u64,
    /// Leaves in the segment: headers and lines.
    pub(super) leaves: u64,
    /// Bytes of its lines, decompressed, also if they were removed.
    pub(super) bytes: u64,
    /// When the last of its batches arrived, in nanoseconds since 1970.
    pub(super) arrived_unix_ns: i64,
    /// Bytes of the file before the footer.
    pub(super) frames_bytes: u64,
    /// First leaf and offset of each frame, ascending.
    pub(super) frames: Vec<(u64, u64)>,
    /// Of each generation the part that is in this segment, in the order in which they first appear.
    pub(super) parts: Vec<GenerationInfo>,
}

/// How a segment ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It may still be appended to.
    Open,
    /// It is sealed, without a footer: by an earlier keytrail.
    SealedBare,
    /// It is sealed, and its footer is not what was written.
    SealedWrong,
    /// It is sealed.
    Sealed(Footer),
}

impl Ending {
    /// Reads how a file of this length ends.
    pub(super) fn read(file: &File, length: u64) -> io::Result<Ending> {
        let tail_bytes = length.min(SEALED_1.len() as u64) as usize;
        let mut tail = [0; SEALED_1.len()];
        let tail = &mut tail[..tail_bytes];
        file.read_exact_at(tail, length - tail_bytes as u64)?;
        if *tail == SEALED_1 {
            return Ok(Ending::SealedBare);
        }
        let Some(rest) = tail.strip_suffix(&SEALED_2) else { return Ok(Ending::Open) };
        let bytes = rest.last_chunk::<LENGTH_BYTES>().map(|bytes| u32::from_le_bytes(*bytes));
        let bytes = u64::from(bytes.unwrap_or_default());
        let Some(start) = length.checked_sub(bytes).filter(|_| bytes <= FOOTER_BYTES_MAX) else {
            return Ok(Ending::SealedWrong);
        };
        let mut frame = vec![0; bytes as usize];
        file.read_exact_at(&mut frame, start)?;
        Ok(match Footer::decode(&frame) {
            Some(footer) if footer.frames_bytes == start => Ending::Sealed(footer),
            _ => Ending::SealedWrong,
        })
    }

    /// Tells whether nothing is appended any more.
    pub(super) fn is_sealed(&self) -> bool {
        !matches!(self, Ending::Open)
    }

    /// Returns the footer, if there is a right one.
    pub(super) fn footer(self) -> Option<Footer> {
        match self {
            Ending::Sealed(footer) => Some(footer),
            Ending::Open | Ending::SealedBare | Ending::SealedWrong => None,
        }
    }
}

impl Footer {
    /// Adds the next frame.
    pub(super) fn add(&mut self, headers: &[BatchHeader], offset: u64, end_offset: u64) {
        self.frames.push((headers[0].first_leaf.0, offset));
        self.frames_bytes = end_offset;
        for header in headers {
            self.arrived_unix_ns = match self.leaves {
                0 => header.arrived_unix_ns,
                _ => self.arrived_unix_ns.max(header.arrived_unix_ns),
            };
            self.end = header.end();
            self.leaves += header.lengths.len() as u64 + 1;
            self.bytes += header.bytes();
            let part = GenerationInfo::of_batch(header);
            // The batches of one generation mostly follow each other.
            match self.parts.iter_mut().rfind(|known| known.generation == part.generation) {
                Some(known) => known.go_on(&part),
                None => self.parts.push(part),
            }
        }
    }

    /// Tells whether it can be that of the segment with this first leaf.
    pub(super) fn starts_with(&self, first_leaf: u64) -> bool {
        self.frames.first().is_some_and(|&(first, _)| first == first_leaf)
    }

    /// Tells whether the segment has lines of a source.
    pub(super) fn has(&self, source: &str) -> bool {
        self.parts.iter().any(|part| &*part.source == source)
    }

    /// Returns the frame that ends the segment.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut frame = vec![0; HEAD_BYTES];
        for number in [self.end, self.leaves, self.bytes] {
            frame.extend(number.to_le_bytes());
        }
        frame.extend(self.arrived_unix_ns.to_le_bytes());
        frame.extend(self.frames_bytes.to_le_bytes());
        frame.extend(u32_of(self.frames.len()).to_le_bytes());
        frame.extend(u32_of(self.parts.len()).to_le_bytes());
        for (first_leaf, offset) in &self.frames {
            frame.extend(first_leaf.to_le_bytes());
            frame.extend(offset.to_le_bytes());
        }
        for part in &self.parts {
            encode_part(part, &mut frame);
        }
        let bytes = u32_of(frame.len() + LENGTH_BYTES + SEALED_2.len());
        frame.extend(bytes.to_le_bytes());
        frame.extend(SEALED_2);
        frame[..4].copy_from_slice(&MAGIC.to_le_bytes());
        frame[4..8].copy_from_slice(&(bytes - 8).to_le_bytes());
        let crc = crc32fast::hash(&frame[HEAD_BYTES..]);
        frame[8..HEAD_BYTES].copy_from_slice(&crc.to_le_bytes());
        frame
    }

    /// Reads a frame. Only what [`Footer::encode`] writes is accepted.
    fn decode(frame: &[u8]) -> Option<Footer> {
        let mut rest = frame;
        let [magic, size, crc] = [u32_from(&mut rest)?, u32_from(&mut rest)?, u32_from(&mut rest)?];
        if magic != MAGIC || size as usize + 8 != frame.len() || crc != crc32fast::hash(rest) {
            return None;
        }
        rest = rest.strip_suffix(&SEALED_2)?;
        rest = rest.split_last_chunk::<LENGTH_BYTES>()?.0;
        let mut footer = Footer {
            end: u64_from(&mut rest)?,
            leaves: u64_from(&mut rest)?,
            bytes: u64_from(&mut rest)?,
            arrived_unix_ns: i64::from_le_bytes(take(&mut rest).ok()?),
            frames_bytes: u64_from(&mut rest)?,
            ..Footer::default()
        };
        // Neither count is believed further than there are bytes.
        let [frames, parts] = [u32_from(&mut rest)?, u32_from(&mut rest)?];
        for _ in 0..frames {
            footer.frames.push((u64_from(&mut rest)?, u64_from(&mut rest)?));
        }
        for _ in 0..parts {
            footer.parts.push(decode_part(&mut rest)?);
        }
        rest.is_empty().then_some(footer)
    }
}

fn encode_part(part: &GenerationInfo, out: &mut Vec<u8>) {
    let mut flags = 0;
    for (set, flag) in [
        (part.unterminated, UNTERMINATED),
        (part.parent.is_some(), HAS_PARENT),
        (part.reader == Reader::Import, IMPORTED),
    ] {
        flags |= if set { flag } else { 0 };
    }
    out.push(flags);
    let parent = part.parent.map_or(0, |parent| parent.0);
    for number in [
        part.generation.0,
        parent,
        part.start,
        part.end,
        part.first_line.0,
        part.last_line.0,
        part.lines,
    ] {
        out.extend(number.to_le_bytes());
    }
    out.extend(part.last_arrived_unix_ns.to_le_bytes());
    let source = u16::try_from(part.source.len()).expect("the writer refuses longer names");
    out.extend(source.to_le_bytes());
    out.extend(part.source.as_bytes());
}

fn decode_part(rest: &mut &[u8]) -> Option<GenerationInfo> {
    let [flags] = take(rest).ok()?;
    if flags & !(UNTERMINATED | HAS_PARENT | IMPORTED) != 0 {
        return None;
    }
    let generation = Generation(u64_from(rest)?);
    let parent = match (flags & HAS_PARENT != 0, u64_from(rest)?) {
        (true, parent) => Some(Generation(parent)),
        (false, 0) => None,
        (false, _) => return None,
    };
    let [start, end] = [u64_from(rest)?, u64_from(rest)?];
    let [first_line, last_line] = [LeafIndex(u64_from(rest)?), LeafIndex(u64_from(rest)?)];
    let lines = u64_from(rest)?;
    let last_arrived_unix_ns = i64::from_le_bytes(take(rest).ok()?);
    let name_bytes = usize::from(u16::from_le_bytes(take(rest).ok()?));
    let (name, after) = rest.split_at_checked(name_bytes)?;
    *rest = after;
    Some(GenerationInfo {
        generation,
        source: str::from_utf8(name).ok()?.into(),
        parent,
        reader: if flags & IMPORTED == 0 { Reader::Live } else { Reader::Import },
        start,
        end,
        first_line,
        last_line,
        lines,
        unterminated: flags & UNTERMINATED != 0,
        last_arrived_unix_ns,
    })
}

fn u32_from(rest: &mut &[u8]) -> Option<u32> {
    take(rest).ok().map(u32::from_le_bytes)
}

fn u64_from(rest: &mut &[u8]) -> Option<u64> {
    take(rest).ok().map(u64::from_le_bytes)
}

fn u32_of(number: usize) -> u32 {
    u32::try_from(number).expect("a segment is bounded")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any bytes in the place of what a footer says, with everything around them right.
    fn around(says: &[u8]) -> Vec<u8> {
        let bytes = u32_of(HEAD_BYTES + says.len() + LENGTH_BYTES + SEALED_2.len());
        let rest = [says, &bytes.to_le_bytes(), &SEALED_2].concat();
        let head = [MAGIC, bytes - 8, crc32fast::hash(&rest)].map(u32::to_le_bytes);
        [head.as_flattened(), &rest].concat()
    }

    fn part() -> impl Strategy<Value = GenerationInfo> {
        let places = any::<[u64; 6]>();
        (places, any::<Option<u64>>(), any::<i64>(), any::<[bool; 2]>(), "[a-zü/]{1,20}").prop_map(
            |([generation, start, end, first, last, lines], parent, arrived, flags, source)| {
                GenerationInfo {
                    generation: Generation(generation),
                    source: source.into(),
                    parent: parent.map(Generation),
                    reader: if flags[0] { Reader::Import } else { Reader::Live },
                    start,
                    end,
                    first_line: LeafIndex(first),
                    last_line: LeafIndex(last),
                    lines,
                    unterminated: flags[1],
                    last_arrived_unix_ns: arrived,
                }
            },
        )
    }

    fn footer() -> impl Strategy<Value = Footer> {
        let frames = prop::collection::vec(any::<(u64, u64)>(), 0..5);
        (any::<[u64; 4]>(), any::<i64>(), frames, prop::collection::vec(part(), 0..5)).prop_map(
            |([end, leaves, bytes, frames_bytes], arrived_unix_ns, frames, parts)| Footer {
                end,
                leaves,
                bytes,
                arrived_unix_ns,
                frames_bytes,
                frames,
                parts,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(footer in footer()) {
            prop_assert_eq!(Footer::decode(&footer.encode()), Some(footer));
        }

        #[test]
        fn any_bytes_are_refused_or_a_footer_that_is_encoded_so(
            footer in footer(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            cut in 0_usize..80,
        ) {
            let mut says = footer.encode();
            says.drain(..HEAD_BYTES);
            says.truncate(says.len() - LENGTH_BYTES - SEALED_2.len());
            let at = at.index(says.len());
            says[at] = byte;
            says.truncate(says.len() - cut % says.len());
            let frame = around(&says);
            if let Some(other) = Footer::decode(&frame) {
                prop_assert_eq!(other.encode(), frame);
            }
        }
    }
}
