//! The documents that an answer is made of, part by part of the index, and how many fit and are left out.
//!
//! The filter is asked of the engine. What answers leave out and when the events of each block were is known of each part;
//! columns tell time and leaf where that does not settle it. A part that lies wholly outside the question's time is not
//! looked at, and one that lies wholly inside is not compared with it.

use std::collections::BTreeMap;
use std::mem;
use std::ops::Range;

use ingest::index::class::{LEFT_OUT, NONE};
use ingest::index::document::state_word;
use ingest::index::summary::Times;
use ingest::pairing::State;
use tantivy::columnar::Column;
use tantivy::query::{EnableScoring, Weight};
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, DocSet, SegmentReader};

use crate::column::FirstValues;
use crate::error::QueryError;
use crate::history::View;
use crate::part::{Part, each_with};
use crate::question::{LeftOut, Question};
use crate::scan::Places;
use crate::times::Lie;

/// Documents of a block. A block ends early where a part does.
pub(crate) const BLOCK: usize = 1_024;

/// A question put to a view.
pub(crate) struct Selection<'a> {
    view: &'a View,
    question: &'a Question,
    /// Absent if everything passes.
    filter: Option<Box<dyn Weight>>,
    /// Of each class, whether it belongs to the answer.
    answers: [bool; NONE as usize],
}

/// The part of a selection in one part of the index.
pub(crate) struct InPart<'a> {
    pub(crate) number: u32,
    pub(crate) segment: &'a SegmentReader,
    pub(crate) part: &'a Part,
    selection: &'a Selection<'a>,
    /// Whether events have to be compared with the question's time.
    cuts_time: bool,
    /// Whether they have to be compared with the question's leaf.
    cuts_leaf: bool,
}

/// How many events there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// In the answer.
    pub(crate) matched: u64,
    left_out: [u64; LEFT_OUT.len()],
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Tally) {
        self.matched += other.matched;
        for (count, other) in self.left_out.iter_mut().zip(other.left_out) {
            *count += other;
        }
    }

    pub(crate) fn left_out(&self) -> LeftOut {
        let counted = LEFT_OUT.into_iter().zip(self.left_out).filter(|(_, count)| *count > 0);
        LeftOut(counted.collect::<BTreeMap<_, _>>())
    }
}

/// Counts the events of a question.
///
/// # Errors
/// As [`Selection::new`].
pub(crate) fn selected(view: &View, question: &Question) -> Result<Tally, QueryError> {
    let mut tally = Tally::default();
    for part in Selection::new(view, question)?.parts()? {
        tally.add(&part.count()?);
    }
    Ok(tally)
}

impl<'a> Selection<'a> {
    /// Makes a question ready.
    ///
    /// # Errors
    /// It asks for a leaf that is not reached yet, or the index cannot be read.
    pub(crate) fn new(view: &'a View, question: &'a Question) -> Result<Selection<'a>, QueryError> {
        question.check(view)?;
        let filter = if question.filter.is_everything() {
            None
        } else {
            let sets = view.sets();
            let query = question.filter.query(view.fields(), &sets);
            sets.finish()?;
            Some(query.weight(EnableScoring::disabled_from_searcher(view.searcher()))?)
        };
        let mut answers = [true; NONE as usize];
        for (answer, word) in answers[1..].iter_mut().zip(LEFT_OUT) {
            *answer = question.all || question.filter.asks_for(word);
        }
        Ok(Selection { view, question, filter, answers })
    }

    /// Gives the parts that may hold something, those with the latest events first.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(crate) fn parts(&'a self) -> Result<Vec<InPart<'a>>, QueryError> {
        self.view.read_parts()?;
        let mut parts = Vec::new();
        for (number, segment) in (0..).zip(self.view.searcher().segment_readers()) {
            let part = self.view.part(number)?;
            let Question { from, to, at, .. } = *self.question;
            let has_bounds = from.is_some() || to.is_some();
            let cuts_time = match part.times {
                _ if !has_bounds => false,
                // An event without a time is not meant where time has bounds.
                None => continue,
                Some((least, last)) => {
                    if from.is_some_and(|from| last < from) || to.is_some_and(|to| least >= to) {
                        continue;
                    }
                    let inside =
                        from.is_none_or(|from| from <= least) && to.is_none_or(|to| last < to);
                    !inside || part.is_timeless()
                }
            };
            let cuts_leaf = at.is_some();
            parts.push(InPart { number, segment, part, selection: self, cuts_time, cuts_leaf });
        }
        parts.sort_by_key(|part| std::cmp::Reverse(part.part.times.map(|(_, last)| last)));
        Ok(parts)
    }
}

