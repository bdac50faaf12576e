//! Sealing: less on disk, the same ledger.

use std::sync::Arc;

use rustix::io::Errno;

use super::power::Random;
use super::*;
use crate::ledger::disk::{Disk, Step};
use crate::ledger::faults::Faults;

const SECOND_NS: i64 = 1_000_000_000;
const START_NS: i64 = 1_790_000_000 * SECOND_NS;

/// Lines like a server's, about 1,600 bytes, much of it hashes that do not compress.
fn server_lines(random: &mut Random, count: usize) -> Lines {
    let mut text = Lines::default();
    for _ in 0..count {
        let mut hash = || -> String {
            (0..64).map(|_| char::from_digit(random.below(16) as u32, 16).unwrap()).collect()
        };
        let line = format!(
            "{{\"time\":\"2026-10-05T08:00:00.123456789Z\",\"type\":\"response\",\"auth\":{{\"client_token\":\"hmac-sha256:{}\",\
             \"accessor\":\"hmac-sha256:{}\",\"display_name\":\"kubernetes-my-app-my-app\",\"policies\":[\"default\",\"my-app\"],\"token_policies\":[\"default\",\"my-app\"],\
             \"policy_results\":{{\"allowed\":true,\"granting_policies\":[{{\"name\":\"my-app\",\"namespace_id\":\"root\",\"type\":\"acl\"}}]}},\
             \"metadata\":{{\"role\":\"my-app\",\"service_account_name\":\"my-app\",\"service_account_namespace\":\"my-app\"}},\"entity_id\":\"5f1c3c0a\",\"token_type\":\"service\",\"token_ttl\":3600}},\
             \"request\":{{\"id\":\"{}\",\"operation\":\"read\",\"mount_point\":\"secret/\",\"mount_type\":\"kv\",\"mount_running_version\":\"v2.7.2+builtin.bao\",\"namespace\":{{\"id\":\"root\"}},\
             \"path\":\"secret/data/my-app/config\",\"remote_address\":\"10.0.1.7\",\"remote_port\":40112}},\
             \"response\":{{\"mount_point\":\"secret/\",\"mount_type\":\"kv\",\"data\":{{\"data\":{{\"password\":\"hmac-sha256:{}\",\"username\":\"hmac-sha256:{}\"}},\
             \"metadata\":{{\"created_time\":\"hmac-sha256:8a5e\",\"custom_metadata\":null,\"deletion_time\":\"hmac-sha256:53bd\",\"destroyed\":false,\"version\":1}}}}}},\"padding\":\"{}\"}}\n",
            hash(),
            hash(),
            &hash()[..36],
            hash(),
            hash(),
            "a word and another, ".repeat(12),
        );
        text.push(line.as_bytes());
    }
    text
}

/// Five lines a second for an hour, in batches of one to five, signed each minute.
fn trickle(data: &Data) -> u64 {
    let disk = Disk::with(Arc::new(Faults::default()));
    let mut ledger = Ledger::open_on(&disk, data.path(), "prod", SEGMENT_BYTES).unwrap();
    let (mut random, mut generation, mut raw, mut written) = (Random(1), None, 0, 0);
    while written < 18_000 {
        let count = 1 + random.below(5).min(17_999 - written);
        let text = server_lines(&mut random, count);
        let new = NewBatch {
            arrived_unix_ns: START_NS + written as i64 * SECOND_NS / 5,
            ..batch(&text, generation, raw)
        };
        generation = Some(ledger.append(&new).unwrap().generation);
        raw += text.bytes.len() as u64;
        written += count;
        if written % 300 < 5 {
            ledger.checkpoint().unwrap();
        }
    }
    ledger.checkpoint().unwrap();
    raw
}

/// What a folder takes on disk, in whole blocks of 4 KiB.
fn blocks(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let bytes = entries.map(|entry| match entry.metadata().unwrap() {
        metadata if metadata.is_dir() => blocks(&entry.path()),
        metadata => metadata.len().next_multiple_of(4096),
    });
    bytes.sum()
}

