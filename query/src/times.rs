//! When the events of a part of the index were, block by block: most blocks lie wholly inside a question's time or
//! wholly outside of it, and need not be read to know.

use std::ops::Range;

use ingest::index::summary::{BLOCK, Times};
use tantivy::DocId;

/// The times of each block of a part, those of its deleted documents among them.
pub(crate) struct BlockTimes(Vec<Times>);

/// How documents lie to the bounds of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    Inside,
    Outside,
    Partly,
}

impl BlockTimes {
    pub(crate) fn new(blocks: Vec<Times>) -> BlockTimes {
        BlockTimes(blocks)
    }

    /// Returns the least and the last time of all.
    pub(crate) fn ends(&self) -> Option<(i64, i64)> {
        let ends = self.0.iter().filter_map(|times| times.ends);
        ends.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
    }

    /// Returns the blocks of a part of so many documents, the last first, each with its times.
    pub(crate) fn last_first(&self, documents: u32) -> impl Iterator<Item = (Range<DocId>, Times)> {
        let blocks = (0..documents).step_by(BLOCK as usize).zip(&self.0).rev();
        blocks.map(move |(first, times)| (first..documents.min(first + BLOCK), *times))
    }

    /// Returns how many blocks lie across the bounds of a question.
    pub(crate) fn across(&self, from: Option<i64>, to: Option<i64>) -> usize {
        let lies = self.0.iter().map(|times| Lie::of(*times, from, to));
        lies.filter(|lie| *lie == Lie::Partly).count()
    }

    /// Takes ascending documents apart by the blocks that they lie in, and gives the times of each.
    pub(crate) fn apart<'a>(
        &'a self,
        documents: &'a [DocId],
    ) -> impl Iterator<Item = (&'a [DocId], Times)> {
        let blocks = documents.chunk_by(|one, next| one / BLOCK == next / BLOCK);
        blocks.map(|documents| (documents, self.0[(documents[0] / BLOCK) as usize]))
    }

    /// Returns which of ascending documents lie in the last block that is wanted and has one of them; `None` if there is none.
    pub(crate) fn last_wanted(
        &self,
        documents: &[DocId],
        is_wanted: impl Fn(Times) -> bool,
    ) -> Option<Range<usize>> {
        let (first, last) = (documents.first()? / BLOCK, documents.last()? / BLOCK);
        for block in (first..=last).rev().filter(|&block| is_wanted(self.0[block as usize])) {
            let end = documents.partition_point(|document| document / BLOCK <= block);
            let before = end.saturating_sub(BLOCK as usize);
            let of_block = documents[before..end].partition_point(|at| at / BLOCK < block);
            if before + of_block < end {
                return Some(before + of_block..end);
            }
        }
        None
    }
}

impl Lie {
    /// Tells how documents lie to a time from the first bound on and before the second. One without a time lies outside.
    pub(crate) fn of(times: Times, from: Option<i64>, to: Option<i64>) -> Lie {
        let Some((least, last)) = times.ends else { return Lie::Outside };
        if from.is_some_and(|from| last < from) || to.is_some_and(|to| least >= to) {
            return Lie::Outside;
        }
        let is_inside = from.is_none_or(|from| from <= least) && to.is_none_or(|to| last < to);
        if is_inside && !times.is_timeless { Lie::Inside } else { Lie::Partly }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_documents_lie() {
        let lie = |ends, is_timeless, from, to| Lie::of(Times { ends, is_timeless }, from, to);
        let within = |from, to| lie(Some((10, 20)), false, from, to);
        assert_eq!(within(None, None), Lie::Inside);
        assert_eq!(within(Some(10), Some(21)), Lie::Inside);
        assert_eq!(within(Some(11), None), Lie::Partly);
        assert_eq!(within(None, Some(20)), Lie::Partly);
        assert_eq!(within(None, Some(10)), Lie::Outside);
        assert_eq!(within(Some(21), None), Lie::Outside);
        assert_eq!(lie(Some((10, 20)), true, None, Some(99)), Lie::Partly);
        assert_eq!(lie(None, true, None, Some(99)), Lie::Outside);
    }

    #[test]
    fn blocks_together_and_one_by_one() {
        let times = |ends, is_timeless| Times { ends, is_timeless };
        let blocks = [times(Some((10, 20)), false), times(None, true), times(Some((5, 12)), false)];
        let blocks = BlockTimes::new(blocks.to_vec());
        assert_eq!(blocks.ends(), Some((5, 20)));
        let last_first: Vec<_> = blocks.last_first(2 * BLOCK + 7).collect();
        let ranges = [2 * BLOCK..2 * BLOCK + 7, BLOCK..2 * BLOCK, 0..BLOCK];
        assert_eq!(
            last_first,
            Vec::from_iter(ranges.into_iter().zip(blocks.0.iter().copied().rev()))
        );
        let documents = [0, 5, BLOCK, 2 * BLOCK + 6];
        let apart: Vec<_> = blocks.apart(&documents).collect();
        let each = [(&documents[..2], 0), (&documents[2..3], 1), (&documents[3..], 2)];
        assert_eq!(apart, each.map(|(documents, at)| (documents, blocks.0[at])));
        let last_wanted = |documents: &[DocId], wanted: [bool; 3]| {
            let is_wanted = |times| {
                let at = blocks.0.iter().position(|of| *of == times).expect("one of them");
                wanted[at]
            };
            blocks.last_wanted(documents, is_wanted)
        };
        assert_eq!(last_wanted(&documents, [true; 3]), Some(3..4));
        assert_eq!(last_wanted(&documents[..3], [true; 3]), Some(2..3));
        assert_eq!(last_wanted(&documents[..2], [true; 3]), Some(0..2));
        assert_eq!(last_wanted(&documents, [true, false, false]), Some(0..2));
        assert_eq!(last_wanted(&documents[3..], [true, true, false]), None);
        assert_eq!(last_wanted(&[0, 2 * BLOCK], [false, true, false]), None);
        assert_eq!(last_wanted(&[], [true; 3]), None);
        assert_eq!(blocks.across(Some(11), None), 2);
        assert_eq!(blocks.across(Some(15), None), 1);
    }
}
