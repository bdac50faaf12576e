//! A secrets server as far as heartbeats and counters see it: it refuses every read, writes two lines
//! about it into its audit file, and counts them. It can be made to lose lines.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A running one; it ends with the test's process.
#[derive(Clone)]
pub(crate) struct FakeServer {
    /// `http://127.0.0.1:PORT`.
    pub(crate) address: String,
    shared: Arc<Shared>,
}

struct Shared {
    log: PathBuf,
    lose: AtomicBool,
    requests: AtomicU64,
    /// Held while lines are counted and written, as a server's audit device does.
    writing: Mutex<()>,
}

impl FakeServer {
    /// Starts it on a free port.
    pub(crate) fn start(log: &Path) -> FakeServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            log: log.to_owned(),
            lose: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            writing: Mutex::new(()),
        });
        let server = FakeServer { address, shared };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(&stream));
            }
        });
        server
    }

    /// From now on lines are counted and not written, or written again.
    pub(crate) fn lose(&self, lose: bool) {
        self.shared.lose.store(lose, Ordering::SeqCst);
    }

    /// Somebody's read is counted and not written, and nobody else's.
    pub(crate) fn lose_one(&self) {
        let _writing = self.shared.writing.lock().unwrap();
        self.shared.requests.fetch_add(1, Ordering::SeqCst);
    }

    /// Somebody's read of this path is refused.
    pub(crate) fn refuse(&self, path: &str) {
        let _writing = self.shared.writing.lock().unwrap();
        let number = self.shared.requests.fetch_add(1, Ordering::SeqCst);
        if self.shared.lose.load(Ordering::SeqCst) {
            return;
        }
        let mut log = OpenOptions::new().create(true).append(true).open(&self.shared.log).unwrap();
        for kind in ["request", "response"] {
            let time = jiff::Timestamp::now();
            let line = format!(
                "{{\"time\":\"{time}\",\"type\":\"{kind}\",\"auth\":{{\"token_type\":\"default\"}},\"request\":{{\"id\":\"r-{number}\",\"operation\":\"read\",\"namespace\":{{\"id\":\"root\"}},\"path\":\"{path}\",\"remote_address\":\"127.0.0.1\"}},\"error\":\"permission denied\"}}\n"
            );
            log.write_all(line.as_bytes()).unwrap();
        }
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut target = String::new();
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
            if let Some(rest) = line.strip_prefix("GET /v1/") {
                rest.split(' ').next().unwrap().clone_into(&mut target);
            }
            if line == "\r\n" {
                let (status, body) = self.answer(&target);
                let mut stream = stream;
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
            line.clear();
        }
    }

    fn answer(&self, target: &str) -> (&'static str, String) {
        if target.starts_with("sys/metrics") {
            let count = self.shared.requests.load(Ordering::SeqCst);
            let text = format!(
                "process_start_time_seconds 1.79e+09\nvault_audit_log_request_count {count}\nvault_audit_log_response_count {count}\n"
            );
            return ("200 OK", text);
        }
        self.refuse(target);
        ("403 Forbidden", "{\"errors\":[\"permission denied\"]}".to_owned())
    }
}
