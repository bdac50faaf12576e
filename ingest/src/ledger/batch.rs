//! The header of a batch: where its lines came from. It is a leaf of its own, before theirs.
//!
//! Its encoding is the leaf's data, so a changed source, offset or time is found like a changed line.
//! It also carries the tree's root over all leaves before it. Nobody who writes lines can know that root
//! beforehand (it hangs on arrival times), so no line can be passed off as a header: the audit path of
//! leaf N holds, as its left-hand nodes, exactly what the root over the first N leaves is made of.
//!
//! Numbers are little endian. Layout: see `docs/ledger-format.md`, "Batch header".

use std::collections::HashSet;
use std::sync::Arc;

use super::Stream;
use super::tree::{Hash, leaf_hash};
use crate::source::{Generation, LEAF_BYTES_MAX, LeafIndex, Reader};

/// The most bytes of lines that one batch may have; one full leaf and something before it fit.
pub const BATCH_BYTES_MAX: usize = 2 * LEAF_BYTES_MAX;
/// The most lines that one batch may have.
pub const BATCH_LINES_MAX: usize = 1 << 22;

const VERSION: u8 = 1;
const CONTINUED: u8 = 1;
const UNTERMINATED: u8 = 2;
const HAS_PARENT: u8 = 4;

/// Where the lines of one batch came from, and how long they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Which stream holds the batch.
    pub stream: Stream,
    /// The header's own leaf; line i is leaf `first_leaf + 1 + i`.
    pub first_leaf: LeafIndex,
    /// `cluster/node/device`, or `keytrail` for keytrail's own lines.
    pub source: Arc<str>,
    /// The content that the lines belong to.
    pub generation: Generation,
    /// The older content that this one shares its beginning with; the same in each batch of a generation.
    pub parent: Option<Generation>,
    /// Where the first line starts in the uncompressed file.
    pub offset: u64,
    /// Who brought the lines.
    pub reader: Reader,
    /// When, in nanoseconds since 1970.
    pub arrived_unix_ns: i64,
    /// The last line was cut at 64 MiB and goes on in the generation's next batch.
    pub continued: bool,
    /// The last line is the end of a finished file and has no `\n`.
    pub unterminated: bool,
    /// Root of the tree over all leaves before this header.
    pub root_before: Hash,
    /// Length of each line in bytes.
    pub lengths: Vec<u32>,
}

impl BatchHeader {
    /// Returns the leaf after the batch's last line.
    pub fn end(&self) -> u64 {
        self.first_leaf.0 + 1 + self.lengths.len() as u64
    }

    /// Returns how many bytes the lines have together.
    pub fn bytes(&self) -> u64 {
        self.lengths.iter().map(|&length| u64::from(length)).sum()
    }

    /// Returns the offset in the uncompressed file after the last line.
    pub fn end_offset(&self) -> u64 {
        self.offset.saturating_add(self.bytes())
    }

    /// Returns where a line stands among the batch's bytes; `None` if the leaf is none of its lines.
    pub fn line_range(&self, leaf: LeafIndex) -> Option<std::ops::Range<usize>> {
        let line = usize::try_from(leaf.0.checked_sub(self.first_leaf.0 + 1)?).ok()?;
        let length = *self.lengths.get(line)? as usize;
        let start = self.lengths[..line].iter().map(|&length| length as usize).sum::<usize>();
        Some(start..start + length)
    }

    /// Returns the hash of the header as a leaf. It pins all leaves before it, since it holds their root.
    pub fn leaf_hash(&self) -> Hash {
        let mut encoded = Vec::with_capacity(256 + 2 * self.lengths.len());
        self.encode(&mut encoded);
        leaf_hash(&encoded)
    }

