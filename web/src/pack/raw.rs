//! The lines shown, and what tells of them.

use std::io::Write;
use std::ops::Range;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use ingest::ledger::{LedgerReader, OWN_SOURCE};
use query::evidence::{self, each_leaf};
use query::table::{Cell, Column, Kind, csv_line};

use super::zipped::{Aside, PART_BYTES, Writing, heading};
use super::{PackError, Progress, Step, TOLD_EACH};

/// The columns of `raw/leaves.csv`.
pub(super) const LEAF_COLUMNS: &[Column] = &[
    Column::new("leaf", Kind::Number),
    Column::new("what", Kind::Text),
    Column::new("source", Kind::Text),
    Column::new("generation", Kind::Number),
    Column::new("offset", Kind::Number),
    Column::new("length", Kind::Number),
    Column::new("sha256", Kind::Text),
    Column::new("part", Kind::Number),
];

/// Writes the lines of these leaves, and returns how many leaves they are.
pub(super) fn write(
    pack: &mut Writing<'_>,
    ledger: &LedgerReader,
    ranges: &[Range<u64>],
    progress: Progress<'_>,
) -> Result<u64, PackError> {
    let all = ranges.iter().map(|range| range.end - range.start).sum();
    let (mut leaves, mut headers) = (Aside::new(heading(LEAF_COLUMNS))?, Aside::new(Vec::new())?);
    let (mut own, mut lines) = (Aside::new(Vec::new())?, Lines::begin(pack)?);
    let mut count = 0_u64;
    each_leaf(ledger, ranges, &mut |leaf| {
        count += 1;
        if count.is_multiple_of(TOLD_EACH) {
            progress(Step::Leaves, count, all);
        }
        let header = leaf.header;
        let data = if leaf.line.is_none() { header.data() } else { Vec::new() };
        let (what, bytes, offset, part) = match leaf.line {
            None => {
                let text = format!("{} {}\n", leaf.number, BASE64_STANDARD.encode(&data));
                ("header", &data[..], header.offset, headers.row(text.as_bytes())?)
            }
            Some((line, offset)) if &*header.source == OWN_SOURCE => {
                ("own", line, offset, own.row(line)?)
            }
            Some((line, offset)) => ("line", line, offset, lines.line(pack, line)?),
        };
        let number = Cell::count;
        leaves.row(&csv_line(&[
            number(leaf.number.0),
            Cell::text(Some(what)),
            Cell::text(Some(header.source.to_string())),
            number(header.generation.0),
            number(offset),
            number(bytes.len() as u64),
            Cell::Text(evidence::sha256(bytes)),
            number(part),
        ]))?;
        Ok::<(), PackError>(())
    })?;
    lines.finish(pack)?;
    leaves.into_pack(pack, "raw/leaves", "csv")?;
    headers.into_pack(pack, "raw/headers", "txt")?;
    own.into_pack(pack, "own/lines", "jsonl")?;
    Ok(count)
}

/// The servers' lines, compressed, in files one after the other.
struct Lines {
    /// What is compressed goes through its buffer into the pack.
    gzip: GzEncoder<Vec<u8>>,
    part: u64,
    rows: u64,
}

impl Lines {
    fn begin(pack: &mut Writing<'_>) -> Result<Lines, PackError> {
        pack.begin(&lines_path(1))?;
        Ok(Lines { gzip: gzip(), part: 1, rows: 0 })
    }

    /// Takes a line, and returns the number of its part.
    fn line(&mut self, pack: &mut Writing<'_>, line: &[u8]) -> Result<u64, PackError> {
        if pack.bytes() > PART_BYTES {
            self.end(pack)?;
            (self.part, self.rows) = (self.part + 1, 0);
            pack.begin(&lines_path(self.part))?;
        }
        self.rows += 1;
        self.gzip.write_all(line)?;
        pack.write_all(self.gzip.get_ref())?;
        self.gzip.get_mut().clear();
        Ok(self.part)
    }

    fn end(&mut self, pack: &mut Writing<'_>) -> Result<(), PackError> {
        pack.write_all(&std::mem::replace(&mut self.gzip, gzip()).finish()?)?;
        pack.end(Some(self.rows));
        Ok(())
    }

    fn finish(mut self, pack: &mut Writing<'_>) -> Result<(), PackError> {
        self.end(pack)
    }
}

/// The same bytes whenever it is made.
fn gzip() -> GzEncoder<Vec<u8>> {
    GzBuilder::new().mtime(0).write(Vec::new(), Compression::default())
}

pub(super) fn lines_path(part: u64) -> String {
    format!("raw/lines-{part:04}.jsonl.gz")
}
