//! `keytrail run`: follow, index, serve.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use forward::sink::{SinkConfig, Sinks};
use forward::store::StoreConfig;
use forward::transport::TransportConfig;
use ingest::pipeline::{self, FollowSettings, Following};
use ingest::room::{Reserve, Room};
use query::trail::Trail;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use web::SignedIn;

use crate::alarm::Alarms;
use crate::args::RunArgs;
use crate::config::{Beside, Config, LISTEN};
use crate::failure::Failure;
use crate::heartbeat::Heartbeats;
use crate::host::Process;
use crate::outside::audit_hash::AuditHash;
use crate::outside::sign_in::SignInProvider;
use crate::retaining::Retaining;
use crate::schedule::Schedules;
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
    let beside = config.as_ref().map(|config| config.beside.clone()).unwrap_or_default();
    beside.listening.check(listen).map_err(|error| Failure::Usage(error.to_string()))?;
    let Some(config) = config else {
        // Nothing to follow: serve what a data folder holds, if there is one.
        let data = args.data.existing().map_err(|_| {
            Failure::Usage("nothing to follow: name an audit file with --audit-log, or a configuration with -c keytrail.toml".to_owned())
        })?;
        return runtime()?.block_on(serve(&data, listen, None, &beside));
    };
    let data = config.data(args.data.data);
    // Before anything is followed: whoever is told does not have to stop it.
    beside
        .listening
        .check_users(listen, &data)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let file = args.config.or_else(|| args.audit_log.is_none().then(|| "keytrail.toml".into()));
    let runtime = runtime()?;
    let mut present = (listen, config);
    let mut lasting = Lasting::default();
    loop {
        let (listen, mut config) = present;
        config.reserve = args.reserve.or(config.reserve);
        match run_with(&runtime, &data, listen, config, file.as_deref(), &mut lasting)? {
            Ended::AsAsked => return Ok(()),
            Ended::Reload { bound, config } => present = (bound, *config),
        }
    }
}

/// Follows and serves with one configuration.
fn run_with(
    runtime: &Runtime,
    data: &Path,
    listen: SocketAddr,
    config: Config,
    file: Option<&Path>,
    lasting: &mut Lasting,
) -> Result<Ended, Failure> {
    let departures = config.checkpoint.departures()?;
    if let Some(why) = departures.ahead_of(data)? {
        // Signing on under the old name would make a second history beside the one that left.
        let handover = ingest::custody::open_new_origin(data, &why)?;
        tracing::error!(
            "this data folder is older than what has left the machine: {why}; what lies between is lost here, and the ledger goes on as {}",
            handover.to.name()
        );
    }
    let following = pipeline::follow(FollowSettings {
        data: data.to_owned(),
        cluster: config.cluster,
        tail: config.tail,
        allow_raw: config.allow_raw,
        nodes: config.nodes,
        reserve: config.reserve,
    })?;
    let leaving = departures.start(data)?;
    let served =
        runtime.block_on(serve_until(data, listen, Some(following), &config.beside, file, lasting));
    if let Some(leaving) = leaving {
        leaving.stop();
    }
    served
}

/// What another configuration does not end.
#[derive(Default)]
struct Lasting {
    /// Those that were told.
    alarms: Alarms,
    signed_in: SignedIn,
}

/// Why following and serving ended.
enum Ended {
    /// A signal asked for it.
    AsAsked,
    /// There is another configuration, and it is in order.
    Reload {
        /// The address that was served, to be served again.
        bound: SocketAddr,
        config: Box<Config>,
    },
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
    serve_until(data, listen, following, beside, None, &mut Lasting::default()).await.map(|_| ())
}

