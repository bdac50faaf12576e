//! What is known of each generation, added up from the batch headers in the order of their leaves.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::batch::BatchHeader;
use crate::source::{Generation, LeafIndex, Reader};

/// One content of a source's file, as far as it is in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationInfo {
    /// Its number: the leaf of its first header.
    pub generation: Generation,
    /// Whose file.
    pub source: Arc<str>,
    /// The older content with which it shares the bytes before `start`.
    pub parent: Option<Generation>,
    /// Who brought its last batch: a file that was followed may be completed by an import.
    pub reader: Reader,
    /// Offset of its first byte in the ledger.
    pub start: u64,
    /// Offset after its last byte in the ledger.
    pub end: u64,
    /// Its first line.
    pub first_line: LeafIndex,
    /// Its last line.
    pub last_line: LeafIndex,
    /// How many lines (leaves) it has.
    pub lines: u64,
    /// Its last line has no `\n`: the file was finished.
    pub unterminated: bool,
    /// When its last batch arrived, in nanoseconds since 1970.
    pub last_arrived_unix_ns: i64,
}

/// All generations, by number.
#[derive(Clone, Default)]
pub(super) struct Generations(BTreeMap<u64, GenerationInfo>);

impl GenerationInfo {
    /// Returns what one batch tells.
    pub(super) fn of_batch(header: &BatchHeader) -> GenerationInfo {
        let first = header.first_leaf.0;
        GenerationInfo {
            generation: header.generation,
            source: header.source.clone(),
            parent: header.parent,
            reader: header.reader,
            start: header.offset,
            end: header.end_offset(),
            first_line: LeafIndex(first + 1),
            last_line: LeafIndex(first + header.lengths.len() as u64),
            lines: header.lengths.len() as u64,
            unterminated: header.unterminated,
            last_arrived_unix_ns: header.arrived_unix_ns,
        }
    }

    /// Adds what comes right after.
    pub(super) fn go_on(&mut self, next: &GenerationInfo) {
        self.reader = next.reader;
        self.end = next.end;
        self.last_line = next.last_line;
        self.lines += next.lines;
        self.unterminated = next.unterminated;
        self.last_arrived_unix_ns = next.last_arrived_unix_ns;
    }
}

impl Generations {
    /// Adds a batch, unless it contradicts the ones before: then tells how.
    pub(super) fn add(&mut self, header: &BatchHeader) -> Result<(), String> {
        self.join(&GenerationInfo::of_batch(header))
    }

    /// Adds a part of a generation, unless it contradicts the ones before: then tells how.
    pub(super) fn join(&mut self, part: &GenerationInfo) -> Result<(), String> {
        let number = part.generation.0;
        if let Some(info) = self.0.get_mut(&number) {
            if info.source != part.source || info.parent != part.parent {
                return Err(format!(
                    "generation {number} is of {}, with another parent or source here",
                    info.source
                ));
            }
            if info.end != part.start {
                return Err(format!(
                    "generation {number} ends at byte {}, the batch begins at {}",
                    info.end, part.start
                ));
            }
            info.go_on(part);
            return Ok(());
        }
        if part.first_line.0.checked_sub(1) != Some(number) {
            return Err(format!("there is no generation {number}"));
        }
        if let Some(parent) = part.parent {
            let known = self.0.get(&parent.0).filter(|parent| parent.source == part.source);
            if known.is_none_or(|parent| parent.end < part.start) {
                return Err(format!(
                    "generation {} is no parent that reaches to byte {}",
                    parent.0, part.start
                ));
            }
        }
        self.0.insert(number, part.clone());
        Ok(())
    }

    pub(super) fn get(&self, generation: Generation) -> Option<&GenerationInfo> {
        self.0.get(&generation.0)
    }

    pub(super) fn from(&self, number: u64) -> impl Iterator<Item = &GenerationInfo> {
        self.0.range(number..).map(|(_, info)| info)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &GenerationInfo> {
        self.0.values()
    }
}
