//! Finds rotated files that were not read to their end because nobody looked when they were rotated.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::compressed::{Compression, MAGIC_BYTES};
use super::content::{first_leaf, open_regular};
use super::discover::Opened;
use super::file::{FileKey, Stamp};
use super::follow::{FILES_MAX, Tail};
use super::identity::leaf_hash;
use super::names::{Names, Seen};
use super::siblings::{hole, rotated_from};
use super::together::{PAUSES, Sibling, siblings_together};
use crate::source::{Generation, SourceId};

/// The last leaf of a complete file is looked for in its last bytes.
const LAST_LEAF_MAX: u64 = 1 << 17;

/// What happens to a folder within this time may bear one time: the system's times are coarse.
const COARSE_TIME: Duration = Duration::from_secs(1);
/// When to look again within that time.
const COARSE_AGAIN: Duration = Duration::from_millis(250);
/// When to look again at a sibling that cannot be read: its right to be read is no change of the folder.
const UNREADABLE_AGAIN: Duration = Duration::from_secs(2);

/// Rotated files from before a source was followed, which are not read as long as they do not change. Times tell
/// only once which they are, and clocks jump; after that files are known again by inode, size and time.
pub(super) struct History {
    source: Arc<SourceId>,
    files: HashMap<FileKey, Stamp>,
}

/// Rotated files that give nothing as long as they do not change: what they were taken for at the last look.
pub(super) type Settled = HashMap<FileKey, (Stamp, Standing)>;

