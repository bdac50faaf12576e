//! Documents that were found without the engine, as the engine takes them.

use tantivy::query::{ConstScorer, EmptyScorer, Explanation, Scorer};
use tantivy::{DocId, DocSet, Score, TERMINATED, TantivyError};

/// Returns documents, which ascend, as what a query found.
pub fn scorer(documents: Vec<DocId>, boost: Score) -> Box<dyn Scorer> {
    match documents.is_empty() {
        true => Box::new(EmptyScorer),
        false => Box::new(ConstScorer::new(Listed { documents, at: 0 }, boost)),
    }
}

/// Says why a document is one of these, which ascend.
///
/// # Errors
/// It is none of them.
pub fn explain(documents: &[DocId], document: DocId) -> tantivy::Result<Explanation> {
    match documents.binary_search(&document) {
        Ok(_) => Ok(Explanation::new("one of a list", 1.0)),
        Err(_) => {
            let problem = format!("document {document} is none of the list");
            Err(TantivyError::InvalidArgument(problem))
        }
    }
}

/// A list of documents, ascending.
struct Listed {
    documents: Vec<DocId>,
    at: usize,
}

impl DocSet for Listed {
    fn advance(&mut self) -> DocId {
        self.at += 1;
        self.doc()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        let rest = self.documents.get(self.at..).unwrap_or_default();
        self.at += rest.partition_point(|document| *document < target);
        self.doc()
    }

    fn doc(&self) -> DocId {
        self.documents.get(self.at).copied().unwrap_or(TERMINATED)
    }

    fn size_hint(&self) -> u32 {
        u32::try_from(self.documents.len()).unwrap_or(u32::MAX)
    }
}
