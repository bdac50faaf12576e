//! The files of a pack as they are written: each hashed on its way into the zip, and none larger than programs that keep
//! evidence take (25 MB).

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use query::evidence::hex;
use query::table::{Cell, Column, Table, csv_line};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{Entry, PackError};

/// A table or text that is longer goes on in a next file.
pub(super) const PART_BYTES: u64 = 20 << 20;

/// A zip that is being written, one file after the other.
pub(super) struct Writing<'a> {
    zip: ZipWriter<&'a mut File>,
    /// The files of the payload that are whole.
    pub(super) files: Vec<Entry>,
    path: String,
    bytes: u64,
    sha256: Sha256,
}

impl<'a> Writing<'a> {
    pub(super) fn new(file: &'a mut File) -> Writing<'a> {
        let (zip, sha256) = (ZipWriter::new(file), Sha256::new());
        Writing { zip, files: Vec::new(), path: String::new(), bytes: 0, sha256 }
    }

    /// Begins a file of the payload. What is written then is its content, up to [`Writing::end`].
    pub(super) fn begin(&mut self, path: &str) -> Result<(), PackError> {
        self.start(&format!("payload/{path}"))?;
        path.clone_into(&mut self.path);
        (self.bytes, self.sha256) = (0, Sha256::new());
        Ok(())
    }

    /// Returns how much of it is written.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the file that was begun, and returns its SHA-256.
    pub(super) fn end(&mut self, rows: Option<u64>) -> String {
        let sha256 = hex(&self.sha256.finalize_reset());
        let (path, bytes) = (std::mem::take(&mut self.path), self.bytes);
        self.files.push(Entry { path, bytes, sha256: sha256.clone(), rows });
        sha256
    }

    fn start(&mut self, path: &str) -> Result<(), PackError> {
        // What is compressed already is not compressed again.
        let method = match path.ends_with(".gz") || path.ends_with(".xlsx") {
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
        self.start(path)?;
        Ok(self.zip.write_all(text.as_bytes())?)
    }

    pub(super) fn text(&mut self, path: &str, text: &str) -> Result<String, PackError> {
        self.begin(path)?;
        self.write_all(text.as_bytes())?;
        Ok(self.end(None))
    }

    /// Writes a table whose rows are at hand.
    pub(super) fn table(&mut self, stem: &str, table: &Table) -> Result<(), PackError> {
        let mut rows = Rows::begin(self, stem, &table.columns)?;
        table.rows.iter().try_for_each(|row| rows.row(self, row))?;
        rows.finish(self);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), PackError> {
        Ok(self.zip.finish()?.sync_all()?)
    }
}

impl Write for Writing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.zip.write(bytes)?;
        self.bytes += written as u64;
        self.sha256.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.zip.flush()
    }
}

/// Returns the path of a part: the first has no number.
pub(super) fn part_path(stem: &str, extension: &str, part: u64) -> String {
    match part {
        1 => format!("{stem}.{extension}"),
        part => format!("{stem}-{part:04}.{extension}"),
    }
}

/// A CSV file that is being written, and goes on in a next one when it is long.
pub(super) struct Rows {
    stem: String,
    heading: Vec<u8>,
    part: u64,
    in_part: u64,
    count: u64,
}

impl Rows {
    pub(super) fn begin(
        pack: &mut Writing<'_>,
        stem: &str,
        columns: &[Column],
    ) -> Result<Rows, PackError> {
        let heading = heading(columns);
        pack.begin(&part_path(stem, "csv", 1))?;
        pack.write_all(&heading)?;
        Ok(Rows { stem: stem.to_owned(), heading, part: 1, in_part: 0, count: 0 })
    }

    pub(super) fn row(&mut self, pack: &mut Writing<'_>, row: &[Cell]) -> Result<(), PackError> {
        let line = csv_line(row);
        if self.in_part > 0 && pack.bytes + line.len() as u64 > PART_BYTES {
            pack.end(Some(self.in_part));
            (self.part, self.in_part) = (self.part + 1, 0);
            pack.begin(&part_path(&self.stem, "csv", self.part))?;
            pack.write_all(&self.heading)?;
        }
        (self.in_part, self.count) = (self.in_part + 1, self.count + 1);
        Ok(pack.write_all(&line)?)
    }

    /// Ends it, and returns how many rows there were.
    pub(super) fn finish(self, pack: &mut Writing<'_>) -> u64 {
        pack.end(Some(self.in_part));
        self.count
    }
}

/// Returns the first line of a table.
pub(super) fn heading(columns: &[Column]) -> Vec<u8> {
    let names: Vec<Cell> = columns.iter().map(|column| Cell::text(Some(column.name))).collect();
    csv_line(&names)
}

/// Files that grow while another one is written into the zip: kept beside, in one temporary file.
pub(super) struct Aside {
    file: io::BufWriter<File>,
    /// Written at the beginning of each.
    heading: Vec<u8>,
    /// Bytes and rows of each.
    parts: Vec<(u64, u64)>,
}

impl Aside {
    pub(super) fn new(heading: Vec<u8>) -> Result<Aside, PackError> {
        let mut aside = Aside::whole()?;
        aside.heading = heading;
        aside.part()?;
        Ok(aside)
    }

    /// Takes whole files only.
    pub(super) fn whole() -> Result<Aside, PackError> {
        let file = io::BufWriter::new(tempfile::tempfile()?);
        Ok(Aside { file, heading: Vec::new(), parts: Vec::new() })
    }

    fn part(&mut self) -> Result<(), PackError> {
        self.file.write_all(&self.heading)?;
        self.parts.push((self.heading.len() as u64, 0));
        Ok(())
    }

    /// Takes a row, and returns the number of the file that it stands in, from 1 on.
    pub(super) fn row(&mut self, bytes: &[u8]) -> Result<u64, PackError> {
        let is_full =
            |&(length, rows): &(u64, u64)| rows > 0 && length + bytes.len() as u64 > PART_BYTES;
        if self.parts.last().is_none_or(is_full) {
            self.part()?;
        }
        self.file.write_all(bytes)?;
        if let Some((length, rows)) = self.parts.last_mut() {
            (*length, *rows) = (*length + bytes.len() as u64, *rows + 1);
        }
        Ok(self.parts.len() as u64)
    }

    /// Takes a whole file.
    pub(super) fn file(&mut self, file: &mut File, rows: u64) -> Result<(), PackError> {
        file.rewind()?;
        let bytes = io::copy(file, &mut self.file)?;
        self.parts.push((bytes, rows));
        Ok(())
    }

    /// Writes the files into the pack.
    pub(super) fn into_pack(
        self,
        pack: &mut Writing<'_>,
        stem: &str,
        extension: &str,
    ) -> Result<(), PackError> {
        let mut file = self.file.into_inner().map_err(|error| error.into_error())?;
        file.rewind()?;
        for (part, (bytes, rows)) in (1..).zip(self.parts) {
            pack.begin(&part_path(stem, extension, part))?;
            io::copy(&mut Read::by_ref(&mut file).take(bytes), pack)?;
            pack.end(Some(rows));
        }
        Ok(())
    }
}
