//! Counting within one segment, by ordinals, and adding the result to what is there.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use tantivy::columnar::StrColumn;
use tantivy::{DocId, TantivyError};

use super::words::{Newest, Words};
use super::{FIELDS_MAX, GROUPS_MAX, Merged, is_identity};
use crate::error::QueryError;
use crate::filter::CountField;
use crate::history::View;
use crate::interval::Buckets;
use crate::scan::{InSegment, Place, Places};

/// A group of events. In a segment, a word is its ordinal in the column and 1; in an answer, its number.
/// 0 is no word, and stands for the fields that there are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub(super) words: [u32; FIELDS_MAX],
    pub(super) bucket: Option<(i64, i64)>,
}

/// Counts the documents of one segment.
pub(super) fn count_segment(
    in_segment: &InSegment<'_>,
    view: &View,
    by: &[CountField],
    buckets: Option<&mut Buckets<'_>>,
    merged: &mut Merged,
) -> Result<(), QueryError> {
    let columns = in_segment.segment.fast_fields();
    let schema = view.searcher().schema();
    let mut fields = Vec::new();
    for field in by {
        if !schema.get_field_entry(field.field).is_fast() {
            return Err(QueryError::NoColumn(field.name));
        }
        fields.push(columns.str(schema.get_field_name(field.field))?);
    }
    let mut counting = Counting {
        fields,
        places: Places::open(in_segment.segment)?,
        buckets,
        total: 0,
        groups: Groups::default(),
        names: match by.iter().position(is_identity) {
            Some(key) => {
                Some(Names { key, column: columns.str("identity_name")?, newest: HashMap::new() })
            }
            None => None,
        },
        is_full: false,
    };
    in_segment.each(|document| counting.document(document))?;
    if counting.is_full {
        return Err(QueryError::Groups { limit: GROUPS_MAX });
    }
    counting.add_to(merged)
}

type Groups = HashMap<Group, u64, BuildHasherDefault<OrdinalHasher>>;

struct Counting<'a, 'b> {
    fields: Vec<Option<StrColumn>>,
    places: Places,
    buckets: Option<&'a mut Buckets<'b>>,
    total: u64,
    groups: Groups,
    names: Option<Names>,
    is_full: bool,
}

/// The names beside the keys of identities.
struct Names {
    /// Which of the fields is the identity.
    key: usize,
    column: Option<StrColumn>,
    /// By the key's word: the newest event that has a name, and the name's word.
    newest: HashMap<u32, (Place, u32)>,
}

impl Counting<'_, '_> {
    fn document(&mut self, document: DocId) {
        if self.is_full {
            return;
        }
        self.total += 1;
        let mut group = Group::default();
        if let Some(buckets) = &mut self.buckets {
            group.bucket = self.places.time(document).map(|time| buckets.of(time));
        }
        add(&self.fields, 0, document, group, &mut self.groups);
        if let Some(names) = &mut self.names {
            names.document(document, &self.fields, &self.places);
        }
        let buckets = self.buckets.as_ref().map_or(0, |buckets| buckets.len());
        self.is_full = self.groups.len().max(buckets) > GROUPS_MAX;
    }

    fn add_to(self, merged: &mut Merged) -> Result<(), QueryError> {
        let mut numbers = Vec::new();
        for (field, words) in merged.words.iter_mut().enumerate() {
            let used = self.groups.keys().map(|group| group.words[field]);
            numbers.push(resolve(&self.fields[field], used, words)?);
        }
        merged.total += self.total;
        for (group, count) in self.groups {
            let mut global = group;
            for (word, numbers) in global.words.iter_mut().zip(&numbers) {
                *word = numbers.get(word).copied().unwrap_or(0);
            }
            *merged.groups.entry(global).or_default() += count;
            if merged.groups.len() > GROUPS_MAX {
                return Err(QueryError::Groups { limit: GROUPS_MAX });
            }
        }
        if let Some(names) = self.names {
            let mut of_segment = Words::default();
            let used = names.newest.values().map(|&(_, name)| name);
            let texts = resolve(&names.column, used, &mut of_segment)?;
            for (key, (place, name)) in names.newest {
                let key = numbers[names.key].get(&key).copied().unwrap_or(0);
                let newer = merged.names.get(&key).is_none_or(|known| known.place < place);
                if let Some(name) = texts.get(&name).and_then(|&name| of_segment.text(name))
                    && newer
                {
                    merged.names.insert(key, Newest { place, name: Arc::from(name) });
                }
            }
        }
        Ok(())
    }
}

