//! Reading in order, batch by batch.

use super::ReadBatch;
use super::error::LedgerError;
use super::walk::Walk;
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
    let (header, bytes) = cursor.take().map_err(|fault| fault.at(path, offset))?;
    walk.next = header.end();
    let lines = Lines { bytes, lengths: header.lengths.clone() };
    Ok(ReadBatch { header, lines })
}
