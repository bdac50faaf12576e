//! Arrow: texts are Utf8, numbers Int64, times Timestamp(ns, UTC), lists `List<Utf8>`; all nullable.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Builder, ListBuilder, RecordBatch, StringBuilder, TimestampNanosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::ipc::writer::StreamWriter;

use super::{Cell, Column, Kind, Table, TableError};

const BATCH_ROWS: usize = 8_192;

/// Returns the table as one record batch.
///
/// # Errors
/// A cell does not fit its column.
pub fn record_batch(table: &Table) -> Result<RecordBatch, TableError> {
    let mut builders: Vec<Builder> = table.columns.iter().map(Builder::new).collect();
    for row in &table.rows {
        push(&table.columns, &mut builders, row)?;
    }
    Ok(RecordBatch::try_new(
        schema(&table.columns),
        builders.iter_mut().map(Builder::finish).collect(),
    )?)
}

pub(super) struct ArrowWriter<W: Write> {
    batches: Batches,
    out: StreamWriter<W>,
}

impl<W: Write> ArrowWriter<W> {
    pub(super) fn new(columns: &[Column], out: W) -> Result<ArrowWriter<W>, TableError> {
        let out = StreamWriter::try_new(out, &schema(columns))?;
        Ok(ArrowWriter { batches: Batches::new(columns), out })
    }

    pub(super) fn row(&mut self, row: &[Cell]) -> Result<(), TableError> {
        match self.batches.row(row)? {
            Some(batch) => Ok(self.out.write(&batch)?),
            None => Ok(()),
        }
    }

    pub(super) fn finish(mut self) -> Result<W, TableError> {
        if let Some(batch) = self.batches.rest()? {
            self.out.write(&batch)?;
        }
        self.out.finish()?;
        let mut out = self.out.into_inner()?;
        out.flush()?;
        Ok(out)
    }
}

/// Gathers rows into record batches.
pub(super) struct Batches {
    columns: Vec<Column>,
    builders: Vec<Builder>,
    rows: usize,
}

impl Batches {
    pub(super) fn new(columns: &[Column]) -> Batches {
        let builders = columns.iter().map(Builder::new).collect();
        Batches { columns: columns.to_vec(), builders, rows: 0 }
    }

    /// Takes a row; returns a batch if it is full.
    pub(super) fn row(&mut self, row: &[Cell]) -> Result<Option<RecordBatch>, TableError> {
        push(&self.columns, &mut self.builders, row)?;
        self.rows += 1;
        if self.rows == BATCH_ROWS { self.rest() } else { Ok(None) }
    }

    /// Returns what is in no batch yet.
    pub(super) fn rest(&mut self) -> Result<Option<RecordBatch>, TableError> {
        if self.rows == 0 {
            return Ok(None);
        }
        let arrays = self.builders.iter_mut().map(Builder::finish).collect();
        self.rows = 0;
        Ok(Some(RecordBatch::try_new(schema(&self.columns), arrays)?))
    }
}

pub(super) fn schema(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| {
        let data_type = match column.kind {
            Kind::Text => DataType::Utf8,
            Kind::Number => DataType::Int64,
            Kind::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            Kind::List => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
        };
        Field::new(column.name, data_type, true)
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

enum Builder {
    Text(StringBuilder),
    Number(Int64Builder),
    Time(TimestampNanosecondBuilder),
    List(ListBuilder<StringBuilder>),
}

impl Builder {
    fn new(column: &Column) -> Builder {
        match column.kind {
            Kind::Text => Builder::Text(StringBuilder::new()),
            Kind::Number => Builder::Number(Int64Builder::new()),
            Kind::Time => Builder::Time(TimestampNanosecondBuilder::new().with_timezone("UTC")),
            Kind::List => Builder::List(ListBuilder::new(StringBuilder::new())),
        }
    }

    /// Appends the cell, or tells that it is of another kind.
    fn push(&mut self, cell: &Cell) -> bool {
        match (self, cell) {
            (Builder::Text(builder), Cell::Text(text)) => builder.append_value(text),
            (Builder::Text(builder), Cell::Absent) => builder.append_null(),
            (Builder::Number(builder), Cell::Number(number)) => builder.append_value(*number),
            (Builder::Number(builder), Cell::Absent) => builder.append_null(),
            (Builder::Time(builder), Cell::Time(time)) => builder.append_value(*time),
            (Builder::Time(builder), Cell::Absent) => builder.append_null(),
            (Builder::List(builder), Cell::List(texts)) => {
                builder.append_value(texts.iter().map(Some));
            }
            (Builder::List(builder), Cell::Absent) => builder.append_null(),
            _ => return false,
        }
        true
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Text(builder) => Arc::new(builder.finish()),
            Builder::Number(builder) => Arc::new(builder.finish()),
            Builder::Time(builder) => Arc::new(builder.finish()),
            Builder::List(builder) => Arc::new(builder.finish()),
        }
    }
}

fn push(columns: &[Column], builders: &mut [Builder], row: &[Cell]) -> Result<(), TableError> {
    for ((column, builder), cell) in columns.iter().zip(builders).zip(row) {
        if !builder.push(cell) {
            return Err(TableError::Kind {
                column: column.name,
                kind: column.kind,
                cell: cell.clone(),
            });
        }
    }
    Ok(())
}
