//! A small index in memory, filled by the real writer's documents.

use ingest::event::AuditEvent;
use ingest::index::document::document;
use ingest::index::schema::Fields;
use ingest::pairing::State;
use tantivy::{Index, Searcher};

/// Returns a searcher over the events, in as many segments as there are slices.
pub(crate) fn searcher(segments: &[&[AuditEvent]]) -> (Searcher, Fields) {
    let (schema, fields) = Fields::schema();
    let index = Index::create_in_ram(schema);
    let mut writer = index.writer_with_num_threads(1, 15_000_000).expect("memory suffices");
    writer.set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
    for events in segments {
        for event in *events {
            writer.add_document(document(&fields, event, State::Answered)).expect("room");
        }
        writer.commit().expect("room");
    }
    (index.reader().expect("readable").searcher(), fields)
}
