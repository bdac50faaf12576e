//! Following a file: what the server has just written is searchable at once.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::util::{
    DEADLINE, Data, Server, files_below, get, pair, request, response, until, visible_text,
};

/// Ten times what is promised: how fast it is, is for the benchmarks.
const SEARCHABLE: Duration = Duration::from_secs(10);

#[test]
fn a_new_line_is_searchable_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("audit.log"), Data::new());
    let mut file = File::create(&log).unwrap();
    file.write_all(pair("first", "secret/data/x", 0).as_bytes()).unwrap();
    let server = Server::follow(&data, &log);
    until("the first event is searchable", DEADLINE, || {
        (data.total("request:first") == 1).then_some(())
    });
    let mut times: Vec<Duration> = (1..=7)
        .map(|number| {
            let id = format!("r{number}");
            file.write_all(pair(&id, "secret/data/x", number * 1000).as_bytes()).unwrap();
            let written = Instant::now();
            until("a new event is searchable", SEARCHABLE, || {
                (data.total(&format!("request:{id}")) == 1).then_some(())
            });
            written.elapsed()
        })
        .collect();
    times.sort();
    eprintln!("from the file to the answer of a command: median {:?} of {times:?}", times[3]);
    drop(server);
}

#[test]
fn a_line_waits_for_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("audit.log"), Data::new());
    let text = pair("whole", "secret/data/x", 0);
    let (half, rest) = text.split_at(text.len() - 200);
    fs::write(&log, half).unwrap();
    let server = Server::follow(&data, &log);
    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    until("the request line is known", DEADLINE, || {
        (data.total("request:whole is:pending") == 1).then_some(())
    });
    assert_eq!(data.status_of("undecodable"), 0, "half a line of a live file was taken for a line");
    file.write_all(rest.as_bytes()).unwrap();
    until("the response is known", DEADLINE, || {
        (data.total("request:whole outcome:success") == 1).then_some(())
    });
    assert_eq!(
        (data.total(""), data.status_of("undecodable"), data.status_of("pending")),
        (1, 0, 0)
    );
    drop(server);
    assert_eq!(data.cat("c/n/file"), text.as_bytes());
}

#[test]
fn a_file_that_does_not_exist_yet_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("audit.log"), Data::new());
    let server = Server::follow(&data, &log);
    fs::write(&log, pair("late-file", "secret/data/x", 0)).unwrap();
    until("its event is searchable", DEADLINE, || {
        (data.total("request:late-file") == 1).then_some(())
    });
    drop(server);
}

#[test]
fn a_truncated_file_is_gone_on_with_and_the_gap_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("audit.log"), Data::new());
    let before: String = (0..20)
        .map(|number| pair(&format!("old-{number}"), "secret/data/x", number * 10))
        .collect();
    fs::write(&log, &before).unwrap();
    let server = Server::follow(&data, &log);
    until("the old events are in", DEADLINE, || (data.status_of("events") == 20).then_some(()));
    // As logrotate's copytruncate does: the same inode, shorter than what was read.
    let file = OpenOptions::new().append(true).open(&log).unwrap();
    file.set_len(0).unwrap();
    (&file).write_all(pair("new", "secret/data/x", 1000).as_bytes()).unwrap();
    until("the new event is searchable", DEADLINE, || {
        (data.total("request:new outcome:success") == 1).then_some(())
    });
    let gaps = &data.status()["gaps"];
    assert!(
        gaps.as_u64().is_some_and(|gaps| gaps > 0)
            || gaps.as_array().is_some_and(|gaps| !gaps.is_empty()),
        "no gap: {gaps}"
    );
    assert_eq!(data.total(""), 21);
    drop(server);
}

#[test]
fn a_request_turns_from_pending_to_answered_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("audit.log"), Data::new());
    fs::write(&log, request("slow", "secret/data/slow", 0)).unwrap();
    let server = Server::follow(&data, &log);
    until("the request is known", DEADLINE, || (data.total("is:pending") == 1).then_some(()));
    let uid = data.search("request:slow")[0]["uid"].as_str().unwrap().to_owned();
    let page = || visible_text(&get(&server.address, &format!("/event/{uid}")).body);
    assert!(page().contains("pending"), "{}", page());
    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(response("slow", "secret/data/slow", 5).as_bytes()).unwrap();
    until("the page shows the answer", DEADLINE, || page().contains("success").then_some(()));
    // It is the same event still.
    assert_eq!(data.search("request:slow")[0]["uid"], uid.as_str());
    assert_eq!(data.search("").len(), 1);
}

#[test]
fn a_ledger_that_vanishes_ends_the_process_with_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("audit.log"), Data::new());
    fs::write(&log, pair("first", "secret/data/x", 0)).unwrap();
    let server = Server::follow(&data, &log);
    until("the first event is searchable", DEADLINE, || {
        (data.total("request:first") == 1).then_some(())
    });
    // Whatever is written from now on goes into files that have no name any more.
    for segment in files_below(&data.path().join("ledger/lines")) {
        fs::remove_file(segment).unwrap();
    }
    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(pair("second", "secret/data/x", 1000).as_bytes()).unwrap();
    let (code, said) = server.ended();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("not there any more"), "{said}");
}

/// The index names leaves; a process that reads it while another one writes must find all of them in the
/// ledger that it can see.
#[test]
fn another_process_reads_at_any_moment_of_the_traffic() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("audit.log"), Data::new());
    let mut file = File::create(&log).unwrap();
    file.write_all(pair("r0", "secret/data/x", 0).as_bytes()).unwrap();
    let server = Server::follow(&data, &log);
    until("the first event is searchable", DEADLINE, || (data.total("") == 1).then_some(()));
    let ended = AtomicBool::new(false);
    let written = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut written = 1;
            while !ended.load(Ordering::Relaxed) {
                let text = pair(&format!("r{written}"), "secret/data/x", written * 3);
                file.write_all(text.as_bytes()).unwrap();
                written += 1;
                // A server is not faster than this either.
                thread::sleep(Duration::from_millis(4));
            }
            written
        });
        let reader = scope.spawn(|| {
            let mut seen = 0;
            for _ in 0..20 {
                // Every read must end well; `search` reads the lines of each event back from the ledger.
                let found = data.search("").len() as u64;
                let counted = data.status_of("events");
                assert!(
                    found >= seen && counted >= found,
                    "{found} after {seen}, status {counted}"
                );
                seen = found;
            }
        });
        // However it ends, the writer must end too.
        let read = reader.join();
        ended.store(true, Ordering::Relaxed);
        read.unwrap();
        writer.join().unwrap()
    });
    until("all events are searchable", DEADLINE, || {
        (data.total("") == u64::try_from(written).unwrap()).then_some(())
    });
    drop(server);
}
