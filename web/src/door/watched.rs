//! The accounts as a running process sees them: read anew when the file changes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{error, info};

use super::accounts::{Accounts, AccountsError};

/// What tells one content of the file from another: it is never written in place.
type Stamp = Option<(u64, u64, i64, i64)>;

/// The accounts, or why they cannot be read.
type Read = Result<Arc<Accounts>, String>;

/// The accounts of a data folder.
pub(crate) struct Watched {
    data: PathBuf,
    known: Mutex<Option<(Stamp, Read)>>,
}

impl Watched {
    pub(crate) fn new(data: PathBuf) -> Watched {
        Watched { data, known: Mutex::new(None) }
    }

    /// Returns the accounts as they are now.
    ///
    /// # Errors
    /// They cannot be read. That is not the same as that there are none: nobody is let in.
    pub(crate) fn now(&self) -> Read {
        let stamp = fs::metadata(Accounts::path(&self.data))
            .ok()
            .map(|of| (of.ino(), of.size(), of.mtime(), of.mtime_nsec()));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, accounts)) = &*known
            && *of == stamp
        {
            return accounts.clone();
        }
        let accounts = Accounts::read(&self.data).map(Arc::new);
        match &accounts {
            Ok(accounts) => info!(
                users = accounts.users.len(),
                tokens = accounts.tokens.len(),
                "users and tokens are read"
            ),
            Err(problem) => error!("nobody can sign in: {problem}"),
        }
        let accounts = accounts.map_err(|error: AccountsError| error.to_string());
        *known = Some((stamp, accounts.clone()));
        accounts
    }
}
