//! Without OpenBao: the recorded log of a real one, written out anew bit by bit.
//!
//! Every byte is as OpenBao 2.7.2 wrote it, its times included, so that what keytrail shows is true:
//! it says when things happened, not when they were replayed.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use flate2::bufread::MultiGzDecoder;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::stopped;

/// The recording's two files in the order in which the server wrote them; their folder in the source
/// tells how they were recorded.
const RECORDED: [&[u8]; 2] = [
    include_bytes!("../../fixtures/openbao-2.7.2/audit.jsonl.1.gz"),
    include_bytes!("../../fixtures/openbao-2.7.2/audit.jsonl.gz"),
];

/// Steps in a second.
const STEPS_PER_SECOND: u32 = 10;

/// How fast a log is replayed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Lines written before the first pause, so that there is something to look at.
    pub(crate) lines_at_once: usize,
    /// Lines written in each second after that; at least [`STEPS_PER_SECOND`] are.
    pub(crate) lines_per_second: u32,
}

/// Returns the recorded log line by line, each with its `\n`.
pub(crate) fn recorded_log() -> impl Iterator<Item = io::Result<Vec<u8>>> {
    let [first, second] = RECORDED.map(MultiGzDecoder::new);
    let mut log = BufReader::new(first.chain(second));
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match log.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(Ok(line)),
            Err(error) => Some(Err(error)),
        }
    })
}

/// Appends the lines to the file `target`, which is made if it is missing (mode 0600, as the server
/// makes it), until they end or `stop` says so. Returns how many were written.
///
/// # Errors
/// The lines cannot be read, or the file not be written.
pub(crate) async fn replay(
    target: &Path,
    mut lines: impl Iterator<Item = io::Result<Vec<u8>>>,
    pace: Pace,
    mut stop: watch::Receiver<bool>,
) -> Result<usize> {
    let cannot_write = || format!("cannot write {}", target.display());
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(target)
        .with_context(cannot_write)?;
    let mut written = 0;
    let mut clock = interval(Duration::from_secs(1) / STEPS_PER_SECOND);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = pace.lines_at_once;
    loop {
        for line in lines.by_ref().take(due) {
            file.write_all(&line.context("cannot read the recorded log")?)
                .with_context(cannot_write)?;
            written += 1;
            due -= 1;
        }
        if due > 0 {
            return Ok(written);
        }
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return Ok(written),
            _ = clock.tick() => due = (pace.lines_per_second / STEPS_PER_SECOND).max(1) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> impl Iterator<Item = io::Result<Vec<u8>>> {
        (0..count).map(|number| Ok(format!("line {number}\n").into_bytes()))
    }

    #[test]
    fn the_recorded_log_is_whole() {
        let lines = recorded_log().collect::<io::Result<Vec<_>>>().expect("it is compiled in");
        assert_eq!(lines.len(), 6131);
        assert!(
            lines
                .iter()
                .all(|line| line.starts_with(b"{\"time\":\"2026-") && line.ends_with(b"}\n"))
        );
    }

    #[tokio::test]
    async fn lines_come_at_their_pace_and_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("audit.log");
        let (_running, stop) = watch::channel(false);
        let started = std::time::Instant::now();
        let pace = Pace { lines_at_once: 100, lines_per_second: 200 };
        assert_eq!(replay(&target, lines(200), pace, stop).await.expect("no error"), 200);
        let text = std::fs::read_to_string(&target).expect("the file");
        assert_eq!((text.lines().count(), text.lines().last()), (200, Some("line 199")));
        // The clock's first tick comes at once: five steps of 20 lines need at least four pauses.
        assert!(started.elapsed() >= Duration::from_millis(390), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn it_stops_when_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let (tell, stop) = watch::channel(false);
        tell.send_replace(true);
        let pace = Pace { lines_at_once: 3, lines_per_second: 10 };
        let written = replay(&folder.path().join("audit.log"), lines(1_000_000), pace, stop).await;
        assert_eq!(written.expect("no error"), 3);
    }
}
