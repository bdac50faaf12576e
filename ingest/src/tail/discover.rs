//! Finds the files behind the patterns, and opens as many of them as may be open.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::TailError;
use super::file::{FileKey, FollowedFile, Stamp};
use super::follow::{FILES_MAX, Flow, FollowOptions, FollowedSource, Out, Returned, Tail, emit};
use super::item::{Notice, TailItem};
use super::names::{Names, Seen};
use super::siblings::order_siblings;
use super::unreadable::explain;
use crate::source::SourceId;

/// A path or glob, and whose files it names.
pub(super) struct Pattern {
    pub(super) source: Arc<SourceId>,
    pub(super) text: String,
    glob: bool,
    /// That no file matches has been told.
    missing: bool,
}

impl Pattern {
    pub(super) fn new(followed: &FollowedSource) -> Result<Pattern, TailError> {
        let text = followed.pattern.clone();
        if let Err(cause) = glob::Pattern::new(&text) {
            return Err(TailError::Pattern { pattern: text, cause });
        }
        let glob = text.contains(['*', '?', '[']);
        Ok(Pattern { source: Arc::new(followed.source.clone()), text, glob, missing: false })
    }

    /// Returns the deepest folder that is named without wildcards.
    pub(super) fn folder(&self) -> PathBuf {
        let plain = match self.text.find(['*', '?', '[']) {
            Some(wildcard) => &self.text[..wildcard],
            None => &self.text[..],
        };
        match plain.rfind('/') {
            Some(0) => PathBuf::from("/"),
            Some(slash) => PathBuf::from(&plain[..slash]),
            None => PathBuf::from("."),
        }
    }

    /// Returns the paths that exist, and what cannot be looked at.
    pub(super) fn expand(&self) -> Vec<(PathBuf, io::Result<fs::Metadata>)> {
        let look = |path: PathBuf| {
            let metadata = fs::metadata(&path);
            (path, metadata)
        };
        // A file whose name has brackets is named by itself.
        let literal = look(PathBuf::from(&self.text));
        let found: Vec<_> = match (self.glob, &literal.1) {
            (false, _) | (true, Ok(_)) => vec![literal],
            (true, Err(_)) => match glob::glob(&self.text) {
                Ok(paths) => paths
                    .map(|found| match found {
                        Ok(path) => look(path),
                        Err(error) => (error.path().to_owned(), Err(error.into())),
                    })
                    // A wildcard means files.
                    .filter(|(_, metadata)| !metadata.as_ref().is_ok_and(fs::Metadata::is_dir))
                    .collect(),
                Err(_) => Vec::new(),
            },
        };
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        found.into_iter().filter(|(_, metadata)| !metadata.as_ref().is_err_and(gone)).collect()
    }
}

impl FollowOptions {
    /// Returns the folders in which files are followed; a text that is no pattern has none.
    pub fn folders(&self) -> Vec<PathBuf> {
        let patterns = self.sources.iter().filter_map(|source| Pattern::new(source).ok());
        patterns.map(|pattern| pattern.folder()).collect()
    }
}

impl Tail {
    /// Looks at the names, opens what is new, and tells what is missing.
    pub(super) fn discover(&mut self, now: Instant, out: Out<'_>) -> Flow<Names> {
        let mut seen = Names::default();
        for index in 0..self.patterns.len() {
            let source = Arc::clone(&self.patterns[index].source);
            let found = self.patterns[index].expand();
            self.tell_missing(index, found.is_empty(), out)?;
            for (path, metadata) in found {
                match metadata {
                    Ok(metadata) => {
                        let (key, stamp) = (FileKey::of(&metadata), Stamp::of(&metadata));
                        seen.add(Seen { key, stamp, path, source: Arc::clone(&source) });
                    }
                    Err(error) => {
                        let reason = explain(&path, &error);
                        self.troubles().add(path, &source, reason);
                    }
                }
            }
        }
        self.recall();
        self.finished.retain(|&key, _| seen.lead_to(key));
        self.look_at_lingering(&seen, now);
        self.open_new(&seen, now, out)?;
        self.look_again(&seen, now);
        ControlFlow::Continue(seen)
    }

    /// Returns the folders in which something may happen.
    pub(super) fn folders(&self) -> HashSet<PathBuf> {
        let found =
            self.files.iter().filter_map(|file| file.path.parent()).map(|folder| match folder {
                empty if empty == Path::new("") => PathBuf::from("."),
                folder => folder.to_owned(),
            });
        self.patterns.iter().map(Pattern::folder).chain(found).collect()
    }

