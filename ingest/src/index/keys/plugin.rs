//! How the engine has keys written: of a new segment sorted when it is whole, of merged ones from their tables, side by side.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tantivy::index::{Segment, SegmentReader};
use tantivy::indexer::DocIdMapping;
use tantivy::schema::Schema;
use tantivy::schema::document::ErasedDocument;
use tantivy::{DocId, PluginMergeContext, PluginWriter, PluginWriterContext, SegmentPlugin};

use super::table::Table;
use super::write::KeysWriter;
use super::{DocumentKeys, EXTENSION, Keys};
use crate::index::plugins;

/// Has the keys of each segment written.
pub(in crate::index) struct KeysPlugin;

/// The keys of a segment whose documents are coming in.
#[derive(Default)]
struct Incoming {
    documents: u32,
    uids: Vec<(u64, DocId)>,
    requests: Vec<(u64, DocId)>,
}

impl SegmentPlugin for KeysPlugin {
    fn extensions(&self) -> &[&str] {
        &[EXTENSION]
    }

    fn create_writer(&self, _: &PluginWriterContext<'_>) -> tantivy::Result<Box<dyn PluginWriter>> {
        Ok(Box::new(Incoming::default()))
    }

    fn merge(&self, context: PluginMergeContext<'_>) -> tantivy::Result<()> {
        plugins::stay_in_order(&context)?;
        let open = |segment| tantivy::Result::Ok((segment, Keys::open(segment)?));
        let keys = context.readers.iter().map(open).collect::<tantivy::Result<Vec<_>>>()?;
        let documents = context.readers.iter().map(SegmentReader::num_docs).sum();
        let mut file = KeysWriter::begin(context.target_segment, documents)?;
        let tables: [fn(&Keys) -> &Table; 2] = [|keys| &keys.uids, |keys| &keys.requests];
        for of in tables {
            let tables = keys.iter().map(|(segment, keys)| (*segment, of(keys)));
            // Those of deleted documents go, so there may be fewer.
            let most =
                tables.clone().map(|(_, table)| table.shape.entries).fold(0, u32::saturating_add);
            file.table(most.min(documents), Merged::of(tables))?;
        }
        file.finish()
    }
}

impl PluginWriter for Incoming {
    fn add_document(
        &mut self,
        document: DocId,
        given: &dyn ErasedDocument,
        _: &Schema,
    ) -> tantivy::Result<()> {
        let DocumentKeys { uid, request } = plugins::values(given)?.keys();
        self.documents += 1;
        self.uids.extend(uid.map(|key| (key, document)));
        self.requests.extend(request.map(|key| (key, document)));
        Ok(())
    }

    fn serialize(
        self: Box<Self>,
        segment: &Segment,
        order: Option<&DocIdMapping>,
    ) -> tantivy::Result<()> {
        plugins::stays_in_order(order)?;
        let Incoming { documents, uids, requests } = *self;
        let mut file = KeysWriter::begin(segment, documents)?;
        for mut table in [uids, requests] {
            table.sort_unstable();
            file.table(table.len() as u32, table.into_iter().map(Ok))?;
        }
        file.finish()
    }

    fn mem_usage(&self) -> usize {
        (self.uids.capacity() + self.requests.capacity()) * size_of::<(u64, DocId)>()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The entries of several tables in one order, with the documents' numbers in the merged segment.
struct Merged<'a> {
    sources: Vec<Source<'a>>,
    /// The next entry of each table that has one, least first, and the table's number.
    next: BinaryHeap<Reverse<(u64, DocId, usize)>>,
    failed: Option<tantivy::TantivyError>,
}

impl<'a> Merged<'a> {
    fn of(tables: impl Iterator<Item = (&'a SegmentReader, &'a Table)>) -> Merged<'a> {
        let mut first = 0;
        let sources = tables.map(|(segment, table)| {
            let source =
                Source { table, numbers: Numbers::of(segment, first), bucket: 0, read: Vec::new() };
            first += segment.num_docs();
            source
        });
        let mut merged =
            Merged { sources: sources.collect(), next: BinaryHeap::new(), failed: None };
        (0..merged.sources.len()).for_each(|source| merged.advance(source));
        merged
    }

    fn advance(&mut self, source: usize) {
        match self.sources[source].next() {
            Ok(Some((key, document))) => self.next.push(Reverse((key, document, source))),
            Ok(None) => {}
            Err(problem) => self.failed = Some(problem),
        }
    }
}

impl Iterator for Merged<'_> {
    type Item = tantivy::Result<(u64, DocId)>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(problem) = self.failed.take() {
            return Some(Err(problem));
        }
        let Reverse((key, document, source)) = self.next.pop()?;
        self.advance(source);
        Some(Ok((key, document)))
    }
}

/// One table that is merged.
struct Source<'a> {
    table: &'a Table,
    numbers: Numbers,
    /// The next to be read.
    bucket: u32,
    /// What is left of the one before, last first.
    read: Vec<(u64, DocId)>,
}

impl Source<'_> {
    fn next(&mut self) -> tantivy::Result<Option<(u64, DocId)>> {
        loop {
            while let Some((key, document)) = self.read.pop() {
                if let Some(document) = self.numbers.merged(self.table.checked(document)?) {
                    return Ok(Some((key, document)));
                }
            }
            if self.bucket == self.table.shape.buckets() {
                return Ok(None);
            }
            self.read.extend(self.table.bucket(self.bucket)?.entries().rev());
            self.bucket += 1;
        }
    }
}

/// Which numbers a segment's documents have in the merged one.
enum Numbers {
    /// None was deleted: this much more.
    More(DocId),
    /// Of each, [`GONE`] if it was deleted.
    Each(Vec<DocId>),
}

const GONE: DocId = DocId::MAX;

impl Numbers {
    fn of(segment: &SegmentReader, first: DocId) -> Numbers {
        if !segment.has_deletes() {
            return Numbers::More(first);
        }
        let mut each = vec![GONE; segment.max_doc() as usize];
        (first..).zip(segment.doc_ids_alive()).for_each(|(new, old)| each[old as usize] = new);
        Numbers::Each(each)
    }

    fn merged(&self, document: DocId) -> Option<DocId> {
        match self {
            Numbers::More(first) => Some(first + document),
            Numbers::Each(each) => Some(each[document as usize]).filter(|new| *new != GONE),
        }
    }
}
