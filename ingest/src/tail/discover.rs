//! Finds the files behind the patterns, and those that were rotated away while nobody looked.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::TailError;
use super::content::first_leaf;
use super::file::{FileKey, FollowedFile, Stamp};
use super::follow::{FILES_MAX, Flow, FollowOptions, FollowedSource, Out, Tail, emit};
use super::item::{Notice, TailItem};
use super::siblings::{order_siblings, rotated_from, rotated_siblings};
use super::unreadable::explain;
use crate::source::SourceId;

/// A path or glob, and whose files it names.
pub(super) struct Pattern {
    pub(super) source: Arc<SourceId>,
    text: String,
    glob: bool,
    /// That no file matches has been told.
    missing: bool,
}

/// A name that leads to a file.
pub(super) struct Seen {
    pub(super) key: FileKey,
    pub(super) stamp: Stamp,
    pub(super) path: PathBuf,
    pub(super) source: Arc<SourceId>,
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
    pub(super) fn discover(&mut self, now: Instant, out: Out<'_>) -> Flow<Vec<Seen>> {
        let mut seen: Vec<Seen> = Vec::new();
        for index in 0..self.patterns.len() {
            let source = Arc::clone(&self.patterns[index].source);
            let found = self.patterns[index].expand();
            self.tell_missing(index, found.is_empty(), out)?;
            for (path, metadata) in found {
                match metadata {
                    Ok(metadata) => {
                        let (key, stamp) = (FileKey::of(&metadata), Stamp::of(&metadata));
                        seen.push(Seen { key, stamp, path, source: Arc::clone(&source) });
                    }
                    Err(error) => {
                        let reason = explain(&path, &error);
                        self.troubles().add(path, &source, reason);
                    }
                }
            }
        }
        let names: HashSet<FileKey> = seen.iter().map(|seen| seen.key).collect();
        self.finished.retain(|key, _| names.contains(key));
        self.open_new(&seen, now);
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
    fn open_new(&mut self, seen: &[Seen], now: Instant) {
        let mut new: Vec<&Seen> = Vec::new();
        for name in seen {
            let finished =
                self.finished.get(&name.key).is_some_and(|finished| finished.stamp == name.stamp);
            if !finished
                && !self.is_open(name.key)
                && !new.iter().any(|other| other.key == name.key)
            {
                new.push(name);
            }
        }
        new.sort_by_key(|name| name.stamp.modified);
        let paths: Vec<PathBuf> = new.iter().map(|name| name.path.clone()).collect();
        for path in order_siblings(&paths) {
            let Some(name) = new.iter().find(|name| name.path == path) else { continue };
            for sibling in self.missed(name, seen) {
                self.open(&sibling, &name.source, now);
            }
            self.open(&path, &name.source, now);
        }
    }

    fn open(&mut self, path: &Path, source: &Arc<SourceId>, now: Instant) {
        if self.files.len() >= FILES_MAX {
            let reason = format!(
                "{}: more than {FILES_MAX} files are open; narrow the pattern",
                path.display()
            );
            return self.troubles().add(path.to_owned(), source, reason);
        }
        match FollowedFile::open(path, Arc::clone(source), now) {
            Ok(mut file) if !self.is_open(file.key) => {
                if let Some(finished) = self.finished.remove(&file.key) {
                    file.returns = finished.times + 1;
                }
                self.files.push(file);
            }
            // Renamed between the look and the opening: it is open already.
            Ok(_) => {}
            // Gone again; the next round tells.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let reason = explain(path, &error);
                self.troubles().add(path.to_owned(), source, reason);
            }
        }
    }

    fn is_open(&self, key: FileKey) -> bool {
        self.files.iter().any(|file| file.key == key)
    }

    /// Returns rotated siblings of a new file that were not read to their end, because nobody looked
    /// when they were rotated: the youngest one that is known, and all after it. If none is known, this
    /// source is followed for the first time, and what was before is not read.
    fn missed(&self, name: &Seen, seen: &[Seen]) -> Vec<PathBuf> {
        if rotated_from(&name.path).is_some() {
            return Vec::new();
        }
        let source = name.source.to_string();
        let mut missed = Vec::new();
        // A folder that cannot be listed cannot be looked through.
        for path in rotated_siblings(&name.path).unwrap_or_default().into_iter().rev() {
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let key = FileKey::of(&metadata);
            let followed = self.is_open(key) || seen.iter().any(|seen| seen.key == key);
            if !followed {
                missed.push(path);
            }
            if followed || missed.last().is_some_and(|path| self.starts_known(path, &source)) {
                missed.reverse();
                return missed;
            }
        }
        Vec::new()
    }

    fn starts_known(&self, path: &Path, source: &str) -> bool {
        let first = first_leaf(path).ok().flatten();
        first.is_some_and(|first| !self.known.starting_with(source, &first).is_empty())
    }
}
