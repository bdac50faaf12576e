//! The tail on its own thread.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use super::bench::options;
use super::model::Model;
use crate::tail::{FollowOptions, StopSignal, Tail, TailItem};

/// Long enough for a machine under load; nothing waits for it that works.
const PATIENCE: Duration = Duration::from_secs(30);

fn next_lines(items: &Receiver<TailItem>) -> Vec<u8> {
    loop {
        if let TailItem::Lines { lines, .. } = items.recv_timeout(PATIENCE).expect("lines") {
            return lines.bytes;
        }
    }
}

/// Follows with this poll while a line is written, then stops.
fn follows(poll: Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.log");
    let options = FollowOptions { poll, ..options(&[path.display().to_string()]) };
    let tail = Tail::new(options, Box::new(Model::default())).expect("patterns");
    let (send, receive) = sync_channel(2);
    let stop = StopSignal::new();
    let running = {
        let stop = stop.clone();
        thread::spawn(move || tail.run(&send, &stop))
    };
    assert!(
        matches!(receive.recv_timeout(PATIENCE), Ok(TailItem::Notice(_))),
        "the file is missing"
    );
    assert_eq!(receive.recv_timeout(PATIENCE), Ok(TailItem::CaughtUp));
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("a file");
    file.write_all(b"a\n").expect("writing");
    assert_eq!(next_lines(&receive), b"a\n");
    file.write_all(b"b\n").expect("writing");
    assert_eq!(next_lines(&receive), b"b\n");
    stop.stop();
    running.join().expect("no panic");
}

#[test]
fn a_change_wakes_it() {
    follows(Duration::from_secs(3600));
}

#[test]
fn a_poll_finds_what_nobody_tells() {
    follows(Duration::from_millis(20));
}

#[test]
fn it_stops_while_nobody_takes_its_items() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.log");
    std::fs::write(&path, b"a\n").expect("writing");
    let tail = Tail::new(options(&[path.display().to_string()]), Box::new(Model::default()))
        .expect("patterns");
    let (send, receive) = sync_channel::<TailItem>(1);
    let stop = StopSignal::new();
    let running = {
        let stop = stop.clone();
        thread::spawn(move || tail.run(&send, &stop))
    };
    assert!(receive.recv_timeout(PATIENCE).is_ok());
    stop.stop();
    running.join().expect("no panic");
}
