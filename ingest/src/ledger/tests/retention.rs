//! Segments whose lines were removed: everything but the lines stays what it was.

use super::*;
use crate::ledger::segment::SegmentFile;

const REMOVED: usize = 3;

/// Many segments of two generations with own lines between; the oldest three are emptied.
struct Emptied {
    data: Data,
    removed: Vec<Removed>,
    /// What stood there before.
    hashes: Vec<Hash>,
    checkpoint: Checkpoint,
}

fn emptied() -> Emptied {
    let data = Data::new();
    let mut ledger = data.open_small(600);
    let mut generation = None;
    for number in 0..40 {
        let text: String =
            (0..9).map(|line| format!("line {number} {line} {number:x}\n")).collect();
        generation = Some(append(&mut ledger, generation, &text).generation);
        if number % 7 == 3 {
            ledger.append(&own(&lines("own\n"))).unwrap();
        }
    }
    ledger.checkpoint().unwrap();
    let reader = data.reader();
    let old = reader.segments_before(LeafIndex(0), i64::MAX).unwrap();
    assert!(old.len() > REMOVED + 1, "{}", old.len());
    let hashes =
        (0..reader.size()).map(|leaf| reader.leaf_hash(LeafIndex(leaf)).unwrap()).collect();
    let tombstone = ledger.append(&own(&lines("tombstone\n"))).unwrap().first_line;
    let checkpoint = ledger.checkpoint().unwrap();
    let mut removed = Vec::new();
    for SegmentInfo { first_leaf, end, .. } in old.into_iter().take(REMOVED) {
        assert!(reader.empty_segment(first_leaf).unwrap());
        assert!(!reader.empty_segment(first_leaf).unwrap(), "only once");
        removed.push(Removed { tombstone, first_leaf, end });
    }
    Emptied { data, removed, hashes, checkpoint }
}

impl Emptied {
    fn verify(&self, removed: &[Removed]) -> Verification {
        let options = VerifyOptions { removed: removed.to_vec(), ..VerifyOptions::default() };
        verify(self.data.path(), &options, &mut |_, _| {}).unwrap()
    }
}

#[test]
fn what_is_left_makes_the_same_tree() {
    let emptied = emptied();
    let removed_to = emptied.removed.last().unwrap().end;
    for tiles_too in [false, true] {
        if tiles_too {
            fs::remove_dir_all(emptied.data.path().join("ledger/tiles")).unwrap();
        }
        // Opening without tiles hashes everything again: from the hashes that are left.
        assert_eq!(*emptied.data.open().last_checkpoint(), emptied.checkpoint);
        let reader = emptied.data.reader();
        for (leaf, hash) in (0..).zip(&emptied.hashes) {
            assert_eq!(reader.leaf_hash(LeafIndex(leaf)).unwrap(), *hash, "leaf {leaf}");
        }
        assert!(reader.prove_consistency(removed_to / 2).is_ok());
    }
    let reader = emptied.data.reader();
    let line = |leaf| reader.line(LeafIndex(leaf));
    assert!(matches!(line(1), Err(LedgerError::Removed { leaf: LeafIndex(1) })));
    assert!(matches!(line(0), Err(LedgerError::NotALine { .. })));
    assert_eq!(line(removed_to + 1).unwrap().bytes.split_at(4).0, b"line");
    let batches: Vec<_> = reader.batches(LeafIndex(0)).map(|batch| batch.unwrap()).collect();
    let gone = batches.iter().filter(|batch| batch.removed).count();
    assert!(gone > 0 && batches.iter().all(|batch| batch.lines.is_empty() == batch.removed));
    let info = &reader.generations().unwrap()[0];
    assert_eq!((info.start, info.lines), (0, 40 * 9), "places in files stay known");
    assert_eq!(reader.line_hashes(info.generation).unwrap().count(), 40 * 9);
    let mut out = Vec::new();
    let bytes = cat(&reader, NODE, &mut out).unwrap();
    assert_eq!(bytes.written, out.len() as u64);
    assert_eq!(bytes.written + bytes.removed, info.end);
    assert!(bytes.removed > 0);
}

#[test]
fn the_writer_goes_on() {
    let emptied = emptied();
    let mut ledger = emptied.data.open_small(600);
    let generation = ledger.generations().next().unwrap().generation;
    append(&mut ledger, Some(generation), "one more\n");
    ledger.checkpoint().unwrap();
    drop(ledger);
    assert!(emptied.verify(&emptied.removed).intact);
}