/// Rotated files that may hold something new.
#[derive(Default)]
pub(super) struct Missed {
    /// Where each was seen, and which it is; the oldest first.
    pub(super) files: Vec<(PathBuf, FileKey)>,
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
#[derive(Clone, Copy)]
pub(super) enum Standing {
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
                let before = self.files[index].listing.take();
                // Without a listing the next round looks again.
                let Some(Missed { files, unreadable }) = self.missed(&name, seen) else {
                    self.unsettled.insert(name.source);
                    index += 1;
                    continue;
                };
                self.files[index].listing = Some(Listing::after(before, modified, unreadable, now));
                for (path, key) in files {
                    if self.files.len() >= FILES_MAX {
                        // The rest has its turn when some of them have been read.
                        self.files[index].listing = None;
                        break;
                    }
                    match self.open(&path, Some(key), &name.source, now) {
                        Opened::File(file) => {
                            self.files.insert(index, *file);
                            index += 1;
                        }
                        Opened::Not => {}
                        Opened::Other => {
                            self.files[index].listing = None;
                            self.unsettled.insert(name.source);
                            break;
                        }
                    }
                }
            }
            index += 1;
        }
    }

    /// Returns the rotated siblings of a new file that may hold something new, the oldest first: those
    /// that go on after what is known of them, and unknown ones that are younger than a known one or were not
    /// there before the source was followed: the known ones may have been removed. None if they are renamed
    /// faster than one can look.
    pub(super) fn missed(&mut self, name: &Seen, seen: &Names) -> Option<Missed> {
        if rotated_from(&name.path).is_some() {
            return Some(Missed::default());
        }
        for (look, pause) in (1..).zip(PAUSES) {
            thread::sleep(pause);
            let Some(siblings) = siblings_together(&name.path) else { break };
            if let Some(missed) = self.missed_of(&siblings, name, seen, look == PAUSES.len()) {
                return Some(missed);
            }
        }
        let reason = format!(
            "{}: its rotated files are renamed again and again: it is read on when that ends",
            name.path.display()
        );
        self.troubles().add(name.path.clone(), &name.source, reason);
        None
    }

    /// Does that for siblings that were seen beside each other; none if a name leads to another file by now, or none
    /// bears a name that it is about to get, unless this is the last look.
    fn missed_of(
        &mut self,
        siblings: &[Sibling],
        name: &Seen,
        seen: &Names,
        last: bool,
    ) -> Option<Missed> {
        let mut settled = HashMap::new();
        let (mut missed, mut ours, mut recent, mut since) = (Vec::new(), 0, 0, None);
        let (mut unreadable, mut found) = (false, Vec::new());
        self.note_history(name, siblings);
        let old = self.history.get(&name.path).map(|history| &history.files);
        for (place, sibling) in siblings.iter().enumerate().rev() {
            let &Sibling { ref path, key, stamp } = sibling;
            if self.is_open(key) {
                (ours, since) = (missed.len(), Some(place));
                continue;
            }
            let before = self.settled.get(&name.path).and_then(|before| before.get(&key));
            let standing = match before.filter(|(before, _)| *before == stamp) {
                Some(&(_, standing)) => Ok(standing),
                None => self.standing(sibling, &name.source).transpose()?,
            };
            let old = old.is_some_and(|old| old.get(&key) == Some(&stamp));
            let gives = !seen.lead_to(key) && !self.looked_through.contains(&(key, stamp));
            match standing {
                Ok(standing @ Standing::Complete(generation)) => {
                    settled.insert(key, (stamp, standing));
                    found.push(generation);
                    (ours, since) = (missed.len(), Some(place));
                }
                Ok(Standing::Begun) => {
                    missed.extend(gives.then(|| (path.clone(), key)));
                    (ours, since) = (missed.len(), Some(place));
                }
                Ok(standing @ Standing::Unknown) if old => {
                    settled.insert(key, (stamp, standing));
                    missed.extend(gives.then(|| (path.clone(), key)));
                }
                Ok(Standing::Unknown) => {
                    missed.extend(gives.then(|| (path.clone(), key)));
                    recent = missed.len();
                }
                Err(_) => {
                    unreadable = true;
                    // Opening it tells what is the matter.
                    if !old {
                        missed.push((path.clone(), key));
                        recent = missed.len();
                    }
                }
            }
        }
        let known = since.map(|since| siblings[since..].iter().map(|sibling| &*sibling.path));
        if let Some(hole) = known.and_then(hole)
            && self.joints.is_open(&name.source)
        {
            if !last {
                return None;
            }
            self.joints.hole(&name.source, hole);
        }
        found.into_iter().for_each(|generation| self.joints.found(&name.source, generation));
        self.settled.insert(name.path.clone(), settled);
        missed.truncate(ours.max(recent));
        missed.reverse();
        Some(Missed { files: missed, unreadable })
    }

    /// Notes once which rotated files are from before the source was followed.
    fn note_history(&mut self, name: &Seen, siblings: &[Sibling]) {
        if self.history.contains_key(&name.path) {
            return;
        }
        let since = self.joints.new_since(&name.source);
        let before = siblings
            .iter()
            .filter(|sibling| since.is_none_or(|since| !written_after(sibling.stamp, since)))
            .map(|sibling| (sibling.key, sibling.stamp));
        let history = History { source: Arc::clone(&name.source), files: before.collect() };
        self.history.insert(name.path.clone(), history);
    }

    /// Reads all rotated files of a source from now on, as far as they are not known.
    pub(super) fn all_is_new(&mut self, source: &Arc<SourceId>) {
        self.history
            .values_mut()
            .filter(|history| history.source == *source)
            .for_each(|history| history.files.clear());
        self.settled.clear();
        self.files
            .iter_mut()
            .filter(|file| file.source == *source)
            .for_each(|file| file.listing = None);
    }

    /// Returns what is known of a rotated file; none if its name leads to another one by now.
    ///
    /// # Errors
    /// It cannot be read.
    fn standing(&self, sibling: &Sibling, source: &SourceId) -> io::Result<Option<Standing>> {
        let mut file = match open_regular(&sibling.path) {
            Ok((file, metadata)) if FileKey::of(&metadata) == sibling.key => file,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let known = match first_leaf(&file)? {
            Some(first) => self.known.starting_with(&source.to_string(), &first),
            None => Vec::new(),
        };
        if known.is_empty() {
            return Ok(Some(Standing::Unknown));
        }
        let complete = known.into_iter().find(|&generation| {
            let end = self.known.end(generation);
            end.is_some_and(|end| ends_so(&mut file, end).unwrap_or(false))
        });
        Ok(Some(complete.map_or(Standing::Begun, Standing::Complete)))
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
            true => Some(now + COARSE_AGAIN),
            false => unreadable.then_some(now + UNREADABLE_AGAIN),
        };
        Listing { modified, since, again }
    }

    fn is_due(self, modified: SystemTime, now: Instant) -> bool {
        self.modified != modified || self.again.is_some_and(|again| now >= again)
    }
}

/// Tells whether a file was written after a moment, as far as clocks and the system's coarse times tell.
fn written_after(stamp: Stamp, unix_ns: i64) -> bool {
    stamp.modified.0.saturating_add(1) >= unix_ns / 1_000_000_000
}

/// Tells whether a file's content ends with this leaf at this place. Of a compressed file the length
/// that it states must do: to read it all at each start would take long.
fn ends_so(file: &mut File, (end, last): (u64, [u8; 32])) -> io::Result<bool> {
    let mut head = Vec::new();
    file.rewind()?;
    file.take(18).read_to_end(&mut head)?;
    match Compression::of(&head[..head.len().min(MAGIC_BYTES)]) {
        Compression::None if file.metadata()?.len() != end => Ok(false),
        Compression::None => {
            let start = end.saturating_sub(LAST_LEAF_MAX);
            let bytes = read_from(file, SeekFrom::Start(start))?;
            let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let leaf = match memchr::memrchr(b'\n', text) {
                Some(newline) => &bytes[newline + 1..],
                None if start == 0 => &bytes[..],
                None => return Ok(false),
            };
            Ok(leaf_hash(leaf) == last)
        }
        Compression::Gzip => {
            let stated = read_from(file, SeekFrom::End(-4))?;
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
