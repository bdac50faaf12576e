//! What is written of each segment beside the engine's own files.

use std::sync::Arc;

use tantivy::indexer::DocIdMapping;
use tantivy::indexer::doc_id_mapping::MappingType;
use tantivy::schema::document::ErasedDocument;
use tantivy::{PluginMergeContext, SegmentPlugin, TantivyError};

use super::Values;
use super::{keys, summary};

/// The extensions of these files, in the order in which the engine keeps them.
pub(super) const EXTENSIONS: [&str; 2] = [summary::EXTENSION, keys::EXTENSION];

/// Returns what writes them.
pub(super) fn all() -> [Arc<dyn SegmentPlugin>; 2] {
    [Arc::new(summary::SummaryPlugin), Arc::new(keys::KeysPlugin)]
}

/// Returns a document that the engine gives as ours.
pub(super) fn values(document: &dyn ErasedDocument) -> tantivy::Result<&Values> {
    document.as_any().downcast_ref().ok_or_else(|| {
        let problem = "only documents of keytrail's own have a summary and keys";
        TantivyError::InvalidArgument(problem.to_owned())
    })
}

/// Refuses to merge segments whose documents do not follow each other as they were.
pub(super) fn stay_in_order(context: &PluginMergeContext<'_>) -> tantivy::Result<()> {
    match context.doc_id_mapping.mapping_type() {
        MappingType::Stacked | MappingType::StackedWithDeletes => Ok(()),
        // The engine tells nobody how.
        MappingType::Shuffled => Err(sorted()),
    }
}

/// Refuses a segment whose documents are to be sorted.
pub(super) fn stays_in_order(order: Option<&DocIdMapping>) -> tantivy::Result<()> {
    if order.is_some() { Err(sorted()) } else { Ok(()) }
}

fn sorted() -> TantivyError {
    TantivyError::InvalidArgument("documents stay in the order in which they were added".to_owned())
}
