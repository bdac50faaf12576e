//! The golden ledgers: format 1 as it was written once. They stay readable for ever.
//!
//! `KEYTRAIL_BLESS=1 cargo test --workspace --lib -- golden` writes the newest again, for a new format beside the old
//! ones only.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::*;
use crate::ledger::disk::Disk;
use crate::ledger::note::NoteSigner;

/// Before there were footers, and sealed with them. The leaves are the same.
const GOLDEN: [&str; 2] = ["ledger-v1", "ledger-v1-footers"];
/// The root over the 333 leaves of both.
const ROOT: &str = "nwl6NZ7d5NiEWM99raivuX1+lYNmBo2yngvEnFguni0=";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
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
        let newest = golden(GOLDEN[GOLDEN.len() - 1]);
        let _ = fs::remove_dir_all(newest.join("ledger"));
        write(&newest);
        fs::remove_file(newest.join("keys/signing.key")).unwrap();
        fs::remove_file(newest.join("lock")).unwrap();
    }
    for name in GOLDEN {
        is_read_as_it_was_written(&golden(name));
    }
}

fn is_read_as_it_was_written(golden: &Path) {
    let data = Data::new();
    let signed = write(data.path());
    assert_eq!(BASE64_STANDARD.encode(signed.root), ROOT);
    let reader = LedgerReader::open(golden).unwrap();
    assert_eq!(
        reader.checkpoint().unwrap(),
        signed,
        "the same leaves, the same root, the same signature"
    );
    assert_eq!(notes(&reader, 0), notes(&data.reader(), 0));
    assert_eq!(reader.generations().unwrap(), data.reader().generations().unwrap());
    let key = VerifierKey::of_folder(golden).unwrap();
    let options =
        VerifyOptions { key: Some(KnownKey::Key(key.clone())), ..VerifyOptions::default() };
    let verification = verify(golden, &options, &mut |_, _| {}).unwrap();
    assert_eq!((verification.intact, verification.signer_known), (true, Some(true)));
    assert_eq!(
        (verification.leaves, verification.lines, verification.leaves_without_tile),
        (333, 307, 0)
    );
    assert_eq!(verification.wrong_footers, [] as [PathBuf; 0]);
    assert_eq!(
        key_fingerprint(&key),
        "sha256:b600306cfa76723fdec395e53a9b3d9fdb78b1e2d7a23c32fcbcd2dc6d0c4092"
    );
}

#[test]
fn python_finds_the_same_root_in_both() {
    let mut said = Vec::new();
    for name in GOLDEN {
        let output = format::python(&golden(name), &[], None);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told, format!("keytrail/golden\n333\n{ROOT}\nas in the checkpoint\n"), "{name}");
        said.push(output.stdout);
    }
    assert!(said[0] == said[1]);
    assert_eq!(said[0].iter().filter(|byte| **byte == b'\n').count(), 302);
}

#[test]
fn a_ledger_without_footers_gets_them_and_stays_what_it_was() {
    let data = Data::new();
    crash::copy(&golden(GOLDEN[0]), data.path());
    let signer = NoteSigner::new("keytrail/golden", &[42; 32]);
    fs::write(data.path().join("keys/signing.key"), signer.to_text()).unwrap();
    assert!(footers(data.path()).is_empty());
    let before = notes(&data.reader(), 0);
    reading::seal(data.path());
    let of_golden = footers(&golden(GOLDEN[1]));
    assert_eq!((footers(data.path()), of_golden.len()), (of_golden, 3));
    assert_eq!(notes(&data.reader(), 0), before);
    assert!(data.verify().intact);
}

/// What the footers of a ledger say, but for where frames stand, which hangs on the version of zstd.
fn footers(data: &Path) -> Vec<(u64, u64, Vec<GenerationInfo>)> {
    let all = Stream::ALL.into_iter().flat_map(|stream| segments(data, stream));
    let footers = all.filter_map(|path| segment::ending(&path).unwrap().footer());
    footers.map(|footer| (footer.end, footer.leaves, footer.parts)).collect()
}
