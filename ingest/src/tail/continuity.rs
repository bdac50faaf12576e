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
use std::time::{SystemTime, UNIX_EPOCH};

use super::file::{FollowedFile, State};
use super::follow::{Flow, Out, Tail, emit};
use super::item::{Notice, TailItem};
use crate::source::{Generation, SourceId};

/// What was read before the start and has not been found again, by source.
#[derive(Default)]
pub(super) struct Joints {
    open: Option<HashMap<Arc<SourceId>, Joint>>,
    /// When the first look ended, in nanoseconds since 1970.
    since_unix_ns: Option<i64>,
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

    /// Returns since when a rotated file that is seen for the first time must have been written to be new, in
    /// nanoseconds since 1970: since the source's last lines arrived, or since it is followed; none at the first look
    /// at a source that is new, whose rotated files are all from before.
    pub(super) fn new_since(&self, source: &Arc<SourceId>) -> Option<i64> {
        let joint = self.open.as_ref().and_then(|open| open.get(source));
        joint.map(|joint| joint.arrived_unix_ns).or(self.since_unix_ns)
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

    /// Tells of each source how it goes on, once that is known: all its files are recognised. Says whether
    /// there was anything to tell: nothing new is read of a source before that, so that its first new line
    /// cannot hide, by a kill in between, that something is missing before it.
    pub(super) fn tell_joints(&mut self, out: Out<'_>) -> Flow<bool> {
        self.joints.since_unix_ns.get_or_insert_with(now_unix_ns);
        let Some(open) = &self.joints.open else { return ControlFlow::Continue(false) };
        let ripe: Vec<Arc<SourceId>> =
            open.keys().filter(|source| self.is_ripe(source)).map(Arc::clone).collect();
        let told = !ripe.is_empty();
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
                (Some(_), _) => {
                    // Then no rotated file can be told from those that were there before it.
                    self.all_is_new(&source);
                    (
                        false,
                        "after the start: what was read last is in no file any more, so what was written to it since is not known".to_owned(),
                    )
                }
            };
            self.joined(&path, &source, proven, why, out)?;
        }
        ControlFlow::Continue(told)
    }

    /// Tells whether every file of a source has been compared with what is known, as far as it can be now.
    fn is_ripe(&self, source: &Arc<SourceId>) -> bool {
        let mut files = self.files.iter().filter(|file| file.source == *source).peekable();
        let compared = |file: &FollowedFile| {
            matches!(file.state, State::Reading { .. }) || file.compared == Some(file.stamp)
        };
        files.peek().is_some() && files.all(compared) && !self.unsettled.contains(source)
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

fn now_unix_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}
