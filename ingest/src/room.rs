//! The reserve: on a volume that holds a followed file keytrail never takes the last bytes, for a secrets server
//! whose audit device cannot write stops answering.
//!
//! ```text
//!   |<------------------- the volume ------------------->|
//!   | used                  | free            | reserve  |
//!                           ^ keytrail writes ^ stops: positions stay, the audit file is the buffer
//! ```
//!
//! Writing goes on by itself when there is room again, with a little to spare, so that it does not stop and go
//! with every line.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// How much of a volume is left to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// At least so many bytes.
    pub bytes: u64,
    /// At least so many hundredths of the volume.
    pub percent: u8,
}

impl Default for Reserve {
    /// 1 GiB, and a tenth of the volume.
    fn default() -> Reserve {
        Reserve { bytes: 1 << 30, percent: 10 }
    }
}

impl Reserve {
    /// Returns what is left free of a volume of this size: the larger of the two.
    pub fn of(&self, volume_bytes: u64) -> u64 {
        self.bytes.max(volume_bytes / 100 * u64::from(self.percent))
    }
}

/// The volume of a data folder, now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Space {
    /// Size of the volume, in bytes.
    pub size: u64,
    /// What of it keytrail's user can still write, in bytes.
    pub available: u64,
    /// A followed file stands on this volume.
    pub is_shared: bool,
    /// What keytrail leaves free, in bytes; 0 on a volume without a followed file.
    pub reserve: u64,
    /// Since when the ledger is not written, and why.
    pub paused: Option<Pause>,
}

/// Why the ledger is not being written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Why, with the remedy.
    pub why: String,
}

/// Watches the volume of a data folder. Clones share the pause.
#[derive(Clone, Debug)]
pub struct Room {
    data: PathBuf,
    /// Folders of followed files; one that is missing is on no volume.
    followed: Arc<[PathBuf]>,
    reserve: Reserve,
    pause: Arc<Mutex<Option<Pause>>>,
}

impl Room {
    /// Watches the volume of `data`, where files in the folders `followed` are followed.
    pub fn new(data: &Path, followed: Vec<PathBuf>, reserve: Reserve) -> Room {
        Room { data: data.to_owned(), followed: followed.into(), reserve, pause: Arc::default() }
    }

    /// Watches the volume of another folder that keytrail writes to, by the same reserve.
    pub fn elsewhere(&self, folder: &Path) -> Room {
        Room {
            data: folder.to_owned(),
            followed: self.followed.clone(),
            reserve: self.reserve,
            pause: Arc::default(),
        }
    }

