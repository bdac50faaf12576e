//! Objects as files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use bytes::Bytes;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::Listed;
use crate::folder::named;

/// Writes a file whole or not at all, unless one of this name is there. Tells whether it was written.
pub(super) fn create(root: &Path, name: &str, content: &[u8]) -> io::Result<bool> {
    is_there(root)?;
    let path = root.join(name);
    if path.exists() {
        return Ok(false);
    }
    let (Some(folder), Some(last)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other(format!("{name:?} names no file")));
    };
    make(root, folder).map_err(named(folder))?;
    // Only we write this name; what a crash left of it is written over.
    let unfinished = folder.join(format!(".{}.part", last.to_string_lossy()));
    write(&unfinished, content).map_err(named(&unfinished))?;
    let renamed = match renameat_with(CWD, &unfinished, CWD, &path, RenameFlags::NOREPLACE) {
        // Some network file systems know no such flag.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::rename(&unfinished, &path),
        renamed => renamed.map_err(io::Error::from),
    };
    if let Err(error) = renamed {
        let _ = fs::remove_file(&unfinished);
        return match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(false),
            _ => Err(named(&path)(error)),
        };
    }
    sync(folder)?;
    Ok(true)
}

pub(super) fn read(root: &Path, name: &str) -> io::Result<Bytes> {
    let path = root.join(name);
    Ok(fs::read(&path).map_err(named(&path))?.into())
}

pub(super) fn list(root: &Path, name: &str) -> io::Result<Listed> {
    is_there(root)?;
    let folder = root.join(name);
    let mut listed = Listed::default();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listed),
        entries => entries.map_err(named(&folder))?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.path().is_dir() {
            // What is not finished.
            _ if name.starts_with('.') => {}
            true => listed.folders.push(name),
            false => listed.objects.push(name),
        }
    }
    Ok(listed)
}

/// Making it would put objects onto this machine's own disk when a mount is missing.
fn is_there(root: &Path) -> io::Result<()> {
    match fs::read_dir(root) {
        Ok(_) => Ok(()),
        Err(error) => {
            let why = "cannot be read: make the folder, or mount what belongs there";
            Err(io::Error::new(error.kind(), format!("{} {why}: {error}", root.display())))
        }
    }
}

/// Makes folders below the root, each as durable as what it will hold.
fn make(root: &Path, folder: &Path) -> io::Result<()> {
    if folder == root || folder.is_dir() {
        return Ok(());
    }
    let Some(above) = folder.parent() else { return Ok(()) };
    make(root, above)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync(above),
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(named(folder))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_written_once_by_its_owner_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(create(root, "a/b/one", b"1").unwrap());
        assert!(!create(root, "a/b/one", b"2").unwrap());
        assert_eq!(read(root, "a/b/one").unwrap(), "1");
        // A crash in the middle of one.
        fs::write(root.join("a/b/.two.part"), "half of it").unwrap();
        let of = |objects: &[&str], folders: &[&str]| Listed {
            objects: objects.iter().map(|name| (*name).to_owned()).collect(),
            folders: folders.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(list(root, "a/b").unwrap(), of(&["one"], &[]));
        assert!(create(root, "a/b/two", b"2").unwrap());
        assert_eq!(read(root, "a/b/two").unwrap(), "2");
        assert_eq!(list(root, "").unwrap(), of(&[], &["a"]));
        assert_eq!(list(root, "nowhere").unwrap(), Listed::default());
        let mode = |name: &str| fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a/b/one"), mode("a/b"), mode("a")), (0o600, 0o700, 0o700));
        let missing = create(&root.join("mount"), "one", b"1").unwrap_err().to_string();
        assert!(missing.contains("mount what belongs there"), "{missing}");
    }
}
