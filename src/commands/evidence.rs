//! `keytrail evidence`: a pack of the rows that an auditor picked in his own tool.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use ingest::event::Uid;
use web::PackRows;

use super::pack::{as_of, write};
use crate::args::EvidenceArgs;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(args: EvidenceArgs) -> Result<(), Failure> {
    let mut uids = BTreeSet::new();
    let mut strange = Vec::new();
    for given in &args.rows {
        match given.parse() {
            Ok(uid) => drop(uids.insert(uid)),
            Err(()) => read(Path::new(given), &mut uids, &mut strange)?,
        }
    }
    let data = args.data.existing()?;
    let as_of = as_of(&data, args.at)?;
    let made = write(&data, &as_of, PackRows::Picked(uids), &args.output)?;
    eprintln!(
        "{} rows and {} leaves of the ledger written to {}",
        made.sample,
        made.leaves,
        args.output.display()
    );
    strange.extend(made.unknown.iter().map(Uid::to_string));
    if strange.is_empty() {
        return Ok(());
    }
    Err(Failure::CheckFailed(format!("not in the trail: {}", strange.join(", "))))
}

/// Reads the column `uid` of a file.
fn read(path: &Path, uids: &mut BTreeSet<Uid>, strange: &mut Vec<String>) -> Result<(), Failure> {
    let mut file = csv::Reader::from_path(path).with_context(|| {
        format!("{}: neither a uid (32 hex digits) nor a CSV file that can be read", path.display())
    })?;
    let headings = file.headers().with_context(|| format!("cannot read {}", path.display()))?;
    // Spreadsheets write a mark of byte order before the first heading.
    let name = |heading: &str| heading.trim_start_matches('\u{feff}').eq_ignore_ascii_case("uid");
    let Some(column) = headings.iter().position(name) else {
        return Err(Failure::Usage(format!("{}: it has no column uid", path.display())));
    };
    for record in file.records() {
        let record = record.with_context(|| format!("cannot read {}", path.display()))?;
        let text = record.get(column).unwrap_or_default().trim();
        match text.parse() {
            Ok(uid) => drop(uids.insert(uid)),
            Err(()) => strange.push(format!("{text:?}")),
        }
    }
    Ok(())
}
