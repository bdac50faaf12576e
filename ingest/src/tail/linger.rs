//! Rotated files that no pattern leads to: still watched after their end, since a server that was not
//! told to reopen its log writes on to the old one.
//!
//! An open descriptor is all that leads to such a file, so it is kept. That costs a descriptor, and for
//! a deleted file its disk space, so it is bounded.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::file::FollowedFile;
use super::follow::{Flow, Out, Returned, Tail};
use super::names::Names;

/// Files watched after their end.
const LINGERING_MAX: usize = 64;
/// How long a renamed file is watched after its end or its last change.
const RENAMED_FOR: Duration = Duration::from_secs(24 * 3600);
/// How long a deleted one is: its space is freed only when it is closed.
const DELETED_FOR: Duration = Duration::from_secs(60);

impl Tail {
    /// Goes on watching a file that has been finished.
    pub(super) fn let_linger(
        &mut self,
        mut file: FollowedFile,
        now: Instant,
        out: Out<'_>,
    ) -> Flow<()> {
        // A file that had been still for a day, or bears another year's time, has only now got another name.
        file.changed = now;
        self.lingering.push_back(file);
        while self.lingering.len() > LINGERING_MAX {
            let Some(file) = self.lingering.pop_front() else { break };
            // One that was still for long has been let go as expected.
            if !file.is_quiet(now, RENAMED_FOR) {
                let why = format!(
                    "rotated and read to its end, then watched no longer, since more than {LINGERING_MAX} rotated files are; \
                     what is still written to it is not read"
                );
                self.joined(&file.path, &file.source, false, why, out)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Takes up again what has grown, and lets go what was still for long or has a name again.
    pub(super) fn look_at_lingering(&mut self, seen: &Names, now: Instant) {
        for mut file in std::mem::take(&mut self.lingering) {
            let stamp = file.stamp;
            if seen.lead_to(file.key) {
                self.finished.insert(file.key, Returned { stamp, times: file.returns });
                continue;
            }
            // A file that cannot be looked at any more gives nothing more.
            match file.look(now) {
                Ok(true) => {
                    file.returns += 1;
                    // Older than what is being read.
                    self.files.insert(0, file);
                }
                Ok(false) => {
                    let kept = if file.deleted { DELETED_FOR } else { RENAMED_FOR };
                    if !file.is_quiet(now, kept) {
                        self.lingering.push_back(file);
                    }
                }
                Err(_) => {}
            }
        }
    }
}
