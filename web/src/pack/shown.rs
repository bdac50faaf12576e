//! The raw lines of a pack: each is held against the proof, and its source and offset against its batch's header.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use ingest::ledger::{BatchHeader, Checkpoint, MultiProof, leaf_hash};
use ingest::source::LeafIndex;
use query::evidence::{COLUMNS, EVENT_COLUMNS, sha256};

use super::again::Again;
use super::verify::{Pack, wrong};
use super::zipped::LEAF_COLUMNS;
use super::{Entry, PackError, ScopeFile};

/// The longest line that a ledger keeps as one leaf.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// What was proven of each line: what a row says of it.
struct Line {
    sha256: String,
    source: Arc<str>,
    generation: u64,
    offset: u64,
    length: u64,
}

/// The leaves of a pack, proven.
pub(super) struct Shown {
    tree: Checkpoint,
    leaves: u64,
    lines: HashMap<u64, Line>,
}

impl Shown {
    /// Holds every leaf against the proof, and gives its lines on to be indexed again.
    pub(super) fn check(
        pack: &mut Pack,
        manifest: &[Entry],
        scope: &ScopeFile,
        again: &mut Again,
    ) -> Result<Shown, PackError> {
        let proof: MultiProof = pack.parsed("payload/raw/proof.txt")?;
        if proof.checkpoint.size != scope.at || proof.checkpoint.origin != scope.origin {
            return wrong("raw/proof.txt: it is for another tree than scope.json names");
        }
        let Some(mut check) = proof.check() else {
            return wrong("raw/proof.txt: it does not hold the hashes that its leaves need");
        };
        let mut shown = Shown { tree: proof.checkpoint.clone(), leaves: 0, lines: HashMap::new() };
        let leaves = rows(pack.large("raw/leaves.csv")?, "raw/leaves.csv")?;
        // Every row of a file has as many columns as its first.
        if leaves.first().is_some_and(|row| row.len() != LEAF_COLUMNS.len()) {
            return wrong("raw/leaves.csv: other columns than a pack has");
        }
        let mut headers = headers(pack.large("raw/headers.txt")?)?.into_iter();
        let parts = manifest.iter().filter(|entry| entry.path.starts_with("raw/lines-"));
        let mut parts: Vec<&str> = parts.map(|entry| &*entry.path).collect();
        parts.reverse();
        let mut leaves = leaves.into_iter().peekable();
        let mut part = 0;
        let mut header: Option<BatchHeader> = None;
        while let Some(path) = parts.pop() {
            part += 1;
            let mut lines = BufReader::new(GzDecoder::new(pack.large(path)?));
            while let Some(row) = leaves.next_if(|row| row[7] == part.to_string()) {
                let at = || format!("raw/leaves.csv, leaf {}", row[0]);
                let (Ok(number), Ok(length)) = (row[0].parse(), row[5].parse()) else {
                    return wrong(&format!("{}: no numbers", at()));
                };
                if check.next() != Some(LeafIndex(number)) || length > LINE_BYTES_MAX {
                    return wrong(&format!("{}: not a leaf of raw/proof.txt in its order", at()));
                }
                let is_header = row[1] == "header";
                let mut bytes = Vec::new();
                match is_header {
                    true => {
                        bytes = headers.next().filter(|(of, _)| *of == number).unwrap_or_default().1
                    }
                    false => drop(lines.by_ref().take(length).read_to_end(&mut bytes)?),
                }
                if sha256(&bytes) != row[6] || bytes.len() as u64 != length {
                    return wrong(&format!("{}: {path} or headers.txt holds other bytes", at()));
                }
                if is_header {
                    header = BatchHeader::of_leaf(&bytes, LeafIndex(number), &check.root_before());
                    if header.is_none() {
                        return wrong(&format!(
                            "raw/headers.txt, leaf {number}: no header, or one of the leaves before it was changed"
                        ));
                    }
                }
                check.leaf(leaf_hash(&bytes));
                let offset =
                    header.as_ref().and_then(|header| place(header, number, is_header, length));
                let (Some(of), Some(offset)) = (&header, offset) else {
                    return wrong(&format!(
                        "{}: no batch header, or none that names this line",
                        at()
                    ));
                };
                let what = match (is_header, &*of.source == ingest::ledger::OWN_SOURCE) {
                    (true, _) => "header",
                    (false, true) => "own",
                    (false, false) => "line",
                };
                let told = [what, &of.source, &of.generation.0.to_string(), &offset.to_string()];
                if told != [&row[1], &row[2], &row[3], &row[4]] {
                    return wrong(&format!("{}: its batch header says {told:?}", at()));
                }
                shown.leaves += 1;
                if !is_header {
                    again.line(of, number, offset, &bytes)?;
                    let (source, generation) = (of.source.clone(), of.generation.0);
                    shown.lines.insert(
                        number,
                        Line { sha256: row[6].clone(), source, generation, offset, length },
                    );
                }
            }
            if !lines.fill_buf()?.is_empty() {
                return wrong(&format!("{path}: more lines than raw/leaves.csv names"));
            }
        }
        if leaves.next().is_some() || headers.next().is_some() {
            return wrong("raw/leaves.csv or raw/headers.txt: more leaves than the parts hold");
        }
        match check.is_proven() {
            true => Ok(shown),
            false => wrong(
                "raw/proof.txt: the leaves do not make the root of the tree: one of them, or the proof, was changed",
            ),
        }
    }

