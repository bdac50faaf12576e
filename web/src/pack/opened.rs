//! A pack that is read: one zip file, or the parts that it was handed over in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use query::evidence::hex;
use sha2::{Digest, Sha256};
use zip::{CompressionMethod, ZipArchive};

use super::verify::wrong;
use super::zipped::part_path;
use super::{Entry, PackError};

/// What stands beside the payload.
const BESIDE: [&str; 4] = ["consistency.txt", "issue.json", "issue.sig", "keys"];
pub(super) const MANIFEST: &str = "payload/manifest.json";
/// No text that is read as a whole is longer.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// A pack that is read.
pub(super) struct Pack {
    zips: Vec<(PathBuf, ZipArchive<File>)>,
    /// Which zip has a file, and where in its list.
    places: BTreeMap<String, (usize, usize)>,
    /// The files of the payload.
    pub(super) manifest: Vec<Entry>,
}

impl Pack {
    /// Opens a zip file; of one that is a part, all parts; of a folder, the zip files in it.
    pub(super) fn open(path: &Path) -> Result<Pack, PackError> {
        let mut pack = Pack { zips: Vec::new(), places: BTreeMap::new(), manifest: Vec::new() };
        for path in zips_of(path)? {
            let mut zip = ZipArchive::new(File::open(&path)?)?;
            check_headers(&path, &mut zip)?;
            for number in 0..zip.len() {
                let name = zip.by_index_raw(number)?.name()?.into_owned();
                let place = (pack.zips.len(), number);
                if pack.places.insert(name.clone(), place).is_some() {
                    return wrong(&format!("{name:?}: there twice"));
                }
            }
            pack.zips.push((path, zip));
        }
        Ok(pack)
    }

    /// Takes the manifest: the files are those that it names and those beside it, none leads out of a folder.
    pub(super) fn take(&mut self, manifest: Vec<Entry>) -> Result<(), PackError> {
        let mut expected: BTreeSet<String> = BESIDE.map(str::to_owned).into();
        expected.insert(MANIFEST.to_owned());
        for Entry { path, .. } in &manifest {
            let odd = path.starts_with('/')
                || path.contains('\\')
                || path.split('/').any(|part| matches!(part, "" | "." | ".."));
            if odd || !expected.insert(format!("payload/{path}")) {
                return wrong(&format!("manifest.json: the path {path:?} is odd, or named twice"));
            }
        }
        for name in self.places.keys() {
            if !expected.remove(name) {
                return wrong(&format!("{name:?}: a file that the manifest does not name"));
            }
        }
        if let Some(missing) = expected.first() {
            return wrong(&format!("{missing}: the file is missing"));
        }
        self.manifest = manifest;
        Ok(())
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.manifest.iter().any(|entry| entry.path == path)
    }

    /// Returns the paths of a table's or text's parts.
    pub(super) fn parts(&self, stem: &str, extension: &str) -> Vec<String> {
        let paths = (1..).map(|part| part_path(stem, extension, part));
        paths.take_while(|path| self.has(path)).collect()
    }

    /// Compares a file's bytes with the manifest; reads no more than it says.
    pub(super) fn check_bytes(&mut self, entry: &Entry) -> Result<(), PackError> {
        let path = &entry.path;
        let file = self.large(path)?;
        let mut hash = Hasher(Sha256::new());
        let bytes = io::copy(&mut file.take(entry.bytes.saturating_add(1)), &mut hash)
            .map_err(|error| PackError::Wrong(format!("{path}: {error}")))?;
        let sha256 = hex(&hash.0.finalize());
        if bytes != entry.bytes || sha256 != entry.sha256 {
            return wrong(&format!(
                "{path}: the bytes are not those of manifest.json (SHA-256 {sha256}, there {})",
                entry.sha256
            ));
        }
        Ok(())
    }

    /// Reads a file of the payload on its own, beside others that are read.
    pub(super) fn large(&mut self, path: &str) -> Result<Box<dyn Read>, PackError> {
        let name = format!("payload/{path}");
        let Some(&(zip, number)) = self.places.get(&name) else {
            return wrong(&format!("{path}: the file is missing"));
        };
        let (of, zip) = &mut self.zips[zip];
        let entry = zip.by_index(number)?;
        let (size, method) = (entry.compressed_size(), entry.compression());
        let Some(start) = entry.data_start() else {
            return wrong(&format!("{path}: its place in the zip is unknown"));
        };
        let mut file = File::open(of)?;
        file.seek(SeekFrom::Start(start))?;
        let bytes = BufReader::new(file).take(size);
        match method {
            CompressionMethod::Stored => Ok(Box::new(bytes)),
            CompressionMethod::Deflated => Ok(Box::new(DeflateDecoder::new(bytes))),
            _ => wrong(&format!("{path}: compressed in a way that packs are not")),
        }
    }

