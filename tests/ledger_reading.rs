//! The ledger on disk, read without keytrail, and what `verify` says of a ledger that somebody changed.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

use crate::util::{Data, Run, files_below, fixture, fixture_text, keytrail, missing_tool, python};

/// Two sources in one ledger, in small batches of commands, so that there are several frames.
fn ledger() -> (Data, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (
        fixture_text("openbao-2.7.2/audit.jsonl.gz"),
        fixture_text("openbao-2.7.2/ha/node-2.audit.jsonl.gz"),
    );
    let data = Data::new();
    for (node, text) in [("one", &one), ("two", &two)] {
        let path = folder.path().join("audit.jsonl");
        fs::write(&path, text).unwrap();
        data.import_as("c", node, [path]);
    }
    (data, one, two)
}

/// Turns one bit of a file.
fn flip(path: &Path, offset: u64) {
    let mut file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
}

/// Returns the root in the checkpoint: the third line of the note, base64.
fn root(data: &Data) -> String {
    let note = fs::read_to_string(data.path().join("ledger/checkpoint")).unwrap();
    note.lines().nth(2).expect("a checkpoint has origin, size and root").to_owned()
}

#[test]
fn zstd_alone_gives_every_line() {
    if missing_tool(&Command::new("zstd"), "install zstd") {
        return;
    }
    let (data, one, two) = ledger();
    let segments = files_below(&data.path().join("ledger/lines"));
    assert!(!segments.is_empty());
    let run = Run::of(Command::new("zstd").arg("-dc").args(segments)).expect(0);
    assert!(
        run.stdout == (one + &two).as_bytes(),
        "zstd -dc ledger/lines/* is not the lines in order"
    );
}

#[test]
fn the_python_reader_gives_the_lines_and_the_root() {
    if missing_tool(&python(), "install Python 3") {
        return;
    }
    let (data, one, two) = ledger();
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/read_ledger.py");
    let read =
        |source: &[&str]| Run::of(python().arg(&reader).arg(data.path()).args(source)).expect(0);
    // In the order of the ledger, keytrail's own lines among the servers'.
    let (all, own) = (read(&[]), read(&["keytrail"]));
    let own: BTreeSet<&[u8]> = own.stdout.split_inclusive(|&byte| byte == b'\n').collect();
    let servers: Vec<u8> = all
        .stdout
        .split_inclusive(|&byte| byte == b'\n')
        .filter(|line| !own.contains(line))
        .flatten()
        .copied()
        .collect();
    assert!(
        servers == (one.clone() + &two).as_bytes(),
        "the Python reader does not give the lines in order"
    );
    assert!(
        all.stderr.contains(&root(&data)),
        "the Python reader does not print the root {}:\n{}",
        root(&data),
        all.stderr
    );
    assert!(read(&["c/one/file"]).stdout == one.as_bytes());
    assert!(read(&["c/two/file"]).stdout == two.as_bytes());

    // It is a check of its own: what was changed on disk does not pass it.
    let segment = files_below(&data.path().join("ledger/lines")).remove(0);
    flip(&segment, fs::metadata(&segment).unwrap().len() / 2);
    let changed = Run::of(python().arg(&reader).arg(data.path()));
    assert!(changed.code != 0, "the Python reader is content with a changed ledger");
}

#[test]
fn cat_gives_each_source_its_own_bytes() {
    let (data, one, two) = ledger();
    assert!(data.cat("c/one/file") == one.as_bytes());
    assert!(data.cat("c/two/file") == two.as_bytes());
    let unknown = data.run("cat", ["-s", "c/three/file"]);
    assert!(unknown.code != 0 && unknown.stderr.contains("c/three/file"), "{}", unknown.stderr);
}

