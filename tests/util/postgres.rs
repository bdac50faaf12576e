//! A real PostgreSQL, started by a test and ended with it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::util::{DEADLINE, Run, until};

/// A running server whose administrator is `admin`, and that logs connections.
pub(crate) struct Postgres {
    child: Child,
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    /// Its own log.
    pub(crate) log: PathBuf,
}

impl Postgres {
    /// Starts one in this new folder, with this password for `admin`.
    pub(crate) fn start(folder: &Path, password: &str) -> Postgres {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("password"), password).unwrap();
        // It does not run as root.
        let command = |program: &str| {
            let mut command = match rustix::process::geteuid().is_root() {
                true => {
                    let mut command = Command::new("runuser");
                    command.args(["-u", "postgres", "--"]).arg(programs().join(program));
                    command
                }
                false => Command::new(programs().join(program)),
            };
            command.current_dir(folder).env("LC_ALL", "C");
            command
        };
        if rustix::process::geteuid().is_root() {
            Run::of(Command::new("chown").args(["-R", "postgres"]).arg(folder)).expect(0);
        }
        let mut initdb = command("initdb");
        initdb.args(["-D", "data", "-U", "admin", "-A", "scram-sha-256", "--pwfile=password"]);
        Run::of(initdb.args(["-E", "UTF8", "--no-sync"])).expect(0);
        fs::remove_file(folder.join("password")).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let log = folder.join("postgres.log");
        let mut server = command("postgres");
        server.args(["-D", "data", "-p", &port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "log_connections=on",
            "log_line_prefix=%m %u@%d ",
        ] {
            server.args(["-c", setting]);
        }
        let child = server
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let postgres = Postgres { child, port, log };
        until("PostgreSQL is ready", DEADLINE, || {
            let log = fs::read_to_string(&postgres.log).unwrap();
            log.contains("ready to accept connections").then_some(())
        });
        postgres
    }

    /// Connects as a user and returns what one statement answers.
    pub(crate) fn ask(&self, user: &str, password: &str, statement: &str) -> String {
        let mut psql = Command::new(programs().join("psql"));
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-d", "postgres", "-At"])
            .args(["-c", statement])
            .env("PGUSER", user)
            .env("PGPASSWORD", password);
        Run::of(&mut psql).expect(0).text().trim().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The server itself, not what changed the user for it.
        let file = self.log.with_file_name("data").join("postmaster.pid");
        let pid = fs::read_to_string(file).ok();
        let pid = pid.and_then(|text| text.lines().next()?.trim().parse::<i32>().ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let _ = self.child.wait();
    }
}

/// Returns the folder of PostgreSQL's programs: where Debian keeps them, newest first.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    versions.retain(|folder| folder.join("initdb").is_file());
    versions.sort();
    versions.pop().expect("no PostgreSQL: apt-get install postgresql")
}
