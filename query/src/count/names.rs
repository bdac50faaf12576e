//! The name beside an identity's key: that on the newest of the answer's events that has one.
//!
//! Nearly every identity has one name and all of its events have it. Then nothing need be looked up event by event, not even
//! when the newest was; unless another part of the index has another name for the same key, which is found out when parts
//! are put together, and asked again.

use tantivy::DocId;
use tantivy::columnar::StrColumn;

use super::Grouping;
use super::is_identity;
use crate::column::FirstValues;
use crate::error::QueryError;
use crate::scan::{Place, Places};
use crate::select::InPart;

/// The names of one part's identities.
pub(super) struct Names<'a> {
    /// Which of the fields is the identity.
    pub(super) field: usize,
    pub(super) column: Option<StrColumn>,
    /// By a key's number less 1: the one name's number, 0 for none.
    known: Option<&'a [u32]>,
    /// By the same: the newest event that has a name.
    newest: Vec<Option<Named>>,
    words: Vec<u64>,
    reader: FirstValues<u64>,
}

/// An event that tells a name.
#[derive(Clone, Copy)]
struct Named {
    time: Option<i64>,
    document: DocId,
    name: u32,
}

/// The number of a key, the place of the event that tells its name if that matters, and the number of the name.
pub(super) type Told = (u32, Option<Place>, u32);

impl<'a> Names<'a> {
    /// Makes ready for the part's events; `None` if they are not grouped by identity.
    pub(super) fn open(
        within: &InPart<'a>,
        grouping: &Grouping<'_>,
    ) -> Result<Option<Names<'a>>, QueryError> {
        let Some(field) = grouping.by.iter().position(is_identity) else { return Ok(None) };
        let columns = within.segment.fast_fields();
        // Without keys there is nobody to name.
        let has_keys = columns.str("identity_key")?.is_some();
        Ok(Some(Names {
            field,
            column: columns.str("identity_name")?.filter(|_| has_keys),
            known: match grouping.tells_places {
                true => None,
                false => within.part.names(within.segment)?,
            },
            newest: Vec::new(),
            words: Vec::new(),
            reader: FirstValues::default(),
        }))
    }

    /// Tells whether events have to be looked at one by one.
    pub(super) fn are_looked_for(&self) -> bool {
        self.known.is_none() && self.column.is_some()
    }

    /// Looks at a block of documents, of which `keys` are the numbers of their keys, 0 for none.
    pub(super) fn block(
        &mut self,
        documents: &[DocId],
        keys: &[u64],
        times: &[Option<i64>],
        places: &Places,
    ) {
        let Some(names) = &self.column else { return };
        self.reader.numbers(names.ords(), documents, &mut self.words);
        let most = keys.iter().max().map_or(0, |&key| key as usize);
        if self.newest.len() < most {
            self.newest.resize(most, None);
        }
        // Later documents are mostly newer: from the end on, few replace another.
        for (at, &document) in documents.iter().enumerate().rev() {
            // Who has no key has no newest name either: they are different people.
            let (key, name) = (keys[at], self.words[at]);
            if key == 0 || name == 0 {
                continue;
            }
            let (newest, time) = (&mut self.newest[key as usize - 1], times[at]);
            let is_newer = newest.is_none_or(|newest| {
                time > newest.time
                    || time == newest.time && places.of(document) > places.of(newest.document)
            });
            if is_newer {
                *newest = Some(Named { time, document, name: name as u32 });
            }
        }
    }

    /// Returns what is told of these keys.
    pub(super) fn of(&self, keys: impl Iterator<Item = u32>, places: Option<&Places>) -> Vec<Told> {
        let told = |key: u32| match self.known {
            Some(known) => Some((key, None, known[key as usize - 1])).filter(|told| told.2 > 0),
            None => {
                let newest = self.newest.get(key as usize - 1).copied().flatten()?;
                Some((key, Some(places?.of(newest.document)), newest.name))
            }
        };
        keys.filter(|&key| key > 0).filter_map(told).collect()
    }
}
