//! The raw lines of a pack: each is held against the proof, and its source and offset against its batch's header.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use ingest::ledger::{BatchHeader, Checkpoint, MultiProof, OWN_SOURCE, leaf_hash};
use ingest::source::LeafIndex;
use query::evidence::{COLUMNS, EVENT_COLUMNS, hex};
use sha2::{Digest, Sha256};

use super::again::Again;
use super::lines::{Line, Lines};
use super::opened::{Pack, Rows};
use super::own::Own;
use super::raw::{LEAF_COLUMNS, lines_path};
use super::verify::wrong;
use super::zipped::part_path;
use super::{PackError, Progress, ScopeFile, Step, TOLD_EACH};

/// The longest line that a ledger keeps as one leaf.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// The leaves of a pack, proven.
pub(super) struct Shown {
    tree: Checkpoint,
    leaves: u64,
    lines: Lines,
    /// What keytrail's own lines tell.
    pub(super) own: Own,
}

impl Shown {
    /// Holds every leaf against the proof, and gives its lines on to be indexed again.
    pub(super) fn check(
        pack: &mut Pack,
        scope: &ScopeFile,
        again: &mut Again,
        progress: Progress<'_>,
    ) -> Result<Shown, PackError> {
        let proof: MultiProof = pack.parsed("payload/raw/proof.txt")?;
        if proof.checkpoint.size != scope.at || proof.checkpoint.origin != scope.origin {
            return wrong("raw/proof.txt: it is for another tree than scope.json names");
        }
        let Some(mut check) = proof.check() else {
            return wrong("raw/proof.txt: it does not hold the hashes that its leaves need");
        };
        let tree = proof.checkpoint.clone();
        let all = proof.leaves.iter().map(|range| range.end - range.start).sum();
        let mut shown = Shown { tree, leaves: 0, lines: Lines::new()?, own: Own::default() };
        let mut rows = pack.rows("raw/leaves")?;
        let mut files = Files::default();
        let mut header: Option<BatchHeader> = None;
        while let Some((_, row)) = rows.next(pack)? {
            // Every row of a file has as many columns as its first.
            if row.len() != LEAF_COLUMNS.len() {
                return wrong("raw/leaves.csv: other columns than a pack has");
            }
            let at = || format!("raw/leaves.csv, leaf {}", &row[0]);
            let (Ok(number), Ok(length), Ok(part)) =
                (row[0].parse(), row[5].parse(), row[7].parse())
            else {
                return wrong(&format!("{}: no numbers", at()));
            };
            if check.next() != Some(LeafIndex(number)) || length > LINE_BYTES_MAX {
                return wrong(&format!("{}: not a leaf of raw/proof.txt in its order", at()));
            }
            let is_header = &row[1] == "header";
            let bytes = files.bytes(pack, &row[1], part, number, length)?;
            let sha256: [u8; 32] = Sha256::digest(&bytes).into();
            if hex(&sha256) != row[6] || bytes.len() as u64 != length {
                return wrong(&format!("{}: its part holds other bytes", at()));
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
                return wrong(&format!("{}: no batch header, or none that names this line", at()));
            };
            let what = match (is_header, &*of.source == OWN_SOURCE) {
                (true, _) => "header",
                (false, true) => "own",
                (false, false) => "line",
            };
            let told = [what, &of.source, &of.generation.0.to_string(), &offset.to_string()];
            if told != [&row[1], &row[2], &row[3], &row[4]] {
                return wrong(&format!("{}: its batch header says {told:?}", at()));
            }
            shown.leaves += 1;
            if shown.leaves.is_multiple_of(TOLD_EACH) {
                progress(Step::Leaves, shown.leaves, all);
            }
            if is_header {
                continue;
            }
            if what == "own" {
                shown.own.take(number, &bytes);
            }
            again.line(of, number, offset, &bytes)?;
            let (source, generation): (Arc<str>, u64) = (of.source.clone(), of.generation.0);
            shown.lines.put(number, &Line { sha256, source, generation, offset, length })?;
        }
        shown.lines.flush()?;
        files.are_read(pack)?;
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

    /// Holds what the rows of a table say of their lines against the lines; `all`: none may be missing. `before` columns
    /// stand before those of a population.
    pub(super) fn check_rows(
        &self,
        pack: &mut Pack,
        stem: &str,
        before: usize,
        all: bool,
    ) -> Result<(), PackError> {
        let mut rows: Rows = pack.rows(stem)?;
        while let Some((at, row)) = rows.next(pack)? {
            self.check_row(&at, &row, before, all)?;
        }
        Ok(())
    }

    /// The same for one row.
    pub(super) fn check_row(
        &self,
        at: &str,
        row: &csv::StringRecord,
        before: usize,
        all: bool,
    ) -> Result<(), PackError> {
        if row.len() != before + COLUMNS.len() {
            return wrong(&format!("{at}: {} columns", row.len()));
        }
        let cells: Vec<&str> = row.iter().skip(before + EVENT_COLUMNS).collect();
        if cells[0].is_empty() && cells[6].is_empty() {
            return wrong(&format!("{at}: it names no line"));
        }
        for (half, told) in ["request", "response"].iter().zip(cells.chunks(6)) {
            if told[0].is_empty() {
                continue;
            }
            let line = match told[0].parse() {
                Ok(leaf) => self.lines.get(leaf)?,
                Err(_) => None,
            };
            let Some(line) = line else {
                if all {
                    return wrong(&format!("{at}: leaf {} of its {half} is not in raw/", told[0]));
                }
                continue;
            };
            let [generation, offset, length] =
                [line.generation, line.offset, line.length].map(|number| number.to_string());
            let is = [&hex(&line.sha256), &*line.source, &generation, &offset, &length];
            if told[1..] != is {
                return wrong(&format!(
                    "{at}: SHA-256, source or place of its {half} is not that of leaf {}",
                    told[0]
                ));
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

type Open = BufReader<Box<dyn Read>>;

/// The files that hold the leaves themselves, each read along.
#[derive(Default)]
struct Files {
    lines: Option<(u64, Open)>,
    own: Option<(u64, Open)>,
    headers: Option<(u64, Open)>,
}

impl Files {
    /// Reads the bytes of the next leaf.
    fn bytes(
        &mut self,
        pack: &mut Pack,
        what: &str,
        part: u64,
        leaf: u64,
        length: u64,
    ) -> Result<Vec<u8>, PackError> {
        let (place, is_gzip) = match what {
            "header" => (&mut self.headers, false),
            "own" => (&mut self.own, false),
            _ => (&mut self.lines, true),
        };
        if place.as_ref().is_none_or(|(open, _)| *open != part) {
            let before = place.take().map_or(0, |(open, mut file)| {
                let is_left = file.fill_buf().is_ok_and(|left| !left.is_empty());
                if is_left { u64::MAX } else { open }
            });
            if part != before.wrapping_add(1) {
                return wrong(&format!(
                    "raw/leaves.csv, leaf {leaf}: part {part} is not the next one, or the one before has more lines than raw/leaves.csv names"
                ));
            }
            let path = path(what, part);
            let file = pack.large(&path)?;
            let file: Box<dyn Read> = if is_gzip { Box::new(GzDecoder::new(file)) } else { file };
            *place = Some((part, BufReader::new(file)));
        }
        let Some((_, file)) = place else { return Ok(Vec::new()) };
        let mut bytes = Vec::new();
        match what {
            "header" => {
                let mut line = String::new();
                file.take(2 * LINE_BYTES_MAX).read_line(&mut line)?;
                let read = line.trim_end_matches('\n').split_once(' ').and_then(|(of, data)| {
                    (of.parse() == Ok(leaf)).then(|| BASE64_STANDARD.decode(data).ok())?
                });
                let Some(read) = read else {
                    return wrong(&format!(
                        "raw/headers.txt: there is no leaf {leaf} and base64 where it should be"
                    ));
                };
                bytes = read;
            }
            _ => drop(file.take(length).read_to_end(&mut bytes)?),
        }
        Ok(bytes)
    }

    /// All of them were read to their ends, and there is none more.
    fn are_read(self, pack: &mut Pack) -> Result<(), PackError> {
        let all = [("header", self.headers), ("own", self.own), ("line", self.lines)];
        for (what, open) in all {
            let (part, mut file) = match open {
                Some(open) => open,
                // The first part is there also where no leaf is in it.
                None if pack.has(&path(what, 1)) => {
                    let file = pack.large(&path(what, 1))?;
                    let file: Box<dyn Read> = match what {
                        "line" => Box::new(GzDecoder::new(file)),
                        _ => file,
                    };
                    (1, BufReader::new(file))
                }
                None => (0, BufReader::new(Box::new(io::empty()) as Box<dyn Read>)),
            };
            let next = path(what, part + 1);
            if !file.fill_buf()?.is_empty() || pack.has(&next) {
                return wrong(&format!(
                    "{}: more than raw/leaves.csv names",
                    path(what, part.max(1))
                ));
            }
        }
        Ok(())
    }
}

fn path(what: &str, part: u64) -> String {
    match what {
        "header" => part_path("raw/headers", "txt", part),
        "own" => part_path("own/lines", "jsonl", part),
        _ => lines_path(part),
    }
}