    /// Looks at the volume.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub fn space(&self) -> io::Result<Space> {
        let volume = rustix::fs::statvfs(&self.data)?;
        let size = volume.f_blocks.saturating_mul(volume.f_frsize);
        let device = std::fs::metadata(&self.data)?.dev();
        let on_volume =
            |folder: &PathBuf| std::fs::metadata(folder).is_ok_and(|folder| folder.dev() == device);
        let is_shared = self.followed.iter().any(on_volume);
        Ok(Space {
            size,
            is_shared,
            available: volume.f_bavail.saturating_mul(volume.f_frsize),
            reserve: if is_shared { self.reserve.of(size) } else { 0 },
            paused: self.pause().clone(),
        })
    }

    /// Tells that there is little room, while there still is some: recording is paused, or less is free than the reserve
    /// and half of it again. A volume without followed files is measured by the same reserve.
    pub fn is_tight(&self, space: &Space) -> Option<String> {
        if let Some(pause) = &space.paused {
            return Some(format!("nothing is recorded since {}: {}", pause.since, pause.why));
        }
        let reserve = self.reserve.of(space.size);
        (space.available < reserve.saturating_add(reserve / 2)).then(|| {
            let [free, size, reserve] = [space.available, space.size, reserve].map(|bytes| bytes >> 20);
            let then = if space.is_shared {
                ", which is left to the secrets server: recording stops there"
            } else {
                ""
            };
            format!("{free} MiB of {size} MiB are free on the data folder's volume; the reserve is {reserve} MiB{then}")
        })
    }

    /// Tells why `bytes` more may not be written; `None` if they may. While writing is paused, there must be
    /// some more room than that.
    pub fn refuses(&self, bytes: u64) -> Option<String> {
        // A volume that does not tell is not held against the log: writing will show.
        let space = self.space().ok()?;
        if space.reserve == 0 {
            return None;
        }
        let spare = if space.paused.is_some() { (space.reserve / 64).max(1 << 16) } else { 0 };
        let wanted = space.reserve.saturating_add(bytes).saturating_add(spare);
        (space.available < wanted).then(|| {
            format!(
                "{} has {} bytes free of {}, and the last {} are left to the secrets server, whose audit file stands there: \
                 make room, for instance by removing rotated files that `keytrail status` calls safe, or leave less with --reserve or [reserve]",
                self.data.display(),
                space.available,
                space.size,
                space.reserve
            )
        })
    }

    /// Notes that the ledger is not written from now on.
    pub fn set_paused(&self, why: &str) {
        self.pause().get_or_insert_with(|| Pause { since: Timestamp::now(), why: why.to_owned() });
    }

    /// Notes that the ledger is written again, and returns the pause that ended.
    pub fn set_writing(&self) -> Option<Pause> {
        self.pause().take()
    }

    fn pause(&self) -> MutexGuard<'_, Option<Pause>> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_the_larger_of_the_two() {
        let reserve = Reserve::default();
        assert_eq!(reserve.of(2 << 30), 1 << 30);
        assert_eq!(reserve.of(100 << 30), 10 << 30);
        assert_eq!(Reserve { bytes: 5, percent: 0 }.of(100), 5);
    }

    #[test]
    fn it_holds_only_where_a_followed_file_stands() {
        let data = tempfile::tempdir().unwrap();
        let all = Reserve { bytes: u64::MAX, percent: 0 };
        let beside = Room::new(data.path(), vec![data.path().to_owned()], all);
        assert!(beside.refuses(1).unwrap().contains("left to the secrets server"));
        let missing = Room::new(data.path(), vec![data.path().join("none")], all);
        assert_eq!(missing.refuses(1), None);
        let elsewhere = Room::new(data.path(), vec!["/proc".into()], all);
        assert_eq!(elsewhere.refuses(1), None);
        let of_data = elsewhere.space().unwrap();
        assert_eq!((of_data.is_shared, of_data.reserve), (false, 0));
        let nothing = Reserve { bytes: 0, percent: 0 };
        let shared = Room::new(data.path(), vec![data.path().to_owned()], nothing);
        let of_data = shared.space().unwrap();
        assert_eq!((of_data.is_shared, of_data.reserve), (true, 0));
    }

    #[test]
    fn little_room_is_told_before_recording_stops() {
        let data = tempfile::tempdir().unwrap();
        let reserve = Reserve { bytes: 1000 << 20, percent: 10 };
        let room = Room::new(data.path(), vec![data.path().to_owned()], reserve);
        let space = |available: u64, reserve| Space {
            size: 5000 << 20,
            available: available << 20,
            is_shared: reserve > 0,
            reserve,
            paused: None,
        };
        assert_eq!(room.is_tight(&space(1500, 0)), None);
        let told = room.is_tight(&space(1499, 1000 << 20)).unwrap();
        assert_eq!(
            told,
            "1499 MiB of 5000 MiB are free on the data folder's volume; the reserve is 1000 MiB, which is left to \
             the secrets server: recording stops there"
        );
        assert!(room.is_tight(&space(1499, 0)).unwrap().ends_with("the reserve is 1000 MiB"));
        room.set_paused("full");
        let paused = Space { paused: room.space().unwrap().paused, ..space(4000, 0) };
        assert!(room.is_tight(&paused).unwrap().contains(": full"));
    }

    #[test]
    fn a_pause_asks_for_a_little_more_room_before_it_ends() {
        let data = tempfile::tempdir().unwrap();
        let space = Room::new(data.path(), vec![data.path().to_owned()], Reserve::default());
        let available = space.space().unwrap().available;
        // Other tests write to the same volume meanwhile: far more than that is left between.
        let reserve = Reserve { bytes: available - available / 128, percent: 0 };
        let room = Room::new(data.path(), vec![data.path().to_owned()], reserve);
        assert_eq!(room.refuses(1), None);
        room.set_paused("full");
        assert!(room.refuses(1).is_some());
        assert_eq!(room.space().unwrap().paused.unwrap().why, "full");
        assert_eq!(room.set_writing().unwrap().why, "full");
        assert_eq!(room.refuses(1), None);
    }
}
