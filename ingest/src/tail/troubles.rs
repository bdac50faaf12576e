//! What cannot be read now, and whether that has been told.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::follow::{Flow, Out, emit};
use super::item::{Notice, TailItem};
use super::names::Names;
use crate::source::SourceId;

/// Troubles by path: those of this round, and those that have been told.
#[derive(Default)]
pub(super) struct Troubles {
    now: BTreeMap<PathBuf, (SourceId, String)>,
    told: BTreeMap<PathBuf, (SourceId, String)>,
}

impl Troubles {
    /// Adds what was met in this round; the first reason of a path counts.
    pub(super) fn add(&mut self, path: PathBuf, source: &SourceId, reason: String) {
        self.now.entry(path).or_insert_with(|| (source.clone(), reason));
    }

    /// Tells whether the path, or a folder above it, could not be looked at in this round.
    pub(super) fn covers(&self, path: &Path) -> bool {
        path.ancestors().any(|place| self.now.contains_key(place))
    }

    /// Ends the round: sends what is new or has another reason, and what is over.
    pub(super) fn tell(&mut self, seen: &Names, out: Out<'_>) -> Flow<()> {
        let now = std::mem::take(&mut self.now);
        for (path, trouble) in &now {
            if self.told.get(path) != Some(trouble) {
                let (source, reason) = trouble.clone();
                emit(
                    out,
                    TailItem::Notice(Notice::Unreadable { path: path.clone(), source, reason }),
                )?;
            }
        }
        let told = std::mem::replace(&mut self.told, now);
        for (path, (source, _)) in told {
            if !self.told.contains_key(&path)
                && seen.iter().any(|seen| seen.path.starts_with(&path))
            {
                emit(out, TailItem::Notice(Notice::Readable { path, source }))?;
            }
        }
        ControlFlow::Continue(())
    }
}
