//! moto: S3 by other people's code, which keeps objects in memory; started by a test and ended with it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use crate::util::{DEADLINE, free_address, python, tools_required, until};

/// A running one.
pub(crate) struct Moto {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Moto {
    /// Starts one with a bucket; none where moto is not installed.
    pub(crate) fn start(bucket: &str) -> Option<Moto> {
        let imports = python().args(["-c", "import moto.server, flask"]).output();
        if !imports.is_ok_and(|output| output.status.success()) {
            assert!(!tools_required(), "no moto for Python");
            eprintln!("no moto: nothing was checked; `cargo xtask test` installs it");
            return None;
        }
        let address = free_address();
        let moto = Moto { child: run(&address), address };
        moto.has_bucket(bucket);
        Some(moto)
    }

    /// Ends it by `kill -9` and starts it anew at its address: it has forgotten everything but a bucket.
    pub(crate) fn forget(&mut self, bucket: &str) {
        self.end();
        self.child = run(&self.address);
        self.has_bucket(bucket);
    }

    /// Makes a bucket, when it is up.
    fn has_bucket(&self, bucket: &str) {
        until("moto has a bucket", DEADLINE, || {
            let mut stream = TcpStream::connect(&self.address).ok()?;
            let put = format!(
                "PUT /{bucket} HTTP/1.0\r\nHost: {}\r\nContent-Length: 0\r\n\r\n",
                self.address
            );
            stream.write_all(put.as_bytes()).ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            answer.split(' ').nth(1).is_some_and(|status| status == "200").then_some(())
        });
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.end();
    }
}

fn run(address: &str) -> Child {
    let (host, port) = address.split_once(':').unwrap();
    let mut moto = python();
    moto.args(["-m", "moto.server", "-H", host, "-p", port]);
    moto.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
