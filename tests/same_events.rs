//! However the lines come in, the events are the same: at once, in pieces, in the wrong order, live with
//! the process killed between, and again under other names.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::util::{DEADLINE, Data, Server, fixture_text, main_recording, until};

const SOURCE: &str = "c/n/file";

/// The recording as one file's text.
fn recording() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        fixture_text("openbao-2.7.2/audit.jsonl.1.gz")
            + &fixture_text("openbao-2.7.2/audit.jsonl.gz")
    })
}

/// Events by uid, without what tells where in the ledger their lines stand.
pub(crate) fn events(data: &Data) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for mut event in data.search("") {
        let fields = event.as_object_mut().unwrap();
        fields.remove("leaves").expect("an event has leaves");
        fields.remove("issued").expect("an event has been issued");
        let uid = event["uid"].as_str().unwrap().to_owned();
        assert!(found.insert(uid.clone(), event).is_none(), "{uid} is there twice");
    }
    found
}

/// Asserts that two tellings of the recording are one, and names the first event that differs.
#[track_caller]
pub(crate) fn assert_same(got: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    for (uid, event) in expected {
        assert_eq!(got.get(uid), Some(event), "event {uid}");
    }
    assert_eq!(got.len(), expected.len());
}

/// Cuts a text into pieces of about one size, at line ends.
fn pieces(text: &str, count: usize) -> Vec<&str> {
    let (mut rest, mut cut) = (text, Vec::new());
    while cut.len() + 1 < count {
        let middle = rest.len() / (count - cut.len());
        let end =
            middle + rest.as_bytes()[middle..].iter().position(|&byte| byte == b'\n').unwrap() + 1;
        let (piece, after) = rest.split_at(end);
        cut.push(piece);
        rest = after;
    }
    cut.push(rest);
    assert!(cut.iter().all(|piece| piece.ends_with('\n')));
    cut
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn rebuild_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    data.import([written(folder.path(), "audit.jsonl", recording())]);
    let before = data.search_text("");
    data.run("rebuild", [] as [&str; 0]).expect(0);
    assert!(data.search_text("") == before, "rebuild changed what search prints");
    fs::remove_dir_all(data.path().join("index")).unwrap();
    data.run("rebuild", [] as [&str; 0]).expect(0);
    assert!(data.search_text("") == before, "an index made from nothing prints something else");
}

#[test]
fn seven_pieces_in_one_command_and_in_seven() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = pieces(recording(), 7)
        .iter()
        .enumerate()
        .map(|(number, piece)| written(folder.path(), &format!("piece-{number}.jsonl"), piece))
        .collect();
    let expected = events(main_recording());

    let together = Data::new();
    together.import(&files);
    assert_same(&events(&together), &expected);

    let apart = Data::new();
    for file in &files {
        apart.import([file]);
    }
    assert_same(&events(&apart), &expected);
    assert!(apart.cat(SOURCE) == recording().as_bytes(), "the pieces do not make the file");

    let backwards = Data::new();
    for file in files.iter().rev() {
        backwards.import([file]);
    }
    assert_same(&events(&backwards), &expected);
}

#[test]
fn followed_live_and_killed_between() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let data = Data::new();
    let mut file = File::create(&log).unwrap();
    let all = pieces(recording(), 7);
    let (mut written_lines, mut server) = (0, Server::follow(&data, &log));
    for (number, piece) in all.iter().enumerate() {
        file.write_all(piece.as_bytes()).unwrap();
        written_lines += piece.lines().count();
        match number {
            // Killed while it reads: how far it came is left to chance, and must not matter.
            0 | 3 => {}
            // Killed when a part of the piece is searchable, so that there is something to go on from.
            1 | 4 => {
                let before = written_lines - piece.lines().count();
                until("some lines of the piece are in", DEADLINE, || {
                    (source_lines(&data)? > before).then_some(())
                });
            }
            _ => continue,
        }
        server.kill();
        server = Server::follow(&data, &log);
    }
    let expected = events(main_recording());
    until("every line is in the ledger", DEADLINE, || {
        (source_lines(&data)? == written_lines).then_some(())
    });
    until("every event is searchable", DEADLINE, || {
        (data.status_of("events") as usize == expected.len()).then_some(())
    });
    assert_same(&events(&data), &expected);
    drop(server);
    assert!(
        data.cat(SOURCE) == recording().as_bytes(),
        "the ledger does not hold the file's bytes"
    );
    data.run("verify", [] as [&str; 0]).expect(0);
}

