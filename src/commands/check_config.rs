//! `keytrail check-config`: would `run` take this file?

use forward::transport::Transport;

use crate::args::CheckConfigArgs;
use crate::commands::run::runtime;
use crate::config::{Config, ServerConfig};
use crate::failure::Failure;
use crate::outside::alert::send;
use crate::outside::chain;
use crate::watch::trial;

/// Runs the command.
pub(crate) fn run(args: CheckConfigArgs) -> Result<(), Failure> {
    let config = Config::read(&args.config)?;
    for followed in &config.tail.sources {
        eprintln!("{} follows {}", followed.source, followed.pattern);
    }
    if let Some(nodes) = &config.nodes {
        eprintln!("cluster {} has the nodes {}", config.cluster, nodes.join(", "));
    }
    config
        .beside
        .listening
        .check_certificate()
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let tried = runtime()?.block_on(async {
        try_servers(&config).await + try_alerts(&config).await + try_sinks(&config).await
    });
    if tried > 0 {
        return Err(Failure::CheckFailed(format!(
            "{tried} of the servers, alerts and sinks could not be reached"
        )));
    }
    eprintln!("{}: in order; data folder {}", args.config.display(), config.data(None).display());
    Ok(())
}

/// Asks each server what `run` would ask, and returns how many do not answer.
async fn try_servers(config: &Config) -> usize {
    let mut failed = 0;
    for server in &config.beside.servers {
        match try_server(server).await {
            Ok(()) => eprintln!(
                "server {} answers; its lines are expected in {}",
                server.address,
                server.sources.join(", ")
            ),
            Err(error) => {
                failed += 1;
                eprintln!("server {}: {}", server.address, chain(&error));
            }
        }
    }
    failed
}

async fn try_server(config: &ServerConfig) -> anyhow::Result<()> {
    let server = config.client()?;
    if config.heartbeat.is_some() {
        server.heartbeat(&ingest::coverage::heartbeat_path("0000000000000000", 0)).await?;
    }
    if config.counters {
        server.counters().await?;
    }
    Ok(())
}

/// Sends each alert a message that says that it is a test, and returns how many could not be sent.
async fn try_alerts(config: &Config) -> usize {
    let mut failed = 0;
    for alert in &config.beside.alerts {
        match send(&alert.to, &trial(alert, &config.cluster)).await {
            Ok(()) => eprintln!("alert {}: a test message was taken", alert.name),
            Err(error) => {
                failed += 1;
                eprintln!("alert {}: {}", alert.name, chain(&error));
            }
        }
    }
    failed
}

/// Finds out whether each sink's receiver lets us in, and returns how many do not.
async fn try_sinks(config: &Config) -> usize {
    let mut failed = 0;
    for sink in &config.beside.sinks {
        let seen = match Transport::new(&sink.name, &sink.transport) {
            Ok(mut transport) => transport.try_out().await,
            Err(error) => Err(error.to_string()),
        };
        match seen {
            Ok(seen) => eprintln!("sink {}: {seen}", sink.name),
            Err(why) => {
                failed += 1;
                eprintln!("sink {}: {why}", sink.name);
            }
        }
    }
    failed
}
