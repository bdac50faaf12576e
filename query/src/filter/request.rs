//! `request:` over the index. A request's id has no term of its own text, since a dictionary of ids that occur once
//! each was a tenth of the index: a term of eight bytes leads to the documents, and the column tells whether they
//! have the id. A glob looks through the column.

use ingest::index::document::request_term;
use ingest::index::schema::Fields;
use tantivy::columnar::StrColumn;
use tantivy::query::{ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError, Term};

use super::glob::Glob;

/// The column of the ids.
const COLUMN: &str = "request";

/// Documents of one request.
#[derive(Clone, Debug)]
pub(crate) struct RequestQuery {
    id: String,
    term: Term,
}

impl RequestQuery {
    /// Asks for the request of this id.
    pub(crate) fn new(fields: &Fields, id: &str) -> RequestQuery {
        RequestQuery { id: id.to_owned(), term: request_term(fields, id) }
    }

    fn documents(&self, segment: &SegmentReader) -> tantivy::Result<Vec<DocId>> {
        let index = segment.inverted_index(self.term.field())?;
        let postings = index.read_postings(&self.term, IndexRecordOption::Basic);
        let Some(mut postings) = postings? else { return Ok(Vec::new()) };
        let Some(ids) = segment.fast_fields().str(COLUMN)? else { return Ok(Vec::new()) };
        let (mut documents, mut id) = (Vec::new(), String::new());
        while postings.doc() != TERMINATED {
            let document = postings.doc();
            if let Some(ordinal) = ids.term_ords(document).next() {
                id.clear();
                ids.ord_to_str(ordinal, &mut id)?;
                if id == self.id {
                    documents.push(document);
                }
            }
            postings.advance();
        }
        Ok(documents)
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
                let documents = self.documents(segment)?;
                if documents.is_empty() {
                    return Ok(Box::new(EmptyScorer));
                }
                Ok(Box::new(ConstScorer::new(Documents { documents, at: 0 }, boost)))
            }

            fn explain(&self, segment: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
                if self.documents(segment)?.contains(&document) {
                    Ok(Explanation::new("request", 1.0))
                } else {
                    Err(TantivyError::InvalidArgument(format!("document {document} has another id")))
                }
            }
        }
    )+};
}

lists_documents!(RequestQuery, RequestGlobQuery);

/// A list of documents, ascending.
struct Documents {
    documents: Vec<DocId>,
    at: usize,
}

impl DocSet for Documents {
    fn advance(&mut self) -> DocId {
        self.at += 1;
        self.doc()
    }

    fn doc(&self) -> DocId {
        self.documents.get(self.at).copied().unwrap_or(TERMINATED)
    }

    fn size_hint(&self) -> u32 {
        u32::try_from(self.documents.len()).unwrap_or(u32::MAX)
    }
}
