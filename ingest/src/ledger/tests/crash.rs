//! What a crash leaves behind, and what is made of it.

use super::*;

/// A folder copied as it stands, as a crash would leave it.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Signed: a, b, and an own line. Not signed: c, d. The bytes of the segment before and after "c, d".
fn crashed() -> (Data, u64, u64) {
    let live = Data::new();
    let mut ledger = live.open();
    let generation = append(&mut ledger, None, "a\nb\n").generation;
    ledger.append(&own(&lines("own\n"))).unwrap();
    ledger.checkpoint().unwrap();
    let segment = &live.segments(Stream::Lines)[0];
    let before = fs::metadata(segment).unwrap().len();
    append(&mut ledger, Some(generation), "c\nd\n");
    ledger.flush().unwrap();
    let after = fs::metadata(segment).unwrap().len();
    let data = Data::new();
    copy(live.path(), data.path());
    (data, before, after)
}

const SIGNED: &str = "0 prod/bao-0/file 0@0 a$b$\n3 keytrail 3@0 own$\n";
const WHOLE: &str = "0 prod/bao-0/file 0@0 a$b$\n3 keytrail 3@0 own$\n5 prod/bao-0/file 0@4 c$d$\n";

#[test]
fn a_whole_batch_after_the_checkpoint_is_kept_and_signed() {
    let (data, ..) = crashed();
    assert_eq!(data.reader().size(), 5);
    let mut ledger = data.open();
    assert_eq!(notes(&data.reader(), 0), WHOLE);
    append(&mut ledger, Some(Generation(0)), "e\n");
    ledger.checkpoint().unwrap();
    assert!(data.verify().intact);
}

#[test]
fn a_torn_batch_is_cut_wherever_it_is_torn() {
    let (data, before, after) = crashed();
    let segment = data.segments(Stream::Lines)[0].clone();
    let whole = fs::read(&segment).unwrap();
    for length in before..after {
        let torn = Data::new();
        copy(data.path(), torn.path());
        fs::write(&torn.segments(Stream::Lines)[0], &whole[..length as usize]).unwrap();
        let mut ledger = torn.open();
        assert_eq!(notes(&torn.reader(), 0), SIGNED, "cut at {length}");
        assert_eq!(fs::metadata(&torn.segments(Stream::Lines)[0]).unwrap().len(), before);
        append(&mut ledger, Some(Generation(0)), "c\nd\n");
        ledger.checkpoint().unwrap();
        assert_eq!(notes(&torn.reader(), 0), WHOLE, "gone on after a cut at {length}");
        assert!(torn.verify().intact);
    }
}

#[test]
fn a_last_batch_with_a_flipped_bit_is_cut_wherever_it_is() {
    let (data, before, after) = crashed();
    for at in before..after {
        let torn = Data::new();
        copy(data.path(), torn.path());
        flip(&torn.segments(Stream::Lines)[0], at);
        torn.open();
        assert_eq!(notes(&torn.reader(), 0), SIGNED, "flipped at {at}");
    }
}

#[test]
fn a_zeroed_end_is_cut() {
    let (data, before, after) = crashed();
    let segment = data.segments(Stream::Lines)[0].clone();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[before as usize..].fill(0);
    bytes.resize(after as usize + 5000, 0);
    fs::write(&segment, bytes).unwrap();
    data.open();
    assert_eq!(notes(&data.reader(), 0), SIGNED);
}

#[test]
fn damage_with_good_batches_after_it_stops() {
    let (data, ..) = crashed();
    let mut ledger = data.open();
    // Three unsigned batches, each flushed, the middle one is damaged.
    append(&mut ledger, Some(Generation(0)), "e\n");
    let signed = ledger.checkpoint().unwrap();
    append(&mut ledger, Some(Generation(0)), "f\n");
    ledger.flush().unwrap();
    let start = fs::metadata(&data.segments(Stream::Lines)[0]).unwrap().len();
    append(&mut ledger, Some(Generation(0)), "g\n");
    ledger.flush().unwrap();
    let end = fs::metadata(&data.segments(Stream::Lines)[0]).unwrap().len();
    append(&mut ledger, Some(Generation(0)), "h\n");
    ledger.flush().unwrap();
    drop(ledger);
    for at in start..end {
        let damaged = Data::new();
        copy(data.path(), damaged.path());
        let segment = damaged.segments(Stream::Lines)[0].clone();
        flip(&segment, at);
        let Err(error) = Ledger::open(damaged.path(), "prod") else {
            panic!("opened with a flip at {at}")
        };
        assert!(
            matches!(&error, LedgerError::Corrupt { path, offset, .. } if *path == segment && *offset == start),
            "{at}: {error}"
        );
        assert_eq!(LedgerReader::open(damaged.path()).unwrap().size(), signed.size);
    }
}

