//! Answers as workbooks; `GET /explore.xlsx` is one. The first sheet says what it is of; the rows follow, as many sheets as they need.
//!
//! Cells of the log are written as texts, never as formulas, and rows go to a temporary file as they come: whatever their
//! number, little of them is in memory.

use std::io::{self, Read, Seek, Write};

use axum::extract::{Query, State};
use axum::response::Response;
use query::history::View;
use query::listing::{COLUMNS, pick};
use query::period::rfc3339;
use query::question::Question;
use query::search::{each_row, search_in};
use query::table::{Cell, Table, visible};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use crate::app::App;
use crate::asked::Asked;
use crate::door::{Export, May};
use crate::error::PageError;
use crate::export::{ExportError, Pieces, as_file, stream, understood};
use crate::time::DAY;

pub(crate) const CONTENT_TYPE: &str =
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// 1970-01-01 in days of a workbook.
const UNIX_EPOCH_DAYS: f64 = 25_569.0;
/// Rows of a sheet below its heading: one more would be past what the form allows.
const ROWS_MAX: u32 = 1_048_575;
/// The longest text of a cell, in UTF-16 units; of a longer one the beginning is written, and how long it is.
const CELL_MAX: usize = 32_767;

/// The workbook.
pub(crate) async fn explore_xlsx(
    reader: May<Export>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let question = understood(&asked)?;
    let response = stream(&reader, app, CONTENT_TYPE, question.clone(), move |_, view, out| {
        workbook(view, &question, out)
    });
    Ok(as_file("keytrail-events.xlsx", response.await?))
}

fn workbook(view: &View, question: &Question, mut out: Pieces) -> Result<(), ExportError> {
    let mut book = Workbook::new();
    scope(&mut book, view, question)?;
    let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    let (_, cells) = pick(&names);
    let time = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss.000");
    let mut sheet = 0;
    let mut row = 0;
    begin(&mut book, "Events", sheet, &names)?;
    each_row(view, question, 0, None, &mut |event| {
        if row == ROWS_MAX {
            (sheet, row) = (sheet + 1, 0);
            begin(&mut book, "Events", sheet, &names)?;
        }
        row += 1;
        let page = book.worksheet_from_index(sheet + 1)?;
        for (column, cell) in (0..).zip(&cells(&event)) {
            write(page, row, column, cell, &time)?;
        }
        Ok::<_, ExportError>(())
    })?;
    // The form begins with what is known last, so the whole is put together beside.
    let mut file = tempfile::tempfile()?;
    book.save_to_writer(&mut file)?;
    file.rewind()?;
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(out.flush()?),
            read => out.write_all(&piece[..read])?,
        }
    }
}

/// Returns tables as a workbook: what they are of first, then each as many sheets as it needs.
///
/// # Errors
/// The form is not kept, which only a bug can cause.
pub(crate) fn tables(of: &Table, tables: &[(&str, &Table)]) -> Result<Vec<u8>, XlsxError> {
    let facts = of.rows.iter().filter_map(|row| match &row[..] {
        [Cell::Text(name), Cell::Text(value)] => Some((&**name, value.clone())),
        _ => None,
    });
    tables_of(facts, tables, Made::Now)
}

/// What a workbook says of when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// The present time.
    Now,
    /// A time that is the same whenever it is made, so that its bytes are.
    Always,
}

impl Made {
    /// Says it.
    pub(crate) fn tell(self, book: &mut Workbook) -> Result<(), XlsxError> {
        if self == Made::Always {
            let made = ExcelDateTime::from_ymd(1980, 1, 1)?;
            book.set_properties(&DocProperties::new().set_creation_datetime(&made));
        }
        Ok(())
    }
}

/// As [`tables`], of these facts.
///
/// # Errors
/// See there.
pub(crate) fn tables_of<'a>(
    facts: impl IntoIterator<Item = (&'a str, String)>,
    tables: &[(&str, &Table)],
    made: Made,
) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    made.tell(&mut book)?;
    told(&mut book, facts)?;
    let time = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss.000");
    for (name, table) in tables {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let sheets = table.rows.chunks(ROWS_MAX as usize);
        // A table without rows has its heading all the same.
        for (number, rows) in sheets.chain(table.rows.is_empty().then_some(&[][..])).enumerate() {
            let page = begin(&mut book, name, number, &names)?;
            for (row, cells) in (1..).zip(rows) {
                for (column, cell) in (0..).zip(cells) {
                    write(page, row, column, cell, &time)?;
                }
            }
        }
    }
    book.save_to_buffer()
}

