//! The format as others read it: the program zstd, and the Python reader of docs/.

use std::io::Read;
use std::process::{Command, Output};

use super::*;

/// A real log in batches of about 30 KB, keytrail's own lines between them.
fn recorded() -> (Data, Vec<u8>, Vec<u8>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/openbao-2.7.2/audit.jsonl.gz");
    let mut log = Vec::new();
    flate2::read::MultiGzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut log).unwrap();
    log.truncate(600_000);
    let data = Data::new();
    let mut ledger = data.open_small(20_000);
    let (mut generation, mut offset, mut own_lines) = (None, 0, Vec::new());
    let all: Vec<&[u8]> = log.split_inclusive(|&byte| byte == b'\n').collect();
    for (number, part) in all.chunks(20).enumerate() {
        let mut text = Lines::default();
        part.iter().for_each(|line| text.push(line));
        let unterminated = !text.bytes.ends_with(b"\n");
        let new = NewBatch {
            unterminated,
            arrived_unix_ns: number as i64,
            ..batch(&text, generation, offset)
        };
        generation = Some(ledger.append(&new).unwrap().generation);
        offset += text.bytes.len() as u64;
        let line = format!("{{\"tick\":{number}}}\n");
        ledger.append(&own(&lines(&line))).unwrap();
        own_lines.extend(line.bytes());
    }
    ledger.checkpoint().unwrap();
    (data, log, own_lines)
}

pub(super) fn python(data: &Path, arguments: &[&str], without_module: Option<&Path>) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/read_ledger.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(data).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    if let Some(folder) = without_module {
        fs::write(folder.join("zstandard.py"), "raise ImportError\n").unwrap();
        command.env("PYTHONPATH", folder);
    }
    command.output().expect("python3 runs")
}

#[test]
fn zstd_gives_all_lines_in_order() {
    let (data, log, own_lines) = recorded();
    assert!(data.segments(Stream::Lines).len() > 2, "the test needs several segments");
    for (stream, expected) in [(Stream::Lines, &log), (Stream::Own, &own_lines)] {
        let output = Command::new("zstd")
            .arg("-dcq")
            .args(data.segments(stream))
            .output()
            .expect("zstd runs");
        assert!(output.status.success());
        assert!(output.stdout == *expected, "{stream:?}");
    }
}

#[test]
fn python_reads_the_same_and_finds_the_same_root() {
    let (data, log, own_lines) = recorded();
    for sealed in [false, true] {
        if sealed {
            reading::seal(data.path());
        }
        let checkpoint = data.reader().checkpoint().unwrap();
        let (head, _) = checkpoint.note.split_once("\n\n").unwrap();
        for (source, expected) in [(NODE, &log), (OWN_SOURCE, &own_lines)] {
            let output = python(data.path(), &[source], None);
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(told, format!("{head}\nas in the checkpoint\n"));
            assert!(output.status.success() && output.stdout == *expected, "{source}");
        }
        let all: Vec<u8> = data
            .reader()
            .batches(LeafIndex(0))
            .map(Result::unwrap)
            .filter(|batch| batch.header.stream == Stream::Lines)
            .flat_map(|batch| batch.lines.bytes)
            .collect();
        let empty = tempfile::tempdir().unwrap();
        assert!(python(data.path(), &[], Some(empty.path())).stdout == all, "without the module");
    }
}

#[test]
fn python_finds_what_is_wrong() {
    let (data, ..) = recorded();
    let checkpoint = data.path().join("ledger/checkpoint");
    let note = fs::read_to_string(&checkpoint).unwrap();
    let size = data.reader().size().to_string();
    fs::write(&checkpoint, note.replacen(&size, "42", 1)).unwrap();
    let output = python(data.path(), &[], None);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("NOT as in the checkpoint: 42 leaves")
    );
    fs::write(&checkpoint, note).unwrap();
    let segment = &data.segments(Stream::Lines)[1];
    flip(segment, fs::metadata(segment).unwrap().len() - 9);
    let output = python(data.path(), &[], None);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("damaged: "));
}
