//! `keytrail key`: the key that signs the ledger.

use std::io::Write;

use ingest::custody::{open_new_origin, rotate_key};
use ingest::ledger::{Handover, KeyChain, key_fingerprint};

use crate::args::{KeyArgs, KeyCommand};
use crate::failure::Failure;
use crate::output::stdout;

/// Runs the command.
pub(crate) fn run(args: KeyArgs) -> Result<(), Failure> {
    match args.command {
        KeyCommand::Show(data) => {
            let keys = KeyChain::of_folder(&data.existing()?)?;
            let mut out = stdout();
            writeln!(out, "{}\n{}", key_fingerprint(keys.current()), keys.current())?;
            for handover in keys.handovers().iter().rev() {
                let agreed = if handover.agreed { "" } else { " (lost: it signed no handover)" };
                let Handover { from, size, .. } = handover;
                writeln!(out, "until {size} leaves {}{agreed}", key_fingerprint(from))?;
            }
            Ok(out.flush()?)
        }
        KeyCommand::Rotate(data) => {
            let handover = rotate_key(&data.existing()?)?;
            tell(&handover)
        }
        KeyCommand::NewOrigin(args) => {
            let handover = open_new_origin(&args.data.existing()?, &args.why)?;
            eprintln!("the ledger goes on as {}", handover.to.name());
            if !handover.agreed {
                eprintln!(
                    "the old key was not there to hand over: whoever verifies needs the new fingerprint from you"
                );
            }
            tell(&handover)
        }
    }
}

fn tell(handover: &Handover) -> Result<(), Failure> {
    let mut out = stdout();
    writeln!(out, "{}", key_fingerprint(&handover.to))?;
    Ok(out.flush()?)
}
