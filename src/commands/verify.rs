//! `keytrail verify`: is the ledger what it was when it was signed?

use anyhow::Context;
use indicatif::ProgressBar;
use ingest::ledger::{self, VerifierKey};

use crate::args::VerifyArgs;
use crate::failure::Failure;
use crate::progress::count_bar;

/// Runs the command.
pub fn run(args: VerifyArgs) -> Result<(), Failure> {
    let data = args.data.existing()?;
    let key = args.key.as_deref().map(expected_key).transpose()?;
    let bar: ProgressBar = count_bar("verifying");
    let verification = ledger::verify(&data, key.as_ref(), &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    todo(verification);
    Ok(())
}