#[test]
fn followed_over_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let data = Data::new();
    let (old, new) = (
        fixture_text("openbao-2.7.2/audit.jsonl.1.gz"),
        fixture_text("openbao-2.7.2/audit.jsonl.gz"),
    );
    let (early, late) = old.split_at(old[..old.len() / 2].rfind('\n').unwrap() + 1);
    let mut file = File::create(&log).unwrap();
    file.write_all(early.as_bytes()).unwrap();
    let server = Server::follow(&data, &log);
    until("the first half is in", DEADLINE, || {
        (source_lines(&data)? == early.lines().count()).then_some(())
    });
    // As a server does after a rename: some entries still go to the old file.
    fs::rename(&log, folder.path().join("audit.log.1")).unwrap();
    file.write_all(late.as_bytes()).unwrap();
    drop(file);
    fs::write(&log, &new).unwrap();
    let lines = old.lines().count() + new.lines().count();
    until("both files are in", DEADLINE, || (source_lines(&data)? == lines).then_some(()));
    let expected = events(main_recording());
    until("every event is searchable", DEADLINE, || {
        (data.status_of("events") as usize == expected.len()).then_some(())
    });
    assert_same(&events(&data), &expected);
    drop(server);
    assert!(data.cat(SOURCE) == recording().as_bytes());
}

#[test]
fn the_same_file_again_adds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let text = fixture_text("openbao-2.7.2/audit.jsonl.gz");
    let plain = written(folder.path(), "audit.jsonl", &text);
    let data = Data::new();
    data.import([&plain]);
    let (cat, before, count) = (data.cat(SOURCE), events(&data), data.status_of("events"));
    assert!(cat == text.as_bytes());

    let renamed = written(folder.path(), "audit-2026-11-24.log", &text);
    let gzipped = folder.path().join("audit.jsonl.1.gz");
    let mut encoder = GzEncoder::new(File::create(&gzipped).unwrap(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap();
    let packed = folder.path().join("audit.jsonl.2.zst");
    fs::write(&packed, zstd::encode_all(text.as_bytes(), 3).unwrap()).unwrap();
    for again in [&plain, &renamed, &gzipped, &packed] {
        data.import([again]);
        assert!(data.cat(SOURCE) == cat, "{} added lines", again.display());
        assert_eq!(data.status_of("events"), count, "{}", again.display());
    }
    assert_same(&events(&data), &before);

    // The file has grown since: only what is new comes in.
    let mut grown = OpenOptions::new().append(true).open(&plain).unwrap();
    let more = crate::util::pair("11111111-2222-3333-4444-555555555555", "secret/data/late", 0);
    grown.write_all(more.as_bytes()).unwrap();
    data.import([&plain]);
    assert!(
        data.cat(SOURCE) == (text + &more).as_bytes(),
        "a grown file was not gone on from where it ended"
    );
    assert_eq!(data.status_of("events"), count + 1);
}

#[test]
fn standard_input_is_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "audit.jsonl", recording());
    let data = Data::new();
    let mut command: Command = crate::util::keytrail();
    command.arg("import").arg("-d").arg(data.path()).args(["--cluster", "c", "--node", "n", "-"]);
    crate::util::Run::of(command.stdin(File::open(path).unwrap())).expect(0);
    assert_same(&events(&data), &events(main_recording()));
}

/// How many lines of the source are in the ledger; nothing while there is no ledger.
fn source_lines(data: &Data) -> Option<usize> {
    let run = data.run("status", ["--format", "json"]);
    if run.code != 0 {
        return None;
    }
    let sources = run.json()[0]["sources"].as_array()?.clone();
    let source = sources.iter().find(|source| source["source"] == SOURCE)?;
    Some(source["lines"].as_u64().expect("a source has lines") as usize)
}
