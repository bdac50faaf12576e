//! The names that lead to files in one round, found by path or by file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::{FileKey, Stamp};
use crate::source::SourceId;

/// A name that leads to a file.
pub(super) struct Seen {
    pub(super) key: FileKey,
    pub(super) stamp: Stamp,
    pub(super) path: PathBuf,
    pub(super) source: Arc<SourceId>,
}

/// All names of a round. A thousand files are looked up a thousand times each round, hence the maps.
#[derive(Default)]
pub(super) struct Names {
    list: Vec<Seen>,
    by_key: HashMap<FileKey, Vec<usize>>,
    by_path: HashMap<PathBuf, usize>,
}

impl Names {
    /// Adds a name; of two patterns that match one path the first has it.
    pub(super) fn add(&mut self, seen: Seen) {
        if self.by_path.contains_key(&seen.path) {
            return;
        }
        self.by_path.insert(seen.path.clone(), self.list.len());
        self.by_key.entry(seen.key).or_default().push(self.list.len());
        self.list.push(seen);
    }

    /// Returns the names in the order of the patterns.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Seen> {
        self.list.iter()
    }

    /// Tells whether a name leads to this file.
    pub(super) fn lead_to(&self, key: FileKey) -> bool {
        self.by_key.contains_key(&key)
    }

    /// Returns the names of a file.
    pub(super) fn of(&self, key: FileKey) -> impl Iterator<Item = &Path> {
        self.by_key.get(&key).into_iter().flatten().map(|&index| &*self.list[index].path)
    }

    /// Returns the file to which a path leads, and what it looks like.
    pub(super) fn named(&self, path: &Path) -> Option<(FileKey, Stamp)> {
        self.by_path.get(path).map(|&index| (self.list[index].key, self.list[index].stamp))
    }

    /// Returns the file to which a path leads.
    pub(super) fn at(&self, path: &Path) -> Option<FileKey> {
        self.by_path.get(path).map(|&index| self.list[index].key)
    }
}
