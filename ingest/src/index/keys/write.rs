//! Tables of keys, written from end to end.

use std::io::{self, Write};

use tantivy::directory::{TerminatingWrite, WritePtr};
use tantivy::index::{Segment, SegmentComponent};
use tantivy::{DocId, TantivyError};

use super::table::Shape;
use super::{BEGINNING, EXTENSION};

/// The file of a segment.
pub(super) struct KeysWriter {
    file: WritePtr,
    documents: u32,
    /// What is needed to read the tables so far.
    end: Vec<u8>,
}

impl KeysWriter {
    /// Begins the file of a segment of so many documents.
    pub(super) fn begin(segment: &Segment, documents: u32) -> tantivy::Result<KeysWriter> {
        let file = segment.open_write(SegmentComponent::Custom(EXTENSION.to_owned()))?;
        Ok(KeysWriter { file, documents, end: Vec::new() })
    }

    /// Writes the next table: up to `most` keys and their documents, which come in their order.
    ///
    /// # Errors
    /// Of the entries, and of the file system.
    pub(super) fn table(
        &mut self,
        most: u32,
        entries: impl IntoIterator<Item = tantivy::Result<(u64, DocId)>>,
    ) -> tantivy::Result<()> {
        let mut table = TableWriter::begin(&mut self.file, Shape::of(most, self.documents));
        entries.into_iter().try_for_each(|entry| {
            let (key, document) = entry?;
            Ok::<_, TantivyError>(table.push(key, document)?)
        })?;
        let Shape { entries, bits, .. } = table.finish()?;
        self.end.extend(entries.to_le_bytes());
        self.end.push(bits as u8);
        Ok(())
    }

    /// Writes what stands behind the tables.
    pub(super) fn finish(mut self) -> tantivy::Result<()> {
        self.end.extend(self.documents.to_le_bytes());
        let checksum = crc32fast::hash(&self.end);
        self.end.extend(checksum.to_le_bytes());
        self.end.extend(BEGINNING);
        self.file.write_all(&self.end)?;
        // Writes the footer, too.
        self.file.terminate()?;
        Ok(())
    }
}

/// A table whose entries are coming.
pub(super) struct TableWriter<'a, W> {
    file: &'a mut W,
    shape: Shape,
    /// How many were written or are in the bucket.
    entries: u32,
    /// The one that is being filled, and where it begins.
    bucket: Vec<u8>,
    first: u32,
    /// Those that are full.
    full: u32,
    places: Vec<u8>,
}

impl<'a, W: Write> TableWriter<'a, W> {
    pub(super) fn begin(file: &'a mut W, shape: Shape) -> TableWriter<'a, W> {
        let (bucket, places) = (Vec::new(), Vec::new());
        TableWriter { file, shape, entries: 0, bucket, first: 0, full: 0, places }
    }

    pub(super) fn push(&mut self, key: u64, document: DocId) -> io::Result<()> {
        while self.full < self.shape.bucket(key) {
            self.next_bucket()?;
        }
        let entry = self.shape.encode(key, document);
        self.bucket.extend_from_slice(&entry[..self.shape.width()]);
        self.entries += 1;
        Ok(())
    }

    fn next_bucket(&mut self) -> io::Result<()> {
        self.places.extend(self.first.to_le_bytes());
        self.places.extend(crc32fast::hash(&self.bucket).to_le_bytes());
        self.file.write_all(&self.bucket)?;
        self.bucket.clear();
        self.first = self.entries;
        self.full += 1;
        Ok(())
    }

    /// Writes where the buckets are, and returns what became of the table.
    pub(super) fn finish(mut self) -> io::Result<Shape> {
        while self.full < self.shape.buckets() {
            self.next_bucket()?;
        }
        self.file.write_all(&self.places)?;
        self.file.write_all(&self.entries.to_le_bytes())?;
        Ok(Shape { entries: self.entries, ..self.shape })
    }
}
