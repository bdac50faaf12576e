//! Reading in order, batch by batch.

use super::ReadBatch;
use super::batch::BatchHeader;
use super::error::LedgerError;
use super::frame::Content;
use super::walk::{Cursor, Walk};
use crate::source::Lines;

/// Batches in the order of their leaves; ends at what could be read when it was made, or after an error.
pub struct Batches {
    walk: Option<Result<Walk, LedgerError>>,
    size: u64,
}

impl Batches {
    pub(super) fn new(walk: Result<Walk, LedgerError>, size: u64) -> Batches {
        Batches { walk: Some(walk), size }
    }
}

impl Iterator for Batches {
    type Item = Result<ReadBatch, LedgerError>;

    fn next(&mut self) -> Option<Result<ReadBatch, LedgerError>> {
        let mut walk = match self.walk.take()? {
            Ok(walk) if walk.next >= self.size => return None,
            Ok(walk) => walk,
            Err(error) => return Some(Err(error)),
        };
        let batch = read(&mut walk);
        if batch.is_ok() {
            self.walk = Some(Ok(walk));
        }
        Some(batch)
    }
}

fn read(walk: &mut Walk) -> Result<ReadBatch, LedgerError> {
    let Some(cursor) = walk.turn()? else { return Err(walk.stuck()) };
    let (path, offset) = (cursor.path(), cursor.offset());
    let (header, content) = cursor.take().map_err(|fault| fault.at(path, offset))?;
    walk.next = header.end();
    Ok(batch(header, content))
}

/// Batches of keytrail's own lines, in the order of their leaves. Ends after an error.
pub struct OwnBatches {
    cursor: Option<Cursor>,
    from: u64,
    size: u64,
}

impl OwnBatches {
    pub(super) fn new(cursor: Cursor, from: u64, size: u64) -> OwnBatches {
        OwnBatches { cursor: Some(cursor), from, size }
    }

    fn read(&mut self, cursor: &mut Cursor) -> Result<Option<ReadBatch>, LedgerError> {
        while let Some((first, end)) =
            cursor.peek()?.map(|header| (header.first_leaf.0, header.end()))
        {
            if end > self.size || first >= self.size {
                return Ok(None);
            }
            if end <= self.from {
                cursor.pass();
                continue;
            }
            let (path, offset) = (cursor.path(), cursor.offset());
            let (header, content) = cursor.take().map_err(|fault| fault.at(path, offset))?;
            return Ok(Some(batch(header, content)));
        }
        match cursor.fault.take() {
            Some(fault) => Err(fault.at(cursor.path(), cursor.offset())),
            None => Ok(None),
        }
    }
}

impl Iterator for OwnBatches {
    type Item = Result<ReadBatch, LedgerError>;

    fn next(&mut self) -> Option<Result<ReadBatch, LedgerError>> {
        let mut cursor = self.cursor.take()?;
        let read = self.read(&mut cursor);
        if matches!(read, Ok(Some(_))) {
            self.cursor = Some(cursor);
        }
        read.transpose()
    }
}

fn batch(header: BatchHeader, content: Content) -> ReadBatch {
    let lines = match content {
        Content::Lines(bytes) => Some(Lines { bytes, lengths: header.lengths.clone() }),
        Content::Hashes(_) => None,
    };
    ReadBatch { header, removed: lines.is_none(), lines: lines.unwrap_or_default() }
}
