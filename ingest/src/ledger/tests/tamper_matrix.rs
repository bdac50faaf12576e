//! Every change of a ledger by every attacker. Each of them writes whole frames with right checksums, headers whose
//! root before is right, and, but for the first, hash tiles that fit; they differ in what they can sign.

use std::collections::HashMap;

use super::*;

const BATCHES: usize = 9;

/// An honest ledger, what left the machine of it, and what its owner wrote down.
struct Honest {
    data: Data,
    outside: Vec<Checkpoint>,
    fingerprint: KnownKey,
    batches: Vec<ReadBatch>,
}

/// Nine batches of thirty lines in several segments, own lines between; each checkpoint left.
fn honest() -> Honest {
    let data = Data::new();
    let mut ledger = data.open_small(600);
    let (mut generation, mut outside) = (None, Vec::new());
    for round in 0..BATCHES {
        let text: String =
            (0..30).map(|line| format!("{{\"round\":{round},\"line\":{line}}}\n")).collect();
        generation = Some(append(&mut ledger, generation, &text).generation);
        if round % 3 == 1 {
            ledger.append(&own(&lines(&format!("{{\"own\":{round}}}\n")))).unwrap();
        }
        outside.push(ledger.checkpoint().unwrap());
    }
    let fingerprint = KnownKey::Fingerprint(key_fingerprint(&ledger.verifier_key()));
    drop(ledger);
    assert!(data.segments(Stream::Lines).len() > 2, "the test needs several segments");
    let batches = data.reader().batches(LeafIndex(0)).map(Result::unwrap).collect();
    Honest { data, outside, fingerprint, batches }
}

/// Makes a ledger of these batches, with the signing key in `key` if there is one.
fn forge(batches: &[ReadBatch], key: Option<&[u8]>) -> Data {
    let data = Data::new();
    if let Some(key) = key {
        fs::create_dir(data.path().join("keys")).unwrap();
        fs::write(data.path().join("keys/signing.key"), key).unwrap();
    }
    let mut ledger = data.open_small(600);
    // Where each generation of the honest ledger stands in this one.
    let mut generations: HashMap<Generation, (Generation, u64, &str)> = HashMap::new();
    for ReadBatch { header, lines, .. } in batches {
        let known = generations
            .get(&header.generation)
            .filter(|(_, end, source)| *end == header.offset && **source == *header.source);
        let appended = ledger
            .append(&NewBatch {
                stream: header.stream,
                source: &header.source,
                generation: known.map(|(generation, ..)| *generation),
                parent: None,
                offset: header.offset,
                reader: header.reader,
                arrived_unix_ns: header.arrived_unix_ns,
                continued: header.continued,
                unterminated: header.unterminated,
                lines,
            })
            .unwrap();
        let end = header.offset + lines.bytes.len() as u64;
        generations.insert(header.generation, (appended.generation, end, &*header.source));
    }
    ledger.checkpoint().unwrap();
    data
}

/// Copies a file, or a folder in place of the one that is there.
fn put(from: &Path, to: &Path) {
    if from.is_dir() {
        copy(from, to);
    } else {
        fs::copy(from, to).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        put(&from, &to);
    }
}

/// Puts parts of a forged ledger into a copy of the honest one.
fn replaced(honest: &Honest, forged: &Data, parts: &[&str]) -> Data {
    let data = Data::new();
    copy(honest.data.path(), data.path());
    for part in parts {
        let (from, to) = (forged.path().join(part), data.path().join(part));
        put(&from, &to);
    }
    data
}

fn verified(data: &Data, key: Option<&KnownKey>, against: &[Checkpoint]) -> Verification {
    let options =
        VerifyOptions { key: key.cloned(), against: against.to_vec(), ..Default::default() };
    verify(data.path(), &options, &mut |_, _| {}).unwrap()
}

/// The first leaf in which two ledgers differ; the length of the shorter one if that begins the other.
fn first_difference(one: &Data, other: &Data) -> u64 {
    let (one, other) = (one.reader(), other.reader());
    let size = one.size().min(other.size());
    let differ = |leaf: &u64| {
        one.leaf_hash(LeafIndex(*leaf)).unwrap() != other.leaf_hash(LeafIndex(*leaf)).unwrap()
    };
    (0..size).find(differ).unwrap_or(size)
}

/// Changes the lines of a batch.
fn relined(batch: &mut ReadBatch, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut all: Vec<Vec<u8>> = batch.lines.iter().map(<[u8]>::to_vec).collect();
    change(&mut all);
    batch.lines = Lines::default();
    all.iter().for_each(|line| batch.lines.push(line));
}

