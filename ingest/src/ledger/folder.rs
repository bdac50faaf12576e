//! The data folder: what belongs to whom, the lock of the one writer, and files that are replaced whole.
//!
//! ```text
//!   format                "format 1", and whose ledger this is; written last, when all else stands
//!   lock                  locked by the one writer; holds its process id
//!   keys/signing.key      secret: whoever has it can sign another history
//!   keys/verifier.key     public
//!   keys/handovers        how the key of now came to its place
//!   ledger/lines/ ledger/own/     segments
//!   ledger/tiles/                 hashes: can be made again from the segments
//!   ledger/checkpoint             signed size and root
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::Stream;
use super::disk::Disk;
use super::error::{At, Holder, LedgerError};
use super::keys::{Handover, KeyChain, handovers_of_folder};
use super::note::{Checkpoint, NOTE_BYTES_MAX, NoteSigner, VerifierKey, is_origin_of, origin};
use super::segment::{list_segments, stream_folder};

const FORMAT: &str = "format 1";

/// A data folder whose format is known.
pub(super) struct Folder {
    pub(super) data: PathBuf,
    pub(super) ledger: PathBuf,
    pub(super) cluster: String,
    pub(super) disk: Disk,
    /// The key's name: the ledger's.
    origin: String,
}

impl Folder {
    /// Opens a folder for reading.
    pub(super) fn open(data: &Path) -> Result<Folder, LedgerError> {
        let path = data.join("format");
        match fs::read_to_string(&path) {
            Ok(text) => Folder::parse(data, &path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(LedgerError::Missing { data: data.to_owned() })
            }
            Err(error) => Err(error).at("read", &path),
        }
    }

    fn parse(data: &Path, path: &Path, text: &str) -> Result<Folder, LedgerError> {
        let wrong = |problem: String| LedgerError::Format { path: path.to_owned(), problem };
        let mut lines = text.lines();
        match (lines.next(), lines.next().and_then(|line| line.strip_prefix("cluster "))) {
            (Some(FORMAT), Some(cluster)) => Ok(Folder {
                data: data.to_owned(),
                ledger: data.join("ledger"),
                cluster: cluster.to_owned(),
                disk: Disk::default(),
                // A copy without keys can still be read.
                origin: VerifierKey::of_folder(data)
                    .ok()
                    .filter(|key| is_origin_of(cluster, key.name()))
                    .map_or_else(|| origin(cluster), |key| key.name().to_owned()),
            }),
            (Some(FORMAT), None) => Err(wrong("it does not name a cluster".into())),
            (Some(other), _) if other.starts_with("format ") => Err(wrong(format!(
                "the folder has {other:?}, which a newer keytrail than this one ({}) wrote; use that one",
                env!("CARGO_PKG_VERSION")
            ))),
            (first, _) => Err(wrong(format!("it begins with {:?}", first.unwrap_or_default()))),
        }
    }

    /// Opens a folder for writing, makes it where there is none, and takes the lock.
    pub(super) fn open_or_create(
        disk: &Disk,
        data: &Path,
        cluster: &str,
    ) -> Result<(Folder, NoteSigner, Lock), LedgerError> {
        disk.make_folder(data)?;
        let lock = Lock::take(data)?;
        let mut folder = match Folder::open(data) {
            Ok(folder) if folder.cluster == cluster => Folder { disk: disk.clone(), ..folder },
            Ok(Folder { cluster: found, .. }) => {
                return Err(LedgerError::OtherCluster {
                    data: data.to_owned(),
                    found,
                    asked: cluster.to_owned(),
                });
            }
            Err(LedgerError::Missing { .. }) => Folder::create(disk, data, cluster)?,
            Err(error) => return Err(error),
        };
        for stream in Stream::ALL {
            disk.make_folder(&stream_folder(&folder.ledger, stream))?;
        }
        // A process that was killed may have made them without this.
        disk.sync_folder(&folder.ledger)?;
        let path = folder.signing_key_path();
        let signer =
            folder.signer()?.ok_or_else(|| key_error(&path, "the signing key is missing"))?;
        folder.publish(&signer.verifier())?;
        Ok((folder, signer, lock))
    }

    pub(super) fn signing_key_path(&self) -> PathBuf {
        self.data.join("keys/signing.key")
    }

    /// Reads the signing key; `None` if there is none.
    pub(super) fn signer(&self) -> Result<Option<NoteSigner>, LedgerError> {
        let path = self.signing_key_path();
        let Some(text) = read_small(&path)? else { return Ok(None) };
        let signer = NoteSigner::parse(&text).map_err(|problem| key_error(&path, problem))?;
        if !is_origin_of(&self.cluster, signer.verifier().name()) {
            return Err(key_error(&path, "this is the key of another ledger"));
        }
        Ok(Some(signer))
    }

    /// Makes the public key that of the signing key, as a handover that was cut short would have done.
    fn publish(&mut self, key: &VerifierKey) -> Result<(), LedgerError> {
        let path = self.data.join("keys/verifier.key");
        let published = match VerifierKey::of_folder(&self.data) {
            Ok(published) => Some(published),
            Err(LedgerError::Key { .. }) if !path.exists() => None,
            Err(error) => return Err(error),
        };
        if published.as_ref() != Some(key) {
            let chain = KeyChain::new(key.clone(), handovers_of_folder(&self.data)?);
            let last = chain.handovers().last().map(|handover| &handover.from);
            if published.is_some() && last != published.as_ref() {
                return Err(key_error(&path, "this is not the public part of signing.key"));
            }
            self.disk.replace_synced(&path, format!("{key}\n").as_bytes())?;
        }
        self.origin = key.name().to_owned();
        Ok(())
    }

