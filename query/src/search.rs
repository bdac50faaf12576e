//! Which events, newest first: by time, then by the leaf that issued them; events without a time last.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use ingest::index::summary::Times;
use tantivy::DocId;

use crate::abreast::abreast;
use crate::column::FirstValues;
use crate::error::QueryError;
use crate::history::View;
use crate::page::{Page, PageToken};
use crate::question::Question;
use crate::row::EventRow;
use crate::rows::{PAGE_MOST, Rows};
use crate::scan::{Address, Place, Places};
use crate::select::{BLOCK, InPart, Selection, Tally};
use crate::trail::Trail;

/// How many places are sorted at a time where there is no limit: 16 MB, and one pass over the index for
/// each half million events of the answer.
const ROUND: usize = 500_000;

/// How many documents are held back, to look at the last of them first: lines mostly come in the order of their times, and what
/// comes before the newest ones need not be sorted in.
const HELD: usize = if cfg!(test) { 1_500 } else { 65_536 };

/// How many rows are read at a time: some MB of them.
const ROWS: usize = 4_096;

/// Returns the newest events, at most `limit` (0: all), that come after the page which `after` ended.
///
/// # Errors
/// A token of another question; an index that cannot be read.
pub fn search(
    trail: &Trail,
    question: &Question,
    limit: usize,
    after: Option<&PageToken>,
) -> Result<Page<EventRow>, QueryError> {
    search_in(&trail.view(), question, limit, after)
}

/// The same as [`search`], in a view that the caller holds on to.
///
/// # Errors
/// As [`search`].
pub fn search_in(
    view: &View,
    question: &Question,
    limit: usize,
    after: Option<&PageToken>,
) -> Result<Page<EventRow>, QueryError> {
    let mut items = Vec::new();
    let mut page = each_row(view, question, limit, after, &mut |row| {
        items.push(row);
        Ok::<(), QueryError>(())
    })?;
    page.items = items;
    Ok(page)
}

/// Gives the rows one by one, so that an answer of any length needs little memory, and returns the page
/// without them.
///
/// # Errors
/// As [`search`], and what `each` returns.
pub fn each_row<E: From<QueryError>>(
    view: &View,
    question: &Question,
    limit: usize,
    after: Option<&PageToken>,
    each: &mut dyn FnMut(EventRow) -> Result<(), E>,
) -> Result<Page<EventRow>, E> {
    let mut rows = Rows::new(view);
    let walked = walk(view, question, limit, after, &mut |addresses| {
        rows.rows(addresses)?.into_iter().try_for_each(&mut *each)
    })?;
    Ok(Page {
        items: Vec::new(),
        next: walked.next,
        matched: walked.tally.matched,
        left_out: walked.tally.left_out(),
        leaf: question.answered_at(view),
    })
}

/// Returns the oldest event; one without a time is older than all others.
pub(crate) fn oldest(view: &View, question: &Question) -> Result<Option<EventRow>, QueryError> {
    let selection = Selection::new(view, question)?;
    let mut oldest: Option<(Place, Address)> = None;
    for part in selection.parts()? {
        part.blocks(|documents| {
            let places = part.places()?;
            for &document in documents {
                let place = places.of(document);
                if oldest.is_none_or(|(oldest, _)| place < oldest) {
                    oldest = Some((place, Address { segment: part.number, document }));
                }
            }
            Ok(())
        })?;
    }
    oldest.map(|(_, address)| Rows::new(view).row(address)).transpose()
}

/// Returns when the earliest event was, in nanoseconds since 1970; `None` if there is none that has a time.
///
/// # Errors
/// An index that cannot be read.
pub fn earliest(view: &View, question: &Question) -> Result<Option<i64>, QueryError> {
    let selection = Selection::new(view, question)?;
    let mut parts = selection.parts()?;
    parts.sort_by_key(|part| part.part.times);
    let mut earliest: Option<i64> = None;
    let is_later = |least: i64, earliest: Option<i64>| earliest.is_some_and(|known| known <= least);
    let (mut reader, mut times, mut documents) = (FirstValues::default(), Vec::new(), Vec::new());
    for part in &parts {
        let Some((least, _)) = part.part.times else { continue };
        if is_later(least, earliest) {
            break;
        }
        let mut take = |documents: &[DocId], earliest: &mut Option<i64>| {
            part.places()?.times(documents, &mut reader, &mut times);
            *earliest = times.iter().flatten().copied().chain(*earliest).min();
            Ok::<(), QueryError>(())
        };
        if part.known_count().is_none() {
            part.blocks(|documents| take(documents, &mut earliest))?;
            continue;
        }
        for (block, block_times) in part.last_blocks() {
            if block_times.ends.is_some_and(|(least, _)| !is_later(least, earliest)) {
                part.block(block, &mut documents)?;
                take(&documents, &mut earliest)?;
            }
        }
    }
    Ok(earliest)
}

