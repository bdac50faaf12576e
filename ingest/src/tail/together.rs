//! Names as they stood beside each other at one moment: a folder that is listed while its files are renamed shows some of
//! them twice and others not at all. What is not seen then would be read after younger files, and requests in it be given
//! up before their responses.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::file::{FileKey, Stamp};
use super::siblings::rotated_siblings;

/// Before each look that follows another one. A rotation takes some milliseconds, and in a large folder something may
/// change all the time: that must not hold up the others.
pub(super) const PAUSES: [Duration; 8] = {
    let ms = Duration::from_millis;
    [ms(0), ms(1), ms(2), ms(4), ms(8), ms(16), ms(32), ms(64)]
};

/// A rotated sibling: its name, and the file to which that led.
pub(super) struct Sibling {
    pub(super) path: PathBuf,
    pub(super) key: FileKey,
    pub(super) stamp: Stamp,
}

/// Returns the rotated siblings of `path` as they stood beside each other, oldest first; none if they never stand still.
/// A folder that cannot be listed has no siblings.
pub(super) fn siblings_together(path: &Path) -> Option<Vec<Sibling>> {
    let look = || -> Vec<Sibling> {
        let paths = rotated_siblings(path).unwrap_or_default();
        let sibling = |path: PathBuf| {
            let metadata = fs::metadata(&path).ok()?;
            Some(Sibling { path, key: FileKey::of(&metadata), stamp: Stamp::of(&metadata) })
        };
        paths.into_iter().filter_map(sibling).collect()
    };
    let same = |one: &Sibling, other: &Sibling| one.path == other.path && one.key == other.key;
    until_two_agree(look, |one, other| {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
    })
    .ok()
}

/// Looks until two looks, one after the other, agree, and returns the last.
///
/// # Errors
/// The last one, if none agree.
pub(super) fn until_two_agree<T>(
    mut look: impl FnMut() -> T,
    agree: impl Fn(&T, &T) -> bool,
) -> Result<T, T> {
    let mut before = look();
    for pause in PAUSES {
        thread::sleep(pause);
        let now = look();
        if agree(&before, &now) {
            return Ok(now);
        }
        before = now;
    }
    Err(before)
}
