//! What was proven of each line, on disk: a pack has more of them than memory is to be taken for.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::PackError;

/// SHA-256, source, generation, offset, length.
const BYTES: usize = 32 + 4 + 8 + 8 + 8;

/// What a row says of a line.
pub(super) struct Line {
    pub(super) sha256: [u8; 32],
    pub(super) source: Arc<str>,
    pub(super) generation: u64,
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// Takes lines in the order of their leaves.
pub(super) struct Lines {
    file: BufWriter<File>,
    /// Stretches of leaves without holes: the first, the one after the last, and how many lines stand before it.
    stretches: Vec<(u64, u64, u64)>,
    count: u64,
    sources: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

impl Lines {
    pub(super) fn new() -> Result<Lines, PackError> {
        Ok(Lines {
            file: BufWriter::new(tempfile::tempfile()?),
            stretches: Vec::new(),
            count: 0,
            sources: Vec::new(),
            numbers: HashMap::new(),
        })
    }

    /// Takes the line of a leaf above all others.
    pub(super) fn put(&mut self, leaf: u64, line: &Line) -> Result<(), PackError> {
        let source = *self.numbers.entry(line.source.clone()).or_insert_with(|| {
            self.sources.push(line.source.clone());
            u32::try_from(self.sources.len() - 1).expect("few sources")
        });
        self.file.write_all(&line.sha256)?;
        self.file.write_all(&source.to_le_bytes())?;
        for number in [line.generation, line.offset, line.length] {
            self.file.write_all(&number.to_le_bytes())?;
        }
        match self.stretches.last_mut() {
            Some((_, end, _)) if *end == leaf => *end += 1,
            _ => self.stretches.push((leaf, leaf + 1, self.count)),
        }
        self.count += 1;
        Ok(())
    }

    /// Ends the taking.
    pub(super) fn flush(&mut self) -> Result<(), PackError> {
        Ok(self.file.flush()?)
    }

    /// Returns the line of a leaf, if it is one of them.
    pub(super) fn get(&self, leaf: u64) -> Result<Option<Line>, PackError> {
        let at = self.stretches.partition_point(|(first, ..)| *first <= leaf);
        let Some(&(first, end, before)) = at.checked_sub(1).map(|at| &self.stretches[at]) else {
            return Ok(None);
        };
        if leaf >= end {
            return Ok(None);
        }
        let mut bytes = [0; BYTES];
        self.file.get_ref().read_exact_at(&mut bytes, (before + leaf - first) * BYTES as u64)?;
        let number =
            |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight of them"));
        let source = u32::from_le_bytes(bytes[32..36].try_into().expect("four of them"));
        Ok(Some(Line {
            sha256: bytes[..32].try_into().expect("32 of them"),
            source: self.sources[source as usize].clone(),
            generation: number(36),
            offset: number(44),
            length: number(52),
        }))
    }
}
