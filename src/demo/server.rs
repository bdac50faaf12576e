//! A real OpenBao for the demo: its configuration, its process, and the ceremony after its start.
//!
//! It keeps its secrets in memory and listens on one loopback port. Its audit device is declared in
//! the configuration, as OpenBao 2.7 wants it, so that even the initial root token's first request is
//! in the log. Unseal keys and root token are held by this process and written nowhere.
//!
//! ```text
//! DIR/openbao/   config.hcl  server.log  audit.log      mode 0700
//! DIR/postgres/  password (gone after initdb)  data/  postgres.log
//! ```
//! Both folders are removed at the end, whatever brings the end about; DIR is the caller's.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::json;
use tokio::process::Command;

use super::child::{Child, Guard};
use super::client::{Call, Client};
use super::postgres::Postgres;
use super::set_up::{self, Walkthrough};
use super::token_review::TokenReview;
use super::{free_port, last_line};

/// How long the server may take from start to readiness.
const PATIENCE: Duration = Duration::from_secs(60);

/// Another program may take a free port before the server does; then another port is tried.
const STARTS_MAX: u32 = 3;

/// A running, unsealed OpenBao. Ends, with all that belongs to it, when dropped.
pub(crate) struct DemoServer {
    /// The file that its audit device writes.
    pub(crate) audit_log: PathBuf,
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub(crate) address: String,
    /// Its version, `2.7.2`.
    pub(crate) version: String,
    pub(super) client: Client,
    pub(super) root_token: String,
    pub(super) stand_in: TokenReview,
    // Dropped in this order: should keytrail die in between, the guard still does the rest.
    server: Child,
    pub(super) postgres: Option<Postgres>,
    folders: Folders,
    guard: Guard,
}

/// The servers' folders, removed when dropped.
struct Folders([PathBuf; 2]);

impl DemoServer {
    /// Starts the program `bao` in new folders below `dir`, initialises and unseals it, and starts a
    /// PostgreSQL beside it if there is one. `say` is told what a person may want to know.
    ///
    /// As root, `dir` is made searchable for others, since PostgreSQL then runs as another user.
    ///
    /// # Errors
    /// OpenBao does not start here; the message has the last line of its log.
    pub(crate) async fn start(
        bao: &Path,
        dir: &Path,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<DemoServer> {
        let dir = fs::canonicalize(dir).with_context(|| format!("cannot use {}", dir.display()))?;
        if rustix::process::geteuid().is_root() {
            let mode = fs::metadata(&dir)?.permissions().mode();
            fs::set_permissions(&dir, Permissions::from_mode(mode | 0o011))?;
        }
        let folders = Folders([dir.join("openbao"), dir.join("postgres")]);
        let [folder, postgres_folder] = &folders.0;
        fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;

        let stand_in = TokenReview::start().await?;
        let (postgres, server) = tokio::join!(Postgres::start(postgres_folder), start(bao, folder));
        let postgres = match postgres {
            Ok(postgres) => Some(postgres),
            Err(error) => {
                say(&format!("no database credentials in this demo: {error:#}"));
                None
            }
        };
        let (server, client) = server?;
        let children: Vec<&Child> = [&server]
            .into_iter()
            .chain(postgres.as_ref().map(|postgres| &postgres.child))
            .collect();
        let guard = Guard::over(&children, [folder, postgres_folder])?;
        let root_token = initialise(&client).await?;
        let version = health(&client).await?;
        let address = client.address().to_owned();
        say(&format!("OpenBao {version} runs on {address}, unsealed"));
        let audit_log = folder.join("audit.log");
        Ok(DemoServer {
            audit_log,
            address,
            version,
            client,
            root_token,
            stand_in,
            server,
            postgres,
            folders,
            guard,
        })
    }

    /// Tells whether there is a database to give out credentials for.
    pub(crate) fn has_database(&self) -> bool {
        self.postgres.is_some()
    }

    /// Sets up the walk-through with the root token: mounts, policies, logins, first secrets.
    ///
    /// # Errors
    /// The server refused a step.
    pub(crate) async fn set_up(&self) -> Result<Walkthrough> {
        set_up::set_up(self, self.client.clone()).await
    }

    /// Ends everything and removes its folders.
    pub(crate) async fn stop(self) {
        let DemoServer { server, postgres, folders, guard, .. } = self;
        server.stop().await;
        if let Some(postgres) = postgres {
            postgres.child.stop().await;
        }
        drop(folders);
        drop(guard);
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        for folder in &self.0 {
            if let Err(error) = fs::remove_dir_all(folder)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!("cannot remove {}: {error}", folder.display());
            }
        }
    }
}

/// Starts the process and waits until it answers.
async fn start(bao: &Path, folder: &Path) -> Result<(Child, Client)> {
    let log = folder.join("server.log");
    let mut tries = 0;
    loop {
        tries += 1;
        let address = format!("127.0.0.1:{}", free_port()?);
        fs::write(folder.join("config.hcl"), configuration(&address))?;
        let mut command = Command::new(bao);
        // A clean environment: BAO_ and VAULT_ variables would change what the server does.
        command
            .args(["server", "-config=config.hcl"])
            .current_dir(folder)
            .env_clear()
            .env("HOME", folder);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let mut server = Child::start(&mut command, &log, Signal::TERM)?;
        let client = Client::new(&format!("http://{address}"))?;
        let started = Instant::now();
        loop {
            if client.send(Call::new("GET", "sys/seal-status")).await.is_ok() {
                return Ok((server, client));
            }
            if let Some(status) = server.ended()? {
                if tries < STARTS_MAX {
                    break;
                }
                bail!("bao ended with {status}: {}", last_line(&log));
            }
            if started.elapsed() > PATIENCE {
                bail!("bao does not answer after {} s: {}", PATIENCE.as_secs(), last_line(&log));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The server's configuration. Other addresses than ours come by X-Forwarded-For, which it takes
/// from the loopback device alone.
fn configuration(address: &str) -> String {
    format!(
        r#"ui = false
api_addr = "http://{address}"
cluster_name = "demo"
default_lease_ttl = "1h"
max_lease_ttl = "24h"
storage "inmem" {{}}
listener "tcp" {{
  address = "{address}"
  tls_disable = true
  x_forwarded_for_authorized_addrs = "127.0.0.1"
  x_forwarded_for_reject_not_present = false
}}
audit "file" "file" {{
  description = "what keytrail follows"
  options {{
    file_path = "audit.log"
  }}
}}
"#
    )
}

/// Initialises the server with five key shares of which three unseal it, unseals it, and returns the
/// initial root token.
async fn initialise(client: &Client) -> Result<String> {
    let shares = json!({"secret_shares": 5, "secret_threshold": 3});
    let answer = client.must(Call::new("PUT", "sys/init").body(&shares)).await?;
    for share in answer.body["keys_base64"].as_array().into_iter().flatten().take(3) {
        client.must(Call::new("PUT", "sys/unseal").body(&json!({"key": share}))).await?;
    }
    Ok(answer.text("/root_token")?.to_owned())
}

/// Waits until the server is active and returns its version.
async fn health(client: &Client) -> Result<String> {
    let started = Instant::now();
    loop {
        let answer = client.send(Call::new("GET", "sys/health")).await?;
        if answer.status == 200 {
            return Ok(answer.body["version"].as_str().map_or_else(String::new, str::to_owned));
        }
        if started.elapsed() > PATIENCE {
            bail!("the unsealed OpenBao is not active after {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
