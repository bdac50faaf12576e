//! `keytrail pack`: what an auditor takes away.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use ingest::ledger::{KeyChain, KnownKey, LedgerError, LedgerReader};
use ingest::own::Fact;
use query::as_of::AsOf;
use query::error::QueryError;
use query::period::rfc3339;
use query::registers::{Recorded, Registers};
use query::report::catalogue::Catalogue;
use query::trail::Trail;
use web::{
    PackAsked, PackError, PackMade, PackPopulation, PackRows, PackStep, RawLines, part_of_pack,
    split_pack, verify_pack, write_pack,
};

use super::question::{filter, period};
use crate::args::{FrameworkName, PackArgs, RawArg};
use crate::deed;
use crate::failure::Failure;
use crate::progress::{Steps, count_bar};

/// So long is waited for the process that writes the ledger to take up a line.
const TAKEN_UP: Duration = Duration::from_secs(15);

/// Runs the command.
pub(crate) fn run(args: PackArgs) -> Result<(), Failure> {
    let period =
        period(args.period.as_deref(), args.from.as_deref(), args.to.as_deref(), &args.tz)?;
    if args.raw == RawArg::Samples && args.sample.is_none() {
        return Err(Failure::Usage(
            "--raw samples needs a sample: give --sample and --seed".to_owned(),
        ));
    }
    let filter = filter(&args.scope)?;
    let data = args.data.existing()?;
    let mut catalogue = Catalogue::built_in();
    if let Some(folder) = &args.catalogue {
        catalogue =
            catalogue.overridden_by(folder).map_err(|error| Failure::Usage(error.to_string()))?;
    }
    let context = args.context.clone().unwrap_or_else(|| data.join("context"));
    if args.context.is_some() && !context.is_dir() {
        return Err(Failure::Usage(format!(
            "--context {}: there is no such folder",
            context.display()
        )));
    }
    if args.parts && part_of_pack(&args.output, 1).exists() {
        let part = part_of_pack(&args.output, 1);
        return Err(Failure::Usage(format!(
            "--parts: {} is there already: remove the parts of before",
            part.display()
        )));
    }
    let (as_of, registers) = as_of_with_registers(&data, args.at, &context)?;
    let rows = PackRows::Population(Box::new(PackPopulation {
        framework: match args.framework {
            FrameworkName::Soc2 => "soc2".to_owned(),
            FrameworkName::Iso27001 => "iso27001".to_owned(),
        },
        period,
        filter,
        sample: args.sample.zip(args.seed),
        raw: match args.raw {
            RawArg::All => RawLines::All,
            RawArg::Samples => RawLines::Samples,
        },
        catalogue,
        registers,
    }));
    let made = write(&data, &as_of, rows, &args.output)?;
    eprintln!(
        "{} rows, {} of them in the sample, and {} leaves of the ledger written to {}",
        made.population.unwrap_or(0),
        made.sample,
        made.leaves,
        args.output.display()
    );
    if args.parts {
        let parts = split_pack(&args.output, &args.output).map_err(|error| anyhow!(error))?;
        eprintln!("and {parts} parts beside it, from {}", part_of_pack(&args.output, 1).display());
    }
    Ok(())
}

