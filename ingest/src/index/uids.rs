//! Which event a document is.

use tantivy::columnar::Column;
use tantivy::{DocId, SegmentReader};

use crate::event::Uid;

/// The columns of a segment that make a [`Uid`].
pub struct Uids {
    high: Option<Column<u64>>,
    low: Option<Column<u64>>,
}

impl Uids {
    /// Opens them.
    ///
    /// # Errors
    /// The segment cannot be read.
    pub fn open(segment: &SegmentReader) -> tantivy::Result<Uids> {
        let columns = segment.fast_fields();
        Ok(Uids { high: columns.column_opt("uid_high")?, low: columns.column_opt("uid_low")? })
    }

    /// Returns the uid of an event's document; of another document, zero.
    pub fn of(&self, document: DocId) -> Uid {
        let half = |column: &Option<Column<u64>>| {
            column.as_ref().and_then(|column| column.first(document)).unwrap_or(0)
        };
        Uid::of_halves(half(&self.high), half(&self.low))
    }
}
