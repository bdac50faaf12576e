//! The disk refuses: it is full, or reading, writing or syncing fails. The writer stops, and goes on when asked to.

use std::sync::Arc;

use rustix::io::Errno;

use super::power::Random;
use super::*;
use crate::ledger::disk::{Disk, Step};
use crate::ledger::faults::Faults;

fn opened(data: &Data) -> (Arc<Faults>, Ledger) {
    let faults = Arc::new(Faults::default());
    let disk = Disk::with(Arc::clone(&faults));
    let ledger = Ledger::open_on(&disk, data.path(), "prod", 4000).unwrap();
    (faults, ledger)
}

/// Appends lines one by one, each with its number, whatever the disk does: after a failure the ledger is opened
/// again and what was not durable is appended again. Returns the failures.
fn write_through(ledger: &mut Ledger, faults: &Faults, count: u64, random: &mut Random) -> usize {
    let mut failures = 0;
    let line = |number: u64| format!("line {number:06}\n");
    let mut next = 0;
    while next < count {
        // One generation of lines of 12 bytes: how many the ledger has, its end tells.
        let known = ledger.generations().next().cloned();
        assert_eq!(known.as_ref().map_or(0, |info| info.end / 12), next);
        let text = lines(&line(next));
        let new = batch(&text, known.as_ref().map(|info| info.generation), next * 12);
        let mut done = ledger.append(&new).map(|_| ());
        if done.is_ok() && random.below(4) == 0 {
            done = ledger.flush().map(|_| ());
        }
        if done.is_ok() && random.below(10) == 0 {
            done = ledger.checkpoint().map(|_| ());
        }
        next += 1;
        if let Err(error) = done {
            assert!(matches!(error, LedgerError::Io { .. }), "{error}");
            assert!(matches!(ledger.append(&new), Err(LedgerError::Stopped)));
            failures += 1;
            // Somebody makes room, now and then too little.
            faults.set_room(Some(random.below(20_000)));
            while ledger.reopen().is_err() {
                faults.set_room(Some(random.below(20_000)));
            }
            next = ledger.generations().next().map_or(0, |info| info.end / 12);
            assert_eq!(ledger.size(), ledger.durable());
        }
    }
    faults.set_room(None);
    faults.relent();
    ledger.checkpoint().unwrap();
    failures
}

fn expect_all(data: &Data, count: u64) {
    let mut out = Vec::new();
    cat(&data.reader(), NODE, &mut out).unwrap();
    let expected: String = (0..count).map(|number| format!("line {number:06}\n")).collect();
    assert_eq!(String::from_utf8(out).unwrap(), expected, "each line once");
    let verification = data.verify();
    assert!(verification.intact && verification.leaves_without_tile == 0, "{verification:?}");
}

#[test]
fn a_full_disk_loses_nothing_and_doubles_nothing() {
    let mut failures = 0;
    for seed in 0..20 {
        let data = Data::in_memory();
        let (faults, mut ledger) = opened(&data);
        faults.set_room(Some(seed as usize * 700));
        failures += write_through(&mut ledger, &faults, 300, &mut Random(seed));
        expect_all(&data, 300);
    }
    assert!(failures > 40, "only {failures} failures: the test tries nothing");
}

#[test]
fn after_a_failed_sync_what_it_was_for_is_written_again() {
    let data = Data::in_memory();
    let (faults, mut ledger) = opened(&data);
    let generation = append(&mut ledger, None, "a\n").generation;
    ledger.checkpoint().unwrap();
    let segment = data.segments(Stream::Lines)[0].clone();
    let durable = fs::metadata(&segment).unwrap().len();
    append(&mut ledger, Some(generation), "b\n");
    let of = segment.clone();
    faults.refuse(move |step| (step == Step::Sync(&of)).then_some(Errno::IO));
    let error = ledger.flush().unwrap_err();
    assert!(error.to_string().starts_with("cannot fsync"), "{error}");
    // The kernel would say "fine" now, and have lost the page.
    faults.relent();
    assert!(matches!(ledger.flush(), Err(LedgerError::Stopped)));
    ledger.reopen().unwrap();
    assert_eq!(fs::metadata(&segment).unwrap().len(), durable, "nothing of it is believed");
    append(&mut ledger, Some(generation), "b\n");
    ledger.checkpoint().unwrap();
    assert_eq!(notes(&data.reader(), 0), "0 prod/bao-0/file 0@0 a$\n2 prod/bao-0/file 0@2 b$\n");
}

#[test]
fn every_step_may_fail_once() {
    let mut fails_at = 0;
    loop {
        let data = Data::in_memory();
        let (faults, mut ledger) = opened(&data);
        let mut step_number = 0;
        let failing = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let failed = Arc::clone(&failing);
        faults.refuse(move |_| {
            step_number += 1;
            let fails = step_number == fails_at + 1;
            failed.fetch_or(fails, std::sync::atomic::Ordering::Relaxed);
            fails.then_some(Errno::IO)
        });
        write_through(&mut ledger, &faults, 30, &mut Random(7));
        expect_all(&data, 30);
        if !failing.load(std::sync::atomic::Ordering::Relaxed) {
            break;
        }
        fails_at += 1;
    }
    assert!(fails_at > 100, "only {fails_at} steps");
}

#[test]
fn what_cannot_be_read_is_told_and_not_taken_for_the_end() {
    let data = Data::in_memory();
    let mut ledger = data.open_small(1);
    let generation = append(&mut ledger, None, "a\n").generation;
    append(&mut ledger, Some(generation), "b\n");
    ledger.checkpoint().unwrap();
    drop(ledger);
    // Reading a folder fails in the kernel, as a bad sector does.
    let segment = data.segments(Stream::Lines)[1].clone();
    fs::rename(&segment, data.path().join("aside")).unwrap();
    fs::create_dir(&segment).unwrap();
    let Err(error) = Ledger::open(data.path(), "prod") else { panic!("opened") };
    assert!(matches!(&error, LedgerError::Io { path, .. } if *path == segment), "{error}");
    assert!(data.reader().line(LeafIndex(3)).is_err());
    fs::remove_dir(&segment).unwrap();
    fs::rename(data.path().join("aside"), &segment).unwrap();
    data.open();
    assert!(data.verify().intact);
}