#[test]
fn a_trickle_takes_a_fifth_at_most_and_stays_what_it_was() {
    let data = Data::in_memory();
    let raw = trickle(&data);
    let before = blocks(&data.path().join("ledger"));
    let mut lines_before = Vec::new();
    cat(&data.reader(), NODE, &mut lines_before).unwrap();
    reading::seal(data.path());
    let after = blocks(&data.path().join("ledger"));
    eprintln!("trickle: {raw} bytes raw, {before} before sealing, {after} after");
    assert!(after * 5 <= raw, "{after} of {raw} bytes ({before} before)");
    let mut lines = Vec::new();
    cat(&data.reader(), NODE, &mut lines).unwrap();
    assert!(lines == lines_before);
    assert!(data.verify().intact);
}

#[test]
fn segments_end_with_time_in_both_streams() {
    let data = Data::new();
    let mut ledger = data.open();
    let hour = 3600 * SECOND_NS;
    let text = lines("a\n");
    let at = |arrived_unix_ns| NewBatch { arrived_unix_ns, ..batch(&text, None, 0) };
    ledger.append(&at(START_NS)).unwrap();
    let said = lines("own\n");
    ledger.append(&NewBatch { arrived_unix_ns: START_NS, ..own(&said) }).unwrap();
    // Small: it has a day.
    ledger.append(&at(START_NS + 23 * hour)).unwrap();
    assert_eq!(data.segments(Stream::Lines).len(), 1);
    ledger.append(&at(START_NS + 24 * hour)).unwrap();
    assert_eq!(data.segments(Stream::Lines).len(), 2);
    // A clock that was set back ends nothing.
    ledger.append(&at(START_NS)).unwrap();
    let big = lines(&"0123456789abcdef\n".repeat(200_000));
    let mut random = Random(3);
    let bytes = (0..big.bytes.len()).map(|_| b'a' + random.below(26) as u8).collect();
    let big = Lines { bytes, lengths: big.lengths };
    ledger
        .append(&NewBatch { arrived_unix_ns: START_NS + 24 * hour, ..batch(&big, None, 0) })
        .unwrap();
    ledger.append(&at(START_NS + 25 * hour)).unwrap();
    assert_eq!(data.segments(Stream::Lines).len(), 3);
    ledger.checkpoint().unwrap();
    // Only what is over is sealed.
    let sealer = ledger.sealer().unwrap();
    let sealed: Vec<u64> = std::iter::from_fn(|| sealer.seal_next().unwrap())
        .map(|sealed| sealed.first_leaf.0)
        .collect();
    assert_eq!(sealed.len(), 3, "two of lines, one of our own: {sealed:?}");
    ledger.finish_old_segments(START_NS + 48 * hour).unwrap();
    assert!(sealer.seal_next().unwrap().is_none(), "a day is not over yet");
    ledger.finish_old_segments(START_NS + 49 * hour).unwrap();
    assert!(sealer.seal_next().unwrap().is_some());
    let before = notes(&data.reader(), 0);
    ledger.append(&at(START_NS + 49 * hour)).unwrap();
    ledger.checkpoint().unwrap();
    drop(ledger);
    // A sealed segment is not gone on with.
    reading::seal(data.path());
    let mut ledger = data.open();
    ledger.append(&at(START_NS + 50 * hour)).unwrap();
    ledger.checkpoint().unwrap();
    assert!(notes(&data.reader(), 0).starts_with(&before));
    assert!(data.verify().intact);
}

/// Two segments of lines, the first with a full tile's leaves.
fn two_segments(data: &Data) -> (Ledger, PathBuf) {
    let mut ledger = data.open_small(1);
    let text: String = (0..300).map(|line| format!("line {line}\n")).collect();
    let generation = append(&mut ledger, None, &text).generation;
    append(&mut ledger, Some(generation), "more\n");
    ledger.checkpoint().unwrap();
    (ledger, data.segments(Stream::Lines)[0].clone())
}

