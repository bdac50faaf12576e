//! Leaf hashes from tiles, each tile checked against the one above it, up to the checkpoint's root.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::tiles::TileFiles;
use super::tree::{Hash, TILE_WIDTH, Tree, complete_root};

/// How many checked tiles are kept: 8 KiB each.
const TILES_MAX: usize = 512;

/// The 256 hashes of a full tile.
type Tile = Arc<Vec<Hash>>;

/// The tiles under one checkpoint.
pub(super) struct CheckedTiles {
    files: TileFiles,
    size: u64,
    /// The unfinished tiles, which make the root.
    edges: Vec<Vec<Hash>>,
    checked: Mutex<HashMap<(u8, u64), Tile>>,
}

impl CheckedTiles {
    /// Reads the right edge; `None` if what is on disk does not make this root.
    pub(super) fn open(files: TileFiles, size: u64, root: &Hash) -> Option<CheckedTiles> {
        let edges = files.read_edges(size, 0)?;
        let tree = Tree::from_edges(size, edges.clone())?;
        (tree.root() == *root).then(|| CheckedTiles {
            files,
            size,
            edges,
            checked: Mutex::default(),
        })
    }

    /// Returns a leaf's hash; `None` if its tile, or one above it, is missing or wrong.
    pub(super) fn leaf(&self, leaf: u64) -> Option<Hash> {
        if leaf >= self.size {
            return None;
        }
        let tile = leaf / TILE_WIDTH as u64;
        let within = leaf as usize % TILE_WIDTH;
        if tile == self.size / TILE_WIDTH as u64 {
            return self.edges[0].get(within).copied();
        }
        Some(self.full(0, tile)?[within])
    }

    /// Returns a full tile that is right.
    fn full(&self, level: u8, index: u64) -> Option<Tile> {
        let lock = || self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tile) = lock().get(&(level, index)) {
            return Some(tile.clone());
        }
        let hashes = self.files.read(level, index, TILE_WIDTH)?;
        let above = usize::from(level) + 1;
        let (tile, within) = (index / TILE_WIDTH as u64, index as usize % TILE_WIDTH);
        let expected = if tile == self.size >> (8 * (above + 1)) {
            *self.edges.get(above)?.get(within)?
        } else {
            self.full(level + 1, tile)?[within]
        };
        if complete_root(&hashes) != expected {
            return None;
        }
        let hashes = Arc::new(hashes);
        let mut checked = lock();
        if checked.len() >= TILES_MAX {
            // Tiles are read in order or at random: neither gains from a cleverer choice.
            checked.retain(|&(level, _), _| level > 0);
        }
        checked.insert((level, index), hashes.clone());
        Some(hashes)
    }
}
