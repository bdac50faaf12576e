//! `keytrail status`: what a data folder holds.

use std::io::Write;

use query::status::{Status, status};
use query::trail::Trail;

use crate::args::{StatusArgs, StatusFormat};
use crate::failure::Failure;
use crate::output::stdout;

/// Runs the command.
pub(crate) fn run(args: StatusArgs) -> Result<(), Failure> {
    let data = args.data.existing()?;
    let status = status(&data, &Trail::open(&data)?)?;
    let mut out = stdout();
    match args.format {
        StatusFormat::Json => {
            serde_json::to_writer(&mut out, &status)?;
            out.write_all(b"\n")?;
        }
        StatusFormat::Table => write_text(&status, &mut out)?,
    }
    Ok(out.flush()?)
}

fn write_text(status: &Status, out: &mut dyn Write) -> std::io::Result<()> {
    let left_out: u64 = status.left_out.values().sum();
    writeln!(out, "ledger       {}", status.origin)?;
    writeln!(out, "key          {}", status.key_fingerprint)?;
    writeln!(
        out,
        "leaves       {} ({} signed, {} indexed)",
        status.leaves, status.signed_leaves, status.indexed_leaves
    )?;
    writeln!(out, "events       {} ({left_out} of them left out of counts)", status.events)?;
    writeln!(out, "pending      {}", status.pending)?;
    writeln!(out, "undecodable  {}", status.undecodable)?;
    writeln!(out, "gaps         {}", status.gaps)?;
    for source in &status.sources {
        let last = source.last_arrival.as_deref().unwrap_or("-");
        writeln!(
            out,
            "source       {}: {} lines, {} bytes, last arrival {last}",
            source.source, source.lines, source.bytes
        )?;
    }
    Ok(())
}
