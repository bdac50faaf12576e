//! Reading by number, in order, by source and by generation.

use super::*;

/// Three sources, both streams, small segments; with checkpoints between.
fn mixed() -> (Data, Vec<(u64, Vec<u8>)>) {
    let data = Data::new();
    let mut ledger = data.open_small(2000);
    let mut expected = Vec::new();
    let mut generations = [None; 3];
    for round in 0_u64..120 {
        let text: String = (0..round % 7 + 1)
            .map(|line| format!("round {round} line {line} {}\n", "x".repeat(line as usize * 9)))
            .collect();
        let text = lines(&text);
        let appended = if round % 5 == 4 {
            ledger.append(&own(&text)).unwrap()
        } else {
            let which = round as usize % 3;
            let source = ["prod/bao-0/file", "prod/bao-1/file", "prod/bao-1/syslog"][which];
            let offset = ledger
                .generations()
                .find(|info| Some(info.generation) == generations[which])
                .map_or(0, |info| info.end);
            let appended = ledger
                .append(&NewBatch { source, ..batch(&text, generations[which], offset) })
                .unwrap();
            generations[which] = Some(appended.generation);
            appended
        };
        expected.extend((appended.first_line.0..).zip(text.iter().map(<[u8]>::to_vec)));
        if round % 10 == 0 {
            ledger.checkpoint().unwrap();
        }
    }
    ledger.checkpoint().unwrap();
    (data, expected)
}

#[test]
fn lines_of_servers_are_counted_below_any_leaf() {
    let (data, expected) = mixed();
    let reader = data.reader();
    let own: Vec<u64> = reader
        .own_batches(LeafIndex(0))
        .unwrap()
        .flat_map(|batch| {
            let header = batch.unwrap().header;
            header.first_leaf.0 + 1..header.end()
        })
        .collect();
    assert!(own.len() > 10, "the test needs own lines");
    for leaf in 0..=reader.size() {
        for stream in Stream::ALL {
            let is_its = |at: &u64| own.contains(at) == (stream == Stream::Own);
            let below = expected.iter().filter(|(at, _)| *at < leaf && is_its(at)).count();
            let counted = reader.lines_below(stream, LeafIndex(leaf)).unwrap();
            assert_eq!(counted, below as u64, "{stream:?} below {leaf}");
        }
    }
    assert!(reader.lines_below(Stream::Lines, LeafIndex(reader.size() + 1)).is_err());
}

#[test]
fn batches_start_anywhere() {
    let (data, expected) = mixed();
    let reader = data.reader();
    assert!(data.segments(Stream::Lines).len() > 3, "the test needs several segments");
    for from in 0..=reader.size() {
        let mut read = Vec::new();
        for batch in reader.batches(LeafIndex(from)) {
            let ReadBatch { header, lines, .. } = batch.unwrap();
            assert!(header.end() > from, "batch {} for leaf {from}", header.first_leaf);
            read.extend((header.first_leaf.0 + 1..).zip(lines.iter().map(<[u8]>::to_vec)));
        }
        read.retain(|(leaf, _)| *leaf >= from);
        assert!(
            read.iter().eq(expected.iter().filter(|(leaf, _)| *leaf >= from)),
            "from leaf {from}"
        );
    }
}

#[test]
fn lines_are_read_by_number_in_any_order() {
    let (data, expected) = mixed();
    let reader = data.reader();
    let by_leaf: std::collections::HashMap<_, _> =
        expected.iter().map(|(leaf, line)| (*leaf, line)).collect();
    for step in [1, 37, 101] {
        for leaf in (0..reader.size()).map(|leaf| leaf * step % reader.size()) {
            match (reader.line(LeafIndex(leaf)), by_leaf.get(&leaf)) {
                (Ok(line), Some(expected)) => {
                    assert_eq!(&&line.bytes, expected);
                    assert_eq!(reader.leaf_hash(LeafIndex(leaf)).unwrap(), leaf_hash(expected));
                }
                (Err(LedgerError::NotALine { .. }), None) => {}
                (other, _) => panic!("leaf {leaf}: {other:?}"),
            }
        }
    }
    let size = reader.size();
    assert!(matches!(reader.line(LeafIndex(size)), Err(LedgerError::OutOfRange { .. })));
    assert!(matches!(reader.leaf_hash(LeafIndex(u64::MAX)), Err(LedgerError::OutOfRange { .. })));
}

#[test]
fn a_line_knows_its_place() {
    let data = Data::new();
    let mut ledger = data.open();
    let text = lines("a\nbb\nccc\n");
    ledger
        .append(&NewBatch {
            reader: Reader::Import,
            arrived_unix_ns: 7,
            ..batch(&text, None, 1000)
        })
        .unwrap();
    ledger.checkpoint().unwrap();
    let line = data.reader().line(LeafIndex(3)).unwrap();
    let expected = StoredLine {
        leaf: LeafIndex(3),
        source: NODE.into(),
        generation: Generation(0),
        offset: 1005,
        reader: Reader::Import,
        arrived_unix_ns: 7,
        bytes: b"ccc\n".to_vec(),
    };
    assert_eq!(line, expected);
}

