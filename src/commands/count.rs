//! `keytrail count`: how many, by what.

use query::count;
use query::trail::Trail;

use super::question::tell_coverage;
use crate::args::CountArgs;
use crate::failure::Failure;
use crate::output::write_table;

/// Runs the command.
pub fn run(args: CountArgs) -> Result<(), Failure> {
    let (question, period) = args.question.question()?;
    let trail = Trail::open(&args.data.existing()?)?;
    let by = args.by.iter().map(|name| trail.count_field(name)).collect::<Result<Vec<_>, _>>();
    let by = by.map_err(|error| Failure::Usage(format!("--by: {error}")))?;
    let interval = args.interval.as_deref().map(|text| count::Interval::parse(text, period.zone.clone())).transpose();
    let interval = interval.map_err(|error| Failure::Usage(format!("--interval: {error}")))?;
    let counts = count::count(&trail, &question, &by, interval.as_ref())?;
    write_table(&counts.to_table(), args.format)?;
    for note in &counts.notes {
        eprintln!("{note}");
    }
    tell_coverage(counts.total, None, &counts.left_out, counts.leaf);
    Ok(())
}
