//! Sources by number, and which of them are audit devices of one node.

use std::collections::HashMap;

use super::IndexerError;
use crate::own::OWN_SOURCE;
use crate::source::{LeafIndex, SourceId};

/// Sources by number, in the order in which the ledger first names them.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) names: Vec<SourceId>,
    numbers: HashMap<String, u32>,
    /// Sources that have given lines, in the order of their first lines.
    giving: Vec<u32>,
    /// Of each source its node, by number.
    nodes: Vec<usize>,
    /// Of each node its sources that have given lines, its first device first.
    devices: Vec<Vec<u32>>,
}

impl Sources {
    /// Takes up what a commit knew.
    pub(super) fn restore(
        names: &[String],
        giving: &[u32],
        leaf: LeafIndex,
    ) -> Result<Sources, IndexerError> {
        let mut sources = Sources::default();
        for name in names {
            sources.number(name, leaf)?;
        }
        for &source in giving.iter().filter(|&&source| (source as usize) < names.len()) {
            sources.gives(source);
        }
        Ok(sources)
    }

    /// Returns the number of a source; a new one if it has none.
    pub(super) fn number(&mut self, name: &str, leaf: LeafIndex) -> Result<u32, IndexerError> {
        debug_assert_ne!(name, OWN_SOURCE, "our own lines have no requests");
        if let Some(&number) = self.numbers.get(name) {
            return Ok(number);
        }
        let source: SourceId =
            name.parse().map_err(|error| IndexerError::Source { leaf, error })?;
        let same =
            |other: &SourceId| (&other.cluster, &other.node) == (&source.cluster, &source.node);
        let node = self.names.iter().position(same).map(|other| self.nodes[other]);
        self.nodes.push(node.unwrap_or(self.devices.len()));
        if node.is_none() {
            self.devices.push(Vec::new());
        }
        let number = u32::try_from(self.names.len()).expect("far fewer sources than that");
        self.names.push(source);
        self.numbers.insert(name.to_owned(), number);
        Ok(number)
    }

    /// Notes that a source gives lines. True if they are its first, and another device of its node gave some
    /// before.
    pub(super) fn gives(&mut self, source: u32) -> bool {
        if self.giving.contains(&source) {
            return false;
        }
        self.giving.push(source);
        let devices = &mut self.devices[self.nodes[source as usize]];
        devices.push(source);
        devices.len() > 1
    }

    /// Returns the sources that have given lines, in the order of their first lines.
    pub(super) fn giving(&self) -> &[u32] {
        &self.giving
    }

    /// Returns the devices of this source's node that have given lines, the node's first device first.
    pub(super) fn devices(&self, source: u32) -> &[u32] {
        &self.devices[self.nodes[source as usize]]
    }

    /// Returns which of its node's devices a source is, counted from 0.
    pub(super) fn rank(&self, source: u32) -> usize {
        self.devices(source).iter().position(|&device| device == source).unwrap_or(0)
    }
}
