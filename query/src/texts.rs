//! Columns of words. A text is read off its dictionary a block at a time, some fifty texts that have to be decompressed for
//! one of them: texts of many documents are looked up together, in the order of the dictionary.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use tantivy::columnar::StrColumn;
use tantivy::{DocId, SegmentReader};

use crate::column::FirstValues;

/// A column of words that remembers what it read: rows repeat themselves.
pub(crate) struct Texts {
    column: Option<StrColumn>,
    known: Known,
}

/// The texts that were read.
enum Known {
    /// All of a small dictionary, by their numbers; nothing before the first is asked for.
    All(Vec<Arc<str>>),
    /// Some of a large one, and their bytes.
    Some(HashMap<u64, Arc<str>>, usize),
}

/// A dictionary of at most so many texts and bytes, as it is stored, is read whole: finding one of them reads a good part of it.
const SMALL_TEXTS: usize = 1_024;
const SMALL_BYTES: u64 = 8 << 10;

/// Texts that a column remembers, and their bytes. Enough for what repeats, little enough for 35 columns of 50 segments.
const KNOWN_MAX: usize = 256;
const KNOWN_BYTES_MAX: usize = 32 << 10;

impl Texts {
    pub(crate) fn open(segment: &SegmentReader, name: &str) -> tantivy::Result<Texts> {
        Ok(Texts::of(segment.fast_fields().str(name)?))
    }

    pub(crate) fn of(column: Option<StrColumn>) -> Texts {
        let is_small = column.as_ref().is_some_and(|column| {
            let dictionary = column.dictionary();
            dictionary.num_terms() <= SMALL_TEXTS
                && dictionary.num_bytes().get_bytes() <= SMALL_BYTES
        });
        let known = if is_small { Known::All(Vec::new()) } else { Known::Some(HashMap::new(), 0) };
        Texts { column, known }
    }

    /// Returns the first text of each document, which ascend; `None` where it has none.
    pub(crate) fn first_of_each(&mut self, documents: &[DocId]) -> io::Result<Vec<Option<String>>> {
        let Some(column) = &self.column else { return Ok(vec![None; documents.len()]) };
        let mut numbers = Vec::new();
        FirstValues::default().numbers(column.ords(), documents, &mut numbers);
        self.learn(numbers.iter().filter_map(|number| number.checked_sub(1)))?;
        let texts =
            numbers.iter().map(|number| number.checked_sub(1).map(|ordinal| self.learned(ordinal)));
        let texts = texts.map(Option::transpose).collect();
        self.forget();
        texts
    }

    /// Returns all texts of each document.
    pub(crate) fn all_of_each(&mut self, documents: &[DocId]) -> io::Result<Vec<Vec<String>>> {
        let Some(column) = &self.column else { return Ok(vec![Vec::new(); documents.len()]) };
        let ordinals = |&document: &DocId| column.term_ords(document).collect();
        let ordinals: Vec<Vec<u64>> = documents.iter().map(ordinals).collect();
        self.learn(ordinals.iter().flatten().copied())?;
        let texts = ordinals
            .iter()
            .map(|of_one| of_one.iter().map(|&ordinal| self.learned(ordinal)).collect());
        let texts = texts.collect();
        self.forget();
        texts
    }

    /// Reads the texts of these numbers together, so that reading one of them reads nothing more.
    fn learn(&mut self, ordinals: impl Iterator<Item = u64>) -> io::Result<()> {
        let mut missing: Vec<u64> =
            ordinals.filter(|&ordinal| self.known(ordinal).is_none()).collect();
        missing.sort_unstable();
        missing.dedup();
        match &missing[..] {
            [] => Ok(()),
            missing => self.read(missing),
        }
    }

    fn learned(&self, ordinal: u64) -> io::Result<String> {
        self.known(ordinal).map(|text| text.to_string()).ok_or_else(|| no_text(ordinal))
    }

    /// Forgets what would be too much to keep.
    fn forget(&mut self) {
        if let Known::Some(texts, bytes) = &mut self.known
            && (texts.len() > KNOWN_MAX || *bytes > KNOWN_BYTES_MAX)
        {
            (*texts, *bytes) = (HashMap::new(), 0);
        }
    }

    pub(crate) fn first(&mut self, document: DocId) -> io::Result<Option<Arc<str>>> {
        match self.column.as_ref().and_then(|column| column.term_ords(document).next()) {
            Some(ordinal) => self.text(ordinal).map(Some),
            None => Ok(None),
        }
    }

