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
use super::together::until_two_agree;
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

    /// Returns what it leads to.
    pub(super) fn expand(&self) -> Found {
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

/// What a pattern leads to: paths that exist, and what cannot be looked at.
type Found = Vec<(PathBuf, io::Result<fs::Metadata>)>;

/// A name, and the file to which it leads.
fn name((path, metadata): &(PathBuf, io::Result<fs::Metadata>)) -> (&Path, Option<FileKey>) {
    (path, metadata.as_ref().ok().map(FileKey::of))
}

/// What came of opening a file.
pub(super) enum Opened {
    File(Box<FollowedFile>),
    /// It is open already, or cannot be, which is told.
    Not,
    /// The name leads to another file by now, or to none.
    Other,
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
        self.unsettled.clear();
        for (index, found) in self.expand().into_iter().enumerate() {
            let source = Arc::clone(&self.patterns[index].source);
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

    /// Returns what each pattern leads to. What is not as it was in the round before is looked at until two looks agree,
    /// see [`until_two_agree`]; if none do, as the last one has it: under a wide pattern other files may come and go all
    /// the time.
    fn expand(&mut self) -> Vec<Found> {
        let look = || -> Vec<Found> { self.patterns.iter().map(Pattern::expand).collect() };
        let found = look();
        let before = self.names.iter().map(|(path, key)| (&**path, *key));
        if found.iter().flatten().map(name).eq(before) {
            return found;
        }
        let agree = |one: &Vec<Found>, other: &Vec<Found>| {
            one.iter().flatten().map(name).eq(other.iter().flatten().map(name))
        };
        let found = until_two_agree(look, agree).unwrap_or_else(|last| last);
        self.names =
            found.iter().flatten().map(name).map(|(path, key)| (path.to_owned(), key)).collect();
        found
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
        let mut wanted: Vec<(PathBuf, FileKey, Arc<SourceId>)> = Vec::new();
        for path in order_siblings(&paths) {
            let Some(name) = by_path.get(&*path) else { continue };
            let Some(missed) = self.missed(name, seen) else {
                self.unsettled.insert(Arc::clone(&name.source));
                continue;
            };
            let files = missed.files.into_iter().chain([(path, name.key)]);
            wanted.extend(files.map(|(path, key)| (path, key, Arc::clone(&name.source))));
        }
        self.make_room(wanted.len(), seen, now, out)?;
        let room = FILES_MAX.saturating_sub(self.files.len());
        self.unopened = wanted.len().saturating_sub(room);
        if room == 0
            && let Some((path, _, source)) = wanted.first()
        {
            let reason = format!(
                "{}: not read yet: {FILES_MAX} files are open already and none of them is still; narrow the pattern",
                path.display()
            );
            self.troubles().add(path.clone(), source, reason);
        }
        for (path, key, source) in wanted.into_iter().take(room) {
            // What is younger than a file that was not found has its turn with it.
            if self.unsettled.contains(&source) {
                continue;
            }
            match self.open(&path, Some(key), &source, now) {
                Opened::File(file) => self.files.push(*file),
                Opened::Not => {}
                Opened::Other => drop(self.unsettled.insert(source)),
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

    /// Opens a file, unless it is open or cannot be; `seen` is the one that was seen under this name.
    pub(super) fn open(
        &mut self,
        path: &Path,
        seen: Option<FileKey>,
        source: &Arc<SourceId>,
        now: Instant,
    ) -> Opened {
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        match FollowedFile::open(path, Arc::clone(source), now) {
            Ok(file) if seen.is_some_and(|seen| seen != file.key) => Opened::Other,
            Ok(mut file) if !self.is_open(file.key) => {
                if let Some(finished) = self.finished.remove(&file.key) {
                    file.returns = finished.times + 1;
                }
                Opened::File(Box::new(file))
            }
            Ok(_) => Opened::Not,
            Err(error) if gone(&error) => seen.map_or(Opened::Not, |_| Opened::Other),
            Err(error) => {
                let reason = explain(path, &error);
                self.troubles().add(path.to_owned(), source, reason);
                Opened::Not
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
