//! The lines of a pack put into a ledger and an index of their own, of which the same question is asked.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ingest::indexer::Indexer;
use ingest::ledger::{BatchHeader, Ledger, LedgerReader, NewBatch, Stream};
use ingest::normalise::Rules;
use ingest::own::{Fact, OwnLine};
use ingest::source::{Generation, Lines};
use query::trail::Trail;

use super::{PackError, Progress, ScopeFile, Step};

/// Lines that are appended together.
const BATCH_BYTES: usize = 1 << 20;

/// A ledger that is being made of a pack's lines.
pub(super) struct Again {
    data: PathBuf,
    ledger: Ledger,
    /// Of each generation of the pack the one here, and up to where it goes.
    generations: HashMap<u64, (Generation, u64)>,
    waiting: Option<Waiting>,
}

/// Lines of one batch that follow each other.
struct Waiting {
    header: BatchHeader,
    offset: u64,
    next: u64,
    lines: Lines,
}

impl Again {
    pub(super) fn new(work: &Path, scope: &ScopeFile) -> Result<Again, PackError> {
        if scope.rules != Rules::builtin().version() {
            return Err(PackError::Wrong(format!(
                "the pack's rows were made by rules {}, this keytrail has {}: take the keytrail that issue.json names",
                scope.rules,
                Rules::builtin().version()
            )));
        }
        let data = work.join("data");
        let ledger = Ledger::open(&data, &scope.cluster)?;
        Ok(Again { data, ledger, generations: HashMap::new(), waiting: None })
    }

    /// Takes the next line.
    pub(super) fn line(
        &mut self,
        header: &BatchHeader,
        leaf: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), PackError> {
        let own = || OwnLine::parse(bytes).map(|line| line.fact);
        // What was removed later was there when these rows were made; and leaves have other numbers here.
        if header.stream == Stream::Own && matches!(own(), Some(Fact::Retained { .. })) {
            return Ok(());
        }
        let goes_on = self.waiting.as_ref().is_some_and(|waiting| {
            waiting.header.first_leaf == header.first_leaf
                && waiting.next == leaf
                && waiting.lines.bytes.len() + bytes.len() <= BATCH_BYTES
        });
        if !goes_on {
            self.append()?;
        }
        let begin =
            || Waiting { header: header.clone(), offset, next: leaf, lines: Lines::default() };
        let waiting = self.waiting.get_or_insert_with(begin);
        waiting.lines.push(bytes);
        waiting.next += 1;
        Ok(())
    }

    fn append(&mut self) -> Result<(), PackError> {
        let Some(Waiting { header, offset, next, lines }) = self.waiting.take() else {
            return Ok(());
        };
        let known = self.generations.get(&header.generation.0).filter(|(_, end)| *end == offset);
        let is_last = next == header.end();
        let appended = self.ledger.append(&NewBatch {
            stream: header.stream,
            source: &header.source,
            generation: known.map(|(generation, _)| *generation),
            parent: None,
            offset,
            reader: header.reader,
            arrived_unix_ns: header.arrived_unix_ns,
            continued: header.continued && is_last,
            unterminated: header.unterminated && is_last,
            lines: &lines,
        })?;
        let end = offset + lines.bytes.len() as u64;
        self.generations.insert(header.generation.0, (appended.generation, end));
        Ok(())
    }

    /// Indexes the lines.
    pub(super) fn index(mut self, progress: Progress<'_>) -> Result<Trail, PackError> {
        self.append()?;
        self.ledger.checkpoint()?;
        let (folder, ledger) = (self.data.join("index"), LedgerReader::open(&self.data)?);
        let all = ledger.size();
        let mut indexer = Indexer::open(&folder, ledger, Rules::builtin())?.in_bulk()?;
        indexer.catch_up(&mut |done| {
            progress(Step::Indexing, done, all);
            true
        })?;
        indexer.commit()?;
        indexer.publish()?.finish()?;
        Ok(Trail::open(&self.data)?)
    }
}
