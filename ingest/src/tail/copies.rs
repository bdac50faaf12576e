//! Finds the copy that `copytruncate` made of a file before it cut it: the bytes that were cut off
//! before they were read stand there.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::compressed::Uncompressed;
use super::content::open_regular;
use super::siblings::rotated_siblings;

/// Bytes from a content's start, and before a reading place, by which it is known again.
const MARK_BYTES: usize = 1024;
/// Siblings that are looked at, the youngest first: the copy is the youngest, unless two rotations
/// came between two looks.
const SIBLINGS_MAX: usize = 8;

/// What a content that has ended looked like, as far as it had been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Its first bytes, at most [`MARK_BYTES`].
    pub(super) head: Vec<u8>,
    /// The bytes before `read_to`, at most [`MARK_BYTES`] of them.
    pub(super) anchor: Vec<u8>,
    pub(super) read_to: u64,
}

/// Another file that holds a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) path: PathBuf,
    /// Its length in bytes, uncompressed.
    pub(super) length: u64,
    /// Rotated siblings that are younger than it, the oldest first: what was rotated between two looks.
    pub(super) younger: Vec<PathBuf>,
}

/// Returns the first bytes of a file.
///
/// # Errors
/// It cannot be read.
pub(super) fn head(file: &File) -> io::Result<Vec<u8>> {
    let mut head = vec![0; MARK_BYTES];
    let mut length = 0;
    while length < head.len() {
        match file.read_at(&mut head[length..], length as u64) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(length);
    Ok(head)
}

/// Returns the rotated sibling of `path` that holds the content with these marks, and at least what was
/// read of it.
pub(super) fn copy_of(path: &Path, marks: &Marks) -> Option<Copy> {
    if marks.head.is_empty() {
        return None;
    }
    // A folder that cannot be listed shows no copy.
    let siblings = rotated_siblings(path).unwrap_or_default();
    siblings.iter().enumerate().rev().take(SIBLINGS_MAX).find_map(|(place, path)| {
        let (file, _) = open_regular(path).ok()?;
        let length = marks.length_in(Uncompressed::new(file).ok()?).ok()??;
        let younger = siblings[place + 1..].to_vec();
        Some(Copy { path: path.clone(), length, younger })
    })
}

impl Marks {
    /// Returns the length of a content if it has these marks.
    fn length_in(&self, mut content: impl Read) -> io::Result<Option<u64>> {
        let mut chunk = vec![0; 1 << 16];
        let (mut length, mut head, mut anchor) = (0, Vec::new(), Vec::new());
        let anchor_start = self.read_to - self.anchor.len() as u64;
        loop {
            let read = match content.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            take(&mut head, &chunk[..read], length, 0, self.head.len());
            take(&mut anchor, &chunk[..read], length, anchor_start, self.anchor.len());
            if !self.head.starts_with(&head) {
                return Ok(None);
            }
            length += read as u64;
        }
        let same = head == self.head && anchor == self.anchor;
        Ok(same.then_some(length))
    }
}

/// Adds to `kept` those bytes of a chunk at `offset` that belong to `wanted` bytes from `start` on.
fn take(kept: &mut Vec<u8>, chunk: &[u8], offset: u64, start: u64, wanted: usize) {
    if kept.len() == wanted || offset + (chunk.len() as u64) <= start {
        return;
    }
    let skip = usize::try_from(start.saturating_sub(offset)).expect("within the chunk");
    let length = (wanted - kept.len()).min(chunk.len() - skip);
    kept.extend_from_slice(&chunk[skip..skip + length]);
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_head_and_what_was_read_last() {
        let marks = Marks { head: b"abc".to_vec(), anchor: b"ef".to_vec(), read_to: 6 };
        for (content, length) in [
            (&b"abcdef"[..], Some(6)),
            (b"abcdefgh", Some(8)),
            (b"abcde", None),
            (b"abcdxf", None),
            (b"xbcdef", None),
            (b"", None),
        ] {
            assert_eq!(marks.length_in(content).unwrap(), length, "{}", content.escape_ascii());
        }
        let long: Vec<u8> = (0..200_000u32).map(|byte| (byte % 251) as u8).collect();
        let marks = Marks {
            head: long[..MARK_BYTES].to_vec(),
            anchor: long[65_000..66_000].to_vec(),
            read_to: 66_000,
        };
        assert_eq!(marks.length_in(&long[..]).unwrap(), Some(200_000));
    }

    #[test]
    fn the_copy_is_found_among_the_siblings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let write = |name: &str, content: &str| {
            std::fs::write(folder.path().join(name), content).unwrap();
        };
        let marks = Marks { head: b"abc".to_vec(), anchor: b"c".to_vec(), read_to: 3 };
        assert_eq!(copy_of(&path, &marks), None);
        write("audit.log.1", "other");
        write("audit.log.2", "abcd");
        let path_of = |name: &str| folder.path().join(name);
        let younger = vec![path_of("audit.log.1")];
        let copy = Copy { path: path_of("audit.log.2"), length: 4, younger };
        assert_eq!(copy_of(&path, &marks), Some(copy));
    }
}
