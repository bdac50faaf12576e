//! Finds rotated files that were not read to their end because nobody looked when they were rotated.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::compressed::{Compression, MAGIC_BYTES};
use super::content::{first_leaf, open_regular};
use super::file::{FileKey, Stamp};
use super::follow::{FILES_MAX, Tail};
use super::identity::leaf_hash;
use super::names::{Names, Seen};
use super::siblings::{hole, rotated_from, rotated_siblings};
use crate::source::{Generation, SourceId};

/// Siblings that are looked at, from the youngest on.
const SIBLINGS_MAX: usize = 64;
/// The last leaf of a complete file is looked for in its last bytes.
const LAST_LEAF_MAX: u64 = 1 << 17;

/// What happens to a folder within this time may bear one time: the system's times are coarse.
const COARSE_TIME: Duration = Duration::from_secs(1);
/// When to look again at a sibling that cannot be read: its right to be read is no change of the folder.
const UNREADABLE_AGAIN: Duration = Duration::from_secs(2);

/// Rotated files from before a source was followed, which are not read as long as they do not change. Times tell
/// only once which they are, and clocks jump; after that files are known again by inode, size and time.
pub(super) struct History {
    source: Arc<SourceId>,
    files: HashMap<FileKey, Stamp>,
}

/// Rotated files that may hold something new.
#[derive(Default)]
pub(super) struct Missed {
    /// The oldest first.
    pub(super) paths: Vec<PathBuf>,
    /// There are some that cannot be read, so what they hold is not known.
    unreadable: bool,
}

/// When the siblings of a file were looked at.
#[derive(Clone, Copy)]
pub(super) struct Listing {
    /// The folder's time of change.
    modified: SystemTime,
    /// When it was first seen to have that time.
    since: Instant,
    /// When to look again though the folder does not change.
    again: Option<Instant>,
}

/// What is known of a rotated file, as far as a look at its ends tells.
enum Standing {
    /// Nothing starts like it.
    Unknown,
    /// Something starts like it, and it has another length or end.
    Begun,
    /// All of it is known.
    Complete(Generation),
}

impl Tail {
    /// Looks at the siblings of the followed files again where a folder has changed: a look in the middle of
    /// a rotation sees some names twice and others not at all.
    pub(super) fn look_again(&mut self, seen: &Names, now: Instant) {
        let mut changed: HashMap<PathBuf, Option<SystemTime>> = HashMap::new();
        let mut index = 0;
        while index < self.files.len() {
            let file = &self.files[index];
            let (key, path) = (file.key, file.path.clone());
            let folder = path.parent().map(Path::to_owned).unwrap_or_default();
            let modified = *changed.entry(folder).or_insert_with_key(|folder| {
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                fs::metadata(folder).and_then(|metadata| metadata.modified()).ok()
            });
            let current = seen.at(&path) == Some(key) && rotated_from(&path).is_none();
            if let Some(modified) = modified
                && current
                && file.listing.is_none_or(|listing| listing.is_due(modified, now))
            {
                let name = Seen { key, stamp: file.stamp, path, source: Arc::clone(&file.source) };
                let Missed { paths, unreadable } = self.missed(&name, seen);
                let before = self.files[index].listing;
                self.files[index].listing = Some(Listing::after(before, modified, unreadable, now));
                for path in paths {
                    if self.files.len() < FILES_MAX
                        && let Some(file) = self.open(&path, &name.source, now)
                    {
                        self.files.insert(index, file);
                        index += 1;
                    }
                }
            }
            index += 1;
        }
    }

    /// Returns the rotated siblings of a new file that may hold something new, the oldest first: those
    /// that go on after what is known of them, and unknown ones that are younger than a known one or were not
    /// there before the source was followed: the known ones may have been removed.
    pub(super) fn missed(&mut self, name: &Seen, seen: &Names) -> Missed {
        if rotated_from(&name.path).is_some() {
            return Missed::default();
        }
        // A folder that cannot be listed cannot be looked through.
        let siblings = rotated_siblings(&name.path).unwrap_or_default();
        let (mut missed, mut ours, mut recent, mut since) = (Vec::new(), 0, 0, None);
        let mut unreadable = false;
        self.note_history(name, &siblings);
        let old = self.history.get(&name.path).map(|history| &history.files);
        let is_new = |key: FileKey, metadata: &fs::Metadata| {
            old.and_then(|old| old.get(&key)).is_none_or(|&stamp| stamp != Stamp::of(metadata))
        };
        for (place, path) in siblings.iter().enumerate().rev().take(SIBLINGS_MAX) {
            let Ok(metadata) = fs::metadata(path) else { continue };
            let key = FileKey::of(&metadata);
            if self.is_open(key) {
                (ours, since) = (missed.len(), Some(place));
                continue;
            }
            let looked_through = self.looked_through.contains(&(key, Stamp::of(&metadata)));
            let standing = match self.standing(path, &name.source) {
                Ok(standing) => standing,
                Err(error) => {
                    unreadable |= error.kind() != io::ErrorKind::NotFound;
                    Standing::Unknown
                }
            };
            let known = !matches!(standing, Standing::Unknown);
            if let Standing::Complete(generation) = standing {
                self.joints.found(&name.source, generation);
            } else if !seen.lead_to(key) && !looked_through {
                missed.push(path.clone());
            }
            if known {
                (ours, since) = (missed.len(), Some(place));
            } else if is_new(key, &metadata) {
                recent = missed.len();
            }
        }
        if let Some(hole) = since.and_then(|since| hole(&siblings[since..])) {
            self.joints.hole(&name.source, hole);
        }
        missed.truncate(ours.max(recent));
        missed.reverse();
        Missed { paths: missed, unreadable }
    }

