//! Keys that follow each other, and what each of them is good for.

use super::*;
use crate::ledger::note::NoteSigner;

fn known(data: &Data, key: &KnownKey) -> Verification {
    let options = VerifyOptions { key: Some(key.clone()), ..VerifyOptions::default() };
    verify(data.path(), &options, &mut |_, _| {}).unwrap()
}

fn chain(data: &Data) -> KeyChain {
    KeyChain::of_folder(data.path()).unwrap()
}

fn fingerprint(key: &VerifierKey) -> KnownKey {
    KnownKey::Fingerprint(key_fingerprint(key))
}

/// A ledger whose key was rotated twice, lines between; the three keys.
fn rotated() -> (Data, [VerifierKey; 3]) {
    let data = Data::new();
    let mut ledger = data.open();
    let first = ledger.verifier_key();
    let generation = append(&mut ledger, None, "a\n").generation;
    let second = ledger.rotate_key().unwrap().to;
    append(&mut ledger, Some(generation), "b\n");
    drop(ledger);
    let mut ledger = data.open();
    append(&mut ledger, Some(generation), "c\n");
    let third = ledger.rotate_key().unwrap().to;
    append(&mut ledger, Some(generation), "d\n");
    ledger.checkpoint().unwrap();
    (data, [first, second, third])
}

#[test]
fn whoever_knows_an_old_key_knows_the_new_one() {
    let (data, keys) = rotated();
    assert_eq!(data.reader().origin(), "keytrail/prod");
    for key in &keys {
        for known_key in [fingerprint(key), KnownKey::Key(key.clone())] {
            let verification = known(&data, &known_key);
            assert_eq!((verification.intact, verification.signer_known), (true, Some(true)));
        }
    }
    let stranger = NoteSigner::new("keytrail/prod", &[9; 32]).verifier();
    assert_eq!(known(&data, &fingerprint(&stranger)).signer_known, Some(false));
    // A later key vouches for no earlier one.
    assert_eq!(chain(&data).vouched_for(&fingerprint(&keys[1])), [&keys[1], &keys[2]]);
    let text = chain(&data).to_string();
    assert_eq!(text.parse(), Ok(chain(&data)), "as proofs carry it");
    let proof = data.reader().prove_inclusion(LeafIndex(1)).unwrap().0;
    assert!(fingerprint(&keys[0]).vouches_for(&proof.checkpoint, proof.keys.as_ref()));
    assert!(!fingerprint(&stranger).vouches_for(&proof.checkpoint, proof.keys.as_ref()));
}

#[test]
fn a_handover_cannot_be_made_up() {
    let (data, keys) = rotated();
    let path = data.path().join("keys/handovers");
    let whole = fs::read_to_string(&path).unwrap();
    let first_known = || known(&data, &fingerprint(&keys[0]));
    // Somebody puts a key of his own behind the last one: it signs nothing that counts.
    let own = NoteSigner::new("keytrail/prod", &[9; 32]);
    let checkpoint = data.reader().checkpoint().unwrap();
    let forged = keys::Handover::sign((&keys[2], None), &own, checkpoint.size, &checkpoint.root);
    fs::write(&path, format!("{whole}{}", forged.note())).unwrap();
    assert_eq!(first_known().signer_known, Some(true), "the key of the folder is the third");
    fs::write(data.path().join("keys/verifier.key"), own.verifier().to_string()).unwrap();
    let resigned = own.checkpoint(checkpoint.size, &checkpoint.root);
    fs::write(data.path().join("ledger/checkpoint"), &resigned.note).unwrap();
    assert_eq!((first_known().intact, first_known().signer_known), (true, Some(false)));
    // Names a key as the old one that has not agreed: no handover to whoever knows that key.
    assert!(!forged.agreed);
    let swapped = whole.replacen(&keys[1].to_string(), &own.verifier().to_string(), 1);
    fs::write(&path, swapped).unwrap();
    assert_eq!(first_known().keys, None, "its signature is not the new key's");
}

