//! How the engine has summaries written: of a new segment document by document, of merged ones from theirs and their columns.

use std::any::Any;
use std::io::Write;

use tantivy::columnar::Column;
use tantivy::directory::TerminatingWrite;
use tantivy::index::{Segment, SegmentComponent, SegmentReader};
use tantivy::indexer::DocIdMapping;
use tantivy::schema::Schema;
use tantivy::schema::document::ErasedDocument;
use tantivy::{DocId, PluginMergeContext, PluginWriter, PluginWriterContext, SegmentPlugin};

use super::{COUNTS, EXTENSION, Gist, NONE, Summary};
use crate::index::plugins;

/// Has a summary written for each segment.
pub(in crate::index) struct SummaryPlugin;

/// The summary of a segment whose documents are coming in.
#[derive(Default)]
struct SummaryWriter(Summary);

impl SegmentPlugin for SummaryPlugin {
    fn extensions(&self) -> &[&str] {
        &[EXTENSION]
    }

    fn create_writer(&self, _: &PluginWriterContext<'_>) -> tantivy::Result<Box<dyn PluginWriter>> {
        Ok(Box::new(SummaryWriter::default()))
    }

    fn merge(&self, context: PluginMergeContext<'_>) -> tantivy::Result<()> {
        plugins::stay_in_order(&context)?;
        let mut merged = Summary::default();
        context.readers.iter().try_for_each(|reader| append(&mut merged, reader))?;
        write(&merged, context.target_segment)
    }
}

impl PluginWriter for SummaryWriter {
    fn add_document(
        &mut self,
        _: DocId,
        document: &dyn ErasedDocument,
        _: &Schema,
    ) -> tantivy::Result<()> {
        self.0.add(plugins::values(document)?.gist());
        Ok(())
    }

    fn serialize(
        self: Box<Self>,
        segment: &Segment,
        order: Option<&DocIdMapping>,
    ) -> tantivy::Result<()> {
        plugins::stays_in_order(order)?;
        write(&self.0, segment)
    }

    fn mem_usage(&self) -> usize {
        let Summary { times, classes, timeless, .. } = &self.0;
        size_of_val(&times[..]) + size_of_val(&classes[..]) + size_of_val(&timeless[..])
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Adds the documents of a segment that are not deleted, in their order.
fn append(merged: &mut Summary, segment: &SegmentReader) -> tantivy::Result<()> {
    let columns = segment.fast_fields();
    let times: Option<Column<i64>> = columns.column_opt("time")?;
    let leaves: Option<Column<u64>> = columns.column_opt("issued_leaf")?;
    let mut classes = Summary::read(segment)?.classes.into_iter().peekable();
    for document in segment.doc_ids_alive() {
        while classes.next_if(|&(other, _)| other < document).is_some() {}
        let class = classes.next_if(|&(other, _)| other == document);
        let class = class.map_or(COUNTS, |(_, class)| class);
        // What is no event has a neighbour's time in the column.
        let times = times.as_ref().filter(|_| class != NONE);
        merged.add(Gist {
            time: times.and_then(|column| column.first(document)),
            issued_leaf: leaves.as_ref().and_then(|column| column.first(document)).unwrap_or(0),
            class,
        });
    }
    Ok(())
}

fn write(summary: &Summary, segment: &Segment) -> tantivy::Result<()> {
    let mut file = segment.open_write(SegmentComponent::Custom(EXTENSION.to_owned()))?;
    file.write_all(&summary.encode())?;
    // Writes the footer, too.
    file.terminate()?;
    Ok(())
}
