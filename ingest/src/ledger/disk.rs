//! The ledger's one way to change something on disk: each step is named here, so that a test can refuse it,
//! cut it short, or take the power away after it.
//!
//! ```text
//!   write      in the page cache: any part of it may be lost, page by page
//!   sync       the file's bytes survive; its name may not
//!   sync_folder    names made, replaced and removed in it survive
//! ```
//!
//! Not a trait: the program has one file system. In tests, `faults::Faults` is asked
//! before each step and told after it; in the program nothing stands behind this.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::error::{At, LedgerError};
#[cfg(test)]
use super::faults::Faults;

/// One step that changes what is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    MakeFolder(&'a Path),
    /// Makes an empty file, or empties the one that is there.
    Create(&'a Path),
    Write {
        path: &'a Path,
        at: u64,
        bytes: &'a [u8],
    },
    Cut {
        path: &'a Path,
        length: u64,
    },
    Sync(&'a Path),
    SyncFolder(&'a Path),
    Rename {
        from: &'a Path,
        to: &'a Path,
    },
    Remove(&'a Path),
}

/// How often something was made durable, and how long that took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Syncs {
    /// Calls of fsync and fdatasync, of files and of folders.
    pub count: u64,
    /// How long they took together.
    pub time: Duration,
}

/// The file system. Clones count together.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    syncs: Arc<[AtomicU64; 2]>,
    #[cfg(test)]
    faults: Option<Arc<Faults>>,
}

/// A file that is being written.
pub(super) struct DiskFile {
    disk: Disk,
    pub(super) path: PathBuf,
    file: File,
    /// Where the next byte goes.
    at: u64,
}

impl Disk {
    /// Returns the file system with something in between that can fail.
    #[cfg(test)]
    pub(crate) fn with(faults: Arc<Faults>) -> Disk {
        Disk { faults: Some(faults), ..Disk::default() }
    }

    /// Returns how often something was made durable.
    pub(super) fn syncs(&self) -> Syncs {
        let [count, ns] = self.syncs.each_ref().map(|number| number.load(Ordering::Relaxed));
        Syncs { count, time: Duration::from_nanos(ns) }
    }

    /// Counts an fsync.
    fn timed(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let start = Instant::now();
        let done = sync();
        let [count, ns] = &*self.syncs;
        count.fetch_add(1, Ordering::Relaxed);
        ns.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        done
    }

    /// Does a step, unless a test refuses it.
    fn step(&self, step: Step<'_>, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            faults.before(step)?;
            // What survives a power cut is for the log to say; the test's own disk need not be waited for.
            if !matches!(step, Step::Sync(_) | Step::SyncFolder(_)) {
                work()?;
            }
            faults.done(step);
            return Ok(());
        }
        let _ = step;
        work()
    }

    /// Returns how many of these bytes one write may take; all of them, unless a test says otherwise.
    fn write_at_most(&self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            return faults.write_at_most(bytes.len());
        }
        Ok(bytes.len())
    }

    /// Makes a folder and those above it, for the owner alone; their names are durable.
    pub(super) fn make_folder(&self, path: &Path) -> Result<(), LedgerError> {
        if path.is_dir() {
            return Ok(());
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            self.make_folder(parent)?;
        }
        let make = || match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        };
        self.step(Step::MakeFolder(path), make).at("make the folder", path)?;
        self.sync_folder(parent.unwrap_or(Path::new(".")))
    }

    /// Makes a file that must not be there yet.
    pub(super) fn create_new(&self, path: &Path) -> Result<DiskFile, LedgerError> {
        let mut options = OpenOptions::new();
        self.create(path, options.write(true).create_new(true))
    }

    /// Makes a file, or empties the one that is there.
    pub(super) fn create_anew(&self, path: &Path) -> Result<DiskFile, LedgerError> {
        let mut options = OpenOptions::new();
        self.create(path, options.write(true).create(true).truncate(true))
    }

    fn create(&self, path: &Path, options: &mut OpenOptions) -> Result<DiskFile, LedgerError> {
        let mut made = None;
        let make = || {
            made = Some(options.mode(0o600).open(path)?);
            Ok(())
        };
        self.step(Step::Create(path), make).at("make", path)?;
        let file = made.expect("a step that was done made it");
        Ok(DiskFile { disk: self.clone(), path: path.to_owned(), file, at: 0 })
    }

    /// Opens a file to go on writing at a place in it.
    pub(super) fn open(&self, path: &Path, at: u64) -> Result<DiskFile, LedgerError> {
        let mut file = OpenOptions::new().write(true).open(path).at("open", path)?;
        file.seek(SeekFrom::Start(at)).at("open", path)?;
        Ok(DiskFile { disk: self.clone(), path: path.to_owned(), file, at })
    }

    /// Makes the names in a folder durable.
    pub(super) fn sync_folder(&self, path: &Path) -> Result<(), LedgerError> {
        let sync = || File::open(path).and_then(|folder| self.timed(|| folder.sync_all()));
        self.step(Step::SyncFolder(path), sync).at("fsync", path)
    }

    /// Replaces a file such that readers see the old or the new content, and a crash leaves one of them.
    pub(super) fn replace_synced(&self, path: &Path, content: &[u8]) -> Result<(), LedgerError> {
        self.replace(path, content, true)?;
        self.sync_folder(path.parent().expect("a file stands in a folder"))
    }

    /// Replaces a file such that readers see the old or the new content; with `sync` the content is durable.
    pub(super) fn replace(
        &self,
        path: &Path,
        content: &[u8],
        sync: bool,
    ) -> Result<(), LedgerError> {
        let unfinished = path.with_added_extension("tmp");
        let mut file = self.create_anew(&unfinished)?;
        file.write_all(content)?;
        if sync {
            file.sync()?;
        }
        self.rename(&unfinished, path)
    }

    /// Gives a file another name; what had that name is gone.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), LedgerError> {
        self.step(Step::Rename { from, to }, || fs::rename(from, to)).at("replace", to)
    }

    /// Removes a file.
    pub(super) fn remove(&self, path: &Path) -> Result<(), LedgerError> {
        self.step(Step::Remove(path), || fs::remove_file(path)).at("remove", path)
    }

    /// Removes a folder and what is in it, if it is there.
    pub(super) fn remove_folder(&self, path: &Path) -> Result<(), LedgerError> {
        let remove = || match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        self.step(Step::Remove(path), remove).at("remove", path)
    }
}

impl DiskFile {
    /// Appends bytes. After an error nobody knows how many of them are there.
    pub(super) fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), LedgerError> {
        while !bytes.is_empty() {
            let most = self.disk.write_at_most(bytes).at("write", &self.path)?;
            let part = &bytes[..most];
            let step = Step::Write { path: &self.path, at: self.at, bytes: part };
            self.disk.step(step, || self.file.write_all(part)).at("write", &self.path)?;
            self.at += part.len() as u64;
            bytes = &bytes[most..];
        }
        Ok(())
    }

    /// Makes the bytes written so far durable.
    pub(super) fn sync(&self) -> Result<(), LedgerError> {
        let sync = || self.disk.timed(|| self.file.sync_data());
        self.disk.step(Step::Sync(&self.path), sync).at("fsync", &self.path)
    }

    /// Shortens the file, durably.
    pub(super) fn cut(&mut self, length: u64) -> Result<(), LedgerError> {
        let step = Step::Cut { path: &self.path, length };
        self.disk.step(step, || self.file.set_len(length)).at("cut", &self.path)?;
        self.sync()
    }
}
