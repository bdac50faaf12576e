//! The Merkle tree of RFC 6962: leaves are hashed once, when they are appended, and never again.
//!
//! The tree keeps no leaf. It keeps its peaks, the roots of the complete subtrees that its size is made of
//! (one per bit set), and for the tiles the unfinished tile of every eighth level:
//!
//! ```text
//!   level 16  ┆ tile level 2: hashes of 65,536 leaves each
//!   level  8  ┆ tile level 1: hashes of 256 leaves each
//!   level  0  ┆ tile level 0: leaf hashes           256 hashes fill a tile, which goes to disk
//! ```

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// How many hashes a full tile holds.
pub(super) const TILE_WIDTH: usize = 256;
/// Tree levels that one tile spans.
pub(super) const TILE_HEIGHT: u32 = 8;

/// Returns the hash of a leaf with this data: SHA-256 over a byte 0 and the data.
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// Returns the hash of an inner node: SHA-256 over a byte 1 and the two hashes below.
pub(super) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut data = [1; 65];
    data[1..33].copy_from_slice(left);
    data[33..].copy_from_slice(right);
    Sha256::digest(data).into()
}

/// Returns the root of a tree without leaves.
pub(super) fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// A full tile: its level, its number on that level, and its 256 hashes.
pub(super) struct FullTile {
    pub(super) level: u8,
    pub(super) index: u64,
    pub(super) hashes: Vec<Hash>,
}

/// A tree that grows at its right edge.
#[derive(Default)]
pub(super) struct Tree {
    size: u64,
    /// Roots of the complete subtrees, the largest first.
    peaks: Vec<Hash>,
    /// Per tile level, the hashes of the unfinished tile: fewer than 256.
    edges: Vec<Vec<Hash>>,
    /// Tiles that became full and are not on disk yet.
    full: Vec<FullTile>,
}

impl Tree {
    /// Returns the tree of this size with these unfinished tiles; `None` if their widths do not fit the size.
    pub(super) fn from_edges(size: u64, edges: Vec<Vec<Hash>>) -> Option<Tree> {
        let fits = edges.len() == edge_widths(size).len()
            && edges.iter().map(Vec::len).eq(edge_widths(size));
        if !fits {
            return None;
        }
        let mut peaks = Vec::new();
        for edge in edges.iter().rev() {
            let mut rest = &edge[..];
            while !rest.is_empty() {
                let (subtree, after) = rest.split_at(1 << rest.len().ilog2());
                peaks.push(complete_root(subtree));
                rest = after;
            }
        }
        Some(Tree { size, peaks, edges, full: Vec::new() })
    }

    /// Appends a leaf.
    pub(super) fn push(&mut self, leaf: Hash) {
        self.put(0, leaf);
        let (mut node, mut level) = (leaf, 0);
        while self.size >> level & 1 == 1 {
            let left = self.peaks.pop().expect("one peak for each bit of the size");
            node = node_hash(&left, &node);
            level += 1;
            if level % TILE_HEIGHT == 0 {
                self.put(level / TILE_HEIGHT, node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    fn put(&mut self, tile_level: u32, hash: Hash) {
        let level = tile_level as usize;
        if self.edges.len() == level {
            self.edges.push(Vec::with_capacity(TILE_WIDTH));
        }
        self.edges[level].push(hash);
        if self.edges[level].len() == TILE_WIDTH {
            let hashes = std::mem::replace(&mut self.edges[level], Vec::with_capacity(TILE_WIDTH));
            let index = self.size >> (TILE_HEIGHT * (tile_level + 1));
            self.full.push(FullTile { level: level as u8, index, hashes });
        }
    }

    /// Returns the number of leaves.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the root over all leaves.
    pub(super) fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(&last) = peaks.next() else { return empty_root() };
        peaks.fold(last, |right, left| node_hash(left, &right))
    }

    /// Returns the unfinished tiles, level by level; each has fewer than 256 hashes, perhaps none.
    pub(super) fn edges(&self) -> &[Vec<Hash>] {
        &self.edges
    }

    /// Returns the tiles that became full since the last call.
    pub(super) fn take_full(&mut self) -> Vec<FullTile> {
        std::mem::take(&mut self.full)
    }
}

/// Returns how many hashes the unfinished tile of each level has in a tree of this size.
pub(super) fn edge_widths(size: u64) -> impl ExactSizeIterator<Item = usize> {
    let levels = if size == 0 { 0 } else { size.ilog2() / TILE_HEIGHT + 1 };
    (0..levels as usize)
        .map(move |level| (size >> (TILE_HEIGHT as usize * level)) as usize % TILE_WIDTH)
}

/// Returns the root over a power of two of hashes.
pub(super) fn complete_root(hashes: &[Hash]) -> Hash {
    // Asked for once a leaf by whoever verifies: not worth a row of one.
    if let [only] = hashes {
        return *only;
    }
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    row[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6962, section 2.1, word for word.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let split = 1 << (leaves.len() - 1).ilog2();
                node_hash(&naive_root(&leaves[..split]), &naive_root(&leaves[split..]))
            }
        }
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|leaf| leaf_hash(&leaf.to_le_bytes())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_tree_has_the_root_of_rfc_6962(count in 0_u64..2000) {
            let mut tree = Tree::default();
            leaves(count).into_iter().for_each(|leaf| tree.push(leaf));
            prop_assert_eq!(tree.root(), naive_root(&leaves(count)));
        }

        #[test]
        fn a_tree_goes_on_from_its_edges(before in 0_u64..1500, after in 0_u64..700) {
            let all = leaves(before + after);
            let mut tree = Tree::default();
            all[..before as usize].iter().for_each(|&leaf| tree.push(leaf));
            let mut reopened = Tree::from_edges(before, tree.edges().to_vec()).expect("the edges fit");
            prop_assert_eq!(reopened.root(), tree.root());
            all[before as usize..].iter().for_each(|&leaf| { tree.push(leaf); reopened.push(leaf) });
            prop_assert_eq!(reopened.root(), naive_root(&all));
            prop_assert_eq!(reopened.edges(), tree.edges());
        }
    }

    #[test]
    fn full_tiles_hold_the_hashes_of_their_level() {
        let mut tree = Tree::default();
        let all = leaves(65_536 + 300);
        all.iter().for_each(|&leaf| tree.push(leaf));
        let full = tree.take_full();
        assert_eq!(full.len(), 257 + 1);
        for FullTile { level, index, hashes } in &full {
            assert_eq!(hashes.len(), 256);
            let index = *index as usize;
            match level {
                0 => assert_eq!(hashes[..], all[index * 256..(index + 1) * 256]),
                1 => assert_eq!((index, hashes[3]), (0, naive_root(&all[768..1024]))),
                _ => panic!("no tile of level {level} is full"),
            }
        }
        assert_eq!(edge_widths(65_536 + 300).collect::<Vec<_>>(), [44, 1, 1]);
        assert_eq!(edge_widths(256).collect::<Vec<_>>(), [0, 1]);
    }
}