type Change = fn(&mut Vec<ReadBatch>);

/// What is done to the batches. Number 4 is of the middle; 7 is followed by others; 2 is an own line.
const CHANGES: [(&str, Change); 15] = [
    ("a bit of a line", |batches| batches[4].lines.bytes[50] ^= 1),
    ("a bit of the first line", |batches| batches[0].lines.bytes[3] ^= 1),
    ("a bit of an own line", |batches| batches[2].lines.bytes[3] ^= 1),
    ("a source", |batches| batches[4].header.source = "prod/bao-0/fild".into()),
    ("an offset", |batches| batches[4].header.offset ^= 1),
    ("a time", |batches| batches[4].header.arrived_unix_ns ^= 1),
    ("who brought it", |batches| batches[4].header.reader = Reader::Import),
    ("a line gone", |batches| relined(&mut batches[4], |lines| drop(lines.remove(7)))),
    ("two lines exchanged", |batches| relined(&mut batches[4], |lines| lines.swap(3, 4))),
    ("a line put in", |batches| {
        relined(&mut batches[4], |lines| lines.insert(5, b"{\"made\":\"up\"}\n".to_vec()));
    }),
    ("a line twice", |batches| {
        relined(&mut batches[4], |lines| lines.insert(5, lines[4].clone()));
    }),
    ("a batch gone", |batches| drop(batches.remove(7))),
    ("two batches exchanged", |batches| batches.swap(4, 5)),
    ("the tail cut off", |batches| batches.truncate(9)),
    ("a server's batch made an own one", |batches| {
        let header = &mut batches[7].header;
        (header.stream, header.source) = (Stream::Own, OWN_SOURCE.into());
    }),
];

#[test]
fn every_change_by_every_attacker_is_told() {
    let honest = honest();
    let key = fs::read(honest.data.path().join("keys/signing.key")).unwrap();
    let good = verified(&honest.data, Some(&honest.fingerprint), &honest.outside);
    assert!(good.intact && good.signer_known == Some(true) && good.differs_within().is_none());
    assert!(good.outside.iter().all(|outside| outside.standing == Standing::Extends));

    for (name, change) in CHANGES {
        let mut batches = honest.batches.clone();
        change(&mut batches);
        let forged = forge(&batches, None);
        let first = first_difference(&honest.data, &forged);
        // The first checkpoint outside that the change is in, and the last that it is not.
        let wrong = honest.outside.iter().find(|outside| outside.size > first).unwrap().size;
        let right = honest.outside.iter().rfind(|outside| outside.size <= first);
        let within = Some((right.map_or(0, |outside| outside.size), wrong));

        // Has the lines rewritten, and left the tiles: the very leaf is named.
        let data = replaced(&honest, &forged, &["ledger/lines", "ledger/own"]);
        let seen = verified(&data, None, &[]);
        assert!(!seen.intact, "{name}");
        assert_eq!(seen.first_wrong_leaf, Some(LeafIndex(first)), "{name}: {:?}", seen.problem);

        // Has the tiles made to fit, too: he cannot sign. Checkpoints from outside say where.
        let data = replaced(&honest, &forged, &["ledger/lines", "ledger/own", "ledger/tiles"]);
        let seen = verified(&data, Some(&honest.fingerprint), &honest.outside);
        assert!(!seen.intact && seen.problem.is_some(), "{name}");
        if batches.len() == honest.batches.len() {
            assert_eq!(seen.differs_within(), within, "{name}: {:?}", seen.problem);
        }

        // Has signed with a key of his own: nothing is broken, and it is not the ledger that was known.
        let data = replaced(&honest, &forged, &["ledger", "keys"]);
        assert_eq!(verified(&data, None, &[]).signer_known, None, "not established");
        let seen = verified(&data, Some(&honest.fingerprint), &honest.outside);
        assert_eq!((seen.intact, seen.signer_known), (true, Some(false)), "{name}");
        let other = |outside: &Outside| outside.standing == Standing::OtherSigner;
        assert!(seen.outside.iter().all(other), "{name}: {:?}", seen.outside);

        // Has the key itself: only what left the machine tells.
        let data = forge(&batches, Some(&key));
        let seen = verified(&data, Some(&honest.fingerprint), &honest.outside);
        assert_eq!((seen.intact, seen.signer_known), (true, Some(true)), "{name}");
        let size = data.reader().size();
        for outside in &seen.outside {
            let expected = match outside.checkpoint.size {
                of if of > size => Standing::RolledBack,
                of if of <= first => Standing::Extends,
                _ => Standing::OtherHistory,
            };
            assert_eq!(outside.standing, expected, "{name}, {} leaves", outside.checkpoint.size);
        }
        assert_ne!(seen.outside.last().unwrap().standing, Standing::Extends, "{name}");
        if wrong <= size {
            assert_eq!(seen.differs_within(), within, "{name}");
        }
        assert!(Ledger::open(data.path(), "prod").is_ok(), "it is a ledger like any other");
    }
}

