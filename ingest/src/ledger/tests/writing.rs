//! What the writer takes and refuses, and what stands on disk afterwards.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn two_streams_are_one_tree() {
    let data = Data::new();
    let mut ledger = data.open();
    let first = append(&mut ledger, None, "a\nb\n");
    assert_eq!(
        first,
        Appended {
            header: LeafIndex(0),
            first_line: LeafIndex(1),
            generation: Generation(0),
            end: 3
        }
    );
    ledger.append(&own(&lines("{\"what\":\"export\"}\n"))).unwrap();
    let again = append(&mut ledger, Some(first.generation), "c\n");
    assert_eq!((again.header, again.generation, again.end), (LeafIndex(5), Generation(0), 7));
    ledger.checkpoint().unwrap();
    let reader = data.reader();
    assert_eq!(
        notes(&reader, 0),
        "0 prod/bao-0/file 0@0 a$b$\n3 keytrail 3@0 {\"what\":\"export\"}$\n5 prod/bao-0/file 0@4 c$\n"
    );
    assert_eq!(reader.origin(), "keytrail/prod");
    assert_eq!(reader.cluster(), "prod");
}

#[test]
fn contradicting_batches_are_refused_and_leave_nothing() {
    let data = Data::new();
    let mut ledger = data.open();
    append(&mut ledger, None, "a\nb\n");
    let line = lines("c\n");
    let good = batch(&line, Some(Generation(0)), 4);
    let empty = Lines::default();
    let wrong = Lines { bytes: b"abc".to_vec(), lengths: vec![2] };
    let blank = Lines { bytes: b"ab".to_vec(), lengths: vec![2, 0] };
    for (batch, message) in [
        (NewBatch { offset: 3, ..good }, "generation 0 ends at byte 4, the batch begins at 3"),
        (
            NewBatch { generation: Some(Generation(1)), ..good },
            "generation 1 is none of prod/bao-0/file",
        ),
        (NewBatch { source: "prod/bao-1/file", ..good }, "generation 0 is none of prod/bao-1/file"),
        (
            NewBatch { parent: Some(Generation(0)), ..good },
            "generation 0 is of prod/bao-0/file, with another parent or source here",
        ),
        (
            NewBatch { generation: None, parent: Some(Generation(0)), offset: 5, ..good },
            "generation 0 is no parent that reaches to byte 5",
        ),
        (
            NewBatch { generation: None, parent: Some(Generation(9)), ..good },
            "generation 9 is no parent that reaches to byte 4",
        ),
        (NewBatch { lines: &empty, ..good }, "it has no line, or an empty one"),
        (NewBatch { lines: &blank, ..good }, "it has no line, or an empty one"),
        (NewBatch { lines: &wrong, ..good }, "the lengths of its lines are not those of its bytes"),
        (
            NewBatch { source: OWN_SOURCE, ..good },
            "keytrail's own lines, and they alone, are of the source \"keytrail\"",
        ),
        (NewBatch { source: "", ..good }, "its source has no name, or one that is too long"),
    ] {
        let error = ledger.append(&batch).unwrap_err().to_string();
        assert_eq!(error, format!("batch refused: {message}"));
    }
    ledger.append(&good).unwrap();
    ledger.checkpoint().unwrap();
    assert_eq!(ledger.size(), 5);
    assert!(data.verify().intact);
}

#[test]
fn generations_are_added_up() {
    let data = Data::new();
    let mut ledger = data.open();
    let old = append(&mut ledger, None, "a\nbb\nccc\n").generation;
    let rest = lines("DDD\n");
    let child = NewBatch { parent: Some(old), arrived_unix_ns: 5, ..batch(&rest, None, 5) };
    let child = ledger.append(&child).unwrap().generation;
    let end = lines("E");
    let last = NewBatch {
        reader: Reader::Import,
        unterminated: true,
        arrived_unix_ns: 6,
        ..batch(&end, Some(child), 9)
    };
    ledger.append(&last).unwrap();
    ledger.checkpoint().unwrap();
    let infos: Vec<_> = ledger.generations().cloned().collect();
    assert_eq!(
        infos[1],
        GenerationInfo {
            generation: child,
            source: NODE.into(),
            parent: Some(old),
            reader: Reader::Import,
            start: 5,
            end: 10,
            first_line: LeafIndex(5),
            last_line: LeafIndex(7),
            lines: 2,
            unterminated: true,
            last_arrived_unix_ns: 6,
        }
    );
    drop(ledger);
    assert_eq!(data.reader().generations().unwrap(), infos);
    assert!(data.open().generations().eq(infos.iter()), "opening finds the same");
}

