//! A real Keycloak, started by a test and ended with it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::util::{get_with_host, until};

/// It compiles itself anew when it starts for the first time.
const STARTS_WITHIN: Duration = Duration::from_secs(300);

/// A running Keycloak that keeps everything in memory.
pub(crate) struct Keycloak {
    child: Child,
}

/// Returns an address on which nothing listens.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

impl Keycloak {
    /// Starts one at this address with this realm.
    pub(crate) fn start(address: &str, realm: &Value) -> Keycloak {
        let home = std::env::var_os("KEYTRAIL_KEYCLOAK").map(PathBuf::from);
        let home = home.expect("KEYTRAIL_KEYCLOAK names no Keycloak: `cargo xtask test --full`");
        let name = realm["realm"].as_str().unwrap();
        let import = home.join("data/import");
        fs::create_dir_all(&import).unwrap();
        fs::write(import.join(format!("{name}-realm.json")), realm.to_string()).unwrap();
        let (_, port) = address.split_once(':').unwrap();
        let child = command(&home)
            .args(["start-dev", "--import-realm", "--db=dev-mem", "--cache=local"])
            .args(["--http-host=127.0.0.1", &format!("--http-port={port}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let keycloak = Keycloak { child };
        let target = format!("/realms/{name}/.well-known/openid-configuration");
        until("Keycloak starts", STARTS_WITHIN, || {
            std::net::TcpStream::connect(address).ok()?;
            (get_with_host(address, &target, address).status == 200).then_some(())
        });
        keycloak
    }
}

/// Its script starts Java, which has to end with it: both are a group of their own.
fn command(home: &Path) -> Command {
    let mut command = Command::new(home.join("bin/kc.sh"));
    command.process_group(0);
    command
}

impl Drop for Keycloak {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}
