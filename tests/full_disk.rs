//! A small volume that fills up: keytrail stops before the server is hurt, and goes on when there is room.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::util::{DEADLINE, Data, Server, SmallVolume, pair, tools_required, until};

const MEGABYTE: u64 = 1 << 20;

/// A configuration that follows one file and leaves so much of its volume free.
fn config(folder: &Path, log: &Path, reserve: u64) -> PathBuf {
    let path = folder.join("keytrail.toml");
    let text = format!(
        "[reserve]\nbytes = {reserve}\npercent = 0\n[[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"n\"\n",
        log.display()
    );
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_reserve_is_the_servers_and_recording_goes_on_by_itself() {
    let Some(volume) = SmallVolume::mount(64) else {
        assert!(!tools_required() || !rustix::process::geteuid().is_root(), "root cannot mount");
        return;
    };
    let log = volume.path.join("audit.log");
    let mut audit = OpenOptions::new().create(true).append(true).open(&log).unwrap();
    let mut write = |ids: std::ops::Range<u32>| {
        let text: String =
            ids.map(|id| pair(&format!("r{id}"), "secret/data/a", i64::from(id))).collect();
        // The server's own write: it must never fail.
        audit.write_all(text.as_bytes()).unwrap();
    };
    let data = Data::at(&volume.path.join("data"));
    let config = config(&volume.path, &log, 16 * MEGABYTE);
    let server = Server::start(&data, &["-c", config.to_str().unwrap()]);
    write(0..50);
    until("the first requests are found", DEADLINE, || {
        (data.status_of("events") == 50).then_some(())
    });

    volume.fill_to(17 * MEGABYTE);
    let mut written = 50;
    until("recording stops for want of room", DEADLINE, || {
        write(written..written + 200);
        written += 200;
        server.said().contains("recording stops for want of room").then_some(())
    });
    let (free, had) = (volume.free(), data.status_of("leaves"));
    assert!(free > 14 * MEGABYTE, "only {free} bytes are left");
    // The server writes on, and takes what is its own.
    let before = volume.free();
    for _ in 0..20 {
        write(written..written + 200);
        written += 200;
    }
    assert!(volume.free() < before);
    assert_eq!(data.status_of("leaves"), had, "nothing is recorded meanwhile");

    volume.make_room();
    until("all is recorded and found", DEADLINE, || {
        (data.status_of("events") == u64::from(written)).then_some(())
    });
    assert_eq!(data.cat("c/n/file"), fs::read(&log).unwrap(), "each byte once");
    let own = String::from_utf8(data.cat("keytrail")).unwrap();
    assert!(own.contains("\"type\":\"paused\""), "{own}");
    drop(server);
    data.run("verify", [] as [&str; 0]).expect(0);
}

#[test]
fn a_volume_that_is_full_under_keytrail_is_waited_for() {
    let Some(volume) = SmallVolume::mount(48) else { return };
    // The log stands elsewhere: nothing is reserved here, so the disk does get full.
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    fs::write(&log, pair("first", "secret/data/a", -5)).unwrap();
    let data = Data::at(&volume.path.join("data"));
    let config = config(folder.path(), &log, 16 * MEGABYTE);
    let server = Server::start(&data, &["-c", config.to_str().unwrap()]);
    until("the first request is found", DEADLINE, || (data.status_of("events") == 1).then_some(()));
    volume.fill_up();
    let mut audit = OpenOptions::new().append(true).open(&log).unwrap();
    for id in 0..2000 {
        audit
            .write_all(pair(&format!("r{id}"), "secret/data/a", i64::from(id)).as_bytes())
            .unwrap();
    }
    until("keytrail says that the disk is full", DEADLINE, || {
        server.said().contains("is full").then_some(())
    });
    volume.make_room();
    until("all is recorded and found", DEADLINE, || {
        (data.status_of("events") == 2001).then_some(())
    });
    assert_eq!(data.cat("c/n/file"), fs::read(&log).unwrap(), "each byte once");
    drop(server);
    data.run("verify", [] as [&str; 0]).expect(0);
}

#[test]
fn a_start_on_a_full_volume_says_so_and_a_later_one_records_all() {
    let Some(volume) = SmallVolume::mount(48) else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    fs::write(&log, pair("first", "secret/data/a", -5)).unwrap();
    let data = Data::at(&volume.path.join("data"));
    let config = config(folder.path(), &log, 0);
    volume.fill_up();
    let arguments = ["--listen", "127.0.0.1:0", "-c", config.to_str().unwrap()];
    let refused = data.run("run", arguments).expect(3);
    assert!(refused.stderr.contains("No space left on device"), "{}", refused.stderr);
    assert!(refused.stderr.contains("make room there and start again"), "{}", refused.stderr);
    volume.make_room();
    let _server = Server::start(&data, &["-c", config.to_str().unwrap()]);
    until("the request is found", DEADLINE, || (data.status_of("events") == 1).then_some(()));
}
