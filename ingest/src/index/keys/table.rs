//! One table of keys, read.

use tantivy::DocId;
use tantivy::directory::{FileSlice, OwnedBytes};
use tantivy::index::SegmentId;

use super::{damaged, take};

/// About so many entries, and up to twice that, are a bucket: some hundred bytes.
const BUCKET_ENTRIES: u32 = 32;

/// Those of a table of 2^31 entries: a segment has fewer documents.
pub(super) const BITS_MAX: u32 = 26;

/// A bucket's first entry and its checksum.
const PLACE_BYTES: usize = 8;

/// So much the disk brings at least.
const PAGE_BYTES: usize = 4 << 10;

/// What a table's places and bytes follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) entries: u32,
    /// Of a bucket.
    pub(super) bits: u32,
    /// Of the segment.
    pub(super) documents: u32,
}

impl Shape {
    /// The shape of a table with up to so many entries.
    pub(super) fn of(entries: u32, documents: u32) -> Shape {
        let bits = (entries / BUCKET_ENTRIES).checked_ilog2().unwrap_or(0).min(BITS_MAX);
        Shape { entries, bits, documents }
    }

    pub(super) fn buckets(&self) -> u32 {
        1 << self.bits
    }

    /// The bucket of a key.
    pub(super) fn bucket(&self, key: u64) -> u32 {
        (u128::from(key) << self.bits >> 64) as u32
    }

    /// Of an entry, those below the key.
    fn document_bits(&self) -> u32 {
        u32::BITS - self.documents.saturating_sub(1).leading_zeros()
    }

    /// The bytes of an entry.
    pub(super) fn width(&self) -> usize {
        (u64::BITS - self.bits + self.document_bits()).div_ceil(8) as usize
    }

    fn entries_bytes(&self) -> usize {
        self.entries as usize * self.width()
    }

    /// The bytes of the whole table.
    pub(super) fn bytes(&self) -> usize {
        self.entries_bytes() + self.buckets() as usize * PLACE_BYTES + 4
    }

    /// Returns an entry; as many bytes of it as [`Shape::width`] says are its own.
    pub(super) fn encode(&self, key: u64, document: DocId) -> [u8; 16] {
        let rest = u128::from(key) & (u128::MAX >> (64 + self.bits));
        (rest << self.document_bits() | u128::from(document)).to_le_bytes()
    }

    fn decode(&self, bucket: u32, bytes: &[u8]) -> (u64, DocId) {
        let mut entry = [0; 16];
        entry[..bytes.len()].copy_from_slice(bytes);
        let entry = u128::from_le_bytes(entry);
        let key = u128::from(bucket) << (u64::BITS - self.bits) | entry >> self.document_bits();
        (key as u64, (entry & ((1 << self.document_bits()) - 1)) as DocId)
    }
}

/// The table of a segment, on the disk.
pub(in crate::index) struct Table {
    pub(super) of: SegmentId,
    pub(super) shape: Shape,
    /// As long as the shape says.
    pub(super) file: FileSlice,
}

impl Table {
    /// Returns the documents with one of these keys, ascending; another event's key may be the same, once in 2^64.
    /// The keys ascend, and each stands there once.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub(in crate::index) fn documents(&self, keys: &[u64]) -> tantivy::Result<Vec<DocId>> {
        // Of as many keys as it has pages, all are needed.
        if keys.len() > self.shape.bytes() / PAGE_BYTES {
            self.file.read_bytes()?;
        }
        let mut documents = Vec::new();
        for keys in keys.chunk_by(|one, next| self.shape.bucket(*one) == self.shape.bucket(*next)) {
            for (key, document) in self.bucket(self.shape.bucket(keys[0]))?.entries() {
                if keys.binary_search(&key).is_ok() {
                    documents.push(self.checked(document)?);
                }
            }
        }
        documents.sort_unstable();
        documents.dedup();
        Ok(documents)
    }

    /// Reads a bucket.
    pub(super) fn bucket(&self, number: u32) -> tantivy::Result<Bucket> {
        let place = self.shape.entries_bytes() + number as usize * PLACE_BYTES;
        let place = self.file.read_bytes_slice(place..place + PLACE_BYTES + 4)?;
        let mut rest = &place[..];
        let [from, checksum, to] = [(); 3].map(|()| u32::from_le_bytes(take(&mut rest)));
        if from > to || to > self.shape.entries {
            return Err(damaged(self.of, "a bucket that cannot be among keys"));
        }
        let width = self.shape.width();
        let bytes = match from == to {
            true => OwnedBytes::empty(),
            false => self.file.read_bytes_slice(from as usize * width..to as usize * width)?,
        };
        match crc32fast::hash(&bytes) == checksum {
            true => Ok(Bucket { shape: self.shape, number, bytes }),
            false => Err(damaged(self.of, "keys that are not what was written")),
        }
    }

    /// Returns the document if the segment has it.
    pub(super) fn checked(&self, document: DocId) -> tantivy::Result<DocId> {
        match document < self.shape.documents {
            true => Ok(document),
            false => Err(damaged(self.of, "a document beyond the last among keys")),
        }
    }
}

/// A bucket that is what was written.
pub(super) struct Bucket {
    shape: Shape,
    number: u32,
    bytes: OwnedBytes,
}

impl Bucket {
    /// Returns its keys and their documents, ascending.
    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = (u64, DocId)> {
        let entries = self.bytes.chunks_exact(self.shape.width());
        entries.map(|entry| self.shape.decode(self.number, entry))
    }
}
