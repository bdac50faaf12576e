//! What lines taught of hashes: their texts, and who held a token.

use std::collections::{BTreeSet, HashMap, HashSet};

use ingest::index::class::NONE;
use ingest::index::document::{HALF, value};
use tantivy::postings::TermInfo;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, InvertedIndexReader, TERMINATED};

use super::{View, halves};
use crate::error::QueryError;
use crate::filter::Glob;
use crate::question::exact;
use crate::scan::{CHECK_EVERY, Scan};

impl View {
    /// Returns the texts that lines show for a hash; more than one only if lines contradict each other.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn texts_of(&self, hash: &str) -> Result<BTreeSet<String>, QueryError> {
        self.other_halves(self.fields().learned, hash)
    }

    /// Returns the hashes of a text: one for each salt under which a line shows it.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn hashes_of(&self, text: &str) -> Result<BTreeSet<String>, QueryError> {
        let mut hashes = self.other_halves(self.fields().learned_text, &value(text))?;
        // Of a longer text that begins with this one and HALF, what follows is no hash.
        hashes.retain(|hash| !hash.contains(HALF));
        Ok(hashes)
    }

    /// Returns the names of who held a token.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn token_names(&self, token: &str) -> Result<BTreeSet<String>, QueryError> {
        let mut names = BTreeSet::new();
        let query = exact(self.fields().token, &value(token));
        for in_segment in Scan::new(self, &*query)?.segments() {
            let mut documents = Vec::new();
            in_segment.each(|document| documents.push(document))?;
            if documents.is_empty() {
                continue;
            }
            let Some(column) = in_segment.segment.fast_fields().str("identity_name")? else {
                continue;
            };
            let ordinals: BTreeSet<u64> =
                documents.into_iter().flat_map(|document| column.term_ords(document)).collect();
            for ordinal in ordinals {
                let mut name = String::new();
                column.ord_to_str(ordinal, &mut name).map_err(tantivy::TantivyError::from)?;
                names.insert(name);
            }
        }
        Ok(names)
    }

    /// Returns who a refused token belonged to; the first in the alphabet if lines name several.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn former_name(&self, token: &str) -> Result<Option<String>, QueryError> {
        Ok(self.token_names(token)?.pop_first())
    }

    /// Returns what follows `half` and its separator in the terms of a field.
    fn other_halves(&self, field: Field, half: &str) -> Result<BTreeSet<String>, QueryError> {
        let mut halves = BTreeSet::new();
        for (number, segment) in (0..).zip(self.searcher().segment_readers()) {
            let beside = halves::beside(segment, field, half, &self.turn)?;
            if beside.is_empty() {
                continue;
            }
            let index = segment.inverted_index(field)?;
            for (half, term) in beside.iter() {
                if self.is_there(number, &index, term)? {
                    halves.insert(String::from(&**half));
                }
            }
        }
        Ok(halves)
    }

    /// Returns the hashes of the texts that a glob matches.
    pub(super) fn hashes_like(&self, glob: &Glob) -> Result<BTreeSet<String>, QueryError> {
        let mut hashes = BTreeSet::new();
        self.each_learned(&|text| glob.matches(text), &mut |_, hash| {
            hashes.insert(hash.to_owned());
        })?;
        Ok(hashes)
    }

    /// Returns the hashes of these texts: of many that is quicker than to look each up.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(crate) fn hashes_of_these(
        &self,
        texts: &HashSet<&str>,
    ) -> Result<HashMap<String, BTreeSet<String>>, QueryError> {
        let mut hashes: HashMap<String, BTreeSet<String>> = HashMap::new();
        self.each_learned(&|text| texts.contains(text), &mut |text, hash| {
            hashes.entry(text.to_owned()).or_default().insert(hash.to_owned());
        })?;
        Ok(hashes)
    }

    /// Gives each learned text that is meant and a hash of it, by a walk over all of them.
    fn each_learned(
        &self,
        is_meant: &dyn Fn(&str) -> bool,
        each: &mut dyn FnMut(&str, &str),
    ) -> Result<(), QueryError> {
        for (number, segment) in (0..).zip(self.searcher().segment_readers()) {
            let index = segment.inverted_index(self.fields().learned_text)?;
            let mut terms = index.terms().stream().map_err(tantivy::TantivyError::from)?;
            let mut walked = 0_usize;
            while terms.advance() {
                if walked.is_multiple_of(CHECK_EVERY) {
                    self.turn.check()?;
                }
                walked += 1;
                let term = String::from_utf8_lossy(terms.key());
                if let Some((text, hash)) = term.rsplit_once(HALF)
                    && is_meant(text)
                    && self.is_there(number, &index, terms.value())?
                {
                    each(text, hash);
                }
            }
        }
        Ok(())
    }

    /// Tells whether a document that is there for the reader has this term: a segment's dictionary keeps the terms of
    /// those that were deleted, until it is merged.
    fn is_there(
        &self,
        number: u32,
        index: &InvertedIndexReader,
        term: &TermInfo,
    ) -> Result<bool, QueryError> {
        let segment = self.searcher().segment_reader(number);
        let bound = match self.bounds() {
            Some(_) => Some(self.part(number)?),
            None if !segment.has_deletes() => return Ok(true),
            None => None,
        };
        let postings = index.read_postings_from_terminfo(term, IndexRecordOption::Basic);
        let mut postings = postings.map_err(tantivy::TantivyError::from)?;
        while postings.doc() != TERMINATED {
            let document = postings.doc();
            if !segment.is_deleted(document)
                && bound.is_none_or(|part| part.class(document) != NONE)
            {
                return Ok(true);
            }
            postings.advance();
        }
        Ok(false)
    }
}
