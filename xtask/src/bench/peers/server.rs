//! A peer that serves: started on loopback, asked over HTTP, measured from outside, ended by its process id.

use std::fs::File;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ureq::{Agent, SendBody};

use crate::measure::{Cost, cpu_s, high_water_bytes};

/// How long a server may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(180);
/// How long one question or one part of the log may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(900);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 30;
/// A server rests once it takes less CPU than this share of a core for so long: longer than any of them keeps in memory
/// what belongs on disk.
const RESTING: f64 = 0.1;
const RESTING_FOR: Duration = Duration::from_secs(6);
const RESTING_WITHIN: Duration = Duration::from_secs(300);

/// A running server. It ends when this goes, however that comes about.
pub(crate) struct Server {
    child: Child,
    base: String,
    agent: Agent,
    said: PathBuf,
}

impl Server {
    /// Starts a server that was told this port, and waits until it answers `ready` with success. What it says goes
    /// into the file `said`.
    pub(crate) fn start(
        command: &mut Command,
        port: u16,
        ready: &str,
        said: &Path,
    ) -> Result<Server> {
        let out = File::create(said)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::from(out.try_clone()?))
            .stderr(Stdio::from(out))
            .spawn()
            .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        let config =
            Agent::config_builder().timeout_global(Some(ANSWER_WITHIN)).proxy(None).build();
        let base = format!("http://127.0.0.1:{port}");
        let mut server = Server { child, base, agent: config.into(), said: said.to_owned() };
        let start = Instant::now();
        while server.get(ready, &[]).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("it ended before it served ({status}); it said, last: {}", server.last());
            }
            if start.elapsed() > READY_WITHIN {
                bail!(
                    "it did not answer within {READY_WITHIN:?}; it said, last: {}",
                    server.last()
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// Returns the last line that the server said.
    fn last(&self) -> String {
        let said = std::fs::read_to_string(&self.said).unwrap_or_default();
        said.lines().last().unwrap_or("nothing").to_owned()
    }

    pub(crate) fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<String> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let answer = request.query_pairs(query.iter().copied()).call();
        let answer = answer.with_context(|| format!("GET {path} failed"))?;
        read(answer.into_body())
    }

    pub(super) fn post(&self, path: &str, kind: &str, body: impl Read) -> Result<String> {
        self.send(self.agent.post(format!("{}{path}", self.base)), path, kind, body)
    }

    pub(super) fn put(&self, path: &str, kind: &str, body: impl Read) -> Result<String> {
        self.send(self.agent.put(format!("{}{path}", self.base)), path, kind, body)
    }

    fn send(
        &self,
        request: ureq::RequestBuilder<ureq::typestate::WithBody>,
        path: &str,
        kind: &str,
        mut body: impl Read,
    ) -> Result<String> {
        let answer = request.content_type(kind).send(SendBody::from_reader(&mut body));
        let answer = answer.with_context(|| format!("sending to {path} failed"))?;
        read(answer.into_body())
    }

    /// Does something, and returns what it cost the server.
    pub(super) fn measured<T>(&self, run: impl FnOnce() -> Result<T>) -> Result<(Cost, T)> {
        let (start, before) = (Instant::now(), self.cpu_s()?);
        let done = run()?;
        let elapsed_s = start.elapsed().as_secs_f64();
        let memory_bytes = high_water_bytes(self.child.id()).context("the server has ended")?;
        Ok((Cost { elapsed_s, cpu_s: self.cpu_s()? - before, memory_bytes }, done))
    }

    /// Returns the CPU time since the server was started, in seconds.
    pub(crate) fn cpu_s(&self) -> Result<f64> {
        cpu_s(self.child.id()).context("the server has ended")
    }

    /// Waits until the server rests from what it does by itself, such as merging.
    pub(crate) fn settle(&self) -> Result<()> {
        let start = Instant::now();
        loop {
            let before = self.cpu_s()?;
            thread::sleep(RESTING_FOR);
            if self.cpu_s()? - before < RESTING * RESTING_FOR.as_secs_f64() {
                return Ok(());
            }
            if start.elapsed() > RESTING_WITHIN {
                bail!("it did not rest within {RESTING_WITHIN:?}");
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(body: ureq::Body) -> Result<String> {
    Ok(body.into_with_config().limit(ANSWER_BYTES_MAX).read_to_string()?)
}

/// Returns a port of loopback that nobody listened on a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