#[test]
fn segments_are_cut_by_size_and_named_by_their_first_leaf() {
    let data = Data::new();
    let mut ledger = data.open_small(1);
    let generation = append(&mut ledger, None, "a\n").generation;
    ledger.append(&own(&lines("x\n"))).unwrap();
    append(&mut ledger, Some(generation), "b\n");
    ledger.checkpoint().unwrap();
    drop(ledger);
    // Opening goes on with the last segment.
    let mut ledger = data.open();
    append(&mut ledger, Some(generation), "c\n");
    ledger.checkpoint().unwrap();
    let names = |stream| {
        data.segments(stream)
            .iter()
            .map(|path| path.file_name().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(Stream::Lines), ["00000000000000000000.zst", "00000000000000000004.zst"]);
    assert_eq!(names(Stream::Own), ["00000000000000000002.zst"]);
    assert_eq!(notes(&data.reader(), 5), "4 prod/bao-0/file 0@2 b$\n6 prod/bao-0/file 0@4 c$\n");
}

#[test]
fn one_writer_and_one_cluster() {
    let data = Data::new();
    let ledger = data.open();
    let Err(error) = Ledger::open(data.path(), "prod") else { panic!("two writers") };
    let pid = std::process::id();
    assert!(
        matches!(&error, LedgerError::Locked { holder, .. } if holder.pid == Some(pid)),
        "{error}"
    );
    assert!(error.to_string().contains(&format!("process {pid}")), "{error}");
    drop(ledger);
    let Err(error) = Ledger::open(data.path(), "test") else { panic!("two clusters") };
    assert!(
        matches!(&error, LedgerError::OtherCluster { found, .. } if found == "prod"),
        "{error}"
    );
    data.open();
}

#[test]
fn only_the_owner_may_read() {
    let data = Data::new();
    let mut ledger = data.open();
    append(&mut ledger, None, "a\n");
    ledger.checkpoint().unwrap();
    let mut todo = vec![data.path().join("ledger"), data.path().join("keys")];
    let mut seen = 0;
    while let Some(path) = todo.pop() {
        let metadata = fs::metadata(&path).unwrap();
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, expected, "{}", path.display());
        if metadata.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        seen += 1;
    }
    assert!(seen > 8, "only {seen} files");
}

#[test]
fn only_one_unfinished_tile_of_a_level_stays() {
    let data = Data::new();
    let mut ledger = data.open();
    let mut generation = None;
    for round in 0..140 {
        generation = Some(append(&mut ledger, generation, &format!("{round}\n-\n-\n")).generation);
        ledger.checkpoint().unwrap();
        if round % 60 == 50 {
            drop(ledger);
            ledger = data.open();
        }
    }
    // 560 leaves: two full tiles and 48 hashes; above them 2 hashes.
    let tiles = data.path().join("ledger/tiles");
    let names = |folder: &str| {
        let mut names: Vec<_> = fs::read_dir(tiles.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("0"), ["000", "001", "002.p"]);
    assert_eq!(names("0/002.p"), ["48"]);
    assert_eq!(names("1"), ["000.p"]);
    assert_eq!(names("1/000.p"), ["2"]);
    assert!(data.verify().intact);
    assert_eq!(data.verify().leaves_without_tile, 0);
}

#[test]
fn after_a_failed_write_nothing_is_done_until_opened_again() {
    let data = Data::new();
    let mut ledger = data.open_small(1);
    let generation = append(&mut ledger, None, "a\n").generation;
    ledger.checkpoint().unwrap();
    // The next segment cannot be made.
    let (folder, aside) = (data.path().join("ledger/lines"), data.path().join("aside"));
    fs::rename(&folder, &aside).unwrap();
    let line = lines("b\n");
    let next = batch(&line, Some(generation), 2);
    assert!(matches!(ledger.append(&next), Err(LedgerError::Io { .. })));
    fs::rename(&aside, &folder).unwrap();
    assert!(matches!(ledger.append(&next), Err(LedgerError::Stopped)));
    assert!(matches!(ledger.flush(), Err(LedgerError::Stopped)));
    assert!(matches!(ledger.checkpoint(), Err(LedgerError::Stopped)));
    drop(ledger);
    let mut ledger = data.open();
    ledger.append(&next).unwrap();
    ledger.checkpoint().unwrap();
    assert!(data.verify().intact);
}
