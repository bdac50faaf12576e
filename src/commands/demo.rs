//! `keytrail demo`: a real OpenBao at work, followed live.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use ingest::pipeline::{self, FollowSettings};
use ingest::room::Reserve;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::run::{runtime, serve};
use crate::args::DemoArgs;
use crate::config::{Beside, Config, ServerConfig};
use crate::data_folder::cache_folder;
use crate::demo::bao::{Bao, find_bao};
use crate::demo::replay::{Pace, recorded_log, replay};
use crate::demo::server::DemoServer;
use crate::demo::{record, traffic};
use crate::failure::Failure;

/// The demo's cluster, and its one node.
const CLUSTER: &str = "demo";
const NODE: &str = "bao-0";

/// How often the demo's server is read from, so that its log can be shown to be complete.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Random requests of a recording.
const RECORDED_REQUESTS: usize = 300;

/// The pace of a replay: the whole recorded log in a few seconds.
const PACE: Pace = Pace { lines_at_once: 2_000, lines_per_second: 20 };

/// Runs the command until a signal ends it.
pub(crate) fn run(args: DemoArgs) -> Result<(), Failure> {
    let listening = web::Listening::default();
    listening.check(args.listen).map_err(|error| Failure::Usage(error.to_string()))?;
    let bao = if args.replay {
        Bao::None("--replay was asked for".to_owned())
    } else {
        find_bao(&cache_folder(), args.yes, std::io::stdin().is_terminal())?
    };
    let runtime = runtime()?;
    if let Some(dir) = &args.record {
        return match &bao {
            Bao::Found(bao) | Bao::Installed(bao) => {
                runtime.block_on(record_session(bao, dir, args.seed))
            }
            Bao::None(why) => Err(Failure::Other(anyhow::anyhow!("no OpenBao to record: {why}"))),
        };
    }
    let folder = tempfile::Builder::new()
        .prefix("keytrail-demo-")
        .tempdir()
        .context("no temporary folder")?;
    match bao {
        Bao::Found(bao) | Bao::Installed(bao) => runtime.block_on(live(&bao, folder.path(), &args)),
        Bao::None(why) => {
            say(&format!("no real OpenBao ({why}): replaying the log recorded from OpenBao 2.7.2"));
            runtime.block_on(replayed(folder.path(), &args))
        }
    }
}

async fn live(bao: &Path, folder: &Path, args: &DemoArgs) -> Result<(), Failure> {
    let server = DemoServer::start(bao, folder, &say).await?;
    say(&format!(
        "OpenBao {} at {}, audit log {}",
        server.version,
        server.address,
        server.audit_log.display()
    ));
    let data = folder.join("keytrail");
    let following = follow(&server.audit_log, &data, args)?;
    let outcome = async {
        let walkthrough = server.set_up().await?;
        tell_questions(&data);
        let (stop, stopped) = watch::channel(false);
        let traffic = tokio::spawn(traffic::traffic(walkthrough, stopped));
        let source = format!("{CLUSTER}/{NODE}/file");
        let beating = ServerConfig::beating(&server.address, source, HEARTBEAT);
        let beside = Beside { servers: vec![beating], ..Beside::default() };
        let served = serve(&data, args.listen, Some(following), &beside).await;
        stop.send_replace(true);
        let traffic = traffic.await.context("the traffic's task")?;
        served?;
        traffic.map_err(Failure::from)
    }
    .await;
    server.stop().await;
    outcome
}

async fn replayed(folder: &Path, args: &DemoArgs) -> Result<(), Failure> {
    let log: PathBuf = folder.join("audit.log");
    std::fs::File::create(&log).context("no audit log for the replay")?;
    let data = folder.join("keytrail");
    let following = follow(&log, &data, args)?;
    tell_questions(&data);
    let (stop, stopped) = watch::channel(false);
    let replaying = tokio::spawn(async move { replay(&log, recorded_log(), PACE, stopped).await });
    let served = serve(&data, args.listen, Some(following), &Beside::default()).await;
    stop.send_replace(true);
    replaying.await.context("the replay's task")??;
    served
}

fn follow(log: &Path, data: &Path, args: &DemoArgs) -> Result<pipeline::Following, Failure> {
    let config = Config::one_file(log, Some(CLUSTER), Some(NODE), Some("file"), false)?;
    let settings = FollowSettings {
        data: data.to_owned(),
        cluster: config.cluster,
        tail: config.tail,
        allow_raw: config.allow_raw,
        nodes: Some(vec![NODE.to_owned()]),
        // The demo's server is the demo's own, and a laptop is often fuller than a server.
        reserve: Reserve { bytes: args.reserve, percent: 0 },
    };
    Ok(pipeline::follow(settings)?)
}

async fn record_session(bao: &Path, dir: &Path, seed: u64) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let recorded = tokio::select! {
        recorded = record::record(bao, dir, seed, RECORDED_REQUESTS, &say) => recorded?,
        _ = terminate.recv() => return Err(Failure::Other(anyhow::anyhow!("stopped before the recording was whole"))),
        _ = interrupt.recv() => return Err(Failure::Other(anyhow::anyhow!("stopped before the recording was whole"))),
    };
    say(&format!(
        "{} requests to OpenBao {} recorded: {} and what each came to, {}",
        recorded.rows,
        recorded.version,
        recorded.audit_log.display(),
        recorded.truth.display()
    ));
    Ok(())
}

/// Tells what can be asked in another terminal.
fn tell_questions(data: &Path) {
    say(&format!(
        "ask in another terminal, for instance:  keytrail count -d {} '' --by identity,decision",
        data.display()
    ));
    say("Ctrl-C ends everything that the demo started");
}

fn say(text: &str) {
    eprintln!("{text}");
}
