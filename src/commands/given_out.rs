//! `keytrail leases` and `keytrail tokens`: what the server gave out, and what of it was in force.

use std::io::Write;

use query::lookup::{self, GivenOut, LEASE_COLUMNS, Listed, TERMINAL_COLUMNS, TOKEN_COLUMNS};
use query::period::rfc3339;
use query::table::{Cell, Column, TableWriter};
use query::trail::Trail;

use super::question::{filter, period};
use super::running::Running;
use crate::args::{Format, GivenOutArgs};
use crate::failure::Failure;
use crate::output::{form, stdout};

/// Runs `keytrail leases`.
pub(crate) fn leases(args: GivenOutArgs) -> Result<(), Failure> {
    if let Some(url) = &args.running.url {
        return ask(&Running::new(url, args.running.token_file.as_deref())?, "leases", &args);
    }
    let (given, trail) = open(&args)?;
    let view = trail.view();
    let mut show = Show::new(&args, LEASE_COLUMNS)?;
    let listed = lookup::leases(&trail, &view, &given, args.limit, None, &mut |lease| {
        show.row(lease.cells())
    })?;
    show.finish("leases", &given, &listed)
}

/// Runs `keytrail tokens`.
pub(crate) fn tokens(args: GivenOutArgs) -> Result<(), Failure> {
    if let Some(url) = &args.running.url {
        return ask(&Running::new(url, args.running.token_file.as_deref())?, "tokens", &args);
    }
    let (given, trail) = open(&args)?;
    let view = trail.view();
    let mut show = Show::new(&args, TOKEN_COLUMNS)?;
    let listed = lookup::tokens(&trail, &view, &given, args.limit, None, &mut |token| {
        show.row(token.cells())
    })?;
    show.finish("tokens", &given, &listed)
}

/// Asks a running keytrail.
fn ask(running: &Running, what: &str, args: &GivenOutArgs) -> Result<(), Failure> {
    if args.limit == 0 {
        return Err(Failure::Usage(
            "a running keytrail lists at most 1000 at once: give a --limit, or ask the data folder with -d".to_owned(),
        ));
    }
    let as_of = args.at.as_ref().or(args.open_at.as_ref());
    let typed = |of: Option<&String>| of.cloned().unwrap_or_default();
    let parameters = [
        ("q", args.filter.clone()),
        ("from", typed(args.from.as_ref())),
        ("to", typed(args.to.as_ref())),
        ("tz", args.tz.clone()),
        ("as_of", typed(as_of)),
        ("open", if args.open_at.is_some() { "true".to_owned() } else { String::new() }),
        ("limit", args.limit.to_string()),
    ];
    running.print(what, args.format, &parameters, &args.filter).map(drop)
}

fn open(args: &GivenOutArgs) -> Result<(GivenOut, Trail), Failure> {
    let issued = period(None, args.from.as_deref(), args.to.as_deref(), &args.tz)?;
    let at = args.at.as_deref().or(args.open_at.as_deref());
    let at = at.map(|at| period(None, Some(at), None, &args.tz)).transpose()?;
    let given = GivenOut {
        filter: filter(&args.filter)?,
        from: issued.from,
        to: issued.to,
        at: at.and_then(|at| at.from),
        only_open: args.open_at.is_some(),
    };
    Ok((given, Trail::open(&args.data.existing()?)?))
}

/// Writes the rows as they come.
struct Show {
    writer: TableWriter<Box<dyn Write>>,
    columns: usize,
    shown: usize,
}

impl Show {
    fn new(args: &GivenOutArgs, columns: &[Column]) -> Result<Show, Failure> {
        let columns = match args.format {
            Format::Table => &columns[..TERMINAL_COLUMNS],
            _ => columns,
        };
        let out: Box<dyn Write> = Box::new(stdout());
        let writer = TableWriter::new(form(args.format), columns, out)?;
        Ok(Show { writer, columns: columns.len(), shown: 0 })
    }

    fn row(&mut self, cells: Vec<Cell>) -> Result<(), anyhow::Error> {
        self.shown += 1;
        Ok(self.writer.row(&cells[..self.columns])?)
    }

    /// Ends the table, and says on standard error what it covers.
    fn finish(self, what: &str, given: &GivenOut, listed: &Listed) -> Result<(), Failure> {
        self.writer.finish()?.flush()?;
        let states: Vec<String> = listed
            .states
            .iter()
            .map(|(state, count)| format!("{count} {}", state.as_str()))
            .collect();
        let states = if states.is_empty() { "none".to_owned() } else { states.join(", ") };
        let looked_at: u64 = listed.states.values().sum();
        let part = match listed.next {
            Some(_) => format!(" of the newest {looked_at} of {} (--limit)", listed.matched),
            None => format!(" of {}, exact", listed.matched),
        };
        let left_out = match given.only_open {
            true => "; those that had ended are not shown",
            false => "",
        };
        eprintln!(
            "{what} as of {}: {states}{part}; {} shown{left_out}; answered at leaf {}",
            rfc3339(listed.at),
            self.shown,
            listed.leaf
        );
        if given.at.is_some_and(|at| at > listed.log_ends) {
            eprintln!("the log ends at {}: nothing is known after that", rfc3339(listed.log_ends));
        }
        eprintln!("{}", listed.coverage);
        Ok(())
    }
}
