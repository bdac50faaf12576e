//! `keytrail search`: the events that a filter keeps.

use std::io::Write;

use query::search;
use query::table::TableWriter;
use query::trail::Trail;

use super::question::tell_coverage;
use crate::args::{Format, SearchArgs};
use crate::failure::Failure;
use crate::output::{form, stdout};

/// Runs the command.
pub fn run(args: SearchArgs) -> Result<(), Failure> {
    let (question, _) = args.question.question()?;
    let trail = Trail::open(&args.data.existing()?)?;
    let mut out = stdout();
    let answered = match args.format {
        Format::Json => search::events(&trail, &question, args.limit, &mut |event| {
            serde_json::to_writer(&mut out, event)?;
            Ok(out.write_all(b"\n")?)
        })?,
        Format::Table | Format::Csv | Format::Arrow => {
            let mut writer = TableWriter::new(form(args.format), search::EventRow::COLUMNS, &mut out)?;
            let answered = search::rows(&trail, &question, args.limit, &mut |row| Ok(writer.row(&row.cells())?))?;
            writer.finish()?;
            answered
        }
    };
    out.flush()?;
    tell_coverage(answered.matched, Some(answered.shown), &answered.left_out, answered.leaf);
    Ok(())
}
