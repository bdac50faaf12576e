//! What has left the machine: `DATA/outside.json`. Only for `status` and to save asking again; what counts stands
//! outside, so the file may be lost.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What has left the machine, by place and by witness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    /// By place.
    #[serde(default)]
    pub(crate) exported: BTreeMap<String, Departure>,
    /// By the witness's name.
    #[serde(default)]
    pub(crate) cosigned: BTreeMap<String, Departure>,
}

/// The last checkpoint that a place or witness has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Departure {
    /// Its leaves.
    pub(crate) leaves: u64,
    /// When it left, RFC 3339.
    pub(crate) time: Option<String>,
    /// The note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// Why the last attempt failed.
    pub(crate) problem: Option<String>,
}

impl Left {
    /// Reads the file; what is not there or not readable is nothing.
    pub(crate) fn read(data: &Path) -> Left {
        let text = fs::read(data.join("outside.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write(&self, data: &Path) -> Result<()> {
        replace(&data.join("outside.json"), &serde_json::to_vec(self)?)
    }
}

/// Replaces a file of the data folder such that a reader sees the old or the new content.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let unfinished = path.with_added_extension("tmp");
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
    file.and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    })
    .and_then(|()| fs::rename(&unfinished, path))
    .with_context(|| format!("cannot write {}", path.display()))
}
