//! `keytrail forward plan`: what a filter costs, before it is switched on.

use std::io::Write;

use forward::encode::{Options, Wrap};
use forward::encoding::Encoding;
use forward::format::Format;
use forward::plan::{Plan, Planned, Stretch};
use jiff::{SignedDuration, Timestamp};
use query::filter::Filter;
use query::period::rfc3339;
use query::table::{Cell, Column, Kind, Table, grouped};
use query::trail::Trail;
use serde_json::json;

use super::configured;
use crate::args::{PlanArgs, StatusFormat};
use crate::config::Config;
use crate::failure::Failure;
use crate::output::{form, stdout};

/// What is priced.
struct Priced {
    filter: Filter,
    filter_text: String,
    encoding: Encoding,
}

/// Runs the command.
pub(super) fn run(args: &PlanArgs) -> Result<(), Failure> {
    let config = args.sink.as_ref().map(|_| Config::read(&args.config)).transpose()?;
    let data = args.data.existing_by(config.as_ref())?;
    let priced = priced(args, config)?;
    let trail = Trail::open(&data)?;
    let plan = Plan::of(&trail, &priced.filter, &priced.encoding, stretch(args)?, args.sample)?;
    match args.format {
        StatusFormat::Json => tell_json(args, &priced, &plan),
        StatusFormat::Table => tell(&priced, &plan),
    }
}

fn priced(args: &PlanArgs, config: Option<Config>) -> Result<Priced, Failure> {
    let named = args.sink.as_ref().zip(config);
    let sink = named.map(|(name, config)| configured(config, name)).transpose()?;
    let mut encoding = match &sink {
        Some(sink) => Encoding::of(sink),
        None => {
            Encoding { format: Format::Event, options: Options::default(), wrap: Wrap::Nothing }
        }
    };
    if let Some(format) = args.written_as {
        encoding.format = format;
    }
    // Nothing is shown of the lines but their length.
    encoding.options.include_clear_values |= encoding.format == Format::Raw;
    let filter_text = match (&args.filter, sink) {
        (Some(text), _) => text.clone(),
        (None, Some(sink)) => sink.filter_text,
        (None, None) => String::new(),
    };
    let filter = Filter::parse(&filter_text, Timestamp::now())
        .map_err(|error| Failure::Usage(format!("filter {filter_text:?}: {error}")))?;
    Ok(Priced { filter, filter_text, encoding })
}

fn stretch(args: &PlanArgs) -> Result<Stretch, Failure> {
    let to = args.to.unwrap_or_else(Timestamp::now);
    let ns = |time: Timestamp| i64::try_from(time.as_nanosecond()).ok();
    let from = SignedDuration::try_from(args.last).ok().and_then(|last| to.checked_sub(last).ok());
    match (from.and_then(ns), ns(to)) {
        (Some(from), Some(to)) if from < to => Ok(Stretch { from, to }),
        _ => Err(Failure::Usage(
            "--last and --to name no stretch of time between 1678 and 2261".to_owned(),
        )),
    }
}

fn tell_json(args: &PlanArgs, priced: &Priced, plan: &Plan) -> Result<(), Failure> {
    let of = |planned: &Planned| {
        json!({
            "events": planned.events,
            "bytes": planned.bytes(),
            "events_a_day": a_day(planned.events, plan),
            "bytes_a_day": a_day(planned.bytes(), plan),
            "encoded": planned.encoded,
        })
    };
    let actions = plan.actions.iter().map(|(action, planned)| {
        let mut row = json!({"action": action});
        if let (Some(row), Some(more)) = (row.as_object_mut(), of(planned).as_object()) {
            row.extend(more.clone());
        }
        row
    });
    let all = json!({
        "sink": args.sink,
        "filter": priced.filter_text,
        "format": priced.encoding.format.as_str(),
        "from": rfc3339(plan.stretch.from),
        "to": rfc3339(plan.stretch.to),
        "days": plan.days(),
        "events": plan.events(),
        "bytes": plan.bytes(),
        "events_a_day": a_day(plan.events(), plan),
        "bytes_a_day": a_day(plan.bytes(), plan),
        "encoded_one_of": plan.one_of,
        "actions": actions.collect::<Vec<_>>(),
    });
    let mut out = stdout();
    serde_json::to_writer(&mut out, &all)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

fn tell(priced: &Priced, plan: &Plan) -> Result<(), Failure> {
    let columns = vec![
        Column::new("action", Kind::Text),
        Column::new("events", Kind::Number),
        Column::new("events_a_day", Kind::Number),
        Column::new("bytes_a_day", Kind::Number),
        Column::new("bytes_an_event", Kind::Number),
    ];
    let row = |name: &str, events: u64, bytes: u64| {
        vec![
            Cell::text(Some(name)),
            Cell::count(events),
            Cell::count(a_day(events, plan)),
            Cell::count(a_day(bytes, plan)),
            Cell::count(bytes.checked_div(events).unwrap_or(0)),
        ]
    };
    let mut actions: Vec<_> = plan.actions.iter().collect();
    actions.sort_by_key(|(_, planned)| std::cmp::Reverse(planned.bytes()));
    let mut rows: Vec<_> =
        actions.iter().map(|(name, planned)| row(name, planned.events, planned.bytes())).collect();
    rows.push(row("all", plan.events(), plan.bytes()));
    let mut out = stdout();
    Table { columns, rows }.write(form(crate::args::Format::Table), &mut out)?;
    out.flush()?;
    let filter = if priced.filter_text.is_empty() { "everything" } else { &priced.filter_text };
    let (from, to) = (rfc3339(plan.stretch.from), rfc3339(plan.stretch.to));
    let days = plan.days();
    eprintln!("of {days:.1} days, {from} to {to}: {filter}, as {}", priced.encoding.format);
    match plan.one_of {
        1 => eprintln!("each event was encoded"),
        one_of => {
            let encoded: u64 = plan.actions.values().map(|planned| planned.encoded).sum();
            let encoded = grouped(encoded);
            eprintln!(
                "events are counted; bytes are of a sample of {encoded}: each action's first event, and one of {one_of} by its uid, which is a hash. --sample says how many"
            );
        }
    }
    if plan.events() == 0 {
        eprintln!("no event of that time passes the filter: --last and --to name another stretch");
    }
    Ok(())
}

fn a_day(count: u64, plan: &Plan) -> u64 {
    (count as f64 / plan.days()).round() as u64
}
