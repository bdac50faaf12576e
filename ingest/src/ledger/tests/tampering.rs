//! What somebody changed, vanished or added is found, and named.

use super::*;
use crate::ledger::frame::FrameEncoder;
use crate::ledger::note::NoteSigner;

/// Four batches of three lines: leaves 0, 4, 8 and 12 are headers.
fn ledger() -> Data {
    let data = Data::new();
    let mut ledger = data.open();
    let mut generation = None;
    for text in ["a\nb\nc\n", "d\ne\nf\n", "g\nh\ni\n", "j\nk\nl\n"] {
        generation = Some(append(&mut ledger, generation, text).generation);
    }
    ledger.checkpoint().unwrap();
    data
}

/// Rewrites the segment with a change to its batches, checksums and all.
pub(super) fn rewrite(data: &Data, change: impl FnOnce(&mut Vec<ReadBatch>)) {
    let mut batches: Vec<_> =
        data.reader().batches(LeafIndex(0)).map(|batch| batch.unwrap()).collect();
    change(&mut batches);
    let mut segment = Vec::new();
    let mut frame = Vec::new();
    for ReadBatch { header, lines, .. } in batches {
        FrameEncoder::new().unwrap().encode(&[header], &lines.bytes, 0, &mut frame).unwrap();
        segment.extend_from_slice(&frame);
    }
    fs::write(&data.segments(Stream::Lines)[0], segment).unwrap();
}

#[test]
fn changes_that_keep_every_checksum_are_found() {
    type Change = fn(&mut Vec<ReadBatch>);
    let changes: [(&str, u64, Change); 8] = [
        ("a byte of a line", 6, |batches| batches[1].lines.bytes[2] = b'E'),
        ("two lines exchanged", 9, |batches| batches[2].lines.bytes = b"h\ng\ni\n".to_vec()),
        ("a source", 4, |batches| batches[1].header.source = "prod/bao-1/file".into()),
        ("a time", 8, |batches| batches[2].header.arrived_unix_ns += 1),
        ("an offset", 12, |batches| batches[3].header.offset += 1),
        ("the last batch gone", 12, |batches| drop(batches.pop())),
        ("a batch gone", 4, |batches| drop(batches.remove(1))),
        ("where lines end", 4, |batches| batches[1].header.lengths = vec![1, 3, 2]),
    ];
    for (name, leaf, change) in changes {
        let data = ledger();
        rewrite(&data, change);
        let verification = data.verify();
        assert!(!verification.intact, "{name}");
        assert_eq!(
            verification.first_wrong_leaf,
            Some(LeafIndex(leaf)),
            "{name}: {:?}",
            verification.problem
        );
        assert!(verification.problem.unwrap().contains("lines/00000000000000000000.zst"), "{name}");
    }
}

#[test]
fn every_flipped_bit_of_a_segment_is_found() {
    let data = ledger();
    let segment = data.segments(Stream::Lines)[0].clone();
    let whole = fs::read(&segment).unwrap();
    for at in 0..whole.len() {
        flip(&segment, at as u64);
        let verification = data.verify();
        assert!(!verification.intact, "a flip at {at}");
        assert!(verification.first_wrong_leaf.is_some(), "a flip at {at}");
        fs::write(&segment, &whole).unwrap();
    }
    assert!(data.verify().intact);
}

#[test]
fn tiles_changed_along_with_a_line_do_not_help() {
    let data = ledger();
    rewrite(&data, |batches| batches[1].lines.bytes[0] = b'D');
    let tile = data.path().join("ledger/tiles/0/000.p/16");
    let mut hashes = fs::read(&tile).unwrap();
    hashes[5 * 32..6 * 32].copy_from_slice(&leaf_hash(b"D\n"));
    fs::write(&tile, hashes).unwrap();
    let verification = data.verify();
    assert!(!verification.intact);
    // The changed tile cannot be believed, so all that is known is where it begins.
    assert_eq!(verification.first_wrong_leaf, Some(LeafIndex(0)), "{:?}", verification.problem);
    assert!(matches!(Ledger::open(data.path(), "prod"), Err(LedgerError::Corrupt { .. })));
}

