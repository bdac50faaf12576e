//! Where keytrail keeps its data when nobody says.

use std::path::PathBuf;

use anyhow::anyhow;

use crate::args::DataArgs;
use crate::config::Config;
use crate::failure::Failure;

impl DataArgs {
    /// Returns the folder named, or the default one.
    pub(crate) fn folder(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(default_folder)
    }

    /// Returns the folder named, else the one that this configuration names, else the default one, if a ledger stands there.
    pub(crate) fn existing_by(&self, config: Option<&Config>) -> Result<PathBuf, Failure> {
        let configured = config.and_then(|config| config.data.clone());
        DataArgs { data: self.data.clone().or(configured) }.existing()
    }

    /// Returns the folder if a ledger stands there.
    pub(crate) fn existing(&self) -> Result<PathBuf, Failure> {
        let folder = self.folder();
        if folder.join("ledger").is_dir() {
            return Ok(folder);
        }
        Err(Failure::Other(anyhow!(
            "no ledger in {}: name another data folder with -d, or fill this one with `keytrail import -d {} AUDIT-FILE`",
            folder.display(),
            folder.display()
        )))
    }
}

/// Returns systemd's state folder for a service, else the user's, else /var/lib/keytrail.
pub(crate) fn default_folder() -> PathBuf {
    let from =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(state) = from("STATE_DIRECTORY") {
        return state;
    }
    from("XDG_STATE_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".local/state")))
        .map_or_else(|| PathBuf::from("/var/lib/keytrail"), |state| state.join("keytrail"))
}

/// Returns keytrail's own cache folder, for what can be fetched again.
pub(crate) fn cache_folder() -> PathBuf {
    let from =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("XDG_CACHE_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("keytrail")
}

/// Returns this host's name, the default node.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}
