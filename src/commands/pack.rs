//! `keytrail pack`: what an auditor takes away.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, anyhow};
use ingest::ledger::{KeyChain, KnownKey};
use ingest::own::Fact;
use query::period::rfc3339;
use query::trail::Trail;
use web::{PackAsked, PackError, PackMade, PackRows, RawLines, verify_pack, write_pack};

use super::question::{filter, period};
use crate::args::{FrameworkName, PackArgs, RawArg};
use crate::deed;
use crate::failure::Failure;
use crate::progress::count_bar;

/// Runs the command.
pub(crate) fn run(args: PackArgs) -> Result<(), Failure> {
    let period =
        period(args.period.as_deref(), args.from.as_deref(), args.to.as_deref(), &args.tz)?;
    let rows = PackRows::Population {
        framework: match args.framework {
            FrameworkName::Soc2 => "soc2".to_owned(),
            FrameworkName::Iso27001 => "iso27001".to_owned(),
        },
        period,
        filter: filter(&args.scope)?,
        sample: args.sample.zip(args.seed),
        raw: match args.raw {
            RawArg::All => RawLines::All,
            RawArg::Samples => RawLines::Samples,
        },
    };
    if args.raw == RawArg::Samples && args.sample.is_none() {
        return Err(Failure::Usage(
            "--raw samples needs a sample: give --sample and --seed".to_owned(),
        ));
    }
    let made = write(&args.data.existing()?, args.at, rows, &args.output)?;
    eprintln!(
        "{} rows, {} of them in the sample, and {} leaves of the ledger written to {}",
        made.population.unwrap_or(0),
        made.sample,
        made.leaves,
        args.output.display()
    );
    Ok(())
}

/// Writes a pack; under its name stands a whole one or none.
pub(super) fn write(
    data: &Path,
    at: Option<u64>,
    rows: PackRows,
    output: &Path,
) -> Result<PackMade, Failure> {
    let trail = Trail::open(data)?;
    let leaf = trail.view().leaf();
    if at.is_some_and(|at| at > leaf || at == 0) {
        return Err(Failure::Usage(format!(
            "--at: the index covers {leaf} leaves, give 1 to {leaf}"
        )));
    }
    // Frozen before the deed is written down, which is a leaf itself.
    let at = at.unwrap_or(leaf);
    deed::record(data, deed_of(&rows))?;
    let folder = match output.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // Created with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot write into {}", folder.display()))?;
    let bar = count_bar("packing");
    let progress = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let (by, now) = (deed::who(), jiff::Timestamp::now());
    let asked = PackAsked { data, trail: &trail, at, rows, by, now, progress: &progress };
    let made = write_pack(&asked, file.as_file_mut()).map_err(|error| match error {
        PackError::Empty(why) => Failure::CheckFailed(why),
        error => Failure::Other(anyhow!(error)),
    });
    bar.finish_and_clear();
    let made = made?;
    // What an auditor could not verify is not handed out.
    let key = KnownKey::Key(KeyChain::of_folder(data)?.current().clone());
    verify_pack(file.path(), Some(&key)).map_err(|error| {
        let why = "the pack was made and does not verify, so it was not written: its rows cannot be made again from the lines of their period alone, as with a scope that looks at what was before it; --raw samples asserts the population in place of that";
        Failure::CheckFailed(format!("{error}\n{why}"))
    })?;
    let mode = std::fs::Permissions::from_mode(0o600);
    file.as_file().set_permissions(mode).context("cannot set the pack's mode")?;
    file.persist(output).with_context(|| format!("cannot write {}", output.display()))?;
    Ok(made)
}

fn deed_of(rows: &PackRows) -> Fact {
    let (what, filter, from, to) = match rows {
        PackRows::Population { framework, period, filter, .. } => {
            (format!("pack {framework}"), filter.to_string(), period.from, period.to)
        }
        PackRows::Picked(uids) => {
            (format!("evidence of {} rows", uids.len()), String::new(), None, None)
        }
    };
    Fact::Exported {
        by: deed::who(),
        address: String::new(),
        what,
        filter,
        from: from.map(rfc3339),
        to: to.map(rfc3339),
    }
}
