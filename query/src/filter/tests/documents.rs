//! A small index, filled by the real writer.

use ingest::event::AuditEvent;
use ingest::index::schema::Fields;
use ingest::index::{CommitPayload, EventIndex, IndexWriter};
use ingest::pairing::State;
use tantivy::Searcher;

/// Returns a searcher over the events, in as many segments as there are slices: few enough that none are merged.
pub(crate) fn searcher(segments: &[&[AuditEvent]]) -> (Searcher, Fields) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = IndexWriter::open(folder.path(), "V", "keytrail/prod").expect("a writer");
    for events in segments {
        for event in *events {
            writer.add(event, State::Answered, &[], false).expect("added");
        }
        writer.commit(CommitPayload::nothing("V", "keytrail/prod")).expect("a commit");
    }
    // The mapped files outlive their folder.
    let index = EventIndex::open(folder.path()).expect("an index");
    (index.searcher(), *index.fields())
}