#[test]
fn a_damaged_segment_is_not_sealed() {
    let data = Data::new();
    let (ledger, segment) = two_segments(&data);
    flip(&segment, fs::metadata(&segment).unwrap().len() - 9);
    let before = fs::read(&segment).unwrap();
    let error = ledger.sealer().unwrap().seal_next().unwrap_err();
    assert!(matches!(&error, LedgerError::Corrupt { path, .. } if *path == segment), "{error}");
    assert!(fs::read(&segment).unwrap() == before, "it stays as it is");
}

#[test]
fn a_tile_that_a_power_failure_took_is_made_again() {
    for lost in [true, false] {
        let data = Data::new();
        let (ledger, _) = two_segments(&data);
        let tile = data.path().join("ledger/tiles/0/000");
        match lost {
            true => fs::remove_file(&tile).unwrap(),
            false => flip(&tile, 40),
        }
        assert_eq!(data.verify().leaves_without_tile, 256);
        assert!(ledger.sealer().unwrap().seal_next().unwrap().is_some());
        assert_eq!(data.verify().leaves_without_tile, 0);
        assert!(data.verify().intact);
    }
}

#[test]
fn sealing_that_fails_at_any_step_leaves_a_whole_segment() {
    let faults = Arc::new(Faults::default());
    let data = Data::in_memory();
    let mut ledger =
        Ledger::open_on(&Disk::with(Arc::clone(&faults)), data.path(), "prod", 300).unwrap();
    let mut generation = None;
    for round in 0..12 {
        generation =
            Some(append(&mut ledger, generation, &format!("{round} a\nb\nc\n")).generation);
    }
    ledger.checkpoint().unwrap();
    let before = notes(&data.reader(), 0);
    let sealer = ledger.sealer().unwrap();
    let mut failures = 0;
    for fails_at in 0.. {
        let mut step = 0;
        faults.refuse(move |_: Step<'_>| {
            step += 1;
            (step == fails_at + 1).then_some(Errno::NOSPC)
        });
        match sealer.seal_next() {
            Err(error) => {
                assert!(error.is_full(), "{error}");
                failures += 1;
            }
            Ok(None) => break,
            Ok(Some(_)) => {}
        }
        assert_eq!(notes(&data.reader(), 0), before);
        assert!(data.verify().intact);
    }
    assert!(failures >= 5, "only {failures} failures");
    faults.relent();
    while sealer.seal_next().unwrap().is_some() {}
    append(&mut ledger, generation, "later\n");
    ledger.checkpoint().unwrap();
    assert!(notes(&data.reader(), 0).starts_with(&before));
}

#[test]
fn readers_go_on_while_segments_are_replaced() {
    let data = Data::new();
    let mut ledger = data.open_small(600);
    let mut generation = None;
    for round in 0..200 {
        generation =
            Some(append(&mut ledger, generation, &format!("{round}\nsecond\n")).generation);
    }
    ledger.checkpoint().unwrap();
    let expected = notes(&data.reader(), 0);
    let reader = data.reader();
    let mut slow = reader.batches(LeafIndex(0));
    slow.next().unwrap().unwrap();
    let sealing = std::thread::spawn(move || {
        let sealer = ledger.sealer().unwrap();
        while sealer.seal_next().unwrap().is_some() {}
    });
    let mut leaf = 1;
    while !sealing.is_finished() {
        leaf = (leaf + 157) % reader.size();
        match reader.line(LeafIndex(leaf)) {
            Ok(_) | Err(LedgerError::NotALine { .. }) => {}
            Err(error) => panic!("leaf {leaf}: {error}"),
        }
        let batch = reader.batches(LeafIndex(leaf)).next().unwrap().unwrap();
        assert!(batch.header.end() > leaf);
    }
    sealing.join().unwrap();
    assert_eq!(slow.map(Result::unwrap).count(), 199);
    assert_eq!(notes(&reader, 0), expected);
}
