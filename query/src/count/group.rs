//! Grouping within one part of the index, by the numbers that its columns give their words.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocId, TantivyError};

use super::grouped::{Grouped, GroupedRow, Newest};
use super::names::Names;
use super::{BYTES_MAX, FIELDS_MAX, GROUPS_MAX, Grouping};
use crate::column::FirstValues;
use crate::error::QueryError;
use crate::history::View;
use crate::interval::Buckets;
use crate::scan::Places;
use crate::select::{InPart, Tally};

/// A group of events: of each field its word's number, 0 for no word and for the fields that there are not; and the
/// number of its stretch of time, 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Group {
    words: [u32; FIELDS_MAX],
    bucket: u32,
}

/// Groups the documents of one part, block by block.
pub(super) struct Grouper<'a> {
    grouping: &'a Grouping<'a>,
    fields: Vec<Option<StrColumn>>,
    /// Where events stand in the order of answers, and their times; absent if nothing asks for them.
    places: Option<&'a Places>,
    latency: Option<Column<i64>>,
    buckets: Option<Buckets<'a>>,
    slots: Slots,
    counts: Vec<u64>,
    /// The first and the last time, where asked for.
    seen: Vec<Option<(i64, i64)>>,
    /// Groups and the latencies in them, where asked for.
    latencies: Vec<(u32, i64)>,
    names: Option<Names<'a>>,
    block: Block,
}

/// What is read of a block.
#[derive(Default)]
struct Block {
    times: Vec<Option<i64>>,
    times_reader: FirstValues<i64>,
    /// The numbers of each field's words, 0 for none, where documents have one word of it at most.
    words: Vec<Vec<u64>>,
    words_reader: FirstValues<u64>,
    latencies: Vec<Option<i64>>,
    latencies_reader: FirstValues<i64>,
    keys: Vec<u64>,
    /// The place in the block, and a group that the document is in.
    members: Vec<(u32, u32)>,
}

/// Numbers for groups as they come.
struct Slots {
    /// Of each field how many words it has and no word, then the same of time, if a group has a key of 64 bits.
    radixes: Option<Vec<u64>>,
    /// Keys that are few have their slot's number and 1 by themselves.
    dense: Vec<u32>,
    sparse: HashMap<u64, u32, BuildHasherDefault<NumberHasher>>,
    /// Groups by themselves, where documents have several words or keys would not do.
    whole: HashMap<Group, u32, BuildHasherDefault<NumberHasher>>,
    groups: Vec<Group>,
}

/// The most keys that get a place in a table each.
const DENSE_MAX: u64 = 1 << 16;

