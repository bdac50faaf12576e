//! `request:` over the index. A request's id has no term of its own text, since a dictionary of ids that occur once
//! each was a tenth of the index: a key of eight bytes leads to the documents, and the column tells whether they
//! have the id. A glob looks through the column.

use ingest::index::{ColumnList, KeyQuery, listed};
use tantivy::columnar::StrColumn;
use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, Score, SegmentReader};

use super::glob::Glob;

/// The column of the ids.
const COLUMN: &str = "request";

/// Documents of one request.
#[derive(Clone, Debug)]
pub(crate) struct RequestQuery {
    id: String,
    key: KeyQuery,
}

impl RequestQuery {
    /// Asks for the request of this id.
    pub(crate) fn new(id: &str) -> RequestQuery {
        RequestQuery { id: id.to_owned(), key: KeyQuery::of_request(id) }
    }

    fn documents(&self, segment: &SegmentReader) -> tantivy::Result<Vec<DocId>> {
        let documents = self.key.documents(segment)?;
        // Most segments have none: there no column is opened.
        if documents.is_empty() {
            return Ok(documents);
        }
        let Some(ids) = ColumnList::read_for_few(segment)?.words(COLUMN)? else {
            return Ok(Vec::new());
        };
        let (mut have, mut id) = (Vec::new(), String::new());
        for document in documents {
            if let Some(ordinal) = ids.term_ords(document).next() {
                id.clear();
                ids.ord_to_str(ordinal, &mut id)?;
                if id == self.id {
                    have.push(document);
                }
            }
        }
        Ok(have)
    }
}

/// Documents whose request's id has this form.
#[derive(Clone, Debug)]
pub(super) struct RequestGlobQuery(pub(super) Glob);

impl RequestGlobQuery {
    fn documents(&self, segment: &SegmentReader) -> tantivy::Result<Vec<DocId>> {
        let Some(ids) = segment.fast_fields().str(COLUMN)? else { return Ok(Vec::new()) };
        let fitting = self.fitting(&ids)?;
        let fits = |document: &DocId| {
            ids.term_ords(*document).any(|ordinal| fitting.binary_search(&ordinal).is_ok())
        };
        Ok((0..segment.max_doc()).filter(fits).collect())
    }

    /// Returns the ordinals of the ids that fit, ascending.
    fn fitting(&self, ids: &StrColumn) -> tantivy::Result<Vec<u64>> {
        let mut fitting = Vec::new();
        let mut found = ids.dictionary().search(&self.0).into_stream()?;
        while found.advance() {
            fitting.push(found.term_ord());
        }
        Ok(fitting)
    }
}

/// Makes a query of something that can list its documents.
macro_rules! lists_documents {
    ($($query:ty),+) => {$(
        impl Query for $query {
            fn weight(&self, _scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
                Ok(Box::new(self.clone()))
            }
        }

        impl Weight for $query {
            fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
                Ok(listed::scorer(self.documents(segment)?, boost))
            }

            fn explain(&self, segment: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
                listed::explain(&self.documents(segment)?, document)
            }
        }
    )+};
}

lists_documents!(RequestQuery, RequestGlobQuery);