#[test]
fn cat_gives_one_sources_bytes() {
    let (data, _) = mixed();
    let reader = data.reader();
    for source in ["prod/bao-1/file", OWN_SOURCE, "prod/nobody/file"] {
        let mut out = Vec::new();
        let bytes = cat(&reader, source, &mut out).unwrap();
        let batches = reader.batches(LeafIndex(0)).map(|batch| batch.unwrap());
        let expected: Vec<u8> = batches
            .filter(|batch| &*batch.header.source == source)
            .flat_map(|batch| batch.lines.bytes)
            .collect();
        let written = expected.len() as u64;
        assert_eq!((bytes, &out), (SourceBytes { written, removed: 0 }, &expected));
        assert_eq!(out.is_empty(), source == "prod/nobody/file");
    }
}

#[test]
fn a_reader_as_of_a_leaf_reads_nothing_that_came_later() {
    let (data, expected) = mixed();
    let all = LedgerReader::open(data.path()).unwrap();
    let ends: Vec<u64> =
        all.batches(LeafIndex(0)).map(|batch| batch.unwrap().header.end()).collect();
    for &end in [ends[0], ends[30], ends[ends.len() - 1]].iter() {
        let then = LedgerReader::open_as_of(data.path(), end).unwrap();
        then.refresh().unwrap();
        assert_eq!(then.size(), end);
        assert_eq!(then.tree(end).unwrap().root, all.tree(end).unwrap().root);
        let last = then.batches(LeafIndex(0)).last().unwrap().unwrap().header.end();
        assert_eq!(last, end);
        let own =
            then.own_batches(LeafIndex(0)).unwrap().all(|batch| batch.unwrap().header.end() <= end);
        assert!(own);
        let (later, _) = expected.iter().find(|(leaf, _)| *leaf >= end).unwrap_or(&expected[0]);
        if *later >= end {
            let refused = then.line(LeafIndex(*later));
            assert!(matches!(refused, Err(LedgerError::OutOfRange { .. })), "{refused:?}");
        }
        let arrived = all.line(LeafIndex(end - 1)).unwrap().arrived_unix_ns;
        assert_eq!(then.arrived(LeafIndex(end - 1)).unwrap(), arrived);
    }
    // In the middle of lines that were written together.
    let (begin, end) =
        ends.windows(2).map(|two| (two[0], two[1])).find(|(begin, end)| end - begin > 2).unwrap();
    let refused = LedgerReader::open_as_of(data.path(), begin + 1).map(|_| ()).unwrap_err();
    let words = refused.to_string();
    assert!(words.contains(&format!("give {begin} or {end}")), "{words}");
    let beyond = LedgerReader::open_as_of(data.path(), all.size() + 1);
    assert!(matches!(beyond, Err(LedgerError::OutOfRange { .. })));
}

#[test]
fn a_generation_is_compared_with_its_parents_lines() {
    let data = Data::new();
    let mut ledger = data.open();
    let grandparent = append(&mut ledger, None, "a\nb\nc\nd\n").generation;
    let rest = lines("B\nC\n");
    let parent = ledger
        .append(&NewBatch { parent: Some(grandparent), ..batch(&rest, None, 2) })
        .unwrap()
        .generation;
    append(&mut ledger, Some(grandparent), "e\n");
    let rest = lines("X\n");
    let child = ledger
        .append(&NewBatch { parent: Some(parent), ..batch(&rest, None, 4) })
        .unwrap()
        .generation;
    append(&mut ledger, Some(child), "Y\n");
    ledger.checkpoint().unwrap();
    let reader = data.reader();
    for (generation, expected) in
        [(grandparent, "a b c d e"), (parent, "a B C"), (child, "a B X Y"), (Generation(1), "")]
    {
        let read: Vec<_> =
            reader.line_hashes(generation).unwrap().map(|line| line.unwrap()).collect();
        let expected = expected.split_whitespace().zip(1_u64..);
        let expected: Vec<_> = expected
            .map(|(line, number)| (2 * number, leaf_hash(format!("{line}\n").as_bytes())))
            .collect();
        assert_eq!(read, expected, "generation {}", generation.0);
    }
}

