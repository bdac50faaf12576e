//! Columns in line, for a terminal.
//!
//! Widths are taken from the first rows; a later, wider cell pushes its line out rather than being
//! cut. Only where a terminal's width is known are cells cut, at their end and with `…`, the widest
//! column first.

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Cell, Column, Kind, visible};
use crate::period::rfc3339;

/// How many rows are looked at for the widths.
const SAMPLE_ROWS: usize = 200;
/// No column is cut below this.
const COLUMN_WIDTH_MIN: usize = 8;
const BETWEEN: usize = 2;

pub(super) struct TextWriter<W> {
    columns: Vec<Column>,
    width: Option<usize>,
    /// The first rows, until the widths are set.
    sample: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
    out: W,
}

impl<W: Write> TextWriter<W> {
    pub(super) fn new(columns: &[Column], width: Option<usize>, out: W) -> TextWriter<W> {
        TextWriter { columns: columns.to_vec(), width, sample: Vec::new(), widths: None, out }
    }

    pub(super) fn row(&mut self, row: &[Cell]) -> io::Result<()> {
        let row: Vec<String> = row.iter().map(shown).collect();
        if self.widths.is_some() {
            return self.line(&row);
        }
        self.sample.push(row);
        if self.sample.len() == SAMPLE_ROWS { self.begin() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        if self.widths.is_none() {
            self.begin()?;
        }
        self.out.flush()?;
        Ok(self.out)
    }

    /// Sets the widths, writes the header and the rows held back.
    fn begin(&mut self) -> io::Result<()> {
        let header: Vec<String> =
            self.columns.iter().map(|column| column.name.to_owned()).collect();
        let sample = std::mem::take(&mut self.sample);
        let widest = |column: usize| {
            let cells = sample.iter().chain([&header]).map(|row| row[column].width());
            cells.max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..header.len()).map(widest).collect();
        if let Some(width) = self.width {
            shrink(&mut widths, &self.columns, width);
        }
        self.widths = Some(widths);
        self.line(&header)?;
        sample.iter().try_for_each(|row| self.line(row))
    }

    fn line(&mut self, row: &[String]) -> io::Result<()> {
        let widths = self.widths.as_deref().unwrap_or_default();
        let mut line = String::new();
        for ((cell, column), &width) in row.iter().zip(&self.columns).zip(widths) {
            let cut = match self.width {
                Some(_) => cut(cell, width),
                None => cell.clone(),
            };
            let pad = width.saturating_sub(cut.width());
            let (before, after) = if column.kind == Kind::Number { (pad, 0) } else { (0, pad) };
            line.extend(std::iter::repeat_n(' ', before));
            line.push_str(&cut);
            line.extend(std::iter::repeat_n(' ', after + BETWEEN));
        }
        writeln!(self.out, "{}", line.trim_end())
    }
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Absent => "-".to_owned(),
        Cell::Text(text) => visible(text).into_owned(),
        Cell::Number(number) => number.to_string(),
        Cell::Time(time) => rfc3339(*time),
        Cell::List(texts) => visible(&texts.join(", ")).into_owned(),
    }
}

/// Takes from the widest column of words until the line fits or no column can give.
fn shrink(widths: &mut [usize], columns: &[Column], total: usize) {
    let between = BETWEEN * widths.len().saturating_sub(1);
    let mut over = (widths.iter().sum::<usize>() + between).saturating_sub(total);
    while over > 0 {
        // A number or a time with its end cut off would be another one.
        let words = widths.iter_mut().zip(columns).filter(|(width, column)| {
            matches!(column.kind, Kind::Text | Kind::List) && **width > COLUMN_WIDTH_MIN
        });
        let Some((widest, _)) = words.max_by_key(|(width, _)| **width) else { return };
        *widest -= 1;
        over -= 1;
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= width
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}