pub(crate) struct Walked {
    pub(crate) next: Option<PageToken>,
    pub(crate) tally: Tally,
}

/// Gives the addresses of the events in order, some thousand at a time.
pub(crate) fn walk<E: From<QueryError>>(
    view: &View,
    question: &Question,
    limit: usize,
    after: Option<&PageToken>,
    each: &mut dyn FnMut(&[Address]) -> Result<(), E>,
) -> Result<Walked, E> {
    let selection = Selection::new(view, question)?;
    let mut after = after.map(|token| token.place(question)).transpose()?;
    let mut left = if limit == 0 { usize::MAX } else { limit };
    loop {
        let wanted = left.min(ROUND);
        let found = newest(&selection, wanted, after)?;
        for events in found.events.chunks(ROWS) {
            view.turn().check()?;
            let addresses: Vec<Address> = events.iter().map(|&(_, address)| address).collect();
            each(&addresses)?;
        }
        left -= found.events.len();
        let last = found.events.last().map(|&(place, _)| place);
        let more = found.after > found.events.len() as u64;
        if !more || left == 0 {
            let next = last.filter(|_| more).map(|place| PageToken::new(question, place));
            return Ok(Walked { next, tally: found.tally });
        }
        after = last;
    }
}

pub(crate) struct Newest {
    /// Newest first.
    pub(crate) events: Vec<(Place, Address)>,
    /// How many events the question has.
    pub(crate) tally: Tally,
    /// How many of them come after the given place.
    after: u64,
}

/// Finds the newest events that come after a place. Part after part, with one heap, and parts of a page abreast where that waits
/// for the disk.
pub(crate) fn newest(
    selection: &Selection<'_>,
    wanted: usize,
    after: Option<Place>,
) -> Result<Newest, QueryError> {
    let found = Mutex::new(Heap { wanted, after, too_old: None, entries: BinaryHeap::new() });
    let found = || found.lock().unwrap_or_else(PoisonError::into_inner);
    let look_through = |part: InPart<'_>| {
        let mut heap = found().take();
        let tally = heap.look_through(&part);
        found().merge(heap);
        tally
    };
    let parts = selection.parts()?;
    let looked = match wanted {
        0..=PAGE_MOST => abreast(parts, look_through),
        // Heaps of several parts at a time are more memory.
        _ => parts.into_iter().map(look_through).collect(),
    };
    let (mut all, mut come_after) = (Tally::default(), 0);
    for of_part in looked {
        let (tally, after) = of_part?;
        all.add(&tally);
        come_after += after;
    }
    let events = found().take().entries.into_sorted_vec();
    let events = events.into_iter().map(|Reverse(event)| event).collect();
    Ok(Newest { events, tally: all, after: come_after })
}

/// The newest of the events that were offered.
struct Heap {
    wanted: usize,
    after: Option<Place>,
    /// Events of earlier times are too old, by what another heap has.
    too_old: Option<Option<i64>>,
    /// The oldest of them is on top, to be thrown out first.
    entries: BinaryHeap<Reverse<(Place, Address)>>,
}

impl Heap {
    /// Takes what was found so far and leaves a heap with nothing in it, that knows what is too old.
    fn take(&mut self) -> Heap {
        let Heap { wanted, after, .. } = *self;
        let too_old = self.oldest_wanted();
        Heap { wanted, after, too_old, entries: mem::take(&mut self.entries) }
    }

