//! Lines that are needed again soon: the request, when its response comes.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::ledger::{LedgerError, LedgerReader, ReadBatch};
use crate::source::LeafIndex;
use crate::spare;

/// Lines kept in memory so that a response finds its request without a read. Responses follow within
/// a few hundred lines; what is further back is read from the ledger.
const RECENT_BYTES: usize = 8 << 20;

/// The last few megabytes of lines.
#[derive(Default)]
pub(super) struct Recent {
    batches: VecDeque<Arc<ReadBatch>>,
    bytes: usize,
}

/// A line that is needed again: in the batch at hand, in memory, or read back.
pub(super) enum Line<'a> {
    Here(&'a [u8]),
    Recent { batch: Arc<ReadBatch>, from: usize, to: usize },
    Stored(Vec<u8>),
}

impl Line<'_> {
    /// Returns the line's bytes, its newline included.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Line::Here(line) => line,
            Line::Recent { batch, from, to } => &batch.lines.bytes[*from..*to],
            Line::Stored(bytes) => bytes,
        }
    }
}

impl Recent {
    pub(super) fn push(&mut self, batch: Arc<ReadBatch>) {
        self.bytes += batch.lines.bytes.len();
        self.batches.push_back(batch);
        while self.bytes > RECENT_BYTES && self.batches.len() > 1 {
            let oldest = self.batches.pop_front().expect("more than one");
            self.bytes -= oldest.lines.bytes.len();
            if let Some(batch) = Arc::into_inner(oldest) {
                spare::give_back(batch.lines.bytes);
            }
        }
    }

    /// Returns a line that was read before: from memory, else from the ledger.
    pub(super) fn line(
        &self,
        ledger: &LedgerReader,
        leaf: LeafIndex,
    ) -> Result<Line<'static>, LedgerError> {
        let after = self.batches.partition_point(|batch| batch.header.first_leaf < leaf);
        let batch = after.checked_sub(1).map(|at| &self.batches[at]);
        if let Some(batch) = batch {
            let number = (leaf.0 - batch.header.first_leaf.0 - 1) as usize;
            if let Some(&length) = batch.lines.lengths.get(number) {
                let from: usize =
                    batch.lines.lengths[..number].iter().map(|&length| length as usize).sum();
                return Ok(Line::Recent {
                    batch: Arc::clone(batch),
                    from,
                    to: from + length as usize,
                });
            }
        }
        Ok(Line::Stored(ledger.line(leaf)?.bytes))
    }
}