impl<'a> InPart<'a> {
    /// Returns where the part's documents stand in the order of answers.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(crate) fn places(&self) -> Result<&'a Places, QueryError> {
        self.part.places(self.segment)
    }

    /// Counts the answer's documents.
    ///
    /// # Errors
    /// As [`InPart::blocks`].
    pub(crate) fn count(&self) -> Result<Tally, QueryError> {
        self.known_count().map_or_else(|| self.blocks(|_| Ok(())), Ok)
    }

    /// Returns how many documents the answer has where every event of the part is meant; none of them is looked at.
    pub(crate) fn known_count(&self) -> Option<Tally> {
        if self.selection.filter.is_some() || self.cuts_time || self.cuts_leaf {
            return None;
        }
        let mut tally = Tally::default();
        for (class, &count) in self.part.classes.counts[..usize::from(NONE)].iter().enumerate() {
            match class.checked_sub(1).filter(|_| !self.selection.answers[class]) {
                Some(left_out) => tally.left_out[left_out] += count,
                None => tally.matched += count,
            }
        }
        Some(tally)
    }

    /// Returns the blocks of the part, the last first, and when their documents were.
    pub(crate) fn last_blocks(&self) -> impl Iterator<Item = (Range<DocId>, Times)> {
        self.part.block_times.last_first(self.segment.max_doc())
    }

    /// Gives the answer's documents of a block of a part of which every event is meant.
    ///
    /// # Errors
    /// The turn is over.
    pub(crate) fn block(
        &self,
        block: Range<DocId>,
        documents: &mut Vec<DocId>,
    ) -> Result<(), QueryError> {
        self.selection.view.turn().check()?;
        documents.clear();
        documents.extend(block);
        self.tally(documents, &mut Tally::default());
        Ok(())
    }

    /// Gives the answer's documents block by block, in ascending order, and returns how many there are.
    ///
    /// # Errors
    /// What `each` returns; the turn is over; the index cannot be read.
    pub(crate) fn blocks(
        &self,
        mut each: impl FnMut(&[DocId]) -> Result<(), QueryError>,
    ) -> Result<Tally, QueryError> {
        let mut tally = Tally::default();
        let mut cut = Cut::open(self)?;
        let mut block = Vec::with_capacity(BLOCK + COLLECT_BLOCK_BUFFER_LEN);
        let mut give = |block: &mut Vec<DocId>| {
            self.selection.view.turn().check()?;
            cut.apply(block)?;
            self.tally(block, &mut tally);
            if !block.is_empty() {
                each(block)?;
            }
            block.clear();
            Ok::<(), QueryError>(())
        };
        match &self.selection.filter {
            None => {
                let mut next = 0;
                while next < self.segment.max_doc() {
                    let end = self.segment.max_doc().min(next + BLOCK as u32);
                    block.extend(next..end);
                    give(&mut block)?;
                    next = end;
                }
            }
            Some(filter) => {
                let mut documents = filter.scorer(self.segment, 1.0)?;
                let mut found = [0; COLLECT_BLOCK_BUFFER_LEN];
                loop {
                    let count = documents.fill_buffer(&mut found);
                    block.extend_from_slice(&found[..count]);
                    let is_last = count < found.len();
                    if block.len() >= BLOCK || is_last {
                        give(&mut block)?;
                    }
                    if is_last {
                        break;
                    }
                }
            }
        }
        Ok(tally)
    }

    /// Keeps what the answer is made of, and counts it and what is left out.
    fn tally(&self, block: &mut Vec<DocId>, tally: &mut Tally) {
        self.part.classes.cut(block, |class| match class {
            NONE => false,
            class if self.selection.answers[usize::from(class)] => true,
            class => {
                tally.left_out[usize::from(class) - 1] += 1;
                false
            }
        });
        tally.matched += block.len() as u64;
    }

    /// Returns the question as far as this part is concerned: the same text has the same answer here. `None` if
    /// the answer does not depend on this part alone.
    pub(crate) fn question(&self) -> Option<String> {
        let Question { filter, from, to, all, at } = self.selection.question;
        if filter.asks_history() {
            return None;
        }
        // Not as it is written: "-24h" is another time each time.
        let mut text = format!("{filter:?}\n{all}");
        if self.cuts_time {
            text.push_str(&format!("\n{from:?} {to:?}"));
        }
        if self.cuts_leaf {
            text.push_str(&format!("\n@{at:?}"));
        }
        Some(text)
    }
}