#[test]
fn an_older_copy_and_an_older_checkpoint_are_told_by_what_left() {
    let honest = honest();
    let half = &honest.outside[4];
    // The whole folder as it was: as if it had been copied then.
    let key = fs::read(honest.data.path().join("keys/signing.key")).unwrap();
    let count = honest.batches.iter().take_while(|batch| batch.header.end() <= half.size).count();
    let older = forge(&honest.batches[..count], Some(&key));
    assert_eq!(older.reader().checkpoint().unwrap(), *half, "the same leaves, the same note");
    // Or its checkpoint alone, with everything after it still there.
    let cut = replaced(&honest, &older, &["ledger/checkpoint"]);
    for data in [older, cut] {
        let seen = verified(&data, Some(&honest.fingerprint), &honest.outside);
        assert_eq!((seen.intact, seen.signer_known), (true, Some(true)));
        assert_eq!(seen.outside[4].standing, Standing::Extends);
        assert!(seen.outside[5..].iter().all(|outside| outside.standing == Standing::RolledBack));
    }
}

#[test]
fn parts_of_another_ledger_do_not_fit() {
    let (honest, other) = (honest(), Data::new());
    let mut ledger = other.open_small(600);
    let mut generation = None;
    for round in 0..BATCHES {
        let text: String =
            (0..30).map(|line| format!("{{\"other\":{round},\"line\":{line}}}\n")).collect();
        generation = Some(append(&mut ledger, generation, &text).generation);
    }
    ledger.checkpoint().unwrap();
    for part in ["ledger/lines", "ledger/checkpoint", "keys/verifier.key"] {
        let data = replaced(&honest, &other, &[part]);
        let seen = verified(&data, Some(&honest.fingerprint), &honest.outside);
        assert!(!seen.intact || seen.signer_known == Some(false), "{part}: {seen:?}");
        assert!(seen.problem.is_some(), "{part}");
    }
    // One segment, under its name; one tile.
    for (part, segment) in [(other.segments(Stream::Lines), true), (vec![], false)] {
        let data = replaced(&honest, &other, &[]);
        if segment {
            let name = data.segments(Stream::Lines)[1].clone();
            fs::copy(&part[1], &name).unwrap();
            let seen = verified(&data, None, &[]);
            assert!(!seen.intact && seen.first_wrong_leaf.is_some(), "{:?}", seen.problem);
        } else {
            fs::copy(
                other.path().join("ledger/tiles/0/000"),
                data.path().join("ledger/tiles/0/000"),
            )
            .unwrap();
            let seen = verified(&data, None, &[]);
            // The lines are as signed; that the folder is not as written is told, too.
            assert_eq!((seen.intact, seen.leaves_without_tile), (true, 256));
        }
    }
}

#[test]
fn sealed_or_not_a_flipped_bit_anywhere_in_a_frame_is_told() {
    let honest = honest();
    reading::seal(honest.data.path());
    let segment = honest.data.segments(Stream::Lines)[0].clone();
    let whole = fs::read(&segment).unwrap();
    let (honest_notes, mut untold) = (notes(&honest.data.reader(), 0), 0);
    for at in (0..whole.len()).step_by(3) {
        flip(&segment, at as u64);
        let seen = verified(&honest.data, None, &[]);
        // A footer is no part of the ledger, and told all the same but for the last bytes, which make it one.
        let told =
            !seen.intact && seen.first_wrong_leaf.is_some() || !seen.wrong_footers.is_empty();
        assert!(
            told || notes(&honest.data.reader(), 0) == honest_notes,
            "a flip at {at}: {seen:?}"
        );
        untold += u32::from(!told);
        fs::write(&segment, &whole).unwrap();
    }
    assert!(untold < 4, "{untold} flips of {} were not told", whole.len() / 3);
}
