//! How far an index goes, and whose it is.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use super::*;
use crate::ledger::{Ledger, NewBatch};
use crate::source::{Lines, Reader};

fn append(ledger: &mut Ledger, text: &str) {
    let mut lines = Lines::default();
    text.split_inclusive('\n').for_each(|line| lines.push(line.as_bytes()));
    let known = ledger.generations().next().map(|info| (info.generation, info.end));
    let new = NewBatch {
        stream: Stream::Lines,
        source: "c/n/file",
        generation: known.map(|(generation, _)| generation),
        parent: None,
        offset: known.map_or(0, |(_, end)| end),
        reader: Reader::Live,
        arrived_unix_ns: 1,
        continued: false,
        unterminated: false,
        lines: &lines,
    };
    ledger.append(&new).unwrap();
}

fn open(data: &Path, ledger: &Ledger) -> Indexer {
    let dir = data.join("index");
    Indexer::open(&dir, ledger.reader().unwrap(), Rules::builtin()).unwrap()
}

fn indexed(data: &Path, ledger: &Ledger) {
    let mut indexer = open(data, ledger);
    indexer.catch_up(&mut |_| true).unwrap();
    indexer.commit().unwrap();
    indexer.finish().unwrap();
}

/// A kill between flush and signature left an index that covered what nobody else could read.
#[test]
fn what_is_not_signed_is_not_indexed() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(folder.path(), "c").unwrap();
    append(&mut ledger, "one\ntwo\n");
    let signed = ledger.checkpoint().unwrap().size;
    append(&mut ledger, "three\n");
    let flushed = ledger.flush().unwrap();
    let mut indexer = open(folder.path(), &ledger);
    indexer.catch_up_to(signed, &mut |_| true).unwrap();
    assert_eq!((indexer.next(), flushed), (signed, signed + 2));
    indexer.catch_up_to(signed, &mut |_| true).unwrap();
    assert_eq!(indexer.next(), signed);
    indexer.catch_up_to(flushed, &mut |_| true).unwrap();
    assert_eq!(indexer.next(), flushed);
}

#[test]
fn an_index_of_another_state_of_the_ledger_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (data, index) = (folder.path().join("one"), folder.path().join("one/index"));
    let mut ledger = Ledger::open(&data, "c").unwrap();
    append(&mut ledger, "one\n");
    append(&mut ledger, "two\n");
    ledger.checkpoint().unwrap();
    indexed(&data, &ledger);
    assert_eq!(open(&data, &ledger).next(), 4, "it is gone on with");
    for (lines, what) in [(&["one\n"][..], "fewer leaves"), (&["one\n", "2\n\n"], "other leaves")] {
        let other = folder.path().join(what);
        let mut ledger = Ledger::open(&other, "c").unwrap();
        lines.iter().for_each(|lines| append(&mut ledger, lines));
        ledger.checkpoint().unwrap();
        let dir = other.join("index");
        std::fs::create_dir(&dir).unwrap();
        for entry in std::fs::read_dir(&index).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
        }
        assert_eq!(open(&other, &ledger).next(), 0, "{what}");
    }
}