    /// Makes `new` the signing key from this checkpoint on; without `old` its secret was lost.
    pub(super) fn hand_over(
        &mut self,
        keys: &KeyChain,
        old: Option<&NoteSigner>,
        new: &NoteSigner,
        checkpoint: &Checkpoint,
    ) -> Result<Handover, LedgerError> {
        let from = (keys.current(), old);
        let handover = Handover::sign(from, new, checkpoint.size, &checkpoint.root);
        // Takes effect with the signing key: before that nobody looks at the last handover.
        self.disk
            .replace_synced(&self.data.join("keys/handovers"), keys.with(&handover).as_bytes())?;
        self.disk
            .replace_synced(&self.signing_key_path(), format!("{}\n", new.to_text()).as_bytes())?;
        self.publish(&new.verifier())?;
        Ok(handover)
    }

    fn create(disk: &Disk, data: &Path, cluster: &str) -> Result<Folder, LedgerError> {
        let format = data.join("format");
        let ledger = data.join("ledger");
        for stream in Stream::ALL {
            disk.make_folder(&stream_folder(&ledger, stream))?;
            if !list_segments(&ledger, stream)?.is_empty() {
                return Err(LedgerError::Format {
                    path: format,
                    problem: "it is missing, though there is a ledger".into(),
                });
            }
        }
        let keys = data.join("keys");
        disk.make_folder(&keys)?;
        let path = keys.join("signing.key");
        // Keys without a format file are those of a folder whose making was cut short: they signed nothing.
        let signer = match read_small(&path)?.map(|text| NoteSigner::parse(&text)) {
            Some(Ok(signer)) if signer.verifier().name() == origin(cluster) => signer,
            _ => NoteSigner::generate(&origin(cluster)).at("make a key for", &path)?,
        };
        disk.replace_synced(&path, format!("{}\n", signer.to_text()).as_bytes())?;
        let verifier = format!("{}\n", signer.verifier());
        disk.replace_synced(&keys.join("verifier.key"), verifier.as_bytes())?;
        disk.replace_synced(&format, format!("{FORMAT}\ncluster {cluster}\n").as_bytes())?;
        Ok(Folder { disk: disk.clone(), ..Folder::open(data)? })
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn checkpoint_path(&self) -> PathBuf {
        self.ledger.join("checkpoint")
    }

    /// Reads the checkpoint; `None` if there is none.
    pub(super) fn checkpoint(&self) -> Result<Option<Checkpoint>, LedgerError> {
        let path = self.checkpoint_path();
        let Some(note) = read_small(&path)? else { return Ok(None) };
        let corrupt = |problem: &str| LedgerError::Corrupt {
            path: path.clone(),
            offset: 0,
            problem: problem.to_owned(),
        };
        let checkpoint = Checkpoint::parse(&note).map_err(corrupt)?;
        if !is_origin_of(&self.cluster, &checkpoint.origin) {
            return Err(corrupt("this is the checkpoint of another ledger"));
        }
        Ok(Some(checkpoint))
    }
}

pub(super) fn key_error(path: &Path, problem: &str) -> LedgerError {
    LedgerError::Key { path: path.to_owned(), problem: problem.to_owned() }
}

impl VerifierKey {
    /// Reads the public key that a data folder holds. It proves nothing to somebody who did not have its
    /// fingerprint beforehand.
    ///
    /// # Errors
    /// The file is missing, unreadable or no key.
    pub fn of_folder(data: &Path) -> Result<VerifierKey, LedgerError> {
        let path = data.join("keys/verifier.key");
        let text =
            read_small(&path)?.ok_or_else(|| key_error(&path, "the verifier key is missing"))?;
        text.parse().map_err(|problem| key_error(&path, problem))
    }
}

/// The lock of the one writer, held as long as this lives and never longer than the process.
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    /// Closing the file would not do: a process that another thread has just forked holds the same lock until it
    /// becomes another program, and whoever opens the folder next would be turned away.
    fn drop(&mut self) {
        // If it cannot be given back, closing the file does it.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

impl Lock {
    /// Takes the lock of a data folder, for work that leaves the ledger as it is.
    ///
    /// # Errors
    /// Another process holds it, or the operating system refuses.
    pub fn take(data: &Path) -> Result<Lock, LedgerError> {
        let path = data.join("lock");
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .at("open", &path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                let _ = (&file).take(20).read_to_string(&mut pid).at("read", &path)?;
                let holder = Holder { pid: pid.trim().parse().ok() };
                return Err(LedgerError::Locked { data: data.to_owned(), holder });
            }
            Err(error) => return Err(io::Error::from(error)).at("lock", &path),
        }
        file.set_len(0).at("write", &path)?;
        writeln!(file, "{}", std::process::id()).at("write", &path)?;
        Ok(Lock { file })
    }
}

/// Reads a small text file; `None` if there is none.
fn read_small(path: &Path) -> Result<Option<String>, LedgerError> {
    read_at_most(path, NOTE_BYTES_MAX)
}

/// Reads the first bytes of a text file; `None` if there is none.
pub(super) fn read_at_most(path: &Path, bytes: u64) -> Result<Option<String>, LedgerError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.at("open", path)?,
    };
    let mut text = String::new();
    file.take(bytes).read_to_string(&mut text).at("read", path)?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_forked_meanwhile_does_not_go_on_to_hold_the_lock() {
        let data = tempfile::tempdir().expect("a folder");
        let lock = Lock::take(data.path()).expect("nobody holds it");
        // As a forked process has it before it becomes another program.
        let inherited = lock.file.try_clone().expect("a descriptor");
        drop(lock);
        Lock::take(data.path()).expect("it was given back");
        drop(inherited);
    }
}
