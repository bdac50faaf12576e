//! `keytrail status`: what a data folder holds.

use std::io::Write;

use query::status::{Status, status};
use query::trail::Trail;
use serde::Serialize;

use super::running::Running;
use crate::args::{StatusArgs, StatusFormat};
use crate::config::Config;
use crate::failure::Failure;
use crate::output::stdout;
use crate::outside::left::Left;

mod disk;

use disk::{Disk, disk, write_disk};

/// Runs the command.
pub(crate) fn run(args: StatusArgs) -> Result<(), Failure> {
    if let Some(url) = &args.running.url {
        let suffix = match args.format {
            StatusFormat::Json => ".json",
            StatusFormat::Table => ".txt",
        };
        return Running::new(url, args.running.token_file.as_deref())?.print_status(suffix);
    }
    let config = args.config.as_deref().map(Config::read).transpose()?;
    let data = args.data.existing_by(config.as_ref())?;
    let trail = Trail::open(&data)?;
    let status = status(&data, &trail)?;
    let disk = disk(&data, config.as_ref(), args.reserve, trail.ledger())?;
    let mut outside = Left::read(&data);
    // The notes are long, and stand outside anyway.
    outside.exported.values_mut().for_each(|last| last.note = None);
    let mut out = stdout();
    match args.format {
        StatusFormat::Json => {
            serde_json::to_writer(
                &mut out,
                &Shown { status: &status, outside: &outside, disk: &disk },
            )?;
            out.write_all(b"\n")?;
        }
        StatusFormat::Table => {
            status.write_text(&mut out)?;
            write_outside(&outside, &mut out)?;
            write_disk(&disk, &mut out)?;
        }
    }
    Ok(out.flush()?)
}

/// What the data folder holds, and what has left it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    status: &'a Status,
    outside: &'a Left,
    disk: &'a Disk,
}

fn write_outside(left: &Left, out: &mut dyn Write) -> std::io::Result<()> {
    let places = left.exported.iter().map(|(name, last)| (name.clone(), last));
    let witnesses = left.cosigned.iter().map(|(name, last)| (format!("witness {name}"), last));
    for (name, last) in places.chain(witnesses) {
        match &last.time {
            Some(time) => writeln!(out, "outside      {name}: {} leaves at {time}", last.leaves)?,
            None => writeln!(out, "outside      {name}: no checkpoint yet")?,
        }
        if let Some(problem) = &last.problem {
            writeln!(out, "             since then: {problem}")?;
        }
    }
    Ok(())
}