    /// Notes once which rotated files are from before the source was followed.
    fn note_history(&mut self, name: &Seen, siblings: &[PathBuf]) {
        if self.history.contains_key(&name.path) {
            return;
        }
        let since = self.joints.new_since(&name.source);
        let before = siblings
            .iter()
            .filter_map(|path| fs::metadata(path).ok())
            .filter(|metadata| since.is_none_or(|since| !written_after(metadata, since)))
            .map(|metadata| (FileKey::of(&metadata), Stamp::of(&metadata)));
        let history = History { source: Arc::clone(&name.source), files: before.collect() };
        self.history.insert(name.path.clone(), history);
    }

    /// Reads all rotated files of a source from now on, as far as they are not known.
    pub(super) fn all_is_new(&mut self, source: &Arc<SourceId>) {
        self.history
            .values_mut()
            .filter(|history| history.source == *source)
            .for_each(|history| history.files.clear());
        self.files
            .iter_mut()
            .filter(|file| file.source == *source)
            .for_each(|file| file.listing = None);
    }

    /// Returns what is known of a rotated file.
    ///
    /// # Errors
    /// It cannot be read.
    fn standing(&self, path: &Path, source: &SourceId) -> io::Result<Standing> {
        let Some(first) = first_leaf(path)? else { return Ok(Standing::Unknown) };
        let known = self.known.starting_with(&source.to_string(), &first);
        if known.is_empty() {
            return Ok(Standing::Unknown);
        }
        let complete = known.into_iter().find(|&generation| {
            self.known.end(generation).is_some_and(|end| ends_so(path, end).unwrap_or(false))
        });
        Ok(complete.map_or(Standing::Begun, Standing::Complete))
    }
}

impl Listing {
    /// Returns when siblings are to be looked at again after they have been `now`.
    fn after(
        before: Option<Listing>,
        modified: SystemTime,
        unreadable: bool,
        now: Instant,
    ) -> Listing {
        let since =
            before.filter(|before| before.modified == modified).map_or(now, |before| before.since);
        // By the clock that does not jump: a folder on another machine, or a clock that was set, has times of its own.
        let again = match now.saturating_duration_since(since) <= COARSE_TIME {
            true => Some(now),
            false => unreadable.then_some(now + UNREADABLE_AGAIN),
        };
        Listing { modified, since, again }
    }

    fn is_due(self, modified: SystemTime, now: Instant) -> bool {
        self.modified != modified || self.again.is_some_and(|again| now >= again)
    }
}

/// Tells whether a file was written after a moment, as far as clocks and the system's coarse times tell.
fn written_after(metadata: &fs::Metadata, unix_ns: i64) -> bool {
    metadata.mtime().saturating_add(1) >= unix_ns / 1_000_000_000
}

/// Tells whether a file's content ends with this leaf at this place. Of a compressed file the length
/// that it states must do: to read it all at each start would take long.
fn ends_so(path: &Path, (end, last): (u64, [u8; 32])) -> io::Result<bool> {
    let (mut file, metadata) = open_regular(path)?;
    let mut head = Vec::new();
    (&mut file).take(18).read_to_end(&mut head)?;
    match Compression::of(&head[..head.len().min(MAGIC_BYTES)]) {
        Compression::None if metadata.len() != end => Ok(false),
        Compression::None => {
            let start = end.saturating_sub(LAST_LEAF_MAX);
            let bytes = read_from(&mut file, SeekFrom::Start(start))?;
            let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let leaf = match memchr::memrchr(b'\n', text) {
                Some(newline) => &bytes[newline + 1..],
                None if start == 0 => &bytes[..],
                None => return Ok(false),
            };
            Ok(leaf_hash(leaf) == last)
        }
        Compression::Gzip => {
            let stated = read_from(&mut file, SeekFrom::End(-4))?;
            // Modulo 2^32, by the format.
            Ok(stated == (end & u64::from(u32::MAX)).to_le_bytes()[..4])
        }
        Compression::Zstd => {
            let stated = zstd::zstd_safe::get_frame_content_size(&head).ok().flatten();
            Ok(stated == Some(end))
        }
    }
}

fn read_from(file: &mut File, place: SeekFrom) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(place)?;
    file.take(LAST_LEAF_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
