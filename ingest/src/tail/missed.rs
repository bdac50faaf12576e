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
            if current && modified.is_some() && modified != file.listed {
                let name = Seen { key, stamp: file.stamp, path, source: Arc::clone(&file.source) };
                // The system's times are coarse: what happens within a second may bear one time.
                let settled = modified
                    .and_then(|modified| SystemTime::now().duration_since(modified).ok())
                    .is_some_and(|since| since > Duration::from_secs(1));
                if settled {
                    self.files[index].listed = modified;
                }
                for path in self.missed(&name, seen) {
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
    /// that go on after what is known of them, and unknown ones that are younger than a known one or, if none is
    /// known, were written since the last lines arrived: the known ones may have been removed. A source that is
    /// followed for the first time has none: what was before is not read.
    pub(super) fn missed(&mut self, name: &Seen, seen: &Names) -> Vec<PathBuf> {
        if rotated_from(&name.path).is_some() {
            return Vec::new();
        }
        // A folder that cannot be listed cannot be looked through.
        let siblings = rotated_siblings(&name.path).unwrap_or_default();
        let (mut missed, mut ours, mut recent, mut since) = (Vec::new(), None, 0, None);
        let wanted_since = self.joints.wanted_since(&name.source);
        for (place, path) in siblings.iter().enumerate().rev().take(SIBLINGS_MAX) {
            let Ok(metadata) = fs::metadata(path) else { continue };
            let key = FileKey::of(&metadata);
            if self.is_open(key) {
                (ours, since) = (Some(missed.len()), Some(place));
                continue;
            }
            let looked_through = self.looked_through.contains(&(key, Stamp::of(&metadata)));
            let standing = self.standing(path, &name.source);
            let known = !matches!(standing, Standing::Unknown);
            if let Standing::Complete(generation) = standing {
                self.joints.found(&name.source, generation);
            } else if !seen.lead_to(key) && !looked_through {
                missed.push(path.clone());
            }
            if known {
                (ours, since) = (Some(missed.len()), Some(place));
            } else if wanted_since.is_some_and(|since| written_after(&metadata, since)) {
                recent = missed.len();
            }
        }
        if let Some(hole) = since.and_then(|since| hole(&siblings[since..])) {
            self.joints.hole(&name.source, hole);
        }
        missed.truncate(ours.unwrap_or(recent));
        missed.reverse();
        missed
    }

    fn standing(&self, path: &Path, source: &SourceId) -> Standing {
        let Some(first) = first_leaf(path).ok().flatten() else { return Standing::Unknown };
        let known = self.known.starting_with(&source.to_string(), &first);
        if known.is_empty() {
            return Standing::Unknown;
        }
        let complete = known.into_iter().find(|&generation| {
            self.known.end(generation).is_some_and(|end| ends_so(path, end).unwrap_or(false))
        });
        complete.map_or(Standing::Begun, Standing::Complete)
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
