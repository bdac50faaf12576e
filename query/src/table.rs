//! Tables: what a person, a script, a spreadsheet or another engine is given.
//!
//! One table has five forms, all of them written row by row, so that a long one needs no memory:
//!
//! | form | for | how |
//! |---|---|---|
//! | [`Form::Text`] | a terminal | columns in line; control characters made visible |
//! | [`Form::Json`] | scripts | one object a line; absent is null |
//! | [`Form::Csv`] | spreadsheets | RFC 4180 with a header; cells that a spreadsheet would run are defused |
//! | [`Form::Arrow`] | DuckDB, pandas, Spark | an Arrow IPC stream |
//! | [`Form::Parquet`] | a file that any of these reads, and archives | Parquet with zstd, a row group at a time |
//!
//! Every text in a table comes from a log that an attacker can write into.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::value::RawValue;
use thiserror::Error;

mod arrow;
mod csv;
mod json;
mod parquet;
mod text;

pub use self::arrow::record_batch;
pub use self::csv::{csv_line, csv_text};

/// Named columns and rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// What each cell of a row is.
    pub columns: Vec<Column>,
    /// Rows of as many cells as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// A column's name and what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name, in lower case with underscores.
    pub name: &'static str,
    /// What stands in it.
    pub kind: Kind,
}

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Texts.
    Text,
    /// Whole numbers.
    Number,
    /// Times, in nanoseconds since 1970; written as RFC 3339 in UTC.
    Time,
    /// Several texts a cell.
    List,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Absent,
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Nanoseconds since 1970.
    Time(i64),
    /// Several texts.
    List(Vec<String>),
}

/// In which form a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Columns in line. With a width, lines are cut to it and a cut cell ends in `…`.
    Text {
        /// The terminal's width in columns, if it is one.
        width: Option<usize>,
    },
    /// One object a line.
    Json,
    /// RFC 4180.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
    /// A Parquet file.
    Parquet,
}

/// Why a table could not be written.
#[derive(Debug, Error)]
pub enum TableError {
    /// The receiver failed.
    #[error("cannot write the table")]
    Io(#[from] io::Error),
    /// Arrow refused a batch.
    #[error("cannot write the table in arrow's form")]
    Arrow(#[from] ::arrow::error::ArrowError),
    /// Parquet refused something.
    #[error("cannot write the table in parquet's form")]
    Parquet(#[from] ::parquet::errors::ParquetError),
    /// A cell does not fit its column. Only a bug can cause this.
    #[error("column {column:?} holds {kind:?}, not {cell:?}")]
    Kind {
        /// The column's name.
        column: &'static str,
        /// What the column holds.
        kind: Kind,
        /// What was given.
        cell: Cell,
    },
}

impl Column {
    /// Returns a column of this name and kind.
    pub const fn new(name: &'static str, kind: Kind) -> Column {
        Column { name, kind }
    }
}

impl Cell {
    /// Returns the text, or absent.
    pub fn text(text: Option<impl Into<String>>) -> Cell {
        text.map_or(Cell::Absent, |text| Cell::Text(text.into()))
    }

    /// Returns the count.
    pub fn count(count: u64) -> Cell {
        Cell::Number(i64::try_from(count).expect("a count of things in memory or on disk"))
    }

    /// Returns the time in nanoseconds, or absent.
    pub fn time(unix_ns: Option<i64>) -> Cell {
        unix_ns.map_or(Cell::Absent, Cell::Time)
    }
}

impl Table {
    /// Writes the whole table.
    ///
    /// # Errors
    /// The receiver fails.
    pub fn write(&self, form: Form, out: impl Write) -> Result<(), TableError> {
        let mut writer = TableWriter::new(form, &self.columns, out)?;
        for row in &self.rows {
            writer.row(row)?;
        }
        writer.finish().map(drop)
    }
}

impl Table {
    /// Returns the rows as a JSON array of objects.
    ///
    /// # Errors
    /// A cell does not fit its column.
    pub fn objects(&self) -> Result<Box<RawValue>, TableError> {
        let mut lines = Vec::new();
        self.write(Form::Json, &mut lines)?;
        let mut array = String::with_capacity(lines.len() + 2);
        array.push('[');
        for (at, line) in String::from_utf8_lossy(&lines).lines().enumerate() {
            array.push_str(if at == 0 { "" } else { "," });
            array.push_str(line);
        }
        array.push(']');
        Ok(RawValue::from_string(array).map_err(io::Error::from)?)
    }
}

/// Writes a table row by row.
pub struct TableWriter<W: Write> {
    columns: Vec<Column>,
    inner: Inner<W>,
}

enum Inner<W: Write> {
    Text(text::TextWriter<W>),
    Json(W),
    Csv(Box<::csv::Writer<W>>),
    Arrow(Box<arrow::ArrowWriter<W>>),
    Parquet(Box<parquet::ParquetWriter<W>>),
}

impl<W: Write> TableWriter<W> {
    /// Begins a table.
    ///
    /// # Errors
    /// The receiver fails.
    pub fn new(form: Form, columns: &[Column], out: W) -> Result<TableWriter<W>, TableError> {
        let inner = match form {
            Form::Text { width } => Inner::Text(text::TextWriter::new(columns, width, out)),
            Form::Json => Inner::Json(out),
            Form::Csv => Inner::Csv(Box::new(csv::begin(columns, out)?)),
            Form::Arrow => Inner::Arrow(Box::new(arrow::ArrowWriter::new(columns, out)?)),
            Form::Parquet => Inner::Parquet(Box::new(parquet::ParquetWriter::new(columns, out)?)),
        };
        Ok(TableWriter { columns: columns.to_vec(), inner })
    }

    /// Writes a row.
    ///
    /// # Errors
    /// The receiver fails.
    pub fn row(&mut self, row: &[Cell]) -> Result<(), TableError> {
        debug_assert_eq!(row.len(), self.columns.len(), "a row has a cell for each column");
        match &mut self.inner {
            Inner::Text(writer) => writer.row(row)?,
            Inner::Json(out) => json::row(&self.columns, row, out)?,
            Inner::Csv(writer) => csv::row(row, writer)?,
            Inner::Arrow(writer) => writer.row(row)?,
            Inner::Parquet(writer) => writer.row(row)?,
        }
        Ok(())
    }

    /// Ends the table and gives the receiver back.
    ///
    /// # Errors
    /// The receiver fails.
    pub fn finish(self) -> Result<W, TableError> {
        Ok(match self.inner {
            Inner::Text(writer) => writer.finish()?,
            Inner::Json(mut out) => {
                out.flush()?;
                out
            }
            Inner::Csv(writer) => {
                let mut out = writer.into_inner().map_err(|error| error.into_error())?;
                out.flush()?;
                out
            }
            Inner::Arrow(writer) => writer.finish()?,
            Inner::Parquet(writer) => writer.finish()?,
        })
    }
}

/// Returns the text with everything made visible that a terminal would obey or hide: control
/// characters, marks of writing direction, zero-width characters, line and paragraph separators.
pub fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c,
                '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            char if hidden(char) => shown.extend(char.escape_unicode()),
            char => shown.push(char),
        }
    }
    Cow::Owned(shown)
}

/// Returns a count with its digits in groups of three: `12,408`.
pub fn grouped(count: impl TryInto<u64>) -> String {
    let digits = count.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
