//! What must hold for any bytes that stand where the ledger's should.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use super::batch::{BatchHeader, Sources};
use super::frame::{Content, FrameDecoder, read_table};
use super::segment::segment_path;
use super::{
    Checkpoint, ConsistencyProof, Handover, InclusionProof, KeyChain, Ledger, LedgerError,
    LedgerReader, NewBatch, OWN_SOURCE, Stream, VerifierKey, VerifyOptions, WitnessKey, verify,
};
use crate::source::{LeafIndex, Lines, Reader};

/// A batch header: what is read is written the same, bit by bit, or its hash would be another's.
pub fn header(input: &[u8]) {
    if let Ok(header) = BatchHeader::decode(input, &mut Sources::default()) {
        let mut again = Vec::new();
        header.encode(&mut again);
        assert_eq!(again, input, "a second spelling of a header");
        assert!(header.end() > header.first_leaf.0 && header.end_offset() >= header.offset);
    }
}

/// A segment: frame after frame up to a fault or the end, which is within the file.
pub fn segment(input: &[u8]) {
    let (mut file, mut sources) = (Cursor::new(input), Sources::default());
    let mut decoder = FrameDecoder::default();
    let mut passed = 0;
    loop {
        let remaining = (input.len() as u64).saturating_sub(file.position());
        let Ok(Some(table)) = read_table(&mut file, remaining, &mut passed, &mut sources) else {
            return;
        };
        let Ok(content) = decoder.content(&mut file, &table) else { return };
        let bytes: u64 = table.headers.iter().map(BatchHeader::bytes).sum();
        let count: usize = table.headers.iter().map(|header| header.lengths.len()).sum();
        match content {
            Content::Lines(lines) => {
                assert_eq!(
                    lines.len() as u64,
                    bytes,
                    "lines that are not as long as their headers say"
                );
            }
            Content::Hashes(hashes) => assert_eq!(hashes.len(), count, "a hash for each line"),
        }
        assert!(file.position() <= input.len() as u64);
    }
}

/// A note, key or proof: what is read is written, and read the same again.
pub fn signed_text(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(checkpoint) = Checkpoint::parse(&text) {
        assert_eq!(Checkpoint::parse(&checkpoint.note), Ok(checkpoint.clone()));
        assert!(!checkpoint.origin.is_empty());
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        key.verifies(&text);
    }
    if let Ok(key) = text.parse::<WitnessKey>() {
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        key.cosigned_at(&text);
    }
    if let Ok(handover) = text.parse::<Handover>() {
        assert_eq!(handover.note(), text);
    }
    if let Ok(keys) = text.parse::<KeyChain>() {
        assert_eq!(keys.to_string().parse(), Ok(keys));
    }
    if let Ok(proof) = text.parse::<InclusionProof>() {
        proof.proves(input);
        proof.header(input);
        assert_eq!(proof.to_string().parse(), Ok(proof));
    }
    if let Ok(proof) = text.parse::<ConsistencyProof>() {
        proof.proves(&proof.checkpoint);
        assert_eq!(proof.to_string().parse(), Ok(proof));
    }
}

/// A ledger whose segment goes on with any bytes after what was signed, or from somewhere before. The first byte
/// chooses the stream, the next two how many signed bytes are cut before. Opened, it has every signed leaf as it was;
/// refused, it is left as it was found.
pub fn recovery(scratch: &Path, input: &[u8]) {
    let Some(([choice, low, high], rest)) = input.split_first_chunk::<3>() else { return };
    let stream = if choice & 1 == 0 { Stream::Lines } else { Stream::Own };
    // Half of the inputs leave what is signed alone.
    let cut = if choice & 2 == 0 { 0 } else { usize::from(u16::from_le_bytes([*low, *high])) };
    let data = scratch.join("ledger");
    if data.exists() {
        fs::remove_dir_all(&data).expect("a scratch folder can be emptied");
    }
    let mut ledger = Ledger::open(&data, "prod").expect("a ledger can be made");
    for round in 0..3 {
        add(&mut ledger, Stream::Lines, &format!("line {round}\nand another\n"));
        add(&mut ledger, Stream::Own, &format!("own {round}\n"));
    }
    let signed = ledger.checkpoint().expect("it can be signed");
    drop(ledger);
    let read = |reader: &LedgerReader| -> Vec<_> {
        let batches = reader.batches(LeafIndex(0)).map(|batch| batch.expect("it can be read"));
        batches.take_while(|batch| batch.header.first_leaf.0 < signed.size).collect()
    };
    let before = read(&LedgerReader::open(&data).expect("it can be read"));
    let first = if stream == Stream::Lines { 0 } else { 3 };
    let path = segment_path(&data.join("ledger"), stream, first);
    let mut bytes = fs::read(&path).expect("the segment is there");
    let whole = bytes.len();
    bytes.truncate(whole.saturating_sub(cut));
    bytes.extend(rest);
    fs::write(&path, &bytes).expect("a scratch folder can be written");

    match Ledger::open(&data, "prod") {
        Ok(mut ledger) => {
            add(&mut ledger, Stream::Lines, "one more\n");
            ledger.checkpoint().expect("it can be signed");
            drop(ledger);
            assert_eq!(read(&LedgerReader::open(&data).expect("it can be read")), before);
            let verified = verify(&data, &VerifyOptions::default(), &mut |_, _| {});
            let verified = verified.expect("it can be verified");
            assert!(verified.intact, "{:?}", verified.problem);
        }
        Err(LedgerError::Corrupt { .. }) => {
            let found = fs::read(&path).expect("the segment is there");
            assert!(found == bytes, "what was refused was changed");
        }
        Err(error) => panic!("{error}"),
    }
}

