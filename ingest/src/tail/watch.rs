//! Runs the tail on its own thread: looks when the system tells of a change, and now and then anyway.
//!
//! What the system tells is only a wake-up. It is lost on network file systems, for files behind bind
//! mounts, when a queue overflows or a folder is replaced, so nothing is concluded from it, and the
//! poll finds everything by itself.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::file::FileKey;
use super::follow::Tail;
use super::item::TailItem;

/// Tells a thread to stop, and wakes it. Clones are the same signal.
#[derive(Clone, Debug, Default)]
pub struct StopSignal {
    shared: Arc<(Mutex<Flags>, Condvar)>,
}

#[derive(Debug, Default)]
struct Flags {
    stopped: bool,
    woken: bool,
}

/// Rounds are at least this far apart, so that a busy server's writes are read in batches.
const PACE: Duration = Duration::from_millis(10);
/// Where a look at all names takes long, one in so many moments is spent on it while nothing is told.
const ROUNDS_SHARE: u32 = 50;
/// But a look comes at least so often.
const POLL_MAX: Duration = Duration::from_secs(1);
/// How long to wait for room in a full channel before looking whether to stop.
const ROOM_WAIT: Duration = Duration::from_millis(5);

impl StopSignal {
    /// Returns a signal that has not been given.
    pub fn new() -> StopSignal {
        StopSignal::default()
    }

    /// Tells all who hold it to stop.
    pub fn stop(&self) {
        self.set(|flags| flags.stopped = true);
    }

    /// Ends a wait early.
    pub fn wake(&self) {
        self.set(|flags| flags.woken = true);
    }

    /// Tells whether to stop.
    pub fn is_stopped(&self) -> bool {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).stopped
    }

    fn set(&self, change: impl FnOnce(&mut Flags)) {
        change(&mut self.shared.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.1.notify_all();
    }

    /// Waits for so long, or until `done` says so; a stop always ends it.
    fn wait(&self, time: Duration, done: impl Fn(&mut Flags) -> bool) {
        let start = Instant::now();
        let mut flags = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !flags.stopped && !done(&mut flags) {
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() {
                return;
            }
            flags =
                self.shared.1.wait_timeout(flags, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn wait_for_wake(&self, time: Duration) {
        self.wait(time, |flags| std::mem::take(&mut flags.woken));
    }

    /// Waits for so long, or until the signal is given.
    pub fn wait_for_stop(&self, time: Duration) {
        self.wait(time, |_| false);
    }
}

impl Tail {
    /// Follows until the signal is given or the receiver is gone. What stands half read then is read
    /// again after the next start.
    ///
    /// A full channel makes the tail wait: the audit file is the buffer.
    pub fn run<M: From<TailItem>>(mut self, out: &SyncSender<M>, stop: &StopSignal) {
        let mut folders = Folders::new(stop);
        let mut send = |item: TailItem| send(out, stop, M::from(item));
        while !stop.is_stopped() {
            let began = Instant::now();
            folders.watch(self.folders());
            let round = self.poll_once(&mut send);
            if round.stopped {
                return;
            }
            if !round.more {
                let poll = self.options.poll.max((began.elapsed() * ROUNDS_SHARE).min(POLL_MAX));
                stop.wait_for_stop(PACE);
                stop.wait_for_wake(poll.saturating_sub(PACE));
            }
        }
    }
}

/// Sends an item; says no if the signal is given or the receiver gone.
fn send<M>(out: &SyncSender<M>, stop: &StopSignal, mut item: M) -> bool {
    loop {
        // A blocking send would not hear the signal.
        item = match out.try_send(item) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(item)) => item,
        };
        stop.wait_for_stop(ROOM_WAIT);
        if stop.is_stopped() {
            return false;
        }
    }
}

/// The watched folders.
struct Folders {
    watcher: Option<RecommendedWatcher>,
    watched: HashMap<PathBuf, FileKey>,
}

impl Folders {
    fn new(stop: &StopSignal) -> Folders {
        let wake = stop.clone();
        let watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| match event {
                // Our own looking at folders and opening of files is told too; waking for it would never end.
                Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
                Ok(_) | Err(_) => wake.wake(),
            });
        if let Err(error) = &watcher {
            tracing::warn!(
                "the system does not tell of changed files, so they are polled only: {error}"
            );
        }
        Folders { watcher: watcher.ok(), watched: HashMap::new() }
    }

    /// Watches these folders and no others. A folder that was replaced by another is watched anew.
    fn watch(&mut self, wanted: HashSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        let wanted: HashMap<PathBuf, FileKey> = wanted
            .into_iter()
            .filter_map(|folder| {
                fs::metadata(&folder).ok().map(|metadata| (folder, FileKey::of(&metadata)))
            })
            .collect();
        self.watched.retain(|folder, key| {
            let keep = wanted.get(folder) == Some(key);
            if !keep {
                // It fails for a folder that is gone, whose watch is gone too.
                let _ = watcher.unwatch(folder);
            }
            keep
        });
        for (folder, key) in wanted {
            if self.watched.contains_key(&folder) {
                continue;
            }
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), "cannot watch {}, so it is polled only: {error}", folder.display())
                }
            }
            // Not tried again at each poll: the poll does without.
            self.watched.insert(folder, key);
        }
    }
}
