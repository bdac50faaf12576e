//! The events of a rule, read off columns: a number for each value, so that a year of events is grouped without
//! reading a text twice.

use std::collections::HashMap;
use std::sync::Arc;

use tantivy::columnar::StrColumn;

use super::field::Field;
use super::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::Filter;
use crate::scan::Address;
use crate::select::{Selection, Tally};

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
}

/// What a number of a column is not looked up as yet.
const UNKNOWN: Word = Word::MAX;

impl Values {
    fn word(
        &mut self,
        run: &Run<'_>,
        document: u32,
        words: &mut Words,
    ) -> Result<Word, QueryError> {
        let Some(column) = &self.column else { return Ok(0) };
        let Some(ordinal) = column.ords().first(document) else { return Ok(0) };
        let place = ordinal as usize;
        if self.known[place] == UNKNOWN {
            let mut text = String::new();
            column.ord_to_str(ordinal, &mut text).map_err(tantivy::TantivyError::from)?;
            let text = match self.field {
                Field::Range => run.range_of(&text, false).unwrap_or(text),
                Field::Nat => run.range_of(&text, true).unwrap_or(text),
                Field::Area => area(&text).to_owned(),
                _ => text,
            };
            self.known[place] = words.number(&text)?;
        }
        Ok(self.known[place])
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
    for part in selection.parts()? {
        let mut columns = Vec::with_capacity(fields.len());
        for &field in fields {
            let column = part.segment.fast_fields().str(field.column())?;
            let terms = column.as_ref().map_or(0, |column| column.dictionary().num_terms());
            columns.push(Values { field, column, known: vec![UNKNOWN; terms] });
        }
        let found = part.blocks(|documents| {
            for &document in documents {
                let Some(time) = part.part.places.time(document) else { continue };
                for at in 0..columns.len() {
                    let is_of_somebody =
                        columns[at].field == Field::AnonymousIp && at > 0 && values[at - 1] != 0;
                    values[at] = match is_of_somebody {
                        true => 0,
                        false => columns[at].word(run, document, words)?,
                    };
                }
                let leaf = part.part.places.of(document).leaf;
                let address = Address { segment: part.number, document };
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