fn add(ledger: &mut Ledger, stream: Stream, text: &str) {
    let source = if stream == Stream::Lines { "prod/bao-0/file" } else { OWN_SOURCE };
    let known = ledger.generations().find(|info| &*info.source == source);
    let (generation, offset) = known.map_or((None, 0), |info| (Some(info.generation), info.end));
    let mut lines = Lines::default();
    text.split_inclusive('\n').for_each(|line| lines.push(line.as_bytes()));
    let batch = NewBatch {
        stream,
        source,
        generation,
        parent: None,
        offset,
        reader: Reader::Live,
        arrived_unix_ns: 1,
        continued: false,
        unterminated: false,
        lines: &lines,
    };
    ledger.append(&batch).expect("a batch is appended");
}

/// What real ledgers hold, to be changed.
#[cfg(test)]
pub(crate) struct Seeds {
    pub(crate) headers: Vec<Vec<u8>>,
    pub(crate) segments: Vec<Vec<u8>>,
    pub(crate) ends: Vec<Vec<u8>>,
}

#[cfg(test)]
fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

#[cfg(test)]
pub(crate) fn seeds() -> Seeds {
    let reader = LedgerReader::open(&golden("ledger-v1")).expect("the golden ledger");
    let headers: Vec<Vec<u8>> = reader
        .batches(LeafIndex(0))
        .map(|batch| {
            let mut encoded = Vec::new();
            batch.expect("a batch").header.encode(&mut encoded);
            encoded
        })
        .collect();
    let mut segments = Vec::new();
    for folder in ["ledger-v1", "ledger-v1-footers"].map(golden) {
        for stream in ["lines", "own"] {
            for entry in fs::read_dir(folder.join("ledger").join(stream)).expect("a folder") {
                segments.push(fs::read(entry.expect("a file").path()).expect("a segment"));
            }
        }
    }
    // Frames of such a ledger: the one that would come next, and any.
    let mut ends = vec![vec![0, 0, 0], vec![1, 0, 0], vec![2, 1, 0], vec![3, 200, 0]];
    for choice in 0..4 {
        for segment in &segments {
            ends.push([&[choice, 17, 0], &segment[..segment.len().min(900)]].concat());
        }
    }
    Seeds { headers, segments, ends }
}

#[cfg(test)]
pub(crate) fn text_seeds() -> Vec<Vec<u8>> {
    let scratch = tempfile::tempdir().expect("a folder");
    let mut ledger = Ledger::open(scratch.path(), "prod").expect("a ledger");
    add(&mut ledger, Stream::Lines, "a\nb\nc\n");
    let handover = ledger.rotate_key().expect("a key");
    add(&mut ledger, Stream::Lines, "d\n");
    let checkpoint = ledger.checkpoint().expect("a checkpoint");
    let reader = ledger.reader().expect("a reader");
    let (proof, _) = reader.prove_inclusion(LeafIndex(2)).expect("a proof");
    let witness = "witness.example/w1+fea3b187+BBOY9ixtGkV8UbpqS189vS9p/KkyFiGNyJl+QWvRfZPK";
    let texts = [
        checkpoint.note,
        handover.note().to_owned(),
        handover.to.to_string(),
        KeyChain::of_folder(scratch.path()).expect("keys").to_string(),
        proof.to_string(),
        reader.prove_consistency(4).expect("a proof").to_string(),
        witness.to_owned(),
    ];
    texts.map(String::into_bytes).to_vec()
}
