//! Proofs, against the definitions of RFC 6962 written down as they stand there.

use proptest::prelude::*;

use super::*;
use crate::ledger::proof::{consistency, inclusion, is_consistent, range_hash, roots};
use crate::ledger::tree::{empty_root, node_hash};

/// Section 2.1: MTH.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// Section 2.1.1: PATH.
fn path(leaf: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let middle = split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut below, beside) = match leaf < middle {
        true => (path(leaf, left), root(right)),
        false => (path(leaf - middle, right), root(left)),
    };
    below.push(beside);
    below
}

/// Section 2.1.2: SUBPROOF.
fn subproof(older: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if older == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let middle = split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut below, beside) = match older <= middle {
        true => (subproof(older, left, whole), root(right)),
        false => (subproof(older - middle, right, false), root(left)),
    };
    below.push(beside);
    below
}

/// The largest power of two below a number.
fn split(count: usize) -> usize {
    let mut power = 1;
    while 2 * power < count {
        power *= 2;
    }
    power
}

fn hashes(count: usize) -> Vec<Hash> {
    (0..count).map(|leaf| leaf_hash(&leaf.to_le_bytes())).collect()
}

/// A complete subtree out of all leaves.
fn node(leaves: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, ()> {
    |level, index| Ok(root(&leaves[(index << level) as usize..((index + 1) << level) as usize]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn inclusion_is_that_of_rfc_6962(
        size in 1_usize..300, leaf in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()
    ) {
        let all = hashes(size);
        let leaf = leaf.index(size);
        let proof = inclusion(leaf as u64, size as u64, &mut node(&all)).unwrap();
        prop_assert_eq!(&proof, &path(leaf, &all));
        let (leaf, size) = (leaf as u64, size as u64);
        let made = roots(leaf, size, all[leaf as usize], &proof);
        prop_assert_eq!(made, Some((root(&all), root(&all[..leaf as usize]))));
        // Another leaf, another size, a hash more or less, one bit: not the root.
        let good = |leaf, size, hash, proof: &[Hash]| {
            roots(leaf, size, hash, proof).is_some_and(|(made, _)| made == root(&all))
        };
        prop_assert!(!good(leaf, size, leaf_hash(b"other"), &proof));
        prop_assert!(leaf + 1 >= size || !good(leaf + 1, size, all[leaf as usize], &proof));
        prop_assert!(!good(size, size, all[leaf as usize], &proof));
        let mut longer = proof.clone();
        longer.push(all[0]);
        prop_assert!(!good(leaf, size, all[leaf as usize], &longer));
        if !proof.is_empty() {
            prop_assert!(!good(leaf, size, all[leaf as usize], &proof[1..]));
            let mut wrong = proof.clone();
            let at = at.index(wrong.len());
            wrong[at][at % 32] ^= 1;
            prop_assert!(!good(leaf, size, all[leaf as usize], &wrong));
        }
    }

    #[test]
    fn consistency_is_that_of_rfc_6962(
        size in 1_usize..300, older in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()
    ) {
        let all = hashes(size);
        let older = older.index(size + 1);
        let proof = consistency(older as u64, size as u64, &mut node(&all)).unwrap();
        let expected = if older == 0 { Vec::new() } else { subproof(older, &all, true) };
        prop_assert_eq!(&proof, &expected);
        let (old, new) = (root(&all[..older]), root(&all));
        prop_assert_eq!(range_hash(0, older as u64, &mut node(&all)), Ok(old));
        let good = |older: usize, old: &Hash, proof: &[Hash]| {
            is_consistent((older as u64, old), (size as u64, &new), proof)
        };
        prop_assert!(good(older, &old, &proof));
        prop_assert!(!good(older, &leaf_hash(b"other"), &proof));
        prop_assert!(!good(size + 1, &old, &proof));
        let mut longer = proof.clone();
        longer.push(all[0]);
        prop_assert!(!good(older, &old, &longer));
        if !proof.is_empty() {
            prop_assert!(!good(older, &old, &proof[1..]));
            let mut wrong = proof.clone();
            let at = at.index(wrong.len());
            wrong[at][at % 32] ^= 1;
            prop_assert!(!good(older, &old, &wrong));
        }
    }
}

/// Some thousand leaves in both streams; the checkpoints on the way.
fn grown() -> (Data, Vec<Checkpoint>) {
    let data = Data::new();
    let mut ledger = data.open_small(9000);
    let mut generation = None;
    let mut checkpoints = Vec::new();
    for round in 0..60 {
        let text: String = (0..29).map(|line| format!("round {round} line {line}\n")).collect();
        generation = Some(append(&mut ledger, generation, &text).generation);
        if round % 7 == 0 {
            ledger.append(&own(&lines(&format!("own {round}\n")))).unwrap();
            checkpoints.push(ledger.checkpoint().unwrap());
        }
    }
    checkpoints.push(ledger.checkpoint().unwrap());
    (data, checkpoints)
}

#[test]
fn every_leaf_and_checkpoint_of_a_ledger_is_proven_with_and_without_tiles() {
    let (data, checkpoints) = grown();
    let key = VerifierKey::of_folder(data.path()).unwrap();
    for damage in ["", "0/001", "0/003", "1/000.p", "0", ""] {
        let path = data.path().join("ledger/tiles").join(damage);
        match damage {
            "" => {}
            _ if path.is_dir() => fs::remove_dir_all(&path).unwrap(),
            _ => flip(&path, 77),
        }
        let reader = data.reader();
        let size = reader.size();
        for leaf in (0..size).step_by(if damage.is_empty() { 1 } else { 37 }) {
            let (proof, content) = reader.prove_inclusion(LeafIndex(leaf)).unwrap();
            assert!(proof.proves(&content), "leaf {leaf}, {damage}");
            if let Ok(line) = reader.line(LeafIndex(leaf)) {
                assert_eq!(content, line.bytes);
            }
            // As text, and back.
            let read: InclusionProof = proof.to_string().parse().unwrap();
            assert_eq!(read, proof);
            assert!(key.verifies(&read.checkpoint.note));
            assert!(!read.proves(b"another line\n"));
            let is_line = reader.line(LeafIndex(leaf)).is_ok();
            assert_eq!(read.header(&content).is_none(), is_line, "leaf {leaf}");
        }
        for older in &checkpoints {
            let proof = reader.prove_consistency(older.size).unwrap();
            assert!(proof.proves(older), "{} leaves, {damage}", older.size);
            assert_eq!(proof.to_string().parse(), Ok(proof.clone()));
            let other = Checkpoint { root: [3; 32], ..older.clone() };
            assert!(!proof.proves(&other));
        }
        let beyond = reader.prove_inclusion(LeafIndex(size)).unwrap_err();
        assert!(matches!(beyond, LedgerError::OutOfRange { .. }), "{beyond}");
        assert!(reader.prove_consistency(size + 1).is_err());
    }
}

#[test]
fn many_leaves_are_proven_at_once_in_any_tree_that_the_ledger_was() {
    let (data, checkpoints) = grown();
    let reader = data.reader();
    for older in &checkpoints {
        let tree = reader.tree(older.size).unwrap();
        assert_eq!((tree.size, tree.root), (older.size, older.root));
        assert!(reader.prove_consistency(older.size).unwrap().proves(&tree));
        let set =
            stretches((0..older.size).filter(|leaf| leaf % 7 < 3 || *leaf > 200).map(LeafIndex));
        let proof = reader.prove_leaves(set, tree).unwrap();
        let proof: MultiProof = proof.to_string().parse().unwrap();
        let mut check = proof.check().unwrap();
        while let Some(leaf) = check.next() {
            let content = reader.prove_inclusion(leaf).unwrap();
            if let Some(header) = content.0.header(&content.1) {
                assert_eq!(header.root_before, check.root_before(), "leaf {leaf}");
            }
            assert!(check.leaf(leaf_hash(&content.1)));
        }
        assert!(check.is_proven(), "{} leaves", older.size);
    }
    let beyond =
        reader.prove_leaves(stretches((3..9).map(LeafIndex)), reader.tree(8).unwrap()).unwrap_err();
    assert!(matches!(beyond, LedgerError::OutOfRange { .. }), "{beyond}");
}

#[test]
fn what_was_changed_is_not_proven() {
    let (data, _) = grown();
    let (proof, line) = data.reader().prove_inclusion(LeafIndex(2)).unwrap();
    tampering::rewrite(&data, |batches| batches[0].lines.bytes[40] ^= 1);
    let reader = data.reader();
    let changed = (0..29).filter(|&leaf| reader.prove_inclusion(LeafIndex(leaf)).is_err()).count();
    assert_eq!(changed, 1, "the tiles still tell the other leaves");
    assert!(proof.proves(&line), "a proof needs no ledger");
}

#[test]
fn a_proof_that_is_none_is_refused() {
    let (data, _) = grown();
    let text = data.reader().prove_inclusion(LeafIndex(5)).unwrap().0.to_string();
    for (from, to, problem) in [
        ("c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v2", "no tlog-proof"),
        ("index 5", "index 05", "a proof without an index"),
        ("index 5", "index -5", "a proof without an index"),
        ("index 5\n", "index 5\nAAAA\n", "a proof with lines that are no hashes, or too many"),
        ("\n\n", "\n", "a proof with lines that are no hashes, or too many"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_eq!(changed.parse::<InclusionProof>().unwrap_err(), problem, "{from:?} to {to:?}");
    }
    // What is no key in the extra line is no key; the rest of the proof stands.
    let (head, rest) = text.split_once("\nindex").unwrap();
    let other =
        format!("{}\nindex{rest}", head.split_once("extra ").unwrap().0.to_owned() + "extra AAAA");
    assert_eq!(other.parse::<InclusionProof>().unwrap().keys, None);
}
