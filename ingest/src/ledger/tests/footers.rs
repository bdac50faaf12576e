//! What sealed segments say of themselves: it spares reading them, and is never believed over them.

use super::*;
use crate::ledger::footer::{Ending, Footer, SEALED_1};
use crate::ledger::segment::ending;

/// Four sources and own lines in many segments, all sealed but the last of each stream.
fn sealed() -> Data {
    let data = Data::new();
    let mut ledger = data.open_small(1500);
    let mut generations = [None; 4];
    for round in 0_usize..160 {
        let text: String =
            (0..round % 5 + 1).map(|line| format!("round {round} line {line}\n")).collect();
        let which = round % 4;
        let source = ["prod/a/file", "prod/b/file", "prod/c/file", "prod/d/file"][which];
        let offset = ledger
            .generations()
            .find(|info| Some(info.generation) == generations[which])
            .map_or(0, |info| info.end);
        // A file is written anew now and then, or goes another way than its copy.
        let (generation, parent, offset) = match round % 60 {
            41 => (None, None, 0),
            54 => (None, generations[which], offset),
            _ => (generations[which], None, offset),
        };
        let text = lines(&text);
        let new = NewBatch {
            source,
            parent,
            arrived_unix_ns: round as i64,
            ..batch(&text, generation, offset)
        };
        generations[which] = Some(ledger.append(&new).unwrap().generation);
        if round % 3 == 0 {
            ledger.append(&own(&lines("own\n"))).unwrap();
        }
    }
    ledger.checkpoint().unwrap();
    let sealer = ledger.sealer().unwrap();
    while sealer.seal_next().unwrap().is_some() {}
    drop(ledger);
    for stream in Stream::ALL {
        assert!(footers(&data, stream).len() > 4, "the test needs sealed segments");
    }
    data
}

/// The segments that have a footer, in order.
fn footers(data: &Data, stream: Stream) -> Vec<(PathBuf, Footer)> {
    let all = data.segments(stream).into_iter();
    all.filter_map(|path| Some((path.clone(), ending(&path).unwrap().footer()?))).collect()
}

fn all_footers(data: &Data) -> Vec<(PathBuf, Footer)> {
    Stream::ALL.into_iter().flat_map(|stream| footers(data, stream)).collect()
}

/// Puts something else in the place of a footer.
fn end_with(path: &Path, footer: &Footer, end: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    bytes.truncate(footer.frames_bytes as usize);
    bytes.extend(end);
    fs::write(path, bytes).unwrap();
}

fn generations(data: &Data) -> Vec<GenerationInfo> {
    data.reader().generations().unwrap()
}

fn seal_again(data: &Data) -> usize {
    let ledger = data.open_small(1500);
    let sealer = ledger.sealer().unwrap();
    std::iter::from_fn(|| sealer.seal_next().unwrap()).count()
}

#[test]
fn a_footer_is_read_as_it_was_written_or_not_at_all() {
    let data = sealed();
    let (path, footer) = footers(&data, Stream::Lines).remove(1);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes[footer.frames_bytes as usize..], footer.encode());
    let all = all_footers(&data);
    let leaves: u64 = all.iter().map(|(_, footer)| footer.leaves).sum();
    assert_eq!(Some(leaves), all.iter().map(|(_, footer)| footer.end).max());
    for at in footer.frames_bytes..bytes.len() as u64 {
        flip(&path, at);
        let ending = ending(&path).unwrap();
        assert!(matches!(ending, Ending::Open | Ending::SealedWrong), "a flip at {at}: {ending:?}");
        flip(&path, at);
    }
    for length in footer.frames_bytes..bytes.len() as u64 {
        fs::write(&path, &bytes[..length as usize]).unwrap();
        assert_eq!(ending(&path).unwrap(), Ending::Open);
    }
}

#[test]
fn opening_reads_no_frame_of_what_is_sealed() {
    let data = sealed();
    let before = generations(&data);
    // The unfinished tile is made from lines, so the segments that reach into it are read.
    let edge = data.reader().size() / 256 * 256;
    let mut ruined = Vec::new();
    for stream in Stream::ALL {
        let mut sealed = footers(&data, stream);
        sealed.retain(|(_, footer)| footer.end + 50 <= edge);
        for (path, footer) in sealed {
            ruined.push((path.clone(), fs::read(&path).unwrap()));
            end_with(&path, &footer, &[]);
            let mut bytes = vec![0xff; footer.frames_bytes as usize];
            bytes.extend(footer.encode());
            fs::write(&path, bytes).unwrap();
        }
    }
    assert!(ruined.len() > 6);
    assert_eq!(generations(&data), before);
    // What it takes, and only that.
    let mut out = Vec::new();
    assert!(matches!(
        cat(&data.reader(), "prod/a/file", &mut out),
        Err(LedgerError::Corrupt { .. })
    ));
    let mut ledger = data.open_small(1500);
    assert_eq!(ledger.generations().cloned().collect::<Vec<_>>(), before);
    let of_servers = |info: &&GenerationInfo| &*info.source != OWN_SOURCE;
    let last = before.iter().rfind(of_servers).unwrap().generation;
    let text = lines("one more\n");
    let info = ledger.generations().find(|info| info.generation == last).unwrap();
    let (source, offset) = (info.source.clone(), info.end);
    let new = NewBatch { source: &source, ..batch(&text, Some(last), offset) };
    ledger.append(&new).unwrap();
    ledger.checkpoint().unwrap();
    drop(ledger);
    let seen = data.verify();
    assert!(!seen.intact && seen.first_wrong_leaf == Some(LeafIndex(0)), "{:?}", seen.problem);
    for (path, bytes) in ruined {
        fs::write(path, bytes).unwrap();
    }
    assert!(data.verify().intact);
}