    /// Reads all parts of a table, one after the other, row by row.
    pub(super) fn rows(&self, stem: &str) -> Result<Rows, PackError> {
        let mut waiting = self.parts(stem, "csv");
        if waiting.is_empty() {
            return wrong(&format!("{stem}.csv: the file is missing"));
        }
        // Each is opened when its turn comes: a long table has many.
        waiting.reverse();
        Ok(Rows { waiting, part: String::new(), reader: None, number: 0 })
    }

    /// Reads a short text.
    pub(super) fn text(&mut self, path: &str) -> Result<String, PackError> {
        let missing = || PackError::Wrong(format!("{path}: the file is missing"));
        let &(zip, number) = self.places.get(path).ok_or_else(missing)?;
        let mut text = String::new();
        let file = self.zips[zip].1.by_index(number)?;
        file.take(TEXT_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|error| PackError::Wrong(format!("{path}: {error}")))?;
        Ok(text)
    }

    pub(super) fn parsed<T: std::str::FromStr<Err = &'static str>>(
        &mut self,
        path: &str,
    ) -> Result<T, PackError> {
        self.text(path)?.parse().map_err(|problem| PackError::Wrong(format!("{path}: {problem}")))
    }

    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &mut self,
        path: &str,
    ) -> Result<T, PackError> {
        let text = self.text(path)?;
        serde_json::from_str(&text).map_err(|error| PackError::Wrong(format!("{path}: {error}")))
    }
}

/// Refuses a zip in which who reads from front to back finds other files than the list at its end names: what was
/// verified is then not what everybody unpacks.
fn check_headers(path: &Path, zip: &mut ZipArchive<File>) -> Result<(), PackError> {
    let other = |what: &str| {
        let path = path.display();
        wrong(&format!("{path}: not the zip file that was issued, ask for that one: {what}"))
    };
    if let Err(error) = zip.validate_header_consistency() {
        return other(&error.to_string());
    }
    let mut places = Vec::with_capacity(zip.len());
    for number in 0..zip.len() {
        let file = zip.by_index_raw(number)?;
        let end = file.data_start().map(|start| start.saturating_add(file.compressed_size()));
        places.push((file.header_start(), end));
    }
    places.sort_unstable();
    let mut end = Some(0);
    for (start, next_end) in places {
        if end != Some(start) {
            return other(&format!("there is something before byte {start} that no file is"));
        }
        end = next_end;
    }
    if end != Some(zip.central_directory_start()) || !zip.comment().is_empty() {
        return other("there is something behind its last file, or a comment");
    }
    Ok(())
}

/// The rows of a table below its heading, out of all its parts.
pub(super) struct Rows {
    waiting: Vec<String>,
    part: String,
    reader: Option<csv::StringRecordsIntoIter<Box<dyn Read>>>,
    number: u64,
}

impl Rows {
    /// Returns the next row, with words for where it stands.
    pub(super) fn next(
        &mut self,
        pack: &mut Pack,
    ) -> Result<Option<(String, csv::StringRecord)>, PackError> {
        loop {
            if let Some(record) = self.reader.as_mut().and_then(Iterator::next) {
                self.number += 1;
                let at = format!("{}, row {}", self.part, self.number);
                return match record {
                    Ok(record) => Ok(Some((at, record))),
                    Err(error) => wrong(&format!("{}: {error}", self.part)),
                };
            }
            let Some(path) = self.waiting.pop() else { return Ok(None) };
            let file = pack.large(&path)?;
            let reader = csv::ReaderBuilder::new().buffer_capacity(64 << 10).from_reader(file);
            self.reader = Some(reader.into_records());
            (self.part, self.number) = (path, 0);
        }
    }
}

/// Returns the zip files that are meant.
fn zips_of(path: &Path) -> Result<Vec<PathBuf>, PackError> {
    let among = |folder: &Path, is_meant: &dyn Fn(&str) -> bool| {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.ends_with(".zip") && is_meant(name) {
                found.push(path);
            }
        }
        found.sort();
        Ok::<_, io::Error>(found)
    };
    if path.is_dir() {
        let found = among(path, &|_| true)?;
        if found.is_empty() {
            return wrong(&format!("{}: there is no zip file in it", path.display()));
        }
        return Ok(found);
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    match name.split_once(".part-") {
        Some((stem, number)) if number.trim_end_matches(".zip").parse::<u32>().is_ok() => {
            let begins = format!("{stem}.part-");
            Ok(among(folder.unwrap_or(Path::new(".")), &|name| name.starts_with(&begins))?)
        }
        _ => Ok(vec![path.to_owned()]),
    }
}

struct Hasher(Sha256);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
