//! A small volume that fills up: keytrail stops before the server is hurt, and goes on when there is room.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::util::{DEADLINE, Data, Server, pair, tools_required, until};

/// A file system in memory; gone when the test ends.
struct SmallVolume {
    path: PathBuf,
    _place: tempfile::TempDir,
}

impl SmallVolume {
    /// Mounts one; none where this user may not.
    fn mount(megabytes: u32) -> Option<SmallVolume> {
        let place = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]).arg(place.path());
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(SmallVolume { path: place.path().to_owned(), _place: place });
        }
        eprintln!("nothing was checked here: mounting a small volume needs root");
        None
    }

    fn free(&self) -> u64 {
        let volume = rustix::fs::statvfs(&self.path).unwrap();
        volume.f_bavail * volume.f_frsize
    }
}

impl Drop for SmallVolume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).output();
    }
}

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

/// Takes room on a volume until so much is left.
fn fill(volume: &SmallVolume, path: &Path, left: u64) {
    let mut ballast = File::create(path).unwrap();
    let block = vec![1; 64 << 10];
    while volume.free() > left + block.len() as u64 {
        ballast.write_all(&block).unwrap();
    }
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

    let ballast = volume.path.join("ballast");
    fill(&volume, &ballast, 17 * MEGABYTE);
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

    fs::remove_file(&ballast).unwrap();
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
    let ballast = volume.path.join("ballast");
    fill(&volume, &ballast, 0);
    let mut rest = OpenOptions::new().append(true).open(&ballast).unwrap();
    // To the last byte.
    while rest.write_all(&[1; 512]).is_ok() {}
    let mut audit = OpenOptions::new().append(true).open(&log).unwrap();
    for id in 0..2000 {
        audit
            .write_all(pair(&format!("r{id}"), "secret/data/a", i64::from(id)).as_bytes())
            .unwrap();
    }
    until("keytrail says that the disk is full", DEADLINE, || {
        server.said().contains("is full").then_some(())
    });
    // An open file keeps its room.
    drop(rest);
    fs::remove_file(&ballast).unwrap();
    until("all is recorded and found", DEADLINE, || {
        (data.status_of("events") == 2001).then_some(())
    });
    assert_eq!(data.cat("c/n/file"), fs::read(&log).unwrap(), "each byte once");
    drop(server);
    data.run("verify", [] as [&str; 0]).expect(0);
}
