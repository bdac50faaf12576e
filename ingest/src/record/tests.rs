//! A recorder on a disk that is full now and then.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::ledger::{Disk, Faults, LedgerReader, OWN_SOURCE, VerifyOptions, cat, verify};
use crate::room::{Reserve, Room};
use crate::source::Lines;
use crate::tail::{FileId, Start, StopSignal};

const SOURCE: &str = "prod/bao-0/file";
const DEADLINE: Duration = Duration::from_secs(60);

fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < DEADLINE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn opened(file: u64) -> ToLedger {
    let source = Arc::new(SOURCE.parse().unwrap());
    let path = PathBuf::from("/audit.log");
    let start = Start::New { parent: None };
    TailItem::Opened { file: FileId(file), source, path, start }.into()
}

/// Five lines of 19 bytes, the first of them with this number.
fn five(file: u64, number: u64) -> (ToLedger, Vec<u8>) {
    let mut lines = Lines::default();
    for number in number..number + 5 {
        lines.push(format!("file {file} line {number:06}\n").as_bytes());
    }
    let bytes = lines.bytes.clone();
    let offset = number * 19;
    let item = TailItem::Lines {
        file: FileId(file),
        offset,
        lines,
        continued: false,
        unterminated: false,
    };
    (item.into(), bytes)
}

struct Recording {
    data: tempfile::TempDir,
    faults: Arc<Faults>,
    room: Room,
    stop: StopSignal,
    to_ledger: SyncSender<ToLedger>,
    thread: thread::JoinHandle<Result<Recorded, RecordError>>,
}

fn recording(patient: bool) -> Recording {
    let data = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let mut ledger =
        Ledger::open_on(&Disk::with(Arc::clone(&faults)), data.path(), "prod", 6000).unwrap();
    let room = Room::new(data.path(), Vec::new(), Reserve::default());
    let stop = StopSignal::new();
    let options = RecordOptions {
        reader: Reader::Live,
        allow_raw: Vec::new(),
        clear_tokens_are_fatal: false,
        patience: patient.then(|| Patience { room: room.clone(), stop: stop.clone() }),
    };
    let (to_ledger, items) = sync_channel(100);
    let signed = Mutex::new(0);
    let thread = thread::spawn(move || {
        let durable = |size| {
            let mut signed = signed.lock().unwrap();
            assert!(size >= *signed, "what was signed stays");
            *signed = size;
        };
        record(&mut ledger, &items, &options, &durable, &|_| ())
    });
    Recording { data, faults, room, stop, to_ledger, thread }
}

impl Recording {
    fn is_paused(&self) -> bool {
        self.room.space().unwrap().paused.is_some()
    }
}

#[test]
fn a_full_disk_is_waited_for_and_nothing_is_lost_or_doubled() {
    let recording = recording(true);
    let mut expected = [Vec::new(), Vec::new()];
    let mut pauses = 0;
    for round in 0_u64..60 {
        let file = if round < 30 { 1 } else { 2 };
        if round % 30 == 0 {
            recording.to_ledger.send(opened(file)).unwrap();
        }
        if round % 12 == 5 {
            // Full in the middle of a frame, of a tile, of a checkpoint.
            recording.faults.set_room(Some((round * round) as usize % 700));
        }
        let (item, bytes) = five(file, round % 30 * 5);
        if recording.to_ledger.send(item).is_err() {
            panic!("round {round}: {:?}", recording.thread.join().unwrap());
        }
        expected[file as usize - 1].extend(bytes);
        if round % 12 == 7 {
            until("recording pauses", || recording.is_paused());
            pauses += 1;
            recording.faults.set_room(None);
            until("recording goes on", || !recording.is_paused());
        }
        if round == 29 {
            recording.to_ledger.send(TailItem::Finished { file: FileId(1) }.into()).unwrap();
        }
    }
    recording.to_ledger.send(ToLedger::Stop).unwrap();
    let recorded = recording.thread.join().unwrap().unwrap();
    assert_eq!((recorded.lines, recorded.bytes), (300, 5700));
    let reader = LedgerReader::open(recording.data.path()).unwrap();
    let mut out = Vec::new();
    cat(&reader, SOURCE, &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), String::from_utf8(expected.concat()).unwrap());
    assert!(
        verify(recording.data.path(), &VerifyOptions::default(), &mut |_, _| {}).unwrap().intact
    );
    let mut own = Vec::new();
    cat(&reader, OWN_SOURCE, &mut own).unwrap();
    let told = String::from_utf8(own).unwrap();
    assert_eq!(told.lines().filter(|line| line.contains("\"type\":\"paused\"")).count(), pauses);
    assert!(told.contains("the disk is full"), "{told}");
}

#[test]
fn a_wait_for_room_ends_with_the_process() {
    let recording = recording(true);
    recording.faults.set_room(Some(0));
    recording.to_ledger.send(opened(1)).unwrap();
    recording.to_ledger.send(five(1, 0).0).unwrap();
    until("recording pauses", || recording.is_paused());
    recording.stop.stop();
    recording.thread.join().unwrap().unwrap();
    // Nothing was confirmed: the next start reads it again.
    let reader = LedgerReader::open(recording.data.path()).unwrap();
    assert_eq!(reader.size(), 0);
}

#[test]
fn an_import_does_not_wait() {
    let recording = recording(false);
    recording.faults.set_room(Some(0));
    recording.to_ledger.send(opened(1)).unwrap();
    recording.to_ledger.send(five(1, 0).0).unwrap();
    let error = recording.thread.join().unwrap().unwrap_err();
    assert!(matches!(&error, RecordError::Ledger(error) if error.is_full()), "{error}");
}
