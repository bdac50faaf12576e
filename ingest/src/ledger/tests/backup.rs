//! Copies of a ledger, made beside its writer.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rustix::io::Errno;

use super::*;
use crate::ledger::backup::{backup, backup_on};
use crate::ledger::disk::{Disk, Step};
use crate::ledger::faults::Faults;

/// Own lines between, small segments, all but the last sealed; some lines are not signed.
fn ledger(data: &Data) -> Ledger {
    let mut ledger = data.open_small(600);
    for _ in 0..30 {
        a_dozen(&mut ledger);
        ledger.append(&own(&lines("own\n"))).unwrap();
        ledger.checkpoint().unwrap();
    }
    seal(&ledger);
    a_dozen(&mut ledger);
    ledger.flush().unwrap();
    ledger
}

fn seal(ledger: &Ledger) {
    let sealer = ledger.sealer().unwrap();
    while sealer.seal_next().unwrap().is_some() {}
}

fn copy_of(data: &Data, to: &Data) -> Backup {
    backup(data.path(), to.path(), false, &|_, _| ()).unwrap()
}

fn refused(data: &Data, to: &Path) -> String {
    match backup(data.path(), to, false, &|_, _| ()) {
        Err(error @ LedgerError::Backup { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_copy_is_the_ledger_as_it_was_signed() {
    let (data, to) = (Data::new(), Data::new());
    let mut ledger = ledger(&data);
    let signed = data.reader().checkpoint().unwrap();
    assert!(ledger.size() > signed.size, "the test needs lines that are not signed");
    let done = copy_of(&data, &to);
    assert_eq!((&done.checkpoint, done.with_keys), (&signed, false));
    let seen = to.verify();
    assert!(seen.intact && seen.leaves_without_tile == 0 && seen.wrong_footers.is_empty());
    assert_eq!(seen.leaves, signed.size);
    assert_eq!(notes(&to.reader(), 0), notes(&data.reader(), 0));
    assert_eq!(to.reader().generations().unwrap(), data.reader().generations().unwrap());
    assert!(!to.path().join("keys/signing.key").exists());
    let Err(error) = Ledger::open(to.path(), "prod") else { panic!("opened without a key") };
    assert!(matches!(error, LedgerError::Key { .. }), "{error}");

    // Made again it writes what is new, and with the key it can be gone on with.
    ledger.checkpoint().unwrap();
    let again = backup(data.path(), to.path(), true, &|_, _| ()).unwrap();
    assert!(again.kept > done.written / 2 && again.written < 5, "{again:?}");
    let key = to.path().join("keys/signing.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let mut restored = to.open_small(600);
    assert_eq!(restored.size(), ledger.size());
    append(&mut restored, Some(Generation(0)), "another way\n");
    restored.checkpoint().unwrap();
    assert!(to.verify().intact);
    drop(restored);
    // From here the copy goes another way, which no later backup may overwrite.
    assert!(refused(&data, to.path()).contains("is no extension"));
    a_dozen(&mut ledger);
    ledger.checkpoint().unwrap();
    assert!(refused(&data, to.path()).contains("is no extension"));
}

#[test]
fn copies_made_while_the_ledger_is_written_and_sealed_are_whole() {
    let (data, to) = (Data::in_memory(), Data::in_memory());
    let mut ledger = data.open_small(400);
    a_dozen(&mut ledger);
    ledger.checkpoint().unwrap();
    let writing = std::thread::spawn(move || {
        for _ in 0..40 {
            a_dozen(&mut ledger);
            ledger.append(&own(&lines("own\n"))).unwrap();
            ledger.checkpoint().unwrap();
            seal(&ledger);
        }
    });
    let mut last = 0;
    loop {
        let over = writing.is_finished();
        let done = backup(data.path(), to.path(), true, &|_, _| ()).unwrap();
        let seen = to.verify();
        assert!(seen.intact && seen.wrong_footers.is_empty(), "{:?}", seen.problem);
        assert_eq!(seen.leaves_without_tile, 0);
        assert!(done.checkpoint.size >= last);
        last = done.checkpoint.size;
        // Whoever goes on from this one finds nothing that a crash could not have left.
        let restored = Data::in_memory();
        crash::copy(to.path(), restored.path());
        assert_eq!(restored.open_small(400).size(), last);
        if over {
            break;
        }
    }
    writing.join().unwrap();
    assert_eq!(last, data.reader().size());
}

#[test]
fn what_retention_removed_goes_from_the_next_copy() {
    let (data, to) = (Data::new(), Data::new());
    let mut ledger = ledger(&data);
    copy_of(&data, &to);
    let reader = ledger.reader().unwrap();
    let old = reader.segments_before(LeafIndex(0), i64::MAX).unwrap();
    let tombstone = ledger.append(&own(&lines("tombstone\n"))).unwrap().first_line;
    ledger.checkpoint().unwrap();
    assert!(reader.empty_segment(old[0].first_leaf).unwrap());
    copy_of(&data, &to);
    let removed = Removed { tombstone, first_leaf: old[0].first_leaf, end: old[0].end };
    let options = VerifyOptions { removed: vec![removed], ..VerifyOptions::default() };
    let seen = verify(to.path(), &options, &mut |_, _| {}).unwrap();
    assert!(seen.intact && seen.removed_lines > 0, "{:?}", seen.problem);
}

#[test]
fn a_key_that_was_changed_comes_along() {
    let (data, to) = (Data::new(), Data::new());
    let mut ledger = ledger(&data);
    backup(data.path(), to.path(), true, &|_, _| ()).unwrap();
    let old = ledger.verifier_key();
    ledger.rotate_key().unwrap();
    a_dozen(&mut ledger);
    ledger.checkpoint().unwrap();
    // A copy that has the key goes on to get it: it would not fit the public one.
    assert!(copy_of(&data, &to).with_keys);
    let options = VerifyOptions { key: Some(KnownKey::Key(old)), ..VerifyOptions::default() };
    let seen = verify(to.path(), &options, &mut |_, _| {}).unwrap();
    assert_eq!((seen.intact, seen.signer_known), (true, Some(true)));
    assert_eq!(to.open_small(600).size(), ledger.size());
}

#[test]
fn what_is_no_backup_of_this_ledger_is_left_alone() {
    let (data, other) = (Data::new(), Data::new());
    let _ledger = ledger(&data);
    drop(ledger(&other));
    assert!(refused(&data, other.path()).contains("is no extension"));
    assert!(refused(&data, &data.path().join("copy")).contains("within the other"));
    assert!(!data.path().join("copy").exists());
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("thesis.tex"), "").unwrap();
    assert!(refused(&data, elsewhere.path()).contains("holds other files"));
    let foreign = Data::new();
    drop(Ledger::open(foreign.path(), "test").unwrap());
    assert!(refused(&data, foreign.path()).contains("cluster \"test\""));
}

#[test]
fn a_backup_that_fails_at_any_step_is_finished_by_the_next() {
    let data = Data::in_memory();
    let mut ledger = ledger(&data);
    let to = Data::in_memory();
    copy_of(&data, &to);
    ledger.append(&own(&lines("own\n"))).unwrap();
    ledger.finish_old_segments(i64::MAX).unwrap();
    ledger.checkpoint().unwrap();
    seal(&ledger);
    let mut failures = 0;
    for fails_at in 0.. {
        let started = Data::in_memory();
        crash::copy(to.path(), started.path());
        let faults = Arc::new(Faults::default());
        let mut step = 0;
        faults.refuse(move |_: Step<'_>| {
            step += 1;
            (step == fails_at + 1).then_some(Errno::NOSPC)
        });
        let disk = Disk::with(faults);
        match backup_on(disk, data.path(), started.path(), true, &|_, _| ()) {
            Err(error) => assert!(error.is_full(), "{error}"),
            Ok(_) => break,
        }
        failures += 1;
        let seen = started.verify();
        assert!(seen.intact, "what was copied before stays whole: {:?}", seen.problem);
        backup(data.path(), started.path(), true, &|_, _| ()).unwrap();
        let seen = started.verify();
        assert!(seen.intact && seen.leaves_without_tile == 0, "{:?}", seen.problem);
        assert_eq!(started.open_small(600).size(), ledger.size());
    }
    assert!(failures > 10, "only {failures} failures");
}
