//! What a reader of files says, in order: the one language between the tail and the ledger.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer};

use crate::source::{Generation, Lines, Position, SourceId};

/// One opening of one content, unique within this process. A truncated file is a new content, and
/// gets a new number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct FileId(pub u64);

impl FileId {
    /// Returns a number that no file of this process has had.
    pub(super) fn next() -> FileId {
        static LAST: AtomicU64 = AtomicU64::new(0);
        FileId(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// What a reader of files says.
///
/// Every [`FileId`] has one `Opened`, then its `Lines` without hole or overlap from where `Opened`
/// says that reading starts, then one `Finished`. Items of several files interleave.
#[derive(Clone, Debug, PartialEq)]
pub enum TailItem {
    /// A file's content has been recognised, and is read from `start` on.
    Opened {
        /// Its number from now on.
        file: FileId,
        /// Whose lines these are.
        source: Arc<SourceId>,
        /// Where it was found; `-` is standard input.
        path: PathBuf,
        /// Where reading starts.
        start: Start,
    },
    /// Whole lines.
    Lines {
        /// The file.
        file: FileId,
        /// The first byte's place in the uncompressed file.
        offset: u64,
        /// The lines.
        lines: Lines,
        /// The last of them was cut at 64 MiB: the next item of this file goes on with it.
        continued: bool,
        /// The last of them is the end of a finished file, and has no `\n`.
        unterminated: bool,
    },
    /// The file never gives another line: rotated away and quiet, deleted, truncated, or imported.
    Finished {
        /// The file.
        file: FileId,
    },
    /// Something to tell people: a gap, a trouble, or the end of one.
    Notice(Notice),
    /// Everything that stood in the followed files at the last look has been sent. Sent once each
    /// time that this becomes true, and at the start even if there is nothing to read.
    CaughtUp,
}

/// Where reading of a content starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The content is new. Without a parent it is read from its first byte; with one, it equals that
    /// generation up to an offset, and is read from there on.
    New {
        /// The generation that it starts like, and the offset at which they part.
        parent: Option<(Generation, u64)>,
    },
    /// The content is known up to here, and is read on.
    Known(Position),
}

/// Something that people should know about a followed file; for keytrail's own lines and its status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// A file shrank, or was written anew under us, and no copy of it is to be found: what was written
    /// between our last read and that moment is lost.
    Truncated {
        /// Its path.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// Its source.
        source: SourceId,
        /// How far it had been read, in bytes.
        read_to: u64,
        /// Size of the file when this was seen.
        size_now: u64,
        /// Bytes that were seen to stand in it and were not read.
        at_least: u64,
    },
    /// How reading went on from the end of one file to what came after it: a rotation or a stop lies
    /// between them.
    Continuity {
        /// The file whose end is meant.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// Its source.
        source: SourceId,
        /// It was read to its end, and what came after it was there to be read.
        proven: bool,
        /// What was seen, in words.
        why: String,
    },
    /// The path names another file, or none; the old one is read until it is quiet.
    Rotated {
        /// The content that was renamed.
        file: FileId,
        /// The path that it had.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// The path that it has now, where the pattern tells.
        #[serde(serialize_with = "lossy_option")]
        now: Option<PathBuf>,
        /// Its source.
        source: SourceId,
        /// How far it had been read when this was seen, in bytes.
        read_to: u64,
    },
    /// The file was deleted while it was being read; what the server still writes to it is read.
    Deleted {
        /// The content that was deleted.
        file: FileId,
        /// The path that it had.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// Its source.
        source: SourceId,
        /// How far it had been read when this was seen, in bytes.
        read_to: u64,
    },
    /// A file cannot be read. Sent once for each change of the reason.
    Unreadable {
        /// What cannot be read.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// Its source.
        source: SourceId,
        /// Owner, mode and remedy in words, with the path.
        reason: String,
    },
    /// What could not be read, can be.
    Readable {
        /// What can be read again.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// Its source.
        source: SourceId,
    },
    /// No file matches; keytrail waits for one.
    Missing {
        /// The path or pattern.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// Its source.
        source: SourceId,
    },
    /// A file matches what was missing.
    Appeared {
        /// The path or pattern.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// Its source.
        source: SourceId,
    },
    /// A compressed file breaks off or is damaged. What could be read has been sent; when the file
    /// changes, it is read again.
    Damaged {
        /// The file.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// Its source.
        source: SourceId,
        /// Bytes of the uncompressed content that could be read.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
}

/// A path need not be UTF-8, and a notice must be told all the same.
fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn lossy_option<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.display().to_string()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_notice_is_plain_json_whatever_the_path() {
        let path = PathBuf::from(OsString::from_vec(b"/audit/\xff.log".to_vec()));
        let source = SourceId::new("prod", "bao-0", "file").unwrap();
        let notice = Notice::Truncated { path, source, read_to: 10, size_now: 0, at_least: 0 };
        let path = "/audit/\u{fffd}.log";
        assert_eq!(
            serde_json::to_string(&notice).unwrap(),
            format!(
                r#"{{"notice":"truncated","path":"{path}","source":"prod/bao-0/file","read_to":10,"size_now":0,"at_least":0}}"#
            )
        );
    }
}
