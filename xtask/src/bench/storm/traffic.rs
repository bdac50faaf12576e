//! A log that is written while it is followed, and who looks for what was written last.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

/// Lines that are written each second.
pub(super) const LINES_PER_SECOND: usize = 5_000;
/// Writes a second.
const WRITES_PER_SECOND: u32 = 20;
/// How long what was written is looked for.
const FOUND_WITHIN: Duration = Duration::from_secs(30);

/// Copies lines; returns the last one's request id.
pub(super) fn write_lines(
    source: &mut impl Iterator<Item = std::io::Result<Vec<u8>>>,
    file: &mut File,
    count: usize,
) -> Result<String> {
    let (mut bytes, mut last) = (Vec::new(), Vec::new());
    for _ in 0..count {
        last = source.next().context("the generated log is too short")??;
        bytes.extend_from_slice(&last);
        bytes.push(b'\n');
        if bytes.len() > 1 << 20 {
            file.write_all(&bytes)?;
            bytes.clear();
        }
    }
    file.write_all(&bytes)?;
    let line: serde_json::Value = serde_json::from_slice(&last)?;
    Ok(line["request"]["id"].as_str().context("a line without a request id")?.to_owned())
}

/// The log's writer: so many lines a second, however long each write takes.
pub(super) struct Writing {
    thread: JoinHandle<Result<usize>>,
    stop: Sender<()>,
    /// The request id of the line that was written last.
    written: Arc<Mutex<String>>,
}

impl Writing {
    pub(super) fn start(
        live: &Path,
        mut source: impl Iterator<Item = std::io::Result<Vec<u8>>> + Send + 'static,
    ) -> Result<Writing> {
        let mut file = OpenOptions::new().append(true).open(live)?;
        let written = Arc::new(Mutex::new(String::new()));
        let last = Arc::clone(&written);
        let (stop, stopped): (_, Receiver<()>) = channel();
        let thread = thread::spawn(move || {
            let each = LINES_PER_SECOND / WRITES_PER_SECOND as usize;
            let (start, mut writes) = (Instant::now(), 0_u32);
            loop {
                let id = write_lines(&mut source, &mut file, each)?;
                *last.lock().expect("no panic") = id;
                writes += 1;
                let next = Duration::from_secs(1) * writes / WRITES_PER_SECOND;
                if stopped.recv_timeout(next.saturating_sub(start.elapsed())).is_ok() {
                    return Ok(writes as usize * each);
                }
            }
        });
        Ok(Writing { thread, stop, written })
    }

    pub(super) fn end(self) -> Result<usize> {
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow!("the writer panicked"))?
    }

    /// Looks, over and over, how long it takes until what was written last is found.
    pub(super) fn find(&self, program: &Path, data: &Path) -> Finding {
        let (program, data) = (program.to_owned(), data.to_owned());
        let written = Arc::clone(&self.written);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut lags = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_secs(2));
                let id = written.lock().expect("no panic").clone();
                let start = Instant::now();
                loop {
                    let found = Command::new(&program)
                        .args(["search", "--all", "--limit", "1", "--format", "csv", "-d"])
                        .arg(&data)
                        .arg(format!("request:{id}"))
                        .output()?;
                    // A head, and the event.
                    if found.stdout.iter().filter(|byte| **byte == b'\n').count() > 1 {
                        break;
                    }
                    if start.elapsed() > FOUND_WITHIN {
                        bail!("request {id} was not found in {:?}", start.elapsed());
                    }
                }
                lags.push(start.elapsed());
            }
            Ok(lags)
        });
        Finding { thread, stop }
    }
}

/// Who looks.
pub(super) struct Finding {
    thread: JoinHandle<Result<Vec<Duration>>>,
    stop: Arc<AtomicBool>,
}

impl Finding {
    pub(super) fn end(self) -> Result<Vec<Duration>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the finder panicked"))?
    }
}