/// More blocks than these that lie across the bounds of a question are worth bringing all times for.
const FEW_ACROSS: usize = 8;

/// What takes documents out of a block by their time and their leaf.
struct Cut<'a> {
    within: &'a InPart<'a>,
    /// From and to, if events have to be compared with them.
    time: Option<(Option<i64>, Option<i64>)>,
    leaf: Option<(&'a Column<u64>, u64)>,
    /// The events that are not issued yet, ascending.
    pending: Vec<DocId>,
    reader: FirstValues<i64>,
    times: Vec<Option<i64>>,
    /// What is left of a block.
    kept: Vec<DocId>,
}

impl<'a> Cut<'a> {
    fn open(within: &'a InPart<'a>) -> Result<Cut<'a>, QueryError> {
        let InPart { part, segment, selection, .. } = *within;
        let Question { from, to, at, .. } = *selection.question;
        let time = within.cuts_time.then_some((from, to));
        if time.is_some()
            && selection.filter.is_none()
            && part.block_times.across(from, to) > FEW_ACROSS
        {
            part.ask_for_times(segment);
        }
        let (mut leaf, mut pending) = (None, Vec::new());
        if let Some(at) = at {
            let state = selection.view.fields().state;
            each_with(segment, state, state_word(State::Pending), |document| {
                pending.push(document);
            })?;
            if part.last_leaf >= at {
                leaf = within.places()?.leaf.as_ref().map(|column| (column, at));
            }
        }
        let (reader, times, kept) = (FirstValues::default(), Vec::new(), Vec::new());
        Ok(Cut { within, time, leaf, pending, reader, times, kept })
    }

    fn apply(&mut self, block: &mut Vec<DocId>) -> Result<(), QueryError> {
        if let Some((from, to)) = self.time {
            self.kept.clear();
            for (documents, times) in self.within.part.block_times.apart(block) {
                match Lie::of(times, from, to) {
                    Lie::Inside => self.kept.extend_from_slice(documents),
                    Lie::Outside => {}
                    Lie::Partly => {
                        self.within.places()?.times(documents, &mut self.reader, &mut self.times);
                        let is_inside = |time: i64| {
                            from.is_none_or(|from| from <= time) && to.is_none_or(|to| time < to)
                        };
                        let timed = documents.iter().zip(&self.times);
                        let inside = timed.filter(|(_, time)| time.is_some_and(is_inside));
                        self.kept.extend(inside.map(|(&document, _)| document));
                    }
                }
            }
            mem::swap(block, &mut self.kept);
        }
        if let Some((column, at)) = &self.leaf {
            block.retain(|&document| column.first(document).is_some_and(|leaf| leaf < *at));
        }
        if !self.pending.is_empty() {
            block.retain(|document| self.pending.binary_search(document).is_err());
        }
        Ok(())
    }
}
