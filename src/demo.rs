//! The demo: a real OpenBao with a believable life, so that keytrail has something to show.
//!
//! ```text
//! find_bao -> DemoServer::start -> set_up -> traffic     audit.log, followed live
//!     |none                           `----> record      audit.log and truth.jsonl, for tests and users
//!     v
//! replay                                                 the recorded log, written out anew
//! ```
//! Everything listens on the loopback device only, lives in folders below one that the caller names,
//! and ends with keytrail. Nothing here knows of ledger or index: the demo's only product is a file.

pub(crate) mod bao;
pub(crate) mod child;
pub(crate) mod client;
pub(crate) mod postgres;
pub(crate) mod random;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod server;
pub(crate) mod set_up;
pub(crate) mod token_review;
pub(crate) mod traffic;

use std::io::{Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context, Result};
use tokio::sync::watch;

/// Returns when the demo is to end: `true` was sent, or nobody can send it any more.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that the sender is gone.
    stop.wait_for(|&stop| stop).await.ok();
}

/// Returns a TCP port of 127.0.0.1 that is free at this moment.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

/// Returns the last line of a log, for messages, from its last 4 KiB.
fn last_line(log: &Path) -> String {
    let tail = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
        let mut tail = Vec::new();
        file.take(4096).read_to_end(&mut tail)?;
        Ok(tail)
    };
    let tail = tail().unwrap_or_default();
    String::from_utf8_lossy(&tail)
        .trim_end()
        .lines()
        .last()
        .unwrap_or("its log is empty")
        .to_owned()
}