#[test]
fn verify_finds_what_was_changed() {
    let (data, ..) = ledger();
    let verify = |data: &Data| data.run("verify", [] as [&str; 0]);
    let good = verify(&data).expect(0);
    assert!(good.text().contains("intact"), "{}", good.text());

    let ledger = data.path().join("ledger");
    let segment = files_below(&ledger.join("lines")).remove(0);
    let length = fs::metadata(&segment).unwrap().len();
    let tile = files_below(&ledger)
        .into_iter()
        .find(|path| {
            path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tile"))
        })
        .unwrap();
    for (what, path, offset) in [
        ("the first header", &segment, 16),
        ("the middle of the lines", &segment, length / 2),
        ("the end of the lines", &segment, length - 10),
        ("a tile", &tile, 40),
    ] {
        flip(path, offset);
        let bad = verify(&data).expect(1);
        let said = bad.text().to_owned() + &bad.stderr;
        assert!(
            said.contains("leaf") && said.bytes().any(|byte| byte.is_ascii_digit()),
            "{what}: verify names no first wrong leaf:\n{said}"
        );
        flip(path, offset);
        verify(&data).expect(0);
    }

    // A checkpoint that somebody else signed, or that says something else.
    let checkpoint = ledger.join("checkpoint");
    let note = fs::read_to_string(&checkpoint).unwrap();
    let mut other = note.clone();
    let place = note.find(root(&data).as_str()).unwrap();
    other.replace_range(place..=place, if note[place..].starts_with('A') { "B" } else { "A" });
    fs::write(&checkpoint, other).unwrap();
    verify(&data).expect(1);
    fs::write(&checkpoint, note).unwrap();
    verify(&data).expect(0);
}

#[test]
fn verify_knows_the_signer_only_by_a_fingerprint_had_beforehand() {
    let (data, ..) = ledger();
    let fingerprint = data.status()["key_fingerprint"].as_str().unwrap().to_owned();
    let known = data.run("verify", ["--key", &fingerprint]).expect(0);
    assert!(
        known.text().contains("known") && !known.text().contains("not established"),
        "{}",
        known.text()
    );
    let unknown = data.run("verify", [] as [&str; 0]).expect(0);
    assert!(unknown.text().contains("not established"), "{}", unknown.text());
    let other =
        fingerprint.chars().map(|digit| if digit == '0' { '1' } else { digit }).collect::<String>();
    if other != fingerprint {
        data.run("verify", ["--key", &other]).expect(1);
    }
}

#[test]
fn a_removed_line_is_found_even_if_the_segment_is_whole() {
    let (data, one, _) = ledger();
    // A ledger of the same name without its last line, in place of the real one's lines.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let shorter = &one[..one.trim_end().rfind('\n').unwrap() + 1];
    fs::write(&path, shorter).unwrap();
    let forged = Data::new();
    forged.import_as("c", "one", [path]);
    let lines = data.path().join("ledger/lines");
    fs::remove_dir_all(&lines).unwrap();
    copy(&forged.path().join("ledger/lines"), &lines);
    data.run("verify", [] as [&str; 0]).expect(1);
}

#[test]
fn the_golden_ledgers_of_format_1_stay_readable() {
    for name in ["ledger-v1", "ledger-v1-footers"] {
        a_golden_ledger_is_readable(&fixture(name));
    }
}

fn a_golden_ledger_is_readable(golden: &Path) {
    let golden = files_below(golden);
    let format =
        golden.iter().find(|path| path.ends_with("format")).expect("a folder states its format");
    let folder = format.parent().unwrap();
    let data = Data::new();
    copy(folder, data.path());
    data.run("verify", [] as [&str; 0]).expect(0);
    data.run("rebuild", [] as [&str; 0]).expect(0);
    data.run("verify", [] as [&str; 0]).expect(0);

    // zstd's own library reads the segments, and the Python reader gives what cat gives.
    let mut packed = Vec::new();
    for segment in files_below(&folder.join("ledger/lines")) {
        packed.extend(fs::read(segment).unwrap());
    }
    let lines = zstd::decode_all(&packed[..]).unwrap();
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/read_ledger.py");
    let mut bytes = 0;
    for source in data.status()["sources"].as_array().unwrap() {
        let name = source["source"].as_str().unwrap();
        let cat = data.cat(name);
        if name != "keytrail" {
            bytes += cat.len();
        }
        if !missing_tool(&python(), "install Python 3") {
            let read = Run::of(python().arg(&reader).arg(folder).arg(name)).expect(0);
            assert!(read.stdout == cat, "{name} of the golden ledger");
        }
    }
    assert!(bytes > 0 && bytes == lines.len(), "the sources' bytes are not the segments'");
}

#[test]
fn another_clusters_lines_are_refused() {
    let (data, ..) = ledger();
    let file = fixture("openbao-2.7.2/ha/node-1.audit.jsonl.gz");
    let run = Run::of(
        keytrail()
            .arg("import")
            .arg("-d")
            .arg(data.path())
            .args(["--cluster", "other", "--node", "n"])
            .arg(file),
    );
    assert!(run.code == 2 || run.code == 3, "one cluster, one ledger: exit code {}", run.code);
    assert!(run.stderr.contains("other"), "the cluster is not named:\n{}", run.stderr);
}
