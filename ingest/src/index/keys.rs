//! By which number a document is looked up. The numbers, of eight bytes, are nearly all different: in the engine's dictionaries
//! they would be two thirds of all terms, and of each a list of one document. Here a segment has two tables of them in a small
//! file of its own.
//!
//! A *bucket* is the keys of a table that begin with the same bits; it has some dozens. An entry is a number: the key without
//! the bits of its bucket, and below it the document, in as few bits as the segment's last document needs, and all of it in as
//! few bytes. The file ends, as the engine's own do, with the engine's footer; what is needed to read it stands just before
//! that, so that both are on one page. Numbers are little endian:
//!
//! ```text
//! of each table, of uids and then of requests:
//!   entries, ascending
//!   of each bucket, in their order:
//!     u32   its first entry
//!     u32   the CRC-32 of its entries
//!   u32     entries, where the last bucket ends
//! of each table:
//!   u32     entries
//!   u8      bits of a bucket
//! u32       documents of the segment
//! u32       the CRC-32 of the 14 bytes before
//! 4 bytes   "KTK" and the version, 1
//! ```
//!
//! A look-up reads one place among the buckets and one bucket, and knows by its checksum that the bucket is what was written.

use tantivy::directory::FileSlice;
use tantivy::error::DataCorruption;
use tantivy::index::{SegmentComponent, SegmentId};
use tantivy::{HasLen, SegmentReader, TantivyError};

use self::table::{BITS_MAX, Shape, Table};

mod plugin;
mod query;
mod table;
mod write;

pub(super) use plugin::KeysPlugin;
pub use query::KeyQuery;

/// The extension of the file.
pub(super) const EXTENSION: &str = "keys";

/// Raise the payload's format with the version, so that an index of before is of another version and not damaged.
const BEGINNING: [u8; 4] = *b"KTK\x01";

/// What is needed to read the tables, its checksum and [`BEGINNING`].
const END_BYTES: usize = 14 + 4 + 4;

/// The keys of one document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DocumentKeys {
    /// The first eight bytes of an event's uid, big endian.
    pub(super) uid: Option<u64>,
    /// That of a request's id, see [`super::document::request_key`].
    pub(super) request: Option<u64>,
}

/// The keys of a segment, deleted documents included.
pub(super) struct Keys {
    pub(super) uids: Table,
    pub(super) requests: Table,
}

impl Keys {
    /// Opens the tables of a segment; reads their end and nothing else of them.
    ///
    /// # Errors
    /// The file cannot be read, or is not as long as it should be.
    pub(super) fn open(segment: &SegmentReader) -> tantivy::Result<Keys> {
        let file = segment.open_read(SegmentComponent::Custom(EXTENSION.to_owned()))?;
        let of = segment.segment_id();
        let damaged = |problem| damaged(of, problem);
        let tables =
            file.len().checked_sub(END_BYTES).ok_or_else(|| damaged("keys that end early"))?;
        let end = file.read_bytes_slice(tables..file.len())?;
        let [uids, requests] = shapes(&end, segment.max_doc()).map_err(damaged)?;
        if tables != uids.bytes() + requests.bytes() {
            return Err(damaged("keys of another length"));
        }
        let table = |shape, file: FileSlice| Table { of, shape, file };
        Ok(Keys {
            uids: table(uids, file.slice_to(uids.bytes())),
            requests: table(requests, file.slice(uids.bytes()..tables)),
        })
    }
}

/// Reads the end of a file.
fn shapes(end: &[u8], documents: u32) -> Result<[Shape; 2], &'static str> {
    let mut rest = end;
    let rest = &mut rest;
    let (read, beginning) = (&end[..END_BYTES - 8], &end[END_BYTES - 4..]);
    if beginning != BEGINNING {
        return Err("no keys of this version of keytrail");
    }
    let mut table = || {
        let (entries, [bits]) = (u32::from_le_bytes(take(rest)), take(rest));
        Shape { entries, bits: bits.into(), documents }
    };
    let tables = [table(), table()];
    let of = u32::from_le_bytes(take(rest));
    if u32::from_le_bytes(take(rest)) != crc32fast::hash(read) {
        return Err("keys whose end is not what was written");
    }
    if of != documents {
        return Err("the keys of another segment");
    }
    match tables.iter().all(|table| table.entries <= documents && table.bits <= BITS_MAX) {
        true => Ok(tables),
        false => Err("a table that cannot be among keys"),
    }
}

/// Takes bytes of which there are so many.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (taken, after) = rest.split_first_chunk().expect("lengths are looked at before");
    *rest = after;
    *taken
}

fn damaged(of: SegmentId, problem: &'static str) -> TantivyError {
    let file = format!("{}.{EXTENSION}", of.uuid_string());
    DataCorruption::new(file.into(), problem.to_owned()).into()
}

#[cfg(test)]
mod tests;
