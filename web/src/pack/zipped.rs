//! The files of a pack as they are written: each hashed on its way into the zip.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::ops::Range;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::{Compression, GzBuilder};
use ingest::ledger::{LedgerReader, OWN_SOURCE};
use query::evidence::{self, COLUMNS, each_leaf, hex};
use query::row::EventRow;
use query::table::{Cell, Column, Form, Kind, TableWriter};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{Entry, PackError};

/// Lines of one part of the raw lines: with what a line of an audit log has, some MB compressed. Parts stay below what
/// programs that keep evidence take (25 MB).
const PART_BYTES: u64 = 64 << 20;

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

/// A zip that is being written.
pub(super) struct Writing<'a> {
    pub(super) zip: ZipWriter<&'a mut File>,
    pub(super) files: Vec<Entry>,
}

type Fill<'f> = &'f mut dyn FnMut(&mut dyn Write) -> Result<Option<u64>, PackError>;
type GiveRows<'f> = &'f mut dyn FnMut(
    &mut dyn FnMut(&EventRow) -> Result<(), PackError>,
) -> Result<BTreeMap<&'static str, u64>, PackError>;

impl<'a> Writing<'a> {
    pub(super) fn new(zip: ZipWriter<&'a mut File>) -> Writing<'a> {
        Writing { zip, files: Vec::new() }
    }

    fn begin(&mut self, path: &str) -> Result<(), PackError> {
        // What is compressed already is not compressed again.
        let method = match path.ends_with(".gz") {
            true => CompressionMethod::Stored,
            false => CompressionMethod::Deflated,
        };
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o600)
            .large_file(true);
        Ok(self.zip.start_file(path, options)?)
    }

    /// Writes a file that is no part of the payload.
    pub(super) fn entry(&mut self, path: &str, text: &str) -> Result<(), PackError> {
        self.begin(path)?;
        Ok(self.zip.write_all(text.as_bytes())?)
    }

    /// Writes a file of the payload.
    pub(super) fn file(&mut self, path: &str, fill: Fill<'_>) -> Result<(), PackError> {
        self.begin(&format!("payload/{path}"))?;
        let mut hashed = Hashed { out: &mut self.zip, bytes: 0, sha256: Sha256::new() };
        let mut buffered = BufWriter::with_capacity(64 << 10, &mut hashed);
        let rows = fill(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        let (bytes, sha256) = (hashed.bytes, hex(&hashed.sha256.finalize()));
        self.files.push(Entry { path: path.to_owned(), bytes, sha256, rows });
        Ok(())
    }

    pub(super) fn text(&mut self, path: &str, text: &str) -> Result<(), PackError> {
        self.file(path, &mut |out| Ok(out.write_all(text.as_bytes()).map(|()| None)?))
    }

    /// Writes rows of events with their lines, and returns how many and what was left out.
    pub(super) fn rows(
        &mut self,
        path: &str,
        ledger: &LedgerReader,
        give: GiveRows<'_>,
    ) -> Result<(u64, BTreeMap<&'static str, u64>), PackError> {
        let (mut rows, mut left_out) = (0, BTreeMap::new());
        self.file(path, &mut |out| {
            let mut table = TableWriter::new(Form::Csv, COLUMNS, out)?;
            left_out = give(&mut |row| {
                rows += 1;
                Ok(table.row(&evidence::cells(row, ledger)?)?)
            })?;
            table.finish()?;
            Ok(Some(rows))
        })?;
        Ok((rows, left_out))
    }

    /// Writes the raw lines and what tells of them, and returns how many leaves they are.
    pub(super) fn raw(
        &mut self,
        ledger: &LedgerReader,
        ranges: &[Range<u64>],
        progress: &dyn Fn(u64, u64),
    ) -> Result<u64, PackError> {
        let all = ranges.iter().map(|range| range.end - range.start).sum();
        let (mut leaves_file, mut headers_file) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let mut leaves =
            TableWriter::new(Form::Csv, LEAF_COLUMNS, BufWriter::new(&mut leaves_file))?;
        let mut headers = BufWriter::new(&mut headers_file);
        let (mut count, mut headers_count) = (0_u64, 0_u64);
        for (part, ranges) in (1_u64..).zip(parts(ledger, ranges)?) {
            self.file(&format!("raw/lines-{part:04}.jsonl.gz"), &mut |out| {
                let mut gzip = GzBuilder::new().mtime(0).write(out, Compression::default());
                let mut lines = 0;
                each_leaf(ledger, &ranges, &mut |leaf| {
                    count += 1;
                    if count % 1_024 == 0 {
                        progress(count, all);
                    }
                    let header = leaf.header;
                    let data = header_data(leaf.line.is_none().then_some(header));
                    let (what, bytes, offset) = match leaf.line {
                        None => ("header", &data[..], header.offset),
                        Some((line, offset)) if &*header.source == OWN_SOURCE => {
                            ("own", line, offset)
                        }
                        Some((line, offset)) => ("line", line, offset),
                    };
                    match leaf.line {
                        None => {
                            headers_count += 1;
                            writeln!(headers, "{} {}", leaf.number, BASE64_STANDARD.encode(bytes))?;
                        }
                        Some(_) => {
                            lines += 1;
                            gzip.write_all(bytes)?;
                        }
                    }
                    let number = Cell::count;
                    leaves.row(&[
                        number(leaf.number.0),
                        Cell::text(Some(what)),
                        Cell::text(Some(header.source.to_string())),
                        number(header.generation.0),
                        number(offset),
                        number(bytes.len() as u64),
                        Cell::Text(evidence::sha256(bytes)),
                        number(part),
                    ])?;
                    Ok::<(), PackError>(())
                })?;
                gzip.finish()?;
                Ok(Some(lines))
            })?;
        }
        leaves.finish()?.flush()?;
        headers.flush()?;
        drop(headers);
        self.copy("raw/leaves.csv", &mut leaves_file, count)?;
        self.copy("raw/headers.txt", &mut headers_file, headers_count)?;
        Ok(count)
    }

    fn copy(&mut self, path: &str, file: &mut File, rows: u64) -> Result<(), PackError> {
        file.rewind()?;
        self.file(path, &mut |out| {
            io::copy(file, out)?;
            Ok(Some(rows))
        })
    }
}

fn header_data(header: Option<&ingest::ledger::BatchHeader>) -> Vec<u8> {
    header.map(|header| header.data()).unwrap_or_default()
}

/// Cuts stretches of leaves so that the lines of each part have about [`PART_BYTES`].
fn parts(ledger: &LedgerReader, ranges: &[Range<u64>]) -> Result<Vec<Vec<Range<u64>>>, PackError> {
    let mut cuts: Vec<u64> = Vec::new();
    let mut bytes = 0;
    each_leaf(ledger, ranges, &mut |leaf| {
        let length = leaf.line.map_or(0, |(line, _)| line.len() as u64);
        if bytes > 0 && bytes + length > PART_BYTES {
            cuts.push(leaf.number.0);
            bytes = 0;
        }
        bytes += length;
        Ok::<(), PackError>(())
    })?;
    cuts.push(u64::MAX);
    let mut from = 0;
    let mut parts = Vec::new();
    for cut in cuts {
        let within = |range: &Range<u64>| range.start.max(from)..range.end.min(cut);
        parts.push(ranges.iter().map(within).filter(|range| !range.is_empty()).collect());
        from = cut;
    }
    Ok(parts)
}

/// Counts and hashes what is written through it.
struct Hashed<'a, W> {
    out: &'a mut W,
    bytes: u64,
    sha256: Sha256,
}

impl<W: Write> Write for Hashed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        self.sha256.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
