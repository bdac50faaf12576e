//! `keytrail cat`: a source's exact bytes.

use std::io::{BufWriter, Write};

use anyhow::anyhow;
use ingest::ledger::{self, LedgerReader};

use crate::args::CatArgs;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(args: CatArgs) -> Result<(), Failure> {
    let reader = LedgerReader::open(&args.data.existing()?)?;
    let generations = reader.generations()?;
    if !generations.iter().any(|info| *info.source == *args.source) {
        let mut known: Vec<&str> = generations.iter().map(|info| &*info.source).collect();
        known.sort_unstable();
        known.dedup();
        return Err(Failure::Other(anyhow!(
            "no source {:?} in this ledger; it has: {}",
            args.source,
            known.join(", ")
        )));
    }
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let bytes = ledger::cat(&reader, &args.source, &mut out)?;
    out.flush()?;
    if bytes.removed > 0 {
        eprintln!("{} bytes of this source were removed by retention", bytes.removed);
    }
    Ok(())
}
