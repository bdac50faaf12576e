//! `keytrail hold`: legal holds.

use ingest::ledger::{Ledger, LedgerReader};
use ingest::retention::{release_holds, set_hold};

use crate::args::{HoldArgs, HoldCommand};
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(args: HoldArgs) -> Result<(), Failure> {
    let (HoldCommand::Set { data, .. } | HoldCommand::Release { data, .. }) = &args.command;
    let data = data.existing()?;
    let cluster = LedgerReader::open(&data)?.cluster().to_owned();
    let mut ledger = Ledger::open(&data, &cluster)?;
    match args.command {
        HoldCommand::Set { reason, .. } => {
            set_hold(&mut ledger, &reason)?;
            eprintln!("hold set: retention removes nothing until it is released");
        }
        HoldCommand::Release { reason, .. } => {
            let released = release_holds(&mut ledger, reason.as_deref())?;
            if released.is_empty() {
                return Err(Failure::CheckFailed("no such hold stands".to_owned()));
            }
            for reason in released {
                eprintln!("hold released: {reason}");
            }
        }
    }
    drop(ledger);
    // `status` tells of holds from the index.
    super::retention::index(&data)
}