pub(crate) fn begin<'a>(
    book: &'a mut Workbook,
    name: &str,
    number: usize,
    names: &[&str],
) -> Result<&'a mut Worksheet, XlsxError> {
    let page = book.add_worksheet_with_constant_memory()?;
    page.set_name(match number {
        0 => name.to_owned(),
        number => format!("{name} {}", number + 1),
    })?;
    page.set_freeze_panes(1, 0)?;
    let bold = Format::new().set_bold();
    for (column, name) in (0..).zip(names) {
        page.set_column_width(column, if *name == "path" { 40 } else { 18 })?;
        page.write_string_with_format(0, column, *name, &bold)?;
    }
    let last = u16::try_from(names.len() - 1).expect("few columns");
    page.autofilter(0, 0, ROWS_MAX, last)?;
    Ok(page)
}

pub(crate) fn write(
    page: &mut Worksheet,
    row: u32,
    column: u16,
    cell: &Cell,
    time: &Format,
) -> Result<(), XlsxError> {
    match cell {
        Cell::Absent => {}
        // Beyond 2^53 a workbook's numbers are not exact.
        Cell::Number(number) if number.unsigned_abs() < 1 << 53 => {
            page.write_number(row, column, *number as f64)?;
        }
        Cell::Number(number) => {
            page.write_string(row, column, number.to_string())?;
        }
        Cell::Time(unix_ns) => {
            let days = *unix_ns as f64 / DAY as f64 + UNIX_EPOCH_DAYS;
            page.write_number_with_format(row, column, days, time)?;
        }
        Cell::Text(text) => {
            page.write_string(row, column, bounded(text))?;
        }
        Cell::List(texts) => {
            page.write_string(row, column, bounded(&texts.join(", ")))?;
        }
    }
    Ok(())
}

/// What would deceive the eye is written out, as on pages; and the text is cut where a cell ends.
fn bounded(text: &str) -> String {
    let shown = visible(text);
    if shown.encode_utf16().count() <= CELL_MAX {
        return shown.into_owned();
    }
    let mut room = CELL_MAX - 60;
    let kept: String = shown
        .chars()
        .take_while(|char| match room.checked_sub(char.len_utf16()) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        })
        .collect();
    format!("{kept}… (cut: {} bytes in the log)", text.len())
}

fn scope(book: &mut Workbook, view: &View, question: &Question) -> Result<(), ExportError> {
    let found = search_in(view, question, 1, None)?;
    let coverage = view.coverage(question.from, question.to, jiff::Timestamp::now())?;
    let left_out: Vec<String> =
        found.left_out.0.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let end = |time: Option<i64>, none: &str| time.map_or_else(|| none.to_owned(), rfc3339);
    let facts = [
        ("Filter", question.filter.to_string()),
        ("From", end(question.from, "the first event")),
        ("To, not included", end(question.to, "the last event")),
        ("Events", found.matched.to_string()),
        ("Left out", if left_out.is_empty() { "none".to_owned() } else { left_out.join(", ") }),
        ("Answered at leaf", found.leaf.to_string()),
        ("Coverage", coverage.sentence()),
        ("Times", "UTC".to_owned()),
        ("Written by", format!("keytrail {}", env!("CARGO_PKG_VERSION"))),
        ("At", jiff::Timestamp::now().to_string()),
        (
            "Rows",
            format!(
                "each sheet after this one holds at most {ROWS_MAX} events; no row is left away"
            ),
        ),
    ];
    Ok(told(book, facts)?)
}

/// Writes the sheet that says what the others are of.
pub(crate) fn told<'a>(
    book: &mut Workbook,
    facts: impl IntoIterator<Item = (&'a str, String)>,
) -> Result<(), XlsxError> {
    let page = book.add_worksheet();
    page.set_name("Scope")?;
    page.set_column_width(0, 20)?;
    page.set_column_width(1, 100)?;
    let bold = Format::new().set_bold();
    let wrap = Format::new().set_text_wrap();
    for (row, (name, value)) in (0..).zip(facts) {
        page.write_string_with_format(row, 0, name, &bold)?;
        page.write_string_with_format(row, 1, bounded(&value), &wrap)?;
    }
    Ok(())
}

impl From<XlsxError> for ExportError {
    fn from(error: XlsxError) -> ExportError {
        ExportError::Io(io::Error::other(error))
    }
}
