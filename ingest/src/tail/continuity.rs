//! Whether reading goes on where it ended: after a start, and from a rotated file to the next one.
//!
//! A file has no number that says how many came before it. So a rotation is joined by having held the
//! old file open until its end; a stop is joined by finding the content read last, and every file
//! younger than it. Where that is not so, nothing is known to be missing and nothing shows that all is
//! there, and this is said.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::State;
use super::follow::{Flow, Out, Tail, emit};
use super::item::{Notice, TailItem};
use crate::source::{Generation, SourceId};

/// What was read before the start and has not been found again, by source.
#[derive(Default)]
pub(super) struct Joints {
    open: Option<HashMap<Arc<SourceId>, Joint>>,
}

struct Joint {
    /// Where its files are expected, as configured.
    path: PathBuf,
    wanted: Vec<Generation>,
    /// When its last lines arrived, in nanoseconds since 1970.
    arrived_unix_ns: i64,
    /// A rotated file that should stand between the content read last and now, by the numbers of the others.
    hole: Option<PathBuf>,
}

impl Joints {
    /// Notes that a file holds all that is known of this content.
    pub(super) fn found(&mut self, source: &Arc<SourceId>, generation: Generation) {
        if let Some(joint) = self.of(source) {
            joint.wanted.retain(|&wanted| wanted != generation);
        }
    }

    /// Notes that a file is missing between others.
    pub(super) fn hole(&mut self, source: &Arc<SourceId>, path: PathBuf) {
        if let Some(joint) = self.of(source) {
            joint.hole.get_or_insert(path);
        }
    }

    /// Tells whether it is still to be seen how this source goes on.
    pub(super) fn is_open(&self, source: &Arc<SourceId>) -> bool {
        self.open.as_ref().is_some_and(|open| open.contains_key(source))
    }

    /// Returns when the last lines of this source arrived before the start, in nanoseconds since 1970; none
    /// if nothing had been read, or it has been seen how it goes on.
    pub(super) fn read_until(&self, source: &Arc<SourceId>) -> Option<i64> {
        self.open.as_ref()?.get(source).map(|joint| joint.arrived_unix_ns)
    }

    fn of(&mut self, source: &Arc<SourceId>) -> Option<&mut Joint> {
        self.open.as_mut()?.get_mut(source)
    }
}

impl Tail {
    /// Asks once what was read last of each source.
    pub(super) fn recall(&mut self) {
        if self.joints.open.is_some() {
            return;
        }
        let mut open = HashMap::new();
        for pattern in &self.patterns {
            let Some(last) = self.known.read_last(&pattern.source.to_string()) else { continue };
            let joint = Joint {
                path: PathBuf::from(&pattern.text),
                wanted: last.contents,
                arrived_unix_ns: last.arrived_unix_ns,
                hole: None,
            };
            open.entry(Arc::clone(&pattern.source)).or_insert(joint);
        }
        self.joints.open = Some(open);
    }

    /// Tells of each source how it goes on, once that is known: all its files are recognised.
    pub(super) fn tell_joints(&mut self, out: Out<'_>) -> Flow<()> {
        let Some(open) = &self.joints.open else { return ControlFlow::Continue(()) };
        let ripe: Vec<Arc<SourceId>> =
            open.keys().filter(|source| self.is_ripe(source)).map(Arc::clone).collect();
        for source in ripe {
            let joint = self.joints.open.as_mut().and_then(|open| open.remove(&source));
            let Some(Joint { path, wanted, hole, .. }) = joint else { continue };
            let (proven, why) = match (wanted.first(), hole) {
                (None, None) => {
                    (true, "after the start: what was read last is there and goes on".to_owned())
                }
                (None, Some(hole)) => (
                    false,
                    format!("after the start: {} is missing between the others", hole.display()),
                ),
                (Some(_), _) => (
                    false,
                    "after the start: what was read last is in no file any more, so what was written to it since is not known".to_owned(),
                ),
            };
            self.joined(&path, &source, proven, why, out)?;
        }
        ControlFlow::Continue(())
    }

    fn is_ripe(&self, source: &Arc<SourceId>) -> bool {
        let mut files = self.files.iter().filter(|file| file.source == *source).peekable();
        let settled = files.peek().is_some()
            && files.all(|file| {
                !file.waits() && (!matches!(file.state, State::Waiting) || file.stamp.size == 0)
            });
        settled && !self.troubles.any_of(source)
    }

    /// Says how reading went on after a file.
    pub(super) fn joined(
        &mut self,
        path: &Path,
        source: &Arc<SourceId>,
        proven: bool,
        why: String,
        out: Out<'_>,
    ) -> Flow<()> {
        let (path, source) = (path.to_owned(), SourceId::clone(source));
        emit(out, TailItem::Notice(Notice::Continuity { path, source, proven, why }))
    }
}
