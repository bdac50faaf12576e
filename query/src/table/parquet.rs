//! Parquet: the same columns as in Arrow's form, in row groups of [`GROUP_ROWS`] rows, compressed by zstd.

use std::io::Write;

use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::arrow::{Batches, schema};
use super::{Cell, Column, TableError};

/// What is held in memory before it is written.
const GROUP_ROWS: usize = 65_536;

pub(super) struct ParquetWriter<W: Write> {
    batches: Batches,
    /// Writes into memory, which is emptied into `out`: what it writes to has to be sendable between threads, and
    /// standard output's lock is not.
    file: ArrowWriter<Vec<u8>>,
    out: W,
}

impl<W: Write> ParquetWriter<W> {
    pub(super) fn new(columns: &[Column], out: W) -> Result<ParquetWriter<W>, TableError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_created_by(concat!("keytrail ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let file = ArrowWriter::try_new(Vec::new(), schema(columns), Some(properties))?;
        Ok(ParquetWriter { batches: Batches::new(columns), file, out })
    }

    pub(super) fn row(&mut self, row: &[Cell]) -> Result<(), TableError> {
        let Some(batch) = self.batches.row(row)? else { return Ok(()) };
        self.file.write(&batch)?;
        self.file.sync()?;
        let written = std::mem::take(self.file.inner_mut());
        Ok(self.out.write_all(&written)?)
    }

    pub(super) fn finish(mut self) -> Result<W, TableError> {
        if let Some(batch) = self.batches.rest()? {
            self.file.write(&batch)?;
        }
        self.out.write_all(&self.file.into_inner()?)?;
        self.out.flush()?;
        Ok(self.out)
    }
}
