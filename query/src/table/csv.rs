//! CSV after RFC 4180: a header, CRLF, quotes where needed.
//!
//! Spreadsheets run a cell that begins with `=`, `+`, `-` or `@` as a formula, also behind a tab or a
//! carriage return, and a path or a user name in the log may be anything. Such a text gets a `'` in
//! front, which spreadsheets take for "this is text"; who reads the file by program takes one `'` off
//! again where one of these signs follows. Numbers and times are never touched.
//!
//! A list stands in one cell, its values parted by `; `. JSON and Arrow keep lists apart exactly.

use std::borrow::Cow;
use std::io::{self, Write};

use csv::{Terminator, Writer, WriterBuilder};

use super::{Cell, Column};
use crate::period::rfc3339;

pub(super) fn begin<W: Write>(columns: &[Column], out: W) -> io::Result<Writer<W>> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
    writer.write_record(columns.iter().map(|column| column.name))?;
    Ok(writer)
}

/// Returns a row as a line of CSV, whoever writes it where.
pub fn csv_line(cells: &[Cell]) -> Vec<u8> {
    // A writer of its own costs a small buffer, and the row is in memory anyway.
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .buffer_capacity(512)
        .from_writer(Vec::new());
    row(cells, &mut writer).expect("memory takes all");
    writer.into_inner().expect("memory takes all")
}

pub(super) fn row<W: Write>(row: &[Cell], writer: &mut Writer<W>) -> io::Result<()> {
    for cell in row {
        writer.write_field(csv_text(cell).as_bytes())?;
    }
    writer.write_record(None::<&[u8]>)?;
    Ok(())
}

/// Returns what stands in a cell of CSV, as whoever reads the file by program is given it.
pub fn csv_text(cell: &Cell) -> Cow<'_, str> {
    match cell {
        Cell::Absent => Cow::Borrowed(""),
        Cell::Text(text) => defused(Cow::Borrowed(text)),
        Cell::Number(number) => number.to_string().into(),
        Cell::Time(time) => rfc3339(*time).into(),
        Cell::List(texts) => defused(texts.join("; ").into()),
    }
}

fn defused(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        true => format!("'{text}").into(),
        false => text,
    }
}