#[test]
fn an_old_key_signs_nothing_after_its_handover() {
    let (data, keys) = rotated();
    let chain = chain(&data);
    let handover = &chain.handovers()[0];
    assert_eq!((&handover.from, &handover.to, handover.size), (&keys[0], &keys[1], 2));
    let old = NoteSigner::new("keytrail/prod", &[1; 32]);
    let new = NoteSigner::new("keytrail/prod", &[2; 32]);
    let handover = keys::Handover::sign((&old.verifier(), Some(&old)), &new, 5, &[3; 32]);
    let chain = KeyChain::new(new.verifier(), vec![handover]);
    assert_eq!(chain.signer_of(&old.checkpoint(5, &[3; 32])), Some(&old.verifier()));
    assert_eq!(chain.signer_of(&old.checkpoint(6, &[4; 32])), None);
    assert_eq!(chain.signer_of(&new.checkpoint(6, &[4; 32])), Some(&new.verifier()));
}

#[test]
fn a_handover_cut_short_is_finished_or_forgotten() {
    let data = Data::new();
    let mut ledger = data.open();
    append(&mut ledger, None, "a\n");
    ledger.checkpoint().unwrap();
    drop(ledger);
    let keys = data.path().join("keys");
    let names = ["handovers", "signing.key", "verifier.key"];
    let read = |name: &str| fs::read(keys.join(name)).ok();
    let before = names.map(read);
    let checkpoint = fs::read(data.path().join("ledger/checkpoint")).unwrap();
    let first = chain(&data).current().clone();
    let second = data.open().rotate_key().unwrap().to;
    let after = names.map(read);
    // The files are replaced in this order; the power fails after so many of them.
    for done in 0..=3 {
        for (at, name) in names.iter().enumerate() {
            match if at < done { &after[at] } else { &before[at] } {
                Some(content) => fs::write(keys.join(name), content).unwrap(),
                None => fs::remove_file(keys.join(name)).unwrap(),
            }
        }
        fs::write(data.path().join("ledger/checkpoint"), &checkpoint).unwrap();
        let verification = data.verify();
        assert!(verification.intact, "after {done}: {:?}", verification.problem);
        let ledger = data.open();
        let expected = if done < 2 { &first } else { &second };
        assert_eq!(ledger.verifier_key(), *expected, "after {done}");
        drop(ledger);
        let verification = known(&data, &fingerprint(&first));
        assert_eq!((verification.intact, verification.signer_known), (true, Some(true)));
        assert!(expected.verifies(&data.reader().checkpoint().unwrap().note), "after {done}");
    }
}

#[test]
fn a_new_origin_keeps_the_leaves_and_the_fingerprint() {
    let (data, keys) = rotated();
    let before = notes(&data.reader(), 0);
    let old = data.reader().checkpoint().unwrap();
    let (mut ledger, handover) = Ledger::open_new_origin(data.path()).unwrap();
    assert_eq!((handover.to.name(), handover.agreed), ("keytrail/prod/2", true));
    assert_eq!(key_fingerprint(&handover.to), key_fingerprint(&keys[2]));
    append(&mut ledger, Some(Generation(0)), "e\n");
    ledger.checkpoint().unwrap();
    drop(ledger);
    let reader = data.reader();
    assert_eq!((reader.origin(), reader.cluster()), ("keytrail/prod/2", "prod"));
    assert!(notes(&reader, 0).starts_with(&before));
    for key in &keys {
        assert_eq!(known(&data, &fingerprint(key)).signer_known, Some(true));
    }
    // What the old name signed is still known, and still the beginning.
    let options = VerifyOptions {
        key: Some(fingerprint(&keys[0])),
        against: vec![old],
        ..Default::default()
    };
    let verification = verify(data.path(), &options, &mut |_, _| {}).unwrap();
    assert_eq!(verification.outside[0].standing, Standing::Extends);
    drop(data.open());
    let (_, handover) = Ledger::open_new_origin(data.path()).unwrap();
    assert_eq!(handover.to.name(), "keytrail/prod/3");
}

#[test]
fn a_lost_key_gives_a_new_origin_that_the_old_key_does_not_vouch_for() {
    let (data, keys) = rotated();
    fs::remove_file(data.path().join("keys/signing.key")).unwrap();
    assert!(matches!(Ledger::open(data.path(), "prod"), Err(LedgerError::Key { .. })));
    let (ledger, handover) = Ledger::open_new_origin(data.path()).unwrap();
    drop(ledger);
    assert!(!handover.agreed);
    assert!(data.verify().intact);
    for key in &keys {
        assert_eq!(known(&data, &fingerprint(key)).signer_known, Some(false));
    }
    assert_eq!(known(&data, &fingerprint(&handover.to)).signer_known, Some(true));
}
