//! Which rotated files may be removed: those of which every byte is in sealed segments.
//!
//! Names say which files are rotated ones; whether all of one is kept, its content says, leaf by leaf.

use std::cell::RefCell;

use crate::ledger::{LedgerError, LedgerReader, LineHashes};
use crate::source::Generation;
use crate::tail::{FollowedSource, KnownContent, LeafHash, RotatedFile, TailError, rotated_files};

/// Compares the rotated files of these sources with the sealed part of the ledger.
///
/// # Errors
/// The ledger or a pattern cannot be read. A file that cannot be is not safe.
pub fn rotated(
    sources: &[FollowedSource],
    ledger: &LedgerReader,
) -> Result<Vec<RotatedFile>, SafeError> {
    let known = SealedContent { ledger, sealed: ledger.sealed()?, failure: RefCell::default() };
    let files = rotated_files(sources, &known)?;
    match known.failure.into_inner() {
        Some(error) => Err(error.into()),
        None => Ok(files),
    }
}

/// Why nothing can be said about rotated files.
#[derive(Debug, thiserror::Error)]
pub enum SafeError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A pattern is not one.
    #[error(transparent)]
    Tail(#[from] TailError),
}

/// The sealed part of a ledger as a memory of contents.
struct SealedContent<'a> {
    ledger: &'a LedgerReader,
    /// Every line below this leaf is in a sealed segment.
    sealed: u64,
    failure: RefCell<Option<LedgerError>>,
}

impl SealedContent<'_> {
    fn or_note<T>(&self, result: Result<T, LedgerError>) -> Option<T> {
        result.map_err(|error| self.failure.replace(Some(error))).ok()
    }

    fn find(&self, source: &str, first: &LeafHash) -> Result<Vec<Generation>, LedgerError> {
        let mut found = Vec::new();
        for info in self.ledger.generations()?.iter().filter(|info| &*info.source == source) {
            let first_line = self.ledger.line_hashes(info.generation)?.next().transpose()?;
            if first_line.is_some_and(|(_, hash)| hash == *first) {
                found.push(info.generation);
            }
        }
        Ok(found)
    }
}

impl KnownContent for SealedContent<'_> {
    fn starting_with(&self, source: &str, first_line_hash: &LeafHash) -> Vec<Generation> {
        self.or_note(self.find(source, first_line_hash)).unwrap_or_default()
    }

    fn lines(&self, generation: Generation) -> Box<dyn Iterator<Item = (u64, LeafHash)> + '_> {
        let lines =
            self.ledger.line_hashes(generation).map(|lines: LineHashes| lines.below(self.sealed));
        match self.or_note(lines) {
            Some(lines) => Box::new(lines.map_while(|line| self.or_note(line))),
            None => Box::new(std::iter::empty()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::*;
    use crate::ledger::{Ledger, NewBatch, Stream};
    use crate::source::{Lines, Reader};

    fn lines(count: u32, last: &str) -> String {
        (0..count).map(|number| format!("line {number}\n")).collect::<String>() + last
    }

    fn append(
        ledger: &mut Ledger,
        generation: Option<Generation>,
        offset: u64,
        text: &str,
    ) -> Generation {
        let mut lines = Lines::default();
        text.split_inclusive('\n').for_each(|line| lines.push(line.as_bytes()));
        let new = NewBatch {
            stream: Stream::Lines,
            source: "prod/bao-0/file",
            generation,
            parent: None,
            offset,
            reader: Reader::Live,
            arrived_unix_ns: 0,
            continued: false,
            unterminated: !text.ends_with('\n'),
            lines: &lines,
        };
        ledger.append(&new).unwrap().generation
    }

    /// What is said of each rotated file, by name.
    fn said(folder: &Path, reader: &LedgerReader) -> Vec<(String, bool)> {
        reader.refresh().unwrap();
        let pattern = folder.join("audit.log").display().to_string();
        let sources = [FollowedSource { source: "prod/bao-0/file".parse().unwrap(), pattern }];
        let files = rotated(&sources, reader).unwrap();
        let name = |file: &RotatedFile| file.path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut said: Vec<_> = files.iter().map(|file| (name(file), file.safe_to_remove)).collect();
        said.sort();
        said
    }

    #[test]
    fn a_file_is_safe_once_every_byte_is_sealed_whatever_its_name_says() {
        let folder = tempfile::tempdir().unwrap();
        let data = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(data.path(), "prod").unwrap();
        let whole = lines(500, "the end");
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        put("audit.log", &whole);
        put("audit.log.1", &whole);
        put("audit.log.2", &lines(500, "another end"));
        put("audit.log.3", &(whole.clone() + "\nand more\n"));
        put("audit.log.4", "never read\n");
        put("audit.log.5", &lines(400, ""));
        put("audit.log.6", "");
        let file = std::fs::File::create(folder.path().join("audit.log.7.gz")).unwrap();
        let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        gz.write_all(whole.as_bytes()).unwrap();
        gz.finish().unwrap();
        let torn = std::fs::read(folder.path().join("audit.log.7.gz")).unwrap();
        std::fs::write(folder.path().join("audit.log.8.gz"), &torn[..torn.len() - 12]).unwrap();

        let (first, rest) = whole.split_at(lines(250, "").len());
        let generation = append(&mut ledger, None, 0, first);
        ledger.finish_old_segments(i64::MAX).unwrap();
        append(&mut ledger, Some(generation), first.len() as u64, rest);
        ledger.checkpoint().unwrap();
        let reader = LedgerReader::open(data.path()).unwrap();
        let sealer = ledger.sealer().unwrap();
        let safe = |names: &[&str]| -> Vec<(String, bool)> {
            let all = [
                "audit.log.1",
                "audit.log.2",
                "audit.log.3",
                "audit.log.4",
                "audit.log.5",
                "audit.log.6",
                "audit.log.7.gz",
                "audit.log.8.gz",
            ];
            all.iter().map(|name| ((*name).to_owned(), names.contains(name))).collect()
        };
        assert_eq!(said(folder.path(), &reader), safe(&["audit.log.6"]), "nothing is sealed");
        assert!(sealer.seal_next().unwrap().is_some());
        assert_eq!(said(folder.path(), &reader), safe(&["audit.log.6"]), "half is sealed");
        ledger.finish_old_segments(i64::MAX).unwrap();
        assert!(sealer.seal_next().unwrap().is_some());
        assert_eq!(
            said(folder.path(), &reader),
            safe(&["audit.log.1", "audit.log.5", "audit.log.6", "audit.log.7.gz"])
        );
    }
}