    /// Adds what another heap found.
    fn merge(&mut self, mut other: Heap) {
        if self.entries.len() < other.entries.len() {
            mem::swap(&mut self.entries, &mut other.entries);
        }
        self.too_old = self.too_old.max(other.too_old);
        other.entries.into_iter().for_each(|entry| self.push(entry));
        self.too_old = self.oldest_wanted();
    }

    /// Returns the time of the oldest event that is wanted, if as many are known as are wanted.
    fn oldest_wanted(&self) -> Option<Option<i64>> {
        let oldest = self.entries.peek().filter(|_| self.entries.len() == self.wanted);
        oldest.map(|Reverse((place, _))| place.time).max(self.too_old)
    }

    /// Tells whether events up to this time are older than all that are wanted.
    fn is_too_old(&self, last: Option<i64>) -> bool {
        self.oldest_wanted().is_some_and(|oldest| last < oldest)
    }

    /// Tells whether some of the events that were then may be among those that are wanted.
    fn may_want(&self, times: Times) -> bool {
        !self.is_too_old(times.ends.map(|(_, last)| last))
    }

    /// Offers the answer's documents of a part; returns how many there are, and how many of them come after the given place.
    fn look_through(&mut self, part: &InPart<'_>) -> Result<(Tally, u64), QueryError> {
        let last = part.part.times.map(|(_, last)| last);
        if self.is_too_old(last) {
            // All of it is too old for the page, and so comes after it.
            let tally = part.count()?;
            return Ok((tally, tally.matched));
        }
        let (mut reader, mut times) = (FirstValues::default(), Vec::new());
        let mut documents = Vec::new();
        if let Some(tally) = part.known_count().filter(|_| self.after.is_none()) {
            // For a page most blocks are too old, and need not be looked at. Who wants all looks at all.
            if (self.wanted as u64).min(tally.matched) >= BLOCK as u64 {
                part.part.ask_for_times(part.segment);
            }
            for (block, block_times) in part.last_blocks() {
                if self.may_want(block_times) {
                    part.block(block, &mut documents)?;
                    let places = part.places()?;
                    places.times(&documents, &mut reader, &mut times);
                    self.offer(part.number, places, &documents, &times);
                }
            }
            return Ok((tally, tally.matched));
        }
        let mut come_after = 0;
        let mut take = |documents: &mut Vec<DocId>| {
            if self.wanted.min(documents.len()) >= BLOCK {
                part.part.ask_for_times(part.segment);
            }
            let mut left = &documents[..];
            while let Some(block) =
                part.part.block_times.last_wanted(left, |times| self.may_want(times))
            {
                // Those behind the block are too old for the page, and so come after it.
                come_after += (left.len() - block.end) as u64;
                let (places, of_block) = (part.places()?, &left[block.clone()]);
                places.times(of_block, &mut reader, &mut times);
                come_after += self.offer(part.number, places, of_block, &times);
                left = &left[..block.start];
            }
            come_after += left.len() as u64;
            documents.clear();
            Ok::<(), QueryError>(())
        };
        let tally = part.blocks(|block| {
            documents.extend_from_slice(block);
            match documents.len() {
                HELD.. => take(&mut documents),
                _ => Ok(()),
            }
        })?;
        take(&mut documents)?;
        Ok((tally, come_after))
    }

    /// Offers documents of a part and returns how many of them come after the given place.
    fn offer(
        &mut self,
        segment: u32,
        places: &Places,
        documents: &[DocId],
        times: &[Option<i64>],
    ) -> u64 {
        let mut come_after = 0;
        for (&document, &time) in documents.iter().zip(times).rev() {
            // Most events are too old for the page, which their time alone tells.
            if self.is_too_old(time) {
                come_after += 1;
                continue;
            }
            let place = places.of(document);
            if self.after.is_some_and(|after| place >= after) {
                continue;
            }
            come_after += 1;
            self.push(Reverse((place, Address { segment, document })));
        }
        come_after
    }

    /// Takes an event in if it is one of the newest.
    fn push(&mut self, event: Reverse<(Place, Address)>) {
        if self.entries.len() < self.wanted {
            self.entries.push(event);
        } else if let Some(mut last) = self.entries.peek_mut()
            && event < *last
        {
            *last = event;
        }
    }
}

#[cfg(test)]
mod tests;