    /// Returns the header as a leaf: the bytes that are hashed.
    pub fn data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(256 + 2 * self.lengths.len());
        self.encode(&mut data);
        data
    }

    /// Reads a leaf that is shown to have these data and this root before it. `None` if it is no header: nobody who
    /// writes a line knows that root.
    pub fn of_leaf(data: &[u8], leaf: LeafIndex, root_before: &Hash) -> Option<BatchHeader> {
        let header = BatchHeader::decode(data, &mut Sources::default()).ok()?;
        (header.first_leaf == leaf && header.root_before == *root_before).then_some(header)
    }

    /// Appends the leaf's data.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let stream = match self.stream {
            Stream::Lines => 0,
            Stream::Own => 1,
        };
        let reader = match self.reader {
            Reader::Live => 0,
            Reader::Import => 1,
        };
        let mut flags = 0;
        for (set, flag) in [
            (self.continued, CONTINUED),
            (self.unterminated, UNTERMINATED),
            (self.parent.is_some(), HAS_PARENT),
        ] {
            flags |= if set { flag } else { 0 };
        }
        out.extend([VERSION, stream, reader, flags]);
        let parent = self.parent.map_or(0, |parent| parent.0);
        for number in [self.first_leaf.0, self.generation.0, parent, self.offset] {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.arrived_unix_ns.to_le_bytes());
        out.extend(self.root_before);
        let source = u16::try_from(self.source.len()).expect("the writer refuses longer names");
        out.extend(source.to_le_bytes());
        out.extend(self.source.as_bytes());
        let count = u32::try_from(self.lengths.len()).expect("the writer refuses more lines");
        out.extend(count.to_le_bytes());
        for &length in &self.lengths {
            encode_varint(length, out);
        }
    }

    /// Reads a leaf's data. Only what [`BatchHeader::encode`] writes is accepted, bit by bit, so that the
    /// decoded header has the leaf's hash.
    pub(super) fn decode(
        encoded: &[u8],
        sources: &mut Sources,
    ) -> Result<BatchHeader, &'static str> {
        let mut rest = encoded;
        let [version, stream, reader, flags] = take(&mut rest)?;
        if version != VERSION {
            return Err("a batch header of an unknown version");
        }
        let stream = match stream {
            0 => Stream::Lines,
            1 => Stream::Own,
            _ => return Err("a batch header of an unknown stream"),
        };
        let reader = match reader {
            0 => Reader::Live,
            1 => Reader::Import,
            _ => return Err("a batch header of an unknown reader"),
        };
        if flags & !(CONTINUED | UNTERMINATED | HAS_PARENT) != 0 {
            return Err("a batch header with unknown flags");
        }
        let first_leaf = LeafIndex(u64::from_le_bytes(take(&mut rest)?));
        let generation = Generation(u64::from_le_bytes(take(&mut rest)?));
        let parent = match (flags & HAS_PARENT != 0, u64::from_le_bytes(take(&mut rest)?)) {
            (true, parent) => Some(Generation(parent)),
            (false, 0) => None,
            (false, _) => return Err("a batch header with a parent and no flag for it"),
        };
        let offset = u64::from_le_bytes(take(&mut rest)?);
        let arrived_unix_ns = i64::from_le_bytes(take(&mut rest)?);
        let root_before = take(&mut rest)?;
        let source_bytes = usize::from(u16::from_le_bytes(take(&mut rest)?));
        let (source, after) = rest.split_at_checked(source_bytes).ok_or(SHORT)?;
        rest = after;
        let source =
            str::from_utf8(source).map_err(|_| "a batch header whose source is not UTF-8")?;
        let count = u32::from_le_bytes(take(&mut rest)?) as usize;
        // Each length has at least one byte: a false count cannot ask for more memory than the header has.
        if count > rest.len().min(BATCH_LINES_MAX) {
            return Err(SHORT);
        }
        let mut lengths = Vec::with_capacity(count);
        for _ in 0..count {
            lengths.push(decode_varint(&mut rest)?);
        }
        if !rest.is_empty() || first_leaf.0.checked_add(1 + count as u64).is_none() {
            return Err("a batch header with bytes left over");
        }
        Ok(BatchHeader {
            stream,
            first_leaf,
            source: sources.intern(source),
            generation,
            parent,
            offset,
            reader,
            arrived_unix_ns,
            continued: flags & CONTINUED != 0,
            unterminated: flags & UNTERMINATED != 0,
            root_before,
            lengths,
        })
    }
}

