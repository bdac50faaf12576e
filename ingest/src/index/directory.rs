//! How the files of an index are read from the disk.
//!
//! Files are mapped. For each page that is not in memory the kernel reads what lies around it too, on some machines 8 MiB, which
//! is right for who reads a column from end to end. Who looks a term up, or reads the columns of fifty rows, needs
//! a page here and another there: then only these are read, and what is known to be needed whole is asked for beforehand.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice as ReadAdvice, fadvise};
use tantivy::HasLen;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    Advice, Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, OwnedBytes, WatchCallback,
    WatchHandle, WritePtr,
};
use tantivy::index::SegmentComponent;

use super::plugins::EXTENSIONS;

/// The files of an index, for a reader.
#[derive(Clone, Debug)]
pub(super) struct ReadDirectory {
    dir: PathBuf,
    /// For reading from end to end.
    scanned: MmapDirectory,
    /// For reading a page here and there.
    scattered: MmapDirectory,
}

/// The extensions under which the file of a segment's columns is read for few of its documents, and column by column.
const FEW: &str = "few";
const WHOLE: &str = "whole";

/// The file's extension, as the engine gives it.
const COLUMNS: &str = "fast";

/// The engine looks for the length of its footer in a file's last bytes, and ends if there are not so many.
const FILE_BYTES_MIN: usize = 8;

/// What is at least so long is asked for beforehand: more than a page or two.
const AHEAD_MIN: usize = 8 << 10;

impl ReadDirectory {
    pub(super) fn open(dir: &Path) -> tantivy::Result<ReadDirectory> {
        Ok(ReadDirectory {
            dir: dir.to_owned(),
            scanned: MmapDirectory::open(dir)?,
            scattered: MmapDirectory::open_with_madvice(dir, Advice::Random)?,
        })
    }

    /// Returns the name under which a segment's columns are read for few documents.
    pub(super) fn columns_of_few() -> SegmentComponent {
        SegmentComponent::Custom(FEW.to_owned())
    }

    /// Returns the name under which each column that is asked for is brought whole.
    pub(super) fn whole_columns() -> SegmentComponent {
        SegmentComponent::Custom(WHOLE.to_owned())
    }

    /// Maps a file of a segment.
    fn map(of: &MmapDirectory, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let file = of.get_file_handle(path)?;
        if file.len() < FILE_BYTES_MIN {
            let problem = io::Error::new(io::ErrorKind::UnexpectedEof, "the file is cut off");
            return Err(OpenReadError::wrap_io_error(problem, path.to_owned()));
        }
        Ok(file)
    }
}

impl Directory for ReadDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        let (path, needs) = match extension {
            COLUMNS => {
                let scanned = ReadDirectory::map(&self.scanned, path)?;
                let scattered = ReadDirectory::map(&self.scattered, path)?;
                let beside = EXTENSIONS.map(|extension| path.with_extension(extension));
                let beside = beside.iter().map(|path| ReadDirectory::map(&self.scattered, path));
                let _beside = beside.collect::<Result<_, _>>()?;
                return Ok(Arc::new(Both { scanned, scattered, _beside }));
            }
            // Mapped since the segment was opened, so it is there also when the file was removed meanwhile.
            FEW => (path.with_extension(COLUMNS), Needs::End),
            WHOLE => (path.with_extension(COLUMNS), Needs::Whole),
            _ => (path.to_owned(), Needs::Whole),
        };
        let of = ReadDirectory::map(&self.scattered, &path)?;
        let path = self.dir.join(path);
        // Of columns many are opened one after the other; other files are open for long, and each would keep a descriptor.
        let open = if needs == Needs::End { File::open(&path).ok() } else { None };
        Ok(Arc::new(Ahead { path, open, needs, of }))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.scanned.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.scanned.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.scanned.open_write(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.scanned.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.scanned.atomic_write(path, data)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.scanned.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.scanned.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.scanned.watch(callback)
    }
}

/// A segment's columns, mapped for both ways of reading as long as the segment is open.
#[derive(Debug)]
struct Both {
    scanned: Arc<dyn FileHandle>,
    scattered: Arc<dyn FileHandle>,
    /// Summary and keys are read when they are asked for, which may be after the segment was merged and its files removed:
    /// what is mapped stays.
    _beside: Vec<Arc<dyn FileHandle>>,
}

impl FileHandle for Both {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        // The file's end and the list of columns are looked at, columns are scanned.
        let of = if range.len() < AHEAD_MIN { &self.scattered } else { &self.scanned };
        of.read_bytes(range)
    }
}

impl HasLen for Both {
    fn len(&self) -> usize {
        self.scanned.len()
    }
}

/// A file of which what is needed for sure is asked for beforehand.
#[derive(Debug)]
struct Ahead {
    path: PathBuf,
    open: Option<File>,
    needs: Needs,
    of: Arc<dyn FileHandle>,
}

/// What the engine reads of the bytes that it asks a file for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Needs {
    /// All of them: a list of documents, some blocks of a dictionary.
    Whole,
    /// A column's end, which tells where its values lie.
    End,
}

/// How much of a column's end is asked for.
const END: usize = 32 << 10;

impl FileHandle for Ahead {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        let needed = match self.needs {
            Needs::Whole => range.clone(),
            Needs::End => range.end.saturating_sub(END).max(range.start)..range.end,
        };
        if needed.len() >= AHEAD_MIN {
            // It is advice: what comes of it does not change what is read.
            let (from, length) = (needed.start as u64, NonZeroU64::new(needed.len() as u64));
            let _ = match &self.open {
                Some(file) => fadvise(file, from, length, ReadAdvice::WillNeed),
                None => match File::open(&self.path) {
                    Ok(file) => fadvise(file, from, length, ReadAdvice::WillNeed),
                    Err(_) => Ok(()),
                },
            };
        }
        self.of.read_bytes(range)
    }
}

impl HasLen for Ahead {
    fn len(&self) -> usize {
        self.of.len()
    }
}