#[test]
fn a_source_is_read_from_the_segments_that_have_it() {
    let data = Data::new();
    let mut ledger = data.open_small(1);
    let texts = ["one\n", "two\n", "three\n"].map(lines);
    let sources = ["prod/a/file", "prod/b/file", "prod/a/file"];
    let mut generation = None;
    for (source, text) in sources.into_iter().zip(&texts) {
        let known = generation.filter(|_| source == "prod/a/file");
        let offset = if known.is_some() { texts[0].bytes.len() as u64 } else { 0 };
        let done = ledger.append(&NewBatch { source, ..batch(text, known, offset) }).unwrap();
        generation = generation.or(Some(done.generation));
    }
    ledger.checkpoint().unwrap();
    drop(ledger);
    reading::seal(data.path());
    let (middle, footer) = footers(&data, Stream::Lines).remove(1);
    assert!(footer.has("prod/b/file") && !footer.has("prod/a/file"));
    let mut bytes = vec![0xff; footer.frames_bytes as usize];
    bytes.extend(footer.encode());
    fs::write(&middle, bytes).unwrap();
    let mut out = Vec::new();
    assert_eq!(cat(&data.reader(), "prod/a/file", &mut out).unwrap().written, 10);
    assert_eq!(out, b"one\nthree\n");
    fs::remove_file(&data.segments(Stream::Lines)[2]).unwrap();
    assert!(cat(&data.reader(), "prod/a/file", &mut Vec::new()).is_err(), "it is not all there");
}

#[test]
fn without_footers_all_is_read_the_same_and_sealing_makes_them_anew() {
    let data = sealed();
    let reader = data.reader();
    let (before, batches) = (generations(&data), notes(&reader, 0));
    let made = all_footers(&data);
    for (path, footer) in &made {
        end_with(path, footer, &SEALED_1);
    }
    let seen = data.verify();
    assert!(seen.intact && seen.wrong_footers.is_empty());
    assert_eq!(generations(&data), before);
    assert_eq!(notes(&data.reader(), 0), batches);
    let ledger = data.open_small(1500);
    assert_eq!(ledger.generations().cloned().collect::<Vec<_>>(), before);
    drop(ledger);
    assert_eq!(seal_again(&data), made.len());
    assert_eq!(all_footers(&data), made);
    assert_eq!(notes(&data.reader(), 0), batches);
    assert_eq!(seal_again(&data), 0);
}

#[test]
fn a_wrong_footer_is_told_and_its_segment_still_read() {
    let data = sealed();
    let (before, batches) = (generations(&data), notes(&data.reader(), 0));
    let (path, footer) = footers(&data, Stream::Lines).remove(2);
    // Its checksum tells: it is done without, and made anew.
    flip(&path, footer.frames_bytes + 30);
    let seen = data.verify();
    assert!(seen.intact, "{:?}", seen.problem);
    assert_eq!(seen.wrong_footers, std::slice::from_ref(&path));
    assert_eq!((generations(&data), notes(&data.reader(), 0)), (before.clone(), batches));
    assert_eq!(seal_again(&data), 1);
    assert_eq!(ending(&path).unwrap(), Ending::Sealed(footer.clone()));
    // Its checksum fits, and what it says does not.
    type Change = fn(&mut Footer);
    let changes: [Change; 5] = [
        |footer| footer.leaves += 1,
        |footer| footer.parts[0].end += 1,
        |footer| footer.parts[0].source = "prod/x/file".into(),
        |footer| footer.arrived_unix_ns += 1,
        |footer| footer.frames[0].1 += 1,
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut other = footer.clone();
        change(&mut other);
        end_with(&path, &footer, &other.encode());
        assert_eq!(data.verify().wrong_footers, std::slice::from_ref(&path), "change {at}");
        if at < 3 {
            // It contradicts the others: the frames decide.
            assert_eq!(generations(&data), before, "change {at}");
            let ledger = data.open_small(1500);
            assert_eq!(ledger.generations().cloned().collect::<Vec<_>>(), before, "change {at}");
        }
    }
}