impl<'a> Grouper<'a> {
    pub(super) fn open(
        within: &InPart<'a>,
        view: &View,
        grouping: &'a Grouping<'a>,
    ) -> Result<Grouper<'a>, QueryError> {
        let columns = within.segment.fast_fields();
        let schema = view.searcher().schema();
        let mut fields = Vec::new();
        for field in grouping.by {
            if !schema.get_field_entry(field.field).is_fast() {
                return Err(QueryError::NoColumn(field.name));
            }
            fields.push(columns.str(schema.get_field_name(field.field))?);
        }
        let names = Names::open(within, grouping)?;
        let latency = match grouping.measures.latency {
            true => columns.column_opt("latency_us")?,
            false => None,
        };
        let looks_for_names = names.as_ref().is_some_and(Names::are_looked_for);
        let needs_times = grouping.interval.is_some() || grouping.measures.seen || looks_for_names;
        if needs_times {
            within.part.ask_for_times(within.segment);
        }
        Ok(Grouper {
            slots: Slots::of(&fields, grouping.interval.is_some()),
            block: Block { words: vec![Vec::new(); fields.len()], ..Block::default() },
            fields,
            places: if needs_times { Some(within.places()?) } else { None },
            latency,
            buckets: grouping.interval.map(Buckets::new),
            counts: Vec::new(),
            seen: Vec::new(),
            latencies: Vec::new(),
            names,
            grouping,
        })
    }

    /// Groups a block of documents.
    pub(super) fn block(&mut self, documents: &[DocId]) -> Result<(), QueryError> {
        if let Some(places) = self.places {
            let Block { times_reader, times, .. } = &mut self.block;
            places.times(documents, times_reader, times);
        }
        self.block.members.clear();
        if self.slots.radixes.is_some() {
            self.by_key(documents);
        } else {
            self.by_group(documents);
        }
        let buckets = self.buckets.as_ref().map_or(0, Buckets::len);
        if self.slots.groups.len().max(buckets) > GROUPS_MAX {
            return Err(QueryError::Groups { limit: GROUPS_MAX });
        }
        self.measure(documents)?;
        if let Some(names) = self.names.as_mut().filter(|names| names.are_looked_for())
            && let Some(places) = self.places
        {
            let Block { times, words, words_reader, .. } = &mut self.block;
            let words = &mut words[names.field];
            // Where documents have several words of another field, this one's were not read for groups.
            if let (true, Some(keys)) = (self.slots.radixes.is_none(), &self.fields[names.field]) {
                words_reader.numbers(keys.ords(), documents, words);
            }
            names.block(documents, words, times, places);
        }
        Ok(())
    }

    /// Groups documents that have one word of each field at most.
    fn by_key(&mut self, documents: &[DocId]) {
        let Block { times, words, words_reader, keys, members, .. } = &mut self.block;
        keys.clear();
        match &mut self.buckets {
            Some(buckets) => keys.extend(
                times.iter().map(|time| time.map_or(0, |time| u64::from(buckets.number(time)))),
            ),
            None => keys.resize(documents.len(), 0),
        }
        let radixes = self.slots.radixes.as_deref().unwrap_or_default();
        for ((column, radix), words) in self.fields.iter().zip(radixes).zip(words) {
            // A column that is not there multiplies by one and adds nothing.
            let Some(column) = column else { continue };
            words_reader.numbers(column.ords(), documents, words);
            for (key, word) in keys.iter_mut().zip(words.iter()) {
                *key = *key * radix + word;
            }
        }
        let mut last = (u64::MAX, 0);
        for (at, &key) in (0..).zip(keys.iter()) {
            if key != last.0 {
                last = (key, self.slots.of_key(key));
            }
            members.push((at, last.1));
        }
    }

    /// Groups documents that may have several words of a field: they are in a group of each.
    fn by_group(&mut self, documents: &[DocId]) {
        let mut words: Vec<u32> = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        for (at, &document) in (0..).zip(documents) {
            let time =
                self.buckets.as_mut().zip(self.block.times.get(at as usize).copied().flatten());
            let bucket = time.map_or(0, |(buckets, time)| buckets.number(time));
            groups.clear();
            groups.push(Group { bucket, ..Group::default() });
            for (number, column) in self.fields.iter().enumerate() {
                words.clear();
                words.extend(words_of(column, document));
                words.sort_unstable();
                words.dedup();
                let Some((first, others)) = words.split_first() else { continue };
                let before = groups.len();
                for other in others {
                    for of in 0..before {
                        let mut group = groups[of];
                        group.words[number] = *other;
                        groups.push(group);
                    }
                    if self.slots.groups.len() + groups.len() > 2 * GROUPS_MAX {
                        break;
                    }
                }
                groups[..before].iter_mut().for_each(|group| group.words[number] = *first);
            }
            for group in &groups {
                self.block.members.push((at, self.slots.of_group(*group)));
            }
            if self.slots.groups.len() > GROUPS_MAX {
                return;
            }
        }
    }

    fn measure(&mut self, documents: &[DocId]) -> Result<(), QueryError> {
        let Block { times, members, latencies, latencies_reader, .. } = &mut self.block;
        self.counts.resize(self.slots.groups.len(), 0);
        for &(_, slot) in members.iter() {
            self.counts[slot as usize] += 1;
        }
        if self.grouping.measures.seen {
            self.seen.resize(self.slots.groups.len(), None);
            for &(at, slot) in members.iter() {
                if let Some(time) = times[at as usize] {
                    let seen = &mut self.seen[slot as usize];
                    let (first, last) = seen.unwrap_or((time, time));
                    *seen = Some((first.min(time), last.max(time)));
                }
            }
        }
        if let Some(latency) = &self.latency {
            latencies_reader.read(latency, documents, latencies);
            let measured = members.iter();
            let measured = measured.filter_map(|&(at, slot)| Some((slot, latencies[at as usize]?)));
            self.latencies.extend(measured);
            if self.latencies.len() * size_of::<(u32, i64)>() > BYTES_MAX {
                return Err(QueryError::Memory { limit_bytes: BYTES_MAX });
            }
        }
        Ok(())
    }

    /// Ends the part: reads the words that were used.
    pub(super) fn finish(self, tally: Tally) -> Result<Grouped, QueryError> {
        let mut words = Vec::new();
        let mut numbers = Vec::new();
        let mut bytes = 0;
        for (field, column) in self.fields.iter().enumerate() {
            let used = self.slots.groups.iter().map(|group| group.words[field]);
            let (texts, of) = resolve(column, used, &mut bytes)?;
            words.push(texts);
            numbers.push(of);
        }
        let mut rows = Vec::with_capacity(self.counts.len());
        for (slot, (group, &count)) in self.slots.groups.iter().zip(&self.counts).enumerate() {
            let mut local = [0; FIELDS_MAX];
            for (field, of) in numbers.iter().enumerate() {
                local[field] = of.get(&group.words[field]).copied().unwrap_or(0);
            }
            let bucket = self.buckets.as_ref().and_then(|buckets| buckets.stretch(group.bucket));
            let seen = self.seen.get(slot).copied().flatten();
            rows.push(GroupedRow { words: local, bucket, count, seen });
        }
        let mut names = Vec::new();
        let identity = self.names.as_ref().map_or(0, |names| names.field);
        if let Some(of_part) = &self.names {
            let keys = &numbers[of_part.field];
            let told = of_part.of(keys.keys().copied(), self.places);
            let used = told.iter().map(|&(_, _, name)| name);
            let (texts, of) = resolve(&of_part.column, used, &mut bytes)?;
            for (key, place, name) in told {
                if let (Some(&key), Some(&name)) = (keys.get(&key), of.get(&name)) {
                    names.push((key, Newest { place, name: texts[name as usize - 1].clone() }));
                }
            }
        }
        Ok(Grouped { tally, rows, words, identity, names, latencies: self.latencies })
    }
}

