//! Documents with one term.
//!
//! To look a term up, a block of a segment's dictionary is decompressed, and a page about fifty tokens looks each of
//! theirs, and the same few actions, up in every segment a dozen times. What a segment said of a term is remembered:
//! it never says anything else.

use std::num::NonZeroUsize;
use std::sync::{LazyLock, Mutex, PoisonError};

use lru::LruCache;
use tantivy::index::SegmentId;
use tantivy::postings::TermInfo;
use tantivy::query::{ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, Term};

use super::documents::Documents;

/// What segments said: some 200 bytes each. Who asks for long texts does not fill memory with them.
const KNOWN_MAX: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// Longer terms are not remembered.
const TERM_BYTES_MAX: usize = 256;

type Known = LruCache<(SegmentId, Term), Option<TermInfo>>;

/// Ids of segments are random, so one memory serves every index that a process has open.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(|| Mutex::new(LruCache::new(KNOWN_MAX)));

/// Documents with this term.
#[derive(Clone, Debug)]
pub(super) struct OneTerm(pub(super) Term);

impl OneTerm {
    fn info(&self, segment: &SegmentReader) -> tantivy::Result<Option<TermInfo>> {
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (segment.segment_id(), self.0.clone());
        if let Some(info) = known().get(&key) {
            return Ok(info.clone());
        }
        let info = segment.inverted_index(self.0.field())?.get_term_info(&self.0)?;
        if self.0.serialized_value_bytes().len() <= TERM_BYTES_MAX {
            known().put(key, info.clone());
        }
        Ok(info)
    }
}

impl Query for OneTerm {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        visitor(&self.0, false);
    }
}

impl Weight for OneTerm {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let Some(info) = self.info(segment)? else { return Ok(Box::new(EmptyScorer)) };
        let index = segment.inverted_index(self.0.field())?;
        Ok(Box::new(ConstScorer::new(Documents::open(&index, &info)?, boost)))
    }

    fn explain(&self, segment: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(segment, 1.0)?;
        match scorer.doc() != TERMINATED && scorer.seek(document) == document {
            true => Ok(Explanation::new("has the term", 1.0)),
            false => Err(tantivy::TantivyError::InvalidArgument(format!(
                "document {document} does not have the term"
            ))),
        }
    }
}