#[test]
fn the_signer_is_who_was_known_beforehand() {
    let data = ledger();
    let own = VerifierKey::of_folder(data.path()).unwrap();
    let other = NoteSigner::new("keytrail/prod", &[9; 32]);
    let check = |key: &VerifierKey| {
        let options =
            VerifyOptions { key: Some(KnownKey::Key(key.clone())), ..VerifyOptions::default() };
        let verification = verify(data.path(), &options, &mut |_, _| {}).unwrap();
        (verification.intact, verification.signer_known)
    };
    assert_eq!(check(&own), (true, Some(true)));
    assert_eq!(check(&other.verifier()), (true, Some(false)));
    assert_eq!(data.verify().signer_known, None);
    let fingerprint = key_fingerprint(&own);
    assert!(fingerprint.starts_with("sha256:") && fingerprint.len() == 71, "{fingerprint}");
    // Somebody else signs another history with another key.
    let checkpoint = data.reader().checkpoint().unwrap();
    let path = data.path().join("ledger/checkpoint");
    fs::write(&path, other.checkpoint(checkpoint.size, &checkpoint.root).note).unwrap();
    assert_eq!(check(&own), (false, Some(false)));
    assert!(!data.verify().intact);
    let Err(error) = Ledger::open(data.path(), "prod") else {
        panic!("opened a foreign checkpoint")
    };
    assert!(error.to_string().contains("not signed by this folder's key"), "{error}");
    for (note, problem) in
        [("", "no signed note"), ("keytrail/prod\n1\n\n", "a note of fewer than three lines")]
    {
        fs::write(&path, note).unwrap();
        assert!(data.verify().problem.unwrap().contains(problem));
    }
    fs::remove_file(&path).unwrap();
    assert!(data.verify().problem.unwrap().ends_with("is missing"));
}

#[test]
fn a_line_that_looks_like_a_header_is_a_line() {
    let data = Data::new();
    let mut ledger = data.open();
    let text = lines("a\n");
    ledger.append(&batch(&text, None, 0)).unwrap();
    let mut forged = Vec::new();
    ledger.reader().unwrap();
    ledger.flush().unwrap();
    let mut header = ledger.reader().unwrap().batches(LeafIndex(0)).next().unwrap().unwrap().header;
    header.first_leaf = LeafIndex(3);
    header.encode(&mut forged);
    let mut frame = Vec::new();
    FrameEncoder::new().unwrap().encode(&[header], b"a\n", 0, &mut frame).unwrap();
    let mut text = Lines::default();
    text.push(&forged);
    text.push(&frame);
    ledger.append(&NewBatch { unterminated: true, ..batch(&text, None, 0) }).unwrap();
    ledger.checkpoint().unwrap();
    let reader = data.reader();
    assert_eq!(
        (reader.line(LeafIndex(3)).unwrap().bytes, reader.line(LeafIndex(4)).unwrap().bytes),
        (forged, frame)
    );
    assert!(data.verify().intact);
    drop(ledger);
    data.open();
}

#[test]
fn a_lost_key_is_not_replaced() {
    let data = ledger();
    let key = data.path().join("keys/signing.key");
    let text = fs::read_to_string(&key).unwrap();
    for (content, problem) in [
        (None, "the signing key is missing"),
        (Some("garbage".to_owned()), "no signing key"),
        (Some(text.replace("prod", "test")), "a key whose id does not fit its name and bytes"),
        (
            Some(NoteSigner::new("keytrail/test", &[1; 32]).to_text()),
            "this is the key of another ledger",
        ),
    ] {
        match content {
            Some(content) => fs::write(&key, content).unwrap(),
            None => fs::remove_file(&key).unwrap(),
        }
        let Err(error) = Ledger::open(data.path(), "prod") else { panic!("opened: {problem}") };
        assert!(
            matches!(&error, LedgerError::Key { .. }) && error.to_string().contains(problem),
            "{error}"
        );
    }
    assert!(data.verify().intact, "readers need no secret");
}

#[test]
fn a_folder_that_is_none() {
    let data = Data::new();
    assert!(matches!(LedgerReader::open(data.path()), Err(LedgerError::Missing { .. })));
    assert!(matches!(
        verify(data.path(), &VerifyOptions::default(), &mut |_, _| {}),
        Err(LedgerError::Missing { .. })
    ));
    fs::write(data.path().join("format"), "format 2\ncluster prod\n").unwrap();
    for error in [LedgerReader::open(data.path()).err(), Ledger::open(data.path(), "prod").err()] {
        let error = error.unwrap();
        let said = error.to_string();
        for part in ["it reads format 1", "has \"format 2\", which a newer keytrail"] {
            assert!(said.contains(part), "{said}");
        }
    }
}

#[test]
fn a_ledger_longer_than_what_is_read_ahead_is_verified_to_its_end() {
    let data = Data::new();
    let mut ledger = data.open();
    let (text, mut generation) = (lines(&"x\n".repeat(8000)), None);
    for batch_number in 0..45 {
        let offset = batch_number * text.bytes.len() as u64;
        generation = Some(ledger.append(&batch(&text, generation, offset)).unwrap().generation);
    }
    ledger.checkpoint().unwrap();
    drop(ledger);
    let mut told = Vec::new();
    let all = 45 * 8001;
    let verification = verify(data.path(), &VerifyOptions::default(), &mut |done, of| {
        assert_eq!(of, all);
        told.push(done);
    })
    .unwrap();
    assert_eq!((verification.intact, verification.leaves), (true, all));
    assert!(told.is_sorted() && told.last() == Some(&all), "progress goes up to the end");
    rewrite(&data, |batches| batches[41].lines.bytes[2 * 777] = b'y');
    let expected = 41 * 8001 + 1 + 777;
    assert_eq!(data.verify().first_wrong_leaf, Some(LeafIndex(expected)));
}