    fn text(&mut self, ordinal: u64) -> io::Result<Arc<str>> {
        if self.known(ordinal).is_none() {
            self.forget();
            self.read(&[ordinal])?;
        }
        self.known(ordinal).cloned().ok_or_else(|| no_text(ordinal))
    }

    fn known(&self, ordinal: u64) -> Option<&Arc<str>> {
        match &self.known {
            Known::All(texts) => texts.get(usize::try_from(ordinal).ok()?),
            Known::Some(texts, _) => texts.get(&ordinal),
        }
    }

    /// Reads the texts of these numbers, which ascend; of a small dictionary, all.
    fn read(&mut self, ordinals: &[u64]) -> io::Result<()> {
        let Some(column) = &self.column else { return Ok(()) };
        let text = |term: &[u8]| Arc::from(String::from_utf8_lossy(term));
        match &mut self.known {
            Known::All(texts) => {
                texts.clear();
                let mut all = column.dictionary().stream()?;
                while all.advance() {
                    texts.push(text(all.key()));
                }
            }
            Known::Some(texts, bytes) => {
                let mut read = ordinals.iter();
                let found = column.dictionary().sorted_ords_to_term_cb(ordinals, |term| {
                    let ordinal = *read.next().expect("a text for each number");
                    *bytes += term.len();
                    texts.insert(ordinal, text(term));
                })?;
                if let Some(&ordinal) = read.next().filter(|_| !found) {
                    return Err(no_text(ordinal));
                }
            }
        }
        Ok(())
    }
}

fn no_text(ordinal: u64) -> io::Error {
    let problem = format!("a column's dictionary has no text number {ordinal}");
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use tantivy::index::Index;
    use tantivy::schema::{Schema, TextOptions};
    use tantivy::{IndexWriter, TantivyDocument};

    use super::*;

    /// Returns a segment with a column of so many texts, and the text of each document.
    fn column(texts: usize) -> (SegmentReader, Vec<String>) {
        let mut builder = Schema::builder();
        let field = builder.add_text_field("word", TextOptions::default().set_fast("raw"));
        let index = Index::create_in_ram(builder.build());
        let mut writer: IndexWriter = index.writer_with_num_threads(1, 15 << 20).expect("a writer");
        // Neighbours are far from each other in the dictionary, and each text comes twice.
        let words: Vec<String> = (0..2 * texts)
            .map(|number| format!("{:05}-{}", number * 7_919 % texts, "word".repeat(number % 40)))
            .collect();
        for word in &words {
            let mut document = TantivyDocument::new();
            document.add_text(field, word);
            writer.add_document(document).expect("added");
        }
        writer.commit().expect("committed");
        let searcher = index.reader().expect("a reader").searcher();
        (searcher.segment_reader(0).clone(), words)
    }

    #[test]
    fn texts_of_many_documents_are_those_of_each() {
        for count in [10, 3 * SMALL_TEXTS] {
            let (segment, words) = column(count);
            let documents: Vec<DocId> = (0..words.len() as DocId).step_by(3).collect();
            let mut together = Texts::open(&segment, "word").expect("a column");
            assert_eq!(matches!(together.known, Known::All(_)), count < SMALL_TEXTS);
            let mut alone = Texts::open(&segment, "word").expect("a column");
            for documents in documents.chunks(500) {
                let first = together.first_of_each(documents).expect("texts");
                let all = together.all_of_each(documents).expect("texts");
                for ((&document, first), all) in documents.iter().zip(first).zip(all) {
                    let wanted = words[document as usize].as_str();
                    assert_eq!(
                        (first.as_deref(), &all[..]),
                        (Some(wanted), &[wanted.to_owned()][..])
                    );
                    let text = alone.first(document).expect("a text");
                    assert_eq!(text.as_deref(), Some(wanted));
                }
                for texts in [&together, &alone] {
                    if let Known::Some(known, bytes) = &texts.known {
                        assert!(known.len() <= KNOWN_MAX + 1 && *bytes <= KNOWN_BYTES_MAX + 200);
                    }
                }
            }
        }
    }

    #[test]
    fn a_number_without_a_text_is_an_error() {
        for count in [10, 3 * SMALL_TEXTS] {
            let (segment, _) = column(count);
            let mut texts = Texts::open(&segment, "word").expect("a column");
            assert!(texts.text(1 << 20).is_err());
            texts.learn([0].into_iter()).expect("a text");
            assert!(texts.learned(1 << 20).is_err());
        }
    }
}