/// Like [`serve`], or until SIGHUP comes and the configuration in `file` is in order.
async fn serve_until(
    data: &Path,
    listen: SocketAddr,
    following: Option<Following>,
    beside: &Beside,
    file: Option<&Path>,
    lasting: &mut Lasting,
) -> Result<Ended, Failure> {
    let trail = Trail::open(data).with_context(|| format!("data folder {}", data.display()))?;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; choose another address with --listen")
    })?;
    let address = listener.local_addr()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // Only now: whoever reads this may end us at once, and wants us to end well.
    let scheme = if beside.listening.tls.is_some() { "https" } else { "http" };
    eprintln!("dashboard on {scheme}://{address}/");
    let heartbeats = match &following {
        Some(following) => Some(Heartbeats::start(&beside.servers, &following.own_lines())?),
        None => None,
    };
    let sinks = following
        .as_ref()
        .map(|following| forwarding(data, &trail, &beside.sinks, following))
        .transpose()?;
    let (watch_trail, told) = Watch::start(Watching {
        data: data.to_owned(),
        alerts: beside.alerts.clone(),
        verify_every: beside.verify_every,
        files: beside.files.clone(),
        alarms: std::mem::take(&mut lasting.alarms),
        sinks: sinks.as_ref().map(Sinks::standings).unwrap_or_default(),
        room: match &following {
            Some(following) => following.room(),
            None => Room::new(data, Vec::new(), Reserve::default()),
        },
        following: following
            .as_ref()
            .map(|following| (following.own_lines(), following.caught_up())),
    })?;
    let retaining = following
        .as_ref()
        .map(|following| {
            Retaining::start(data, beside.keep, sink_names(beside), following.own_lines())
        })
        .transpose()?;
    let schedules = match &following {
        Some(following) => {
            let (own, caught_up) = (following.own_lines(), following.caught_up());
            Schedules::start(data, beside.schedules.clone(), own, caught_up)?
        }
        None => None,
    };
    let host = Process {
        data: data.to_owned(),
        own: following.as_ref().map(Following::own_lines),
        told,
        audit_hash: AuditHash::new(&beside.servers)?,
        sign_in: beside
            .listening
            .oidc
            .as_ref()
            .map(|_| SignInProvider::new(beside.oidc_ca_file.as_ref()))
            .transpose()?,
        runtime: tokio::runtime::Handle::current(),
    };
    let (ended, mut failed) = tokio::sync::mpsc::channel(1);
    let watcher = std::thread::spawn(move || watch(following, &ended));
    let served = tokio::select! {
        served = web::serve(listener, trail, Arc::new(host), beside.listening.clone(), &lasting.signed_in) => {
            served.map(|()| Ended::AsAsked).map_err(Failure::from)
        }
        _ = terminate.recv() => Ok(Ended::AsAsked),
        _ = interrupt.recv() => Ok(Ended::AsAsked),
        config = another_configuration(&mut hangup, file, data, address) => {
            Ok(Ended::Reload { bound: address, config: Box::new(config) })
        }
        // Without anything to follow the watcher is done at once, and there is nothing to fail.
        Some(()) = failed.recv() => Ok(Ended::AsAsked),
    };
    if let Some(heartbeats) = heartbeats {
        heartbeats.stop().await;
    }
    lasting.alarms = watch_trail.stop().await;
    if let Some(sinks) = sinks {
        tokio::task::block_in_place(|| sinks.stop());
    }
    if let Some(retaining) = retaining {
        tokio::task::block_in_place(|| retaining.stop());
    }
    if let Some(schedules) = schedules {
        tokio::task::block_in_place(|| schedules.stop());
    }
    // Closing the receiver tells the watcher to stop the line.
    failed.close();
    drop(failed);
    let stopped = watcher.join().map_err(|_| anyhow::anyhow!("the watching thread panicked"))?;
    stopped.map_err(Failure::from)?;
    served
}

/// Starts the sinks.
fn forwarding(
    data: &Path,
    trail: &Trail,
    sinks: &[SinkConfig],
    following: &Following,
) -> Result<Sinks, Failure> {
    let mut sinks = sinks.to_vec();
    for sink in &mut sinks {
        match &mut sink.transport {
            TransportConfig::File(file) => {
                let folder = file.path.parent().unwrap_or(Path::new("/"));
                file.room = Some(following.room().elsewhere(folder));
            }
            TransportConfig::ObjectStore(store) => {
                if let StoreConfig::Folder(folder) = &store.store {
                    store.room = Some(following.room().elsewhere(folder));
                }
            }
            _ => {}
        }
    }
    Ok(Sinks::start(data, trail, sinks, &tokio::runtime::Handle::current())?)
}

fn sink_names(beside: &Beside) -> Vec<String> {
    beside.sinks.iter().map(|sink| sink.name.clone()).collect()
}

/// Waits for SIGHUP and a configuration that is in order. One that is not is told, and the present one stays.
async fn another_configuration(
    hangup: &mut Signal,
    file: Option<&Path>,
    data: &Path,
    bound: SocketAddr,
) -> Config {
    loop {
        if hangup.recv().await.is_none() {
            // No signal will come any more.
            std::future::pending::<()>().await;
        }
        let Some(file) = file else {
            tracing::warn!("SIGHUP: there is no configuration file to read again");
            continue;
        };
        match reload(file, data, bound) {
            Ok(config) => {
                tracing::info!("SIGHUP: {} is in order, and is what holds now", file.display());
                return config;
            }
            Err(failure) => {
                tracing::error!("SIGHUP: the last good configuration stays: {failure}");
            }
        }
    }
}

fn reload(file: &Path, data: &Path, bound: SocketAddr) -> Result<Config, Failure> {
    let config = Config::read(file)?;
    if let Some(other) = config.data.as_ref().filter(|other| *other != data) {
        return Err(Failure::Usage(format!(
            "data = {:?}: another data folder needs a restart",
            other.display()
        )));
    }
    let listening = &config.beside.listening;
    listening.check_users(bound, data).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(config)
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
