//! `keytrail search`: the events that a filter keeps.

use std::io::Write;

use query::full;
use query::listing;
use query::search::each_row;
use query::table::TableWriter;
use query::trail::Trail;

use super::question::{tell, tell_coverage};
use super::running::Running;
use crate::args::{Format, SearchArgs};
use crate::failure::Failure;
use crate::output::{form, stdout};

/// Runs the command.
pub(crate) fn run(args: SearchArgs) -> Result<(), Failure> {
    if let Some(url) = &args.running.url {
        return ask(&Running::new(url, args.running.token_file.as_deref())?, &args);
    }
    let (question, _) = args.question.question()?;
    let trail = Trail::open(&args.data.existing()?)?;
    let mut out = stdout();
    let mut shown = 0;
    let view = trail.view();
    let (matched, left_out) = match args.format {
        Format::Json => {
            let page = full::events(&trail, &question, args.limit, None, &mut |event| {
                shown += 1;
                serde_json::to_writer(&mut out, &event)?;
                Ok::<(), anyhow::Error>(out.write_all(b"\n")?)
            })?;
            (page.matched, page.left_out)
        }
        Format::Table | Format::Csv | Format::Arrow | Format::Parquet => {
            let names: Vec<&str> = match args.format {
                Format::Table => listing::TERMINAL.to_vec(),
                _ => listing::COLUMNS.iter().map(|column| column.name).collect(),
            };
            let (columns, cells) = listing::pick(&names);
            let mut writer = TableWriter::new(form(args.format), &columns, &mut out)?;
            let page = each_row(&view, &question, args.limit, None, &mut |row| {
                shown += 1;
                Ok::<(), anyhow::Error>(writer.row(&cells(&row))?)
            })?;
            writer.finish()?;
            (page.matched, page.left_out)
        }
    };
    out.flush()?;
    tell_coverage(matched, Some(shown), &left_out, &view);
    Ok(())
}

/// Asks a running keytrail.
fn ask(running: &Running, args: &SearchArgs) -> Result<(), Failure> {
    let limit = [("limit", args.limit.to_string())];
    let parameters = [&args.question.parameters()[..], &limit].concat();
    let told = running.print("events", args.format, &parameters, &args.question.filter)?;
    let shown = (args.limit > 0).then_some(args.limit as u64);
    told.iter().for_each(|told| tell(told, shown));
    Ok(())
}
