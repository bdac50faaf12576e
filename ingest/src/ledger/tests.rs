#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

mod backup;
mod crash;
mod footers;
mod format;
mod golden;
mod keys;
mod power;
mod proofs;
mod reading;
mod refusing_disk;
mod retention;
mod sealing;
mod tamper_matrix;
mod tampering;
mod writing;

const NODE: &str = "prod/bao-0/file";

/// A data folder that goes when the test ends.
struct Data {
    folder: tempfile::TempDir,
}

impl Data {
    fn new() -> Data {
        Data { folder: tempfile::tempdir().unwrap() }
    }

    /// In memory where the system has such a place, for tests that make thousands of files.
    fn in_memory() -> Data {
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        Data { folder: folder.unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn open(&self) -> Ledger {
        self.open_small(SEGMENT_BYTES)
    }

    fn open_small(&self, segment_bytes: u64) -> Ledger {
        Ledger::open_with(self.path(), "prod", segment_bytes).unwrap()
    }

    fn reader(&self) -> LedgerReader {
        LedgerReader::open(self.path()).unwrap()
    }

    fn verify(&self) -> Verification {
        verify(self.path(), &VerifyOptions::default(), &mut |_, _| {}).unwrap()
    }

    /// The segments of a stream, in order.
    fn segments(&self, stream: Stream) -> Vec<PathBuf> {
        segments(self.path(), stream)
    }
}

fn segments(data: &Path, stream: Stream) -> Vec<PathBuf> {
    let ledger = data.join("ledger");
    let firsts = segment::list_segments(&ledger, stream).unwrap();
    firsts.iter().map(|&first| segment::segment_path(&ledger, stream, first)).collect()
}

fn lines(text: &str) -> Lines {
    let mut lines = Lines::default();
    text.split_inclusive('\n').for_each(|line| lines.push(line.as_bytes()));
    lines
}

/// Twelve lines, in a batch each, after what the source has.
fn a_dozen(ledger: &mut Ledger) {
    for number in 0..12 {
        let known = ledger.generations().find(|info| &*info.source == NODE);
        let generation = known.map(|info| info.generation);
        append(ledger, generation, &format!("{number} of a dozen\n"));
    }
}

fn batch<'a>(lines: &'a Lines, generation: Option<Generation>, offset: u64) -> NewBatch<'a> {
    NewBatch {
        stream: Stream::Lines,
        source: NODE,
        generation,
        parent: None,
        offset,
        reader: Reader::Live,
        arrived_unix_ns: 1_700_000_000_000_000_000,
        continued: false,
        unterminated: false,
        lines,
    }
}

fn own(lines: &Lines) -> NewBatch<'_> {
    NewBatch { stream: Stream::Own, source: OWN_SOURCE, ..batch(lines, None, 0) }
}

/// Appends text to the end of a generation.
fn append(ledger: &mut Ledger, generation: Option<Generation>, text: &str) -> Appended {
    let offset = ledger
        .generations()
        .find(|info| Some(info.generation) == generation)
        .map_or(0, |info| info.end);
    ledger.append(&batch(&lines(text), generation, offset)).unwrap()
}

/// Every batch from a leaf on, as a person would note it: its leaf, source, offset and lines.
fn notes(reader: &LedgerReader, from: u64) -> String {
    let mut notes = String::new();
    for batch in reader.batches(LeafIndex(from)) {
        let ReadBatch { header, lines, .. } = batch.unwrap();
        let text = String::from_utf8_lossy(&lines.bytes).replace('\n', "$");
        notes += &format!(
            "{} {} {}@{} {text}\n",
            header.first_leaf, header.source, header.generation.0, header.offset
        );
    }
    notes
}

/// Flips one bit.
fn flip(path: &Path, at: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at as usize] ^= 1;
    fs::write(path, bytes).unwrap();
}
