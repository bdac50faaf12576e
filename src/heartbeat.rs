//! Heartbeats: numbered reads that a server has to write into its log, and its counters between them.
//!
//! What was sent and answered goes into the ledger as own lines, a few at a time; the indexer looks for the
//! numbers in the log, see [`ingest::coverage`]. Nothing here waits for the tail, and the tail for nothing here.

use std::time::Duration;

use anyhow::{Context, Result};
use ingest::coverage::heartbeat_path;
use ingest::own::{Beat, Fact};
use ingest::pipeline::OwnLines;
use ingest::record::now_unix_ns;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::config::ServerConfig;
use crate::outside::chain;
use crate::outside::server::SecretsServer;

/// Beats that one own line tells of: one line every few beats costs little and says little late.
const BEATS_PER_LINE: u32 = 10;
/// Beats that are kept while the ledger takes no lines; then the oldest go, and prove nothing.
const BEATS_KEPT: usize = 100;

/// The heartbeats of all configured servers, until stopped.
pub(crate) struct Heartbeats {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Heartbeats {
    /// Begins to send.
    ///
    /// # Errors
    /// A CA file cannot be read; there is no random number to be had.
    pub(crate) fn start(servers: &[ServerConfig], own: &OwnLines) -> Result<Heartbeats> {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Vec::new();
        for config in servers {
            let Some(every) = config.heartbeat else { continue };
            let server = config.client()?;
            let mut heart = Heart {
                server,
                sources: config.sources.clone(),
                run: random_run()?,
                every,
                counters: config.counters,
                own: own.clone(),
                number: 0,
                unsaid: Vec::new(),
                counted: None,
                trouble: [None, None],
            };
            let mut stopped = stopped.clone();
            tasks.push(tokio::spawn(async move {
                tokio::select! {
                    () = heart.beat() => {}
                    _ = stopped.changed() => {}
                }
                heart.say();
            }));
        }
        Ok(Heartbeats { stop, tasks })
    }

    /// Stops sending, after what was sent has been said.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            // Its panic has told for itself.
            let _ = task.await;
        }
    }
}

/// The heartbeat of one server.
struct Heart {
    server: SecretsServer,
    sources: Vec<String>,
    run: String,
    every: Duration,
    counters: bool,
    own: OwnLines,
    number: u64,
    /// Answered, and not told to the ledger.
    unsaid: Vec<Beat>,
    counted: Option<Fact>,
    /// What went wrong last, of heartbeats and of counters, so that it is said once.
    trouble: [Option<String>; 2],
}

impl Heart {
    /// Sends for ever.
    async fn beat(&mut self) {
        let patience = self.patience();
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first is said at once: from then on the run's name is known, and foreign ones are told from it.
        let mut said = Instant::now() - patience;
        loop {
            ticks.tick().await;
            self.send().await;
            if said.elapsed() >= patience && !self.unsaid.is_empty() {
                if self.counters {
                    self.count().await;
                }
                self.say();
                said = Instant::now();
            }
        }
    }

    /// How long beats are gathered for one line, and after which a beat that is not in the log is missing.
    fn patience(&self) -> Duration {
        (self.every * BEATS_PER_LINE).clamp(Duration::from_secs(2), Duration::from_secs(60))
    }

    async fn send(&mut self) -> bool {
        self.number += 1;
        let sent_unix_ns = now_unix_ns();
        let sent = self.server.heartbeat(&heartbeat_path(&self.run, self.number)).await;
        let is_answered = sent.is_ok();
        if is_answered {
            if self.unsaid.len() == BEATS_KEPT {
                self.unsaid.remove(0);
            }
            self.unsaid.push(Beat { number: self.number, sent_unix_ns });
        }
        self.troubled(0, "heartbeat", sent.err());
        is_answered
    }

    /// Reads the counters between the last heartbeat and another one.
    async fn count(&mut self) {
        let before = self.number;
        if self.unsaid.last().is_none_or(|beat| beat.number != before) {
            return;
        }
        match self.server.counters().await {
            Ok(counters) => {
                if self.send().await {
                    self.counted = Some(Fact::Counters {
                        sources: self.sources.clone(),
                        run: self.run.clone(),
                        before,
                        after: self.number,
                        server_started_ms: counters.server_started_ms,
                        requests: counters.requests,
                        responses: counters.responses,
                    });
                }
                self.troubled(1, "counters", None);
            }
            Err(error) => self.troubled(1, "counters", Some(error)),
        }
    }

    /// Tells the ledger what was sent and read; what it does not take is told next time.
    fn say(&mut self) {
        if self.unsaid.is_empty() {
            return;
        }
        let said = self.own.offer(Fact::Heartbeats {
            sources: self.sources.clone(),
            run: self.run.clone(),
            beats: self.unsaid.clone(),
            overdue_ns: i64::try_from(self.patience().as_nanos()).unwrap_or(i64::MAX),
        });
        if said {
            self.unsaid.clear();
            // After its heartbeats, which it names.
            self.counted.take().map(|fact| self.own.offer(fact));
        }
    }

    fn troubled(&mut self, which: usize, what: &str, error: Option<anyhow::Error>) {
        let address = self.server.address();
        let now = error.as_ref().map(chain);
        match (&self.trouble[which], &now) {
            (last, Some(text)) if last.as_ref() != Some(text) => {
                tracing::warn!(server = address, "no {what}: {text}");
            }
            (Some(_), None) => tracing::info!(server = address, "{what} again"),
            _ => {}
        }
        self.trouble[which] = now;
    }
}

/// Returns sixteen random hex digits: nobody can write this run's numbers into a log before us.
fn random_run() -> Result<String> {
    let random = getrandom::u64().context("no random number")?;
    Ok(format!("{random:016x}"))
}