/// Counts a document in each of its groups; the group's words before field `number` are known.
fn add(
    fields: &[Option<StrColumn>],
    number: usize,
    document: DocId,
    mut group: Group,
    groups: &mut Groups,
) {
    let Some(column) = fields.get(number) else {
        *groups.entry(group).or_default() += 1;
        return;
    };
    let mut words = words_of(column, document);
    match (words.next(), words.next()) {
        (None, _) => add(fields, number + 1, document, group, groups),
        (Some(word), None) => {
            group.words[number] = word;
            add(fields, number + 1, document, group, groups);
        }
        (Some(first), Some(second)) => {
            let mut all: Vec<u32> = [first, second].into_iter().chain(words).collect();
            all.sort_unstable();
            all.dedup();
            for word in all {
                if groups.len() > GROUPS_MAX {
                    return;
                }
                group.words[number] = word;
                add(fields, number + 1, document, group, groups);
            }
        }
    }
}

impl Names {
    fn document(&mut self, document: DocId, fields: &[Option<StrColumn>], places: &Places) {
        let key = words_of(&fields[self.key], document).next();
        let name = words_of(&self.column, document).next();
        // Who has no key has no newest name either: they are different people.
        let (Some(key), Some(name)) = (key, name) else { return };
        let time = places.time(document);
        match self.newest.get(&key) {
            Some((newest, _)) if newest.time > time => {}
            Some((newest, _)) if *newest > places.of(document) => {}
            _ => drop(self.newest.insert(key, (places.of(document), name))),
        }
    }
}

/// The words of a document in a column.
fn words_of(column: &Option<StrColumn>, document: DocId) -> impl Iterator<Item = u32> + use<'_> {
    let ordinals = column.iter().flat_map(move |column| column.term_ords(document));
    ordinals.map(|ordinal| u32::try_from(ordinal + 1).expect("a segment has less words than that"))
}

/// Reads the words that were used, and returns their numbers over all segments.
fn resolve(
    column: &Option<StrColumn>,
    used: impl Iterator<Item = u32>,
    words: &mut Words,
) -> Result<HashMap<u32, u32>, QueryError> {
    let mut numbers = HashMap::new();
    let Some(column) = column else { return Ok(numbers) };
    let mut ordinals: Vec<u64> =
        used.filter(|&word| word > 0).map(|word| u64::from(word) - 1).collect();
    ordinals.sort_unstable();
    ordinals.dedup();
    let mut found = ordinals.iter();
    let is_whole = column
        .dictionary()
        .sorted_ords_to_term_cb(&ordinals, |text| {
            if let Some(&ordinal) = found.next() {
                let number = words.number(&String::from_utf8_lossy(text));
                numbers.insert(ordinal as u32 + 1, number);
            }
        })
        .map_err(TantivyError::from)?;
    match is_whole {
        true => Ok(numbers),
        false => {
            Err(TantivyError::InternalError("a column lacks words that it uses".to_owned()).into())
        }
    }
}

/// A quick hash for small numbers that nobody outside chooses.
#[derive(Default)]
struct OrdinalHasher(u64);

impl Hasher for OrdinalHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(eight));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        // The table takes its place from the low bits, which multiplication mixes least.
        self.0 ^ (self.0 >> 32)
    }
}