/// The names seen so far: a million headers share a few names.
#[derive(Default)]
pub(super) struct Sources(HashSet<Arc<str>>);

impl Sources {
    fn intern(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        self.0.insert(name.clone());
        name
    }
}

const SHORT: &str = "a batch header that ends early";

pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or(SHORT)?;
    *rest = after;
    Ok(*taken)
}

/// Seven bits a byte, least first; the top bit says that more follow (LEB128).
fn encode_varint(mut number: u32, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn decode_varint(rest: &mut &[u8]) -> Result<u32, &'static str> {
    let mut number = 0;
    for shift in [0, 7, 14, 21] {
        let [byte] = take(rest)?;
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            // A last byte of 0 would be a second spelling of the same number, or an empty line.
            return if byte == 0 || number as usize > LEAF_BYTES_MAX {
                Err("a batch header with a line of impossible length")
            } else {
                Ok(number)
            };
        }
    }
    Err("a batch header with a line of impossible length")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn header() -> impl Strategy<Value = BatchHeader> {
        let numbers =
            (any::<u64>(), any::<u64>(), any::<Option<u64>>(), any::<u64>(), any::<i64>());
        let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
        (
            numbers,
            flags,
            any::<Hash>(),
            "[a-zü/]{1,40}",
            prop::collection::vec(1..=LEAF_BYTES_MAX as u32, 0..40),
        )
            .prop_map(
                |(
                    (first_leaf, generation, parent, offset, arrived_unix_ns),
                    flags,
                    root_before,
                    source,
                    lengths,
                )| BatchHeader {
                    stream: if flags.0 { Stream::Own } else { Stream::Lines },
                    first_leaf: LeafIndex(first_leaf >> 1),
                    source: source.into(),
                    generation: Generation(generation),
                    parent: parent.map(Generation),
                    offset,
                    reader: if flags.1 { Reader::Import } else { Reader::Live },
                    arrived_unix_ns,
                    continued: flags.2,
                    unterminated: flags.3,
                    root_before,
                    lengths,
                },
            )
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(header in header()) {
            let mut encoded = Vec::new();
            header.encode(&mut encoded);
            prop_assert_eq!(BatchHeader::decode(&encoded, &mut Sources::default()), Ok(header));
        }

        #[test]
        fn one_header_has_one_encoding(header in header(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut encoded = Vec::new();
            header.encode(&mut encoded);
            let at = at.index(encoded.len());
            encoded[at] = byte;
            if let Ok(other) = BatchHeader::decode(&encoded, &mut Sources::default()) {
                let mut again = Vec::new();
                other.encode(&mut again);
                prop_assert_eq!(again, encoded);
            }
        }
    }

    #[test]
    fn a_line_is_found_by_its_leaf() {
        let mut encoded = Vec::new();
        let header = BatchHeader {
            stream: Stream::Lines,
            first_leaf: LeafIndex(7),
            source: "prod/bao-0/file".into(),
            generation: Generation(7),
            parent: None,
            offset: 0,
            reader: Reader::Live,
            arrived_unix_ns: 0,
            continued: false,
            unterminated: false,
            root_before: [0; 32],
            lengths: vec![3, 200, 1],
        };
        header.encode(&mut encoded);
        for (leaf, range) in [
            (7, None),
            (8, Some(0..3)),
            (9, Some(3..203)),
            (10, Some(203..204)),
            (11, None),
            (0, None),
        ] {
            assert_eq!(header.line_range(LeafIndex(leaf)), range, "leaf {leaf}");
        }
        // The layout that docs/ledger-format.md tells.
        assert_eq!(encoded.len(), 78 + 15 + 4 + 4);
        assert_eq!(&encoded[78..93], b"prod/bao-0/file");
        assert_eq!(&encoded[93..], [3, 0, 0, 0, 3, 200, 1, 1]);
        encoded.pop().unwrap();
        assert_eq!(BatchHeader::decode(&encoded, &mut Sources::default()), Err(SHORT));
    }
}
