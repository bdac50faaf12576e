//! The events of a rule, read off columns: a number for each value, so that a year of events is grouped without
//! reading a text twice.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use tantivy::DocId;
use tantivy::columnar::StrColumn;

use super::field::Field;
use super::run::{Run, Span};
use crate::column::FirstValues;
use crate::error::QueryError;
use crate::filter::Filter;
use crate::scan::Address;
use crate::select::{InPart, Selection, Tally};

/// The most memory that the texts of a rule's values may take, in bytes.
const TEXT_BYTES_MAX: usize = 256 << 20;

/// The most events that are held at once; of more, stretches of time are read one after the other. Few in tests, so that
/// they have several stretches.
const HELD_MAX: u64 = if cfg!(test) { 5 } else { 2_000_000 };

/// What stands for a value; 0 for none.
pub(super) type Word = u32;

/// The texts of values, each once.
#[derive(Default)]
pub(super) struct Words {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, Word>,
    bytes: usize,
}

/// Groups by their values, each once, numbered as they come.
#[derive(Default)]
pub(super) struct Keys {
    numbers: HashMap<Box<[Word]>, u32>,
    pub(super) keys: Vec<Box<[Word]>>,
}

impl Keys {
    pub(super) fn number(&mut self, key: &[Word]) -> u32 {
        if let Some(&number) = self.numbers.get(key) {
            return number;
        }
        let number = self.keys.len() as u32;
        self.keys.push(key.into());
        self.numbers.insert(key.into(), number);
        number
    }
}

/// An event of a rule.
#[derive(Clone, Copy)]
pub(super) struct Hit<'a> {
    pub(super) address: Address,
    /// In nanoseconds since 1970.
    pub(super) time: i64,
    /// The leaf that issued it.
    pub(super) leaf: u64,
    /// One for each field that was asked for.
    pub(super) values: &'a [Word],
}

impl Words {
    pub(super) fn number(&mut self, text: &str) -> Result<Word, QueryError> {
        if let Some(&number) = self.numbers.get(text) {
            return Ok(number);
        }
        self.bytes += text.len() + 64;
        if self.bytes > TEXT_BYTES_MAX {
            return Err(QueryError::Memory { limit_bytes: TEXT_BYTES_MAX });
        }
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        let number = self.texts.len() as Word;
        self.numbers.insert(text, number);
        Ok(number)
    }

    /// Returns the number of a text that was met.
    pub(super) fn known(&self, text: &str) -> Option<Word> {
        self.numbers.get(text).copied()
    }

    pub(super) fn text(&self, word: Word) -> Option<&str> {
        let at = (word as usize).checked_sub(1)?;
        self.texts.get(at).map(|text| &**text)
    }
}

/// A column of a part, whose values become words as they are met.
struct Values {
    field: Field,
    column: Option<StrColumn>,
    known: Vec<Word>,
    reader: FirstValues<u64>,
    /// Of each document of a block: its value's number in the column and 1, or 0.
    numbers: Vec<u64>,
}

/// What a number of a column is not looked up as yet.
const UNKNOWN: Word = Word::MAX;
/// The same of one that an event has.
const MET: Word = Word::MAX - 1;

/// Of a column with more texts than that, those that events have are looked up together. Few in tests, so that they do both.
const MANY: usize = if cfg!(test) { 2 } else { 1_024 };

impl Values {
    fn open(part: &InPart<'_>, field: Field) -> Result<Values, QueryError> {
        let column = part.segment.fast_fields().str(field.column())?;
        let terms = column.as_ref().map_or(0, |column| column.dictionary().num_terms());
        let (reader, numbers) = (FirstValues::default(), Vec::new());
        Ok(Values { field, column, known: vec![UNKNOWN; terms], reader, numbers })
    }

    fn read(&mut self, documents: &[DocId]) {
        match &self.column {
            Some(column) => self.reader.numbers(column.ords(), documents, &mut self.numbers),
            None => {
                self.numbers.clear();
                self.numbers.resize(documents.len(), 0);
            }
        }
    }

    /// Notes the numbers of a block's documents that are not looked up yet.
    fn meet(&mut self, documents: &[DocId]) {
        self.read(documents);
        for ordinal in self.numbers.iter().filter_map(|number| number.checked_sub(1)) {
            let known = &mut self.known[ordinal as usize];
            if *known == UNKNOWN {
                *known = MET;
            }
        }
    }

    /// Looks up what was met, in the order of the dictionary: one by one, each would unpack a block of it.
    fn look_up(&mut self, run: &Run<'_>, words: &mut Words) -> Result<(), QueryError> {
        let Some(column) = &self.column else { return Ok(()) };
        let met = (0_u64..).zip(&self.known).filter(|(_, word)| **word == MET);
        let met: Vec<u64> = met.map(|(ordinal, _)| ordinal).collect();
        let (mut next, mut problem) = (met.iter(), None);
        let (field, known) = (self.field, &mut self.known);
        let found = column.dictionary().sorted_ords_to_term_cb(&met, |term| {
            let ordinal = *next.next().expect("a text for each number");
            match words.number(&shown(field, run, &String::from_utf8_lossy(term))) {
                Ok(word) => known[ordinal as usize] = word,
                Err(error) => problem = Some(error),
            }
        });
        found.map_err(tantivy::TantivyError::from)?;
        problem.map_or(Ok(()), Err)
    }

