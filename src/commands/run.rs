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
use crate::config::{Beside, Config, LISTEN, check_listen};
use crate::failure::Failure;
use crate::heartbeat::Heartbeats;
use crate::retaining::Retaining;
use crate::watch::{Watch, Watching};

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
        return runtime()?.block_on(serve(&data, listen, None, &Beside::default()));
    };
    let data = config.data(args.data.data);
    let departures = config.checkpoint.departures()?;
    if let Some(why) = departures.ahead_of(&data)? {
        // Signing on under the old name would make a second history beside the one that left.
        let handover = ingest::custody::open_new_origin(&data, &why)?;
        tracing::error!(
            "this data folder is older than what has left the machine: {why}; what lies between is lost here, and the ledger goes on as {}",
            handover.to.name()
        );
    }
    let following = pipeline::follow(FollowSettings {
        data: data.clone(),
        cluster: config.cluster,
        tail: config.tail,
        allow_raw: config.allow_raw,
        nodes: config.nodes,
        reserve: config.reserve,
    })?;
    let leaving = departures.start(&data)?;
    let served = runtime()?.block_on(serve(&data, listen, Some(following), &config.beside));
    if let Some(leaving) = leaving {
        leaving.stop();
    }
    served
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
    beside: &Beside,
) -> Result<(), Failure> {
    let trail = Trail::open(data).with_context(|| format!("data folder {}", data.display()))?;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; choose another address with --listen")
    })?;
    let address = listener.local_addr()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Only now: whoever reads this may end us at once, and wants us to end well.
    eprintln!("dashboard on http://{address}/");
    let heartbeats = match &following {
        Some(following) => Some(Heartbeats::start(&beside.servers, &following.own_lines())?),
        None => None,
    };
    let (watch_trail, monitor) = Watch::start(Watching {
        data: data.to_owned(),
        alerts: beside.alerts.clone(),
        verify_every: beside.verify_every,
        following: following
            .as_ref()
            .map(|following| (following.own_lines(), following.caught_up())),
    })?;
    let retaining = following
        .as_ref()
        .map(|following| Retaining::start(data, beside.keep, following.own_lines()))
        .transpose()?;
    let (ended, mut failed) = tokio::sync::mpsc::channel(1);
    let watcher = std::thread::spawn(move || watch(following, &ended));
    let served = tokio::select! {
        served = web::serve(listener, trail, monitor) => served.map_err(Failure::from),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        // Without anything to follow the watcher is done at once, and there is nothing to fail.
        Some(()) = failed.recv() => Ok(()),
    };
    if let Some(heartbeats) = heartbeats {
        heartbeats.stop().await;
    }
    // It may be looking; that takes a moment, in which nobody else has to wait.
    tokio::task::block_in_place(|| watch_trail.stop());
    if let Some(retaining) = retaining {
        tokio::task::block_in_place(|| retaining.stop());
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
