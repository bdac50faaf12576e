//! Import of whole files.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use super::bench::{gzip, source};
use super::model::Model;
use crate::tail::{ImportSummary, Input, TailError, TailItem, import};

fn run(model: &Model, inputs: &[PathBuf]) -> Result<ImportSummary, TailError> {
    let inputs: Vec<Input> = inputs.iter().cloned().map(Input::File).collect();
    import(source(), &inputs, model, &|_| {}, &mut |item| {
        model.receive(&item);
        if matches!(item, TailItem::Finished { .. }) {
            model.commit();
        }
        true
    })
}

fn write(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).expect("writing");
    path
}

#[test]
fn siblings_are_read_oldest_first_and_nothing_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str, content: &[u8]| write(folder.path(), name, content);
    let files = [
        at("audit.log", b"e\nf"),
        at("audit.log.1", b"c\nd\n"),
        at("audit.log.2.gz", &gzip(b"a\nb\n")),
        at("copy", b"a\nb\n"),
        at("longer", b"c\nd\nx\n"),
        at("other", &zstd::encode_all(&b"a\nz\n"[..], 1).expect("compressing")),
        at("empty", b""),
    ];
    let model = Model::default();
    let summary = run(&model, &files).expect("an import");
    assert_eq!(model.leaves(), [&b"a\n"[..], b"b\n", b"c\n", b"d\n", b"x\n", b"e\n", b"f", b"z\n"]);
    assert_eq!((summary.files, summary.known_files), (7, 1));
    assert_eq!((summary.lines, summary.bytes, summary.known_bytes), (8, 15, 4 + 4 + 2));
    assert!(!summary.stopped && summary.failures.is_empty());
    let again = run(&model, &files).expect("an import");
    assert_eq!((again.lines, again.known_files), (0, 6));
}

#[test]
fn progress_counts_bytes_as_they_stand_on_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (gzip(&b"a\n".repeat(10_000)), b"b\n".repeat(10));
    let files =
        [write(folder.path(), "1.gz", &one), write(folder.path(), "2", &two)].map(Input::File);
    let read = Cell::new(0);
    import(source(), &files, &Model::default(), &|bytes| read.set(bytes), &mut |_| true)
        .expect("an import");
    assert_eq!(read.get(), (one.len() + two.len()) as u64);
}

#[test]
fn a_receiver_can_stop_an_import() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = Input::File(write(folder.path(), "a", b"a\n"));
    let summary =
        import(source(), &[file], &Model::default(), &|_| {}, &mut |_| false).expect("an import");
    assert!(summary.stopped);
}

#[test]
fn a_damaged_file_gives_what_can_be_read_and_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: Vec<u8> = (0..2000).flat_map(|number| format!("{number}\n").into_bytes()).collect();
    let whole = gzip(&lines);
    let mut flipped = whole.clone();
    flipped[whole.len() - 6] ^= 1;
    for damaged in [
        &whole[..whole.len() / 2],
        &whole[..whole.len() - 8],
        &flipped,
        &[&whole[..], b"junk"].concat(),
    ] {
        let model = Model::default();
        let path = write(folder.path(), "audit.log.1.gz", damaged);
        let after = write(folder.path(), "audit.log", b"after\n");
        let summary = run(&model, &[path.clone(), after]).expect("an import");
        let [failure] = &summary.failures[..] else { panic!("{summary:?}") };
        // What comes after the damaged file is read nevertheless.
        assert_eq!(model.contents().last().map(Vec::as_slice), Some(&b"after\n"[..]));
        let read = model.contents()[0].clone();
        let TailError::Damaged { path: named, offset, .. } = failure else { panic!("{failure}") };
        assert_eq!((named, *offset), (&path, read.len() as u64));
        assert!(!read.is_empty() && lines.starts_with(&read));
        // The undamaged file adds what is missing.
        write(folder.path(), "audit.log.1.gz", &whole);
        let again = run(&model, &[path]).expect("an import");
        assert!(again.failures.is_empty() && model.contents().contains(&lines));
    }
}

#[test]
fn what_cannot_be_imported_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = folder.path().display();
    let model = Model::default();
    let good = write(folder.path(), "good", b"a\n");
    let error =
        |path: PathBuf| run(&model, &[good.clone(), path]).expect_err("refused").to_string();
    assert_eq!(error(folder.path().join("none")), format!("{name}/none: no such file"));
    assert_eq!(
        error(folder.path().to_owned()),
        format!("{name}: this is a folder; name its files, for instance {name}/*")
    );
    assert!(model.contents().is_empty(), "refused before anything was read");
}

#[test]
fn real_rotations_come_out_whole() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/openbao-2.7.2");
    let model = Model::default();
    let files =
        ["audit.jsonl.gz", "audit.jsonl.1.gz", "crash/torn-by-kill9-then-restart.audit.jsonl"];
    let summary = run(&model, &files.map(|name| fixtures.join(name))).expect("an import");
    let contents = model.contents();
    assert_eq!(contents.len(), 3);
    assert_eq!(summary.bytes, contents.iter().map(|content| content.len() as u64).sum::<u64>());
    let lines = contents.concat().iter().filter(|&&byte| byte == b'\n').count() as u64;
    assert_eq!(
        summary.lines,
        lines + contents.iter().filter(|content| !content.ends_with(b"\n")).count() as u64
    );
}
