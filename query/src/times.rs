//! When the events of a part of the index were, block by block: most blocks lie wholly inside a question's time or
//! wholly outside of it, and need not be read to know.

use tantivy::DocId;

use crate::column::FirstValues;
use crate::scan::Places;

/// Documents that are summed up together.
const BLOCK: u32 = 1_024;

/// The times of each block of a part.
pub(crate) struct BlockTimes(Vec<Times>);

/// The least and the last time of some documents, and whether one has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// Absent if none has a time.
    pub(crate) ends: Option<(i64, i64)>,
    pub(crate) is_timeless: bool,
}

/// How documents lie to the bounds of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    Inside,
    Outside,
    Partly,
}

impl BlockTimes {
    /// Reads all times of a part of so many documents.
    pub(crate) fn read(places: &Places, max_doc: u32) -> BlockTimes {
        let (mut reader, mut times, mut documents) =
            (FirstValues::default(), Vec::new(), Vec::new());
        let blocks = (0..max_doc).step_by(BLOCK as usize).map(|first| {
            documents.clear();
            documents.extend(first..max_doc.min(first + BLOCK));
            places.times(&documents, &mut reader, &mut times);
            let known = || times.iter().flatten();
            Times {
                ends: known().min().copied().zip(known().max().copied()),
                is_timeless: times.iter().any(Option::is_none),
            }
        });
        BlockTimes(blocks.collect())
    }

    /// Returns the times of the blocks that these documents and those between them lie in.
    pub(crate) fn of(&self, first: DocId, last: DocId) -> Times {
        let blocks = &self.0[(first / BLOCK) as usize..=(last / BLOCK) as usize];
        let ends = blocks.iter().filter_map(|times| times.ends);
        Times {
            ends: ends.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1))),
            is_timeless: blocks.iter().any(|times| times.is_timeless),
        }
    }
}

impl Times {
    /// Tells how the documents lie to a time from the first bound on and before the second. One without a time lies outside.
    pub(crate) fn lie(self, from: Option<i64>, to: Option<i64>) -> Lie {
        let Some((least, last)) = self.ends else { return Lie::Outside };
        if from.is_some_and(|from| last < from) || to.is_some_and(|to| least >= to) {
            return Lie::Outside;
        }
        let is_inside = from.is_none_or(|from| from <= least) && to.is_none_or(|to| last < to);
        if is_inside && !self.is_timeless { Lie::Inside } else { Lie::Partly }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_documents_lie() {
        let times = |ends, is_timeless| Times { ends, is_timeless };
        let within = times(Some((10, 20)), false);
        assert_eq!(within.lie(None, None), Lie::Inside);
        assert_eq!(within.lie(Some(10), Some(21)), Lie::Inside);
        assert_eq!(within.lie(Some(11), None), Lie::Partly);
        assert_eq!(within.lie(None, Some(20)), Lie::Partly);
        assert_eq!(within.lie(None, Some(10)), Lie::Outside);
        assert_eq!(within.lie(Some(21), None), Lie::Outside);
        assert_eq!(times(Some((10, 20)), true).lie(None, Some(99)), Lie::Partly);
        assert_eq!(times(None, true).lie(None, Some(99)), Lie::Outside);
    }
}
