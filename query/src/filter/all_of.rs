//! Documents that pass each of several queries.
//!
//! Tantivy looks every term of an intersection up in each segment's dictionary, also where the first is not there. A token,
//! a lease, a hash is in one segment or two of many: what names one is looked up first, and where it is missing
//! nothing else is.

use tantivy::query::{
    EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight, intersect_scorers,
};
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, Term};

/// Documents that pass each query. They are asked in this order: what few documents pass goes first.
#[derive(Debug)]
pub(super) struct AllOf(pub(super) Vec<Box<dyn Query>>);

impl Clone for AllOf {
    fn clone(&self) -> AllOf {
        AllOf(self.0.iter().map(|query| query.box_clone()).collect())
    }
}

impl Query for AllOf {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let weights = self.0.iter().map(|query| query.weight(scoring));
        Ok(Box::new(AllOfWeight(weights.collect::<tantivy::Result<_>>()?)))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.0.iter().for_each(|query| query.query_terms(visitor));
    }
}

struct AllOfWeight(Vec<Box<dyn Weight>>);

impl Weight for AllOfWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut scorers = Vec::with_capacity(self.0.len());
        for weight in &self.0 {
            let scorer = weight.scorer(reader, boost)?;
            if scorer.doc() == TERMINATED {
                return Ok(Box::new(EmptyScorer));
            }
            scorers.push(scorer);
        }
        Ok(intersect_scorers(scorers, reader.max_doc()))
    }

    fn explain(&self, reader: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        let mut all = Explanation::new("all of", 1.0);
        for weight in &self.0 {
            all.add_detail(weight.explain(reader, document)?);
        }
        Ok(all)
    }
}
