//! `keytrail check-config`: would `run` take this file?

use crate::args::CheckConfigArgs;
use crate::config::Config;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(args: CheckConfigArgs) -> Result<(), Failure> {
    let config = Config::read(&args.config)?;
    for followed in &config.tail.sources {
        eprintln!("{} follows {}", followed.source, followed.pattern);
    }
    eprintln!("{}: in order; data folder {}", args.config.display(), config.data(None).display());
    Ok(())
}