#[test]
fn below_the_checkpoint_nothing_is_cut() {
    let (data, before, _) = crashed();
    data.open();
    let segment = data.segments(Stream::Lines)[0].clone();
    let whole = fs::read(&segment).unwrap();
    for length in [0, 1, before - 1, before, before + 1, whole.len() as u64 - 1] {
        fs::write(&segment, &whole[..length as usize]).unwrap();
        let Err(error) = Ledger::open(data.path(), "prod") else {
            panic!("opened with {length} bytes")
        };
        assert!(matches!(&error, LedgerError::Corrupt { .. }), "{error}");
        assert_eq!(fs::metadata(&segment).unwrap().len(), length, "nothing was cut");
    }
    fs::remove_file(&segment).unwrap();
    assert!(matches!(Ledger::open(data.path(), "prod"), Err(LedgerError::Corrupt { .. })));
    fs::write(&segment, &whole).unwrap();
    data.open();
}

#[test]
fn a_batch_lost_between_two_streams_ends_the_ledger() {
    // Neither was flushed; the power failed, and only the later one had reached the disk.
    let (data, ..) = crashed();
    let lost = Data::new();
    let mut ledger = data.open();
    let length = fs::metadata(&data.segments(Stream::Lines)[0]).unwrap().len();
    append(&mut ledger, Some(Generation(0)), "e\n");
    ledger.append(&own(&lines("later\n"))).unwrap();
    copy(data.path(), lost.path());
    let segment = &lost.segments(Stream::Lines)[0];
    let bytes = fs::read(segment).unwrap();
    fs::write(segment, &bytes[..length as usize]).unwrap();
    let mut ledger = lost.open();
    assert_eq!(notes(&lost.reader(), 0), WHOLE);
    ledger.append(&own(&lines("new\n"))).unwrap();
    ledger.checkpoint().unwrap();
    assert!(lost.verify().intact);
    // Without a checkpoint a hole may be anything: nothing is cut.
    let copied = Data::new();
    drop(ledger);
    copy(lost.path(), copied.path());
    fs::remove_file(copied.path().join("ledger/checkpoint")).unwrap();
    fs::remove_file(&copied.segments(Stream::Lines)[0]).unwrap();
    assert!(matches!(Ledger::open(copied.path(), "prod"), Err(LedgerError::Corrupt { .. })));
}

#[test]
fn a_segment_just_begun_is_nothing() {
    let (data, ..) = crashed();
    fs::write(segment::segment_path(&data.path().join("ledger"), Stream::Lines, 99), b"").unwrap();
    data.open();
    assert_eq!(data.segments(Stream::Lines).len(), 1);
    assert_eq!(notes(&data.reader(), 0), WHOLE);
}

/// Enough leaves for full tiles and a level above.
fn with_tiles() -> Data {
    let data = Data::new();
    let mut ledger = data.open();
    let mut generation = None;
    for round in 0..40 {
        let text: String = (0..25).map(|line| format!("round {round} line {line}\n")).collect();
        generation = Some(append(&mut ledger, generation, &text).generation);
    }
    ledger.checkpoint().unwrap();
    data
}

#[test]
fn tiles_and_checkpoint_are_made_again() {
    for lost in
        ["tiles", "tiles/0/001", "tiles/0/004.p", "tiles/1", "checkpoint", "checkpoint tiles"]
    {
        let data = with_tiles();
        let signed = data.reader().checkpoint().unwrap();
        for name in lost.split(' ') {
            let path = data.path().join("ledger").join(name);
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap()
            } else {
                fs::remove_file(path).unwrap()
            }
        }
        if lost.starts_with("tiles") {
            // A reader does without: it hashes the lines.
            let reader = data.reader();
            let line = reader.line(LeafIndex(300)).unwrap();
            assert_eq!(reader.leaf_hash(LeafIndex(300)).unwrap(), leaf_hash(&line.bytes), "{lost}");
            assert!(data.verify().intact, "{lost}");
        }
        data.open();
        assert_eq!(data.reader().checkpoint().unwrap(), signed, "{lost}");
        assert_eq!(data.verify().leaves_without_tile, 0, "{lost}");
    }
}

#[test]
fn wrong_tiles_are_not_believed() {
    for wrong in ["0/001", "0/004.p/16", "1/000.p/4"] {
        let data = with_tiles();
        let path = data.path().join("ledger/tiles").join(wrong);
        flip(&path, 40);
        let reader = data.reader();
        for leaf in [1, 257, 1030] {
            let line = reader.line(LeafIndex(leaf)).unwrap();
            assert_eq!(
                reader.leaf_hash(LeafIndex(leaf)).unwrap(),
                leaf_hash(&line.bytes),
                "{wrong}"
            );
        }
        let verification = data.verify();
        assert!(
            verification.intact && verification.leaves_without_tile > 0,
            "{wrong}: {verification:?}"
        );
        data.open();
        assert!(data.verify().intact, "{wrong}");
    }
}
