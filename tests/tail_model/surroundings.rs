//! What stands around the program: its clock, its rights, and the volume of its data folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::action::Action;
use crate::util::{SmallVolume, keytrail, tools_required};

/// Where Debian puts libfaketime, by the processor's name.
const FAKETIME: &str = "/usr/lib/*-linux-gnu/faketime/libfaketime.so.1";
/// What the clock is wrong by, in seconds, one jump after the other.
const JUMPS: [i64; 5] = [400 * 86_400, -7_200, 90, -30 * 86_400, 0];
/// Enough for an index that hardly has any events; memory is taken for what stands there only.
const VOLUME_MEGABYTES: u32 = 24;

/// What a sequence does to the program otherwise than by the files that it follows.
pub(super) struct Surroundings {
    clock: Option<Clock>,
    confined: bool,
    volume: Option<SmallVolume>,
}

struct Clock {
    library: PathBuf,
    /// What the clock is wrong by is read from here, at each look at the clock.
    file: PathBuf,
    jumps: usize,
}

impl Surroundings {
    /// Prepares what these actions need and this machine allows: nothing else stands between program and system.
    pub(super) fn new(folder: &Path, actions: &[Action]) -> Surroundings {
        let root = rustix::process::geteuid().is_root();
        let clock = actions.contains(&Action::Clock).then(|| Clock::new(folder)).flatten();
        // Whoever is not root may not take rights from keytrail and keep them.
        let confined = root && actions.contains(&Action::Forbid);
        let volume = actions.contains(&Action::Fill).then(|| SmallVolume::mount(VOLUME_MEGABYTES));
        Surroundings { clock, confined, volume: volume.flatten() }
    }

    /// Returns where the data folder is to stand.
    pub(super) fn data(&self, folder: &Path) -> PathBuf {
        self.volume.as_ref().map_or(folder, |volume| &volume.path).join("data")
    }

    /// Returns the program in these surroundings.
    pub(super) fn command(&self) -> Command {
        let mut command = keytrail();
        if self.confined {
            // Root may read everything, but for these two rights. `setpriv` becomes the program.
            let mut confined = Command::new("setpriv");
            confined
                .arg("--bounding-set=-dac_override,-dac_read_search")
                .arg(command.get_program());
            for (name, value) in command.get_envs() {
                match value {
                    Some(value) => confined.env(name, value),
                    None => confined.env_remove(name),
                };
            }
            command = confined;
        }
        if let Some(clock) = &self.clock {
            command.env("LD_PRELOAD", &clock.library).env("FAKETIME_TIMESTAMP_FILE", &clock.file);
            // Only the time of day jumps: not the clock that waits are measured by, and no file's time.
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
            command.env("FAKETIME_NO_CACHE", "1");
        }
        command
    }

    pub(super) fn can_forbid(&self) -> bool {
        self.confined
    }

    /// Lets the clock jump.
    pub(super) fn jump(&mut self) {
        if let Some(clock) = &mut self.clock {
            let wrong = JUMPS[clock.jumps % JUMPS.len()];
            clock.jumps += 1;
            clock.set(wrong);
        }
    }

    /// Fills the volume to its last byte; tells whether it did.
    pub(super) fn fill(&self) -> bool {
        match &self.volume {
            Some(volume) => volume.fill_up(),
            None => return false,
        }
        true
    }

    pub(super) fn make_room(&self) {
        if let Some(volume) = &self.volume {
            volume.make_room();
        }
    }
}

impl Clock {
    /// Returns a clock that is right; none where libfaketime is not installed.
    fn new(folder: &Path) -> Option<Clock> {
        let library = glob::glob(FAKETIME).unwrap().flatten().next();
        assert!(library.is_some() || !tools_required(), "libfaketime is missing: install it");
        let clock = Clock { library: library?, file: folder.join("clock"), jumps: 0 };
        clock.set(0);
        Some(clock)
    }

    fn set(&self, wrong_by_seconds: i64) {
        // In one step: the program may look at any time.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{wrong_by_seconds:+}")).unwrap();
        fs::rename(new, &self.file).unwrap();
    }
}
