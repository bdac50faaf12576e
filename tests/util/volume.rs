//! A small file system that can be filled.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::util::{DEADLINE, until};

/// A file system in memory; gone when the test ends.
pub(crate) struct SmallVolume {
    pub(crate) path: PathBuf,
    _place: TempDir,
}

impl SmallVolume {
    /// Mounts one; none where this user may not.
    pub(crate) fn mount(megabytes: u32) -> Option<SmallVolume> {
        let place = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]).arg(place.path());
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(SmallVolume { path: place.path().to_owned(), _place: place });
        }
        eprintln!("nothing was checked here: mounting a small volume needs root");
        None
    }

    /// Returns how many bytes are free.
    pub(crate) fn free(&self) -> u64 {
        let volume = rustix::fs::statvfs(&self.path).unwrap();
        volume.f_bavail * volume.f_frsize
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Takes room until so many bytes are left.
    pub(crate) fn fill_to(&self, left: u64) {
        let mut ballast =
            OpenOptions::new().append(true).create(true).open(self.ballast()).unwrap();
        let block = vec![1; 64 << 10];
        while self.free() > left + block.len() as u64 {
            match ballast.write_all(&block) {
                Ok(()) => {}
                // The program under test has taken the rest since we looked.
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("the ballast cannot be written: {error}"),
            }
        }
    }

    /// Takes all room, to the last byte.
    pub(crate) fn fill_up(&self) {
        self.fill_to(0);
        let mut ballast = OpenOptions::new().append(true).open(self.ballast()).unwrap();
        while ballast.write_all(&[1; 512]).is_ok() {}
    }

    /// Gives the room back.
    pub(crate) fn make_room(&self) {
        let (ballast, free) = (self.ballast(), self.free());
        let Ok(taken) = fs::metadata(&ballast).map(|metadata| metadata.len()) else { return };
        fs::remove_file(ballast).unwrap();
        // The system may free it a moment later.
        until("there is room again", DEADLINE, || (self.free() >= free + taken / 2).then_some(()));
    }
}

impl Drop for SmallVolume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).output();
    }
}
