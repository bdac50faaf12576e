//! The golden ledger: format 1 as it was written once. It stays readable for ever.
//!
//! `KEYTRAIL_BLESS=1 cargo test -p ingest golden` writes it again, for a new format beside the old one only.

use super::*;
use crate::ledger::disk::Disk;
use crate::ledger::note::NoteSigner;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/ledger-v1")
}

/// Two nodes, keytrail's own lines, a copied file that went another way, a cut line, a finished file.
fn write(data: &Path) -> Checkpoint {
    let signer = NoteSigner::new("keytrail/golden", &[42; 32]);
    let disk = Disk::default();
    disk.make_folder(&data.join("keys")).unwrap();
    disk.replace_synced(&data.join("keys/signing.key"), signer.to_text().as_bytes()).unwrap();
    let mut ledger = Ledger::open_with(data, "golden", 6000).unwrap();
    let line = |number: u64| {
        format!(
            "{{\"type\":\"response\",\"request\":{{\"id\":\"{number:08}\",\"path\":\"secret/data/app\"}}}}\n"
        )
    };
    let at = |minute: i64| 1_790_000_000_000_000_000 + minute * 60_000_000_000;
    let mut followed = None;
    for minute in 0..20 {
        let text = lines(&(0..15).map(|number| line(minute * 15 + number)).collect::<String>());
        let offset = minute * text.bytes.len() as u64;
        let source = "golden/bao-0/file";
        let new = NewBatch {
            source,
            arrived_unix_ns: at(minute as i64),
            ..batch(&text, followed, offset)
        };
        followed = Some(ledger.append(&new).unwrap().generation);
        if minute % 6 == 3 {
            let text = lines(&format!("{{\"what\":\"export\",\"minute\":{minute}}}\n"));
            ledger.append(&NewBatch { arrived_unix_ns: at(minute as i64), ..own(&text) }).unwrap();
        }
    }
    let text = lines("copied, then another way\n");
    let copied = NewBatch {
        source: "golden/bao-0/file",
        parent: followed,
        arrived_unix_ns: at(30),
        ..batch(&text, None, 73)
    };
    ledger.append(&copied).unwrap();
    let (start, end) =
        (lines("begin of a very long"), lines(" line\nthe end, without its newline"));
    let import = NewBatch {
        source: "golden/bao-1/file",
        reader: Reader::Import,
        continued: true,
        arrived_unix_ns: at(31),
        ..batch(&start, None, 0)
    };
    let imported = ledger.append(&import).unwrap().generation;
    let rest = NewBatch {
        continued: false,
        unterminated: true,
        lines: &end,
        generation: Some(imported),
        offset: 20,
        ..import
    };
    ledger.append(&rest).unwrap();
    let checkpoint = ledger.checkpoint().unwrap();
    drop(ledger);
    reading::seal(data);
    checkpoint
}

#[test]
fn format_1_is_read_as_it_was_written() {
    if std::env::var_os("KEYTRAIL_BLESS").is_some() {
        let _ = fs::remove_dir_all(golden().join("ledger"));
        write(&golden());
        fs::remove_file(golden().join("keys/signing.key")).unwrap();
        fs::remove_file(golden().join("lock")).unwrap();
    }
    let data = Data::new();
    let signed = write(data.path());
    let reader = LedgerReader::open(&golden()).unwrap();
    assert_eq!(
        reader.checkpoint().unwrap(),
        signed,
        "the same leaves, the same root, the same signature"
    );
    assert_eq!(notes(&reader, 0), notes(&data.reader(), 0));
    assert_eq!(reader.generations().unwrap(), data.reader().generations().unwrap());
    let key = VerifierKey::of_folder(&golden()).unwrap();
    let options =
        VerifyOptions { key: Some(KnownKey::Key(key.clone())), ..VerifyOptions::default() };
    let verification = verify(&golden(), &options, &mut |_, _| {}).unwrap();
    assert_eq!((verification.intact, verification.signer_known), (true, Some(true)));
    assert_eq!(
        (verification.leaves, verification.lines, verification.leaves_without_tile),
        (333, 307, 0)
    );
    assert_eq!(
        key_fingerprint(&key),
        "sha256:b600306cfa76723fdec395e53a9b3d9fdb78b1e2d7a23c32fcbcd2dc6d0c4092"
    );
}