#[test]
fn the_writers_reader_sees_what_was_flushed_and_others_what_was_signed() {
    let data = Data::new();
    let mut ledger = data.open();
    let near = ledger.reader().unwrap();
    let far = data.reader();
    let generation = append(&mut ledger, None, "a\nb\n").generation;
    assert_eq!((near.size(), far.refresh().unwrap()), (0, 0));
    ledger.flush().unwrap();
    assert_eq!((near.size(), far.refresh().unwrap()), (3, 0));
    assert_eq!(near.line(LeafIndex(2)).unwrap().bytes, b"b\n");
    assert_eq!(near.leaf_hash(LeafIndex(2)).unwrap(), leaf_hash(b"b\n"));
    assert_eq!(near.line_hashes(generation).unwrap().count(), 2);
    ledger.checkpoint().unwrap();
    assert_eq!(far.size(), 0);
    assert_eq!(far.refresh().unwrap(), 3);
    assert_eq!(far.line(LeafIndex(2)).unwrap().bytes, b"b\n");
    append(&mut ledger, Some(generation), "c\n");
    ledger.checkpoint().unwrap();
    far.refresh().unwrap();
    assert_eq!(far.line(LeafIndex(4)).unwrap().bytes, b"c\n");
    assert_eq!(far.generations().unwrap()[0].lines, 3);
    assert_eq!(far.checkpoint().unwrap(), *ledger.last_checkpoint());
}

#[test]
fn a_line_of_two_leaves_and_an_unterminated_end() {
    let data = Data::new();
    let mut ledger = data.open();
    let (start, end) = (lines("begin of a very long"), lines(" line\nrest"));
    let generation =
        ledger.append(&NewBatch { continued: true, ..batch(&start, None, 0) }).unwrap().generation;
    ledger.append(&NewBatch { unterminated: true, ..batch(&end, Some(generation), 20) }).unwrap();
    ledger.checkpoint().unwrap();
    let batches: Vec<_> = data.reader().batches(LeafIndex(0)).map(|batch| batch.unwrap()).collect();
    let flags: Vec<_> =
        batches.iter().map(|batch| (batch.header.continued, batch.header.unterminated)).collect();
    assert_eq!(flags, [(true, false), (false, true)]);
    assert_eq!(batches[1].lines, end);
    let mut out = Vec::new();
    cat(&data.reader(), NODE, &mut out).unwrap();
    assert_eq!(out, b"begin of a very long line\nrest");
}

#[test]
fn a_reader_beside_the_writer_sees_whole_batches() {
    let data = Data::new();
    let mut ledger = data.open_small(3000);
    let reader = data.reader();
    let writing = std::thread::spawn(move || {
        let mut generation = None;
        for round in 0..150 {
            generation = Some(
                append(&mut ledger, generation, &format!("round {round}\nof 150\nand more\n"))
                    .generation,
            );
            ledger.checkpoint().unwrap();
        }
    });
    let mut seen = 0;
    while seen < 600 {
        let over = writing.is_finished();
        let size = reader.refresh().unwrap();
        for batch in reader.batches(LeafIndex(seen)) {
            let ReadBatch { header, lines, .. } = batch.unwrap();
            let last = LeafIndex(header.end() - 1);
            assert_eq!(reader.leaf_hash(last).unwrap(), leaf_hash(lines.iter().last().unwrap()));
            assert_eq!(reader.line(last).unwrap().bytes, b"and more\n");
            seen = header.end();
        }
        assert_eq!(seen, size);
        assert!(!over || seen == 600, "the writer stopped at leaf {seen}");
    }
    writing.join().unwrap();
}

/// Seals everything there is.
pub(super) fn seal(data: &Path) {
    let cluster = LedgerReader::open(data).unwrap().cluster().to_owned();
    let mut ledger = Ledger::open(data, &cluster).unwrap();
    ledger.finish_old_segments(i64::MAX).unwrap();
    let sealer = ledger.sealer().unwrap();
    while sealer.seal_next().unwrap().is_some() {}
}

#[test]
fn sealed_frames_read_the_same() {
    let (data, expected) = mixed();
    let reader = data.reader();
    let before = notes(&reader, 0);
    let (first, _) = expected[0];
    reader.line(LeafIndex(first)).unwrap();
    seal(data.path());
    assert_eq!(notes(&reader, 0), before, "a reader from before");
    let reader = data.reader();
    assert_eq!(notes(&reader, 0), before);
    for (leaf, line) in &expected {
        assert_eq!(&reader.line(LeafIndex(*leaf)).unwrap().bytes, line);
    }
    let from_middle = reader.batches(LeafIndex(20)).next().unwrap().unwrap().header;
    assert!(
        from_middle.first_leaf.0 > 0 && (from_middle.first_leaf.0..from_middle.end()).contains(&20)
    );
    let verification = data.verify();
    assert_eq!((verification.intact, verification.problem), (true, None));
    let mut ledger = data.open();
    assert!(ledger.append(&own(&lines("more\n"))).is_ok());
    ledger.checkpoint().unwrap();
    assert!(data.verify().intact);
}
