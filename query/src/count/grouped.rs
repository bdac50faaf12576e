//! The groups of one part of the index, and those of all parts together.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use super::group::NumberHasher;
use super::{BYTES_MAX, FIELDS_MAX, GROUPS_MAX};
use crate::error::QueryError;
use crate::scan::Place;
use crate::select::Tally;

/// A word that several parts share is held once.
pub(super) type Word = Arc<str>;

/// The groups of one part. It depends on nothing but the part and the question.
pub(crate) struct Grouped {
    pub(super) tally: Tally,
    pub(super) rows: Vec<GroupedRow>,
    /// The words of each field; a row's number is the place and 1.
    pub(super) words: Vec<Vec<Word>>,
    /// Which of the fields is the identity, and by its keys the name of the newest event.
    pub(super) identity: usize,
    pub(super) names: Vec<(u32, Newest)>,
    /// A row's place, and a latency in it.
    pub(super) latencies: Vec<(u32, i64)>,
}

/// One of them.
pub(super) struct GroupedRow {
    pub(super) words: [u32; FIELDS_MAX],
    pub(super) bucket: Option<(i64, i64)>,
    pub(super) count: u64,
    pub(super) seen: Option<(i64, i64)>,
}

/// The name on an identity's newest event so far.
#[derive(Clone)]
pub(super) struct Newest {
    /// Absent if the identity has this name on all its events in the part.
    pub(super) place: Option<Place>,
    pub(super) name: Word,
}

impl Grouped {
    /// Returns about how many bytes of memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let words = self.words.iter().flatten().map(|word| size_of::<Word>() + 16 + word.len());
        let names =
            self.names.iter().map(|(_, newest)| size_of::<(u32, Newest)>() + newest.name.len());
        self.rows.len() * size_of::<GroupedRow>()
            + words.sum::<usize>()
            + names.sum::<usize>()
            + self.latencies.len() * size_of::<(u32, i64)>()
    }
}

/// The groups of all parts so far.
#[derive(Default)]
pub(super) struct Merged {
    pub(super) tally: Tally,
    numbers: HashMap<Key, u32, BuildHasherDefault<NumberHasher>>,
    pub(super) groups: Vec<MergedGroup>,
    /// The words of each field.
    pub(super) words: Vec<Words>,
    /// Of an identity, by its key's number, the name of its newest event.
    pub(super) names: HashMap<u32, Newest>,
    /// Parts have different names for an identity, and not all tell where theirs is from: see [`super::names`].
    pub(super) needs_places: bool,
    /// A group's number and a latency in it.
    pub(super) latencies: Vec<(u32, i64)>,
    bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    words: [u32; FIELDS_MAX],
    bucket: Option<(i64, i64)>,
}

/// A group over all parts.
pub(super) struct MergedGroup {
    pub(super) words: [u32; FIELDS_MAX],
    pub(super) bucket: Option<(i64, i64)>,
    pub(super) count: u64,
    pub(super) seen: Option<(i64, i64)>,
}

impl Merged {
    pub(super) fn of(fields: usize) -> Merged {
        Merged { words: (0..fields).map(|_| Words::default()).collect(), ..Merged::default() }
    }

    /// Adds what one part has.
    ///
    /// # Errors
    /// There are more groups than [`GROUPS_MAX`], or they take more than [`BYTES_MAX`].
    pub(super) fn add(&mut self, part: &Grouped) -> Result<(), QueryError> {
        self.tally.add(&part.tally);
        let mut numbers: Vec<Vec<u32>> = Vec::new();
        for (words, texts) in self.words.iter_mut().zip(&part.words) {
            numbers.push(texts.iter().map(|text| words.number(text, &mut self.bytes)).collect());
        }
        let number = |field: usize, word: u32| match (word as usize).checked_sub(1) {
            Some(place) => numbers[field][place],
            None => 0,
        };
        let mut slots = Vec::with_capacity(part.rows.len());
        for row in &part.rows {
            let mut words = row.words;
            for (field, word) in words.iter_mut().enumerate().take(numbers.len()) {
                *word = number(field, *word);
            }
            let next = self.groups.len() as u32;
            let key = Key { words, bucket: row.bucket };
            let slot = *self.numbers.entry(key).or_insert(next);
            slots.push(slot);
            if slot == next {
                let Key { words, bucket } = key;
                self.groups.push(MergedGroup { words, bucket, count: 0, seen: None });
            }
            let group = &mut self.groups[slot as usize];
            group.count += row.count;
            group.seen = match (group.seen, row.seen) {
                (Some((first, last)), Some((other_first, other_last))) => {
                    Some((first.min(other_first), last.max(other_last)))
                }
                (one, other) => one.or(other),
            };
        }
        for (key, newest) in &part.names {
            let key = number(part.identity, *key);
            match self.names.get_mut(&key) {
                None => drop(self.names.insert(key, newest.clone())),
                Some(known) => match (known.place, newest.place) {
                    (Some(one), Some(other)) if one < other => *known = newest.clone(),
                    (Some(_), Some(_)) => {}
                    // Which is newer is not known, and does not matter as long as they agree.
                    _ => {
                        self.needs_places |= known.name != newest.name;
                        known.place = None;
                    }
                },
            }
        }
        let latencies = part.latencies.iter().map(|&(row, latency)| (slots[row as usize], latency));
        self.latencies.extend(latencies);
        self.check()
    }

    fn check(&self) -> Result<(), QueryError> {
        let groups = self.groups.len() * (size_of::<Key>() + size_of::<MergedGroup>());
        let latencies = self.latencies.len() * size_of::<(u32, i64)>();
        if self.groups.len() > GROUPS_MAX {
            Err(QueryError::Groups { limit: GROUPS_MAX })
        } else if self.bytes + groups + latencies > BYTES_MAX {
            Err(QueryError::Memory { limit_bytes: BYTES_MAX })
        } else {
            Ok(())
        }
    }
}

/// The words of one field, numbered from 1 as they come; 0 is no word.
#[derive(Default)]
pub(super) struct Words {
    numbers: HashMap<Word, u32>,
    texts: Vec<Word>,
}

impl Words {
    /// Returns the number of a word; adds to `bytes` what a new one takes.
    fn number(&mut self, text: &Word, bytes: &mut usize) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        *bytes += text.len() + 3 * size_of::<Word>();
        self.texts.push(text.clone());
        let number = u32::try_from(self.texts.len()).expect("less words than groups");
        self.numbers.insert(text.clone(), number);
        number
    }

    /// Returns how many there are: the last one's number.
    pub(super) fn count(&self) -> u32 {
        self.texts.len() as u32
    }

    /// Returns the word of a number.
    pub(super) fn text(&self, number: u32) -> Option<&str> {
        let place = (number as usize).checked_sub(1)?;
        Some(&self.texts[place])
    }
}