#[test]
fn verify_tells_what_is_recomputed_and_what_is_asserted() {
    let emptied = emptied();
    let verification = emptied.verify(&emptied.removed);
    assert!(verification.intact, "{:?}", verification.problem);
    assert_eq!(verification.recomputed_from, emptied.removed.last().unwrap().end);
    assert_eq!(verification.tombstones, 1);
    assert!(verification.wrong_footers.is_empty());
    let first =
        segment::ending(&emptied.data.segments(Stream::Lines)[0]).unwrap().footer().unwrap();
    assert_eq!(first.end, emptied.removed[0].end);
    assert_eq!(verification.lines + verification.removed_lines, 40 * 9 + 5 + 1 + 1);
}

#[test]
fn removed_lines_without_their_tombstone_are_damage() {
    let emptied = emptied();
    let last = emptied.removed.last().unwrap().first_leaf;
    let verification = emptied.verify(&emptied.removed[..REMOVED - 1]);
    assert!(!verification.intact);
    assert_eq!(verification.first_wrong_leaf, Some(last));
    // A tombstone that the checkpoint does not hold says nothing.
    let later = LeafIndex(emptied.checkpoint.size);
    let removed: Vec<_> =
        emptied.removed.iter().map(|removed| Removed { tombstone: later, ..*removed }).collect();
    assert!(!emptied.verify(&removed).intact);
    // The file as a whole is never removed.
    fs::remove_file(&emptied.data.segments(Stream::Lines)[0]).unwrap();
    let verification = emptied.verify(&emptied.removed);
    assert_eq!((verification.intact, verification.first_wrong_leaf), (false, Some(LeafIndex(0))));
}

#[test]
fn every_flipped_bit_of_an_emptied_segment_is_found() {
    let emptied = emptied();
    let segment = emptied.data.segments(Stream::Lines)[1].clone();
    let whole = fs::read(&segment).unwrap();
    let frames_bytes = segment::ending(&segment).unwrap().footer().unwrap().frames_bytes;
    for at in 0..frames_bytes as usize {
        flip(&segment, at as u64);
        let verification = emptied.verify(&emptied.removed);
        assert!(!verification.intact, "a flip at {at}");
        assert!(verification.first_wrong_leaf.is_some(), "a flip at {at}");
        fs::write(&segment, &whole).unwrap();
    }
    assert!(emptied.verify(&emptied.removed).intact);
}

#[test]
fn only_old_whole_and_undamaged_segments_are_emptied() {
    let data = Data::new();
    let mut ledger = data.open_small(600);
    let mut generation = None;
    for minute in 0..30 {
        let text = lines(&format!("{}\n", "a line that is not short ".repeat(minute % 5 + 1)));
        let offset = ledger.generations().next().map_or(0, |info| info.end);
        let arrived_unix_ns = minute as i64;
        let new = NewBatch { arrived_unix_ns, ..batch(&text, generation, offset) };
        generation = Some(ledger.append(&new).unwrap().generation);
    }
    ledger.checkpoint().unwrap();
    let reader = data.reader();
    let all = reader.segments_before(LeafIndex(0), i64::MAX).unwrap();
    assert_eq!(all.len(), data.segments(Stream::Lines).len() - 1, "the newest is written to");
    for before in 0..30 {
        let old = reader.segments_before(LeafIndex(0), before).unwrap();
        assert_eq!(old[..], all[..old.len()]);
        assert!(old.iter().all(|segment| segment.arrived_unix_ns < before));
        assert!(all.get(old.len()).is_none_or(|next| next.arrived_unix_ns >= before));
    }
    let newest = LeafIndex(
        segment::list_segments(&data.path().join("ledger"), Stream::Lines).unwrap().pop().unwrap(),
    );
    assert!(matches!(reader.empty_segment(newest), Err(LedgerError::Refused(_))));
    let damaged = data.segments(Stream::Lines)[0].clone();
    let length = fs::metadata(&damaged).unwrap().len();
    flip(&damaged, length - 1);
    let before = fs::read(&damaged).unwrap();
    assert!(matches!(reader.empty_segment(LeafIndex(0)), Err(LedgerError::Corrupt { .. })));
    assert_eq!(fs::read(&damaged).unwrap(), before);
    let mut untouched = SegmentFile::open(data.segments(Stream::Lines)[1].clone(), 0).unwrap();
    assert!(!untouched.frame().unwrap().unwrap().table.emptied);
}
