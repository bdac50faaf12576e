//! Leaf hashes from tiles, each tile checked against the one above it, up to the checkpoint's root.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::tiles::TileFiles;
use super::tree::{Hash, TILE_HEIGHT, TILE_WIDTH, Tree, complete_root};

/// How many checked tiles are kept: 8 KiB each.
const TILES_MAX: usize = 512;

/// The 256 hashes of a full tile.
pub(super) type Tile = Arc<Vec<Hash>>;

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
        self.node(0, leaf)
    }

    /// Returns the hash over the `2^level` leaves from `index * 2^level` on; `None` if the tree has not all of
    /// them, or a tile that is needed is missing or wrong.
    pub(super) fn node(&self, level: u32, index: u64) -> Option<Hash> {
        if index >= self.size.checked_shr(level).unwrap_or(0) {
            return None;
        }
        let (tile_level, within) = ((level / TILE_HEIGHT) as u8, level % TILE_HEIGHT);
        let first = index << within;
        let (tile, start) = (first / TILE_WIDTH as u64, first as usize % TILE_WIDTH);
        let hashes = start..start + (1 << within);
        if tile == self.size.checked_shr(8 * (u32::from(tile_level) + 1)).unwrap_or(0) {
            return Some(complete_root(self.edges.get(usize::from(tile_level))?.get(hashes)?));
        }
        Some(complete_root(&self.full(tile_level, tile)?[hashes]))
    }

    /// Returns the unfinished tiles, which make the root.
    pub(super) fn edges(&self) -> &[Vec<Hash>] {
        &self.edges
    }

    /// Returns a full tile that is right.
    pub(super) fn full(&self, level: u8, index: u64) -> Option<Tile> {
        let lock = || self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tile) = lock().get(&(level, index)) {
            return Some(tile.clone());
        }
        let hashes = self.files.read(level, index, TILE_WIDTH)?;
        let above = usize::from(level) + 1;
        let (tile, within) = (index / TILE_WIDTH as u64, index as usize % TILE_WIDTH);
        let expected = if tile == self.size.checked_shr(8 * (above as u32 + 1)).unwrap_or(0) {
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
