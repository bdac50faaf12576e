//! The oldest part of the ledger, as far as the footers of sealed segments tell of it: opening needs not read more
//! of that.

use std::path::Path;

use super::Stream;
use super::error::LedgerError;
use super::footer::Footer;
use super::generations::Generations;
use super::segment::{ending, segment_path};

/// What stands below a leaf.
#[derive(Default)]
pub(super) struct SealedPart {
    /// The leaf after it.
    pub(super) end: u64,
    pub(super) generations: Generations,
}

impl SealedPart {
    /// Reads the footers of these segments from the first on, as far as what they tell lies below `limit` and is
    /// complete over both streams. Where they contradict themselves nothing of them is believed: the frames decide.
    ///
    /// # Errors
    /// Only the operating system's.
    pub(super) fn read(
        ledger: &Path,
        segments: &[Vec<u64>; 2],
        limit: u64,
    ) -> Result<SealedPart, LedgerError> {
        let mut end = limit;
        let mut known: [Vec<Footer>; 2] = Default::default();
        for (stream, known) in Stream::ALL.into_iter().zip(&mut known) {
            for &first in &segments[stream as usize] {
                match ending(&segment_path(ledger, stream, first))?.footer() {
                    Some(mut footer) if footer.end <= limit && footer.starts_with(first) => {
                        footer.frames = Vec::new();
                        known.push(footer);
                    }
                    _ => {
                        end = end.min(first);
                        break;
                    }
                }
            }
        }
        // Segments of both streams end at the same leaf; one that reaches beyond is left to be read.
        let mut fits = false;
        while !fits {
            fits = true;
            for (footers, firsts) in known.iter_mut().zip(segments) {
                while footers.last().is_some_and(|footer| footer.end > end) {
                    footers.pop();
                    end = firsts[footers.len()];
                    fits = false;
                }
            }
        }
        let footers = || known.iter().flatten();
        let end = footers().map(|footer| footer.end).max().unwrap_or(0);
        let leaves = footers().try_fold(0_u64, |sum, footer| sum.checked_add(footer.leaves));
        let mut generations = Generations::default();
        let mut parts = footers().flat_map(|footer| &footer.parts);
        if leaves == Some(end) && parts.all(|part| generations.join(part).is_ok()) {
            return Ok(SealedPart { end, generations });
        }
        tracing::warn!(
            "the footers of sealed segments in {} contradict each other: reading the segments instead",
            ledger.display()
        );
        Ok(SealedPart::default())
    }
}
