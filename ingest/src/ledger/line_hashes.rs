//! The hashes of a generation's lines, in the order of its file.

use super::Stream;
use super::batch::BatchHeader;
use super::error::LedgerError;
use super::generations::GenerationInfo;
use super::reader::LedgerReader;
use super::tree::Hash;
use super::walk::Cursor;
use crate::source::LeafIndex;

/// End offset and leaf hash of each line. Ends after an error.
pub struct LineHashes {
    reader: LedgerReader,
    /// Generations still to be read, the oldest last, each with the offset at which the next one takes over.
    parts: Vec<(GenerationInfo, u64)>,
    part: Option<Part>,
    /// Where to end, should a line be no older than this leaf.
    end: u64,
}

struct Part {
    info: GenerationInfo,
    limit: u64,
    cursor: Cursor,
    batch: Option<(BatchHeader, usize)>,
    /// Where the next line begins in the file.
    offset: u64,
}

impl LineHashes {
    /// `parts`: the generation itself first, its parents after it.
    pub(super) fn new(reader: LedgerReader, parts: Vec<(GenerationInfo, u64)>) -> LineHashes {
        LineHashes { reader, parts, part: None, end: u64::MAX }
    }

    /// Ends before the first line that is not below this leaf.
    pub(crate) fn below(self, leaf: u64) -> LineHashes {
        LineHashes { end: leaf, ..self }
    }

    fn line(&mut self) -> Result<Option<(u64, Hash)>, LedgerError> {
        loop {
            let Some(part) = &mut self.part else {
                let Some((info, limit)) = self.parts.pop() else { return Ok(None) };
                let stream =
                    if &*info.source == super::OWN_SOURCE { Stream::Own } else { Stream::Lines };
                let cursor = self.reader.cursor(stream, info.generation.0, self.reader.size())?;
                let offset = info.start;
                self.part = Some(Part { info, limit, cursor, batch: None, offset });
                continue;
            };
            match part.line()? {
                Some((_, leaf)) if leaf.0 >= self.end => return Ok(None),
                Some((end, leaf)) => return Ok(Some((end, self.reader.leaf_hash(leaf)?))),
                None => self.part = None,
            }
        }
    }
}

impl Part {
    /// Returns the end offset and leaf of the next line; `None` at the end of this part.
    fn line(&mut self) -> Result<Option<(u64, LeafIndex)>, LedgerError> {
        loop {
            if self.offset >= self.info.end.min(self.limit) {
                return Ok(None);
            }
            if let Some((header, line)) = &mut self.batch
                && let Some(&length) = header.lengths.get(*line)
            {
                let leaf = LeafIndex(header.first_leaf.0 + 1 + *line as u64);
                *line += 1;
                self.offset += u64::from(length);
                return Ok((self.offset <= self.limit).then_some((self.offset, leaf)));
            }
            let Some(header) = self.cursor.peek()? else {
                let (path, offset) = (self.cursor.path(), self.cursor.offset());
                let problem = format!("generation {} ends too early", self.info.generation.0);
                return Err(LedgerError::Corrupt { path, offset, problem });
            };
            let ours = header.generation == self.info.generation;
            let header = self.cursor.pass();
            self.batch = ours.then_some((header, 0));
        }
    }
}

impl Iterator for LineHashes {
    type Item = Result<(u64, Hash), LedgerError>;

    fn next(&mut self) -> Option<Result<(u64, Hash), LedgerError>> {
        let line = self.line();
        if line.is_err() {
            (self.parts, self.part) = (Vec::new(), None);
        }
        line.transpose()
    }
}
