//! Hash tiles on disk, at the paths of C2SP tlog-tiles: `tiles/<level>/<number>`, 256 hashes of 32 bytes.
//!
//! ```text
//!   number 1234067  →  x001/x234/067
//!   the unfinished tile at the right edge, with 17 hashes  →  x001/x234/067.p/17
//! ```
//!
//! Tiles can be made again from the segments, so they are no second truth: whoever reads one checks it
//! against the tile above, and so on up to the checkpoint's root. A tile that is missing or wrong is
//! as good as no tile. For that reason tiles of level 0, four for every thousand lines, are not fsynced;
//! those above are few, and make opening quick after a power failure.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::error::LedgerError;
use super::tree::{FullTile, Hash, TILE_WIDTH, Tree, complete_root, edge_widths};

/// The tiles of a ledger, as files.
#[derive(Clone)]
pub(super) struct TileFiles {
    folder: PathBuf,
    disk: Disk,
}

/// Which tile of a level is unfinished, and how many hashes it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    index: u64,
    width: usize,
}

/// Returns the unfinished tile of each level of a tree of this size.
pub(super) fn edges_of(size: u64) -> Vec<Edge> {
    edge_widths(size)
        .enumerate()
        .map(|(level, width)| Edge { index: size >> (8 * (level + 1)), width })
        .collect()
}

impl TileFiles {
    /// Returns the tiles of the ledger in this folder, for reading.
    pub(super) fn new(ledger: &Path) -> TileFiles {
        TileFiles::on(&Disk::default(), ledger)
    }

    /// Returns the tiles of the ledger in this folder.
    pub(super) fn on(disk: &Disk, ledger: &Path) -> TileFiles {
        TileFiles { folder: ledger.join("tiles"), disk: disk.clone() }
    }

    /// Returns the path of a full tile.
    pub(super) fn path(&self, level: u8, index: u64) -> PathBuf {
        let mut path = self.folder.join(level.to_string());
        let groups =
            std::iter::successors(Some(index), |rest| (*rest >= 1000).then(|| rest / 1000))
                .collect::<Vec<_>>();
        for (place, group) in groups.iter().enumerate().rev() {
            let prefix = if place == 0 { "" } else { "x" };
            path.push(format!("{prefix}{:03}", group % 1000));
        }
        path
    }

    fn partial_folder(&self, level: u8, index: u64) -> PathBuf {
        self.path(level, index).with_added_extension("p")
    }

    pub(super) fn write_full(&self, tile: &FullTile) -> Result<(), LedgerError> {
        self.write(&self.path(tile.level, tile.index), &tile.hashes, tile.level > 0)
    }

    /// Writes the unfinished tiles of a tree, but for those that are `known` to be on disk. The ones that they
    /// replace stay until [`TileFiles::remove_replaced`], for readers that hold the older checkpoint.
    pub(super) fn write_edges(
        &self,
        tree: &Tree,
        known: &mut Vec<Edge>,
    ) -> Result<(), LedgerError> {
        let edges = edges_of(tree.size());
        for (level, (edge, hashes)) in edges.iter().zip(tree.edges()).enumerate() {
            if edge.width > 0 && known.get(level) != Some(edge) {
                let folder = self.partial_folder(level as u8, edge.index);
                self.write(&folder.join(edge.width.to_string()), hashes, level > 0)?;
            }
        }
        *known = edges;
        Ok(())
    }

    /// Removes the unfinished tiles before those of now: a wider or the full one has taken their place.
    pub(super) fn remove_replaced(&self, before: &[Edge], now: &[Edge]) -> Result<(), LedgerError> {
        for (level, (before, now)) in
            before.iter().zip(now).enumerate().filter(|(_, (before, now))| before != now)
        {
            let folder = self.partial_folder(level as u8, before.index);
            if before.index < now.index {
                self.disk.remove_folder(&folder)?;
                continue;
            }
            for narrower in self
                .partial_widths(level as u8, now.index)
                .into_iter()
                .filter(|&width| width < now.width)
            {
                self.disk.remove(&folder.join(narrower.to_string()))?;
            }
        }
        Ok(())
    }

