//! A small volume that fills up: keytrail stops before the server is hurt, and goes on when there is room.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::util::{
    Bao, DEADLINE, Data, Run, Server, SmallVolume, pair, real_servers_are_wanted,
    reserving_keytrail, tools_required, until,
};

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
    let server = Server::start_as(reserving_keytrail(), &data, &["-c", config.to_str().unwrap()]);
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
fn what_the_command_line_leaves_goes_before_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    fs::write(&log, pair("first", "secret/data/a", -5)).unwrap();
    // The log stands on the data folder's volume, and no volume has so much.
    let data = Data::at(&folder.path().join("data"));
    let config = config(folder.path(), &log, 1 << 60);
    let config = ["-c", config.to_str().unwrap()];
    let disk = |arguments: &[&str]| {
        let mut command = reserving_keytrail();
        command.arg("status").arg("-d").arg(data.path()).args(["--format", "json"]);
        let status = Run::of(command.args(config).args(arguments)).expect(0).json();
        let disk = &status[0]["disk"];
        (disk["reserve"].as_u64().unwrap(), disk["hours_until_full"].as_f64())
    };
    let server = Server::start_as(reserving_keytrail(), &data, &config);
    server.says("recording stops for want of room");
    server.says("leave less with --reserve or [reserve]");
    assert_eq!(disk(&[]).0, 1 << 60);
    server.terminate();

    let arguments = [&config[..], &["--reserve", "4096"]].concat();
    let server = Server::start_as(reserving_keytrail(), &data, &arguments);
    until("the first is found", DEADLINE, || (data.status_of("events") == 1).then_some(()));
    let ((left, hours), (nothing, all_hours)) =
        (disk(&["--reserve", "4096"]), disk(&["--reserve", "0"]));
    assert_eq!((left, nothing), (4096, 0));
    // Each line is there twice on this volume, whatever is left of it.
    let longer = all_hours.unwrap() / hours.unwrap();
    assert!((0.9..1.1).contains(&longer), "{all_hours:?} hours in place of {hours:?}");
    // The configuration that is read again does not go before it either.
    server.hang_up();
    let is_again = || (server.said().matches("dashboard on").count() == 2).then_some(());
    until("it follows by the configuration that was read again", DEADLINE, is_again);
    let mut audit = OpenOptions::new().append(true).open(&log).unwrap();
    audit.write_all(pair("second", "secret/data/a", -4).as_bytes()).unwrap();
    until("the second is found", DEADLINE, || (data.status_of("events") == 2).then_some(()));
    assert!(!server.said().contains("want of room"), "{}", server.said());
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
    let server = Server::start_as(reserving_keytrail(), &data, &["-c", config.to_str().unwrap()]);
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
    let _server = Server::start_as(reserving_keytrail(), &data, &["-c", config.to_str().unwrap()]);
    until("the request is found", DEADLINE, || (data.status_of("events") == 1).then_some(()));
}

/// A real server and keytrail on one small volume, as they must not be set up and will be: keytrail gives way, the
/// server never fails, and what keytrail calls safe to remove is.
#[test]
fn a_real_openbao_on_the_same_volume_never_fails_by_keytrail() {
    if !real_servers_are_wanted() {
        return;
    }
    let volume = SmallVolume::mount(1536).expect("mounting a small volume needs root");
    let log = volume.path.join("audit.log");
    let bao = Bao::start(&volume.path);
    bao.run(&["secrets", "enable", "-path=big", "kv"]).expect("a mount");
    // Some 9 KB a request line, since every value is hashed, and no two alike.
    let body = |number: u64| {
        let values: Vec<String> =
            (0..100).map(|n| format!("\"key-{n}\":\"value-{number}-{n}\"")).collect();
        format!("{{{}}}", values.join(","))
    };
    let mut written = 0;
    let mut write_until = |enough: &mut dyn FnMut() -> bool| {
        while !enough() {
            for _ in 0..20 {
                let path = format!("big/{}", written % 50);
                assert_eq!(bao.write(&path, &body(written)), 204);
                written += 1;
            }
        }
        written
    };
    let data = Data::at(&volume.path.join("data"));
    let config = config(&volume.path, &log, 64 * MEGABYTE);
    let config = config.to_str().unwrap();
    let server = Server::start_as(reserving_keytrail(), &data, &["-c", config]);
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());

    // A segment is sealed once the next one is begun; by then all of the rotated file is in it.
    write_until(&mut || length(&log) > 24 * MEGABYTE);
    let rotated = volume.path.join("audit.log.1");
    fs::rename(&log, &rotated).unwrap();
    bao.hang_up();
    let segments = volume.path.join("data/ledger/lines");
    let total = write_until(&mut || fs::read_dir(&segments).unwrap().count() > 1);
    let recorded = || data.total("path:big/*");
    until("all is found", 4 * DEADLINE, || (recorded() == total).then_some(()));
    let safe = || -> Vec<PathBuf> {
        let status = data.run("status", ["-c", config, "--format", "json"]).expect(0).json();
        let files = status[0]["disk"]["rotated_files"].as_array().unwrap().clone();
        let safe = files.iter().filter(|file| file["safe_to_remove"] == true);
        safe.map(|file| file["path"].as_str().unwrap().into()).collect()
    };
    until("the rotated file is safe to remove", 4 * DEADLINE, || {
        (safe() == [rotated.clone()]).then_some(())
    });
    let before = (data.count("", "path"), data.count("", "decision"));
    let lines = fs::read(&rotated).unwrap();
    server.terminate();
    for file in safe() {
        fs::remove_file(file).unwrap();
    }
    let server = Server::start_as(reserving_keytrail(), &data, &["-c", config]);
    data.run("verify", [""; 0]).expect(0);
    assert_eq!((data.count("", "path"), data.count("", "decision")), before);
    assert!(data.cat("c/n/file").starts_with(&lines), "the removed file is still there to be read");
    assert_eq!(data.status_of("gaps"), 0);

    volume.fill_to(72 * MEGABYTE);
    write_until(&mut || server.said().contains("recording stops for want of room"));
    let (free, leaves) = (volume.free(), data.status_of("leaves"));
    assert!(free > 60 * MEGABYTE, "only {free} bytes are left");
    // The server goes on into its reserve, and every request is answered.
    let total = write_until(&mut || volume.free() < 16 * MEGABYTE);
    assert_eq!(data.status_of("leaves"), leaves, "keytrail takes nothing more");
    volume.make_room();
    until("all is recorded and found", DEADLINE, || (recorded() == total).then_some(()));
    assert_eq!(data.cat("c/n/file"), [lines, fs::read(&log).unwrap()].concat(), "each byte once");
    assert_eq!(data.status_of("gaps"), 0);
    server.terminate();
    data.run("verify", ["--index"]).expect(0);
}
