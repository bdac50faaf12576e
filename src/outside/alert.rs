//! Telling people: a webhook, or a program. Each alert has a queue of its own and waits for nobody.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use forward::http::client;
use forward::signing::{key, signature};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::chain;
use crate::config::Target;

/// Messages of one alert that wait; more are logged only.
const QUEUE: usize = 100;
/// How long one try may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Tries of one message, each twice as late as the one before: the last comes after four minutes.
const TRIES: u32 = 9;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Notification {
    /// The same for each try, so that a receiver can tell a second one.
    pub(crate) id: String,
    /// The body.
    pub(crate) body: Value,
}

/// The way to one target.
pub(crate) struct Sender {
    name: String,
    queue: mpsc::Sender<Notification>,
}

impl Sender {
    /// Starts the task that sends; it ends when the sender is gone and its queue is empty.
    pub(crate) fn start(name: &str, target: Target) -> (Sender, JoinHandle<()>) {
        let (queue, mut waiting) = mpsc::channel::<Notification>(QUEUE);
        let named = name.to_owned();
        let sending = tokio::spawn(async move {
            while let Some(notification) = waiting.recv().await {
                deliver(&named, &target, &notification).await;
            }
        });
        (Sender { name: name.to_owned(), queue }, sending)
    }

    /// Hands over a message; a full queue is logged, since the target has been failing for long.
    pub(crate) fn send(&self, notification: Notification) {
        if self.queue.try_send(notification).is_err() {
            tracing::error!(
                alert = self.name,
                "alarm not sent: {QUEUE} wait already for their target"
            );
        }
    }
}

async fn deliver(name: &str, target: &Target, notification: &Notification) {
    let mut pause = FIRST_PAUSE;
    for left in (0..TRIES).rev() {
        match send(target, notification).await {
            Ok(()) => return,
            Err(error) if left == 0 => {
                tracing::error!(alert = name, "alarm not sent, given up: {}", chain(&error));
            }
            Err(error) => {
                tracing::warn!(alert = name, "alarm not sent yet: {}", chain(&error));
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
    }
}

/// Sends a message once.
///
/// # Errors
/// The target cannot be reached or refuses; the key cannot be read.
pub(crate) async fn send(target: &Target, notification: &Notification) -> Result<()> {
    let body = serde_json::to_vec(&notification.body)?;
    match target {
        Target::Webhook { url, secret_file, ca_file } => {
            let client = client(TIMEOUT, ca_file.as_ref())?.build()?;
            let timestamp = jiff::Timestamp::now().as_second();
            let mut request = client
                .post(url)
                .header("content-type", "application/json")
                .header("webhook-id", &notification.id)
                .header("webhook-timestamp", timestamp);
            if let Some(path) = secret_file {
                let signature = signature(&key(path)?, &notification.id, timestamp, &body);
                request = request.header("webhook-signature", signature);
            }
            let status = request.body(body).send().await?.status();
            if !status.is_success() {
                bail!("the webhook answers {status}");
            }
            Ok(())
        }
        Target::Command(command) => run(command, &body).await,
    }
}

/// Runs a program with the message on its standard input.
async fn run(command: &[String], body: &[u8]) -> Result<()> {
    let [program, arguments @ ..] = command else { bail!("no program") };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let written = async {
        // A program may end without reading; its status says whether that was meant.
        let _ = stdin.write_all(body).await;
        drop(stdin);
        child.wait().await
    };
    let Ok(status) = tokio::time::timeout(TIMEOUT, written).await else {
        bail!("{program} did not end within {} s", TIMEOUT.as_secs());
    };
    let status = status?;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    Ok(())
}
