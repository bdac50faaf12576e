//! A PostgreSQL server for the walk-through's dynamic credentials, if this machine has its programs.
//!
//! It lives in a folder of its own, listens on one loopback port only, and keeps nothing: its data
//! are not even flushed. PostgreSQL refuses to run as root, so root hands it to the user `postgres`
//! or `nobody`.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::process::Command;

use super::child::Child;
use super::{free_port, random};

/// The server's own administrator, whose password only OpenBao is told.
pub(crate) const ADMINISTRATOR: &str = "keytrail";

/// How long it may take from start to readiness.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the demo's application finds: a table, and a role that may read it.
const TABLES: &str = "CREATE TABLE orders (id int PRIMARY KEY, total numeric);
INSERT INTO orders VALUES (1, 10.5), (2, 20);
CREATE ROLE readonly;
GRANT SELECT ON orders TO readonly;
";

/// A running server.
pub(crate) struct Postgres {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    /// The administrator's password.
    pub(crate) password: String,
    /// The process.
    pub(crate) child: Child,
}

impl Postgres {
    /// Sets up a server in the new folder `folder` and starts it.
    ///
    /// # Errors
    /// There are no PostgreSQL programs, or they do not work here; the demo goes on without.
    pub(crate) async fn start(folder: &Path) -> Result<Postgres> {
        let Some(programs) = programs(std::env::var_os("PATH").as_deref()) else {
            bail!("no PostgreSQL server programs (initdb, postgres) on this machine");
        };
        let user = user_to_be()?;
        fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let password = random::secret()?;
        let password_file = folder.join("password");
        fs::write(&password_file, &password)?;
        fs::set_permissions(&password_file, Permissions::from_mode(0o600))?;
        if let Some((uid, gid)) = user {
            chown(folder, Some(uid), Some(gid))?;
            chown(&password_file, Some(uid), Some(gid))?;
        }
        let command = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command
                .current_dir(folder)
                .env_clear()
                .env("PATH", &programs)
                .env("LC_ALL", "C")
                .kill_on_drop(true);
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command
        };

        let mut initdb = command("initdb");
        initdb.args([
            "-D",
            "data",
            "-U",
            ADMINISTRATOR,
            "-A",
            "scram-sha-256",
            "--pwfile=password",
        ]);
        initdb.args(["-E", "UTF8", "--locale=C", "--no-sync"]);
        run(&mut initdb, Stdio::null()).await?;
        fs::remove_file(&password_file)?;
        // In single-user mode a server executes statements before it listens to anybody; one a line.
        let mut single = command("postgres");
        single.args(["--single", "-D", "data", "-c", "fsync=off", "postgres"]);
        let statements = folder.join("tables.sql");
        fs::write(&statements, TABLES)?;
        run(&mut single, File::open(statements)?.into()).await?;

        let port = free_port()?;
        let mut server = command("postgres");
        server.args([
            "-D",
            "data",
            "-c",
            &format!("port={port}"),
            "-c",
            "listen_addresses=127.0.0.1",
        ]);
        server.args([
            "-c",
            "unix_socket_directories=",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=20",
        ]);
        let log = folder.join("postgres.log");
        let mut child = Child::start(&mut server, &log, Signal::INT)?;
        let started = Instant::now();
        while !is_ready(&folder.join("data/postmaster.pid")) {
            if let Some(status) = child.ended()? {
                bail!("postgres ended with {status}: {}", super::last_line(&log));
            }
            if started.elapsed() > PATIENCE {
                bail!(
                    "postgres is not ready after {} s: {}",
                    PATIENCE.as_secs(),
                    super::last_line(&log)
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Postgres { port, password, child })
    }
}

/// Runs a program to its end.
async fn run(command: &mut Command, input: Stdio) -> Result<()> {
    let name = command.as_std().get_program().display().to_string();
    let output =
        command.stdin(input).output().await.with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{name} ended with {}: {}",
            output.status,
            errors.trim().lines().last().unwrap_or("no word")
        );
    }
    Ok(())
}

/// Tells whether the server says that it takes connections: the eighth line of its pid file.
fn is_ready(pid_file: &Path) -> bool {
    fs::read_to_string(pid_file)
        .is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"))
}

/// Returns the folder that holds both programs: on PATH, else where distributions hide them, newest
/// version first.
fn programs(path: Option<&OsStr>) -> Option<PathBuf> {
    let on_path =
        path.into_iter().flat_map(std::env::split_paths).filter(|folder| folder.is_absolute());
    let hidden = ["/usr/lib/postgresql", "/usr", "/opt/homebrew/opt", "/usr/local/opt"]
        .into_iter()
        .flat_map(|root| {
            let mut versions: Vec<_> = fs::read_dir(root)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| {
                    root.ends_with("postgresql")
                        || entry.file_name().to_string_lossy().starts_with("p")
                })
                .map(|entry| entry.path().join("bin"))
                .collect();
            versions.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
            versions
        });
    on_path
        .chain(hidden)
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// Returns the number in a folder's name: 15 of `/usr/lib/postgresql/15/bin` and `postgresql@15/bin`.
fn version(folder: &Path) -> u32 {
    let digits: String = folder.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// Returns whose user and group the server is to run as, if we are root.
fn user_to_be() -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    match ["postgres", "nobody"].into_iter().find_map(|name| ids(&users, name)) {
        Some(ids) => Ok(Some(ids)),
        None => bail!(
            "PostgreSQL does not run as root, and there is neither a user postgres nor nobody"
        ),
    }
}

/// Returns user and group of `name` from the text of /etc/passwd.
fn ids(users: &str, name: &str) -> Option<(u32, u32)> {
    users.lines().find_map(|line| match line.split(':').collect::<Vec<_>>()[..] {
        [user, _, uid, gid, ..] if user == name => Some((uid.parse().ok()?, gid.parse().ok()?)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\npostgres:x:103:109::/var/lib/postgresql:/bin/bash\nodd\n";
        assert_eq!(ids(users, "postgres"), Some((103, 109)));
        assert_eq!(ids(users, "nobody"), None);
    }

    #[test]
    fn programs_are_taken_from_path_only_if_both_are_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let (half, whole) = (folder.path().join("half"), folder.path().join("whole"));
        for file in [half.join("postgres"), whole.join("postgres"), whole.join("initdb")] {
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, "").expect("a file");
        }
        let path = std::env::join_paths([&half, &whole]).expect("a path");
        assert_eq!(programs(Some(&path)), Some(whole));
    }

    #[test]
    fn the_newest_version_comes_first() {
        assert!(
            version(Path::new("/usr/lib/postgresql/15/bin"))
                > version(Path::new("/usr/lib/postgresql/9/bin"))
        );
    }
}