    /// Returns the word of a document of the block.
    fn word(&mut self, at: usize, run: &Run<'_>, words: &mut Words) -> Result<Word, QueryError> {
        let (Some(column), Some(ordinal)) = (&self.column, self.numbers[at].checked_sub(1)) else {
            return Ok(0);
        };
        let place = ordinal as usize;
        if self.known[place] >= MET {
            let mut text = String::new();
            column.ord_to_str(ordinal, &mut text).map_err(tantivy::TantivyError::from)?;
            self.known[place] = words.number(&shown(self.field, run, &text))?;
        }
        Ok(self.known[place])
    }
}

/// Returns what stands for a column's text in a field.
fn shown<'a>(field: Field, run: &Run<'_>, text: &'a str) -> Cow<'a, str> {
    let range = |is_nat| run.range_of(text, is_nat).map_or(Cow::Borrowed(text), Cow::Owned);
    match field {
        Field::Range => range(false),
        Field::Nat => range(true),
        Field::Area => Cow::Borrowed(area(text)),
        _ => Cow::Borrowed(text),
    }
}

/// Returns where a path begins.
fn area(path: &str) -> &str {
    let parts = if path.starts_with("auth/") { 2 } else { 1 };
    let end = path.match_indices('/').nth(parts - 1).map_or(path.len(), |(at, _)| at);
    &path[..end]
}

/// Gives each event of a filter within a stretch of time, in no order, with its values of these fields.
///
/// # Errors
/// What `each` returns; texts beyond the bound; the turn is over; the index cannot be read.
pub(super) fn scan(
    run: &Run<'_>,
    filter: &Filter,
    span: Span,
    fields: &[Field],
    words: &mut Words,
    each: &mut dyn FnMut(Hit<'_>, &Words) -> Result<(), QueryError>,
) -> Result<Tally, QueryError> {
    let question = run.question(filter, span);
    let selection = Selection::new(run.view, &question)?;
    let mut tally = Tally::default();
    let mut values = vec![0; fields.len()];
    let (mut time_reader, mut times) = (FirstValues::default(), Vec::new());
    let (mut leaf_reader, mut leaves) = (FirstValues::default(), Vec::new());
    for part in selection.parts()? {
        let columns = fields.iter().map(|&field| Values::open(&part, field));
        let mut columns = columns.collect::<Result<Vec<_>, _>>()?;
        if columns.iter().any(|column| column.known.len() > MANY) {
            part.blocks(|documents| {
                let many = columns.iter_mut().filter(|column| column.known.len() > MANY);
                many.for_each(|column| column.meet(documents));
                Ok(())
            })?;
            columns.iter_mut().try_for_each(|column| column.look_up(run, words))?;
        }
        let found = part.blocks(|documents| {
            let places = part.places()?;
            places.times(documents, &mut time_reader, &mut times);
            match &places.leaf {
                Some(leaf) => leaf_reader.read(leaf, documents, &mut leaves),
                None => leaves.resize(documents.len(), None),
            }
            columns.iter_mut().for_each(|column| column.read(documents));
            for (at, &document) in documents.iter().enumerate() {
                let Some(time) = times[at] else { continue };
                for which in 0..columns.len() {
                    let is_of_somebody = columns[which].field == Field::AnonymousIp
                        && which > 0
                        && values[which - 1] != 0;
                    values[which] = match is_of_somebody {
                        true => 0,
                        false => columns[which].word(at, run, words)?,
                    };
                }
                let address = Address { segment: part.number, document };
                let leaf = leaves[at].unwrap_or(0);
                each(Hit { address, time, leaf, values: &values }, words)?;
            }
            Ok(())
        })?;
        tally.add(&found);
    }
    Ok(tally)
}

/// Cuts a stretch of time so that each piece has as many events as may be held at once.
///
/// # Errors
/// One nanosecond holds more; the turn is over; the index cannot be read.
pub(super) fn pieces(run: &Run<'_>, filter: &Filter, span: Span) -> Result<Vec<Span>, QueryError> {
    let mut pieces = Vec::new();
    let mut waiting = vec![span];
    while let Some(span) = waiting.pop() {
        if count(run, filter, span)? <= HELD_MAX {
            pieces.push(span);
            continue;
        }
        let middle = span.from + (span.to - span.from) / 2;
        if middle == span.from {
            return Err(QueryError::TooMany {
                what: "events of one instant",
                limit: HELD_MAX as usize,
            });
        }
        waiting.push(Span { from: middle, to: span.to });
        waiting.push(Span { from: span.from, to: middle });
    }
    Ok(pieces)
}

/// Counts the events of a filter within a stretch of time.
///
/// # Errors
/// The turn is over; the index cannot be read.
pub(super) fn count(run: &Run<'_>, filter: &Filter, span: Span) -> Result<u64, QueryError> {
    let question = run.question(filter, span);
    let selection = Selection::new(run.view, &question)?;
    let mut tally = Tally::default();
    for part in selection.parts()? {
        tally.add(&part.count()?);
    }
    Ok(tally.matched)
}
