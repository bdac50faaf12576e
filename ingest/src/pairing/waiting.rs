//! Lines that wait, found by request id and, oldest first, by leaf.

use std::collections::{BTreeMap, HashMap};

use super::RequestKey;
use crate::source::LeafIndex;

/// A set of lines of one source.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    by_id: HashMap<RequestKey, (LeafIndex, T)>,
    by_leaf: BTreeMap<LeafIndex, RequestKey>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Waiting<T> {
        Waiting { by_id: HashMap::new(), by_leaf: BTreeMap::new() }
    }
}

impl<T> Waiting<T> {
    pub(super) fn len(&self) -> usize {
        self.by_leaf.len()
    }

    pub(super) fn contains(&self, key: RequestKey) -> bool {
        self.by_id.contains_key(&key)
    }

    pub(super) fn get_mut(&mut self, key: RequestKey) -> Option<&mut T> {
        self.by_id.get_mut(&key).map(|(_, value)| value)
    }

    pub(super) fn first(&self) -> Option<LeafIndex> {
        self.by_leaf.keys().next().copied()
    }

    pub(super) fn leaves_from(&self, leaf: LeafIndex) -> impl Iterator<Item = LeafIndex> {
        self.by_leaf.range(leaf..).map(|(&leaf, _)| leaf)
    }

    pub(super) fn leaves_below(&self, leaf: LeafIndex) -> Vec<LeafIndex> {
        self.by_leaf.range(..leaf).map(|(&leaf, _)| leaf).collect()
    }

    /// Returns the oldest line if there are more than `max`.
    pub(super) fn over(&self, max: usize) -> Option<LeafIndex> {
        if self.len() > max { self.first() } else { None }
    }

    pub(super) fn insert(&mut self, key: RequestKey, leaf: LeafIndex, value: T) {
        if let Some((old, _)) = self.by_id.insert(key, (leaf, value)) {
            self.by_leaf.remove(&old);
        }
        self.by_leaf.insert(leaf, key);
    }

    pub(super) fn remove(&mut self, key: RequestKey) -> Option<(LeafIndex, T)> {
        let (leaf, value) = self.by_id.remove(&key)?;
        self.by_leaf.remove(&leaf);
        Some((leaf, value))
    }

    pub(super) fn remove_leaf(&mut self, leaf: LeafIndex) -> Option<(RequestKey, T)> {
        let key = self.by_leaf.remove(&leaf)?;
        self.by_id.remove(&key).map(|(_, value)| (key, value))
    }

    /// Forgets the oldest lines beyond `max`.
    pub(super) fn forget_over(&mut self, max: usize) {
        while let Some(leaf) = self.over(max) {
            self.remove_leaf(leaf);
        }
    }
}
