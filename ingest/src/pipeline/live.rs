//! Indexing while files are followed: soon after each line, and not at all while there is no room.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use super::{Durable, index_dir};
use crate::index::IndexError;
use crate::indexer::{Indexer, IndexerError};
use crate::ledger::LedgerReader;
use crate::normalise::Rules;
use crate::own::OwnLine;
use crate::record::{ToLedger, now_unix_ns};
use crate::room::Room;
use crate::source::LeafIndex;
use crate::tail::StopSignal;

/// While following, what was read becomes searchable this long after the first of it.
const COMMIT_AFTER: Duration = Duration::from_millis(200);

/// With much to catch up with, what was read for so long is committed, so that who is killed over and over still gets
/// on.
const CATCH_UP_FOR: Duration = Duration::from_secs(2);

/// How often to look whether there is room.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often indexing begins again at the same place after an error of which the engine does not tell the reason.
const IN_VAIN_MAX: u32 = 10;

/// What the indexer of followed files looks at.
pub(super) struct Live {
    pub(super) durable: Arc<Durable>,
    pub(super) quiet_since: Arc<AtomicI64>,
    pub(super) to_ledger: SyncSender<ToLedger>,
    pub(super) room: Room,
    pub(super) stop: StopSignal,
}

impl Live {
    /// Indexes until the ledger is closed. When the disk is full it waits, opens the index as it was last
    /// committed, and goes on: the ledger has it all.
    pub(super) fn index_patiently(
        &self,
        data: &Path,
        indexer: Indexer,
        ledger: &LedgerReader,
    ) -> Result<(), IndexerError> {
        let dir = index_dir(data);
        let (mut began_at, mut in_vain) = (indexer.next(), 0);
        let mut result = self.index(&dir, indexer);
        loop {
            match result {
                Ok(indexer) => return indexer.finish(),
                Err(IndexerError::Index(error)) if is_full(&error) => {
                    tracing::error!("indexing stops, since the disk is full: {error}");
                }
                Err(IndexerError::Index(error)) if is_untold(&error) && in_vain < IN_VAIN_MAX => {
                    in_vain += 1;
                    tracing::error!("indexing begins again at the last commit: {error}");
                }
                Err(error) => return Err(error),
            }
            while self.lacks_room(&dir) {
                if self.stop.is_stopped() {
                    return Ok(());
                }
                self.stop.wait_for_stop(LOOK_EVERY);
            }
            self.stop.wait_for_stop(LOOK_EVERY);
            if self.stop.is_stopped() {
                return Ok(());
            }
            result = Indexer::open(&dir, ledger.clone(), Rules::builtin()).and_then(|indexer| {
                if indexer.next() > began_at {
                    (began_at, in_vain) = (indexer.next(), 0);
                }
                self.index(&dir, indexer)
            });
        }
    }

    /// Tells whether the index may not be written: a merge can take as much as all of it once more.
    fn lacks_room(&self, dir: &Path) -> bool {
        self.room.refuses(folder_bytes(dir)).is_some()
    }

    fn index(&self, dir: &Path, mut indexer: Indexer) -> Result<Indexer, IndexerError> {
        let mut commit_at: Option<Instant> = None;
        let mut ticked_until = 0;
        loop {
            let wait = commit_at
                .map_or(Duration::from_secs(1), |at| at.saturating_duration_since(Instant::now()));
            let (size, last) = self.durable.wait(indexer.next(), wait);
            if (size > indexer.next() || commit_at.is_some()) && self.lacks_room(dir) {
                if last {
                    // What is missing is made from the ledger at the next start.
                    return Ok(indexer);
                }
                self.stop.wait_for_stop(LOOK_EVERY);
                // Stopped, this returns at once, until the ledger is closed as well.
                std::thread::yield_now();
                continue;
            }
            if size > indexer.next() {
                let before = indexer.next();
                let until = commit_at.unwrap_or_else(|| Instant::now() + CATCH_UP_FOR);
                let go_on = &mut |_| Instant::now() < until;
                indexer.catch_up_to(size, go_on)?;
                if indexer.next() == before {
                    return Err(IndexerError::Vanished(LeafIndex(before)));
                }
                if indexer.has_uncommitted() {
                    commit_at.get_or_insert_with(|| Instant::now() + COMMIT_AFTER);
                }
            }
            let caught_up = indexer.next() >= size;
            if commit_at.is_some_and(|at| Instant::now() >= at) || (last && caught_up) {
                indexer.commit()?;
                commit_at = None;
                if caught_up {
                    indexer = indexer.publish()?;
                }
            }
            if last && caught_up {
                return Ok(indexer);
            }
            // Idle time counts from when everything that stood in the files had been read.
            let since = self.quiet_since.load(Ordering::Relaxed);
            if caught_up && since != 0 && ticked_until < indexer.next() {
                let due = indexer.due_ticks(now_unix_ns() - since);
                if !due.is_empty() {
                    // A tick is read back as a leaf; until then none is sent again.
                    ticked_until = indexer.next() + 1;
                }
                for fact in due {
                    let _ = self.to_ledger.try_send(ToLedger::Own(OwnLine::now(fact)));
                }
            }
        }
    }
}

/// Returns the bytes of the files in a folder; nothing for what cannot be looked at.
fn folder_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Tells whether a thread of the engine ended and took the reason with it: mostly a full disk, which may have
/// room again by the time one looks.
fn is_untold(error: &IndexError) -> bool {
    use tantivy::TantivyError::{ErrorInThread, Poisoned};
    matches!(error, IndexError::Engine { source: ErrorInThread(_) | Poisoned, .. })
}

/// Tells whether an error of the index comes of a full disk. Threads of the engine hand on their errors as text.
fn is_full(error: &(dyn Error + 'static)) -> bool {
    let full = rustix::io::Errno::NOSPC.raw_os_error();
    let quota = rustix::io::Errno::DQUOT.raw_os_error();
    let text = |error: &dyn Error| {
        let text = format!("{error} {error:?}");
        [full, quota].iter().any(|code| {
            text.contains(&format!("os error {code})")) || text.contains(&format!("code: {code},"))
        })
    };
    let mut next = Some(error);
    while let Some(error) = next {
        if text(error) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_known_in_whatever_shape_it_comes() {
        let io = |errno: rustix::io::Errno| std::io::Error::from(errno);
        let of = |source| IndexError::Io { action: "write", path: "index".into(), source };
        assert!(is_full(&of(io(rustix::io::Errno::NOSPC))));
        assert!(is_full(&of(io(rustix::io::Errno::DQUOT))));
        assert!(!is_full(&of(io(rustix::io::Errno::IO))));
        let told = format!("{}", io(rustix::io::Errno::NOSPC));
        let engine = IndexError::Engine {
            dir: "index".into(),
            source: tantivy::TantivyError::ErrorInThread(told),
        };
        assert!(is_full(&engine));
        let killed = IndexError::Engine {
            dir: "index".into(),
            source: tantivy::TantivyError::ErrorInThread("An index writer was killed".to_owned()),
        };
        assert!(!is_full(&killed) && is_untold(&killed));
        assert!(!is_untold(&of(io(rustix::io::Errno::IO))));
    }
}