    /// With `sync`, neither the tile nor its name is lost in a power failure.
    fn write(&self, path: &Path, hashes: &[Hash], sync: bool) -> Result<(), LedgerError> {
        let folder = path.parent().expect("a tile stands in a folder");
        match self.disk.replace(path, hashes.as_flattened(), sync) {
            Err(LedgerError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.disk.make_folder(folder)?;
                self.disk.replace(path, hashes.as_flattened(), sync)?;
            }
            written => written?,
        }
        if sync { self.disk.sync_folder(folder) } else { Ok(()) }
    }

    /// Reads the first `width` hashes of a tile, from the full tile or an unfinished one that has them.
    /// Says nothing about their truth. `None` if there are none.
    pub(super) fn read(&self, level: u8, index: u64, width: usize) -> Option<Vec<Hash>> {
        let read = |path: PathBuf| {
            let bytes = fs::read(path).ok().filter(|bytes| bytes.len() <= TILE_WIDTH * 32)?;
            Some(bytes.as_chunks::<32>().0.get(..width)?.to_vec())
        };
        let folder = self.partial_folder(level, index);
        let exact = || (width < TILE_WIDTH).then(|| read(folder.join(width.to_string()))).flatten();
        // A writer that went on meanwhile has replaced it by a wider one, or is replacing that.
        let wider = || {
            let mut widths = self.partial_widths(level, index);
            widths.retain(|&other| other > width);
            widths.into_iter().rev().find_map(|other| read(folder.join(other.to_string())))
        };
        exact()
            .or_else(|| read(self.path(level, index)))
            .or_else(wider)
            .or_else(|| read(self.path(level, index)))
    }

    fn partial_widths(&self, level: u8, index: u64) -> Vec<usize> {
        let entries =
            fs::read_dir(self.partial_folder(level, index)).into_iter().flatten().flatten();
        let mut widths: Vec<usize> =
            entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        widths.sort_unstable();
        widths
    }

    /// Tells whether a full tile stands on disk with its full length.
    pub(super) fn is_full(&self, level: u8, index: u64) -> bool {
        fs::metadata(self.path(level, index))
            .is_ok_and(|tile| tile.len() == (TILE_WIDTH * 32) as u64)
    }

    /// Reads the unfinished tile of each level of a tree of this size, from level `from` on; where a file is
    /// missing, makes it from the full tiles below. `None` if that cannot be done.
    pub(super) fn read_edges(&self, size: u64, from: usize) -> Option<Vec<Vec<Hash>>> {
        let edge = |level: usize, width: usize| {
            let index = size >> (8 * (level + 1));
            if width == 0 || level < from {
                return Some(Vec::new());
            }
            self.read(level as u8, index, width).or_else(|| {
                let below = u8::try_from(level.checked_sub(1)?).ok()?;
                let first = index * TILE_WIDTH as u64;
                (first..first + width as u64)
                    .map(|tile| Some(complete_root(&self.read(below, tile, TILE_WIDTH)?)))
                    .collect()
            })
        };
        edge_widths(size).enumerate().map(|(level, width)| edge(level, width)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_c2sp() {
        let tiles = TileFiles::new(Path::new(""));
        for (level, index, path) in [
            (0, 0, "tiles/0/000"),
            (0, 999, "tiles/0/999"),
            (1, 1000, "tiles/1/x001/000"),
            (0, 1_234_067, "tiles/0/x001/x234/067"),
            (7, 1_000_000_000, "tiles/7/x001/x000/x000/000"),
        ] {
            assert_eq!(tiles.path(level, index), Path::new(path));
        }
        assert_eq!(tiles.partial_folder(0, 1_234_067), Path::new("tiles/0/x001/x234/067.p"));
    }
}
