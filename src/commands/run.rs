//! `keytrail run`: follow, index, serve.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use ingest::pipeline::{self, FollowSettings, Following};
use query::trail::Trail;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::RunArgs;
use crate::config::{Config, LISTEN, ServerConfig, check_listen};
use crate::failure::Failure;
use crate::heartbeat::Heartbeats;

/// Runs the command until a signal or a failure ends it.
pub(crate) fn run(args: RunArgs) -> Result<(), Failure> {
    let config = match (&args.config, &args.audit_log) {
        (Some(path), _) => Some(Config::read(path)?),
        (None, Some(path)) => Some(Config::one_file(
            path,
            args.cluster.as_deref(),
            args.node.as_deref(),
            args.device.as_deref(),
            args.allow_raw,
        )?),
        (None, None) if Path::new("keytrail.toml").exists() => {
            Some(Config::read(Path::new("keytrail.toml"))?)
        }
        (None, None) => None,
    };
    let listen = args.listen.or(config.as_ref().and_then(|config| config.listen)).unwrap_or(LISTEN);
    check_listen(listen).map_err(Failure::Usage)?;
    let Some(config) = config else {
        // Nothing to follow: serve what a data folder holds, if there is one.
        let data = args.data.existing().map_err(|_| {
            Failure::Usage("nothing to follow: name an audit file with --audit-log, or a configuration with -c keytrail.toml".to_owned())
        })?;
        return runtime()?.block_on(serve(&data, listen, None, &[]));
    };
    let data = config.data(args.data.data);
    let following = pipeline::follow(FollowSettings {
        data: data.clone(),
        cluster: config.cluster,
        tail: config.tail,
        allow_raw: config.allow_raw,
        nodes: config.nodes,
    })?;
    runtime()?.block_on(serve(&data, listen, Some(following), &config.servers))
}

/// Returns the runtime of everything that waits for the network.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Serves the dashboard until SIGINT or SIGTERM comes, or the line fails.
pub(crate) async fn serve(
    data: &Path,
    listen: SocketAddr,
    following: Option<Following>,
    servers: &[ServerConfig],
) -> Result<(), Failure> {
    let trail = Trail::open(data).with_context(|| format!("data folder {}", data.display()))?;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; choose another address with --listen")
    })?;
    let address = listener.local_addr()?;
    eprintln!("dashboard on http://{address}/");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let heartbeats = match &following {
        Some(following) => Some(Heartbeats::start(servers, &following.own_lines())?),
        None => None,
    };
    let (ended, mut failed) = tokio::sync::mpsc::channel(1);
    let watcher = std::thread::spawn(move || watch(following, &ended));
    let served = tokio::select! {
        served = web::serve(listener, trail) => served.map_err(Failure::from),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        // Without anything to follow the watcher is done at once, and there is nothing to fail.
        Some(()) = failed.recv() => Ok(()),
    };
    if let Some(heartbeats) = heartbeats {
        heartbeats.stop().await;
    }
    // Closing the receiver tells the watcher to stop the line.
    failed.close();
    drop(failed);
    let stopped = watcher.join().map_err(|_| anyhow::anyhow!("the watching thread panicked"))?;
    served.and(stopped.map_err(Failure::from))
}

/// Waits for a failure of the line, or for the end of the server, and closes the line.
fn watch(
    following: Option<Following>,
    ended: &tokio::sync::mpsc::Sender<()>,
) -> Result<(), pipeline::PipelineError> {
    let Some(following) = following else {
        return Ok(());
    };
    while !ended.is_closed() {
        if let Some(failure) = following.failure(Duration::from_millis(100)) {
            let _ = ended.blocking_send(());
            // The first failure is the cause; what closing adds to it is not.
            let _ = following.stop();
            return Err(failure);
        }
    }
    following.stop()
}
