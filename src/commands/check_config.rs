//! `keytrail check-config`: would `run` take this file?

use crate::args::CheckConfigArgs;
use crate::commands::run::runtime;
use crate::config::{Config, ServerConfig};
use crate::failure::Failure;
use crate::outside::chain;

/// Runs the command.
pub(crate) fn run(args: CheckConfigArgs) -> Result<(), Failure> {
    let config = Config::read(&args.config)?;
    for followed in &config.tail.sources {
        eprintln!("{} follows {}", followed.source, followed.pattern);
    }
    if let Some(nodes) = &config.nodes {
        eprintln!("cluster {} has the nodes {}", config.cluster, nodes.join(", "));
    }
    let tried = runtime()?.block_on(try_servers(&config));
    if tried > 0 {
        return Err(Failure::CheckFailed(format!("{tried} of the servers could not be asked")));
    }
    eprintln!("{}: in order; data folder {}", args.config.display(), config.data(None).display());
    Ok(())
}

/// Asks each server what `run` would ask, and returns how many do not answer.
async fn try_servers(config: &Config) -> usize {
    let mut failed = 0;
    for server in &config.servers {
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