    fn tell_missing(&mut self, index: usize, missing: bool, out: Out<'_>) -> Flow<()> {
        let pattern = &mut self.patterns[index];
        // Between a rename and the new file the old one is still being read.
        let missing = missing && !self.files.iter().any(|file| file.source == pattern.source);
        if missing == pattern.missing {
            return ControlFlow::Continue(());
        }
        pattern.missing = missing;
        let (path, source) = (PathBuf::from(&pattern.text), SourceId::clone(&pattern.source));
        emit(
            out,
            TailItem::Notice(match missing {
                true => Notice::Missing { path, source },
                false => Notice::Appeared { path, source },
            }),
        )
    }

    /// Opens files that are not open, the oldest first.
    fn open_new(&mut self, seen: &Names, now: Instant, out: Out<'_>) -> Flow<()> {
        let mut known: HashSet<FileKey> = self.open_keys().collect();
        let mut new: Vec<&Seen> = Vec::new();
        for name in seen.iter() {
            let finished =
                self.finished.get(&name.key).is_some_and(|finished| finished.stamp == name.stamp);
            if !finished && known.insert(name.key) {
                new.push(name);
            }
        }
        new.sort_by_key(|name| name.stamp.modified);
        let paths: Vec<PathBuf> = new.iter().map(|name| name.path.clone()).collect();
        let by_path: HashMap<&Path, &Seen> = new.iter().map(|&name| (&*name.path, name)).collect();
        let mut wanted: Vec<(PathBuf, Arc<SourceId>)> = Vec::new();
        for path in order_siblings(&paths) {
            let Some(name) = by_path.get(&*path) else { continue };
            let missed = self.missed(name, seen);
            wanted.extend(
                missed.paths.into_iter().chain([path]).map(|path| (path, Arc::clone(&name.source))),
            );
        }
        self.make_room(wanted.len(), seen, now, out)?;
        let room = FILES_MAX.saturating_sub(self.files.len());
        self.unopened = wanted.len().saturating_sub(room);
        if room == 0
            && let Some((path, source)) = wanted.first()
        {
            let reason = format!(
                "{}: not read yet: {FILES_MAX} files are open already and none of them is still; narrow the pattern",
                path.display()
            );
            self.troubles().add(path.clone(), source, reason);
        }
        for (path, source) in wanted.into_iter().take(room) {
            if let Some(file) = self.open(&path, &source, now) {
                self.files.push(file);
            }
        }
        ControlFlow::Continue(())
    }

    /// Closes files that are still and have given all they hold, those first that have been so the
    /// longest. They are opened again when they change.
    fn make_room(&mut self, wanted: usize, seen: &Names, now: Instant, out: Out<'_>) -> Flow<()> {
        let mut excess = (self.files.len() + wanted).saturating_sub(FILES_MAX);
        if excess == 0 {
            return ControlFlow::Continue(());
        }
        let quiet = self.options.quiet;
        let idle = |file: &FollowedFile| {
            seen.lead_to(file.key) && file.gave_all() && file.is_quiet(now, quiet)
        };
        let mut still: Vec<(Instant, FileKey)> = self
            .files
            .iter()
            .filter(|file| idle(file))
            .map(|file| (file.changed, file.key))
            .collect();
        still.sort_unstable_by_key(|&(changed, _)| changed);
        for (_, key) in still {
            if excess == 0 {
                break;
            }
            if let Some(index) = self.files.iter().position(|file| file.key == key) {
                self.close(index, out)?;
                let file = self.files.remove(index);
                self.finished.insert(key, Returned { stamp: file.stamp, times: file.returns });
                excess -= 1;
            }
        }
        ControlFlow::Continue(())
    }

    /// Opens a file, unless it is open or cannot be.
    pub(super) fn open(
        &mut self,
        path: &Path,
        source: &Arc<SourceId>,
        now: Instant,
    ) -> Option<FollowedFile> {
        match FollowedFile::open(path, Arc::clone(source), now) {
            Ok(mut file) if !self.is_open(file.key) => {
                if let Some(finished) = self.finished.remove(&file.key) {
                    file.returns = finished.times + 1;
                }
                Some(file)
            }
            // Renamed between the look and the opening: it is open already.
            Ok(_) => None,
            // Gone again; the next round tells.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let reason = explain(path, &error);
                self.troubles().add(path.to_owned(), source, reason);
                None
            }
        }
    }

    pub(super) fn is_open(&self, key: FileKey) -> bool {
        self.open_keys().any(|open| open == key)
    }

    /// Returns the files of which a descriptor is held.
    fn open_keys(&self) -> impl Iterator<Item = FileKey> {
        self.files.iter().chain(&self.lingering).map(|file| file.key)
    }
}
