//! What befalls files otherwise than by rotation: symlinks that are switched, permissions, times.

use std::fs::{self, FileTimes, OpenOptions, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use super::world::{BASE, Content, World};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

impl World {
    /// Makes the path a symlink to another file, as a Kubernetes mount is switched: in one step.
    pub(super) fn switch(&mut self) {
        let number = self.targets.len();
        fs::write(self.path(&target(number)), "").unwrap();
        let inode = self.new_inode(Content::default());
        self.targets.push(inode);
        self.point_to(number);
    }

    /// Points the symlink to the file before again, if that has no name of its own meanwhile.
    pub(super) fn switch_back(&mut self) {
        let named = |inode: &usize| self.names.values().any(|named| named == inode);
        if let Some(number) = self.targets.iter().rposition(|inode| !named(inode)) {
            self.point_to(number);
        }
    }

    fn point_to(&mut self, number: usize) {
        symlink(target(number), self.path("new")).unwrap();
        fs::rename(self.path("new"), self.path(BASE)).unwrap();
        if let Some(before) = self.names.insert(BASE.to_owned(), self.targets[number]) {
            self.unlinked(before, true);
        }
    }

    /// Takes from keytrail the right to open the file. What it has open it may read on.
    pub(super) fn forbid(&mut self) {
        fs::set_permissions(self.path(BASE), Permissions::from_mode(0o000)).unwrap();
        let base = self.names[BASE];
        self.inodes[base].forbidden = true;
    }

    /// Gives the right back for every file.
    pub(super) fn allow(&mut self) {
        let targets: Vec<String> = (0..self.targets.len()).map(target).collect();
        for name in self.names.keys().chain(&targets) {
            fs::set_permissions(self.path(name), Permissions::from_mode(0o644)).unwrap();
        }
        self.inodes.iter_mut().for_each(|inode| inode.forbidden = false);
    }

    /// Gives a file the time of another year: the followed one, or the youngest rotated one.
    pub(super) fn stamp(&mut self) {
        self.stamps += 1;
        self.times_lie = true;
        let now = SystemTime::now();
        let time = if self.stamps.is_multiple_of(2) { now + YEAR } else { now - 20 * YEAR };
        let rotated = self.siblings().into_iter().next().map(|(_, name)| name);
        let name = match rotated {
            Some(name) if self.stamps % 3 == 2 => name,
            _ if self.has_base() => BASE.to_owned(),
            Some(name) => name,
            None => return,
        };
        let file = OpenOptions::new().append(true).open(self.path(&name)).unwrap();
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    }
}

fn target(number: usize) -> String {
    format!("file-{number}")
}
