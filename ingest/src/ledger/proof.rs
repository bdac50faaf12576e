//! Inclusion and consistency proofs of RFC 6962, made and checked.
//!
//! Made as section 2.1 defines them, by splitting; checked as RFC 9162 (2.1.3.2, 2.1.4.2) tells, by going up from
//! the leaf: two ways to the same hashes. What is checked here needs no ledger, only the proof and a signed root.

use super::tree::{Hash, empty_root, node_hash};

/// Returns the hash over the leaves `from..to`; `from` is a multiple of the largest power of two in their number.
/// `node(level, index)` gives the hash of a complete subtree of `2^level` leaves.
pub(super) fn range_hash<E>(
    from: u64,
    to: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    let leaves = to - from;
    if leaves == 0 {
        return Ok(empty_root());
    }
    if leaves.is_power_of_two() {
        return node(leaves.ilog2(), from >> leaves.ilog2());
    }
    let middle = from + split(leaves);
    Ok(node_hash(&range_hash(from, middle, node)?, &range_hash(middle, to, node)?))
}

/// Returns the path from a leaf to the root of the first `size` leaves, the leaf's sibling first.
pub(super) fn inclusion<E>(
    leaf: u64,
    size: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let (mut from, mut to) = (0, size);
    let mut path = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if leaf < middle {
            path.push(range_hash(middle, to, node)?);
            to = middle;
        } else {
            path.push(range_hash(from, middle, node)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Returns the hashes that show the tree of `size` leaves to begin with the tree of `older` leaves.
pub(super) fn consistency<E>(
    older: u64,
    size: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut hashes = Vec::new();
    if older == 0 || older == size {
        return Ok(hashes);
    }
    let (mut from, mut to, mut known) = (0, size, true);
    while older < to {
        let middle = from + split(to - from);
        if older <= middle {
            hashes.push(range_hash(middle, to, node)?);
            to = middle;
        } else {
            hashes.push(range_hash(from, middle, node)?);
            from = middle;
            known = false;
        }
    }
    // The older root itself is known to whoever checks, unless it was split.
    if !known {
        hashes.push(range_hash(from, to, node)?);
    }
    hashes.reverse();
    Ok(hashes)
}

/// The largest power of two below a number above 1.
pub(super) fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// Returns the root that a path makes of a leaf's hash, and the root over the leaves before it; `None` if the
/// path has another length than such a tree gives it.
pub(super) fn roots(leaf: u64, size: u64, hash: Hash, path: &[Hash]) -> Option<(Hash, Hash)> {
    if leaf >= size {
        return None;
    }
    let (mut node, mut last) = (leaf, size - 1);
    let (mut root, mut before) = (hash, None);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            root = node_hash(sibling, &root);
            // Siblings on the left are the complete subtrees that the leaves before are made of.
            before = Some(before.map_or(*sibling, |right| node_hash(sibling, &right)));
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            root = node_hash(&root, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    (last == 0).then(|| (root, before.unwrap_or_else(empty_root)))
}

/// Tells whether hashes show the tree with `root` over `size` leaves to begin with the one with `older_root` over
/// `older` leaves.
pub(super) fn is_consistent(
    (older, older_root): (u64, &Hash),
    (size, root): (u64, &Hash),
    hashes: &[Hash],
) -> bool {
    if older > size {
        return false;
    }
    if older == 0 {
        return hashes.is_empty() && *older_root == empty_root();
    }
    if older == size {
        return hashes.is_empty() && older_root == root;
    }
    let mut rest = hashes.iter();
    let first = if older.is_power_of_two() { Some(older_root) } else { rest.next() };
    let Some(&first) = first else { return false };
    let (mut node, mut last) = (older - 1, size - 1);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let (mut old, mut new) = (first, first);
    for hash in rest {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            (old, new) = (node_hash(hash, &old), node_hash(hash, &new));
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new = node_hash(&new, hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && old == *older_root && new == *root
}
