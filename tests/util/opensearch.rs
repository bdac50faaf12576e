//! A real OpenSearch, one node, started by a test and ended with it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::util::{free_address, until};

/// It unpacks its modules when it starts.
const STARTS_WITHIN: Duration = Duration::from_secs(300);

/// A running one.
pub(crate) struct OpenSearch {
    child: Child,
    folder: PathBuf,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl OpenSearch {
    /// Starts one that keeps its files in this folder.
    pub(crate) fn start(folder: &Path) -> OpenSearch {
        let address = free_address();
        let child = run(folder, &address);
        let cluster = OpenSearch { child, folder: folder.to_owned(), address };
        cluster.is_up();
        cluster
    }

    /// `kill -9`, and another one in its place.
    pub(crate) fn kill_and_start(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = run(&self.folder, &self.address);
        self.is_up();
    }

    fn is_up(&self) {
        until("OpenSearch starts", STARTS_WITHIN, || {
            let answer = self.try_ask("GET", "/_cluster/health", "").ok()?;
            (answer.0 == 200).then_some(())
        });
    }

    /// Asks it something, and returns its answer.
    pub(crate) fn ask(&self, method: &str, target: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, said) = self.try_ask(method, target, &body).unwrap();
        assert!((200..300).contains(&status), "{method} {target}: {status} {said}");
        serde_json::from_str(&said).unwrap()
    }

    fn try_ask(&self, method: &str, target: &str, body: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address)?;
        let length = body.len();
        // By HTTP/1.0 an answer is one piece.
        let request = format!(
            "{method} {target} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            self.address
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, said) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.unwrap_or(0), said.to_owned()))
    }
}

impl Drop for OpenSearch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(folder: &Path, address: &str) -> Child {
    let named = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.unwrap_or_else(|| panic!("{name} is not set: `cargo xtask test --full`"))
    };
    let port = |address: &str| address.split_once(':').unwrap().1.to_owned();
    Command::new(named("KEYTRAIL_OPENSEARCH_JAVA"))
        .args(["-Xmx1g", "-cp"])
        .arg(named("KEYTRAIL_OPENSEARCH_JARS").join("*"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/opensearch/Node.java"))
        .arg(folder)
        .args([port(address), port(&free_address())])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
