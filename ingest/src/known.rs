//! The ledger as the memory of the tail: which contents were read before.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use crate::ledger::{GenerationInfo, LedgerError, LedgerReader, LineHashes};
use crate::record::ToLedger;
use crate::source::{Generation, Reader};
use crate::tail::{KnownContent, LastRead, LeafHash};

/// Answers the tail's question whether it has seen this content before.
///
/// A ledger that cannot be read gives no answer, and a wrong one would record lines twice. So the
/// failure is sent to the recorder, in order with what the tail sends, and the recorder takes nothing
/// that comes after it.
pub struct KnownFromLedger {
    ledger: LedgerReader,
    recorder: SyncSender<ToLedger>,
    first_lines: RefCell<FirstLines>,
}

/// How contents begin. A ledger only grows, so only what was added has to be looked at.
#[derive(Default)]
struct FirstLines {
    /// Generations below this number are in.
    to: u64,
    of: HashMap<Generation, LeafHash>,
    by_hash: HashMap<(Arc<str>, LeafHash), Vec<Generation>>,
}

impl KnownFromLedger {
    /// Returns the memory of this ledger, whose recorder reads from `recorder`.
    pub fn new(ledger: LedgerReader, recorder: SyncSender<ToLedger>) -> KnownFromLedger {
        KnownFromLedger { ledger, recorder, first_lines: RefCell::default() }
    }

    /// Waits until all that was sent to the recorder before can be read.
    fn refresh(&self) -> Result<(), LedgerError> {
        let (answer, answered) = sync_channel(1);
        // A recorder that is gone has flushed all that it will.
        if self.recorder.send(ToLedger::Barrier(answer)).is_ok() {
            let _ = answered.recv();
        }
        self.ledger.refresh().map(drop)
    }

    fn find(
        &self,
        source: &str,
        first_line_hash: &LeafHash,
    ) -> Result<Vec<Generation>, LedgerError> {
        self.refresh()?;
        let FirstLines { to, of, by_hash } = &mut *self.first_lines.borrow_mut();
        for info in self.ledger.generations_from(*to)? {
            let parent = info.parent.and_then(|parent| of.get(&parent).copied());
            let first = match parent {
                Some(first) => first,
                None => self.ledger.leaf_hash(info.first_line)?,
            };
            of.insert(info.generation, first);
            by_hash.entry((info.source, first)).or_default().push(info.generation);
            *to = info.generation.0 + 1;
        }
        Ok(by_hash.get(&(Arc::from(source), *first_line_hash)).cloned().unwrap_or_default())
    }

    fn last_leaf(&self, generation: Generation) -> Result<Option<(u64, LeafHash)>, LedgerError> {
        self.refresh()?;
        match self.ledger.generation(generation)? {
            Some(info) => Ok(Some((info.end, self.ledger.leaf_hash(info.last_line)?))),
            None => Ok(None),
        }
    }

    fn followed_last(&self, source: &str) -> Result<Option<LastRead>, LedgerError> {
        self.refresh()?;
        let generations = self.ledger.generations()?;
        let ours = |info: &&GenerationInfo| &*info.source == source && info.reader == Reader::Live;
        let followed = || generations.iter().filter(ours);
        let Some(began) = followed().max_by_key(|info| info.generation.0) else { return Ok(None) };
        let Some(grew) = followed().max_by_key(|info| info.last_line.0) else { return Ok(None) };
        let mut contents = vec![began.generation, grew.generation];
        contents.dedup();
        Ok(Some(LastRead { contents, arrived_unix_ns: grew.last_arrived_unix_ns }))
    }

    fn leaves(&self, generation: Generation) -> Result<LineHashes, LedgerError> {
        self.refresh()?;
        self.ledger.line_hashes(generation)
    }

    fn or_stop<T>(&self, result: Result<T, LedgerError>) -> Option<T> {
        match result {
            Ok(known) => Some(known),
            Err(error) => {
                // A recorder that is gone records nothing more, which is what the message asks for.
                let _ = self.recorder.send(ToLedger::Unknown(error));
                None
            }
        }
    }
}

impl KnownContent for KnownFromLedger {
    fn starting_with(&self, source: &str, first_line_hash: &LeafHash) -> Vec<Generation> {
        self.or_stop(self.find(source, first_line_hash)).unwrap_or_default()
    }

    fn lines(&self, generation: Generation) -> Box<dyn Iterator<Item = (u64, LeafHash)> + '_> {
        match self.or_stop(self.leaves(generation)) {
            Some(leaves) => Box::new(leaves.map_while(|leaf| self.or_stop(leaf))),
            None => Box::new(std::iter::empty()),
        }
    }

    fn end(&self, generation: Generation) -> Option<(u64, LeafHash)> {
        self.or_stop(self.last_leaf(generation)).flatten()
    }

    fn read_last(&self, source: &str) -> Option<LastRead> {
        self.or_stop(self.followed_last(source)).flatten()
    }
}