/// Opens the trail as of a leaf; none: as of all that is indexed.
pub(super) fn as_of(data: &Path, at: Option<u64>) -> Result<AsOf, Failure> {
    let at = match at {
        Some(at) => at,
        None => Trail::open(data)?.view().leaf(),
    };
    let size = LedgerReader::open(data)?.size();
    if at == 0 || at > size {
        return Err(Failure::Usage(format!(
            "--at: the ledger has {size} leaves, give 1 to {size}"
        )));
    }
    let bar = count_bar("indexing");
    let opened = AsOf::open(data, at, &|done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    opened.map_err(|error| match error {
        QueryError::Ledger(error @ LedgerError::WithinBatch { .. }) => {
            Failure::Usage(format!("--at: {error}"))
        }
        error => error.into(),
    })
}

/// Opens the trail as of a leaf, and the registers that the ledger tells of as of then. Without a leaf, registers that it
/// does not tell of yet are written down first, and the answer is as of that line.
fn as_of_with_registers(
    data: &Path,
    at: Option<u64>,
    context: &Path,
) -> Result<(AsOf, Registers), Failure> {
    let read =
        |now| Registers::read(context, now).map_err(|error| Failure::Usage(error.to_string()));
    let at = match at {
        Some(at) => at,
        None => {
            let trail = Trail::open(data)?;
            let registers = read(jiff::Timestamp::now())?;
            if let Some(registers) = registers.not_recorded(&trail)? {
                deed::record(data, Fact::RegistersChanged { by: deed::who(), registers })?;
            }
            let deadline = Instant::now() + TAKEN_UP;
            while registers.not_recorded(&trail)?.is_some() {
                if Instant::now() > deadline {
                    return Err(Failure::Other(anyhow!(
                        "the registers in {} are not written down in the ledger yet: does the keytrail that writes it wait for room? Else this folder has no key to write with: give a --context whose registers the ledger tells of",
                        context.display()
                    )));
                }
                std::thread::sleep(Duration::from_millis(50));
                trail.ledger().refresh()?;
            }
            let recorded = Recorded::last(&trail)?;
            let indexed = trail.view().leaf();
            match recorded {
                Some(recorded) if recorded.leaf >= indexed => trail.ledger().refresh()?,
                _ => indexed,
            }
        }
    };
    let as_of = as_of(data, Some(at))?;
    let registers = read(as_of.time()?)?;
    if registers.not_recorded(as_of.trail())?.is_some() {
        return Err(Failure::Usage(format!(
            "the registers in {} are not those of leaf {at}{}: give --context with a folder that holds those of then, or leave --at out",
            context.display(),
            differing(&registers, as_of.trail())?
        )));
    }
    Ok((as_of, registers))
}

/// Says which registers the ledger tells of with another hash.
fn differing(registers: &Registers, trail: &Trail) -> Result<String, Failure> {
    let recorded = Recorded::last(trail)?.and_then(|last| last.registers).unwrap_or_default();
    let names: Vec<String> = registers
        .seen()
        .into_iter()
        .filter_map(|seen| {
            let then = recorded.iter().find(|then| then.name == seen.name);
            let then = then.and_then(|then| then.sha256.clone());
            (then != seen.sha256).then(|| match then {
                Some(hash) => format!("{} had SHA-256 {hash}", seen.name),
                None => format!("{} was not there", seen.name),
            })
        })
        .collect();
    Ok(if names.is_empty() { String::new() } else { format!(" ({})", names.join("; ")) })
}

/// Writes a pack; under its name stands a whole one or none.
pub(super) fn write(
    data: &Path,
    as_of: &AsOf,
    rows: PackRows,
    output: &Path,
) -> Result<PackMade, Failure> {
    // As of the leaf: this line is one after it.
    deed::record(data, deed_of(&rows))?;
    let folder = match output.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // Created with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot write into {}", folder.display()))?;
    let bar = Steps::default();
    let progress = |step: PackStep, done, all| bar.show(step.as_str(), done, all);
    let (by, now) = (deed::who(), jiff::Timestamp::now());
    let asked = PackAsked { data, as_of, rows, by, now, progress: &progress };
    let made = write_pack(&asked, file.as_file_mut()).map_err(|error| match error {
        PackError::Empty(why) => Failure::CheckFailed(why),
        error => Failure::Other(anyhow!(error)),
    });
    let made = made.inspect_err(|_| bar.finish())?;
    // What an auditor could not verify is not handed out.
    let key = KnownKey::Key(KeyChain::of_folder(data)?.current().clone());
    let verified = verify_pack(file.path(), Some(&key), &progress);
    bar.finish();
    verified.map_err(|error| match error {
        PackError::Wrong(problem) => {
            let why = "the pack was made and does not verify, so it was not written: its rows cannot be made again from the lines of their period alone, as with a scope that looks at what was before it; --raw samples asserts the population in place of that";
            Failure::CheckFailed(format!("{problem}\n{why}"))
        }
        error => Failure::Other(anyhow!(error).context("the pack was made and cannot be verified")),
    })?;
    let mode = std::fs::Permissions::from_mode(0o600);
    file.as_file().set_permissions(mode).context("cannot set the pack's mode")?;
    file.persist(output).with_context(|| format!("cannot write {}", output.display()))?;
    Ok(made)
}

fn deed_of(rows: &PackRows) -> Fact {
    let (what, filter, from, to) = match rows {
        PackRows::Population(wanted) => {
            let PackPopulation { framework, period, filter, .. } = &**wanted;
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