    /// The tree that the leaves are in.
    pub(super) fn tree(&self) -> &Checkpoint {
        &self.tree
    }

    /// How many there are.
    pub(super) fn leaves(&self) -> u64 {
        self.leaves
    }

    /// Holds what rows say of their lines against the lines; `all`: none may be missing.
    pub(super) fn check_rows(
        &self,
        path: &str,
        file: impl Read,
        all: bool,
    ) -> Result<(), PackError> {
        for (number, row) in (1..).zip(rows(file, path)?) {
            if row.len() != COLUMNS.len() {
                return wrong(&format!("{path}, row {number}: {} columns", row.len()));
            }
            if row[EVENT_COLUMNS].is_empty() && row[EVENT_COLUMNS + 6].is_empty() {
                return wrong(&format!("{path}, row {number}: it names no line"));
            }
            for (half, told) in ["request", "response"].iter().zip(row[EVENT_COLUMNS..].chunks(6)) {
                if told[0].is_empty() {
                    continue;
                }
                let line = told[0].parse().ok().and_then(|leaf: u64| self.lines.get(&leaf));
                let Some(line) = line else {
                    if all {
                        return wrong(&format!(
                            "{path}, row {number}: leaf {} of its {half} is not in raw/",
                            told[0]
                        ));
                    }
                    continue;
                };
                let [generation, offset, length] =
                    [line.generation, line.offset, line.length].map(|number| number.to_string());
                if told[1..] != [&line.sha256, &*line.source, &generation, &offset, &length] {
                    return wrong(&format!(
                        "{path}, row {number}: SHA-256, source or place of its {half} is not that of leaf {}",
                        told[0]
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Returns the offset of a leaf if it is the header, or one of its lines with this length.
fn place(header: &BatchHeader, number: u64, is_header: bool, length: u64) -> Option<u64> {
    if is_header {
        return Some(header.offset);
    }
    let range = header.line_range(LeafIndex(number))?;
    (range.len() as u64 == length).then(|| header.offset + range.start as u64)
}

/// Reads the rows of a table below its heading.
pub(super) fn rows(file: impl Read, path: &str) -> Result<Vec<Vec<String>>, PackError> {
    let bad = |error: csv::Error| PackError::Wrong(format!("{path}: {error}"));
    let mut reader = csv::Reader::from_reader(BufReader::new(file));
    let mut rows = Vec::new();
    for record in reader.records() {
        rows.push(record.map_err(bad)?.iter().map(str::to_owned).collect());
    }
    Ok(rows)
}

fn headers(file: impl Read) -> Result<Vec<(u64, Vec<u8>)>, PackError> {
    let mut headers = Vec::new();
    for (at, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line?;
        let parts = line.split_once(' ');
        let read = parts.and_then(|(leaf, data)| {
            Some((leaf.parse().ok()?, BASE64_STANDARD.decode(data).ok()?))
        });
        let Some(read) = read else {
            return wrong(&format!("raw/headers.txt, line {at}: no leaf and base64"));
        };
        headers.push(read);
    }
    Ok(headers)
}
