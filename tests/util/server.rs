//! `keytrail run`, started by a test and ended with it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::util::{DEADLINE, Data, keytrail, until};

/// A running keytrail; dropping it kills it as `kill -9` would.
pub(crate) struct Server {
    child: Child,
    /// Where its pages are: `127.0.0.1:PORT`.
    pub(crate) address: String,
    said: Arc<Mutex<String>>,
}

impl Server {
    /// Follows `c/n/file` in this audit file, which need not exist yet.
    pub(crate) fn follow(data: &Data, audit_log: &Path) -> Server {
        let path = audit_log.to_str().unwrap();
        Server::start(data, &["--audit-log", path, "--cluster", "c", "--node", "n"])
    }

    /// Starts `keytrail run` on a data folder and waits until its pages can be asked for.
    pub(crate) fn start(data: &Data, arguments: &[&str]) -> Server {
        Server::start_as(keytrail(), data, arguments)
    }

    /// Like [`Server::start`], with a command whose environment was prepared.
    pub(crate) fn start_as(mut command: Command, data: &Data, arguments: &[&str]) -> Server {
        command
            .arg("run")
            .arg("-d")
            .arg(data.path())
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (found, address) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let heard = Arc::clone(&said);
        // Reads to the end, so that the program never waits for a full pipe.
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let url =
                    line.split_once("dashboard on ").and_then(|(_, url)| url.split_once("://"));
                if let Some((_, url)) = url {
                    // Nobody listens any more once the address is known.
                    let _ = found.send(url.trim_end_matches('/').to_owned());
                }
                let mut heard = heard.lock().expect("no reader panics");
                heard.push_str(&line);
                heard.push('\n');
            }
        });
        match address.recv_timeout(DEADLINE) {
            Ok(address) => {
                let parsed: SocketAddr = address
                    .parse()
                    .unwrap_or_else(|_| panic!("{address:?} is no address with a port"));
                assert!(
                    parsed.ip().is_loopback() && parsed.port() != 0,
                    "{parsed} is not a real loopback address"
                );
                Server { child, address, said }
            }
            Err(error @ (RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)) => {
                let _ = child.kill();
                let _ = child.wait();
                panic!(
                    "{command:?} named no address ({error}); it said:\n{}",
                    said.lock().unwrap()
                );
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns what it has said on standard error so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said this on standard error, which reaches us a moment later.
    pub(crate) fn says(&self, what: &str) {
        until(&format!("it says {what:?}"), DEADLINE, || self.said().contains(what).then_some(()));
    }

    /// Tells whether it has this file open.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        let Ok(wanted) = fs::metadata(path) else { return false };
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        // A descriptor may be closed between the two looks.
        open.flatten()
            .filter_map(|descriptor| fs::metadata(descriptor.path()).ok())
            .any(|file| (file.dev(), file.ino()) == (wanted.dev(), wanted.ino()))
    }

    /// Asks it to read its configuration again.
    pub(crate) fn hang_up(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    /// Asks it to end, as a service manager does, and waits until it has.
    pub(crate) fn terminate(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let (status, _) = until("it has ended", DEADLINE, || self.child.try_wait().unwrap());
        assert!(status.success(), "it ended with {status}:\n{}", self.said());
    }

    /// Waits until it ends by itself; returns its exit code and what it said.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let (status, _) = until("it has ended", DEADLINE, || self.child.try_wait().unwrap());
        (status.code(), self.said())
    }

    /// `kill -9`, at once.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        let said = self.said();
        assert!(
            thread::panicking() || !said.contains("panicked at"),
            "keytrail run panicked:\n{said}"
        );
    }
}
