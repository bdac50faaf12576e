//! A ledger in memory that holds the tail to its word: no hole, no overlap, nothing unopened.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bench::source;
use crate::record::now_unix_ns;
use crate::source::Generation;
use crate::tail::identity::leaf_hash;
use crate::tail::lines::LeafStream;
use crate::tail::{FileId, KnownContent, LastRead, LeafHash, Start, TailItem};

/// Clones are the same ledger.
#[derive(Clone, Default)]
pub(super) struct Model(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    generations: Vec<Content>,
    /// Where the lines of a file go, and the offset of its next one.
    files: HashMap<FileId, (usize, u64)>,
    /// Received, and not yet known.
    under_way: Vec<TailItem>,
    batches: usize,
    arrived_unix_ns: i64,
}

#[derive(Clone)]
struct Content {
    source: String,
    leaves: Vec<(u64, LeafHash)>,
    bytes: Vec<u8>,
    /// How many batches the ledger had with its last one.
    grown: usize,
    /// Leaves that it does not share with its parent.
    own: Vec<Vec<u8>>,
}

impl Model {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a ledger that knows these contents, each with its place in the list as its generation.
    pub(super) fn knowing(contents: &[&str]) -> Model {
        let model = Model::default();
        for content in contents {
            let mut stream = LeafStream::new(content.as_bytes(), 1 << 16);
            let (mut leaves, mut own, mut end) = (Vec::new(), Vec::new(), 0);
            while let Some(batch) = stream.next().or_else(|| stream.finish()) {
                for line in batch.lines.iter() {
                    end += line.len() as u64;
                    leaves.push((end, leaf_hash(line)));
                    own.push(line.to_vec());
                }
            }
            let (source, bytes) = (source().to_string(), content.as_bytes().to_vec());
            model.lock().generations.push(Content { source, leaves, bytes, grown: 0, own });
        }
        model
    }

    /// Takes an item; it is known after [`Model::commit`].
    pub(super) fn receive(&self, item: &TailItem) {
        self.lock().under_way.push(item.clone());
    }

    pub(super) fn commit(&self) {
        let mut inner = self.lock();
        for item in std::mem::take(&mut inner.under_way) {
            inner.apply(item);
        }
    }

    /// Loses what is not known yet, as a killed process does.
    pub(super) fn crash(&self) {
        let mut inner = self.lock();
        inner.under_way.clear();
        inner.files.clear();
    }

    /// Returns each generation's bytes, what it shares included.
    pub(super) fn contents(&self) -> Vec<Vec<u8>> {
        self.lock().generations.iter().map(|content| content.bytes.clone()).collect()
    }

    /// Returns every leaf once.
    pub(super) fn leaves(&self) -> Vec<Vec<u8>> {
        self.lock().generations.iter().flat_map(|content| content.own.clone()).collect()
    }
}

impl Inner {
    fn apply(&mut self, item: TailItem) {
        match item {
            TailItem::Opened { file, source, start, .. } => {
                let place = match start {
                    Start::Known(position) => (index(position.generation), position.offset),
                    Start::New { parent } => {
                        let (leaves, bytes) = match parent {
                            None => (Vec::new(), Vec::new()),
                            Some((generation, to)) => self.shared(generation, to),
                        };
                        let offset = bytes.len() as u64;
                        self.generations.push(Content {
                            source: source.to_string(),
                            leaves,
                            bytes,
                            grown: 0,
                            own: Vec::new(),
                        });
                        (self.generations.len() - 1, offset)
                    }
                };
                assert!(self.files.insert(file, place).is_none(), "{file:?} is opened once");
            }
            TailItem::Lines { file, offset, lines, .. } => {
                assert!(!lines.is_empty());
                let (generation, next) = self.files.get_mut(&file).expect("opened before");
                let content = &mut self.generations[*generation];
                self.batches += 1;
                self.arrived_unix_ns = now_unix_ns();
                content.grown = self.batches;
                assert_eq!(offset, *next, "{file:?} goes on where it was");
                assert_eq!(
                    offset,
                    content.bytes.len() as u64,
                    "{file:?} repeats nothing of its generation"
                );
                for line in lines.iter() {
                    content.bytes.extend_from_slice(line);
                    content.leaves.push((content.bytes.len() as u64, leaf_hash(line)));
                    content.own.push(line.to_vec());
                }
                *next = content.bytes.len() as u64;
            }
            TailItem::Finished { file } => {
                assert!(self.files.remove(&file).is_some(), "{file:?} was open")
            }
            TailItem::Notice(_) | TailItem::CaughtUp => {}
        }
    }

    fn shared(&self, generation: Generation, to: u64) -> (Vec<(u64, LeafHash)>, Vec<u8>) {
        let parent = &self.generations[index(generation)];
        assert!(parent.leaves.iter().any(|&(end, _)| end == to), "contents part between leaves");
        let leaves = parent.leaves.iter().copied().take_while(|&(end, _)| end <= to).collect();
        (leaves, parent.bytes[..usize::try_from(to).expect("small")].to_vec())
    }
}

fn index(generation: Generation) -> usize {
    usize::try_from(generation.0).expect("small")
}

impl KnownContent for Model {
    fn starting_with(&self, source: &str, first_line_hash: &LeafHash) -> Vec<Generation> {
        let inner = self.lock();
        let alike = inner.generations.iter().enumerate().filter(|(_, content)| {
            content.source == source
                && content.leaves.first().is_some_and(|(_, first)| first == first_line_hash)
        });
        alike.map(|(index, _)| Generation(index as u64)).collect()
    }

    fn lines(&self, generation: Generation) -> Box<dyn Iterator<Item = (u64, LeafHash)> + '_> {
        Box::new(self.lock().generations[index(generation)].leaves.clone().into_iter())
    }

    fn end(&self, generation: Generation) -> Option<(u64, LeafHash)> {
        self.lock().generations[index(generation)].leaves.last().copied()
    }

    fn read_last(&self, source: &str) -> Option<LastRead> {
        let inner = self.lock();
        let ours = || {
            let all = inner.generations.iter().enumerate();
            all.filter(|(_, content)| content.source == source && content.grown > 0)
        };
        let began = ours().next_back()?.0;
        let (grew, _) = ours().max_by_key(|(_, content)| content.grown)?;
        let mut contents = vec![Generation(began as u64), Generation(grew as u64)];
        contents.dedup();
        Some(LastRead { contents, arrived_unix_ns: inner.arrived_unix_ns })
    }
}
