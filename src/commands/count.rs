//! `keytrail count`: how many, by what.

use query::count::count_in;
use query::filter::CountField;
use query::interval::Interval;
use query::trail::Trail;

use super::question::{tell, tell_coverage};
use super::running::Running;
use crate::args::CountArgs;
use crate::failure::Failure;
use crate::output::{form, stdout};

/// Runs the command.
pub(crate) fn run(args: CountArgs) -> Result<(), Failure> {
    if let Some(url) = &args.running.url {
        return ask(&Running::new(url)?, &args);
    }
    let (question, period) = args.question.question()?;
    let trail = Trail::open(&args.data.existing()?)?;
    let view = trail.view();
    let by = args
        .by
        .iter()
        .map(|name| CountField::parse(name, view.fields()))
        .collect::<Result<Vec<_>, _>>();
    let by = by.map_err(|error| Failure::Usage(format!("--by: {error}")))?;
    let interval =
        args.interval.as_deref().map(|text| Interval::parse(text, &period.zone)).transpose();
    let interval = interval.map_err(|error| Failure::Usage(format!("--interval: {error}")))?;
    let counts = count_in(&view, &question, &by, interval.as_ref())?;
    counts.table().write(form(args.format), stdout())?;
    for note in &counts.notes {
        eprintln!("{note}");
    }
    tell_coverage(counts.total, None, &counts.left_out, &view);
    Ok(())
}

/// Asks a running keytrail.
fn ask(running: &Running, args: &CountArgs) -> Result<(), Failure> {
    let own = [
        ("by", args.by.join(",")),
        ("interval", args.interval.clone().unwrap_or_default()),
        ("limit", "0".to_owned()),
    ];
    let parameters = [&args.question.parameters()[..], &own].concat();
    let told = running.print("count", args.format, &parameters, &args.question.filter)?;
    told.iter().for_each(|told| tell(told, None));
    Ok(())
}
