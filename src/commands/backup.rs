//! `keytrail backup`: a copy of the ledger, made while it is written.

use std::io::Write;

use ingest::ledger::backup;

use crate::args::BackupArgs;
use crate::failure::Failure;
use crate::output::stdout;
use crate::progress::bytes_bar;

/// Runs the command.
pub(crate) fn run(args: BackupArgs) -> Result<(), Failure> {
    let data = args.data.existing()?;
    let bar = bytes_bar("copying", Some(0));
    let done = backup(&data, &args.output, args.with_keys, &|looked_at, all| {
        bar.set_length(all);
        bar.set_position(looked_at);
    })?;
    bar.finish_and_clear();
    let mut out = stdout();
    writeln!(
        out,
        "{} holds {} leaves of {}: {} files ({} bytes) written, {} were there already",
        args.output.display(),
        done.checkpoint.size,
        done.checkpoint.origin,
        done.written,
        done.written_bytes,
        done.kept
    )?;
    match done.with_keys {
        true => writeln!(out, "with the signing key: whoever has this copy can sign")?,
        false => writeln!(out, "without the signing key, which it takes to go on from this copy")?,
    }
    Ok(out.flush()?)
}
