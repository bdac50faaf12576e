//! The rows of a table as workbooks, for whoever filters and samples in a spreadsheet: as many as are needed for each to
//! stay below what programs that keep evidence take.

use query::table::{Cell, Column};
use rust_xlsxwriter::{Format, Workbook};

use super::PackError;
use super::zipped::{Aside, PART_BYTES, Writing};
use crate::xlsx;

/// What a cell costs beside its text, in bytes: much less once it is compressed.
const CELL_BYTES: usize = 8;
/// The sheet of rows; the one before it says what they are of.
const SHEET: u32 = 1;

/// Workbooks that are being written. Of their rows, few are in memory.
pub(super) struct Books<'a> {
    name: &'a str,
    columns: Vec<&'static str>,
    of: &'a [(&'static str, String)],
    book: Option<Workbook>,
    bytes: usize,
    in_book: u32,
    count: u64,
    whole: Aside,
}

impl<'a> Books<'a> {
    /// `of` is what stands on the first sheet of each.
    pub(super) fn new(
        name: &'a str,
        columns: &[Column],
        of: &'a [(&'static str, String)],
    ) -> Result<Books<'a>, PackError> {
        Ok(Books {
            name,
            columns: columns.iter().map(|column| column.name).collect(),
            of,
            book: None,
            bytes: 0,
            in_book: 0,
            count: 0,
            whole: Aside::whole()?,
        })
    }

    pub(super) fn row(&mut self, row: &[Cell]) -> Result<(), PackError> {
        let bytes: usize = row.iter().map(|cell| length(cell) + CELL_BYTES).sum();
        // The texts themselves are the bound, since nothing makes them longer.
        if self.in_book > 0 && (self.bytes + bytes) as u64 > PART_BYTES {
            self.end()?;
        }
        let book = match &mut self.book {
            Some(book) => book,
            none => none.insert(begin(self.name, &self.columns, self.of, self.count)?),
        };
        self.bytes += bytes;
        (self.in_book, self.count) = (self.in_book + 1, self.count + 1);
        let page = book.worksheet_from_index(SHEET as usize)?;
        let time = Format::new();
        for (column, cell) in (0..).zip(row) {
            xlsx::write(page, self.in_book, column, cell, &time)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), PackError> {
        let Some(mut book) = self.book.take() else { return Ok(()) };
        // The form begins with what is known last, so the whole is put together beside.
        let mut file = tempfile::tempfile()?;
        book.save_to_writer(&mut file)?;
        self.whole.file(&mut file, self.in_book.into())?;
        (self.bytes, self.in_book) = (0, 0);
        Ok(())
    }

    /// Ends them, and writes them into the pack; a table without rows has its heading all the same.
    pub(super) fn into_pack(mut self, pack: &mut Writing<'_>, stem: &str) -> Result<(), PackError> {
        if self.count == 0 {
            self.book = Some(begin(self.name, &self.columns, self.of, 0)?);
        }
        self.end()?;
        self.whole.into_pack(pack, stem, "xlsx")
    }
}

fn begin(
    name: &str,
    columns: &[&'static str],
    of: &[(&'static str, String)],
    before: u64,
) -> Result<Workbook, PackError> {
    let mut book = Workbook::new();
    xlsx::Made::Always.tell(&mut book)?;
    let rows = format!(
        "from row {} of the table on; a long table goes on in NAME-0002.xlsx, and payload/manifest.json says how many rows each file has: none is left away",
        before + 1
    );
    let facts = of.iter().cloned().chain([("Rows", rows)]);
    xlsx::told(&mut book, facts)?;
    xlsx::begin(&mut book, name, 0, columns)?;
    Ok(book)
}

fn length(cell: &Cell) -> usize {
    match cell {
        Cell::Absent => 0,
        Cell::Number(_) | Cell::Time(_) => 8,
        Cell::Text(text) => text.len(),
        Cell::List(texts) => texts.iter().map(|text| text.len() + 2).sum(),
    }
}
