//! What people do with keytrail stands in the ledger like everything else.
//!
//! A command appends its own line if no other process writes the ledger; else it leaves it in the data folder's
//! `deeds/`, from where the process that writes takes it up.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use ingest::ledger::{Ledger, LedgerError, LedgerReader};
use ingest::own::Fact;
use ingest::pipeline::OwnLines;

use crate::data_folder::host_name;
use crate::failure::Failure;

/// A larger one is none of ours.
const BYTES_MAX: u64 = 1 << 20;

/// Returns who runs this process, as far as the operating system tells: claimed, not proven.
pub(crate) fn who() -> String {
    let user = rustix::process::getuid().as_raw();
    let names = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = names.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(user)).then(|| name.to_owned())
    });
    format!("os:{}@{}", name.unwrap_or_else(|| user.to_string()), host_name())
}

/// Records what is about to be done.
///
/// # Errors
/// It cannot be recorded, so it must not be done. A copy without its signing key takes nothing up, as an auditor has
/// it: there it is only said that nothing is recorded.
pub(crate) fn record(data: &Path, fact: Fact) -> Result<(), Failure> {
    // Such a copy may stand where nothing can be written at all.
    if !data.join("keys/signing.key").exists() {
        eprintln!("this data folder has no signing key: what you do here is not recorded in it");
        return Ok(());
    }
    let cluster = LedgerReader::open(data)?.cluster().to_owned();
    match Ledger::open(data, &cluster) {
        Ok(mut ledger) => Ok(ingest::custody::append(&mut ledger, fact)?),
        Err(LedgerError::Locked { .. }) => Ok(leave(data, &fact)?),
        Err(error) => Err(error.into()),
    }
}

/// Like [`record`]; where there is no ledger yet, the line waits for the process that makes one.
///
/// # Errors
/// As [`record`].
pub(crate) fn record_or_leave(data: &Path, fact: Fact) -> Result<(), Failure> {
    match data.join("ledger").exists() {
        true => record(data, fact),
        false => Ok(leave(data, &fact)?),
    }
}

fn folder(data: &Path) -> PathBuf {
    data.join("deeds")
}

/// Leaves a line for the process that writes the ledger.
fn leave(data: &Path, fact: &Fact) -> anyhow::Result<()> {
    let folder = folder(data);
    if let Err(error) = fs::create_dir(&folder)
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(error).with_context(|| format!("cannot make {}", folder.display()));
    }
    // Created with mode 0600, and renamed when it is whole.
    let mut file = tempfile::NamedTempFile::new_in(&folder)
        .with_context(|| format!("cannot write into {}", folder.display()))?;
    file.write_all(&serde_json::to_vec(fact)?)?;
    file.as_file().sync_all()?;
    let name = file.path().with_extension("json");
    file.persist(name)?;
    Ok(())
}

/// Takes up what commands have left. What cannot be taken up now is tried again.
pub(crate) fn take_up(data: &Path, own: &OwnLines) {
    // Two at once would take up the same line.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    // Mostly there is no such folder.
    let Ok(entries) = fs::read_dir(folder(data)) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let read = || -> anyhow::Result<Fact> {
            let length = fs::metadata(&path)?.len();
            anyhow::ensure!(length <= BYTES_MAX, "it has {length} bytes");
            let fact: Fact = serde_json::from_slice(&fs::read(&path)?)?;
            anyhow::ensure!(fact.is_deed(), "it is no deed of a person");
            Ok(fact)
        };
        match read() {
            Ok(fact) if own.offer(fact.clone()) => drop(fs::remove_file(&path)),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!("{} is put aside as .refused: {error:#}", path.display());
                // Once is enough to be told of it.
                drop(fs::rename(&path, path.with_extension("refused")));
            }
        }
    }
}