impl Slots {
    fn of(fields: &[Option<StrColumn>], has_time: bool) -> Slots {
        let is_single = |column: &Option<StrColumn>| {
            column.as_ref().is_none_or(|column| !column.ords().get_cardinality().is_multivalue())
        };
        let radix = |column: &Option<StrColumn>| {
            1 + column.as_ref().map_or(0, |column| column.dictionary().num_terms() as u64)
        };
        let radixes: Vec<u64> = fields.iter().map(radix).collect();
        let buckets = if has_time { GROUPS_MAX as u64 + BUCKETS_PAST_MAX } else { 1 };
        let keys = radixes.iter().try_fold(buckets, |keys, radix| keys.checked_mul(*radix));
        let keys = keys.filter(|_| fields.iter().all(is_single));
        let dense = keys.filter(|keys| *keys <= DENSE_MAX).unwrap_or(0);
        Slots {
            radixes: keys.map(|_| radixes),
            dense: vec![0; dense as usize],
            sparse: HashMap::default(),
            whole: HashMap::default(),
            groups: Vec::new(),
        }
    }

    fn of_key(&mut self, key: u64) -> u32 {
        let slot = match self.dense.is_empty() {
            true => self.sparse.entry(key).or_insert(0),
            false => &mut self.dense[key as usize],
        };
        if *slot == 0 {
            let radixes = self.radixes.as_deref().unwrap_or_default();
            let mut group = Group::default();
            let mut rest = key;
            for (number, radix) in radixes.iter().enumerate().rev() {
                group.words[number] = (rest % radix) as u32;
                rest /= radix;
            }
            group.bucket = rest as u32;
            self.groups.push(group);
            *slot = self.groups.len() as u32;
        }
        *slot - 1
    }

    fn of_group(&mut self, group: Group) -> u32 {
        let next = self.groups.len() as u32;
        let slot = *self.whole.entry(group).or_insert(next);
        if slot == next {
            self.groups.push(group);
        }
        slot
    }
}

/// A block may find so many stretches of time before there are found to be too many.
const BUCKETS_PAST_MAX: u64 = crate::select::BLOCK as u64 * 2;

/// The words of a document in a column.
fn words_of(column: &Option<StrColumn>, document: DocId) -> impl Iterator<Item = u32> + use<'_> {
    let ordinals = column.iter().flat_map(move |column| column.term_ords(document));
    ordinals.map(|ordinal| u32::try_from(ordinal + 1).expect("a segment has less words than that"))
}

type Resolved = (Vec<Arc<str>>, HashMap<u32, u32, BuildHasherDefault<NumberHasher>>);

/// Reads the words that were used; returns them, and for each its number from 1.
fn resolve(
    column: &Option<StrColumn>,
    used: impl Iterator<Item = u32>,
    bytes: &mut usize,
) -> Result<Resolved, QueryError> {
    let (mut texts, mut numbers) = Resolved::default();
    let Some(column) = column else { return Ok((texts, numbers)) };
    let mut ordinals: Vec<u64> =
        used.filter(|&word| word > 0).map(|word| u64::from(word) - 1).collect();
    ordinals.sort_unstable();
    ordinals.dedup();
    let mut found = ordinals.iter();
    let mut is_too_much = false;
    let is_whole = column
        .dictionary()
        .sorted_ords_to_term_cb(&ordinals, |text| {
            *bytes += text.len();
            is_too_much |= *bytes > BYTES_MAX;
            if let Some(&ordinal) = found.next()
                && !is_too_much
            {
                texts.push(String::from_utf8_lossy(text).into());
                numbers.insert(ordinal as u32 + 1, texts.len() as u32);
            }
        })
        .map_err(TantivyError::from)?;
    match is_whole {
        _ if is_too_much => Err(QueryError::Memory { limit_bytes: BYTES_MAX }),
        true => Ok((texts, numbers)),
        false => {
            Err(TantivyError::InternalError("a column lacks words that it uses".to_owned()).into())
        }
    }
}

/// A quick hash for numbers that nobody outside chooses.
#[derive(Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(eight));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        // The table takes its place from the low bits, which multiplication mixes least.
        self.0 ^ (self.0 >> 32)
    }
}
