//! `keytrail rebuild`: the index anew from the ledger.

use ingest::pipeline;

use crate::args::DataArgs;
use crate::failure::Failure;
use crate::progress::Bars;

/// Runs the command.
pub(crate) fn run(args: DataArgs) -> Result<(), Failure> {
    let data = args.existing()?;
    let bars = Bars::new(None);
    let leaves = pipeline::rebuild(&data, &|progress| bars.show(progress));
    bars.finish();
    eprintln!("index of {} rebuilt from {} leaves", data.display(), leaves?);
    Ok(())
}
