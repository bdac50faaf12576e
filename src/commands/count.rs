//! `keytrail count`: how many, by what.

use query::count::{Measures, Others, distinct_in, measure_in};
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
        return ask(&Running::new(url, args.running.token_file.as_deref())?, &args);
    }
    let (question, period) = args.question.question()?;
    let trail = Trail::open(&args.data.existing()?)?;
    let view = trail.view();
    let field = |option: &str, name: &str| {
        CountField::parse(name, view.fields())
            .map_err(|error| Failure::Usage(format!("{option}: {error}")))
    };
    let by = args.by.iter().map(|name| field("--by", name)).collect::<Result<Vec<_>, _>>()?;
    let interval =
        args.interval.as_deref().map(|text| Interval::parse(text, &period.zone)).transpose();
    let interval = interval.map_err(|error| Failure::Usage(format!("--interval: {error}")))?;
    if let Some(name) = &args.distinct {
        let field = field("--distinct", name)?;
        let distinct = distinct_in(&view, &question, field, &by, interval.as_ref())?;
        distinct.table().write(form(args.format), stdout())?;
        distinct.notes.iter().for_each(|note| eprintln!("{note}"));
        eprintln!("{} distinct values of {name}, exact", distinct.distinct);
        tell_coverage(distinct.total, None, &distinct.left_out, &view);
        return Ok(());
    }
    let measures = Measures { seen: args.first_last, latency: args.latency };
    let mut counts = measure_in(&view, &question, &by, interval.as_ref(), measures)?;
    if let Some(top) = args.top {
        counts = counts.top(usize::try_from(top).unwrap_or(usize::MAX));
    }
    counts.table().write(form(args.format), stdout())?;
    for note in &counts.notes {
        eprintln!("{note}");
    }
    if let Some(Others { groups, events }) = counts.others {
        eprintln!("and {groups} other groups with {events} events");
    }
    tell_coverage(counts.total, None, &counts.left_out, &view);
    Ok(())
}

/// Asks a running keytrail.
fn ask(running: &Running, args: &CountArgs) -> Result<(), Failure> {
    let own = [
        ("by", args.by.join(",")),
        ("interval", args.interval.clone().unwrap_or_default()),
        ("limit", args.top.unwrap_or(0).to_string()),
        ("first_last", if args.first_last { "true".to_owned() } else { String::new() }),
        ("latency", if args.latency { "true".to_owned() } else { String::new() }),
        ("distinct", args.distinct.clone().unwrap_or_default()),
    ];
    let parameters = [&args.question.parameters()[..], &own].concat();
    let told = running.print("count", args.format, &parameters, &args.question.filter)?;
    told.iter().for_each(|told| tell(told, None));
    Ok(())
}
