//! JSON lines: one object a row, its keys in the order of the columns.

use std::io::Write;

use super::{Cell, Column, TableError};
use crate::period::rfc3339;

pub(super) fn row(
    columns: &[Column],
    row: &[Cell],
    out: &mut impl Write,
) -> Result<(), TableError> {
    for (at, (column, cell)) in columns.iter().zip(row).enumerate() {
        out.write_all(if at == 0 { b"{" } else { b"," })?;
        let value = match cell {
            Cell::Absent => serde_json::Value::Null,
            Cell::Text(text) => text.as_str().into(),
            Cell::Number(number) => (*number).into(),
            Cell::Time(time) => rfc3339(*time).into(),
            Cell::List(texts) => texts.as_slice().into(),
        };
        write!(out, "\"{}\":{value}", column.name)?;
    }
    out.write_all(b"}\n")?;
    Ok(())
}
